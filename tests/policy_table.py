"""What every route answers to whom, as `policies.txt` has it.

A line says the least role (`-` for none), the least scope of a token, the
status for whoever is let in (two where a background task decides), and
whether it is there for those who may not read a private review. It is written
by hand and knows nothing of `app.policies`.
"""

from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("policies.txt")
STREAMS = frozenset({"follow_events"})
"""Routes whose answer does not end; `tests/routes/test_events.py` has them."""

CONFIGURED = frozenset({"hypothesis_client"})
"""Routes that only a setting brings."""


class Row(NamedTuple):
    """A line of the table."""

    name: str
    method: str
    path: str
    role: str
    scope: str
    granted: frozenset[int]
    is_open: bool


def read_table() -> dict[str, Row]:
    """Return the rows by the route's name."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        if not line:
            continue
        name, method, path, role, scope, granted, *mark = line.split()
        rows[name] = Row(
            *(name, method, path, role, scope),
            frozenset(map(int, granted.split("|"))),
            mark == ["open"],
        )
    return rows

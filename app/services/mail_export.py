"""Mail on its way out: an mbox of mails as they came.

An mbox is written as mboxrd: a line of a mail that would part two mails gains
a `>`, and so does one that has such marks already; what reads it takes one
away. So each mail comes back byte for byte, but for a missing last line feed.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

NOBODY = "MAILER-DAEMON"  # as an mbox says that the sender is not known
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_SENDER = re.compile(r"[!-~]{1,200}")


class Copy(NamedTuple):
    """A mail's bytes, from whom they came, and when."""

    raw: bytes
    sender: str
    at: datetime | None


def write_mboxrd(copies: Iterable[Copy]) -> Iterator[bytes]:
    """Give an mbox, a mail a piece; nothing is kept from mail to mail."""
    for copy in copies:
        yield _write_separator(copy) + escape_from(copy.raw) + b"\n"


def _write_separator(copy: Copy) -> bytes:
    sender = copy.sender if _SENDER.fullmatch(copy.sender) else NOBODY
    at = (copy.at or EPOCH).astimezone(UTC)
    return f"From {sender} {at:%a %b} {at.day:2} {at:%H:%M:%S %Y}\n".encode()


def escape_from(raw: bytes) -> bytes:
    """Return a mail with its `From ` lines marked, and its last line ended."""
    marked = _FROM.sub(rb">\1", raw)
    return marked if marked.endswith(b"\n") else marked + b"\n"

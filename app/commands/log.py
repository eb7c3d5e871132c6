"""`vmi-review verify` and `vmi-review export decisions`."""

import sys

import typer

from app.commands.database import open_existing
from app.config import Settings
from app.errors import CommandError
from app.services import entries, exports


def verify(settings: Settings, kept: str) -> None:
    """Recompute the chain; refuse with the first entry that breaks it.

    `kept` is the hash of an earlier head that must still be there, or "".
    """
    with open_existing(settings) as database, database.read() as session:
        breach = entries.verify(session)
        head = entries.get_head(session)
        missing = bool(kept) and not entries.has_hash(session, kept)
    if breach is not None:
        raise CommandError(f"the log does not hold: {breach}")
    if missing:
        raise CommandError(
            f"the log holds, but no entry has the hash {kept}: "
            "entries were cut off or replaced"
        )
    typer.echo(f"{head.seq} entries hold; the head is {head.hash}")


def export_decisions(settings: Settings, format_: str) -> None:
    """Print the decision log, byte for byte as the page answers it."""
    with open_existing(settings) as database, database.read() as session:
        content = exports.export_decisions(session, format_, settings.base_url)
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()

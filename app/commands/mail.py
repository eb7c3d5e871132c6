"""`vmi-review import`."""

from pathlib import Path

import typer

from app.commands.database import open_for_change
from app.config import Settings
from app.errors import CommandError
from app.services import mail, messages


def import_file(settings: Settings, file: Path) -> None:
    """Store a mail as received; say where it is shown."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(mail.MOST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(f"{file}: {reason}", status=2) from None
    with open_for_change(settings) as database, database.write() as session:
        message = messages.import_message(session, raw)
        typer.echo(f"{message.subject} is at /m/{message.message_id}/")

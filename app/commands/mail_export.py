"""`vmi-review export mbox`."""

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from app.commands.database import open_existing
from app.config import Settings
from app.errors import CommandError
from app.services import mail_export


def export_mbox(
    settings: Settings, file: Path, message_id: str | None
) -> None:
    """Write all mails, or one conversation; what was there is replaced."""
    count = 0
    with (
        open_existing(settings) as database,
        database.read() as session,
        _replace(file) as write,
    ):
        copies = mail_export.read_copies(session, message_id)
        for piece in mail_export.write_mboxrd(copies):
            write(piece)
            count += 1
    noun = "mail" if count == 1 else "mails"
    typer.echo(f"{count} {noun} are in {file}", err=True)


@contextmanager
def _replace(file: Path) -> Iterator[Callable[[bytes], object]]:
    """Give what writes the file; it is there once all is written."""
    try:
        number, name = tempfile.mkstemp(dir=file.parent, prefix=".mbox-")
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(f"{file}: {reason}", status=2) from None
    written = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            if file.suffix == ".gz":
                with gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed:
                    yield packed.write
            else:
                yield stream.write
        written.replace(file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(f"{file}: {reason}", status=2) from None
    finally:
        written.unlink(missing_ok=True)

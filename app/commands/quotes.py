"""`vmi-review align`: what mails quote, found and stored."""

import time

import typer

from app.commands.database import open_existing
from app.commands.progress import ProgressLine
from app.config import Settings
from app.services import aligning


def align(settings: Settings) -> None:
    """Align the quotes of all mails that are not aligned yet."""
    begun = time.monotonic()
    with open_existing(settings) as database, ProgressLine() as line:
        report = aligning.align_pending(
            database,
            lambda done, total: line.write(f"{done} of {total} mails aligned"),
        )
    seconds = time.monotonic() - begun
    mails = "mail" if report.messages == 1 else "mails"
    found = "quote" if report.decided == 1 else "quotes"
    typer.echo(
        f"{report.messages} {mails} aligned in {seconds:.1f} s: "
        f"{report.decided} {found} decided, {report.waiting} wait"
    )

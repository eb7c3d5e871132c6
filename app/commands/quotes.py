"""`vmi-review align`: what mails quote, found and stored."""

import time

import typer

from app.commands.database import open_existing
from app.commands.progress import ProgressLine
from app.config import Settings
from app.db import Database
from app.services import aligning
from app.services.aligning import AlignReport


def align(settings: Settings) -> None:
    """Align the quotes of all mails that are not aligned yet."""
    with open_existing(settings) as database:
        typer.echo(describe(*align_mails(database)))


def align_mails(database: Database) -> tuple[AlignReport, float]:
    """Align all that waits; return what came of it, and the seconds."""
    begun = time.monotonic()
    with ProgressLine() as line:
        report = aligning.align_pending(
            database,
            lambda done, total: line.write(f"{done} of {total} mails aligned"),
        )
    return report, time.monotonic() - begun


def describe(report: AlignReport, seconds: float) -> str:
    """Return what came of an alignment, in one line."""
    mails = "mail" if report.messages == 1 else "mails"
    found = "quote" if report.decided == 1 else "quotes"
    return (
        f"{report.messages} {mails} aligned in {seconds:.1f} s: "
        f"{report.decided} {found} decided, {report.waiting} wait"
    )

"""`vmi-review import`."""

import io
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import typer

from app.commands.database import open_for_change
from app.commands.memory import settle_memory
from app.commands.progress import ProgressLine
from app.commands.settings import load_command
from app.config import Settings
from app.db import Database
from app.errors import CommandError
from app.services import importing
from app.services.importing import ImportReport
from app.services.mailbox import (
    Mailboxes,
    MboxForm,
    RawMail,
    read_stream,
)
from app.services.message_list import get_row
from app.services.reviewers import PROGRAM

STANDARD_INPUT = "-"
BAR = 24


def import_mails(
    settings: Settings,
    paths: Sequence[str],
    *,
    mboxo: bool = False,
    align: bool = True,
) -> None:
    """Store mails and find what they quote; say what came of it.

    Those that were refused are listed with their places.
    """
    form = MboxForm.mboxo if mboxo else MboxForm.mboxrd
    for path in paths:
        if path != STANDARD_INPUT and not Path(path).exists():
            raise CommandError(f"{path}: No such file or directory", status=2)
    boxes = Mailboxes(
        [Path(path) for path in paths if path != STANDARD_INPUT], form
    )
    mails = _read(boxes, paths, form)
    with open_for_change(settings) as database:
        settle_memory()
        with ProgressLine() as line:
            started = time.monotonic()

            def show(report: ImportReport) -> None:
                seconds = time.monotonic() - started
                line.write(describe_progress(boxes, report, seconds))

            report = importing.import_mails(
                database, mails, actor=PROGRAM, on_progress=show
            )
        if report.total == 1 and report.message_ids:
            # one mail: say where it is shown
            with database.read() as session:
                message = get_row(session, report.message_ids[0])
            path = quote(message.message_id, safe="/@:+=~$!")
            typer.echo(f"{message.subject} is at /m/{path}/")
        else:
            typer.echo(describe(report))
        if align:
            _align(database)
    tell_refusals(report)


def _align(database: Database) -> None:
    """Find what the mails quote, and say so if they quote anything."""
    # loaded when it is its turn, for not every import wants it
    quotes = load_command("quotes")
    report, seconds = quotes.align_mails(database)
    if report.decided or report.waiting:
        typer.echo(quotes.describe(report, seconds))


def _read(
    boxes: Mailboxes, paths: Sequence[str], form: MboxForm
) -> Iterator[RawMail]:
    yield from boxes
    if STANDARD_INPUT in paths:
        stdin = sys.stdin.buffer
        raw = stdin.raw if isinstance(stdin, io.BufferedReader) else stdin
        yield from read_stream(raw, "standard input", form)


def describe_progress(
    boxes: Mailboxes, report: ImportReport, seconds: float
) -> str:
    """Return how far an import is, in one line."""
    told = f"{count(report.total)}, {report.total / seconds:,.0f} a second"
    if not boxes.total:
        return f"Importing: {told}"
    share = min(boxes.done / boxes.total, 1)
    bar = "#" * round(share * BAR)
    return f"Importing [{bar:.<{BAR}}] {share:4.0%}: {told}"


def describe(report: ImportReport) -> str:
    """Return what came of an import, in one line."""
    parts = [
        f"{count(report.imported)} imported",
        f"{report.deliveries:,} more received of known ones",
        f"{report.known:,} known already",
        f"{report.refusals:,} refused",
    ]
    return "; ".join(parts)


def count(mails: int) -> str:
    """Return a number of mails in words."""
    return f"{mails:,} mail{'' if mails == 1 else 's'}"


def tell_refusals(report: ImportReport) -> None:
    """Say of each mail that was refused where it is and why, and fail."""
    for refusal in report.refused:
        typer.echo(f"vmi-review: {refusal}", err=True)
    more = report.refusals - len(report.refused)
    if more:
        typer.echo(f"vmi-review: and {more:,} more", err=True)
    if report.refusals:
        raise CommandError(f"refused: {count(report.refusals)}")

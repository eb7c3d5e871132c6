"""`vmi-review load`."""

import typer

from app.commands.database import open_for_change
from app.config import Settings
from app.services import corpus
from app.services.corpus import LoadReport


def load(settings: Settings) -> None:
    """Load the bundled corpus and say what it holds."""
    with open_for_change(settings) as database, database.write() as session:
        report = corpus.load_corpus(session)
    typer.echo(describe(report))


def describe(report: LoadReport) -> str:
    """Return what a corpus holds, in a line."""
    state = "loaded" if report.changed else "is loaded already"
    return (
        f"{report.proposal} {state}: {report.sections} sections, "
        f"{report.calls} calls, {report.threads} threads, "
        f"{report.posts} posts, {report.scenarios} questions"
    )

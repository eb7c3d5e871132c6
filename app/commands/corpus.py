"""`vmi-review load`."""

import typer

from app.commands.database import open_for_change
from app.config import Settings
from app.db import Database
from app.services import corpus, scenarios
from app.services.corpus import LoadReport
from app.services.explorer import Explorer, start_inline


def load(settings: Settings) -> None:
    """Load the bundled corpus and say what it holds."""
    with open_for_change(settings) as database:
        with database.write() as session:
            report = corpus.load_corpus(session)
        refresh_runs(settings, database)
    typer.echo(describe(report))


def refresh_runs(settings: Settings, database: Database) -> None:
    """Answer the questions again whose text or model has changed."""
    explorer = Explorer(
        workers=1, seconds=settings.run_seconds, start=start_inline
    )
    for name in scenarios.refresh_runs(database, explorer):
        typer.echo(f"Explored {name} again: the model has changed")


def describe(report: LoadReport) -> str:
    """Return what a corpus holds, in a line."""
    state = "loaded" if report.changed else "is loaded already"
    return (
        f"{report.proposal} {state}: {report.sections} sections, "
        f"{report.calls} calls, {report.threads} threads, "
        f"{report.posts} posts, {report.scenarios} questions"
    )

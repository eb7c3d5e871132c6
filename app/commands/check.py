"""`vmi-review check`: what is unsafe in the present settings."""

from collections.abc import Iterator

import typer

from app.commands.database import open_existing
from app.config import Settings
from app.errors import CommandError
from app.services import safety
from app.services.safety import Finding


def check(settings: Settings) -> None:
    """Print what is unsafe and what to do; refuse if anything is.

    Without a database there are no accounts yet that could be unsafe.
    """
    findings = list(find_all(settings))
    for finding in findings:
        typer.echo(
            f"{finding.subject}: {finding.danger}.\n    {finding.remedy}."
        )
    if findings:
        many = "finding" if len(findings) == 1 else "findings"
        raise CommandError(f"not safe on a network: {len(findings)} {many}")
    typer.echo("Nothing unsafe was found.")


def find_all(settings: Settings) -> Iterator[Finding]:
    """Yield what is unsafe in settings, files and accounts."""
    yield from safety.check_settings(settings)
    yield from safety.check_files(settings)
    yield from safety.check_process()
    try:
        with open_existing(settings) as database, database.read() as session:
            yield from list(safety.check_accounts(session))
    except CommandError as error:
        typer.echo(f"The accounts were not looked at: {error}.", err=True)

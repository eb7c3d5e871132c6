"""`vmi-review import --as-revision`: a document made of stored mails."""

from collections.abc import Sequence
from datetime import UTC, datetime

import typer

from app.commands.database import open_for_change
from app.config import Settings
from app.models import RevisionSource
from app.services import mail_documents, revising
from app.services.mail_documents import MailDocument
from app.services.revising import NewRevision


def import_as_revision(
    settings: Settings,
    message_ids: Sequence[str],
    *,
    reference: bool,
    change: str,
    commit: bool,
) -> None:
    """Print the document that mails hold; keep it if that is asked for."""
    names = [name.strip("<>") for name in message_ids]
    with open_for_change(settings) as database:
        with database.read() as session:
            read = mail_documents.read_mail_document(session, names)
        if not commit:
            typer.echo(read.found.text, nl=False)
        _tell(read)
        if not commit:
            return
        new = NewRevision(
            text=read.found.text,
            change=" ".join(change.split()) or f"As posted: {read.title}",
            dated_on=read.dated_on or datetime.now(UTC).strftime("%Y-%m-%d"),
            source=RevisionSource.mail,
            message_ids=names,
            is_reference=reference,
        )
        with database.read() as session:
            foreseen = revising.foresee(session, new.text)
        with database.write() as session:
            made = revising.create_revision(session, None, new, foreseen)
    noun = "Reference" if made.is_reference else "Revision"
    typer.echo(
        f"{noun} {made.number} is at /document/revisions/{made.number}/"
    )


def _tell(read: MailDocument) -> None:
    """Say what was found, and what is doubtful, where it hides nothing."""
    found = read.found
    for warning in found.warnings:
        place = f"line {warning.line}: " if warning.line else ""
        typer.echo(f"{place}{warning.message}", err=True)
    unknown = [entry.name for entry in found.entries if not entry.is_known]
    said = [
        f"{found.headings} headings",
        f"{len(found.entries)} entries of calls",
        f"{len(unknown)} of them unknown",
        f"{len(found.missing)} calls without entry",
    ]
    typer.echo(", ".join(said), err=True)

"""The text of a draft: the whole document, or one section put back into it."""

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Section
from app.services.revisions import RevisionRow, read_markdown


def read_part(
    session: Session, revision: RevisionRow, anchor: str | None
) -> str:
    """Return a revision's Markdown, or one section's with its heading."""
    text = read_markdown(session, revision.id)
    if anchor is None:
        return text
    start, end = _find_span(session, revision, anchor)
    return text[start:end].rstrip("\n") + "\n"


def join_part(
    session: Session, revision: RevisionRow, text: str, anchor: str | None
) -> str:
    """Return a draft as a whole: a section's stands in the revision's text.

    Raises
    ------
    NotFoundError
        When the revision has no such section (any more).
    """
    text = text.rstrip("\n")
    if anchor is None:
        return f"{text}\n"
    whole = read_markdown(session, revision.id)
    start, end = _find_span(session, revision, anchor)
    stood = whole[start:end]
    gap = stood[len(stood.rstrip("\n")) :] or "\n"
    return whole[:start] + text + gap + whole[end:]


def _find_span(
    session: Session, revision: RevisionRow, anchor: str
) -> tuple[int, int]:
    row = session.execute(
        select(col(Section.start), col(Section.end)).where(
            col(Section.revision_id) == revision.id,
            col(Section.anchor) == anchor,
        )
    ).first()
    if row is None:
        raise NotFoundError("section", anchor)
    return row[0], row[1]

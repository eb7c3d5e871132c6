"""What changed from one revision to another, or to a draft of the next."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Revision, Section
from app.services.comparison import SectionChange, compare_revisions
from app.services.differences import SectionText, map_sections
from app.services.revising import check_text
from app.services.revisions import (
    RevisionRow,
    get_newest,
    get_revision,
    list_bodies,
    load_sections,
    make_sections,
    read_markdown,
)


def compare_stored(
    session: Session, old: RevisionRow, new: RevisionRow
) -> list[SectionChange]:
    """Return what became of each section from one revision to another."""
    return _compare(_read(session, old), _read(session, new))


def compare_draft(
    session: Session, old: RevisionRow, text: str
) -> list[SectionChange]:
    """Return what a text would change; InvalidError if it is no document."""
    parsed = check_text(text)
    sections = make_sections(parsed)
    starts = [section.start for section in parsed]
    return _compare(
        _read(session, old), (sections, list_bodies(text, sections, starts))
    )


def find_successor(
    session: Session, anchor: str
) -> tuple[RevisionRow, str | None] | None:
    """Return the last text that had a section, and what it is called now.

    The name is None if the newest text has nothing of it.
    """
    number = session.scalar(
        select(func.max(col(Revision.number)))
        .join(Section, col(Section.revision_id) == col(Revision.id))
        .where(
            col(Section.anchor) == anchor,
            col(Revision.is_reference).is_(False),
        )
    )
    if number is None:
        return None
    last = get_revision(session, number)
    old = load_sections(session, last.id)
    new = load_sections(session, get_newest(session).id)
    found = [
        match
        for match in map_sections(old, new)
        if match.old is not None and old[match.old].anchor == anchor
    ]
    best = max(found, key=lambda match: match.score)
    return last, None if best.new is None else new[best.new].anchor


_Both = tuple[Sequence[SectionText], Sequence[SectionText]]


def _read(session: Session, revision: RevisionRow) -> _Both:
    """Return the sections as they are shown, and as they are written."""
    sections = load_sections(session, revision.id)
    starts = session.scalars(
        select(col(Section.start))
        .where(col(Section.revision_id) == revision.id)
        .order_by(col(Section.position))
    ).all()
    text = read_markdown(session, revision.id)
    return sections, list_bodies(text, sections, starts)


def _compare(old: _Both, new: _Both) -> list[SectionChange]:
    return compare_revisions(old[1], new[1], map_sections(old[0], new[0]))

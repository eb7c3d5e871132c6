"""Revisions: the texts of the document, which is under review, how each reads.

How one is made stands in `revising`.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Reviewer, Revision, RevisionSource, Section
from app.services.annotations import read_text
from app.services.differences import SectionText
from app.services.sections import ParsedSection
from app.services.windows import NEWEST_FIRST, Window

_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")


class RevisionRow(NamedTuple):
    """A revision without its text.

    `by` is who made it; nobody did if a corpus brought it.
    """

    id: int
    number: int
    dated_on: str
    change: str
    source: RevisionSource
    is_reference: bool
    message_ids: Sequence[str]
    created_at: datetime | None
    by: str | None


def select_newest_id() -> Any:  # noqa: ANN401 - a scalar subquery
    """Return the id of the document under review, as a subquery.

    A reference is never it.
    """
    newest = aliased(Revision)
    return (
        select(col(newest.id))
        .where(col(newest.is_reference).is_(False))
        .order_by(col(newest.proposal_id), col(newest.number).desc())
        .limit(1)
        .scalar_subquery()
    )


def get_newest(session: Session) -> RevisionRow:
    """Return the revision under review: the newest that is no reference."""
    row = session.execute(
        _select_rows().where(col(Revision.id) == select_newest_id())
    ).first()
    if row is None:
        raise NotFoundError("document", "newest revision")
    return _make_row(row)


def get_revision(session: Session, number: int) -> RevisionRow:
    """Return the revision of this number."""
    row = session.execute(
        _select_rows().where(col(Revision.number) == number)
    ).first()
    if row is None:
        raise NotFoundError("revision", str(number))
    return _make_row(row)


def find_previous(session: Session, number: int) -> RevisionRow | None:
    """Return the text that one follows: the newest before, no reference."""
    row = session.execute(
        _select_rows()
        .where(
            col(Revision.number) < number,
            col(Revision.is_reference).is_(False),
        )
        .order_by(col(Revision.number).desc())
        .limit(1)
    ).first()
    return _make_row(row) if row else None


def list_revisions(
    session: Session, window: Window = NEWEST_FIRST
) -> list[RevisionRow]:
    """Return the revisions, newest first; a window of their numbers."""
    query = window.cut(_select_rows(), col(Revision.number))
    rows = session.execute(query).all()
    return [_make_row(row) for row in window.arrange(rows)]


def _select_rows() -> Select[*tuple[Any, ...]]:
    rows: Select[*tuple[Any, ...]] = select(
        col(Revision.id),
        col(Revision.number),
        col(Revision.dated_on),
        col(Revision.change),
        col(Revision.source),
        col(Revision.is_reference),
        col(Revision.message_ids),
        col(Revision.created_at),
        col(Reviewer.display_name),
    )
    return rows.outerjoin(
        Reviewer, col(Reviewer.id) == col(Revision.reviewer_id)
    )


def _make_row(row: Sequence[Any]) -> RevisionRow:
    return RevisionRow(*row)


def read_markdown(session: Session, revision_id: int) -> str:
    """Return a revision's text as it was written."""
    text: str = session.execute(
        select(col(Revision.text)).where(col(Revision.id) == revision_id)
    ).scalar_one()
    return text


def load_sections(session: Session, revision_id: int) -> list[SectionText]:
    """Return a revision's sections as they are compared, in order.

    The text is the one that a page shows, in which passages are counted.
    """
    rows = session.execute(
        select(
            col(Section.id),
            col(Section.parent_id),
            col(Section.level),
            col(Section.number),
            col(Section.anchor),
            col(Section.title),
            col(Section.html),
        )
        .where(col(Section.revision_id) == revision_id)
        .order_by(col(Section.position))
    ).all()
    places = {row[0]: place for place, row in enumerate(rows)}
    return [
        SectionText(
            id=row[0] or 0,
            parent=places.get(row[1]),
            level=row[2],
            number=row[3],
            anchor=row[4],
            title=row[5],
            text=read_text(row[6]),
        )
        for row in rows
    ]


def make_sections(parsed: Sequence[ParsedSection]) -> list[SectionText]:
    """Return the sections of a text that is not stored, as they compare."""
    return [
        SectionText(
            id=0,
            parent=section.parent,
            level=section.level,
            number=section.number,
            anchor=section.anchor,
            title=section.title,
            text=read_text(section.html),
        )
        for section in parsed
    ]


def list_bodies(
    text: str, sections: Sequence[SectionText], starts: Sequence[int]
) -> list[SectionText]:
    """Return sections with their Markdown, without the heading, as text."""
    ends = [*starts[1:], len(text)]
    return [
        section._replace(text=_cut_heading(text[start:end]))
        for section, start, end in zip(sections, starts, ends, strict=True)
    ]


def _cut_heading(text: str) -> str:
    lines = text.split("\n")
    underlined = len(lines) > 1 and _UNDERLINE.fullmatch(lines[1])
    return "\n".join(lines[2 if underlined else 1 :])

"""The document as it is read: sections, and the threads beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Call, Section, Thread, ThreadSection
from app.services import revisions
from app.services.revisions import RevisionRow
from app.services.standings import STANDING_WIDTH, Standing, select_standings


class Remark(NamedTuple):
    """A thread beside a section; `note` narrows it, as `item 6`."""

    thread: Standing
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionRow:
    """A section with the threads that concern it, heaviest first."""

    id: int
    parent_id: int | None
    position: int
    level: int
    number: str
    anchor: str
    title: str
    html: str
    remarks: Sequence[Remark]

    @property
    def open(self) -> list[Remark]:
        """Return the remarks that somebody has to act on."""
        return [r for r in self.remarks if not r.thread.is_settled]

    @property
    def settled(self) -> list[Remark]:
        """Return the remarks that are answered, conceded or decided."""
        return [r for r in self.remarks if r.thread.is_settled]

    @property
    def is_blocking(self) -> bool:
        """Tell whether a remark on it stands in the way of acceptance."""
        return any(r.thread.is_blocking for r in self.remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A revision's text by section."""

    number: int
    dated_on: str
    change: str
    sections: Sequence[SectionRow]
    call_names: Sequence[str]


def read_document(session: Session) -> Document:
    """Return the newest revision of the document, in four queries."""
    return read_revision(session, revisions.get_newest(session))


def read_revision(session: Session, revision: RevisionRow) -> Document:
    """Return any revision of the document, in three queries."""
    remarks = _list_remarks(session, revision.id)
    rows = session.execute(
        select(
            col(Section.id),
            col(Section.parent_id),
            col(Section.position),
            col(Section.level),
            col(Section.number),
            col(Section.anchor),
            col(Section.title),
            col(Section.html),
        )
        .where(col(Section.revision_id) == revision.id)
        .order_by(col(Section.position))
    )
    return Document(
        number=revision.number,
        dated_on=revision.dated_on,
        change=revision.change,
        sections=[
            SectionRow(**row._asdict(), remarks=remarks.get(row[0], ()))
            for row in rows
        ],
        call_names=list_call_names(session),
    )


def list_call_names(session: Session) -> Sequence[str]:
    """Return the names of all calls, in order."""
    return session.scalars(
        select(col(Call.name)).order_by(col(Call.position))
    ).all()


def _list_remarks(
    session: Session, revision_id: int | None
) -> Mapping[int | None, Sequence[Remark]]:
    rows = session.execute(
        select_standings(
            col(ThreadSection.section_id), col(ThreadSection.note)
        )
        .join(ThreadSection, col(ThreadSection.thread_id) == col(Thread.id))
        .join(Section, col(Section.id) == col(ThreadSection.section_id))
        .where(col(Section.revision_id) == revision_id)
    )
    remarks: dict[int, list[Remark]] = {}
    for row in rows:
        remark = Remark(
            Standing(*row[:STANDING_WIDTH]), row[STANDING_WIDTH + 1]
        )
        remarks.setdefault(row[STANDING_WIDTH], []).append(remark)
    return {
        section_id: sorted(
            found, key=lambda r: (r.thread.weight, r.thread.position)
        )
        for section_id, found in remarks.items()
    }


def find_section(
    sections: Sequence[SectionRow], name: str
) -> SectionRow | None:
    """Return the section of an anchor, or of a number as `2.5`."""
    return next((s for s in sections if name == s.anchor), None) or next(
        (s for s in sections if s.number and name == s.number), None
    )


def list_below(
    sections: Sequence[SectionRow], top: SectionRow
) -> list[SectionRow]:
    """Return a section and all below it, in order."""
    below = [top]
    for section in sections[sections.index(top) + 1 :]:
        if section.level <= top.level:
            break
        below.append(section)
    return below

"""The document as it is read: sections, and the threads beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import (
    Anchor,
    AnchorState,
    Call,
    Section,
    Thread,
    ThreadSection,
)
from app.services import remarks, revisions
from app.services.remarks import RemarkRow
from app.services.revisions import RevisionRow
from app.services.standings import STANDING_WIDTH, Standing, select_standings

UNSURE = (AnchorState.proposed, AnchorState.orphan)


class Heading(Protocol):
    """What tells a section from others, and from those below it."""

    @property
    def anchor(self) -> str:
        """Return its part of an address."""

    @property
    def number(self) -> str:
        """Return its number, empty if it has none."""

    @property
    def level(self) -> int:
        """Return how deep it stands, from 1."""


Headed = TypeVar("Headed", bound=Heading)


class Remark(NamedTuple):
    """A thread beside a section; `note` narrows it, as `item 6`.

    `start` and `end` are its passage in the section's text; `state` says how
    sure the place is, None before a second revision was made.
    """

    thread: Standing
    note: str | None
    state: AnchorState | None = None
    start: int | None = None
    end: int | None = None
    anchor: int | None = None
    quoted: str | None = None

    @property
    def is_sure(self) -> bool:
        """Tell whether nobody need look where it belongs."""
        return self.state not in UNSURE


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionRow:
    """A section with the threads that concern it, heaviest first.

    `said` are the remarks of mails and reviewers that belong to no thread.
    """

    id: int
    parent_id: int | None
    position: int
    level: int
    number: str
    anchor: str
    title: str
    html: str
    remarks: Sequence[Remark]
    said: Sequence[RemarkRow] = ()

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
    """A revision's text by section.

    `unsure` counts what was said of places that a person has to look for.
    """

    number: int
    dated_on: str
    change: str
    sections: Sequence[SectionRow]
    call_names: Sequence[str]
    unsure: int


def read_document(session: Session) -> Document:
    """Return the newest revision of the document, in six queries."""
    return read_revision(session, revisions.get_newest(session))


def read_revision(session: Session, revision: RevisionRow) -> Document:
    """Return any revision of the document, in five queries."""
    threads = _list_remarks(session, revision.id)
    said: dict[int | None, list[RemarkRow]] = {}
    for remark in remarks.list_remarks(session, revision.id):
        said.setdefault(remark.section_id, []).append(remark)
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
            SectionRow(
                **row._asdict(),
                remarks=threads.get(row[0], ()),
                said=said.get(row[0], ()),
            )
            for row in rows
        ],
        call_names=list_call_names(session),
        unsure=_count_unsure(session, revision.id),
    )


def _count_unsure(session: Session, revision_id: int) -> int:
    return session.execute(
        select(func.count())
        .select_from(Anchor)
        .where(
            col(Anchor.revision_id) == revision_id,
            col(Anchor.state).in_(UNSURE),
        )
    ).scalar_one()


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
            col(ThreadSection.section_id),
            col(ThreadSection.note),
            col(Anchor.state),
            col(Anchor.start),
            col(Anchor.end),
            col(Anchor.id),
            col(Thread.quote),
        )
        .join(ThreadSection, col(ThreadSection.thread_id) == col(Thread.id))
        .join(Section, col(Section.id) == col(ThreadSection.section_id))
        .outerjoin(
            Anchor,
            (col(Anchor.thread_id) == col(ThreadSection.thread_id))
            & (col(Anchor.section_id) == col(ThreadSection.section_id)),
        )
        .where(col(Section.revision_id) == revision_id)
        .order_by(col(Anchor.position).desc())
    )
    # of several anchors of a thread in one section the first stays
    found: dict[tuple[int, int], Remark] = {
        (row[STANDING_WIDTH], row[0]): Remark(
            Standing(*row[:STANDING_WIDTH]), *row[STANDING_WIDTH + 1 :]
        )
        for row in rows
    }
    beside: dict[int, list[Remark]] = {}
    for (section_id, _), remark in found.items():
        beside.setdefault(section_id, []).append(remark)
    return {
        section_id: sorted(
            found, key=lambda r: (r.thread.weight, r.thread.position)
        )
        for section_id, found in beside.items()
    }


def find_section(sections: Sequence[Headed], name: str) -> Headed | None:
    """Return the section of an anchor, or of a number as `2.5`."""
    return next((s for s in sections if name == s.anchor), None) or next(
        (s for s in sections if s.number and name == s.number), None
    )


def list_below(sections: Sequence[Headed], top: Headed) -> list[Headed]:
    """Return a section and all below it, in order."""
    below = [top]
    for section in sections[sections.index(top) + 1 :]:
        if section.level <= top.level:
            break
        below.append(section)
    return below

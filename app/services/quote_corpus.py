"""What quotes are compared with, read from the database once a run.

The outline is that of the revision under review. All revisions, and the mails
that the document was posted in, are read by it: their words are those that
mails quote, their places are those of the document under review.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Call, CallSection, Message, Revision, Section
from app.services import revisions
from app.services.differences import SectionText, map_sections
from app.services.outlines import (
    Outline,
    OutlineCall,
    OutlineSection,
    Place,
    ReadText,
)
from app.services.quote_alignment import is_source
from app.services.quoted_blocks import find_stretches

MOST_SOURCES = 100
MOST_REVISIONS = 20
LEAST_SOURCE = 1000
ROOTS_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class Corpus:
    """The document under review and all it was posted as.

    `places` leads from a section of another revision to the one that it is
    in the document under review.
    """

    revision_id: int
    outline: Outline
    revisions: Sequence[ReadText]
    messages: Mapping[int, ReadText]
    places: Mapping[int, int] = field(default_factory=dict)

    @property
    def sources(self) -> list[ReadText]:
        """Return all texts that are looked through for a quote."""
        return [*self.messages.values(), *self.revisions]

    def get_within(self, message_row_id: int | None) -> frozenset[int] | None:
        """Return the numbers of the places that a mail has, if it is one."""
        read = self.messages.get(message_row_id or 0)
        if read is None:
            return None
        return frozenset(self.outline.index[mark.place] for mark in read.marks)

    def map_place(
        self, section_id: int | None, call_id: int | None
    ) -> Place | None:
        """Return the place that is now where another revision had it."""
        if section_id is None:
            return None
        section = self.places.get(section_id, section_id)
        place = Place(section, call_id)
        if place not in self.outline.index:
            place = Place(section, None)
        return place if place in self.outline.index else None


class _Text(NamedTuple):
    id: int
    body: str


def load_corpus(session: Session) -> Corpus:
    """Read what mails may quote."""
    newest = revisions.get_newest(session).id
    sections = revisions.load_sections(session, newest)
    outline = Outline(
        [
            OutlineSection(
                id=s.id, number=s.number, title=s.title, text=s.text
            )
            for s in sections
        ],
        _load_calls(session, newest),
    )
    own = {section.id: section.id for section in sections}
    texts = _read_revision(session, outline, newest, sections, own)
    places: dict[int, int] = {}
    for other in _list_others(session, newest):
        old = revisions.load_sections(session, other)
        mapped = _map(old, sections)
        places |= mapped
        texts += _read_revision(session, outline, other, old, mapped)
    return Corpus(
        newest, outline, texts, _load_messages(session, outline), places
    )


def _read_revision(
    session: Session,
    outline: Outline,
    revision_id: int,
    sections: Sequence[SectionText],
    places: Mapping[int, int],
) -> list[ReadText]:
    """Return a revision's text as its page shows it, and as it is written.

    Mails quote the one or the other.
    """
    shown = outline.read_parts(
        (
            Place(places[section.id], None) if section.id in places else None,
            f"{section.title}\n\n{section.text}",
        )
        for section in sections
    )
    written = outline.read(revisions.read_markdown(session, revision_id))
    return [shown] if shown.packed == written.packed else [shown, written]


def _load_calls(session: Session, revision_id: int) -> list[OutlineCall]:
    rows = session.execute(
        select(
            col(Call.id),
            col(Call.name),
            col(CallSection.section_id),
            col(Call.native_equivalent),
            col(Call.prototype),
            col(Call.semantics),
            col(Call.inputs),
            col(Call.outputs),
            col(Call.constants),
            col(Call.error_behaviour),
        )
        .join(CallSection, col(CallSection.call_id) == col(Call.id))
        .join(Section, col(Section.id) == col(CallSection.section_id))
        .where(col(Section.revision_id) == revision_id)
        .order_by(col(Call.position), col(CallSection.position))
    )
    found: dict[int, OutlineCall] = {}
    for row in rows:
        words = [
            *(row[1], row[4] or "", *row[5]),
            *(*row[6].values(), *row[7].values(), *row[8], row[9] or ""),
        ]
        found.setdefault(
            row[0] or 0,
            OutlineCall(
                id=row[0] or 0,
                name=row[1],
                section=row[2],
                native=row[3],
                text="\n".join(words),
            ),
        )
    return list(found.values())


def _list_others(session: Session, newest: int) -> Sequence[int]:
    rows = session.scalars(
        select(col(Revision.id))
        .where(col(Revision.id) != newest)
        .order_by(col(Revision.is_reference).desc(), col(Revision.id).desc())
        .limit(MOST_REVISIONS)
    )
    return [row for row in rows if row is not None]


def _map(
    old: Sequence[SectionText], new: Sequence[SectionText]
) -> dict[int, int]:
    found: dict[int, int] = {}
    for match in map_sections(old, new):
        if match.old is not None and match.new is not None:
            found.setdefault(old[match.old].id, new[match.new].id)
    return found


def _load_messages(session: Session, outline: Outline) -> dict[int, ReadText]:
    """Return the mails that the document was posted in."""
    found: dict[int, ReadText] = {}
    for message in _read_roots(session):
        if len(message.body) < LEAST_SOURCE:
            continue
        read = outline.read(message.body)
        if len(read.marks) and is_source(read, find_stretches(message.body)):
            found[message.id] = read
        if len(found) >= MOST_SOURCES:
            break
    return found


def _read_roots(session: Session) -> Iterator[_Text]:
    named = {
        message_id
        for ids in session.scalars(select(col(Revision.message_ids)))
        for message_id in ids
    }
    rows = session.execute(
        select(col(Message.id), col(Message.body))
        .where(
            or_(
                col(Message.message_id).in_(sorted(named)),
                (col(Message.in_reply_to).is_(None))
                & (col(Message.is_reply).is_(False)),
            )
        )
        .order_by(col(Message.id))
        .execution_options(yield_per=ROOTS_AT_A_TIME)
    )
    for row in rows:
        yield _Text(row[0] or 0, row[1])

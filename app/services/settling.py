"""Settling anchors: what waits for a person, and what they choose.

Only anchors of the newest revision are settled; the log tells who did it. What
was chosen holds for later revisions as long as its words stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    Call,
    Message,
    Person,
    Reviewer,
    Revision,
    Section,
    Thread,
)
from app.services import anchors
from app.services.anchoring import CERTAIN, Crossing, Method
from app.services.annotations import Passage, find_passage, make_passage
from app.services.carrier import Carrier, compute_digest
from app.services.comparison import Words, mark_words
from app.services.differences import Deadline, map_sections
from app.services.entries import append_entry, take_turn
from app.services.masking import mask_addresses
from app.services.reviewers import Visitor
from app.services.revisions import (
    get_newest,
    load_sections,
    select_newest_id,
)
from app.services.texts import Text

WAITING = (AnchorState.proposed, AnchorState.orphan)
MOST = 100
EXCERPT = 200
COMPARED = 0.5
"""Seconds a page may take to mark words; what is left is shown whole."""
logger = structlog.get_logger()


class SectionName(NamedTuple):
    """A section as a list names it."""

    anchor: str
    number: str
    title: str


class Rival(NamedTuple):
    """A place that an anchor may be at; `words` marks what is another now."""

    section: SectionName
    score: int
    exact: str
    words: Sequence[Words]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An anchor that looks for its place.

    `thread` is a slug, for a remark it is None; `quoted` is what was spoken
    of in revision `revision`, `was` the section it stood in, None for words
    that were not found from the first.
    """

    id: int
    state: AnchorState
    method: str
    thread: str | None
    title: str
    author: str
    message_id: str | None
    is_imported: bool
    quoted: str
    revision: int
    was: SectionName | None
    section: SectionName | None
    call: str | None
    rivals: Sequence[Rival]


def list_waiting(
    session: Session, state: AnchorState, *, after: int = 0
) -> list[Waiting]:
    """Return the anchors of the newest revision in a state, `MOST` at most."""
    return _list_anchors(session, after, col(Anchor.state) == state)


def list_confirmed(session: Session, *, after: int = 0) -> list[Waiting]:
    """Return those whose place a person chose, `MOST` at most."""
    return _list_anchors(
        session,
        after,
        col(Anchor.method) == Method.confirmed.value,
        col(Anchor.state).not_in(WAITING),
    )


def _list_anchors(
    session: Session, after: int, *conditions: ColumnElement[bool]
) -> list[Waiting]:
    original, old = aliased(Anchor), aliased(Section)
    message_id = func.coalesce(
        col(Annotation.message_id), col(Thread.message_id)
    )
    rows = session.execute(
        select(
            col(Anchor.id),
            col(Anchor.state),
            col(Anchor.method),
            col(Thread.slug),
            func.coalesce(col(Thread.title), col(Annotation.text)),
            func.coalesce(col(Person.name), col(Reviewer.display_name), ""),
            message_id,
            col(Message.id),
            col(original.exact),
            col(Revision.number),
            col(old.anchor),
            col(old.number),
            col(old.title),
            col(Call.name),
            col(Anchor.section_id),
            col(Anchor.rivals),
        )
        .join(
            original,
            (
                (col(original.annotation_id) == col(Anchor.annotation_id))
                | (col(original.thread_id) == col(Anchor.thread_id))
            )
            & (col(original.position) == col(Anchor.position))
            & (col(original.method) == Method.original.value),
        )
        .outerjoin(old, col(old.id) == col(original.section_id))
        .join(Revision, col(Revision.id) == col(original.revision_id))
        .outerjoin(Thread, col(Thread.id) == col(Anchor.thread_id))
        .outerjoin(Annotation, col(Annotation.id) == col(Anchor.annotation_id))
        .outerjoin(
            Person,
            col(Person.id)
            == func.coalesce(col(Annotation.person_id), col(Thread.person_id)),
        )
        .outerjoin(
            Reviewer,
            col(Reviewer.id)
            == func.coalesce(
                col(Annotation.reviewer_id), col(Thread.reviewer_id)
            ),
        )
        .outerjoin(Call, col(Call.id) == col(Anchor.call_id))
        .outerjoin(Message, col(Message.message_id) == message_id)
        .where(
            col(Anchor.revision_id) == select_newest_id(),
            col(Anchor.id) > after,
            *conditions,
        )
        .order_by(col(Anchor.id))
        .limit(MOST)
    ).all()
    names = _read_names(session) if rows else {}
    until = Deadline(COMPARED)
    return [_make_waiting(row, names, until) for row in rows]


def _read_names(session: Session) -> Mapping[int, SectionName]:
    rows = session.execute(
        select(
            col(Section.id),
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
        ).where(col(Section.revision_id) == select_newest_id())
    )
    return {row[0]: SectionName(*row[1:]) for row in rows if row[0]}


def _make_waiting(
    row: Sequence[Any], names: Mapping[int, SectionName], until: Deadline
) -> Waiting:
    title = mask_addresses(" ".join(row[4].split()))
    if len(title) > EXCERPT:
        title = title[:EXCERPT].rpartition(" ")[0] + " …"
    return Waiting(
        id=row[0],
        state=row[1],
        method=row[2],
        thread=row[3],
        title=title,
        author=row[5],
        message_id=row[6],
        is_imported=row[7] is not None,
        quoted=row[8],
        revision=row[9],
        was=SectionName(*row[10:13]) if row[10] else None,
        call=row[13],
        section=names.get(row[14]),
        rivals=[
            Rival(
                names[one["section"]],
                one["score"],
                one["exact"],
                mark_words(row[8], one["exact"], until) if row[8] else (),
            )
            for one in row[15]
            if one["section"] in names
        ],
    )


def count_waiting(session: Session) -> Mapping[AnchorState, int]:
    """Return how many anchors of the newest revision are in each state."""
    rows = session.execute(
        select(col(Anchor.state), func.count())
        .where(col(Anchor.revision_id) == select_newest_id())
        .group_by(col(Anchor.state))
    )
    return {row[0]: row[1] for row in rows}


def choose_rival(
    session: Session, visitor: Visitor, anchor_id: int, number: int
) -> None:
    """Take one of the proposed places; the best is number 0.

    Raises
    ------
    ConflictError
        When the anchor waits no more.
    """
    anchor = _require_waiting(session, anchor_id)
    if not 0 <= number < len(anchor.rivals):
        raise InvalidError(
            "no such place was proposed",
            Fault("/rival", f"expected 0 to {len(anchor.rivals) - 1}"),
        )
    rival = anchor.rivals[number]
    clause = anchors.read_clause(session, rival["section"])
    passage = None
    if rival["start"] is not None:
        passage = make_passage(clause.text, rival["start"], rival["end"])
    _settle(session, visitor, anchor, clause, passage, rival["score"])


def reattach(
    session: Session,
    visitor: Visitor,
    anchor_id: int,
    section: str,
    quote: str = "",
) -> None:
    """Put an anchor on another clause, or on a passage of one.

    Raises
    ------
    InvalidError
        When there is no such clause, or no such passage in it.
    """
    anchor = _require_waiting(session, anchor_id)
    section_id = session.scalar(
        select(col(Section.id)).where(
            col(Section.anchor) == section,
            col(Section.revision_id) == anchor.revision_id,
        )
    )
    if section_id is None:
        raise InvalidError(
            f"no section has the anchor {section!r}",
            Fault("/section", "expected a section of the document"),
        )
    clause = anchors.read_clause(session, section_id)
    passage = find_passage(clause.text, quote) if quote.strip() else None
    if quote.strip() and passage is None:
        raise InvalidError(
            "the passage is not in this section",
            Fault("/quote", "expected text of the section chosen"),
        )
    _settle(session, visitor, anchor, clause, passage, CERTAIN)


def set_orphan(session: Session, visitor: Visitor, anchor_id: int) -> None:
    """Say that what an anchor spoke of is no more in the text."""
    anchor = _require_waiting(session, anchor_id)
    clause = _find_clause(session, anchor)
    anchor.state = AnchorState.orphan
    _put(anchor, None, visitor)
    _finish(session, visitor, anchor, clause, "anchor.orphaned")


def reopen(session: Session, visitor: Visitor, anchor_id: int) -> None:
    """Take back what a person chose: the anchor waits again.

    It has the place that the carrying found for it, if it found any.

    Raises
    ------
    ConflictError
        When nobody chose its place.
    """
    anchor = _require_newest(session, anchor_id)
    if anchor.method != Method.confirmed.value:
        raise ConflictError("nobody chose the place of this anchor")
    carrier = Carrier(session, anchor.revision_id)
    fresh = carrier.carry(_read_original(session, anchor), None)
    rivals = fresh.rivals
    if fresh.section_id is not None and fresh.state not in WAITING:
        # a place that would be sure is one to choose again
        rivals = [
            {
                "section": fresh.section_id,
                "start": fresh.start,
                "end": fresh.end,
                "score": fresh.score,
                "exact": fresh.exact,
            }
        ]
        fresh.state = AnchorState.proposed
    anchor.state, anchor.score = fresh.state, fresh.score
    anchor.rivals = rivals
    anchor.start, anchor.end = fresh.start, fresh.end
    anchor.exact = fresh.exact
    anchor.prefix, anchor.suffix = fresh.prefix, fresh.suffix
    anchor.method = fresh.method
    anchor.reviewer_id = None
    clause = None
    if fresh.section_id is not None:
        clause = anchors.read_clause(session, fresh.section_id)
    _finish(session, visitor, anchor, clause, "anchor.reopened")


def _require_waiting(session: Session, anchor_id: int) -> Anchor:
    anchor = _require_newest(session, anchor_id)
    if anchor.state not in WAITING:
        raise ConflictError("the place of this anchor is settled")
    return anchor


def _require_newest(session: Session, anchor_id: int) -> Anchor:
    take_turn(session)
    anchor = session.get(Anchor, anchor_id)
    if anchor is None:
        raise NotFoundError("anchor", str(anchor_id))
    if anchor.revision_id != get_newest(session).id:
        raise ConflictError("this anchor belongs to an older revision")
    return anchor


def _settle(  # noqa: PLR0913, PLR0917 - each is a part of the choice
    session: Session,
    visitor: Visitor,
    anchor: Anchor,
    clause: anchors.Clause,
    passage: Passage | None,
    score: int,
) -> None:
    anchor.state = AnchorState.moved
    anchor.score = score
    _put(anchor, passage, visitor)
    _finish(session, visitor, anchor, clause, "anchor.confirmed")


def _put(anchor: Anchor, passage: Passage | None, visitor: Visitor) -> None:
    anchor.reviewer_id = visitor.id
    if anchor.method == Method.original.value:
        # it came without a sure place: later ones go out from this choice
        if anchor.state == AnchorState.orphan:
            anchor.start = anchor.end = None
            return
    else:
        anchor.method = Method.confirmed.value
    anchor.start = passage.start if passage else None
    anchor.end = passage.end if passage else None
    anchor.exact = passage.exact if passage else ""
    anchor.prefix = passage.prefix if passage else ""
    anchor.suffix = passage.suffix if passage else ""


def _finish(
    session: Session,
    visitor: Visitor,
    anchor: Anchor,
    clause: anchors.Clause | None,
    event: str,
) -> None:
    anchor.section_id = clause.id if clause else None
    anchor.digest = compute_digest(clause.text) if clause else ""
    anchor.made_at = datetime.now(UTC)
    session.flush()
    subject = f"annotation:{anchor.annotation_id}"
    if anchor.thread_id is not None:
        anchors.link_threads(session, anchor.revision_id, [anchor.thread_id])
        slug = session.scalar(
            select(col(Thread.slug)).where(col(Thread.id) == anchor.thread_id)
        )
        subject = f"thread:{slug}"
    append_entry(
        session,
        visitor.actor,
        event,
        subject,
        {
            "revision": get_newest(session).number,
            "position": anchor.position,
            "section": clause.anchor if clause else None,
            "start": anchor.start,
            "end": anchor.end,
            "method": anchor.method,
            "score": anchor.score,
            "digest": anchor.digest,
        },
    )
    logger.info("anchor_settled", anchor=anchor.id, event_type=event)


def _find_clause(session: Session, anchor: Anchor) -> anchors.Clause | None:
    """Return what became of the clause that was spoken of."""
    original = _read_original(session, anchor)
    if original.section_id is None:
        return None
    old = load_sections(session, original.revision_id)
    new = load_sections(session, anchor.revision_id)
    crossing = Crossing(Text(old), Text(new), map_sections(old, new))
    place = next(n for n, s in enumerate(old) if s.id == original.section_id)
    found = crossing.get_clause(place)
    return (
        None if found is None else anchors.read_clause(session, new[found].id)
    )


def _read_original(session: Session, anchor: Anchor) -> Anchor:
    return session.scalars(
        select(Anchor).where(
            col(Anchor.annotation_id).is_not_distinct_from(
                anchor.annotation_id
            ),
            col(Anchor.thread_id).is_not_distinct_from(anchor.thread_id),
            col(Anchor.position) == anchor.position,
            col(Anchor.method) == Method.original.value,
        )
    ).one()

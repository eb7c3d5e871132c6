"""Settling anchors: what a person chooses for one that waits.

Only anchors of the newest revision are settled; the log tells who did it. What
was chosen holds for later revisions as long as its words stay.
"""

from datetime import UTC, datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import (
    Anchor,
    AnchorState,
    Section,
    Thread,
)
from app.services import anchors
from app.services.anchoring import CERTAIN, Crossing, Method
from app.services.annotations import Passage, find_passage, make_passage
from app.services.carrier import Carrier, compute_digest
from app.services.differences import map_sections
from app.services.entries import append_entry, take_turn
from app.services.reviewers import Visitor
from app.services.revisions import (
    get_newest,
    load_sections,
)
from app.services.texts import Text
from app.services.waiting_anchors import WAITING

logger = structlog.get_logger()


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

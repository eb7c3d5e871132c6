"""Anchors of annotations: stored from the points that their targets name.

What is not sure of its place waits for a person in the list of anchors, as
what a later revision displaced does.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Anchor, AnchorState
from app.services import anchors
from app.services.anchoring import Method
from app.services.annotation_aims import Point
from app.services.carrier import compute_digest
from app.services.revisions import get_newest


def add_points(
    session: Session,
    actor: str,
    points: Sequence[Point],
    *,
    annotation_id: str | None = None,
    thread_id: int | None = None,
) -> None:
    """Store an anchor for each point, and carry it to the newest text."""
    made = [
        _make_anchor(point, position, annotation_id, thread_id)
        for position, point in enumerate(points)
    ]
    session.add_all(made)
    session.flush()
    read = {point.edition for point in points}
    for edition in read:
        if thread_id is not None:
            anchors.link_threads(session, edition.id, [thread_id])
        if not edition.is_newest:
            anchors.carry_anchors(
                session,
                [one for one in made if one.revision_id == edition.id],
                edition.id,
                get_newest(session).id,
                actor,
            )


def _make_anchor(
    point: Point,
    position: int,
    annotation_id: str | None,
    thread_id: int | None,
) -> Anchor:
    clause, spot, passage = point.clause, point.spot, point.passage
    is_lost = spot.state == AnchorState.orphan
    return Anchor(
        annotation_id=annotation_id,
        thread_id=thread_id,
        revision_id=point.edition.id,
        position=position,
        section_id=clause.id if clause else None,
        call_id=point.call_id,
        state=spot.state,
        method=Method.original.value,
        score=spot.score,
        start=None if is_lost or passage is None else passage.start,
        end=None if is_lost or passage is None else passage.end,
        exact=passage.exact if passage else "",
        prefix=passage.prefix if passage else "",
        suffix=passage.suffix if passage else "",
        digest=compute_digest(clause.text) if clause else "",
        rivals=[dict(rival) for rival in point.rivals],
        made_at=datetime.now(UTC),
    )


def copy_anchors(session: Session, from_id: str, to_id: str) -> None:
    """Put a reply to a remark where the remark is."""
    rows = session.scalars(
        select(Anchor)
        .where(col(Anchor.annotation_id) == from_id)
        .order_by(col(Anchor.id))
    ).all()
    session.add_all(
        Anchor(**row.model_dump(exclude={"id"}) | {"annotation_id": to_id})
        for row in rows
    )
    session.flush()


def remove_anchors(session: Session, annotation_id: str) -> None:
    """Forget where an annotation pointed."""
    session.execute(
        delete(Anchor).where(col(Anchor.annotation_id) == annotation_id)
    )


def describe_points(points: Sequence[Point]) -> list[Mapping[str, Any]]:
    """Return what an entry says of new anchors."""
    return [
        {
            "revision": point.edition.number,
            "section": point.section,
            "call": point.call,
            "state": point.spot.state.value,
            "exact": point.passage.exact if point.passage else "",
            "start": point.passage.start if point.passage else None,
            "end": point.passage.end if point.passage else None,
        }
        for point in points
    ]

"""Stances as posts tell of them: the row that is kept over such a post.

Whoever posts a stance on a thread stands so to it from then on, by
whatever way the post came; an older post of theirs is only a post after that.
A post that is deleted, or says no stance any more, withdraws it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import Fault, InvalidError
from app.models import (
    Annotation,
    Reviewer,
    SearchKind,
    Stance,
    StanceValue,
    Thread,
)
from app.services import search_index
from app.services.annotation_reading import read_stance
from app.services.annotation_rows import NewAnnotation
from app.services.entries import append_entry
from app.services.reviewers import Visitor

logger = structlog.get_logger()

Document = Mapping[str, Any]


def require_text(value: StanceValue, text: str, pointer: str) -> None:
    """Refuse to block without a word."""
    if value == StanceValue.blocking and not text.strip():
        raise InvalidError(
            "who blocks says why",
            Fault(pointer, "say what is wrong, and what would clear it"),
        )


def keep_stance(
    session: Session,
    visitor: Visitor,
    annotation: Annotation | NewAnnotation,
    was: Document | None = None,
) -> None:
    """Let a post's author stand to its thread as the post says now.

    Parameters
    ----------
    annotation
        The post as it was stored.
    was
        What it said before; None if it is new. A post that says the same as
        then, and was followed by another stance, stays without one.

    Raises
    ------
    InvalidError
        When it blocks and does not say why.
    """
    stated = read_stance(annotation.document)
    before = read_stance(was) if was else None
    if stated is None and before is None:
        return
    held = _find_held(session, annotation.id) if was else None
    if held is not None and (
        stated is None or held.thread_id != annotation.thread_id
    ):
        drop_stance(session, visitor, annotation.id)
        held = None
    is_followed = was is not None and (stated, was["target"]) == (
        before,
        annotation.document["target"],
    )
    if stated is None or annotation.thread_id is None:
        return
    if held is not None or not is_followed:
        _take(session, visitor, annotation, stated)


def _find_held(session: Session, annotation_id: str) -> Stance | None:
    found: Stance | None = session.scalar(
        select(Stance).where(col(Stance.annotation_id) == annotation_id)
    )
    return found


def _take(
    session: Session,
    visitor: Visitor,
    annotation: Annotation | NewAnnotation,
    value: StanceValue,
) -> None:
    require_text(value, annotation.text, "/body")
    thread = session.get_one(Thread, annotation.thread_id)
    row = session.scalar(
        select(Stance).where(
            col(Stance.thread_id) == annotation.thread_id,
            col(Stance.reviewer_id) == visitor.id,
        )
    )
    known = row.value if row is not None else None
    if row is None:
        row = Stance(
            thread_id=annotation.thread_id or 0,
            reviewer_id=visitor.id,
            value=value,
            text=annotation.text,
            taken_at=datetime.now(UTC),
        )
        session.add(row)
    elif (row.value, row.text, row.annotation_id) == (
        value,
        annotation.text,
        annotation.id,
    ):
        return
    former = row.annotation_id
    row.value, row.text = value, annotation.text
    row.taken_at = datetime.now(UTC)
    row.annotation_id = annotation.id
    session.flush()
    append_entry(
        session,
        visitor.actor,
        "stance.taken",
        f"thread:{thread.slug}",
        {
            "annotation": annotation.id,
            "stance": value.value,
            "was": known.value if known else None,
            "text": annotation.text,
        },
    )
    if former not in (None, annotation.id):
        # the line names only the post that says so now
        search_index.refresh(session, SearchKind.annotation, [str(former)])
    logger.info("stance_taken", thread=thread.slug, stance=value.value)


def drop_stance(
    session: Session, visitor: Visitor, annotation_id: str, reason: str = ""
) -> None:
    """Withdraw the stance that a post tells of, if it does."""
    row = session.execute(
        select(col(Stance.value), col(Thread.slug), col(Reviewer.name))
        .join(Thread, col(Thread.id) == col(Stance.thread_id))
        .join(Reviewer, col(Reviewer.id) == col(Stance.reviewer_id))
        .where(col(Stance.annotation_id) == annotation_id)
    ).first()
    if row is None:
        return
    session.execute(
        delete(Stance).where(col(Stance.annotation_id) == annotation_id)
    )
    append_entry(
        session,
        visitor.actor,
        "stance.withdrawn",
        f"thread:{row[1]}",
        {
            "annotation": annotation_id,
            "stance": row[0].value,
            "reviewer": row[2],
            "reason": reason,
        },
    )
    logger.info("stance_withdrawn", thread=row[1], reviewer=row[2])

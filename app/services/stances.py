"""Stances: how each reviewer stands to a thread, one each.

A stance is also a post of its thread, by which others answer it. Whoever
takes another changes that post; the log tells of the former one. Blocking
has to say what is wrong and what would clear it.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import Fault, InvalidError, NotFoundError
from app.models import (
    Annotation,
    Motivation,
    Reviewer,
    Stance,
    StanceValue,
    Thread,
)
from app.services import annotation_changes
from app.services.annotations import CONTEXT, PostRow
from app.services.entries import append_entry, take_turn
from app.services.moderation import require_reason, require_say
from app.services.reviewers import Visitor

TERMS = "/ns/review.jsonld"
MEANINGS: Mapping[StanceValue, str] = {
    StanceValue.blocking: "this must not be accepted as it is",
    StanceValue.working: "I am working on an answer",
    StanceValue.discussing: "I have more to say, and block nothing",
    StanceValue.informing: "I say what I know, and judge nothing",
    StanceValue.satisfied: "this is settled for me",
}
logger = structlog.get_logger()


class StanceRow(NamedTuple):
    """A stance as it is now; `version` counts its post's texts.

    `reviewer` is the account's name, `author` the one to be shown.
    """

    id: int
    reviewer: str
    author: str
    value: StanceValue
    text: str
    html: str
    post: str
    version: int
    taken_at: datetime


def list_stances(
    session: Session, thread: str, *, after: int = 0, limit: int | None = None
) -> list[StanceRow]:
    """Return the stances on a thread, in the order of their numbers."""
    return _read(
        session,
        col(Thread.slug) == thread,
        col(Stance.id) > after,
        limit=limit,
    )


def list_taken(rows: Iterable[PostRow]) -> list[PostRow]:
    """Return the posts that tell of a stance, those that hold it up first."""
    order = list(StanceValue)
    taken = [(order.index(row.stance), row) for row in rows if row.stance]
    return [row for _, row in sorted(taken, key=itemgetter(0))]


def get_stance(session: Session, thread: str, reviewer: str) -> StanceRow:
    """Return the stance of a reviewer, by the account's name."""
    found = find_stance(session, thread, reviewer)
    if found is None:
        raise NotFoundError("stance", f"{thread}/{reviewer}")
    return found


def find_stance(
    session: Session, thread: str, reviewer: str
) -> StanceRow | None:
    """Return the stance of a reviewer, if they took one."""
    rows = _read(
        session, col(Thread.slug) == thread, col(Reviewer.name) == reviewer
    )
    return rows[0] if rows else None


def _read(
    session: Session,
    *conditions: ColumnElement[bool],
    limit: int | None = None,
) -> list[StanceRow]:
    rows = session.execute(
        select(
            col(Stance.id),
            col(Reviewer.name),
            col(Reviewer.display_name),
            col(Stance.value),
            col(Annotation.text),
            col(Annotation.html),
            col(Annotation.id),
            col(Annotation.version),
            col(Stance.taken_at),
        )
        .join(Thread, col(Thread.id) == col(Stance.thread_id))
        .join(Reviewer, col(Reviewer.id) == col(Stance.reviewer_id))
        # whoever deletes the post has withdrawn the stance
        .join(Annotation, col(Annotation.id) == col(Stance.annotation_id))
        .where(col(Annotation.deleted_at).is_(None), *conditions)
        .order_by(col(Stance.id))
        .limit(limit)
    )
    return [StanceRow._make(row) for row in rows]


def take_stance(
    session: Session,
    visitor: Visitor,
    thread: str,
    value: StanceValue,
    text: str = "",
) -> StanceRow:
    """Take a stance on a thread, or another one than before; return it.

    Raises
    ------
    NotFoundError
        When there is no such thread.
    InvalidError
        When it blocks and does not say why.
    """
    require_text(value, text)
    take_turn(session)
    thread_id = _get_thread(session, thread)
    known = find_stance(session, thread, visitor.name)
    if known is not None and (known.value, known.text) == (value, text):
        return known
    document = _build_document(thread, value, text)
    if known is None:
        post = annotation_changes.create_annotation(session, visitor, document)
    else:
        post = annotation_changes.replace_annotation(
            session, visitor, known.post, document
        )
    _store(session, visitor, thread_id, post.id, value=value, text=text)
    append_entry(
        session,
        visitor.actor,
        "stance.taken",
        f"thread:{thread}",
        {
            "annotation": post.id,
            "stance": value.value,
            "was": known.value.value if known else None,
            "text": text,
        },
    )
    logger.info("stance_taken", thread=thread, stance=value.value)
    return get_stance(session, thread, visitor.name)


def require_text(value: StanceValue, text: str) -> None:
    """Refuse to block without a word."""
    if value == StanceValue.blocking and not text.strip():
        raise InvalidError(
            "who blocks says why",
            Fault("/text", "say what is wrong, and what would clear it"),
        )


def _get_thread(session: Session, slug: str) -> int:
    found = session.scalar(
        select(col(Thread.id)).where(col(Thread.slug) == slug)
    )
    if found is None:
        raise NotFoundError("thread", slug)
    return found


def _build_document(
    thread: str, value: StanceValue, text: str
) -> Mapping[str, Any]:
    document: dict[str, Any] = {
        "@context": [CONTEXT, TERMS],
        "type": "Annotation",
        "motivation": Motivation.assessing.value,
        "target": f"/threads/{thread}",
        "review:stance": value.value,
    }
    if text.strip():
        document["body"] = {
            "type": "TextualBody",
            "value": text,
            "format": "text/markdown",
            "purpose": Motivation.assessing.value,
        }
    return document


def _store(  # noqa: PLR0913 - each is a column
    session: Session,
    visitor: Visitor,
    thread_id: int,
    annotation_id: str,
    *,
    value: StanceValue,
    text: str,
) -> None:
    # the row of a stance whose post was deleted is used again
    row = session.scalar(
        select(Stance).where(
            col(Stance.thread_id) == thread_id,
            col(Stance.reviewer_id) == visitor.id,
        )
    )
    now = datetime.now(UTC)
    if row is None:
        row = Stance(
            thread_id=thread_id,
            reviewer_id=visitor.id,
            value=value,
            text=text,
            taken_at=now,
        )
        session.add(row)
    row.value, row.text, row.taken_at = value, text, now
    row.annotation_id = annotation_id
    session.flush()


def require_withdrawable(
    session: Session, visitor: Visitor, thread: str, reviewer: str
) -> StanceRow:
    """Return the stance of a reviewer if the visitor may withdraw it."""
    _get_thread(session, thread)
    known = get_stance(session, thread, reviewer)
    require_say(visitor, reviewer)
    return known


def withdraw_stance(
    session: Session,
    visitor: Visitor,
    thread: str,
    reviewer: str,
    *,
    reason: str = "",
) -> None:
    """Withdraw a stance and delete its post.

    Parameters
    ----------
    reviewer
        Whose it is; another's is withdrawn by an editor.
    reason
        Why; an editor must say.

    Raises
    ------
    NotFoundError
        When that reviewer took none.
    ForbiddenError
        When it is another's, and the visitor is no editor.
    """
    take_turn(session)
    known = require_withdrawable(session, visitor, thread, reviewer)
    require_reason(visitor, reviewer, reason)
    annotation_changes.delete_annotation(
        session, visitor, known.post, reason=reason
    )
    session.execute(
        delete(Stance).where(col(Stance.annotation_id) == known.post)
    )
    append_entry(
        session,
        visitor.actor,
        "stance.withdrawn",
        f"thread:{thread}",
        {
            "annotation": known.post,
            "stance": known.value.value,
            "reviewer": reviewer,
            "reason": reason,
        },
    )
    logger.info("stance_withdrawn", thread=thread, reviewer=reviewer)

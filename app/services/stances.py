"""Stances: how each reviewer stands to a thread, one each.

A stance is also a post of its thread, by which others answer it. Whoever
takes another changes that post; the log tells of the former one. Blocking
has to say what is wrong and what would clear it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import (
    Annotation,
    Motivation,
    Reviewer,
    Stance,
    StanceValue,
    Thread,
)
from app.services import annotation_changes
from app.services.annotation_reading import STANCE
from app.services.annotations import CONTEXT, OPENER, PostRow
from app.services.entries import take_turn
from app.services.moderation import require_reason, require_say
from app.services.reviewers import Visitor
from app.services.stance_posts import drop_stance, require_text
from app.services.windows import WHOLE, Window

TERMS = "/ns/review.jsonld"
MEANINGS: Mapping[StanceValue, str] = {
    StanceValue.blocking: "this must not be accepted as it is",
    StanceValue.working: "I am working on an answer",
    StanceValue.discussing: "I have more to say, and block nothing",
    StanceValue.informing: "I say what I know, and judge nothing",
    StanceValue.satisfied: "this is settled for me",
}


class StanceRow(NamedTuple):
    """A stance as it is now; `version` counts its post's texts.

    `reviewer` is the account's name, `author` the one to be shown; its post
    may have opened the thread.
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
    is_opener: bool = False


def list_stances(
    session: Session, thread: str, window: Window = WHOLE
) -> list[StanceRow]:
    """Return the stances on a thread, in the order of their numbers."""
    return _read(session, col(Thread.slug) == thread, window=window)


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
    window: Window = WHOLE,
) -> list[StanceRow]:
    statement = (
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
            col(Annotation.position) == OPENER,
        )
        .join(Thread, col(Thread.id) == col(Stance.thread_id))
        .join(Reviewer, col(Reviewer.id) == col(Stance.reviewer_id))
        # whoever deletes the post has withdrawn the stance
        .join(Annotation, col(Annotation.id) == col(Stance.annotation_id))
        .where(col(Annotation.deleted_at).is_(None), *conditions)
    )
    rows = session.execute(window.cut(statement, col(Stance.id))).all()
    return [StanceRow._make(row) for row in window.arrange(rows)]


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
    require_text(value, text, "/text")
    take_turn(session)
    _require_thread(session, thread)
    known = find_stance(session, thread, visitor.name)
    if known is not None and (known.value, known.text) == (value, text):
        return known
    document = _build_document(thread, value, text)
    if known is None or known.is_opener:
        annotation_changes.create_annotation(session, visitor, document)
    else:
        annotation_changes.replace_annotation(
            session, visitor, known.post, document
        )
    return get_stance(session, thread, visitor.name)


def _require_thread(session: Session, slug: str) -> None:
    found = session.scalar(
        select(col(Thread.id)).where(col(Thread.slug) == slug)
    )
    if found is None:
        raise NotFoundError("thread", slug)


def _build_document(
    thread: str, value: StanceValue, text: str
) -> Mapping[str, Any]:
    classed = {
        "type": "TextualBody",
        "value": value.value,
        "purpose": Motivation.classifying.value,
    }
    said = {
        "type": "TextualBody",
        "value": text,
        "format": "text/markdown",
        "purpose": Motivation.assessing.value,
    }
    return {
        "@context": [CONTEXT, TERMS],
        "type": "Annotation",
        "motivation": Motivation.assessing.value,
        "body": [said, classed] if text.strip() else classed,
        "target": f"/threads/{thread}",
        STANCE: value.value,
    }


def require_withdrawable(
    session: Session, visitor: Visitor, thread: str, reviewer: str
) -> StanceRow:
    """Return the stance of a reviewer if the visitor may withdraw it."""
    _require_thread(session, thread)
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
    if known.is_opener:  # what opened the thread stays
        drop_stance(session, visitor, known.post, reason)
    else:
        annotation_changes.delete_annotation(
            session, visitor, known.post, reason=reason
        )

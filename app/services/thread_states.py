"""How a thread stands, changed: by whom, and what the log tells of it.

Whoever opened a thread may; an editor may too, and says why. A thread that
was decided is so until another decision.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import (
    Decision,
    Reviewer,
    Severity,
    Thread,
    ThreadKind,
    ThreadState,
)
from app.services.entries import append_entry
from app.services.moderation import require_reason, require_say
from app.services.reviewers import Visitor


class Target(NamedTuple):
    """A thread that shall change.

    `account` is who opened it, None if it is of the corpus; `decision` is
    the number of the last one on it.
    """

    id: int
    title: str
    kind: ThreadKind
    severity: Severity
    state: ThreadState
    account: str | None
    decision: int | None


def get_target(session: Session, slug: str) -> Target:
    """Return the thread that shall change."""
    row = session.execute(
        select(
            col(Thread.id),
            col(Thread.title),
            col(Thread.kind),
            col(Thread.severity),
            col(Thread.state),
            col(Reviewer.name),
            select(col(Decision.number))
            .where(col(Decision.thread_id) == col(Thread.id))
            .order_by(col(Decision.number).desc())
            .limit(1)
            .correlate(Thread)
            .scalar_subquery(),
        )
        .outerjoin(Reviewer, col(Reviewer.id) == col(Thread.reviewer_id))
        .where(col(Thread.slug) == slug)
    ).first()
    if row is None:
        raise NotFoundError("thread", slug)
    return Target._make(row)


def require_undecided(
    thread: Target, state: object, pointer: str = "/state"
) -> None:
    """Refuse to change how a thread stands past its decision."""
    if thread.decision is not None:
        raise ConflictError(
            f"decision {thread.decision} says how it stands; "
            "another decision may supersede it"
        )
    if state == ThreadState.decided:
        raise InvalidError(
            "a thread is decided by a decision",
            Fault(pointer, "record a decision on it"),
        )


def store_changes(  # noqa: PLR0913 - each is a part of the line
    session: Session,
    visitor: Visitor,
    slug: str,
    thread: Target,
    changed: Mapping[str, object],
    *,
    reason: str,
) -> None:
    """Change the columns of a thread, and tell it in the log."""
    session.execute(
        update(Thread).where(col(Thread.id) == thread.id).values(changed)
    )
    append_entry(
        session,
        visitor.actor,
        "thread.changed",
        f"thread:{slug}",
        {
            "now": {name: str(value) for name, value in changed.items()},
            "was": {name: str(getattr(thread, name)) for name in changed},
            "reason": reason,
        },
    )


def set_state(
    session: Session,
    visitor: Visitor,
    slug: str,
    state: ThreadState,
    *,
    reason: str,
) -> None:
    """Let a thread stand as a moderating annotation says.

    Raises
    ------
    ForbiddenError
        When another opened it, and the visitor is no editor.
    ConflictError
        When a decision says how it stands.
    """
    thread = get_target(session, slug)
    require_say(visitor, thread.account)
    if state == thread.state:
        return
    require_undecided(thread, state, "/review:state")
    require_reason(visitor, thread.account, reason)
    changed = {"state": state}
    store_changes(session, visitor, slug, thread, changed, reason=reason)

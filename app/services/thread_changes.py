"""Threads changed after they were opened: their heading, and how they stand.

Whoever opened one may change it; an editor may too, and says why. What is of
the corpus keeps its words, and only its state is changed. A thread that was
decided is so until another decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import (
    Annotation,
    Decision,
    Reviewer,
    SearchKind,
    Severity,
    Thread,
    ThreadKind,
    ThreadState,
)
from app.services import posts, search_index
from app.services.annotations import OPENER
from app.services.entries import append_entry, take_turn
from app.services.moderation import require_reason, require_say
from app.services.reviewers import Visitor

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a change may set; None leaves a part as it is."""

    title: str | None = None
    kind: ThreadKind | None = None
    severity: Severity | None = None
    state: ThreadState | None = None


class _Target(NamedTuple):
    id: int
    title: str
    kind: ThreadKind
    severity: Severity
    state: ThreadState
    account: str | None
    decision: int | None


def change_thread(  # noqa: PLR0913 - each is a part of the change
    session: Session,
    visitor: Visitor,
    slug: str,
    heading: Heading,
    *,
    text: str | None = None,
    reason: str = "",
) -> None:
    """Change a thread.

    Parameters
    ----------
    text
        What shall stand in place of what opened it; only its author may.
    reason
        Why; an editor who changes another's must say.

    Raises
    ------
    ForbiddenError
        When it is another's, and the visitor is no editor.
    ConflictError
        When it is of the corpus and not the state alone is changed, or when
        a decision says how it stands.
    """
    take_turn(session)
    thread = _get_target(session, slug)
    require_say(visitor, thread.account)
    changed = _find_changes(thread, heading)
    _require_changeable(thread, changed, text)
    require_reason(visitor, thread.account, reason)
    if text is not None:
        posts.change_post(
            session, visitor, slug, _get_opener(session, thread.id), text
        )
    if not changed:
        return
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
    if "title" in changed:
        # its posts and decisions are found by it
        search_index.refresh(session, SearchKind.annotation)
        search_index.refresh(session, SearchKind.decision)
    logger.info("thread_changed", thread=slug, changed=list(changed))


def require_changeable(session: Session, visitor: Visitor, slug: str) -> None:
    """Refuse whoever has no say in how a thread stands."""
    require_say(visitor, _get_target(session, slug).account)


def _get_target(session: Session, slug: str) -> _Target:
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
    return _Target._make(row)


def _find_changes(
    thread: _Target, heading: Heading
) -> dict[str, str | ThreadKind | Severity | ThreadState]:
    wanted = {
        part.name: getattr(heading, part.name) for part in fields(heading)
    }
    return {
        name: value
        for name, value in wanted.items()
        if value is not None and value != getattr(thread, name)
    }


def _require_changeable(
    thread: _Target, changed: Mapping[str, object], text: str | None
) -> None:
    if thread.account is None and (text is not None or {*changed} - {"state"}):
        raise ConflictError(
            "this thread is of the corpus: only its state is changed"
        )
    if "state" not in changed:
        return
    if thread.decision is not None:
        raise ConflictError(
            f"decision {thread.decision} says how it stands; "
            "another decision may supersede it"
        )
    if changed["state"] == ThreadState.decided:
        raise InvalidError(
            "a thread is decided by a decision",
            Fault("/state", "record a decision on it"),
        )


def _get_opener(session: Session, thread_id: int) -> str:
    found = session.scalar(
        select(col(Annotation.id)).where(
            col(Annotation.thread_id) == thread_id,
            col(Annotation.position) == OPENER,
        )
    )
    if found is None:
        raise ConflictError("what opened this thread is kept elsewhere")
    return found

"""Threads changed after they were opened: their heading, and how they stand.

Whoever opened one may change it; an editor may too, and says why. What is of
the corpus keeps its words, and only its state is changed. A thread that was
decided is so until another decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError
from app.models import (
    Annotation,
    Motivation,
    SearchKind,
    Severity,
    ThreadKind,
    ThreadState,
)
from app.services import annotation_changes, posts, search_index
from app.services.annotation_model import OURS
from app.services.annotation_reading import STATE
from app.services.annotations import CONTEXT, OPENER
from app.services.entries import take_turn
from app.services.moderation import require_reason, require_say
from app.services.reviewers import Visitor
from app.services.thread_states import (
    Target,
    get_target,
    require_undecided,
    store_changes,
)

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a change may set; None leaves a part as it is."""

    title: str | None = None
    kind: ThreadKind | None = None
    severity: Severity | None = None
    state: ThreadState | None = None


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
    thread = get_target(session, slug)
    require_say(visitor, thread.account)
    changed = _find_changes(thread, heading)
    _require_changeable(thread, changed, text)
    require_reason(visitor, thread.account, reason)
    if text is not None:
        posts.change_post(
            session, visitor, slug, _get_opener(session, thread.id), text
        )
    if "state" in changed and reason.strip():
        _moderate(session, visitor, slug, str(changed.pop("state")), reason)
    if not changed:
        return
    store_changes(session, visitor, slug, thread, changed, reason=reason)
    if "title" in changed:
        # its posts and decisions are found by it
        search_index.refresh(session, SearchKind.annotation)
        search_index.refresh(session, SearchKind.decision)
    logger.info("thread_changed", thread=slug, changed=list(changed))


def require_changeable(session: Session, visitor: Visitor, slug: str) -> None:
    """Refuse whoever has no say in how a thread stands."""
    require_say(visitor, get_target(session, slug).account)


def _moderate(
    session: Session, visitor: Visitor, slug: str, state: str, reason: str
) -> None:
    """Say why a thread stands so, as an annotation that lets it."""
    annotation_changes.create_annotation(
        session,
        visitor,
        {
            "@context": [CONTEXT, OURS],
            "type": "Annotation",
            "motivation": Motivation.moderating.value,
            "body": {
                "type": "TextualBody",
                "value": reason,
                "purpose": Motivation.moderating.value,
            },
            "target": f"/threads/{slug}",
            STATE: state,
        },
    )


def _find_changes(
    thread: Target, heading: Heading
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
    thread: Target, changed: Mapping[str, object], text: str | None
) -> None:
    if thread.account is None and (text is not None or {*changed} - {"state"}):
        raise ConflictError(
            "this thread is of the corpus: only its state is changed"
        )
    if "state" not in changed:
        return
    require_undecided(thread, changed["state"])


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

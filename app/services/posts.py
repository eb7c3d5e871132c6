"""Posts changed and deleted by who wrote them, or deleted by an editor.

What opened a thread here is its first post: the thread shows the same words.
What came by mail, or is of the corpus, stays as it was received.
"""

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, ForbiddenError, GoneError
from app.models import Annotation, Decision, Thread
from app.services import annotation_changes, annotations
from app.services.annotations import OPENER, PostRow
from app.services.entries import append_entry, take_turn
from app.services.markdown import render_markdown
from app.services.moderation import require_say
from app.services.reviewers import Visitor

logger = structlog.get_logger()


def change_post(  # noqa: PLR0913 - each is a part of the change
    session: Session,
    visitor: Visitor,
    slug: str,
    post_id: str,
    text: str,
    *,
    version: int | None = None,
) -> PostRow:
    """Give a post of one's own other words; return it.

    Parameters
    ----------
    version
        The one that the change was made from; None does not ask.

    Raises
    ------
    ForbiddenError
        When somebody else wrote it.
    GoneError
        When it was deleted.
    PreconditionError
        When it was changed since.
    """
    take_turn(session)
    post = require_own(session, visitor, slug, post_id)
    if post.text == text:
        return post
    annotation_changes.replace_text(
        session, visitor, post_id, text, version=version
    )
    _show_opener(session, visitor, slug, post_id, text)
    return annotations.get_post(session, slug, post_id)


def require_own(
    session: Session, visitor: Visitor, slug: str, post_id: str
) -> PostRow:
    """Return a post that the visitor wrote, or refuse."""
    post = _require_there(session, slug, post_id)
    if post.account != visitor.name:
        raise ForbiddenError("only who wrote a post changes its words")
    return post


def require_removable(
    session: Session, visitor: Visitor, slug: str, post_id: str
) -> PostRow:
    """Return a post that the visitor may delete, an editor with a reason.

    Raises
    ------
    ConflictError
        When it is of the corpus, or opened a thread that is decided.
    """
    post = _require_there(session, slug, post_id)
    require_say(visitor, post.account, reason="to be told")
    if post.account is None:
        raise ConflictError("what came by mail stays as it was received")
    decision = session.scalar(
        select(col(Decision.number))
        .join(Thread, col(Thread.id) == col(Decision.thread_id))
        .join(Annotation, col(Annotation.thread_id) == col(Thread.id))
        .where(
            col(Annotation.id) == post_id,
            col(Annotation.position) == OPENER,
        )
        .limit(1)
    )
    if decision is not None:
        raise ConflictError(
            f"decision {decision} was made on what this post opened, "
            "so it stays"
        )
    return post


def _require_there(session: Session, slug: str, post_id: str) -> PostRow:
    post = annotations.get_post(session, slug, post_id)
    if post.is_deleted:
        raise GoneError("post", post_id)
    return post


def remove_post(  # noqa: PLR0913 - each is a part of the change
    session: Session,
    visitor: Visitor,
    slug: str,
    post_id: str,
    *,
    reason: str = "",
    version: int | None = None,
) -> None:
    """Delete a post; where it was answered, its place stays.

    Parameters
    ----------
    reason
        Why; an editor who deletes another's must say.
    version
        The one that was read; None does not ask.

    Raises
    ------
    ForbiddenError
        When somebody else wrote it, and the visitor is no editor.
    ConflictError
        When it is of the corpus, or opened a thread that is decided.
    """
    take_turn(session)
    post = require_removable(session, visitor, slug, post_id)
    require_say(visitor, post.account, reason)
    annotation_changes.delete_annotation(
        session, visitor, post_id, reason=reason, version=version
    )
    _show_opener(session, visitor, slug, post_id, "")


def _show_opener(
    session: Session, visitor: Visitor, slug: str, post_id: str, text: str
) -> None:
    """Let the thread show what its first post says now."""
    changed = session.execute(
        update(Thread)
        .where(
            col(Thread.slug) == slug,
            col(Thread.id)
            == select(col(Annotation.thread_id))
            .where(
                col(Annotation.id) == post_id,
                col(Annotation.position) == OPENER,
            )
            .scalar_subquery(),
        )
        .values(summary=text, summary_html=render_markdown(text))
        .returning(col(Thread.id))
    ).first()
    if changed is not None:
        append_entry(
            session,
            visitor.actor,
            "thread.changed",
            f"thread:{slug}",
            {"annotation": post_id, "text": text},
        )
        logger.info("thread_changed", thread=slug)

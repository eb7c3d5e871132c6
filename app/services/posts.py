"""Posts changed and deleted by who wrote them, or deleted by an editor.

What opened a thread here is its first post. What came by mail, or is of the
corpus, stays as it was received.
"""

from sqlalchemy.orm import Session

from app.errors import ConflictError, ForbiddenError, GoneError
from app.services import annotation_changes, annotations
from app.services.annotations import PostRow
from app.services.entries import take_turn
from app.services.moderation import require_reason, require_say
from app.services.reviewers import Visitor


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
    """Return a post that the visitor may delete.

    Raises
    ------
    ConflictError
        When it is of the corpus.
    """
    post = _require_there(session, slug, post_id)
    require_say(visitor, post.account)
    if post.account is None:
        raise ConflictError("what came by mail stays as it was received")
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
    require_reason(visitor, post.account, reason)
    annotation_changes.delete_annotation(
        session, visitor, post_id, reason=reason, version=version
    )

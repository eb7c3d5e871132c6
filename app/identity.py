"""Who asks: the session cookie, and what a role may do."""

from typing import Annotated

from fastapi import Depends, Request

from app.db import SessionDep
from app.errors import ForbiddenError, SignInError
from app.models import Role
from app.services import reviewers
from app.services.reviewers import Visitor

SESSION_COOKIE = "vmi_review_session"


def get_visitor(request: Request, session: SessionDep) -> Visitor | None:
    """Return the signed-in reviewer, or None for a reader without name."""
    secret = request.cookies.get(SESSION_COOKIE)
    return reviewers.find_signed_in(session, secret) if secret else None


CurrentReviewer = Annotated[Visitor | None, Depends(get_visitor)]


def require_reviewer(visitor: CurrentReviewer) -> Visitor:
    """Return the signed-in reviewer if they may write, else refuse."""
    if visitor is None:
        raise SignInError("sign in to do this")
    if not visitor.may(Role.reviewer):
        raise ForbiddenError(f"a {visitor.role} may read, not write")
    return visitor


SignedIn = Annotated[Visitor, Depends(require_reviewer)]

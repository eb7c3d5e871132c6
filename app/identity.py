"""Who asks: the session cookie or a bearer token, and what a role may do."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from app.db import SessionDep
from app.errors import ForbiddenError, SignInError
from app.models import Role
from app.services import reviewers
from app.services.reviewers import Visitor

SESSION_COOKIE = "vmi_review_session"

Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(
        HTTPBearer(
            auto_error=False,
            description="A token made by `vmi-review token create NAME`.",
        )
    ),
]


def find_cookie_holder(request: Request, session: Session) -> Visitor | None:
    """Return the reviewer whose session cookie was sent, if it is good."""
    secret = request.cookies.get(SESSION_COOKIE)
    return reviewers.find_signed_in(session, secret) if secret else None


def get_visitor(
    request: Request, session: SessionDep, bearer: Bearer
) -> Visitor | None:
    """Return who asks, or None for a reader without name.

    A token that is not good is refused, and never taken for no token.
    """
    if bearer is None:
        return find_cookie_holder(request, session)
    visitor = reviewers.find_token_holder(session, bearer.credentials)
    if visitor is None:
        raise SignInError("this token is unknown or was revoked")
    return visitor


CurrentReviewer = Annotated[Visitor | None, Depends(get_visitor)]


def require_reviewer(visitor: CurrentReviewer) -> Visitor:
    """Return the signed-in reviewer if they may write, else refuse."""
    if visitor is None:
        raise SignInError("sign in to do this")
    if not visitor.may(Role.reviewer):
        raise ForbiddenError(f"a {visitor.role} may read, not write")
    return visitor


SignedIn = Annotated[Visitor, Depends(require_reviewer)]


def require_editor(visitor: CurrentReviewer) -> Visitor:
    """Return the signed-in reviewer if they may edit, else refuse."""
    if visitor is None:
        raise SignInError("sign in to do this")
    if not visitor.may(Role.editor):
        raise ForbiddenError(f"a {visitor.role} is no editor")
    return visitor


SignedInEditor = Annotated[Visitor, Depends(require_editor)]

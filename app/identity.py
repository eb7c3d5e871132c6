"""Who asks: the session cookie or a bearer token, looked up once a request.

The gate (`app.gate`) looks them up before anything else happens and decides
by the table of policies; routes take what it found. `SESSION_COOKIE` is the
session's cookie.
"""

from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection
from starlette.types import Scope

from app.config import Settings
from app.db import Database
from app.dependencies import get_database
from app.errors import SignInError
from app.services import access as access_service
from app.services.access import Access
from app.services.hypothesis_tokens import read_access as read_client_token
from app.services.reviewers import Visitor
from app.services.uses import UseNoter

SESSION_COOKIE = "vmi_review_session"
HYPOTHESIS = "/h/api/"
"""Where clients of Hypothesis ask."""

SECRET_MOST = 200
DAY_SECONDS = 86_400
ACCESS = "access"
ROUTE = "gate_route"
NOBODY = Access()
UNSEEN = Access(may_read=False)

Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(
        HTTPBearer(
            auto_error=False,
            description="A token made by `vmi-review token create NAME`.",
        )
    ),
]


def get_token(connection: HTTPConnection) -> str | None:
    """Return the bearer token that was sent, if one was."""
    scheme, _, token = connection.headers.get("authorization", "").partition(
        " "
    )
    return token.strip() or None if scheme.lower() == "bearer" else None


def name_cookie(*, secure: bool) -> str:
    """Return what the session cookie is called.

    Over HTTPS its name keeps other hosts of the domain, and pages without
    HTTPS, from planting one (RFC 6265bis, `__Host-`).
    """
    return f"__Host-{SESSION_COOKIE}" if secure else SESSION_COOKIE


def get_cookie(connection: HTTPConnection) -> str | None:
    """Return the secret of the session cookie, if one of ours was sent."""
    if "cookie" not in connection.headers:
        return None
    settings: Settings = connection.app.state.settings
    name = name_cookie(secure=settings.secure_cookies)
    secret = connection.cookies.get(name)
    return secret if secret and len(secret) <= SECRET_MOST else None


def keep_cookie(request: Request, response: Response, secret: str) -> None:
    """Let the browser keep the secret of its session, for this site alone."""
    settings: Settings = request.app.state.settings
    response.set_cookie(
        name_cookie(secure=settings.secure_cookies),
        secret,
        max_age=settings.session_days * DAY_SECONDS,
        httponly=True,
        samesite="lax",
        secure=settings.secure_cookies,
        path="/",
    )


def drop_cookie(request: Request, response: Response) -> None:
    """Let the browser forget the secret of its session."""
    settings: Settings = request.app.state.settings
    response.delete_cookie(
        name_cookie(secure=settings.secure_cookies),
        httponly=True,
        samesite="lax",
        secure=settings.secure_cookies,
        path="/",
    )


def look_up(database: Database, scope: Scope) -> Access:
    """Return who asks, and note now and then that they do.

    One reading session of its own, ended before the request's begins. A
    token that is not good is nobody's, whatever cookie comes with it.
    """
    connection = HTTPConnection(scope)
    token, cookie = get_token(connection), get_cookie(connection)
    sign_in = read_sign_in(scope, token) if token else None
    with database.read() as session:
        if sign_in is None:
            found = access_service.find_access(
                session, token=token, cookie=cookie
            )
        else:
            found = access_service.find_session_holder(session, sign_in)
    if found.is_due:
        uses: UseNoter = scope["app"].state.uses
        uses.note(found)
    return found


def read_sign_in(scope: Scope, token: str) -> str | None:
    """Return the digest of the session that a Hypothesis client speaks for.

    Such a token is good where those clients ask, and nowhere else.
    """
    if not scope["path"].startswith(HYPOTHESIS):
        return None
    return read_client_token(scope["app"].state.secret_key, token)


def get_access(request: Request) -> Access:
    """Return who asks and whether they may read, as the gate found it.

    What answers before the gate is reached looks it up by itself.
    """
    state = request.scope.setdefault("state", {})
    if ACCESS not in state:
        state[ACCESS] = look_up(get_database(request), request.scope)
    found: Access = state[ACCESS]
    return found


def get_visitor(
    request: Request,
    _bearer: Bearer,  # for the API's description
) -> Visitor | None:
    """Return who asks, or None for a reader without name."""
    return get_access(request).visitor


CurrentReviewer = Annotated[Visitor | None, Depends(get_visitor)]


def require_visitor(visitor: CurrentReviewer) -> Visitor:
    """Return the reviewer who asks; their role is the gate's affair."""
    if visitor is None:
        raise SignInError("sign in to do this")
    return visitor


SignedIn = Annotated[Visitor, Depends(require_visitor)]


async def require_gate(request: Request) -> None:
    """Refuse a route that the gate did not decide on: the last bolt.

    Raises
    ------
    HTTPException
        When gate and router disagree on where an address leads, which would
        be a mistake of ours.
    """
    passed = request.scope.get("state", {}).get(ROUTE)
    if passed != request.scope["route"].name:
        raise HTTPException(500, "the gate was passed by")


GateDep = Depends(require_gate)

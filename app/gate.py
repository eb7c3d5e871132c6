"""The gate: the one place that lets a request in or refuses it.

It stands innermost, before the router and before any body is read. It finds
the route, looks up who asks, and reads the table of policies: 401 for nobody
or a token that is not good, 403 for too small a role or scope, 404 for
whoever may not read a private review, whatever they ask for. What it found
is kept in the request's state (`app.identity.get_access`).
"""

import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NamedTuple

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from app.db import Database
from app.identity import ACCESS, HYPOTHESIS, NOBODY, ROUTE, look_up
from app.policies import POLICIES, UNKNOWN, Policy
from app.route_map import RouteMap
from app.routes.errors import Problem, answer
from app.services.access import Access
from app.services.rate_limits import RateLimits
from app.services.reviewers import Visitor
from app.traffic import add_fields, refuse_more

KEPT_MOST = 1000
KEPT_LENGTH = 1024
KEPT_SECONDS = 30.0
"""How long one is known at most, for uses are noted to some minutes."""

SECRETS = frozenset({b"authorization", b"cookie"})
NOWHERE = "nothing is here for you; a member of the review may sign in"


class Known(NamedTuple):
    """Who sent some secrets, and when that was looked up."""

    access: Access
    since: float

    def is_good(self) -> bool:
        """Tell whether it would be the same, had nobody changed it."""
        until = self.access.until
        return time.monotonic() < self.since + KEPT_SECONDS and (
            until is None or until > datetime.now(UTC)
        )


class Callers:
    """Knows who asks, for as long as nobody commits anything.

    So what is revoked, by whichever program, is good for nothing at once.
    Only the event loop asks it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._state: int | None = None
        self._known: dict[tuple[object, ...], Known] = {}

    def look_up(self, scope: Scope) -> Access:
        """Return who asks."""
        state = self.database.get_state()
        if state != self._state or len(self._known) >= KEPT_MOST:
            # the state first: what is committed in between is read again
            self._known.clear()
            self._state = state
        key = _read_secrets(scope)
        known = self._known.get(key)
        if known is not None and known.is_good():
            return known.access
        found = look_up(self.database, scope)
        length = sum(len(value) for _, value in key[1:])
        is_somebody = found.visitor is not None or not length
        # what a client of Hypothesis is signed in by ends by itself
        is_kept = is_somebody and not (found.is_due or found.is_stated)
        if is_kept and length <= KEPT_LENGTH:
            self._known[key] = Known(found, time.monotonic())
        return found


def _read_secrets(
    scope: Scope,
) -> tuple[bool, *tuple[tuple[bytes, bytes], ...]]:
    """Return all that tells who asks, and whether by Hypothesis."""
    return (
        scope["path"].startswith(HYPOTHESIS),
        *(header for header in scope["headers"] if header[0] in SECRETS),
    )


class GateMiddleware:
    """Lets in whom the table of policies lets in.

    Parameters
    ----------
    places
        All routes.
    limits
        How often an account may ask.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        database: Database,
        places: RouteMap,
        limits: RateLimits,
    ) -> None:
        self.app = app
        self.database = database
        self.callers = Callers(database)
        self.places = places
        self.limits = limits

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the request through, or answer why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = self.places.find(scope["method"], scope["path"])
        policy = POLICIES[name] if name else UNKNOWN
        found = await self.find_access(scope, name)
        scope["state"] = {
            **scope.get("state", {}),
            ROUTE: name,
            ACCESS: found,
        }
        problem = refuse(policy, found)
        if problem is None and found.visitor is not None:
            who = str(found.visitor.id)
            standing = self.limits.count(policy.budget, who)
            if standing is not None:
                send = add_fields(send, standing)
                problem = refuse_more(standing) if standing.is_over else None
        if problem is None:
            await self.app(scope, receive, send)
            return
        response = await run_in_threadpool(answer, Request(scope), problem)
        await response(scope, receive, send)

    async def find_access(self, scope: Scope, name: str | None) -> Access:
        """Return who asks; a static file is anybody's."""
        if name == "static":
            return NOBODY
        if self.database.is_sqlite:
            # who reads waits for nobody, and a thread costs more
            return self.callers.look_up(scope)
        return await run_in_threadpool(look_up, self.database, scope)


def refuse(policy: Policy, access: Access) -> Problem | None:
    """Return why a request is refused by its policy; None if it is not.

    A private review hides all from others first, but tells the holder of a
    bad token that it is one.
    """
    if access.is_unknown:
        return _ask_to_sign_in("this token is unknown or good no longer")
    if not access.may_read and not policy.is_open:
        return Problem(status=HTTPStatus.NOT_FOUND, detail=NOWHERE)
    if access.visitor is not None:
        return _refuse_reviewer(policy, access.visitor)
    if policy.role is not None:
        return _ask_to_sign_in("sign in to do this")
    return None


def _refuse_reviewer(policy: Policy, visitor: Visitor) -> Problem | None:
    if not visitor.is_within(policy.scope):
        return Problem(
            status=HTTPStatus.FORBIDDEN,
            detail=f"this token is good to {visitor.scope} only; "
            f"one to {policy.scope} is needed",
        )
    if policy.role is not None and not visitor.may(policy.role):
        return Problem(
            status=HTTPStatus.FORBIDDEN,
            detail=f"a {policy.role} may do this, not a {visitor.role}",
        )
    return None


def _ask_to_sign_in(detail: str) -> Problem:
    return Problem(
        status=HTTPStatus.UNAUTHORIZED,
        detail=detail,
        headers={"WWW-Authenticate": "Bearer"},
    )

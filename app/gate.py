"""The gate: the one place that lets a request in or refuses it.

It stands innermost, before the router and before any body is read. It finds
the route, looks up who asks, and reads the table of policies: 401 for nobody
or a token that is not good, 403 for too small a role or scope, 404 for
whoever may not read a private review, whatever they ask for. What it found
is kept in the request's state (`app.identity.get_access`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

from fastapi import Request
from fastapi.routing import iter_route_contexts
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.db import Database
from app.identity import ACCESS, NOBODY, ROUTE, look_up
from app.policies import POLICIES, UNKNOWN, Policy
from app.routes.errors import Problem, answer
from app.services.access import Access
from app.services.reviewers import Visitor

NOWHERE = "nothing is here for you; a member of the review may sign in"


class Place(NamedTuple):
    """Where a route is, and by which methods it is asked."""

    name: str
    pattern: re.Pattern[str]
    methods: frozenset[str]


class Map:
    """Finds the route of a request as the router does: the first that fits.

    Routes are told apart by the first word of their address, so that few
    patterns are tried.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._places: list[tuple[str | None, Place]] = []
        for context in iter_route_contexts(routes):
            place = Place(
                context.name or "",
                context.path_regex,
                frozenset(context.methods or ()),
            )
            word = get_word(context.path_format or "")
            self._places.append((None if "{" in word else word, place))
        self._by_word: Mapping[str, tuple[Place, ...]] = {
            word: tuple(p for w, p in self._places if w in {word, None})
            for word in {w for w, _ in self._places if w is not None}
        }
        self._others = tuple(p for w, p in self._places if w is None)

    @property
    def names(self) -> Iterable[str]:
        """Return the name of every route."""
        return (place.name for _, place in self._places)

    def find(self, method: str, path: str) -> str | None:
        """Return the name of the route that answers; None if none does."""
        places = self._by_word.get(get_word(path), self._others)
        for name, pattern, methods in places:
            if (not methods or method in methods) and pattern.match(path):
                return name
        return None


def get_word(path: str) -> str:
    """Return the first word of an address."""
    return path[1:].partition("/")[0]


class GateMiddleware:
    """Lets in whom the table of policies lets in.

    Parameters
    ----------
    places
        All routes.
    """

    def __init__(
        self, app: ASGIApp, *, database: Database, places: Map
    ) -> None:
        self.app = app
        self.database = database
        self.places = places

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
        if problem is None:
            await self.app(scope, receive, send)
            return
        response = await run_in_threadpool(answer, Request(scope), problem)
        await response(scope, receive, send)

    async def find_access(self, scope: Scope, name: str | None) -> Access:
        """Return who asks; a static file is anybody's."""
        if name == "static":
            return NOBODY
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

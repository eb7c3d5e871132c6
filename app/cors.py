"""What programs of other sites are told of the annotation service.

Its addresses may be read and written by scripts from anywhere, without
cookies: who writes sends a token. What holds for all answers of an address,
refusals too, stands here: who may call, by which methods, and that a
container is one. Pages that can be annotated say where the service is.
"""

import re
from http import HTTPStatus
from typing import NamedTuple

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.routes.annotation_forms import PROFILE
from app.routes.errors import Problem, answer, get_allowed

SHARED = ("/annotations/", "/h/", "/ns/")
ANNOTATED = ("/document/", "/calls/", "/threads/", "/m/")
"""Pages on which people remark."""

CONTAINER = re.compile(r"/annotations/(?:[^/]+/)?")
ANNOTATION = re.compile(r"/annotations/(?:[^/]+/)?[^/]+")
PAGE = re.compile(rb"(?:^|&)page=")

LINK = b"link"

Headers = tuple[tuple[bytes, bytes], ...]

SERVICE: Headers = (
    (
        LINK,
        b'</annotations/>; rel="http://www.w3.org/ns/oa#annotationService"',
    ),
)
OPEN: Headers = ((b"access-control-allow-origin", b"*"),)
EXPOSED: Headers = (
    (
        b"access-control-expose-headers",
        (
            b"Accept-Post, Allow, Content-Location, Content-Type, ETag, Link, "
            b"Location, Preference-Applied, RateLimit, RateLimit-Policy, "
            b"Retry-After, Vary, X-Request-Id"
        ),
    ),
)
PREFLIGHT: Headers = (
    (
        b"access-control-allow-headers",
        (
            b"Accept, Authorization, Content-Type, Hypothesis-Client-Version, "
            b"Idempotency-Key, If-Match, If-None-Match, Prefer, Slug"
        ),
    ),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
)
CONTAINER_LINKS: Headers = (
    (
        LINK,
        (
            b'<http://www.w3.org/ns/ldp#BasicContainer>; rel="type", '
            b"<http://www.w3.org/TR/annotation-protocol/>; "
            b'rel="http://www.w3.org/ns/ldp#constrainedBy"'
        ),
    ),
    (
        b"accept-post",
        f'application/ld+json; profile="{PROFILE}", text/turtle'.encode(),
    ),
)


class Place(NamedTuple):
    """What an address of the service is: its methods, and what it bears."""

    methods: tuple[str, ...]
    headers: Headers = ()


CONTAINER_PLACE = Place(("GET", "HEAD", "OPTIONS", "POST"), CONTAINER_LINKS)
PAGE_PLACE = Place(("GET", "HEAD", "OPTIONS"))
ANNOTATION_PLACE = Place(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))


class PreflightMiddleware:
    """Answers what scripts of other sites ask before: OPTIONS.

    It stands within what counts requests; what all answers of an address
    bear is added by `SharingMiddleware`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "OPTIONS":
            await self.app(scope, receive, send)
        elif scope["path"].startswith(SHARED):
            await _answer_options(scope, send)
        else:
            await self.app(scope, receive, send)


class SharingMiddleware:
    """Lets other sites' scripts in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        path: str = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(SHARED):
            await self._share(scope, receive, send)
        elif scope["type"] == "http" and path.startswith(ANNOTATED):
            await self.app(scope, receive, add_headers(send, SERVICE))
        else:
            await self.app(scope, receive, send)

    async def _share(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = find_place(scope["path"], scope["query_string"])
        bearing: Headers = OPEN + EXPOSED
        if place is not None:
            allow = ", ".join(place.methods)
            bearing += ((b"allow", allow.encode()), *place.headers)
        sharing = add_headers(send, bearing)
        if place is None or scope["method"] in place.methods:
            await self.app(scope, receive, sharing)
            return
        problem = Problem(
            status=HTTPStatus.METHOD_NOT_ALLOWED,
            detail=f"{scope['method']} is not one of "
            f"{', '.join(place.methods)}",
        )
        response = await run_in_threadpool(answer, Request(scope), problem)
        await response(scope, receive, sharing)


def find_place(path: str, query: bytes) -> Place | None:
    """Return what an address of the annotation service is, if it is one."""
    if CONTAINER.fullmatch(path):
        return PAGE_PLACE if PAGE.search(query) else CONTAINER_PLACE
    return ANNOTATION_PLACE if ANNOTATION.fullmatch(path) else None


def add_headers(send: Send, headers: Headers) -> Send:
    """Return `send` such that an answer bears these headers, too.

    What a route says itself stays; links are added to links.
    """

    async def send_bearing(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(h for h in headers if h[0] == LINK or h[0] not in told),
            ]
        await send(message)

    return send_bearing


async def _answer_options(scope: Scope, send: Send) -> None:
    """Say what may be asked here: 200, for 204 is taken for no answer."""
    place = find_place(scope["path"], scope["query_string"])
    methods = place.methods if place else _list_methods(scope)
    allow = ", ".join(methods).encode()
    await send(
        {
            "type": "http.response.start",
            "status": int(HTTPStatus.OK),
            "headers": [
                (b"allow", allow),
                (b"access-control-allow-methods", allow),
                *PREFLIGHT,
            ],
        }
    )
    await send({"type": "http.response.body", "body": b""})


def _list_methods(scope: Scope) -> tuple[str, ...]:
    found = get_allowed(Request(scope))
    return (*found, *(() if "OPTIONS" in found else ("OPTIONS",)))

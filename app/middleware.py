"""What stands before every route: names, guards and headers.

`RequestMiddleware` is the outermost: it names the request, adds the security
headers and answers what nobody caught. What refuses stands in `app.guard`.
All are plain ASGI, for every request pays for them.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus

import structlog
import uuid_utils
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.routes.errors import answer_failure
from app.routes.events import HEAD_ONLY

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
CONTENT_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # not no-referrer: that would turn the Origin of our own forms into null
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
TRANSPORT_HEADER = (
    b"strict-transport-security",
    b"max-age=31536000; includeSubDomains",
)
SECRET_PATHS = ("/sign-in/", "/invitations/")
"""Addresses whose last word lets somebody in."""

HUSHED_PATHS = (*SECRET_PATHS, "/oidc/")
"""Addresses that nobody is told of, whatever the answer."""

HUSHED_HEADERS = (
    (b"referrer-policy", b"strict-origin"),
    (b"cache-control", b"no-store"),
)

REVALIDATE = (b"cache-control", b"no-cache")
FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")
logger = structlog.get_logger()

RawHeaders = list[tuple[bytes, bytes]]


class RequestMiddleware:
    """Names a request, adds the headers, answers what nobody caught.

    Parameters
    ----------
    secure
        Whether the site is reached by HTTPS only.
    """

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self.app = app
        self.headers = SECURITY_HEADERS + ((TRANSPORT_HEADER,) * secure)

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = get_request_id(scope["headers"])
        started = False

        async def send_named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers: RawHeaders = list(message["headers"])
                headers.append((b"x-request-id", name))
                if scope["path"].startswith(HUSHED_PATHS):
                    add_missing(headers, HUSHED_HEADERS)
                add_missing(headers, self.headers)
                if not has_header(headers, b"cache-control"):
                    headers.append(get_cache_header(scope, message["status"]))
                message["headers"] = headers
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=name.decode()):
            try:
                await self.app(scope, receive, send_named)
            except ClientDisconnect:
                # nobody is there to be answered
                logger.info("sender_left", path=hide_secret(scope["path"]))
            except Exception:
                logger.exception(
                    "request_failed",
                    method=scope["method"],
                    path=hide_secret(scope["path"]),
                )
                if started:
                    raise
                response = await run_in_threadpool(
                    answer_failure, Request(scope)
                )
                await response(scope, receive, send_named)


def get_request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the name that a proxy gave the request, or a new one."""
    for name, value in headers:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value
    return str(uuid_utils.uuid7()).encode()


def has_header(headers: RawHeaders, name: bytes) -> bool:
    """Tell whether an answer has this header."""
    return any(key.lower() == name for key, _ in headers)


def add_missing(
    headers: RawHeaders, wanted: Iterable[tuple[bytes, bytes]]
) -> None:
    """Add the headers that an answer does not bear yet."""
    told = {name.lower() for name, _ in headers}
    headers.extend([h for h in wanted if h[0] not in told])


def hide_secret(path: str) -> str:
    """Return an address as it may be logged: what follows is a secret."""
    for start in SECRET_PATHS:
        if path.startswith(start):
            return f"{start}…"
    return path


def get_cache_header(scope: Scope, status: int) -> tuple[bytes, bytes]:
    """Return how long an answer is good: for ever if its content names it."""
    if (
        status == HTTPStatus.OK
        and scope["path"].startswith("/static/")
        and scope["query_string"].startswith(b"v=")
    ):
        return FOR_EVER
    return REVALIDATE


class HeadMiddleware:
    """Answers HEAD as GET without its body, whatever the route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        asked = {**scope, "method": "GET", HEAD_ONLY: True}
        await self.app(asked, receive, send_head)

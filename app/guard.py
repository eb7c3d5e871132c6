"""What is refused whoever asks: other sites, endless bodies, other hosts.

The guard knows neither routes nor people; it looks at headers, and counts
bytes and seconds as a body comes in.
"""

import re
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import anyio
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings
from app.dependencies import SAFE_METHODS
from app.identity import SESSION_COOKIE
from app.routes.errors import Problem, answer

BODY_LIMIT = 1024 * 1024
UPLOAD_LIMIT = 64 * 1024 * 1024
UPLOADS = frozenset({"/import/", "/api/messages"})
"""Addresses that take mailboxes, and read no body before they know whose."""

UPLOAD_FACTOR = 10
"""How much longer an upload may take."""

LENGTH_DIGITS = 18
OPEN_TO_SITES = ("/annotations/", "/h/")
"""What pages of other sites may write to, if they bring a token."""

TOKEN = re.compile(rb"(?i:bearer) +[\x21-\x7e]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
ANY_HOST = "/healthz"
CLOSING = {"Connection": "close"}

Headers = Iterable[tuple[bytes, bytes]]


class GuardMiddleware:
    """Refuses cross-site writes, endless bodies and impossible addresses.

    Parameters
    ----------
    limit
        Most bytes of a body.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, limit: int = BODY_LIMIT
    ) -> None:
        self.app = app
        self.host = urlsplit(settings.base_url).netloc.encode()
        self.hosts = settings.get_hosts()
        self.seconds = settings.body_seconds
        self.limit = limit

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the request through, or answer why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        problem = self.find_problem(scope)
        if problem is not None and not self.is_ours(
            scope["headers"], scope["path"]
        ):
            # the answer must not repeat the name
            headers = [h for h in scope["headers"] if h[0] != b"host"]
            scope = {**scope, "headers": headers}
        if problem is None and scope["method"] in SAFE_METHODS:
            await self.app(scope, receive, send)
        elif problem is None:
            await self._serve_body(scope, receive, send)
        else:
            await _refuse(scope, receive, send, problem)

    async def _serve_body(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        limit, seconds = self.limit, self.seconds
        if scope["path"] in UPLOADS:
            limit, seconds = UPLOAD_LIMIT, seconds * UPLOAD_FACTOR
        started = False

        async def send_watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, bound(receive, limit, seconds), send_watched)
        except HTTPException as error:
            # whoever reads a body before the router does answers no errors
            if started:
                raise
            problem = Problem(status=error.status_code, detail=error.detail)
            await _refuse(scope, receive, send, problem)

    def find_problem(self, scope: Scope) -> Problem | None:
        """Return why the request is refused, if it is."""
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return Problem(
                status=HTTPStatus.BAD_REQUEST,
                detail="a NUL character is in the address",
            )
        # a line's end, too: patterns overlook one at the end of an address
        if CONTROL.search(scope["path"]):
            return Problem(
                status=HTTPStatus.NOT_FOUND,
                detail="nothing is at an address with a control character",
            )
        headers = dict(scope["headers"])
        if not self.is_ours(scope["headers"], scope["path"]):
            return Problem(
                status=HTTPStatus.BAD_REQUEST,
                detail="the Host is none of this site's; its operator names "
                "them by VMI_REVIEW_BASE_URL and VMI_REVIEW_ALLOWED_HOSTS",
            )
        if scope["method"] in SAFE_METHODS:
            return None
        if not may_cross(headers, scope["path"]) and is_cross_site(
            headers, self.host
        ):
            return Problem(
                status=HTTPStatus.FORBIDDEN,
                detail="this was sent from another site",
            )
        limit = UPLOAD_LIMIT if scope["path"] in UPLOADS else self.limit
        return find_body_problem(headers, limit)

    def is_ours(self, headers: Headers, path: str) -> bool:
        """Tell whether a request was sent to one host, and that is ours."""
        sent = [value for name, value in headers if name == b"host"]
        if len(sent) > 1:
            return False
        if self.hosts is None or path == ANY_HOST:
            return True
        host = sent[0].decode("latin-1") if sent else ""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name in self.hosts


async def _refuse(
    scope: Scope, receive: Receive, send: Send, problem: Problem
) -> None:
    response = await run_in_threadpool(answer, Request(scope), problem)
    await response(scope, receive, send)


def find_body_problem(
    headers: Mapping[bytes, bytes], limit: int
) -> Problem | None:
    """Return what is wrong with a body, as far as headers tell."""
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if coding not in {b"identity", b""}:
        # a body that unpacks to a thousand times its size is none of ours
        return Problem(
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            detail="a packed body is not taken; send it as it is",
            headers={"Accept-Encoding": "identity"},
        )
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        return Problem(
            status=HTTPStatus.BAD_REQUEST,
            detail="Content-Length is no number",
        )
    if len(length) > LENGTH_DIGITS or int(length) > limit:
        return get_length_problem(limit)
    return None


def bound(receive: Receive, limit: int, seconds: float) -> Receive:
    """Return `receive` with a bound on what it brings, and for how long."""
    total = 0
    until = time.monotonic() + seconds
    is_whole = False

    async def receive_bound() -> Message:
        nonlocal total, is_whole
        if is_whole:
            return await receive()
        try:
            with anyio.fail_after(max(0.0, until - time.monotonic())):
                message = await receive()
        except TimeoutError:
            raise HTTPException(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body did not arrive in {seconds:g} seconds",
                CLOSING,
            ) from None
        is_whole = not message.get("more_body", False)
        total += len(message.get("body", b""))
        if total > limit:
            problem = get_length_problem(limit)
            raise HTTPException(problem.status, problem.detail, CLOSING)
        return message

    return receive_bound


def get_length_problem(limit: int) -> Problem:
    """Return the refusal of a body that is too long."""
    return Problem(
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        detail=f"at most {limit} bytes are taken",
    )


def may_cross(headers: Mapping[bytes, bytes], path: str) -> bool:
    """Tell whether another site's page may write here.

    It may if it brings a token, which goes over any cookie: then nothing is
    done in the name of a reader who does not know of it.
    """
    return path.startswith(OPEN_TO_SITES) and bool(
        TOKEN.fullmatch(headers.get(b"authorization", b"").strip())
    )


def is_cross_site(headers: Mapping[bytes, bytes], host: bytes) -> bool:
    """Tell whether a write comes from another site than ours.

    Browsers say so by `Sec-Fetch-Site`, older ones by `Origin`. A program
    sends neither, and then no cookie of ours either, for only a browser
    would add one that its user did not mean to send.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in {b"same-origin", b"none"}
    origin = headers.get(b"origin")
    if origin is not None:
        try:
            sent_from = urlsplit(origin.decode("latin-1")).netloc
        except ValueError:
            return True
        own = {headers.get(b"host"), host}
        return not sent_from or sent_from.encode("latin-1") not in own
    return f"{SESSION_COOKIE}=".encode() in headers.get(b"cookie", b"")

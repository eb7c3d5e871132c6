"""Idempotency-Key: a POST that is sent twice is carried out once.

The middleware stands inside the gate, which has found who asks, and claims
the key before the request is carried out. No transaction is open meanwhile.
A request that is repeated gets the answer of the first; what came to nothing
(a failure of ours, a refusal that passes) gives its key back. Without a name
there is nobody to whom a key could belong, so it says nothing then.
"""

import hashlib
import re
from functools import partial
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO

from anyio import CancelScope
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.db import Database
from app.errors import ThrottleError
from app.identity import get_access
from app.routes.errors import Problem, answer, show_http_error, show_refusal
from app.services import stored_answers
from app.services.stored_answers import Claim, Found, Headers

HEADER = b"idempotency-key"
REPLAYED = (b"idempotent-replayed", b"true")
PLACES = ("/api/", "/annotations/")
KEY_MOST = 200
KEY = re.compile(rb'"?([\x21\x23-\x7e]{1,%d})"?' % KEY_MOST)
ROUTE_MOST = 1000
CHUNK = 64 * 1024
HELD = 1024 * 1024
"""Bytes of a body in memory; what is longer waits in a file."""

ANSWER_MOST = 512 * 1024
RETRY_AFTER = "1"
PASSING = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals that another try may not meet."""

# what a request means beside its body
MEANING = (b"content-type", b"slug", b"if-match", b"if-none-match")


class IdempotencyMiddleware:
    """Carries out a POST with a key once, and repeats its answer."""

    def __init__(self, app: ASGIApp, *, database: Database) -> None:
        self.app = app
        self.database = database

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        key = find_key(scope)
        if key is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        match = KEY.fullmatch(key)
        if match is None:
            await _refuse(request, _describe_bad_key(), send)
            return
        visitor = get_access(request).visitor
        if visitor is None:
            await self.app(scope, receive, send)
            return
        with SpooledTemporaryFile(HELD) as body:
            try:
                fingerprint = await read_body(scope, receive, body)
            except HTTPException as error:
                response = await run_in_threadpool(
                    show_http_error, request, error
                )
                await response(scope, receive, send)
                return
            claim = Claim(
                reviewer_id=visitor.id,
                route=scope["path"][:ROUTE_MOST],
                key=match[1].decode("ascii"),
                fingerprint=fingerprint,
            )
            await self.serve(request, claim, replay_body(body, receive), send)

    async def serve(
        self, request: Request, claim: Claim, receive: Receive, send: Send
    ) -> None:
        """Answer as before, or carry the request out for the first time."""
        try:
            found = await self.database.change(
                partial(stored_answers.claim, wanted=claim)
            )
        except ThrottleError as error:
            response = await run_in_threadpool(show_refusal, request, error)
            await response(request.scope, receive, send)
            return
        if found is None:
            await self._carry_out(request, claim, receive, send)
        elif not found.is_same:
            await _refuse(request, _describe_other(claim.key), send)
        elif found.status is None:
            await _refuse(request, _describe_running(), send)
        else:
            await _replay(found, found.status, send)

    async def _carry_out(
        self, request: Request, claim: Claim, receive: Receive, send: Send
    ) -> None:
        held = HeldAnswer(send)
        is_done = False
        try:
            await self.app(request.scope, receive, held.take)
            is_done = not is_passing(held.status)
        finally:
            if not is_done:
                # also when all is called off
                with CancelScope(shield=True):
                    await self.database.change(
                        partial(stored_answers.release, claimed=claim)
                    )
        if is_done:
            if held.is_long or held.is_secret:
                await held.replace(request)
            await self.database.change(
                partial(
                    stored_answers.keep,
                    claimed=claim,
                    status=held.status,
                    headers=held.headers,
                    body=bytes(held.body),
                )
            )
        await held.let_go()


class HeldAnswer:
    """An answer that waits until it is stored, unless it is too long.

    One that holds a secret waits too, and is not what is stored.
    """

    def __init__(self, send: Send) -> None:
        self.send = send
        self.status = 0
        self.headers: Headers = ()
        self.body = bytearray()
        self.is_long = False
        self.is_secret = False
        self._waiting: list[Message] = []

    async def take(self, message: Message) -> None:
        """Take what the application sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message["headers"]
            ]
            # what tells a secret once says no-store; refusals say it too
            is_kept_nowhere = ("cache-control", "no-store") in self.headers
            self.is_secret = is_kept_nowhere and (
                self.status < HTTPStatus.BAD_REQUEST
            )
        self._waiting.append(message)
        if not self.is_long:
            self.body += message.get("body", b"")
            self.is_long = len(self.body) > ANSWER_MOST
        if self.is_long:
            await self.let_go()

    async def let_go(self) -> None:
        """Send on what waits."""
        for message in self._waiting:
            await self.send(message)
        self._waiting.clear()

    async def replace(self, request: Request) -> None:
        """Put what to tell a second time in the place of the answer."""
        why = f"more than {ANSWER_MOST} bytes of answer are not kept"
        if self.is_secret:
            why = "what it told is told once and not kept"
        problem = Problem(
            status=HTTPStatus.CONFLICT,
            detail=f"this was carried out before and answered {self.status}; "
            f"{why}",
        )
        told = await run_in_threadpool(answer, request, problem)
        self.status = told.status_code
        self.headers = list(told.headers.items())
        self.body = bytearray(told.body)


def find_key(scope: Scope) -> bytes | None:
    """Return the key that was sent with a POST to where keys count."""
    if (
        scope["type"] != "http"
        or scope["method"] != "POST"
        or not scope["path"].startswith(PLACES)
    ):
        return None
    found = [value for name, value in scope["headers"] if name == HEADER]
    return b", ".join(found) if found else None


def is_passing(status: int) -> bool:
    """Tell whether another try may be answered otherwise; so if none was."""
    return (
        not status
        or status in PASSING
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


async def read_body(scope: Scope, receive: Receive, body: IO[bytes]) -> str:
    """Read the body into a file; return the request's fingerprint."""
    digest = hashlib.sha256(scope["path"].encode())
    digest.update(b"?" + scope["query_string"])
    for name, value in sorted(scope["headers"]):
        if name in MEANING:
            digest.update(b"\n%s: %s" % (name, value))
    digest.update(b"\n\n")
    goes_on = True
    while goes_on:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        piece = message.get("body", b"")
        digest.update(piece)
        body.write(piece)
        goes_on = message.get("more_body", False)
    body.seek(0)
    return digest.hexdigest()


def replay_body(body: IO[bytes], receive: Receive) -> Receive:
    """Return a `receive` that brings the body once more, then the rest."""
    is_over = False

    async def receive_again() -> Message:
        nonlocal is_over
        if is_over:
            return await receive()
        piece = body.read(CHUNK)
        is_over = len(piece) < CHUNK
        return {
            "type": "http.request",
            "body": piece,
            "more_body": not is_over,
        }

    return receive_again


async def _replay(found: Found, status: int, send: Send) -> None:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in found.headers
    ]
    start: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [*headers, REPLAYED],
    }
    await send(start)
    await send({"type": "http.response.body", "body": found.body})


async def _refuse(request: Request, problem: Problem, send: Send) -> None:
    response = await run_in_threadpool(answer, request, problem)
    await response(request.scope, request.receive, send)


def _describe_bad_key() -> Problem:
    return Problem(
        status=HTTPStatus.BAD_REQUEST,
        detail=f"Idempotency-Key is 1 to {KEY_MOST} printable ASCII "
        "characters, quoted or not, without spaces",
    )


def _describe_other(key: str) -> Problem:
    return Problem(
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        kind="key-reused",
        detail=f"the key {key} was sent with another request to this address",
    )


def _describe_running() -> Problem:
    return Problem(
        status=HTTPStatus.CONFLICT,
        kind="under-way",
        detail="the first request with this key is not answered yet",
        headers={"Retry-After": RETRY_AFTER},
    )

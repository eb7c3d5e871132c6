"""What an entity tag is for: 304, and one tag a representation.

It stands around the packing of answers. A packed answer is told apart from
the plain one by its tag, and an answer that the asker has already is not sent
again. What the page cache keeps passes by: it does the same by itself.
"""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.routes.etags import is_known, pack_tag

# of an answer that is not sent these are not told (RFC 9110, 15.4.5)
UNTOLD = frozenset({b"content-length", b"content-type", b"content-encoding"})
READING = frozenset({"GET", "HEAD"})


class ConditionMiddleware:
    """Answers `If-None-Match`, and tags what gzip has packed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in READING:
            await self.app(scope, receive, send)
            return
        wanted = _read_wanted(scope)
        is_known_already = False

        async def send_if_new(message: Message) -> None:
            nonlocal is_known_already
            if message["type"] == "http.response.start":
                is_known_already = _settle(message, wanted)
            elif is_known_already and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app(scope, receive, send_if_new)


def _read_wanted(scope: Scope) -> bytes:
    return b",".join(
        value for name, value in scope["headers"] if name == b"if-none-match"
    )


def _settle(start: Message, wanted: bytes) -> bool:
    """Mend the answer's start; tell whether its body need not be sent."""
    headers = [(name.lower(), value) for name, value in start["headers"]]
    told = dict(headers)
    tag = told.get(b"etag")
    if start["status"] != HTTPStatus.OK or tag is None:
        return False
    if told.get(b"content-encoding") == b"gzip":
        tag = pack_tag(tag)
        headers = [(n, tag if n == b"etag" else v) for n, v in headers]
    is_same = bool(wanted) and is_known(tag, wanted)
    if is_same:
        start["status"] = int(HTTPStatus.NOT_MODIFIED)
        headers = [(n, v) for n, v in headers if n not in UNTOLD]
    start["headers"] = headers
    return is_same

"""Pages kept as bytes for as long as the event log does not grow.

Every change of what pages show appends to the log, so a page made at the
log's head is right until the head moves. What is kept is told apart by all
that an answer may depend on: the address, who asks, and the headers that
choose between page, fragment and JSON. An answer must not depend on another
cookie than the session's, nor on the clock.

Requests with a token, errors, answers that set a cookie, streams and what
says `no-store` pass by.
"""

import gzip
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlmodel import col
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.db import Database
from app.identity import get_cookie
from app.models import Entry, SignIn
from app.routes.etags import hash_content, is_known, pack_tag
from app.services.reviewers import compute_digest

BYTES_MOST = 64 * 1024 * 1024
BODY_MOST = 2 * 1024 * 1024
KEY_MOST = 2048
HOLDERS_MOST = 10_000
PACKED_FROM = 500
PACKING = 5
LARGE = 128 * 1024
LARGE_PACKING = 1  # a reader waits for the first packing of a page
# a run that the clock cut short is replaced by a longer one, without a line;
# a search finds such runs, and may ask for what is two weeks old
PASSING = (
    *("/static/", "/sign-in", "/healthz", "/events", "/runs/", "/api/runs"),
    *("/search", "/api/search"),
)
SWITCHED = "/whatif/"
UNSEEN = -1
PRIVATE = (b"cache-control", b"private, no-cache")
CHOOSING = (b"hx-", b"x-forwarded-")
# of a kept answer these are made anew
REPLACED = frozenset({b"content-length", b"etag", b"vary"})
ANSWERED_HERE = frozenset({b"accept-encoding", b"if-none-match"})

_HEAD = select(col(Entry.seq)).order_by(col(Entry.seq).desc()).limit(1)
_HOLDER = select(col(SignIn.reviewer_id), col(SignIn.expires_at)).where(
    col(SignIn.digest) == bindparam("digest")
)

Headers = list[tuple[bytes, bytes]]


class Asked(NamedTuple):
    """What of a request the answer depends on, and how to send it."""

    key: tuple[object, ...]
    secret: str | None
    packed: bool
    tags: bytes


class Holder(NamedTuple):
    """Whose session a cookie is, and until when."""

    reviewer: int
    expires_at: datetime


@dataclass(slots=True)
class Kept:
    """An answer: its headers, its bytes, and these packed once asked for.

    `timed` tells that it says itself how long it is good.
    """

    headers: Headers
    vary: bytes
    body: bytes
    tag: bytes
    timed: bool = False
    packed: bytes | None = None

    @property
    def size(self) -> int:
        """Return how many bytes are held at most, once it is packed."""
        return 2 * len(self.body)


class PageStore:
    """Answers of one head of the log, the least lately used go first.

    Parameters
    ----------
    entries
        Most answers; none are kept if it is 0.
    """

    def __init__(self, entries: int, most: int = BYTES_MOST) -> None:
        self.entries = entries
        self.most = most
        self.size = 0
        self.head = UNSEEN
        self._kept: OrderedDict[tuple[object, ...], Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def move_to(self, head: int) -> bool:
        """Forget all answers if the log has another head now; tell so.

        The head that is seen first is no other.
        """
        last = self.head
        if head != last:
            self.head = head
            self.size = 0
            self._kept.clear()
        return last not in {head, UNSEEN}

    def find(self, key: tuple[object, ...]) -> Kept | None:
        """Return the answer of this key."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def keep(self, head: int, key: tuple[object, ...], kept: Kept) -> None:
        """Keep an answer that was made at `head`, unless it has moved."""
        if head != self.head:
            return
        self.drop(key)
        self._kept[key] = kept
        self.size += kept.size
        while self._kept and (
            len(self._kept) > self.entries or self.size > self.most
        ):
            self.drop(next(iter(self._kept)))

    def drop(self, key: tuple[object, ...]) -> None:
        """Forget one answer, if it is there."""
        old = self._kept.pop(key, None)
        if old is not None:
            self.size -= old.size


class Watch:
    """Knows the log's head and who holds which session, at every request."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._state: int | None = None
        self._head = 0
        self._holders: dict[str, Holder | None] = {}

    async def look(self, secret: str | None) -> tuple[int, int | None]:
        """Return the head, and the reviewer whose session `secret` is."""
        state = self.database.get_state()
        if state is None:
            return await run_in_threadpool(self._read_all, secret)
        if state != self._state:
            # the state first: what is committed in between is read again
            self._head = self._read_head()
            self._holders.clear()
            self._state = state
        return self._head, self._get_reviewer(secret)

    def _read_all(self, secret: str | None) -> tuple[int, int | None]:
        holder = self._read_holder(secret) if secret else None
        return self._read_head(), _check(holder)

    def _get_reviewer(self, secret: str | None) -> int | None:
        if secret is None:
            return None
        if secret not in self._holders:
            if len(self._holders) >= HOLDERS_MOST:
                self._holders.clear()
            self._holders[secret] = self._read_holder(secret)
        return _check(self._holders[secret])

    def _read_head(self) -> int:
        with self.database.engine.connect() as connection:
            return connection.execute(_HEAD).scalar() or 0

    def _read_holder(self, secret: str) -> Holder | None:
        digest = compute_digest(secret)
        with self.database.engine.connect() as connection:
            row = connection.execute(_HOLDER, {"digest": digest}).first()
        return Holder(row[0], row[1]) if row else None


def _check(holder: Holder | None) -> int | None:
    if holder is None or holder.expires_at <= datetime.now(UTC):
        return None
    return holder.reviewer


class PageCacheMiddleware:
    """Answers from what is kept, else lets the application answer.

    Parameters
    ----------
    entries
        Most answers that are kept; 0 switches it off.
    on_move
        Called when the log has another head than at the request before,
        whichever program wrote it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        database: Database,
        entries: int,
        on_move: Callable[[], object],
    ) -> None:
        self.app = app
        self.on_move = on_move
        self.watch = Watch(database)
        self.store = PageStore(entries)

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        asked = read_request(scope) if self.store.entries else None
        if asked is None:
            await self.app(scope, receive, send)
            return
        head, reviewer = await self.watch.look(asked.secret)
        if self.store.move_to(head):
            self.on_move()
        key = (*asked.key, reviewer)
        kept = self.store.find(key)
        if kept is not None:
            await self._send(kept, asked, send)
            return
        await self._fill(head, key, asked, (scope, receive, send))

    async def _fill(
        self,
        head: int,
        key: tuple[object, ...],
        asked: Asked,
        call: tuple[Scope, Receive, Send],
    ) -> None:
        scope, receive, send = call
        start: Message | None = None

        async def catch(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is None:
                await send(message)
                return
            kept = make_kept(start, message)
            if kept is None:
                await send(start)
                start = None
                await send(message)
                return
            self.store.keep(head, key, kept)
            await self._send(kept, asked, send)

        await self.app(_ask_plain(scope), receive, catch)

    async def _send(self, kept: Kept, asked: Asked, send: Send) -> None:
        body, headers, tag = kept.body, list(kept.headers), kept.tag
        headers.append((b"vary", kept.vary))
        if asked.packed and len(body) >= PACKED_FROM:
            if kept.packed is None:
                kept.packed = await run_in_threadpool(_pack, body)
            body, tag = kept.packed, pack_tag(tag)
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"etag", tag))
        if asked.secret is not None and not kept.timed:
            headers.append(PRIVATE)
        status = HTTPStatus.OK
        if asked.tags and is_known(tag, asked.tags):
            status, body = HTTPStatus.NOT_MODIFIED, b""
        else:
            headers.append((b"content-length", b"%d" % len(body)))
        await send(
            {
                "type": "http.response.start",
                "status": int(status),
                "headers": headers,
            }
        )
        await send({"type": "http.response.body", "body": body})


def read_request(scope: Scope) -> Asked | None:
    """Return what the answer depends on; None if it is not to be kept."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    path: str = scope["path"]
    if path.startswith(PASSING):
        return None
    if path.startswith(SWITCHED) and scope["query_string"]:
        # it shows a stored run, and asking a question is no change to log
        return None
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers:
            value = headers[name] + b", " + value  # noqa: PLW2901 - joined
        headers[name] = value
    if b"authorization" in headers:
        return None
    key = (
        *(scope["scheme"], headers.get(b"host"), path),
        *(scope["query_string"], *map(headers.get, (b"accept", b"prefer"))),
        *(h for h in headers.items() if h[0].startswith(CHOOSING)),
    )
    if sum(map(_get_length, key)) > KEY_MOST:
        return None
    return Asked(
        key,
        get_cookie(HTTPConnection(scope)),
        _takes_gzip(headers.get(b"accept-encoding", b"")),
        headers.get(b"if-none-match", b""),
    )


def _get_length(part: object) -> int:
    if isinstance(part, tuple):
        return sum(map(len, part))
    return len(part) if isinstance(part, str | bytes) else 0


def _takes_gzip(encoding: bytes) -> bool:
    for part in encoding.split(b","):
        name, _, weight = part.replace(b" ", b"").partition(b";q=")
        if name.lower() == b"gzip":
            return weight.strip(b"0.") != b"" or not weight
    return False


def _ask_plain(scope: Scope) -> Scope:
    # packing is done here, once, and so is 304; what is kept has to be plain
    headers = [h for h in scope["headers"] if h[0] not in ANSWERED_HERE]
    return {**scope, "headers": headers}


def make_kept(start: Message, message: Message) -> Kept | None:
    """Return an answer as it is kept; None if it must not be."""
    body: bytes = message.get("body", b"")
    if (
        start["status"] != HTTPStatus.OK
        or message["type"] != "http.response.body"
        or message.get("more_body", False)
        or len(body) > BODY_MOST
    ):
        return None
    headers: Headers = []
    vary = [b"Accept-Encoding"]
    tag = b""
    for name, value in start["headers"]:
        lower = name.lower()
        if lower in {b"set-cookie", b"content-encoding"}:
            return None
        if lower == b"cache-control" and b"no-store" in value:
            return None
        if lower == b"vary":
            vary.append(value)
        if lower == b"etag" and not value.startswith(b"W/"):
            tag = value
        if lower not in REPLACED:
            headers.append((lower, value))
    return Kept(
        headers,
        _join_vary(vary),
        body,
        tag or hash_content(body).encode(),
        timed=any(name == b"cache-control" for name, _ in headers),
    )


def _join_vary(values: Sequence[bytes]) -> bytes:
    names = b",".join(values).split(b",")
    return b", ".join(dict.fromkeys(name.strip() for name in names))


def _pack(body: bytes) -> bytes:
    level = PACKING if len(body) < LARGE else LARGE_PACKING
    return gzip.compress(body, level, mtime=0)

"""The stream of events: resumed, filtered, bounded, ended."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.types import Message, Scope

from app.config import Settings
from app.db import Database
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role
from app.routes import events
from app.services import annotations, entries, reviewers, sessions, tokens
from tests.conftest import ENGINES, PostgresCopies, SQLiteCopies
from tests.factories import make_visitor

THREAD = "kleen-sti-shadow"
OTHER = "kleen-watchdog-nmi"
SOON = 10.0
ON_BOTH = pytest.mark.parametrize("copies", ENGINES, indirect=True)


class Opened:
    """A stream that is being read."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_ended = False
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._text = ""

    async def take(self, message: Message) -> None:
        """Keep what the application sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode(): value.decode()
                for name, value in message["headers"]
            }
            return
        await self._parts.put(message.get("body", b""))
        if not message.get("more_body"):
            await self._parts.put(None)

    async def read_part(self) -> dict[str, str]:
        """Return the fields of the next part; none of them at the end."""
        while "\n\n" not in self._text:
            part = await asyncio.wait_for(self._parts.get(), SOON)
            if part is None:
                self.has_ended = True
                return {}
            self._text += part.decode()
        part_text, _, self._text = self._text.partition("\n\n")
        fields = (line.partition(": ") for line in part_text.split("\n"))
        return {name: value for name, _, value in fields}

    async def read_event(self) -> dict[str, Any]:
        """Return what the next event tells, whatever comes before."""
        while part := await self.read_part():
            if "event" in part:
                assert set(part) == {"event", "data", "id"}
                told = json.loads(part["data"])
                return {**told, "event": part["event"], "id": part["id"]}
        return {}


@asynccontextmanager
async def open_stream(
    app: FastAPI,
    query: str = "",
    *,
    method: str = "GET",
    address: str = "10.0.0.1",
    **headers: str,
) -> AsyncIterator[Opened]:
    """Ask for the stream; leave at the end as a browser does."""
    opened, left = Opened(), asyncio.Event()
    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if asked:
            return asked.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/events",
        "raw_path": b"/events",
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"testserver"),
            *(
                (name.replace("_", "-").encode(), value.encode())
                for name, value in headers.items()
            ),
        ],
        "client": (address, 1),
        "server": ("testserver", 80),
    }
    serving = asyncio.create_task(app(scope, receive, opened.take))
    try:
        yield opened
    finally:
        left.set()
        await asyncio.wait_for(serving, SOON)


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test's work in a loop of its own."""

    async def run_now() -> None:
        await asyncio.wait_for(work(), 60)

    asyncio.run(run_now())


@pytest.fixture
def copies(request: pytest.FixtureRequest) -> SQLiteCopies | PostgresCopies:
    """Return the maker of SQLite databases, where no test wants others."""
    is_lite = getattr(request, "param", "sqlite") == "sqlite"
    made: SQLiteCopies | PostgresCopies = request.getfixturevalue(
        "sqlite_copies" if is_lite else "postgres_copies"
    )
    return made


@contextmanager
def make_app(settings: Settings) -> Iterator[FastAPI]:
    """Return an application that nobody serves."""
    app = create_app(settings)
    yield app
    app.state.database.close()


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    """Return the application."""
    with make_app(settings) as app:
        yield app


async def change(app: FastAPI, work: Callable[[Session], object]) -> int:
    """Change something as a request does; return the log's head."""

    def write() -> int:
        with app.state.database.write() as session:
            work(session)
        with app.state.database.read() as session:
            return entries.get_head(session).seq

    return await asyncio.to_thread(write)


def tell(type_: str, subject: str = "thread:x") -> Callable[[Session], object]:
    """Return a change that does nothing but tell."""
    return lambda session: entries.append_entry(
        session, "program", type_, subject, {}
    )


@ON_BOTH
def test_a_reply_is_told_of_as_it_is_made(
    app: FastAPI, database: Database
) -> None:
    """With its number, its type, and one line of JSON."""
    with database.write() as session:
        ada = make_visitor(session)

    async def work() -> None:
        async with open_stream(app) as stream:
            first = await stream.read_part()
            assert int(first["retry"]) > 0
            head = await change(
                app,
                lambda s: annotations.reply(s, ada, THREAD, "Not so."),
            )
            told = await stream.read_event()
            assert told["event"] == told["type"] == "annotation.created"
            assert told["id"] == str(told["seq"]) == str(head)
            assert told["threads"] == [THREAD]
            assert stream.status == 200
            assert stream.headers["content-type"].startswith(
                "text/event-stream"
            )
            assert stream.headers["cache-control"] == "no-store"
            assert stream.headers["x-accel-buffering"] == "no"

    run(work)


def test_nothing_on_the_way_holds_an_event_back(app: FastAPI) -> None:
    """Neither packing nor the page cache, though both are asked for."""

    async def work() -> None:
        async with open_stream(app, accept_encoding="gzip") as stream:
            await stream.read_part()
            await change(app, tell("a.b"))
            assert (await stream.read_event())["type"] == "a.b"
            assert "content-encoding" not in stream.headers
            assert "etag" not in stream.headers

    run(work)


@ON_BOTH
@pytest.mark.parametrize("way", ["since", "header", "both"])
def test_who_comes_back_is_told_what_they_missed(
    app: FastAPI, way: str
) -> None:
    """Each line once; the id of the last event goes over the address."""

    async def work() -> None:
        start = await change(app, tell("a.before"))
        await change(app, tell("a.one"))
        await change(app, tell("a.two"))
        query = {
            "since": f"since={start}",
            "header": "",
            "both": f"since={start - 1}",
        }[way]
        more = {} if way == "since" else {"last_event_id": str(start)}
        async with open_stream(app, query, **more) as stream:
            await change(app, tell("a.three"))
            types = [(await stream.read_event())["type"] for _ in range(3)]
            assert types == ["a.one", "a.two", "a.three"]

    run(work)


@pytest.mark.parametrize(
    "last", ["0", "999999", "-1", "x", "9" * 30, "²", "1 2"]
)
def test_who_was_away_too_long_is_told_to_begin_anew(
    app: FastAPI,
    monkeypatch: pytest.MonkeyPatch,
    last: str,
) -> None:
    """As is who names a line that the log does not have."""
    monkeypatch.setattr(events, "REPLAYED", 2)

    async def work() -> None:
        for _ in range(4):
            head = await change(app, tell("a.b"))
        async with open_stream(
            app, last_event_id=last.encode().decode("latin-1")
        ) as stream:
            told = await stream.read_event()
            assert (told["event"], told["id"]) == ("reset", str(head))
            await change(app, tell("a.c"))
            assert (await stream.read_event())["type"] == "a.c"

    run(work)


def test_a_log_that_is_short_knows_no_other_lines_either(
    app: FastAPI,
) -> None:
    """None is before the first: it is no place to go on from."""

    async def work() -> None:
        head = await change(app, tell("a.b"))
        async with open_stream(app, last_event_id="x") as stream:
            told = await stream.read_event()
            assert (told["event"], told["id"]) == ("reset", str(head))

    run(work)


def test_only_what_was_asked_for_is_told(app: FastAPI) -> None:
    async def work() -> None:
        async with open_stream(app, f"thread={THREAD}") as stream:
            await stream.read_part()
            await change(app, tell("a.b", f"thread:{OTHER}"))
            await change(app, tell("a.c", f"thread:{THREAD}"))
            assert (await stream.read_event())["type"] == "a.c"

    run(work)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("thread=nothing", 404),
        ("call=nothing", 404),
        ("proposal=nothing", 404),
        ("since=-1", 422),
        ("since=x", 422),
        ("since=99999999999", 422),
    ],
)
def test_what_is_not_there_is_refused(
    app: FastAPI, query: str, status: int
) -> None:
    async def work() -> None:
        async with open_stream(
            app, query, accept="application/json"
        ) as stream:
            await stream.read_part()
            assert stream.status == status

    run(work)


def test_a_silent_stream_shows_that_it_is_there(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a comment with the id of what was passed over."""
    monkeypatch.setattr(events, "HEARTBEAT", 0.2)

    async def work() -> None:
        async with open_stream(app, f"thread={THREAD}") as stream:
            await stream.read_part()
            head = await change(app, tell("a.b", f"thread:{OTHER}"))
            ids = []
            while str(head) not in ids:
                part = await stream.read_part()
                assert part.pop("") == "here"
                ids.append(part.pop("id"))
                assert not part

    run(work)


def test_streams_are_bounded(settings: Settings) -> None:
    """For each address and in all; who leaves makes room."""
    few = settings.model_copy(update={"streams": 3, "streams_per_address": 2})

    async def ask(small: FastAPI, address: str) -> tuple[int, str | None]:
        async with open_stream(
            small, address=address, accept="application/json"
        ) as stream:
            await stream.read_part()
            return stream.status, stream.headers.get("retry-after")

    async def work() -> None:
        with make_app(few) as small:
            await fill(small)

    async def fill(small: FastAPI) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(2):
                stream = await stack.enter_async_context(
                    open_stream(small, address="10.0.0.1")
                )
                await stream.read_part()
            status, wait = await ask(small, "10.0.0.1")
            assert (status, int(wait or 0) > 0) == (429, True)
            stream = await stack.enter_async_context(
                open_stream(small, address="10.0.0.2")
            )
            await stream.read_part()
            status, wait = await ask(small, "10.0.0.3")
            assert (status, int(wait or 0) > 0) == (503, True)
        assert (await ask(small, "10.0.0.1"))[0] == 200

    run(work)


def test_head_is_answered_at_once(app: FastAPI) -> None:
    async def work() -> None:
        async with open_stream(app, method="HEAD") as stream:
            assert await stream.read_part() == {}
            assert stream.status == 200
            assert stream.headers["content-type"].startswith(
                "text/event-stream"
            )

    run(work)


def test_the_server_s_end_is_a_stream_s_end(app: FastAPI) -> None:
    """At once, and nobody is let in any more."""

    async def work() -> None:
        async with open_stream(app) as stream:
            await stream.read_part()
            app.state.event_bus.close()
            assert await stream.read_part() == {}
            assert stream.has_ended
        async with open_stream(app, accept="application/json") as stream:
            await stream.read_part()
            assert stream.status == 503

    run(work)


def test_a_stream_ends_with_the_session_it_is_of(
    app: FastAPI, database: Database
) -> None:
    """Another's sign-out does it no harm."""
    with database.write() as session:
        ada, bob = (make_visitor(session, name) for name in ("ada", "bob"))
        mine, other = (
            sessions.sign_in(session, who.id, days=1, means="test")
            for who in (ada, bob)
        )

    async def work() -> None:
        cookie = f"{SESSION_COOKIE}={mine}"
        async with open_stream(app, cookie=cookie) as stream:
            await stream.read_part()
            await change(app, lambda s: sessions.sign_out(s, other))
            await change(app, tell("a.b"))
            assert (await stream.read_event())["type"] == "a.b"
            await change(app, lambda s: sessions.sign_out(s, mine))
            await change(app, tell("a.c"))
            assert await stream.read_part() == {}

    run(work)


def test_a_stream_ends_with_the_token_it_is_of(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing in the log says so: it is looked up now and then."""
    monkeypatch.setattr(events, "HEARTBEAT", 0.2)
    with database.write() as session:
        make_visitor(session)
        made = tokens.create_token(session, "ada")
        ada = reviewers.require_account(session, "ada")

    async def work() -> None:
        bearer = f"Bearer {made.secret}"
        async with open_stream(app, authorization=bearer) as stream:
            await stream.read_part()
            await change(
                app,
                lambda s: tokens.revoke_all(s, ada.id),
            )
            while await stream.read_part():
                pass
            assert stream.has_ended

    run(work)


@pytest.mark.parametrize("role", [None, Role.editor, Role.administrator])
def test_accounts_are_the_administrators_affair(
    app: FastAPI, database: Database, role: Role | None
) -> None:
    cookie = ""
    if role is not None:
        with database.write() as session:
            who = make_visitor(session, "ada", role)
            secret = sessions.sign_in(session, who.id, days=1, means="test")
            cookie = f"{SESSION_COOKIE}={secret}"

    async def work() -> None:
        async with open_stream(app, cookie=cookie) as stream:
            await stream.read_part()
            await change(app, lambda s: make_visitor(s, "bob"))
            await change(app, tell("a.b"))
            types = []
            while "a.b" not in types:
                types.append((await stream.read_event())["type"])
            is_told = "reviewer.added" in types
            assert is_told == (role == Role.administrator)

    run(work)


@ON_BOTH
def test_two_servers_tell_of_each_other_s_changes(
    settings: Settings, app: FastAPI
) -> None:
    """Each has a database object of its own, as two processes have."""

    async def work() -> None:
        with make_app(settings) as other:
            async with open_stream(app) as one, open_stream(other) as two:
                await one.read_part()
                await two.read_part()
                for writer in (app, other):
                    await change(writer, tell("a.b"))
                    assert (await one.read_event())["type"] == "a.b"
                    assert (await two.read_event())["type"] == "a.b"

    run(work)

"""Kept pages: right at every head of the log, and nobody else's."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from fastapi.testclient import TestClient

from app.config import Settings
from app.db import Database
from app.dependencies import SessionDep
from app.identity import SESSION_COOKIE, CurrentReviewer
from app.models import Role
from app.page_cache import Kept, PageCacheMiddleware, PageStore
from app.services import entries, reviewers, sessions, tokens
from app.services.uses import UseNoter

ENTRIES = 50


class Site:
    """A small application behind the cache; `made` counts its answers."""

    def __init__(self, database: Database, size: int = ENTRIES) -> None:
        self.database = database
        self.made: list[str] = []
        self.moves: list[int] = []
        app = FastAPI()
        app.state.database = database
        app.state.uses = UseNoter(database)
        app.state.settings = Settings()
        app.get("/page")(self.show)
        app.get("/set")(self.set_cookie)
        app.get("/secret")(self.show_secret)
        app.get("/stream")(self.stream)
        app.get("/tagged")(self.show_tagged)
        app.get("/sign-in")(self.show)
        app.get("/runs/1")(self.show)
        app.get("/api/runs/1")(self.show)
        app.get("/whatif/a")(self.show)
        app.post("/page")(self.change)
        app.add_middleware(
            PageCacheMiddleware,
            database=database,
            entries=size,
            on_move=lambda: self.moves.append(len(self.made)),
        )
        self.client = TestClient(app)

    def show(
        self, request: Request, session: SessionDep, visitor: CurrentReviewer
    ) -> HTMLResponse:
        """Tell who asks for what at which head."""
        self.made.append(str(request.url))
        name = visitor.name if visitor else "nobody"
        head = entries.get_head(session).seq
        part = request.headers.get("HX-Request-Type", "whole")
        text = f"<p>{name} at {head}: {part} {request.url}</p>"
        return HTMLResponse(text + " " * 2000, headers={"Vary": "Accept"})

    def show_tagged(self, request: Request) -> Response:
        """Tell what is preferred, with a tag of the route's own."""
        self.made.append(str(request.url))
        text = request.headers.get("Prefer", "nothing") + " " * 2000
        return Response(
            text, headers={"ETag": f'"{len(text)}"', "Vary": "Prefer"}
        )

    def change(self, session: SessionDep) -> Response:
        """Append to the log."""
        entries.append_entry(session, "program", "test.done", "test:1", {})
        return Response(status_code=204)

    def set_cookie(self) -> Response:
        """Answer with a cookie."""
        self.made.append("set")
        response = Response("x")
        response.set_cookie("a", "b")
        return response

    def show_secret(self) -> Response:
        """Answer with what nobody may store."""
        self.made.append("secret")
        return Response("x", headers={"Cache-Control": "no-store"})

    def stream(self) -> StreamingResponse:
        """Answer in pieces."""
        self.made.append("stream")
        return StreamingResponse(iter(["a", "b"]))

    def sign_in(self, name: str) -> dict[str, str]:
        """Return the header of a new session of this reviewer."""
        with self.database.write() as session:
            account = reviewers.find_account(session, name)
            if account is None:
                reviewers.add_reviewer(session, name, Role.reviewer)
                account = reviewers.require_account(session, name)
            secret = sessions.sign_in(
                session, account.id, days=1, means="link"
            )
        return {"Cookie": f"other=1; {SESSION_COOKIE}={secret}"}

    def get(self, address: str = "/page", **headers: str) -> Any:
        """Ask once."""
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.client.get(address, headers=named)


@pytest.fixture
def site(empty_database: Database) -> Iterator[Site]:
    """Return the small application, on each engine."""
    site = Site(empty_database)
    with site.client:
        yield site


def test_a_page_is_made_once_while_the_log_stands_still(site: Site) -> None:
    first, second = site.get(), site.get()
    assert first.text == second.text
    assert len(site.made) == 1


def test_a_change_is_seen_by_the_next_reader(site: Site) -> None:
    assert "at 0:" in site.get().text
    site.client.post("/page")
    assert "at 1:" in site.get().text


def test_a_change_by_another_process_is_seen(site: Site) -> None:
    site.get()
    other = Database(site.database.url)
    with other.write() as session:
        entries.append_entry(session, "program", "test.done", "test:1", {})
    other.close()
    assert "at 1:" in site.get().text


def test_readers_and_reviewers_never_see_each_others_pages(
    site: Site,
) -> None:
    ada, eve = site.sign_in("ada"), site.sign_in("eve")
    for _ in range(2):
        assert "nobody at" in site.get().text
        assert "ada at" in site.get(**ada).text
        assert "eve at" in site.get(**eve).text
    assert len(site.made) == 3


def test_two_sessions_of_one_reviewer_share_a_page(site: Site) -> None:
    first, second = site.sign_in("ada"), site.sign_in("ada")
    site.get(**first)
    site.get(**second)
    assert len(site.made) == 1


def test_who_signed_out_is_nobody_at_once(site: Site) -> None:
    ada = site.sign_in("ada")
    assert "ada at" in site.get(**ada).text
    with site.database.write() as session:
        sessions.sign_out(session, ada["Cookie"].split("session=")[1])
    assert "nobody at" in site.get(**ada).text


def test_an_expired_session_is_nobody_without_a_change(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = site.sign_in("ada")
    assert "ada at" in site.get(**ada).text

    class Later:
        @staticmethod
        def now(zone: Any) -> Any:
            return now.replace(year=now.year + 5, tzinfo=zone)

    now = datetime.now(UTC)
    monkeypatch.setattr("app.page_cache.datetime", Later)
    monkeypatch.setattr("app.services.access.datetime", Later)
    assert "nobody at" in site.get(**ada).text


def test_a_made_up_cookie_is_nobody(site: Site) -> None:
    answer = site.get(Cookie=f"{SESSION_COOKIE}=made-up")
    assert "nobody at" in answer.text


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/page?a=1", {}),
        ("/page", {"HX-Request-Type": "partial"}),
        ("/page", {"Accept": "application/json"}),
        ("/page", {"Host": "elsewhere"}),
        ("/page", {"X-Forwarded-Host": "elsewhere"}),
    ],
)
def test_whatever_chooses_an_answer_keeps_it_apart(
    site: Site, address: str, headers: dict[str, str]
) -> None:
    site.get()
    site.get(address, **headers)
    assert len(site.made) == 2
    assert site.get().text.startswith("<p>nobody at 0: whole ")


@pytest.mark.parametrize("address", ["/set", "/secret", "/stream", "/none"])
def test_what_must_not_be_kept_passes_by(site: Site, address: str) -> None:
    first, second = site.get(address), site.get(address)
    assert first.content == second.content
    assert len(site.made) in {0, 2}
    assert "etag" not in second.headers


@pytest.mark.parametrize("address", ["/sign-in", "/runs/1", "/api/runs/1"])
def test_what_changes_without_a_line_passes_by(
    site: Site, address: str
) -> None:
    site.get(address)
    site.get(address)
    assert len(site.made) == 2


def test_a_request_with_a_token_passes_by(site: Site) -> None:
    site.sign_in("ada")
    with site.database.write() as session:
        token = tokens.create_token(session, "ada").secret
    for _ in range(2):
        answer = site.get(Authorization=f"Bearer {token}")
        assert "ada at" in answer.text
    assert "nobody at" in site.get().text
    assert len(site.made) == 3


def test_no_proxy_may_share_a_reviewers_page(site: Site) -> None:
    answer = site.get(**site.sign_in("ada"))
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "cache-control" not in site.get().headers


def test_a_cookie_longer_than_ours_is_nobodys(site: Site) -> None:
    answer = site.get(Cookie=f"{SESSION_COOKIE}={'x' * 5000}")
    assert "nobody at" in answer.text


def test_a_switched_question_passes_by(site: Site) -> None:
    # a run may be stored in between, which is no line of the log
    for address, made in (("/whatif/a?nmi=lost", 2), ("/whatif/a", 3)):
        site.get(address)
        site.get(address)
        assert len(site.made) == made


def test_an_overlong_key_passes_by(site: Site) -> None:
    site.get("/page?" + "a" * 5000)
    site.get("/page?" + "a" * 5000)
    assert len(site.made) == 2


def test_packed_and_plain_say_the_same(site: Site) -> None:
    packed = site.get(Accept_Encoding="gzip, br")
    plain = site.get(Accept_Encoding="identity")
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == "Accept-Encoding, Accept"
    assert len(site.made) == 1


@pytest.mark.parametrize("encoding", ["gzip;q=0", "gzip; q=0.0", "br", ""])
def test_who_refuses_gzip_gets_plain(site: Site, encoding: str) -> None:
    answer = site.get(Accept_Encoding=encoding)
    assert "content-encoding" not in answer.headers


def test_a_page_known_to_the_reader_is_not_sent_again(site: Site) -> None:
    for encoding in ("gzip", "identity"):
        tag = site.get(Accept_Encoding=encoding).headers["etag"]
        answer = site.get(
            If_None_Match=f'"x", W/{tag}', Accept_Encoding=encoding
        )
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
        assert "content-length" not in answer.headers
    site.client.post("/page")
    assert site.get(If_None_Match=tag).status_code == 200


def test_no_entries_switch_it_off(empty_database: Database) -> None:
    site = Site(empty_database, size=0)
    site.get()
    site.get()
    assert len(site.made) == 2


def make_answer(size: int = 10) -> Kept:
    """Return an answer of so many bytes."""
    return Kept([], b"", b"x" * size, b'"t"')


def test_who_wants_to_know_hears_that_the_log_moved(site: Site) -> None:
    """Once a change, at the request that sees it; the first sees none."""
    for _ in range(2):
        site.client.get("/page")
    assert site.moves == []
    with site.database.write() as session:
        entries.append_entry(session, "program", "test.done", "test:1", {})
    for _ in range(2):
        site.client.get("/page")
    assert site.moves == [1]


def test_the_least_lately_used_goes_first() -> None:
    store = PageStore(entries=2)
    store.move_to(1)
    for name in ("a", "b"):
        store.keep(1, (name,), make_answer())
    store.find(("a",))
    store.keep(1, ("c",), make_answer())
    assert [n for n in "abc" if store.find((n,))] == ["a", "c"]


def test_the_bytes_are_bounded() -> None:
    store = PageStore(entries=100, most=1000)
    store.move_to(1)
    for number in range(50):
        store.keep(1, (number,), make_answer(100))
        assert store.size <= 1000
    assert len(store) == 5
    store.keep(1, ("large",), make_answer(600))
    assert (len(store), store.size) == (0, 0)


def test_an_answer_made_at_an_older_head_is_not_kept() -> None:
    store = PageStore(entries=2)
    store.move_to(2)
    store.keep(1, ("a",), make_answer())
    assert len(store) == 0


def test_a_routes_own_tag_is_kept_and_told_apart_when_packed(
    site: Site,
) -> None:
    plain = {"Accept-Encoding": "identity"}
    for _ in range(2):
        answer = site.client.get("/tagged", headers=plain)
        assert answer.headers["ETag"] == '"2007"'
    packed = site.client.get("/tagged")
    assert packed.headers["ETag"] == '"2007-gz"'
    assert len(site.made) == 1
    again = site.client.get(
        "/tagged", headers={"If-None-Match": '"2007"', **plain}
    )
    assert again.status_code == 304


def test_what_is_preferred_makes_another_answer(site: Site) -> None:
    for preferred in ("one", "another", "one"):
        answer = site.client.get("/tagged", headers={"Prefer": preferred})
        assert answer.text.strip() == preferred
    assert len(site.made) == 2


def test_a_page_asked_for_with_an_old_tag_is_kept_all_the_same(
    site: Site,
) -> None:
    tag = site.client.get("/tagged").headers["ETag"]
    site.client.post("/page")
    for _ in range(2):
        answer = site.client.get("/tagged", headers={"If-None-Match": tag})
        assert answer.status_code == 304
    assert len(site.made) == 2


def test_packing_the_same_page_gives_the_same_bytes(site: Site) -> None:
    with site.client.stream(
        "GET", "/page", headers={"Accept-Encoding": "gzip"}
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert raw == gzip.compress(gzip.decompress(raw), 5, mtime=0)

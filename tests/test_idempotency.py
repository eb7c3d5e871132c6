"""A request that is sent twice with its key is carried out once."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient
from sqlmodel import col, select

from app import idempotency
from app.config import Settings
from app.db import Database
from app.errors import BusyError, ConflictError
from app.idempotency import IdempotencyMiddleware
from app.main import create_app
from app.models import StoredAnswer
from app.routes import problems
from app.routes.errors import add_error_handlers
from app.services import tokens
from app.services.uses import UseNoter
from tests import factories
from tests.conftest import SQLiteCopies

COMMENTS = "/api/threads/kleen-sti-shadow/comments"


class Site:
    """A small application whose requests are counted."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.carried_out: list[Any] = []
        self.may_go_on = threading.Event()
        self.has_begun = threading.Event()
        app = FastAPI()
        app.state.database = database
        app.state.uses = UseNoter(database)
        app.state.settings = Settings(base_url="http://testserver")
        add_error_handlers(app)
        app.include_router(problems.router)
        app.post("/api/things")(self.create)
        app.post("/api/slow")(self.create_slowly)
        app.post("/api/refused")(self.refuse)
        app.post("/api/busy")(self.fail)
        app.post("/api/broken")(self.break_down)
        app.post("/api/long")(self.tell_much)
        app.post("/things")(self.create)
        app.add_middleware(IdempotencyMiddleware, database=database)
        self.client = TestClient(app, raise_server_exceptions=False)
        with database.write() as session:
            for name in ("ada", "bea"):
                factories.make_visitor(session, name)
            self.tokens = {
                name: tokens.create_token(session, name).secret
                for name in ("ada", "bea")
            }

    async def create(self, request: Request) -> Response:
        """Count, and answer with what was sent."""
        body = await request.body()
        self.carried_out.append(body)
        return Response(
            body,
            status_code=201,
            headers={"Location": f"/things/{len(self.carried_out)}"},
        )

    def create_slowly(self) -> dict[str, int]:
        """Count, once one may go on."""
        self.carried_out.append("slow")
        self.has_begun.set()
        assert self.may_go_on.wait(10)
        return {"number": len(self.carried_out)}

    def refuse(self) -> None:
        """Count, and refuse for good."""
        self.carried_out.append("refused")
        raise ConflictError("it is taken")

    def fail(self) -> None:
        """Count, and refuse for now."""
        self.carried_out.append("busy")
        raise BusyError("later", retry_after=1)

    def break_down(self) -> None:
        """Count, and fail."""
        self.carried_out.append("broken")
        raise ZeroDivisionError

    def tell_much(self) -> str:
        """Count, and answer more than is kept."""
        self.carried_out.append("long")
        return "x" * (idempotency.ANSWER_MOST + 1)

    def post(
        self,
        path: str,
        body: object = None,
        *,
        key: str | None = "k",
        name: str | None = "ada",
    ) -> Any:
        """Send a request of a reviewer's program."""
        headers = {} if key is None else {"Idempotency-Key": key}
        if name:
            headers["Authorization"] = f"Bearer {self.tokens[name]}"
        return self.client.post(path, json=body, headers=headers)


@pytest.fixture
def small_site(
    sqlite_copies: SQLiteCopies,
) -> Iterator[Site]:
    """Return the application over an empty SQLite database."""
    database = Database(sqlite_copies.make("empty"))
    yield Site(database)
    database.close()
    sqlite_copies.drop(database.url)


def test_the_same_request_is_carried_out_once(small_site: Site) -> None:
    first = small_site.post("/api/things", {"a": 1})
    again = small_site.post("/api/things", {"a": 1})
    assert len(small_site.carried_out) == 1
    assert again.status_code == first.status_code == 201
    assert again.content == first.content
    assert again.headers["Location"] == "/things/1"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers


def test_a_key_belongs_to_its_request(small_site: Site) -> None:
    small_site.post("/api/things", {"a": 1})
    other = small_site.post("/api/things", {"a": 2})
    assert other.status_code == 422
    assert other.json()["type"].endswith("/problems/key-reused")
    assert len(small_site.carried_out) == 1


def test_a_key_counts_for_one_reviewer_at_one_address(
    small_site: Site,
) -> None:
    for path, name, key in (
        ("/api/things", "ada", "k"),
        ("/api/things", "bea", "k"),
        ("/api/things", "ada", "other"),
        ("/api/refused", "ada", "k"),
    ):
        assert small_site.post(path, 1, name=name, key=key).status_code < 422
    assert len(small_site.carried_out) == 4


@pytest.mark.parametrize(
    ("path", "key", "name"),
    [
        ("/api/things", None, "ada"),
        ("/api/things", "k", None),
        ("/things", "k", "ada"),
    ],
    ids=["no key", "nobody", "elsewhere"],
)
def test_without_a_key_that_counts_all_is_carried_out(
    small_site: Site, path: str, key: str | None, name: str | None
) -> None:
    for _ in range(2):
        small_site.post(path, 1, key=key, name=name)
    assert len(small_site.carried_out) == 2


def test_a_refusal_is_repeated(small_site: Site) -> None:
    answers = [small_site.post("/api/refused") for _ in range(2)]
    assert [a.status_code for a in answers] == [409, 409]
    assert answers[0].content == answers[1].content
    assert len(small_site.carried_out) == 1


@pytest.mark.parametrize("path", ["/api/busy", "/api/broken"])
def test_a_failure_gives_its_key_back(small_site: Site, path: str) -> None:
    for _ in range(2):
        assert small_site.post(path).status_code >= 500
    assert len(small_site.carried_out) == 2
    with small_site.database.read() as session:
        assert session.scalars(select(StoredAnswer)).all() == []


def test_one_under_way_is_waited_for(small_site: Site) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(small_site.post, "/api/slow")
        assert small_site.has_begun.wait(10)
        second = small_site.post("/api/slow")
        # and no transaction stands in others' way
        assert small_site.post("/api/things").status_code == 201
        small_site.may_go_on.set()
        assert first.result().status_code == 200
    assert second.status_code == 409
    assert second.json()["type"].endswith("/problems/under-way")
    assert second.headers["Retry-After"] == "1"
    assert small_site.post("/api/slow").content == first.result().content


def test_an_answer_too_long_to_keep_is_not_made_twice(
    small_site: Site,
) -> None:
    first = small_site.post("/api/long")
    assert first.status_code == 200
    assert len(first.content) > idempotency.ANSWER_MOST
    again = small_site.post("/api/long")
    assert again.status_code == 409
    assert "carried out before and answered 200" in again.json()["detail"]
    assert len(small_site.carried_out) == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, '"'])
def test_a_key_that_is_none_is_refused(small_site: Site, key: str) -> None:
    answer = small_site.post("/api/things", key=key)
    assert answer.status_code == 400
    assert small_site.carried_out == []


def test_a_quoted_key_is_the_same_key(small_site: Site) -> None:
    small_site.post("/api/things", key="k")
    small_site.post("/api/things", key='"k"')
    assert len(small_site.carried_out) == 1


def test_a_comment_sent_twice_is_one_and_one_too_long_is_refused(
    sqlite_copies: SQLiteCopies, tmp_path: Path
) -> None:
    settings = Settings(
        database_url=sqlite_copies.make("full"),
        data_dir=tmp_path,
        base_url="http://testserver",
    )
    with TestClient(create_app(settings)) as client:
        database: Database = client.app.state.database  # type: ignore[attr-defined]
        with database.write() as session:
            factories.make_visitor(session, "ada")
            secret = tokens.create_token(session, "ada").secret
        headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "k"}
        body = {"text": "Once. " + "x" * 600}
        answers = [
            client.post(COMMENTS, json=body, headers=headers) for _ in range(2)
        ]
        assert [a.status_code for a in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        posts = client.get("/api/threads/kleen-sti-shadow").json()["posts"]
        assert len([p for p in posts if p["text"] == body["text"]]) == 1

        def send_much() -> Iterator[bytes]:
            for _ in range(20):
                yield b"x" * 100_000

        long = client.post(
            COMMENTS,
            content=send_much(),
            headers=headers | {"Idempotency-Key": "long"},
        )
        assert long.status_code == 413
        with database.read() as session:
            kept = session.scalars(select(col(StoredAnswer.key))).all()
        assert kept == ["k"]
        assert json.loads(answers[1].content)["id"]

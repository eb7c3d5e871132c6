"""The gate: decided before a body is read, and never passed by a kept page."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.config import Settings
from app.db import Database
from app.gate import KEPT_SECONDS, Known, refuse
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role, Scope
from app.policies import Budget, Policy
from app.services import accounts, members, sessions, signing, tokens
from app.services.access import Access
from app.services.hypothesis_tokens import ACCESS, SESSION
from app.services.reviewers import Visitor, compute_digest
from tests.conftest import SQLiteCopies
from tests.factories import make_token, make_visitor

COMMENTS = "/api/threads/kleen-sti-shadow/comments"


@pytest.fixture
def app(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FastAPI]:
    """Return an application with the corpus and its pages kept."""
    url = sqlite_copies.make("full")
    yield create_app(
        Settings(
            database_url=url,
            data_dir=tmp_path_factory.mktemp("gate"),
            allowed_hosts="testserver",
        )
    )
    sqlite_copies.drop(url)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Return a client of it."""
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b"{}", "application/json"),
        (b"x" * 70_000, "text/plain"),
        (b"", "application/json"),
    ],
)
def test_who_may_not_is_told_so_whatever_they_send(
    app: FastAPI, client: TestClient, content: bytes, kind: str
) -> None:
    headers = {"Content-Type": kind}
    answer = client.post(COMMENTS, content=content, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    with app.state.database.write() as session:
        make_visitor(session, "eve", Role.reader)
        headers |= make_token(session, "eve")
    answer = client.post(COMMENTS, content=content, headers=headers)
    assert answer.status_code == 403
    with app.state.database.write() as session:
        members.set_private(session, is_private=True)
    answer = client.post(COMMENTS, content=content, headers=headers)
    assert answer.status_code == 404


def test_a_kept_page_goes_when_the_review_is_closed(
    app: FastAPI, client: TestClient
) -> None:
    with app.state.database.write() as session:
        ada = make_visitor(session, "ada")
        secret = sessions.sign_in(session, ada.id, days=1, means="test")
        members.add_member(session, "ada")
    known = {"Cookie": f"{SESSION_COOKIE}={secret}"}
    paths = ("/threads/", "/", "/calls/VMI_Halt", "/document/")

    def ask(headers: dict[str, str]) -> list[int]:
        return [client.get(p, headers=headers).status_code for p in paths]

    assert ask({}) == ask(known) == ask({}) == [200] * 4
    with app.state.database.write() as session:
        members.set_private(session, is_private=True)
    assert ask({}) == [404] * 4
    assert ask(known) == ask(known) == [200] * 4
    assert ask({}) == [404] * 4
    with app.state.database.write() as session:
        members.remove_member(session, "ada")
    assert ask(known) == [404] * 4
    with app.state.database.write() as session:
        members.add_member(session, "ada")
    assert ask(known) == [200] * 4
    with app.state.database.write() as session:
        accounts.disable_account(session, "ada")
    assert ask(known) == [404] * 4


def test_a_closed_review_has_no_addresses(
    app: FastAPI, client: TestClient
) -> None:
    """What is there and what is not are told apart by no status or text."""
    with app.state.database.write() as session:
        members.set_private(session, is_private=True)
    texts = set()
    for method, path in (
        ("GET", "/threads/kleen-sti-shadow"),
        ("GET", "/threads/no-such-thread"),
        ("GET", "/threads"),
        ("GET", "/nowhere"),
        ("PUT", "/threads/kleen-sti-shadow"),
        ("OPTIONS", "/api/threads"),
        ("HEAD", "/openapi.json"),
        ("GET", "/docs"),
        ("DELETE", "/nowhere"),
        ("GET", "/annotations/none/"),
    ):
        answer = client.request(
            method,
            path,
            headers={"Accept": "application/json"},
            follow_redirects=False,
        )
        assert answer.status_code == 404, path
        if method != "HEAD":
            problem = answer.json()
            # what accepts JSON is answered by the API beside a page
            assert problem.pop("instance").endswith(path)
            texts.add(str(problem))
    assert len(texts) == 1


def test_what_the_gate_did_not_decide_on_is_not_served(app: FastAPI) -> None:
    """The router's own bolt holds if the gate looked at another route."""
    with TestClient(app, root_path="/calls") as client:
        assert client.get("/calls/threads/").status_code == 500


@pytest.mark.parametrize("end", ["%0A", "%0D", "%00", "%7F", "%1B"])
def test_no_end_of_a_line_leads_past_the_gate(
    client: TestClient, end: str
) -> None:
    """The patterns of the router overlook a newline at an address's end."""
    for path in ("/search", "/events", "/sign-in", "/accounts/", "/calls/"):
        answer = client.get(f"{path}{end}", follow_redirects=False)
        is_nul = end == "%00"
        assert answer.status_code == (400 if is_nul else 404), path
        assert f"{'NUL' if is_nul else 'control'} character" in answer.text


def test_of_a_closed_review_not_even_the_length_of_its_log_is_told(
    app: FastAPI, client: TestClient
) -> None:
    assert client.get("/healthz").json()["head"] > 0
    with app.state.database.write() as session:
        make_visitor(session, "eve", Role.administrator)
        headers = make_token(session, "eve")
        members.set_private(session, is_private=True)
    assert client.get("/healthz").json() == {"status": "ok", "head": None}
    assert client.get("/healthz", headers=headers).json()["head"] > 0


def make_access(
    role: Role, scope: Scope = Scope.admin, *, may_read: bool = True
) -> Access:
    """Return the access of somebody with this role and token."""
    visitor = Visitor(1, "ada", "Ada", role, scope, 1)
    return Access(visitor, may_read=may_read)


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("scope", Scope)
def test_no_role_and_scope_lets_in_more_than_it_says(
    role: Role | None, scope: Scope
) -> None:
    policy = Policy(role, scope, Budget.writes)
    roles, scopes = list(Role), list(Scope)
    for held in roles:
        for sent in scopes:
            problem = refuse(policy, make_access(held, sent))
            best = min(roles.index(held), scopes.index(sent))
            fits = scopes.index(sent) >= scopes.index(scope) and (
                role is None or best >= roles.index(role)
            )
            assert (problem is None) is fits
            assert problem is None or problem.status == 403


def test_a_bad_token_is_told_even_where_anybody_may_read() -> None:
    problem = refuse(Policy(None), Access(is_unknown=True))
    assert problem is not None
    assert problem.status == 401


def test_who_asks_again_is_known_until_something_is_committed(
    app: FastAPI, client: TestClient, statements: list[str]
) -> None:
    database = app.state.database
    with database.write() as session:
        make_visitor(session)
        headers = make_token(session)

    def count() -> int:
        statements.clear()
        assert client.get("/healthz", headers=headers).status_code == 200
        return sum("FROM token" in one for one in statements)

    count()
    app.state.uses.close()  # the first use is noted, which is a commit
    assert [count(), count(), count()] == [1, 0, 0]
    with database.write() as session:
        make_visitor(session, "eve")
    assert [count(), count()] == [1, 0]


def test_what_another_program_revokes_is_good_for_nothing_at_once(
    app: FastAPI, client: TestClient
) -> None:
    other = Database(app.state.database.url)
    with other.write() as session:
        ada = make_visitor(session)
        headers = make_token(session)
        number = tokens.list_tokens(session, ada.id)[0].id
        secret = sessions.sign_in(session, ada.id, days=1, means="test")
        members.set_private(session, is_private=True)
        members.add_member(session, "ada")
    cookie = {"Cookie": f"{SESSION_COOKIE}={secret}"}

    def ask() -> list[int]:
        return [
            client.get("/api/threads", headers=one).status_code
            for one in (headers, cookie, headers, cookie)
        ]

    assert ask() == ask() == [200] * 4
    with other.write() as session:
        tokens.revoke_token(session, number)
    assert ask() == [401, 200] * 2
    with other.write() as session:
        members.remove_member(session, "ada")
    assert ask() == [401, 404] * 2
    other.close()


def test_who_was_looked_up_is_known_for_a_while_and_no_longer_than_good() -> (
    None
):
    now, moment = datetime.now(UTC), time.monotonic()
    hour = timedelta(hours=1)
    assert Known(Access(), moment).is_good()
    assert Known(Access(until=now + hour), moment).is_good()
    assert not Known(Access(until=now - hour), moment).is_good()
    assert not Known(Access(), moment - KEPT_SECONDS).is_good()


def test_a_clients_statement_is_good_until_its_own_end(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends long before the session that it tells of does."""
    with app.state.database.write() as session:
        ada = make_visitor(session)
        secret = sessions.sign_in(session, ada.id, days=1, means="test")
    claims = {SESSION: compute_digest(secret)}
    token = signing.sign(app.state.secret_key, ACCESS, claims, seconds=60)
    headers = {"Authorization": f"Bearer {token}"}

    def ask() -> int:
        return client.get("/h/api/profile", headers=headers).status_code

    assert [ask(), ask()] == [200, 200]
    later = time.time() + 61
    monkeypatch.setattr(signing, "time", SimpleNamespace(time=lambda: later))
    assert ask() == 401


def test_no_other_secret_is_taken_for_the_one_that_is_known(
    app: FastAPI, client: TestClient
) -> None:
    with app.state.database.write() as session:
        make_visitor(session)
        headers = make_token(session)
    app.state.uses.close()
    for _ in range(3):
        assert client.get("/healthz", headers=headers).status_code == 200
        wrong = {"Authorization": headers["Authorization"] + "x"}
        assert client.get("/healthz", headers=wrong).status_code == 401
        both = {**headers, "Cookie": f"{SESSION_COOKIE}=x"}
        assert client.get("/healthz", headers=both).status_code == 200
    assert client.get("/api/account/tokens").status_code == 401

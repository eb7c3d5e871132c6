"""Proxies that are trusted or not, and limits of addresses and accounts."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.models import Role
from app.services import tokens
from app.traffic import ProxyMiddleware
from tests.conftest import SQLiteCopies
from tests.factories import make_visitor

CALLS = "/api/calls?limit=1"
COMMENTS = "/api/threads/kleen-sti-shadow/comments"


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("198.51.100.1", "198.51.100.1"),
        # what the client wrote stands before what the proxy saw
        ("203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("nonsense", "10.0.0.1"),
        ("198.51.100.1, nonsense", "10.0.0.1"),
        ("nonsense, 10.0.0.2", "10.0.0.2"),
        ("2001:db8::1", "2001:db8::1"),
        ("198.51.100.1, ::ffff:10.0.0.2", "198.51.100.1"),
        ("", "10.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxy_is_the_client(
    chain: str, client: str
) -> None:
    async def serve(*_: object) -> None:
        raise AssertionError

    proxies = ProxyMiddleware(serve, trusted="10.0.0.0/8")
    told = proxies.read_forwarded(
        {"headers": [(b"x-forwarded-for", chain.encode())]}, "10.0.0.1"
    )
    assert told["client"] == (client, 0)


@pytest.mark.parametrize(
    ("proto", "told"),
    [(b"https", "https"), (b"http", "http"), (b"ws", None), (b"x", None)],
)
def test_only_a_scheme_that_is_one_is_taken(
    proto: bytes, told: str | None
) -> None:
    async def serve(*_: object) -> None:
        raise AssertionError

    proxies = ProxyMiddleware(serve, trusted="10.0.0.1")
    found = proxies.read_forwarded(
        {"headers": [(b"x-forwarded-proto", proto)]}, "10.0.0.1"
    )
    assert found.get("scheme") == told


@pytest.fixture(scope="module")
def limited(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Return settings with small limits."""
    url = sqlite_copies.make("full")
    yield Settings(
        database_url=url,
        data_dir=tmp_path_factory.mktemp("limited"),
        allowed_hosts="testserver",
        limit_reads="6/hour",
        limit_writes="3/hour",
        limit_sign_ins="2/hour",
    )
    sqlite_copies.drop(url)


def test_an_address_that_reads_too_often_waits(limited: Settings) -> None:
    """Pages that are kept count, too; static files and health do not."""
    with TestClient(create_app(limited)) as client:
        told = [client.get("/threads/") for _ in range(6)]
        assert [one.status_code for one in told] == [200] * 6
        assert told[0].headers["ratelimit-policy"] == (
            '"reads-of-address";q=6;w=3600'
        )
        assert (
            told[0]
            .headers["ratelimit"]
            .startswith('"reads-of-address";r=5;t=')
        )
        for path in ("/threads/", CALLS, "/nowhere"):
            answer = client.get(path)
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 3600
            assert ";r=0;" in answer.headers["ratelimit"]
            assert "content-security-policy" in answer.headers
        problem = client.get(CALLS)
        assert problem.headers["content-type"] == "application/problem+json"
        for path in ("/static/app.css", "/healthz"):
            assert client.get(path).status_code == 200


def test_what_a_script_asks_before_counts_too(limited: Settings) -> None:
    with TestClient(create_app(limited)) as client:
        for left in range(5, -1, -1):
            answer = client.options("/annotations/")
            assert answer.status_code == 200
            assert f"r={left}" in answer.headers["RateLimit"]
        answer = client.options("/annotations/")
        assert answer.status_code == 429
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_nobody_passes_a_limit_by_saying_who_they_are(
    limited: Settings,
) -> None:
    """X-Forwarded-For counts for nothing unless the sender is trusted."""
    with TestClient(create_app(limited)) as client:
        for number in range(6):
            header = {"X-Forwarded-For": f"198.51.100.{number}"}
            client.get(CALLS, headers=header)
        other = {"X-Forwarded-For": "203.0.113.1"}
        assert client.get(CALLS, headers=other).status_code == 429


def test_readers_behind_a_trusted_proxy_are_told_apart(
    limited: Settings,
) -> None:
    settings = limited.model_copy(update={"trusted_proxies": "192.0.2.1"})
    app = create_app(settings)
    with TestClient(app, client=("192.0.2.1", 1)) as client:
        for number in range(12):
            header = {"X-Forwarded-For": f"198.51.100.{number}"}
            answer = client.get(CALLS, headers=header)
            assert answer.status_code == 200


def test_an_account_that_writes_too_often_waits(limited: Settings) -> None:
    with TestClient(create_app(limited)) as client:
        headers = []
        for name in ("ada", "bob"):
            with client.app.state.database.write() as session:  # type: ignore[attr-defined]
                make_visitor(session, name, Role.reviewer)
                made = tokens.create_token(session, name)
            headers.append({"Authorization": f"Bearer {made.secret}"})

        def write(header: dict[str, str]) -> int:
            return client.post(COMMENTS, json={}, headers=header).status_code

        assert [write(headers[0]) for _ in range(4)] == [422] * 3 + [429]
        answer = client.post(COMMENTS, json={}, headers=headers[0])
        assert '"writes";r=0;' in answer.headers["ratelimit"]
        assert '"writes-of-address";' in answer.headers["ratelimit"]
        assert int(answer.headers["retry-after"]) > 0
        assert write(headers[1]) == 422


def test_guesses_of_passwords_and_links_are_few(limited: Settings) -> None:
    with TestClient(create_app(limited)) as client:
        client.headers["Sec-Fetch-Site"] = "same-origin"
        told = [client.get(f"/sign-in/{n}").status_code for n in range(3)]
        assert told == [404, 404, 429]
        answer = client.post("/sign-in", data={"name": "a", "password": "b"})
        assert answer.status_code == 429

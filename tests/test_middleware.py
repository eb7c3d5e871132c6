"""What stands before every route: guards, names, headers."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.types import Message, Scope

from app.config import Settings
from app.guard import BODY_LIMIT, is_cross_site
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.middleware import CONTENT_POLICY, get_request_id

HOST = (b"host", b"review.example")
COOKIE = (b"cookie", f"a=b; {SESSION_COOKIE}=x".encode())
ADDRESS = "/api/threads/kleen-sti-shadow/comments"


@pytest.mark.parametrize(
    ("headers", "crosses"),
    [
        ([(b"sec-fetch-site", b"same-origin"), COOKIE], False),
        ([(b"sec-fetch-site", b"none"), COOKIE], False),
        ([(b"sec-fetch-site", b"same-site")], True),
        ([(b"sec-fetch-site", b"cross-site")], True),
        ([(b"origin", b"https://review.example"), COOKIE], False),
        ([(b"origin", b"https://public.example"), COOKIE], False),
        ([(b"origin", b"https://review.example.evil")], True),
        ([(b"origin", b"https://review.example:8443")], True),
        ([(b"origin", b"null")], True),
        ([], False),
        ([(b"cookie", b"theme=dark")], False),
        ([COOKIE], True),
    ],
)
def test_a_write_of_another_site_is_told_by_its_headers(
    headers: list[tuple[bytes, bytes]],
    crosses: bool,
) -> None:
    sent = dict([HOST, *headers])
    assert is_cross_site(sent, b"public.example") is crosses


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_unsafe_method_crosses_sites(
    client: TestClient, method: str
) -> None:
    answer = client.request(
        method, ADDRESS, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert answer.json()["detail"] == "this was sent from another site"


def test_reading_from_another_site_is_fine(client: TestClient) -> None:
    answer = client.get(
        "/api/threads", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 200


def test_a_long_body_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post(ADDRESS, content=b"x" * (BODY_LIMIT + 1))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_without_length_is_cut_off(client: TestClient) -> None:
    def send() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * (BODY_LIMIT // 32)

    answer = client.post(
        "/api/runs",
        content=send(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "many", "9" * 30])
def test_a_length_that_is_none_is_refused(
    client: TestClient, length: str
) -> None:
    answer = client.post(
        ADDRESS, content=b"{}", headers={"Content-Length": length}
    )
    assert answer.status_code in {400, 413}


@pytest.mark.parametrize(
    "address", ["/api/threads/a%00b", "/api/threads?reviewer=%00", "/x%00"]
)
def test_nul_in_an_address_is_a_bad_request(
    client: TestClient, address: str
) -> None:
    assert client.get(address).status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "/api/threads/%ff%fe",
        "/api/threads/%ed%a0%80",
        "/threads/%F0%9F%98%80",
        "/m/%ed%a0%80/",
    ],
)
def test_bytes_that_are_no_text_are_not_found(
    client: TestClient, address: str
) -> None:
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    "address", ["/threads/", "/nowhere", "/api/threads", "/static/app.css"]
)
def test_every_answer_has_the_security_headers(
    client: TestClient, address: str
) -> None:
    headers = client.get(address).headers
    assert headers["content-security-policy"] == CONTENT_POLICY
    assert "unsafe" not in CONTENT_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "strict-transport-security" not in headers


def test_https_is_remembered_where_it_is_set(settings: Settings) -> None:
    secure = settings.model_copy(update={"secure_cookies": True})
    with TestClient(create_app(secure)) as client:
        answer = client.get("/api/threads")
    assert "max-age=" in answer.headers["strict-transport-security"]


def test_what_nobody_caught_is_answered_and_hides_its_cause(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    app: FastAPI = create_app(settings)

    def fail(request: Request) -> None:
        raise RuntimeError(f"the secret of {request.url.path}")

    app.add_api_route("/fail", fail)
    app.add_api_route("/api/fail", fail)
    with TestClient(app) as client:
        page, problem = client.get("/fail"), client.get("/api/fail")
    for answer in (page, problem):
        assert answer.status_code == 500
        assert "the secret" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert problem.json()["status"] == 500
    assert "<h1>" in page.text
    logged = capsys.readouterr()
    assert "the secret of /fail" in logged.out + logged.err


def test_an_address_that_lets_somebody_in_is_not_logged(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What fails is told with its address, but for the secret in it.

    Nor are the variables of the functions that it went through.
    """
    app = create_app(settings)
    monkeypatch.setattr(app.state.database, "_read_engine", None)
    with TestClient(app, raise_server_exceptions=False) as client:
        for start in ("/sign-in/", "/invitations/"):
            assert client.get(f"{start}let-me-in").status_code == 500
            told = capsys.readouterr().err
            assert f"path={start}… " in told
            assert "let-me-in" not in told
            assert "Traceback" in told


def test_a_request_keeps_the_name_that_a_proxy_gave(
    client: TestClient,
) -> None:
    answer = client.get("/api/threads", headers={"X-Request-ID": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"


@pytest.mark.parametrize("bad", [b"", b"a b", b"x" * 65, b"a\nb"])
def test_a_name_that_is_none_is_replaced(bad: bytes) -> None:
    assert get_request_id([(b"x-request-id", bad)]) != bad


def test_only_hashed_addresses_are_good_for_ever(client: TestClient) -> None:
    def get_rule(address: str) -> str:
        return client.get(address).headers["cache-control"]

    assert "immutable" in get_rule("/static/app.css?v=0123")
    assert get_rule("/static/app.css") == "no-cache"
    assert "immutable" not in get_rule("/threads/?v=1")
    assert get_rule("/nowhere?v=1") == "no-store"


@pytest.mark.parametrize(
    "address", ["/threads/", "/api/threads", "/static/app.css", "/nowhere"]
)
def test_head_is_get_without_a_body(client: TestClient, address: str) -> None:
    whole, head = client.get(address), client.head(address)
    assert head.status_code == whole.status_code
    assert head.content == b""
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert head.headers["content-length"] == whole.headers["content-length"]


def test_who_leaves_while_sending_is_not_answered(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/sign-in",
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
        "scheme": "http",
        "server": ("testserver", 80),
        "root_path": "",
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    app = create_app(settings)
    # a thread of its own: a browser's test leaves its loop in this one
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(asyncio.run, app(scope, receive, send)).result()
    app.state.database.close()
    assert sent == []
    assert "request_failed" not in capsys.readouterr().err

"""Signing in and out, as a browser does it."""

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from app.config import Settings
from app.db import Database
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role
from app.routes.sign_in import require_place
from app.services import reviewers
from app.services.passwords import ATTEMPTS, Passwords

PASSWORD = "correct horse battery"  # noqa: S105 - of a test
HASH = Passwords().hash(PASSWORD)


@pytest.fixture
def visitor(database: Database, client: TestClient) -> TestClient:
    """Return a client in a browser's way; `ada` has a password."""
    with database.write() as session:
        reviewers.add_reviewer(
            session, "ada", Role.reviewer, password_hash=HASH
        )
    client.headers["Sec-Fetch-Site"] = "same-origin"
    client.follow_redirects = False
    return client


def _is_ada(client: TestClient) -> bool:
    return "<span>ada<i>, reviewer</i></span>" in client.get("/sign-in").text


def test_a_password_signs_in_and_leads_back(visitor: TestClient) -> None:
    typed = {"name": "ada", "password": PASSWORD, "next": "/threads/?a=b"}
    answer = visitor.post("/sign-in", data=typed)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/threads/?a=b"
    assert answer.headers["cache-control"] == "no-store"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert _is_ada(visitor)


def test_the_cookie_is_secure_where_it_is_set(
    settings: Settings, database: Database
) -> None:
    with database.write() as session:
        reviewers.add_reviewer(session, "ada", Role.reviewer)
        link = reviewers.create_link(session, "ada", hours=1)
    secure = settings.model_copy(update={"secure_cookies": True})
    with TestClient(create_app(secure), follow_redirects=False) as client:
        answer = client.post(f"/sign-in/{link}")
    assert "Secure" in answer.headers["set-cookie"]


def test_a_wrong_password_keeps_the_name_and_not_the_password(
    visitor: TestClient,
) -> None:
    typed = {"name": "ada", "password": "guess-<b>", "next": "/calls/"}
    answer = visitor.post("/sign-in", data=typed)
    assert answer.status_code == 422
    assert 'value="ada"' in answer.text
    assert 'value="/calls/"' in answer.text
    assert "guess-" not in answer.text
    assert SESSION_COOKIE not in visitor.cookies


def test_unknown_names_and_empty_forms_are_refused(
    visitor: TestClient,
) -> None:
    wrong = visitor.post(
        "/sign-in", data={"name": "eve", "password": PASSWORD}
    )
    assert "do not belong together" in wrong.text
    empty = visitor.post("/sign-in", data={})
    assert empty.status_code == 422
    assert empty.text.count("this is required") == 2


def test_guessing_is_answered_with_when_to_come_back(
    visitor: TestClient,
) -> None:
    typed = {"name": "ada", "password": "wrong"}
    door: Passwords = visitor.app.state.passwords  # type: ignore[attr-defined]
    for _ in range(ATTEMPTS):
        door._count({("ada", "testclient"): ATTEMPTS}, good=False)
    answer = visitor.post("/sign-in", data=typed)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_who_is_not_let_in_is_told_to_the_operator(
    visitor: TestClient,
) -> None:
    """By where they come from, and neither by a name nor by a secret."""
    door: Passwords = visitor.app.state.passwords  # type: ignore[attr-defined]
    secrets = {"ada", "eve", "wrong", PASSWORD, "no-such-link"}
    with capture_logs() as told:
        visitor.post("/sign-in", data={"name": "ada", "password": "wrong"})
        visitor.post("/sign-in", data={"name": "eve", "password": PASSWORD})
        visitor.post("/sign-in", data={"name": "ada"})
        for _ in range(ATTEMPTS):
            door._count({("ada", "testclient"): ATTEMPTS}, good=False)
        visitor.post("/sign-in", data={"name": "ada", "password": PASSWORD})
        visitor.get("/sign-in/no-such-link")
        visitor.post("/sign-in/no-such-link")
        visitor.get("/invitations/no-such-link")
    refused = [one for one in told if one["event"] == "sign_in_refused"]
    means = [one["means"] for one in refused]
    assert means == [*["password"] * 3, "link", "link", "invitation"]
    for one in refused:
        assert one["log_level"] == "warning"
        assert one["address"] == "testclient"
        assert not secrets & set(one.values())


def test_looking_at_a_link_does_not_use_it_up(
    visitor: TestClient, database: Database
) -> None:
    with database.write() as session:
        link = reviewers.create_link(session, "ada", hours=1)
    for _ in range(2):
        page = visitor.get(f"/sign-in/{link}")
        assert page.status_code == 200
        assert "Sign in as ada" in page.text
        assert page.headers["cache-control"] == "no-store"
    assert not _is_ada(visitor)
    assert visitor.post(f"/sign-in/{link}").status_code == 303
    assert _is_ada(visitor)
    assert visitor.post(f"/sign-in/{link}").status_code == 404
    assert visitor.get(f"/sign-in/{link}").status_code == 404


def test_each_sign_in_has_another_secret(
    visitor: TestClient, database: Database
) -> None:
    secrets = []
    for _ in range(2):
        with database.write() as session:
            link = reviewers.create_link(session, "ada", hours=1)
        visitor.post(f"/sign-in/{link}")
        secrets.append(visitor.cookies[SESSION_COOKIE])
    assert secrets[0] != secrets[1]
    with database.read() as session:
        assert reviewers.find_signed_in(session, secrets[0]) is None
        assert reviewers.find_signed_in(session, secrets[1]) is not None


def test_signing_out_ends_the_session_on_the_server(
    signed_in: TestClient, database: Database
) -> None:
    secret = signed_in.cookies[SESSION_COOKIE]
    assert _is_ada(signed_in)
    answer = signed_in.post("/sign-out", follow_redirects=False)
    assert answer.status_code == 303
    assert SESSION_COOKIE not in signed_in.cookies
    with database.read() as session:
        assert reviewers.find_signed_in(session, secret) is None


def test_signing_out_twice_is_no_error(visitor: TestClient) -> None:
    assert visitor.post("/sign-out").status_code == 303


@pytest.mark.parametrize(
    "place",
    ["//evil.example", "https://evil.example", "/\\evil", "", "/a\tb", "x"],
)
def test_nobody_is_led_to_another_site(place: str) -> None:
    assert require_place(place) == "/"


def test_a_forged_cookie_is_no_reviewer(client: TestClient) -> None:
    client.cookies.set(SESSION_COOKIE, "forged")
    assert not _is_ada(client)

"""Signing in by an OpenID provider, which the tests run themselves."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from joserfc.jwk import RSAKey
from structlog.testing import capture_logs

from app.identity import SESSION_COOKIE
from app.models import Role
from app.routes.oidc import FLOW_COOKIE
from app.services import (
    access,
    accounts,
    identities,
    invitations,
    oidc,
    reviewers,
    tokens,
)
from app.services.oidc import propose_name
from app.services.reviewers import compute_digest
from tests.account_site import Site, run_site
from tests.conftest import SQLiteCopies
from tests.oidc_provider import CLIENT, SECRET, LocalProvider, run_provider

CLAIM = re.compile(r'name="claim" value="([^"]+)"')


@pytest.fixture(scope="module")
def running() -> Iterator[LocalProvider]:
    """Run one provider for all tests of this module."""
    with run_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def site(
    sqlite_copies: SQLiteCopies,
    tmp_path_factory: pytest.TempPathFactory,
    running: LocalProvider,
) -> Iterator[Site]:
    """Return a site that knows this provider, and lets nobody uninvited."""
    with run_site(
        sqlite_copies,
        tmp_path_factory.mktemp("site"),
        oidc_issuer=running.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
        oidc_label="Example",
    ) as site:
        yield site


@pytest.fixture
def provider(
    running: LocalProvider, site: Site, request: pytest.FixtureRequest
) -> LocalProvider:
    """Return the provider, as it is when it behaves; each has a subject."""
    running.claims, running.facts = {}, {}
    running.algorithm, running.is_down = "RS256", False
    running.published = None
    running.subject = request.node.name
    site.app.state.oidc = oidc.Provider(site.app.state.oidc.registration)
    return running


def _go(
    browser: TestClient, provider: LocalProvider, start: str
) -> tuple[str, dict[str, str]]:
    """Follow a browser to the provider; return where it is sent back."""
    there = browser.get(start)
    assert there.status_code == 303, there.text
    url = urlsplit(there.headers["location"])
    assert f"{url.scheme}://{url.netloc}" == provider.issuer
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    back = urlsplit(provider.authorize(query))
    return f"{back.path}?{back.query}", query


def _come_back(
    browser: TestClient, provider: LocalProvider, start: str = "/oidc/start"
) -> Response:
    return browser.get(_go(browser, provider, start)[0])


def _link(site: Site, name: str, provider: LocalProvider) -> None:
    with site.database.write() as session:
        visitor = access.find_access(
            session, token=tokens.create_token(session, name).secret
        ).visitor
        assert visitor is not None
        identities.link_identity(
            session, visitor, provider.issuer, provider.subject
        )


def test_a_linked_identity_signs_in_and_leads_back(
    site: Site, provider: LocalProvider
) -> None:
    """With a session that is new, whatever cookie there was."""
    site.enter("ada")
    _link(site, "ada", provider)
    browser = site.open()
    browser.cookies.set(SESSION_COOKIE, "planted", domain="testserver.local")
    answer = _come_back(browser, provider, "/oidc/start?next=/threads/")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/threads/"
    assert answer.headers["cache-control"] == "no-store"
    assert browser.cookies[SESSION_COOKIE] != "planted"
    page = browser.get("/account/")
    assert "ada" in page.text
    assert "OpenID" in page.text


def test_nobody_is_led_to_another_site(
    site: Site, provider: LocalProvider
) -> None:
    """What `next` says is a path of ours or nothing."""
    site.enter("adele")
    _link(site, "adele", provider)
    answer = _come_back(
        site.open(), provider, "/oidc/start?next=//evil.example"
    )
    assert answer.headers["location"] == "/"


def test_what_is_asked_of_the_provider_cannot_be_guessed(
    site: Site, provider: LocalProvider
) -> None:
    """State, nonce and challenge are new each time; the cookie is ours."""
    browser = site.open()
    _, first = _go(browser, provider, "/oidc/start")
    answer = browser.get("/oidc/start")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    _, second = _go(browser, provider, "/oidc/start")
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 43
        assert first[name] != second[name]
    assert first["redirect_uri"] == "http://testserver/oidc/callback"


def test_an_answer_counts_in_the_browser_that_asked_and_once(
    site: Site, provider: LocalProvider
) -> None:
    """Somebody else's answer signs nobody in (login CSRF), nor a second."""
    site.enter("alma")
    _link(site, "alma", provider)
    attacker, victim = site.open(), site.open()
    back, _ = _go(attacker, provider, "/oidc/start")
    _go(victim, provider, "/oidc/start")
    refused = victim.get(back)
    assert refused.status_code == 403
    assert "did not begin in this browser" in refused.text
    assert SESSION_COOKIE not in victim.cookies
    assert FLOW_COOKIE not in victim.cookies
    assert attacker.get(back).status_code == 303
    assert attacker.get(back).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"aud": "another-client"},
        {"aud": [CLIENT, "another-client"]},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"iat": 99_999_999_999},
        {"sub": ""},
        {"sub": 7},
        {"azp": "another-client"},
    ],
    ids=str,
)
def test_a_claim_that_does_not_hold_signs_nobody_in(
    site: Site, provider: LocalProvider, wrong: dict[str, object]
) -> None:
    """Whoever it names."""
    provider.claims = wrong
    browser = site.open()
    answer = _come_back(browser, provider)
    assert answer.status_code == 403
    assert "did not say who this is" in answer.text
    assert SESSION_COOKIE not in browser.cookies


def test_a_token_signed_with_our_own_secret_is_refused(
    site: Site, provider: LocalProvider
) -> None:
    """Though the provider offers HS256: we could be impersonated."""
    provider.algorithm = "HS256"
    assert _come_back(site.open(), provider).status_code == 403


def test_keys_are_fetched_again_when_they_were_changed(
    site: Site, provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged token of an unknown key does not fetch them each time."""
    site.enter("anna")
    _link(site, "anna", provider)
    assert _come_back(site.open(), provider).status_code == 303
    new = RSAKey.generate_key(2048, {"kid": "two"}, private=True)
    provider.published = new
    provider.asked.clear()
    assert _come_back(site.open(), provider).status_code == 303
    assert "/keys" not in provider.asked
    monkeypatch.setattr(provider, "key", new)
    monkeypatch.setattr(provider, "kid", "two")
    assert _come_back(site.open(), provider).status_code == 403
    assert "/keys" not in provider.asked
    monkeypatch.setattr(oidc, "KEYS_SECONDS", 0.0)
    assert _come_back(site.open(), provider).status_code == 303
    assert provider.asked.count("/keys") == 1


def test_a_provider_that_is_down_is_told_as_such(
    site: Site, provider: LocalProvider
) -> None:
    """With when to come back; what another issuer says is no answer."""
    provider.is_down = True
    answer = site.open().get("/oidc/start")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    provider.is_down = False
    provider.facts = {"issuer": "https://evil.example"}
    assert site.open().get("/oidc/start").status_code == 503
    provider.facts = {"token_endpoint": "http://evil.example/token"}
    browser = site.open()
    assert _come_back(browser, provider).status_code == 503


def test_the_provider_may_refuse(site: Site, provider: LocalProvider) -> None:
    """What it says about it is not shown: anybody can make the address."""
    browser = site.open()
    _, query = _go(browser, provider, "/oidc/start")
    with capture_logs() as told:
        answer = browser.get(
            f"/oidc/callback?error=<b>denied</b>&state={query['state']}"
        )
    assert answer.status_code == 403
    assert "denied" not in answer.text
    assert told == [
        {
            "event": "sign_in_refused",
            "log_level": "warning",
            "address": "testclient",
            "means": "OpenID",
        }
    ]


def test_an_unknown_identity_is_nobody_whatever_it_is_called(
    site: Site, provider: LocalProvider
) -> None:
    """The provider's names and addresses prove nothing here."""
    site.enter("boris", Role.administrator)
    provider.claims = {
        "preferred_username": "boris",
        "email": "boris@example.org",
        "email_verified": True,
    }
    browser = site.open()
    answer = _come_back(browser, provider)
    assert answer.status_code == 403
    assert "ask for an invitation" in answer.text
    assert SESSION_COOKIE not in browser.cookies


def test_a_signed_in_holder_links_after_confirming(
    site: Site, provider: LocalProvider
) -> None:
    """Coming back alone changes nothing; another account confirms nothing."""
    browser = site.enter("carla")
    page = _come_back(browser, provider, "/oidc/link")
    assert page.status_code == 200
    assert "Link it to my account" in page.text
    claim = CLAIM.search(page.text)
    assert claim
    with site.database.read() as session:
        found = identities.find_holder(
            session, provider.issuer, provider.subject
        )
    assert found is None
    other = site.enter("cora")
    for someone in (other, site.open()):
        refused = someone.post("/oidc/claim", data={"claim": claim[1]})
        assert refused.status_code == 403
    forged = claim[1][:-3] + "abc"
    with capture_logs() as told:
        answer = browser.post("/oidc/claim", data={"claim": forged})
    assert answer.status_code == 403
    assert [one["event"] for one in told] == ["sign_in_refused"]
    done = browser.post("/oidc/claim", data={"claim": claim[1]})
    assert done.status_code == 303
    assert provider.subject in browser.get("/account/").text
    assert _come_back(site.open(), provider).status_code == 303


def test_an_identity_is_of_one_account(
    site: Site, provider: LocalProvider
) -> None:
    """Whoever has it keeps it."""
    site.enter("dora")
    _link(site, "dora", provider)
    browser = site.enter("dan")
    page = _come_back(browser, provider, "/oidc/link")
    claim = CLAIM.search(page.text)
    assert claim
    answer = browser.post("/oidc/claim", data={"claim": claim[1]})
    assert answer.status_code == 409


def test_the_last_way_in_is_not_unlinked(
    site: Site, provider: LocalProvider
) -> None:
    """Nor anybody else's identity."""
    browser = site.enter("emil")
    _link(site, "emil", provider)
    found = re.search(
        r"/account/identities/(\d+)/unlink", browser.get("/account/").text
    )
    assert found
    path = found[0]
    assert site.enter("emma").post(path).status_code == 404
    assert browser.post(path).status_code == 409
    with site.database.write() as session:
        reviewers.set_password(session, "emil", "$argon2id$x")
        account = reviewers.require_account(session, "emil")
    browser = site.enter_again(account.id)
    assert browser.post(path).status_code == 303
    assert _come_back(site.open(), provider).status_code == 403


def test_a_disabled_account_is_not_signed_in(
    site: Site, provider: LocalProvider
) -> None:
    """However well the provider knows its holder."""
    site.enter("fred")
    _link(site, "fred", provider)
    with site.database.write() as session:
        accounts.disable_account(session, "fred")
    browser = site.open()
    assert _come_back(browser, provider).status_code == 403
    assert SESSION_COOKIE not in browser.cookies


def test_an_invitation_is_used_by_an_identity(
    site: Site, provider: LocalProvider
) -> None:
    """The account is named on our page, and has no password."""
    with site.database.write() as session:
        made = invitations.create_invitation(
            session, None, Role.editor, days=1
        )
    provider.username = "Gerda G."
    browser = site.open()
    start = f"/invitations/{made.secret}/oidc"
    page = _come_back(browser, provider, start)
    assert page.status_code == 200
    assert 'value="Gerda-G"' in page.text
    claim = CLAIM.search(page.text)
    assert claim
    typed = {"claim": claim[1], "name": "gerda <b>"}
    wrong = browser.post("/oidc/claim", data=typed)
    assert wrong.status_code == 422
    typed["name"] = "gerda"
    assert browser.post("/oidc/claim", data=typed).status_code == 303
    assert "gerda, editor" in re.sub(
        r"<[^>]+>", "", browser.get("/account/").text
    )
    again = site.open().post(
        "/oidc/claim", data={"claim": claim[1], "name": "gustav"}
    )
    assert again.status_code == 404
    assert site.open().get(start).status_code == 404
    with site.database.read() as session:
        row = accounts.get_account(session, "gerda")
        digest = compute_digest(made.secret)
        assert invitations.find_open_invitation(session, digest) is None
    assert (row.role, row.has_password, row.is_linked) == (
        Role.editor,
        False,
        True,
    )


def test_newcomers_get_the_role_that_is_set(
    sqlite_copies: SQLiteCopies,
    tmp_path_factory: pytest.TempPathFactory,
    provider: LocalProvider,
) -> None:
    """A name that is taken is another's, and they choose another."""
    with run_site(
        sqlite_copies,
        tmp_path_factory.mktemp("open-site"),
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
        oidc_role="reader",
    ) as site:
        site.enter("hugo", Role.administrator)
        provider.username = "hugo"
        browser = site.open()
        page = _come_back(browser, provider)
        assert 'href="/sign-in?next=/account/">sign in otherwise' in page.text
        claim = CLAIM.search(page.text)
        assert claim
        typed = {"claim": claim[1], "name": "hugo"}
        taken = browser.post("/oidc/claim", data=typed)
        assert taken.status_code == 422
        assert "already called" in taken.text
        typed["name"] = "hugo-2"
        assert browser.post("/oidc/claim", data=typed).status_code == 303
        with site.database.read() as session:
            row = accounts.get_account(session, "hugo-2")
    assert row.role == Role.reader


def test_without_a_provider_there_is_no_way_to_one(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The sign-in page does not speak of it either."""
    folder = tmp_path_factory.mktemp("plain-site")
    with run_site(sqlite_copies, folder) as site:
        browser = site.open()
        for path in ("/oidc/start", "/oidc/callback?code=x&state=y"):
            assert browser.get(path).status_code in {403, 404}
        assert "/oidc/" not in browser.get("/sign-in").text


@pytest.mark.parametrize(
    ("told", "proposed"),
    [
        ({"preferred_username": "ada@example.org"}, "ada"),
        ({"preferred_username": "", "name": "Ada L."}, "Ada-L"),
        ({"name": "<script>"}, "script"),
        ({"name": "a" * 99}, "a" * 60),
        ({"name": 7}, ""),
        ({}, ""),
    ],
)
def test_a_name_is_proposed_that_can_be_typed(
    told: dict[str, object], proposed: str
) -> None:
    """Made of what the provider tells, which is no proof of anything."""
    assert propose_name(told) == proposed

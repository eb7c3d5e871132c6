"""One's own account, by the browser and by the API."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.identity import SESSION_COOKIE
from app.models import Reviewer, Role, Scope, SignIn, Token
from app.routes.account import ACTS
from app.services import accounts, reviewers, sessions, tokens
from app.services.passwords import Passwords
from tests.account_site import Site, run_site
from tests.conftest import SQLiteCopies

PASSWORD = "correct horse battery"  # noqa: S105 - of a test
SECRET = re.compile(r'class="secret">([^<]+)<')


@pytest.fixture(scope="module")
def site(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Return a site that the tests of this module share."""
    with run_site(sqlite_copies, tmp_path_factory.mktemp("site")) as running:
        yield running


def _bear(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", "Accept": "application/json"}


def test_a_reader_finds_sessions_and_tokens_on_the_page(site: Site) -> None:
    """It is nobody's to keep, and no link out of it tells its address."""
    page = site.enter("rita", Role.reader).get("/account/")
    assert page.status_code == 200
    assert "this one" in page.text
    assert "You may read and ask questions.</p>" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers.get_list("referrer-policy") == ["strict-origin"]
    assert site.open().get("/account/").status_code == 401


def test_an_account_says_what_its_role_may_do(site: Site) -> None:
    """All that a role may, those before it included."""
    acts = list(ACTS.values())
    for number, role in enumerate(Role, start=1):
        page = site.enter(f"one-{role}", role).get("/account/").text
        assert f"You may {'; '.join(acts[:number])}.</p>" in page


def test_a_token_is_shown_once_and_works_within_its_scope(site: Site) -> None:
    """The page that lists it afterwards knows only how it begins."""
    browser = site.enter("tom")
    typed = {"name": "laptop", "scope": "read", "days": "30"}
    made = browser.post("/account/tokens", data=typed)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    found = SECRET.search(made.text)
    assert found
    secret = found[1]
    page = browser.get("/account/").text
    assert secret not in page
    assert secret[: tokens.START_LENGTH] in page
    program = site.open()
    told = program.get("/api/account", headers=_bear(secret))
    assert (told.json()["name"], told.json()["scope"]) == ("tom", "read")
    for method, path in (
        ("GET", "/api/account/tokens"),
        ("POST", "/api/account/tokens"),
        ("DELETE", "/api/account/sessions"),
    ):
        answer = program.request(method, path, headers=_bear(secret))
        assert answer.status_code == 403
    number = re.search(r"/account/tokens/(\d+)/revoke", page)
    assert number
    browser.post(f"/account/tokens/{number[1]}/revoke")
    again = program.get("/api/account", headers=_bear(secret))
    assert again.status_code == 401


def test_a_form_that_is_wrong_is_shown_again(site: Site) -> None:
    """With what was typed, but no password."""
    browser = site.enter("una")
    wrong = browser.post(
        "/account/tokens", data={"name": "kept", "scope": "all", "days": "0"}
    )
    assert wrong.status_code == 422
    assert 'value="kept"' in wrong.text
    short = browser.post("/account/password", data={"password": "hunter2"})
    assert short.status_code == 422
    assert "hunter2" not in short.text
    empty = browser.post("/account/name", data={"display_name": "  "})
    assert empty.status_code == 422


def test_another_password_renews_this_session_and_ends_the_others(
    site: Site,
) -> None:
    """The present one is asked for; the cookie of before is worth nothing."""
    browser = site.enter("vera")
    with site.database.read() as session:
        account = reviewers.require_account(session, "vera")
    other = site.enter_again(account.id)
    first = browser.post("/account/password", data={"password": PASSWORD})
    assert first.status_code == 303
    assert other.get("/account/").status_code == 401
    before = browser.cookies[SESSION_COOKIE]
    wrong = browser.post(
        "/account/password", data={"password": "x" * 12, "current": "no"}
    )
    assert wrong.status_code == 422
    assert "not the present password" in wrong.text
    right = browser.post(
        "/account/password",
        data={"password": PASSWORD[::-1], "current": PASSWORD},
    )
    assert right.status_code == 303
    assert browser.get("/account/").status_code == 200
    planted = site.open()
    planted.cookies.set(SESSION_COOKIE, before, domain="testserver.local")
    assert planted.get("/account/").status_code == 401


def test_who_forgot_the_password_comes_by_a_link_and_sets_another(
    site: Site,
) -> None:
    """Not by another's session, nor by a token, nor long after the link."""
    owner = site.enter("willa")
    owner.post("/account/password", data={"password": PASSWORD})
    with site.database.write() as session:
        link = reviewers.create_link(session, "willa", hours=1)
        key = tokens.create_token(session, "willa").secret
    typed = {"password": "another one of mine"}
    assert owner.post("/account/password", data=typed).status_code == 422
    by_token = site.open().post(
        "/account/password", data=typed, headers=_bear(key)
    )
    assert by_token.status_code == 422
    browser = site.open()
    assert browser.post(f"/sign-in/{link}").status_code == 303
    assert "Present password" not in browser.get("/account/").text
    with site.database.write() as session:
        session.execute(
            update(SignIn)
            .where(col(SignIn.means) == sessions.LINK)
            .values(created_at=datetime.now(UTC) - timedelta(hours=1))
        )
    assert "Present password" in browser.get("/account/").text
    assert browser.post("/account/password", data=typed).status_code == 422
    with site.database.write() as session:
        link = reviewers.create_link(session, "willa", hours=1)
    browser = site.open()
    browser.post(f"/sign-in/{link}")
    assert browser.post("/account/password", data=typed).status_code == 303
    entered = site.open().post("/sign-in", data={"name": "willa", **typed})
    assert entered.status_code == 303


def test_sessions_end_one_by_one_and_all_others(site: Site) -> None:
    """Somebody else's number is not found."""
    browser = site.enter("wanda")
    with site.database.read() as session:
        account = reviewers.require_account(session, "wanda")
    second, third = (site.enter_again(account.id) for _ in range(2))
    listed = second.get("/api/account/sessions").json()["items"]
    assert [one["is_current"] for one in listed] == [True, False, False]
    number = listed[0]["id"]
    eve = site.enter("eve")
    assert eve.post(f"/account/sessions/{number}/end").status_code == 404
    assert eve.delete(f"/api/account/sessions/{number}").status_code == 404
    assert browser.post(f"/account/sessions/{number}/end").status_code == 303
    assert second.get("/account/").status_code == 401
    assert browser.post("/account/sessions/end-others").status_code == 303
    assert third.get("/account/").status_code == 401
    assert browser.get("/account/").status_code == 200


def test_the_api_changes_a_name_from_the_version_that_was_read(
    site: Site,
) -> None:
    """Nothing else may be sent, and a lost race hands the name back."""
    browser = site.enter("xena")
    browser.headers["Accept"] = "application/json"
    read = browser.get("/api/account")
    tag = read.headers["etag"]
    change = {"display_name": "Xena W."}
    for extra in ({"role": "administrator"}, {"id": 1}, {"name": "root"}):
        mass = browser.patch("/api/account", json={**change, **extra})
        assert mass.status_code == 422
    headers = {"If-Match": tag}
    good = browser.patch("/api/account", json=change, headers=headers)
    assert good.json()["display_name"] == "Xena W."
    late = browser.patch("/api/account", json=change, headers=headers)
    assert late.status_code == 412
    assert "Xena W." in late.text
    with site.database.read() as session:
        row = accounts.get_account(session, "xena")
    assert (row.role, row.display_name) == (Role.reviewer, "Xena W.")


def test_tokens_are_made_and_revoked_by_the_api(site: Site) -> None:
    """A weaker token makes no stronger one, nor any that is not bounded."""
    browser = site.enter("yves")
    browser.headers["Accept"] = "application/json"
    made = browser.post(
        "/api/account/tokens", json={"name": "ci", "scope": "annotate"}
    )
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    path = made.headers["location"]
    assert "secret" not in browser.get(path).json()
    for wrong in ({"name": "x", "days": 0}, {"name": "x", "days": 999}):
        answer = browser.post("/api/account/tokens", json=wrong)
        assert answer.status_code == 422
    assert browser.delete(path).status_code == 204
    assert browser.delete(path).status_code == 404
    with site.database.write() as session:
        edit = tokens.create_token(session, "yves", scope=Scope.edit).secret
    program = site.open()
    more = program.post(
        "/api/account/tokens",
        json={"name": "x", "scope": "admin"},
        headers=_bear(edit),
    )
    assert more.status_code == 403


def test_a_secret_is_kept_for_no_repeated_request(site: Site) -> None:
    """An Idempotency-Key makes one token; its secret is told once."""
    browser = site.enter("zoe")
    browser.headers["Accept"] = "application/json"
    headers = {"Idempotency-Key": "one-token"}
    wanted = {"name": "ci"}
    first, second = (
        browser.post("/api/account/tokens", json=wanted, headers=headers)
        for _ in range(2)
    )
    assert first.status_code == 201
    assert second.status_code == 409
    secret = first.json()["secret"]
    assert secret not in second.text
    with site.database.read() as session:
        account = reviewers.require_account(session, "zoe")
        assert len(tokens.list_tokens(session, account.id)) == 1


def test_signing_in_does_not_tell_which_names_there_are(site: Site) -> None:
    """Unknown, disabled, without password, wrong: one answer, one work."""
    with site.database.write() as session:
        reviewers.add_reviewer(session, "nopass", Role.reviewer)
        for name in ("known", "gone"):
            reviewers.add_reviewer(
                session,
                name,
                Role.reviewer,
                password_hash=Passwords().hash(PASSWORD),
            )
        accounts.disable_account(session, "gone")
    told = set()
    for name in ("known", "nopass", "unknown", "gone"):
        password = PASSWORD if name == "gone" else "wrong password"
        answer = site.open().post(
            "/sign-in", data={"name": name, "password": password}
        )
        text = answer.text.replace(name, "NAME")
        text = re.sub(r"Log entry.*", "", text)
        told.add((answer.status_code, text))
    assert len(told) == 1


def test_a_use_is_noted_behind_the_answer(site: Site) -> None:
    """Once in some minutes, and a reader waits for no writer."""
    with site.database.write() as session:
        reviewers.add_reviewer(session, "ute", Role.reader)
        made = tokens.create_token(session, "ute")
    program = site.open()
    # nobody else can write now
    with site.database.write():
        answer = program.get("/api/account", headers=_bear(made.secret))
        assert answer.status_code == 200
    site.app.state.uses.close()
    with site.database.read() as session:
        used = session.scalar(
            select(col(Token.used_at)).where(col(Token.id) == made.row.id)
        )
    assert used is not None
    program.get("/api/account", headers=_bear(made.secret))
    site.app.state.uses.close()
    with site.database.read() as session:
        again = session.scalar(
            select(col(Token.used_at)).where(col(Token.id) == made.row.id)
        )
    assert again == used


def test_what_a_browser_says_of_itself_is_bounded(site: Site) -> None:
    """It is shown, escaped."""
    browser = site.enter("agnes")
    with site.database.write() as session:
        link = reviewers.create_link(session, "agnes", hours=1)
    fresh = site.open()
    fresh.headers["User-Agent"] = "<script>alert(1)</script>" + "x" * 5000
    assert fresh.post(f"/sign-in/{link}").status_code == 303
    page = browser.get("/account/").text
    assert "<script>alert" not in page
    with site.database.read() as session:
        agents = session.scalars(
            select(col(SignIn.agent))
            .join(Reviewer, col(Reviewer.id) == col(SignIn.reviewer_id))
            .where(col(Reviewer.name) == "agnes")
        ).all()
    assert max(map(len, agents)) == 200

"""What administrators do with accounts, members and invitations."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from app.models import Role
from app.services import accounts, invitations, reviewers
from app.services.passwords import Passwords
from app.services.windows import WHOLE
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


def test_an_invitation_is_made_sent_and_used_once(site: Site) -> None:
    """The link is shown once; it makes an account and signs it in."""
    boss = site.enter("boss", Role.administrator)
    typed = {"role": "editor", "note": "for Ada", "days": "3"}
    made = boss.post("/accounts/invitations/", data=typed)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    found = SECRET.search(made.text)
    assert found
    path = found[1].removeprefix("http://testserver")
    assert path.startswith("/invitations/")
    listed = boss.get("/accounts/invitations/").text
    assert "for Ada" in listed
    assert path not in listed
    guest = site.open()
    page = guest.get(path)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert page.headers.get_list("referrer-policy") == ["strict-origin"]
    for wrong in (
        {"name": "ada", "password": "short"},
        {"name": "a b", "password": PASSWORD},
        {"name": "BOSS", "password": PASSWORD},
    ):
        again = guest.post(path, data=wrong)
        assert again.status_code == 422
        assert f'value="{wrong["name"]}"' in again.text
        assert PASSWORD not in again.text
    joined = guest.post(path, data={"name": "ada", "password": PASSWORD})
    assert joined.status_code == 303
    assert "ada<i>, editor</i>" in guest.get("/account/").text
    late = site.open().post(path, data={"name": "eve", "password": PASSWORD})
    assert late.status_code == 404
    assert site.open().get(path).status_code == 404
    assert "used by" in boss.get("/accounts/invitations/").text


def test_an_invitation_for_nobody_costs_no_hash(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger makes the site compute nothing."""
    door: Passwords = site.app.state.passwords
    monkeypatch.setattr(door, "hash", None)
    answer = site.open().post(
        "/invitations/guessed", data={"name": "eve", "password": PASSWORD}
    )
    assert answer.status_code == 404


def test_an_invitation_is_revoked(site: Site) -> None:
    """By the page and by the API; twice is a conflict."""
    boss = site.enter("bea", Role.administrator)
    boss.headers["Accept"] = "application/json"
    made = boss.post("/api/invitations", json={"role": "reader"})
    assert made.status_code == 201
    assert made.json()["state"] == "open"
    path = made.headers["location"]
    tag = boss.get(path).headers["etag"]
    assert boss.delete(path, headers={"If-Match": '"x"'}).status_code == 412
    assert boss.delete(path, headers={"If-Match": tag}).status_code == 204
    told = boss.get(path).json()
    assert told["state"] == "revoked"
    assert "link" not in told
    number = told["id"]
    again = boss.post(f"/accounts/invitations/{number}/revoke")
    assert again.status_code == 409
    for wrong in ({"days": 0}, {"days": 91}, {"role": "root"}, {"x": 1}):
        assert boss.post("/api/invitations", json=wrong).status_code == 422


def test_a_role_is_changed_and_an_account_disabled(site: Site) -> None:
    """Both count at once for who is signed in."""
    boss = site.enter("bruno", Role.administrator)
    ada = site.enter("anton")
    assert ada.get("/accounts/").status_code == 403
    answer = boss.post("/accounts/@anton/role", data={"role": "editor"})
    assert answer.status_code == 303
    assert "anton<i>, editor</i>" in ada.get("/account/").text
    wrong = boss.post("/accounts/@anton/role", data={"role": "root"})
    assert wrong.status_code == 422
    assert boss.post("/accounts/@anton/disable").status_code == 303
    assert ada.get("/account/").status_code == 401
    page = boss.get("/accounts/@anton").text
    assert "reviewer.disabled" in page
    assert boss.post("/accounts/@anton/link").status_code == 409
    assert boss.post("/accounts/@anton/enable").status_code == 303
    link = SECRET.search(boss.post("/accounts/@anton/link").text)
    assert link
    path = link[1].removeprefix("http://testserver")
    back = site.open()
    assert back.post(path).status_code == 303
    assert boss.post("/accounts/@anton/sessions/end").status_code == 303
    assert back.get("/account/").status_code == 401


def test_the_api_changes_an_account_whole_or_not(site: Site) -> None:
    """Two changes of which one is refused leave all as it was."""
    boss = site.enter("birgit", Role.administrator)
    boss.headers["Accept"] = "application/json"
    site.enter("axel")
    read = boss.get("/api/accounts/axel")
    change = {"role": "editor", "is_disabled": True}
    headers = {"If-Match": read.headers["etag"]}
    done = boss.patch("/api/accounts/axel", json=change, headers=headers)
    assert done.json()["role"] == "editor"
    assert done.json()["disabled_at"]
    late = boss.patch("/api/accounts/axel", json=change, headers=headers)
    assert late.status_code == 412
    with site.database.read() as session:
        others = [
            row.name
            for row in accounts.list_accounts(session, WHOLE)
            if row.role == Role.administrator and row.name != "birgit"
        ]
    for name in others:
        answer = boss.patch(
            f"/api/accounts/{name}", json={"is_disabled": True}
        )
        assert answer.status_code == 200
    last = boss.patch(
        "/api/accounts/birgit", json={"role": "reader", "is_disabled": True}
    )
    assert last.status_code == 409
    assert boss.get("/api/accounts/birgit").json()["role"] == "administrator"
    with site.database.write() as session:
        for name in others:
            accounts.enable_account(session, name)


def test_members_and_the_private_switch(site: Site) -> None:
    """Who is no member finds nothing until it is opened again."""
    boss = site.enter("bodo", Role.administrator)
    member, other = site.enter("mia"), site.enter("otto")
    assert (
        boss.post("/accounts/members/", data={"name": "mia"}).status_code
        == 303
    )
    unknown = boss.post("/accounts/members/", data={"name": "nil"})
    assert unknown.status_code == 422
    assert "no reviewer is called" in unescape(unknown.text)
    assert 'value="nil"' in unknown.text
    assert boss.post("/accounts/members/", data={}).status_code == 422
    assert boss.post("/accounts/members/close").status_code == 303
    try:
        assert "<b>private</b>" in boss.get("/accounts/members/").text
        assert member.get("/threads/").status_code == 200
        shut = other.get("/threads/")
        assert shut.status_code == 404
        assert "ask an administrator to make you a member" in shut.text
        assert "/sign-in?next=" in site.open().get("/threads/").text
        enter = site.open().get("/sign-in").text
        assert "Everything can be read without" not in enter
        assert other.get("/account/").status_code == 200
        assert boss.get("/threads/").status_code == 200
        boss.post("/accounts/members/@mia/remove")
        assert member.get("/threads/").status_code == 404
    finally:
        assert boss.post("/accounts/members/open").status_code == 303
    assert other.get("/threads/").status_code == 200


def test_members_by_the_api(site: Site) -> None:
    """Adding twice is no error, removing twice is."""
    boss = site.enter("bilbo", Role.administrator)
    boss.headers["Accept"] = "application/json"
    site.enter("mona")
    for _ in range(2):
        assert boss.put("/api/members/mona").status_code == 204
    told = boss.get("/api/members")
    assert [one["name"] for one in told.json()["items"]] == ["mona"]
    stale = boss.patch(
        "/api/members", json={"is_private": True}, headers={"If-Match": '"x"'}
    )
    assert stale.status_code == 412
    assert boss.delete("/api/members/mona").status_code == 204
    assert boss.delete("/api/members/mona").status_code == 404
    assert boss.get("/api/members").json()["is_private"] is False


def test_the_audit_view_is_narrowed_and_goes_on(site: Site) -> None:
    """By account and by kind, on the page and by the API."""
    boss = site.enter("balin", Role.administrator)
    site.enter("aida")
    boss.post("/accounts/@aida/role", data={"role": "reader"})
    page = boss.get("/accounts/audit?account=aida&kind=accounts").text
    assert "reviewer.role_changed" in page
    signed_in = boss.get("/accounts/audit?account=aida&kind=sign-ins").text
    assert '<td data-label="How">by test</td>' in signed_in
    chosen = boss.get("/accounts/@aida").text
    assert 'value="reader" checked>reader: may read and ask' in chosen
    assert 'value="editor">editor: may also import mail' in chosen
    assert '<td data-label="How">from reviewer, to reader</td>' in page
    assert "reviewer.signed_in" not in page
    assert boss.get("/accounts/audit?kind=all").status_code == 422
    boss.headers["Accept"] = "application/json"
    first = boss.get("/api/audit?limit=2")
    assert len(first.json()["items"]) == 2
    following = first.links["next"]["url"]
    second = boss.get(following).json()["items"]
    assert second[0]["seq"] < first.json()["items"][-1]["seq"]


def test_names_are_shown_as_text(site: Site) -> None:
    """Whatever somebody calls themselves, or a note says."""
    boss = site.enter("bert", Role.administrator)
    eve = site.enter("evelyn")
    evil = "<img src=x onerror=alert(1)>"
    eve.post("/account/name", data={"display_name": evil})
    boss.post(
        "/accounts/invitations/",
        data={"role": "reader", "note": evil, "days": "1"},
    )
    for path in (
        "/accounts/",
        "/accounts/@evelyn",
        "/accounts/invitations/",
        "/accounts/audit",
        "/account/",
    ):
        assert "<img src=x" not in boss.get(path).text
    assert "<img src=x" not in eve.get("/account/").text


def test_a_list_of_accounts_goes_on(site: Site) -> None:
    """Each account stands on one page."""
    boss = site.enter("bombur", Role.administrator)
    boss.headers["Accept"] = "application/json"
    with site.database.read() as session:
        count = accounts.count_accounts(session)
    names: list[str] = []
    url = "/api/accounts?limit=3"
    while url:
        answer = boss.get(url)
        names += [one["name"] for one in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url", "")
    assert len(names) == len(set(names)) == count


def test_a_session_of_before_is_not_carried_into_a_new_account(
    site: Site,
) -> None:
    """Joining by an invitation ends the session that was open there."""
    browser = site.enter("berta")
    with site.database.write() as session:
        made = invitations.create_invitation(
            session, None, Role.reader, days=1
        )
        before = reviewers.require_account(session, "berta")
    browser.post(
        f"/invitations/{made.secret}",
        data={"name": "berta-2", "password": PASSWORD},
    )
    assert "berta-2" in browser.get("/account/").text
    with site.database.read() as session:
        row = accounts.get_account(session, "berta")
    assert row.id == before.id
    assert row.session_count == 0

"""Comments for programs: changed by their authors, removed with a reason."""

import pytest

from tests.routes.crew import Crew

CORPUS = "kleen-cpuid-notification"
GONE = 410
LATE = '"of-yesterday"'


def _address(slug: str, comment: str = "") -> str:
    return f"/api/threads/{slug}/comments" + (f"/{comment}" if comment else "")


def test_a_comment_is_changed_by_who_read_its_last_version(crew: Crew) -> None:
    slug = crew.open_thread("ada", "a comment to change")
    address = _address(slug, crew.comment("bob", slug, "first"))
    read = crew.ask(None, "GET", address)
    tag = read.headers["etag"]
    changed = crew.ask(
        "bob", "PATCH", address, sent={"text": "*second*"}, If_Match=tag
    )
    assert changed.status_code == 200
    assert changed.json()["version"] == 2
    assert changed.json()["html"] == "<p><em>second</em></p>\n"
    assert changed.headers["etag"] != tag
    late = crew.ask(
        "bob", "PATCH", address, sent={"text": "third"}, If_Match=tag
    )
    assert late.status_code == 412
    assert late.json()["draft"] == "third"
    assert late.json()["tag"] == changed.headers["etag"]
    assert crew.ask(None, "GET", address).json() == changed.json()
    again = crew.ask(
        None, "GET", address, If_None_Match=changed.headers["etag"]
    )
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("name", "status"), [(None, 401), ("eve", 403), ("ada", 403), ("ed", 403)]
)
def test_nobody_changes_the_words_of_another(
    crew: Crew, name: str | None, status: int
) -> None:
    slug = crew.open_thread("ada", f"words of another, {name}")
    address = _address(slug, crew.comment("bob", slug, "mine"))
    answer = crew.ask(name, "PATCH", address, sent={"text": "yours"})
    assert answer.status_code == status
    assert crew.ask(None, "GET", address).json()["text"] == "mine"


@pytest.mark.parametrize(
    "more",
    [
        {"version": 7},
        {"id": "x"},
        {"author": "ed"},
        {"reviewer_id": 1},
        {"deleted_at": None},
        {"thread": "other"},
    ],
)
def test_a_change_sets_nothing_but_the_text(
    crew: Crew, more: dict[str, object]
) -> None:
    slug = crew.open_thread("ada", f"one field only {more}")
    address = _address(slug, crew.comment("bob", slug, "mine"))
    answer = crew.ask("bob", "PATCH", address, sent={"text": "x"} | more)
    assert answer.status_code == 422
    pointers = [one["pointer"] for one in answer.json()["errors"]]
    assert pointers == [f"/{key}" for key in more]
    assert crew.ask(None, "GET", address).json()["text"] == "mine"


def test_an_answered_comment_leaves_its_place(crew: Crew) -> None:
    slug = crew.open_thread("ada", "a place")
    first = crew.comment("bob", slug, "secret words")
    second = crew.comment("ada", slug, "an answer", first)
    address = _address(slug, first)
    assert crew.ask("bob", "DELETE", address).status_code == 204
    assert crew.ask(None, "GET", address).status_code == GONE
    assert crew.ask("bob", "DELETE", address).status_code == GONE
    patched = crew.ask("bob", "PATCH", address, sent={"text": "back"})
    assert patched.status_code == GONE
    items = crew.ask(None, "GET", _address(slug)).json()["items"]
    assert [item["id"] for item in items] == [first, second]
    assert items[0]["deleted"]
    assert items[0]["text"] == ""
    found = crew.ask(None, "GET", "/api/search?q=secret+words").json()
    assert first not in str(found)
    crew.ask("ada", "DELETE", _address(slug, second))
    assert crew.ask(None, "GET", _address(slug)).json()["items"] == []


def test_a_deleted_comment_is_answered_no_more(crew: Crew) -> None:
    slug = crew.open_thread("ada", "no more")
    first = crew.comment("bob", slug, "gone soon")
    crew.ask("bob", "DELETE", _address(slug, first))
    answer = crew.ask(
        "ada", "POST", _address(slug), sent={"text": "to it", "parent": first}
    )
    assert answer.status_code == 422


def test_an_editor_says_why_a_comment_goes(crew: Crew) -> None:
    slug = crew.open_thread("ada", "moderated")
    address = _address(slug, crew.comment("bob", slug, "off topic"))
    assert crew.ask("ada", "DELETE", address).status_code == 403
    silent = crew.ask("ed", "DELETE", address)
    assert silent.status_code == 422
    assert silent.json()["errors"][0]["pointer"] == "/reason"
    late = crew.ask("ed", "DELETE", f"{address}?reason=x", If_Match=LATE)
    assert late.status_code == 412
    gone = crew.ask("ed", "DELETE", f"{address}?reason=off+topic")
    assert gone.status_code == 204
    line = next(
        line
        for line in reversed(crew.read_log())
        if line.type == "annotation.deleted"
    )
    assert line.actor == "reviewer:ed"
    assert line.data["reason"] == "off topic"


def test_what_came_by_mail_stays(crew: Crew) -> None:
    items = crew.ask(None, "GET", _address(CORPUS)).json()["items"]
    address = _address(CORPUS, items[0]["id"])
    gone = crew.ask("ed", "DELETE", f"{address}?reason=rude")
    assert gone.status_code == 409
    assert "by mail" in gone.json()["detail"]
    assert crew.ask("ada", "DELETE", address).status_code == 403


def test_walking_the_links_gives_each_comment_once(crew: Crew) -> None:
    every = crew.ask(None, "GET", _address(CORPUS)).json()["items"]
    found: list[str] = []
    address: str | None = f"{_address(CORPUS)}?limit=2"
    while address:
        answer = crew.ask(None, "GET", address)
        found += [item["id"] for item in answer.json()["items"]]
        address = answer.links.get("next", {}).get("url")
    assert found == [item["id"] for item in every]
    assert crew.ask(None, "GET", _address("none")).status_code == 404

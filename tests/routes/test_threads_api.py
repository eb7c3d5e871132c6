"""Threads for programs."""

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from tests.factories import make_token, make_visitor
from tests.routes.crew import Crew

SLUG = "kleen-cpuid-notification"


@pytest.fixture
def program(database: Database, client: TestClient) -> TestClient:
    """Return a client with a reviewer's token and no cookie."""
    with database.write() as session:
        make_visitor(session)
        client.headers.update(make_token(session))
    return client


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 88),
        ("reviewer=Andi+Kleen", 24),
        ("reviewer=andi-kleen&state=conceded&kind=objection", None),
        ("kind=praise", 4),
        ("state=disputed", 13),
        ("call=VMI_CPUID", None),
        ("call=VMI_Nothing", 0),
    ],
)
def test_every_filter_narrows(
    client: TestClient, query: str, count: int | None
) -> None:
    items = client.get(f"/api/threads?limit=500&{query}").json()["items"]
    wanted = dict(part.split("=") for part in query.split("&") if part)
    for item in items:
        assert item["kind"] == wanted.get("kind", item["kind"])
        assert item["state"] == wanted.get("state", item["state"])
        assert wanted.get("call", "") in {"", *item["calls"]}
    assert items or count == 0
    assert count is None or len(items) == count


def test_walking_the_links_gives_each_thread_once(client: TestClient) -> None:
    slugs: list[str] = []
    address: str | None = "/api/threads?limit=30&reviewer="
    while address:
        answer = client.get(address)
        slugs += [item["slug"] for item in answer.json()["items"]]
        address = answer.links.get("next", {}).get("url")
    assert len(slugs) == len(set(slugs)) == 88


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "after=zz"])
def test_paging_is_bounded(client: TestClient, query: str) -> None:
    assert client.get(f"/api/threads?{query}").status_code == 422


def test_a_thread_has_its_posts_in_order(client: TestClient) -> None:
    thread = client.get(f"/api/threads/{SLUG}").json()
    assert thread["reviewer"] == "Andi Kleen"
    assert thread["calls"] == ["VMI_CPUID"]
    assert thread["outcome"] == "disputed"
    assert thread["what_if"]["decided_by_facts"] is True
    assert thread["sections"][0]["number"] == "2.8"
    assert thread["opened_at"] == "2006-03-22T20:05:56Z"
    posts = thread["posts"]
    assert posts[0]["author"] == "Zachary Amsden"
    seen: set[str] = set()
    for post in posts:
        assert post["parent"] is None or post["parent"] in seen
        seen.add(post["id"])


def test_a_comment_is_created_where_it_says(program: TestClient) -> None:
    address = f"/api/threads/{SLUG}/comments"
    answer = program.post(address, json={"text": "*Indeed*"})
    assert answer.status_code == 201
    assert "set-cookie" not in answer.headers
    made = answer.json()
    assert made["html"] == "<p><em>Indeed</em></p>\n"
    assert made["author"] == "ada"
    assert program.get(answer.headers["location"]).json() == made
    second = program.post(
        address, json={"text": "And so?", "parent": made["id"]}
    )
    assert second.json()["parent"] == made["id"]
    posts = program.get(f"/api/threads/{SLUG}").json()["posts"]
    assert [post["id"] for post in posts][-2:] == [
        made["id"],
        second.json()["id"],
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/text"),
        ({"text": ""}, "/text"),
        ({"text": 7}, "/text"),
        ({"text": "x" * 50_000}, "/text"),
        ({"text": "x", "parent": "nothing"}, "/parent"),
        ({"text": "x", "parent": "a b"}, "/parent"),
        ({"text": "x", "author": "root"}, "/author"),
    ],
)
def test_a_refused_comment_says_what_is_wrong_where(
    program: TestClient, body: dict[str, object], pointer: str
) -> None:
    answer = program.post(f"/api/threads/{SLUG}/comments", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_what_is_not_there_is_not_found(program: TestClient) -> None:
    assert program.get("/api/threads/none").status_code == 404
    comments = "/api/threads/none/comments"
    assert program.post(comments, json={"text": "x"}).status_code == 404
    assert program.get(f"/api/threads/{SLUG}/comments/x").status_code == 404


LATE = '"of-yesterday"'
OPENED: dict[str, object] = {
    "title": "A window",
    "kind": "objection",
    "severity": "concern",
    "text": "There is *one*.",
    "calls": ["VMI_Halt", "VMI_Halt"],
    "section": "local-apic-support",
}


def test_a_thread_is_opened_where_it_says(crew: Crew) -> None:
    made = crew.ask("ada", "POST", "/api/threads", sent=OPENED)
    assert made.status_code == 201
    assert made.json()["calls"] == ["VMI_Halt"]
    assert made.json()["sections"][0]["anchor"] == "local-apic-support"
    assert made.json()["summary_html"] == "<p>There is <em>one</em>.</p>\n"
    read = crew.ask(None, "GET", made.headers["location"])
    assert read.json() == made.json()
    assert read.headers["etag"] == made.headers["etag"]


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"title": " "}, "/title"),
        ({"kind": "gripe"}, "/kind"),
        ({"calls": ["VMI_Nothing"]}, "/calls"),
        ({"calls": ["VMI_Halt"] * 21}, "/calls"),
        ({"calls": [], "section": None}, "/section"),
        ({"section": "nowhere"}, "/section"),
        ({"quote": "not there"}, "/quote"),
        ({"start": -1}, "/start"),
        ({"state": "decided"}, "/state"),
        ({"slug": "mine"}, "/slug"),
        ({"reviewer_id": 1}, "/reviewer_id"),
        ({"position": 0}, "/position"),
    ],
)
def test_a_refused_thread_says_what_is_wrong_where(
    crew: Crew, more: dict[str, object], pointer: str
) -> None:
    answer = crew.ask("ada", "POST", "/api/threads", sent=OPENED | more)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_thread_is_changed_by_who_read_its_last_version(crew: Crew) -> None:
    address = f"/api/threads/{crew.open_thread('ada', 'to change')}"
    tag = crew.ask(None, "GET", address).headers["etag"]
    sent = {"title": "Changed", "severity": "nit", "text": "Less."}
    changed = crew.ask("ada", "PATCH", address, sent=sent, If_Match=tag)
    assert changed.status_code == 200
    now = changed.json()
    assert (now["title"], now["severity"]) == ("Changed", "nit")
    assert now["summary_html"] == "<p>Less.</p>\n"
    late = crew.ask("ada", "PATCH", address, sent=sent, If_Match=LATE)
    assert late.status_code == 412
    assert late.json()["draft"] == "Less."
    found = crew.ask(None, "GET", "/api/search?q=s:Changed").json()
    assert address.rpartition("/")[2] in str(found)


@pytest.mark.parametrize(
    ("name", "sent", "status"),
    [
        (None, {"title": "x"}, 401),
        ("eve", {"title": "x"}, 403),
        ("bob", {"title": "x", "reason": "y"}, 403),
        ("ed", {"title": "x"}, 422),
        ("ed", {"text": "x", "reason": "y"}, 403),
        ("ada", {}, 422),
        ("ada", {"reason": "y"}, 422),
        ("ada", {"state": "decided"}, 422),
        ("ada", {"title": "x", "slug": "y"}, 422),
        ("ada", {"title": "x", "reviewer": "ed"}, 422),
        ("ada", {"title": "x", "outcome": "conceded"}, 422),
    ],
)
def test_a_change_that_is_refused_leaves_a_thread_alone(
    crew: Crew, name: str | None, sent: dict[str, str], status: int
) -> None:
    address = f"/api/threads/{crew.open_thread('ada', f'{name} {sent}')}"
    before = crew.ask(None, "GET", address).json()
    head = crew.read_log()[-1]
    assert crew.ask(name, "PATCH", address, sent=sent).status_code == status
    assert crew.ask(None, "GET", address).json() == before
    assert crew.read_log()[-1] == head


def test_an_editor_changes_a_heading_and_says_why(crew: Crew) -> None:
    slug = crew.open_thread("ada", "vague")
    sent = {"title": "Exact", "reason": "clearer"}
    answer = crew.ask("ed", "PATCH", f"/api/threads/{slug}", sent=sent)
    assert answer.json()["title"] == "Exact"
    line = crew.read_log()[-1]
    assert (line.actor, line.type) == ("reviewer:ed", "thread.changed")
    assert line.data == {
        "now": {"title": "Exact"},
        "was": {"title": "vague"},
        "reason": "clearer",
    }


def test_of_a_thread_of_the_corpus_only_the_state_is_changed(
    crew: Crew,
) -> None:
    address = f"/api/threads/{SLUG}"
    for sent in ({"title": "x"}, {"kind": "praise"}, {"text": "x"}):
        answer = crew.ask("ed", "PATCH", address, sent={**sent, "reason": "y"})
        assert answer.status_code == 409
        assert "corpus" in answer.json()["detail"]
    sent = {"state": "answered", "reason": "the author did"}
    assert crew.ask("bob", "PATCH", address, sent=sent).status_code == 403
    changed = crew.ask("ed", "PATCH", address, sent=sent).json()
    assert (changed["state"], changed["outcome"]) == ("answered", "disputed")


def test_a_decided_thread_stays_decided(crew: Crew) -> None:
    slug = crew.open_thread("ada", "settled")
    decision = {"thread": slug, "disposition": "rejected", "reason": "No."}
    made = crew.ask("bob", "POST", "/api/decisions", sent=decision)
    read = crew.ask(None, "GET", made.headers["location"])
    assert read.headers["etag"] == made.headers["etag"]
    answer = crew.ask(
        "ada", "PATCH", f"/api/threads/{slug}", sent={"state": "open"}
    )
    assert answer.status_code == 409
    assert f"decision {made.json()['number']}" in answer.json()["detail"]
    for method in ("PUT", "PATCH", "DELETE"):
        refused = crew.ask("ed", method, made.headers["location"], sent={})
        assert refused.status_code == 405
        assert refused.headers["allow"] == "GET, HEAD"

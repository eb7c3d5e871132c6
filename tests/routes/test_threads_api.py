"""Threads for programs."""

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from tests.factories import make_token, make_visitor

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

"""Revisions for programs: listed, read, made."""

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.models import Role
from app.services import revisions
from tests.factories import make_token, make_visitor
from tests.services.test_anchors import watch_places

SENT = {
    "text": "# New\n\n## One\n",
    "change": "All.",
    "dated_on": "2026-11-22",
}


@pytest.fixture
def key(database: Database) -> dict[str, str]:
    """Return the header of an editor's program."""
    with database.write() as session:
        make_visitor(session, "ed", Role.editor)
        return make_token(session, "ed")


def test_a_revision_is_made_listed_and_read(
    client: TestClient, key: dict[str, str]
) -> None:
    made = client.post("/api/revisions", json=SENT, headers=key)
    assert made.status_code == 201
    assert made.headers["location"] == "/api/revisions/2"
    found = client.get("/api/revisions/2").json()
    assert found == made.json()
    assert (found["number"], found["source"], found["by"]) == (
        2,
        "upload",
        "ed",
    )
    assert [s["anchor"] for s in found["sections"]] == ["new", "one"]
    assert found["text"] == SENT["text"]
    items = client.get("/api/revisions").json()["items"]
    assert [item["number"] for item in items] == [2, 1]
    assert "text" not in items[0]


def test_anchors_are_placed_before_anything_is_locked(
    client: TestClient,
    database: Database,
    key: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reference has none, and is not looked at."""
    with database.read() as session:
        newest = revisions.get_newest(session)
        text = revisions.read_markdown(session, newest.id)
    sent = {**SENT, "text": text.replace("is called a", "has the name")}
    looked = watch_places(monkeypatch)
    kept = {**sent, "is_reference": True}
    assert client.post("/api/revisions", json=kept, headers=key).is_success
    assert looked == []
    assert client.post("/api/revisions", json=sent, headers=key).is_success
    assert set(looked) == {0}


def test_the_list_comes_in_pages(
    client: TestClient, key: dict[str, str]
) -> None:
    client.post("/api/revisions", json=SENT, headers=key)
    first = client.get("/api/revisions?limit=1")
    assert [i["number"] for i in first.json()["items"]] == [2]
    following = first.links["next"]["url"]
    assert [i["number"] for i in client.get(following).json()["items"]] == [1]


def test_a_reference_made_of_mails_says_so(
    client: TestClient, key: dict[str, str]
) -> None:
    sent = {**SENT, "is_reference": True, "message_ids": ["<a@b>"]}
    made = client.post("/api/revisions", json=sent, headers=key).json()
    assert (made["is_reference"], made["source"], made["message_ids"]) == (
        True,
        "mail",
        ["a@b"],
    )


def test_a_text_on_an_older_revision_is_a_conflict(
    client: TestClient, key: dict[str, str]
) -> None:
    client.post("/api/revisions", json=SENT, headers=key)
    late = client.post(
        "/api/revisions",
        json={**SENT, "text": "# Newer\n", "basis": 1},
        headers=key,
    )
    assert late.status_code == 409
    assert "the newest is 2" in late.json()["detail"]


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("text", "no heading", "/text"),
        ("text", "", "/text"),
        ("change", "", "/change"),
        ("dated_on", "yesterday", "/dated_on"),
        ("basis", 0, "/basis"),
        ("more", 1, "/more"),
    ],
)
def test_what_is_wrong_is_named(
    client: TestClient,
    key: dict[str, str],
    field: str,
    value: object,
    pointer: str,
) -> None:
    answer = client.post(
        "/api/revisions", json={**SENT, field: value}, headers=key
    )
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == [pointer]


def test_only_an_editor_makes_one(
    client: TestClient, database: Database
) -> None:
    assert client.post("/api/revisions", json=SENT).status_code == 401
    with database.write() as session:
        make_visitor(session, "ada")
        reviewer = make_token(session, "ada")
    refused = client.post("/api/revisions", json=SENT, headers=reviewer)
    assert refused.status_code == 403


def test_a_number_that_is_not_there_is_not_found(client: TestClient) -> None:
    assert client.get("/api/revisions/9").status_code == 404

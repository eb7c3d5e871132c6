"""Mails as JSON: who is not signed in finds no address, by any filter."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from tests.factories import make_token, make_visitor
from tests.routes.test_message_trees import make_mail
from tests.routes.test_messages import PATCHED, store

KEYS = [
    *("message_id", "parent", "parent_guessed", "root", "from", "date"),
    *("subject", "lists", "attachments"),
]


@pytest.fixture
def _mails(database: Database) -> None:
    store(
        database,
        make_mail("ada"),
        b"List-Id: <kernel.secret.example>\n"
        + make_mail("ben", "ada", 5, "> quoted a@secret.example\nNo.\n"),
        PATCHED,
    )


def list_ids(client: TestClient, query: str = "") -> list[str]:
    """Return whose mails a list holds."""
    answer = client.get(f"/api/messages{query}")
    assert answer.status_code == 200, answer.text
    return [
        item["message_id"].partition("@")[0] for item in answer.json()["items"]
    ]


@pytest.mark.usefixtures("_mails")
def test_a_mail_has_the_keys_that_are_promised(client: TestClient) -> None:
    answer: dict[str, Any] = client.get("/api/messages/ben@b.example").json()
    assert [*answer] == [*KEYS, "quotes"]
    assert answer["parent"] == answer["root"] == "ada@b.example"
    assert answer["parent_guessed"] is False
    assert answer["from"] == "ben <ben@xxxxxxxxxxxxxx>"
    assert answer["date"] == "2006-03-22T20:05:00Z"
    assert answer["lists"] == ["kernel.secret.example"]
    assert answer["quotes"] == [
        {
            "text": "quoted a@xxxxxxxxxxxxxx",
            "depth": 1,
            "reply": "No.",
            "candidates": [],
            "section": None,
            "call": None,
        }
    ]
    items = client.get("/api/messages").json()["items"]
    assert [[*item] for item in items] == [KEYS] * 3


@pytest.mark.usefixtures("_mails")
def test_a_parent_that_never_came_is_named(client: TestClient) -> None:
    answer = client.get("/api/messages/patched@b.example").json()
    assert answer["parent"] == "missing@b.example"
    assert answer["attachments"][1] == {
        "name": "z z.zip",
        "media_type": "application/zip",
        "size": 4,
        "url": "/m/patched@b.example/attachments/2",
    }


@pytest.mark.usefixtures("_mails")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["ada", "ben", "patched"]),
        ("?sender=BEN", ["ben"]),
        ("?sender=b_n", []),
        ("?list=kernel.secret", ["ben"]),
        ("?list=%25", []),
        ("?since=2006-03-22T20:05", ["ben", "patched"]),
        ("?until=2006-03-22T20:05:00Z", ["ada"]),
        ("?since=2006-03-22&until=2006-03-23", ["ada", "ben", "patched"]),
        ("?conversation=ben@b.example", ["ada", "ben"]),
        ("?attachments=true", ["patched"]),
        ("?attachments=false&sender=ada", ["ada"]),
        ("?sender=", ["ada", "ben", "patched"]),
    ],
)
def test_each_filter_narrows(
    client: TestClient, query: str, names: list[str]
) -> None:
    assert list_ids(client, query) == names


@pytest.mark.usefixtures("_mails")
@pytest.mark.parametrize("sender", ["secret", "ben@secret", ".example"])
def test_no_filter_tells_an_address(
    client: TestClient, database: Database, sender: str
) -> None:
    assert list_ids(client, f"?sender={sender}") == []
    assert "secret" not in (
        client.get("/api/messages").text.replace("kernel.secret.example", "")
    )
    with database.write() as session:
        make_visitor(session)
        client.headers.update(make_token(session))
    assert "ben" in list_ids(client, f"?sender={sender}")


@pytest.mark.usefixtures("_mails")
def test_a_long_list_goes_on(client: TestClient) -> None:
    answer = client.get("/api/messages?limit=2")
    assert len(answer.json()["items"]) == 2
    following = answer.links["next"]["url"]
    rest = client.get(following)
    assert [item["message_id"] for item in rest.json()["items"]] == [
        "patched@b.example"
    ]
    assert "next" not in rest.links


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?since=soon", 422),
        ("?attachments=many", 422),
        ("?conversation=none@b.example", 422),
        ("/none@b.example", 404),
        ("/" + "a" * 1001, 422),
    ],
)
def test_what_is_wrong_is_told(
    client: TestClient, query: str, status: int
) -> None:
    answer = client.get(f"/api/messages{query}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_id_may_hold_a_slash(
    client: TestClient, database: Database
) -> None:
    store(database, b"From: a\nMessage-ID: <a/b?c@x>\n\nhi\n")
    answer = client.get("/api/messages/a/b%3Fc@x")
    assert answer.json()["message_id"] == "a/b?c@x"


def test_a_real_mail_tells_its_quotes(
    client: TestClient, database: Database, shared: Path
) -> None:
    files = sorted((shared / "mail").glob("2006-03-22-amsden*documentation*"))
    store(database, *(file.read_bytes() for file in files))
    answer = client.get("/api/messages/4421C9D4.3050806@vmware.com").json()
    assert len(answer["quotes"]) > 10
    assert {quote["depth"] for quote in answer["quotes"]} >= {1, 2}
    assert sum(bool(quote["reply"]) for quote in answer["quotes"]) > 5

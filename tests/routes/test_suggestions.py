"""The page of suggested edits: accepted, declined, refused."""

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.models import Role
from app.services import revisions
from tests.factories import make_token, make_visitor
from tests.services.test_anchors import watch_places
from tests.services.test_suggestions import QUOTE, WORDS, suggest

PAGE = "/document/suggestions/"


@pytest.fixture
def editor(database: Database, client: TestClient) -> TestClient:
    """Return an editor's client of a review with a suggested edit."""
    with database.write() as session:
        visitor = make_visitor(session, "ed", Role.editor)
        suggest(session, visitor, WORDS, "At <any> time")
        client.headers.update(make_token(session, "ed"))
    client.follow_redirects = False
    return client


def test_the_list_shows_old_and_new_words(editor: TestClient) -> None:
    page = editor.get(PAGE)
    assert f"<del>{WORDS}</del> <ins>At &lt;any&gt; time</ins>" in page.text
    assert "Decline</button>" in page.text


def test_a_reader_may_read_them_only(editor: TestClient) -> None:
    del editor.headers["Authorization"]
    assert "Decline</button>" not in editor.get(PAGE).text
    assert editor.post(f"{PAGE}edit-1/accept").status_code == 401


def test_accepting_leads_to_what_changed(
    editor: TestClient, database: Database
) -> None:
    answer = editor.post(f"{PAGE}edit-1/accept")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/document/revisions/2/changes"
    with database.read() as session:
        assert revisions.get_newest(session).number == 2
    assert "Accepted into" in editor.get(PAGE).text
    again = editor.post(f"{PAGE}edit-1/accept")
    assert again.status_code == 409


def test_accepting_places_anchors_before_anything_is_locked(
    editor: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = watch_places(monkeypatch)
    assert editor.post(f"{PAGE}edit-1/accept").status_code == 303
    assert set(looked) == {0}
    assert editor.post(f"{PAGE}edit-1/accept").status_code == 409


def test_declining_needs_a_reason(editor: TestClient) -> None:
    assert editor.post(f"{PAGE}edit-1/decline").status_code == 422
    answer = editor.post(
        f"{PAGE}edit-1/decline", data={"reason": "It <is> right."}
    )
    assert answer.status_code == 303
    assert "Declined: It &lt;is&gt; right." in editor.get(PAGE).text


def test_a_passage_that_is_not_there_is_said_beside_it(
    client: TestClient, database: Database
) -> None:
    with database.write() as session:
        visitor = make_visitor(session, "ed", Role.editor)
        suggest(session, visitor, QUOTE, "x")
        client.headers.update(make_token(session, "ed"))
    answer = client.post(f"{PAGE}edit-1/accept")
    assert answer.status_code == 409
    assert "The passage that this replaces is not there." in answer.text


def test_what_nobody_suggested_is_not_found(editor: TestClient) -> None:
    assert editor.post(f"{PAGE}nix/accept").status_code == 404

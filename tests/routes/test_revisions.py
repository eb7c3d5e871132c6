"""The pages of revisions: the list, one text, what changed."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.db import Database
from app.models import RevisionSource
from app.services import revising, revisions
from app.services.revising import NewRevision


def change(session: Session, *pairs: tuple[str, str]) -> None:
    """Make a revision with some words replaced."""
    newest = revisions.get_newest(session)
    text = revisions.read_markdown(session, newest.id)
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    new_revision = NewRevision(
        text, "Some <words>.", "2026-11-22", RevisionSource.edit
    )
    revising.create_revision(session, None, new_revision)


@pytest.fixture
def changed(database: Database, client: TestClient) -> TestClient:
    """Return a client of a review with a second revision."""
    with database.write() as session:
        change(
            session,
            ("Features are kept", "Features are held"),
            ("### 1.1 Portability", "### 1.1 Portability of guests"),
            ("### Timer calls\n", "### Timer calls\n\nQuite <b>new</b>.\n"),
        )
    return client


def test_the_list_names_each_text_and_what_changed(
    changed: TestClient,
) -> None:
    page = changed.get("/document/revisions/")
    assert page.status_code == 200
    assert "Some &lt;words&gt;." in page.text
    assert 'href="/document/revisions/2/changes"' in page.text
    assert 'href="/document/revisions/1/changes"' not in page.text
    assert "/document/edit" not in page.text  # no editor asks


def test_a_text_stays_at_its_address(changed: TestClient) -> None:
    old = changed.get("/document/revisions/1/")
    assert 'id="portability"' in old.text
    assert 'href="/document/revisions/2/changes?from=1"' in old.text
    new = changed.get("/document/revisions/2/")
    assert 'id="portability-of-guests"' in new.text
    assert "under review" in new.text


def test_the_markdown_is_served_as_it_was_written(
    changed: TestClient, database: Database
) -> None:
    answer = changed.get("/document/revisions/1/document.md")
    assert answer.headers["content-type"].startswith("text/markdown")
    with database.read() as session:
        first = revisions.get_revision(session, 1)
        assert answer.text == revisions.read_markdown(session, first.id)


def test_changes_are_marked_by_word_and_the_rest_is_folded(
    changed: TestClient,
) -> None:
    page = changed.get("/document/revisions/2/changes").text
    assert "<del>kept</del><ins>held</ins>" in page
    assert "was: 1.1 Portability<" in page
    assert "Quite &lt;b&gt;new&lt;/b&gt;." in page
    assert "3 of 45 sections changed" in page
    assert "sections unchanged</summary>" in page


def test_any_two_texts_can_be_compared(changed: TestClient) -> None:
    back = changed.get("/document/revisions/1/changes?from=2").text
    assert "<del>held</del><ins>kept</ins>" in back
    same = changed.get("/document/revisions/1/changes").text
    assert "say the same" in same


def test_an_address_of_an_earlier_text_leads_on(
    changed: TestClient, database: Database
) -> None:
    changed.follow_redirects = False
    renamed = changed.get("/document/portability")
    assert renamed.headers["location"] == "/document/portability-of-guests"
    with database.write() as session:
        new = NewRevision(
            "# New\n", "All.", "2026-11-22", RevisionSource.upload
        )
        revising.create_revision(session, None, new)
    gone = changed.get("/document/portability")
    assert gone.headers["location"] == "/document/revisions/1/#portability"
    assert changed.get("/document/nix").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/document/revisions/3/",
        "/document/revisions/0/",
        "/document/revisions/x/",
        "/document/revisions/3/changes",
        "/document/revisions/1/changes?from=9",
        "/document/revisions/99999999999999999999/document.md",
    ],
)
def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404

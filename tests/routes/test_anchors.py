"""Places to confirm, and the notes beside the text that lead there."""

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.models import (
    Anchor,
    AnchorState,
    Call,
    Revision,
    RevisionSource,
    Role,
    Section,
    Severity,
    ThreadKind,
)
from app.services import remarks, reviewers, revising, threads, tokens
from app.services.annotations import find_passage, read_text
from app.services.revising import NewRevision
from app.services.threads import NewThread
from tests.factories import NOW, make_visitor

QUOTE = "Missed periods are not made up."
CHANGED = "Missed periods are not always made good."
PAGE = "/review/anchors/"


@pytest.fixture
def editor(database: Database, client: TestClient) -> TestClient:
    """Return a client that an editor's token signs in."""
    with database.write() as session:
        reviewers.add_reviewer(session, "edna", Role.editor)
        secret = tokens.create_token(session, "edna").secret
    client.headers["Authorization"] = f"Bearer {secret}"
    return client


@pytest.fixture
def changed(database: Database) -> int:
    """Remark on a sentence that changes; return the waiting anchor."""
    with database.write() as session:
        section = session.execute(
            select(Section).where(col(Section.anchor) == "alarms")
        ).scalar_one()
        call_id = session.scalar(
            select(col(Call.id)).where(col(Call.name) == "VMI_SetAlarm")
        )
        text = session.execute(select(col(Revision.text))).scalar_one()
        remarks.add_remark(
            session,
            actor="program",
            sender="Andi Kleen <ak@example.org>",
            message_id="one@example.org",
            section_id=section.id,
            call_id=call_id,
            passage=find_passage(read_text(section.html), QUOTE),
            text="But <ticks> get lost, says ak@example.org.",
            created_at=NOW,
        )
        ada = make_visitor(session, "ada2")
        threads.open_thread(
            session,
            ada,
            NewThread(
                title="Cancelled how",
                kind=ThreadKind.question,
                severity=Severity.nit,
                text="How?",
                section="alarms",
                quote="There is a way to cancel an alarm.",
            ),
        )
        new = text.replace(QUOTE, CHANGED).replace("After a firing", "Then")
        new = new.replace("There is a way to cancel an alarm.", "Bye.")
        revising.create_revision(
            session,
            None,
            NewRevision(new, "A change", "2006-04-01", RevisionSource.edit),
        )
        return session.execute(
            select(col(Anchor.id)).where(
                col(Anchor.state) == AnchorState.proposed
            )
        ).scalar_one()  # type: ignore[return-value]


def test_nothing_waits_at_first(client: TestClient) -> None:
    text = client.get(PAGE).text
    assert "None waits: every remark" in text
    assert "None: whatever was spoken of" in text


def test_what_waits_is_shown_with_ghost_and_rivals(
    changed: int, client: TestClient
) -> None:
    """Everybody reads it; the form is for editors."""
    text = client.get(PAGE).text
    assert f'id="anchor-{changed}"' in text
    assert f'<blockquote class="old-words">{QUOTE}</blockquote>' in text
    assert '<blockquote class="new-words">Missed periods are' in text
    assert "But &lt;ticks&gt; get lost" in text
    assert "ak@example.org" not in text
    assert "There is a way to cancel an alarm." in text
    assert "It stays pinned to" in text
    assert 'value="choose"' not in text


def test_the_margin_marks_what_is_not_sure(
    changed: int, client: TestClient
) -> None:
    text = client.get("/document/alarms").text
    assert 'class="note note-ghost"' in text
    assert f'{PAGE}#anchor-{changed}"' in text
    assert '<span class="anchored ghost" id="passage-' in text
    assert "2 remarks</a> look for their place" in text
    numbers = re.findall(r'id="passage-(\d+)"', text)
    assert all(f'href="#passage-{number}"' in text for number in numbers)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert "Andi Kleen, 2026-11-22" in text


def test_the_call_shows_its_remarks(changed: int, client: TestClient) -> None:
    text = client.get("/calls/VMI_SetAlarm").text
    assert 'id="remarks-title"' in text
    assert f"{PAGE}#anchor-{changed}" in text
    assert 'id="remarks-title"' not in client.get("/calls/VMI_Halt").text


def test_a_thread_says_that_its_passage_is_gone(
    changed: int, client: TestClient
) -> None:
    assert changed
    text = client.get("/threads/ada2-cancelled-how").text
    assert '<span class="doubt">orphan</span>' in text


def test_an_editor_takes_a_place(changed: int, editor: TestClient) -> None:
    answer = editor.post(
        f"{PAGE}{changed}",
        data={"act": "choose", "rival": "0"},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == PAGE
    assert f'id="anchor-{changed}"' not in editor.get(PAGE).text
    text = editor.get("/document/alarms").text
    assert f'{PAGE}#anchor-{changed}"' not in text


def test_an_editor_takes_a_place_back(
    changed: int, editor: TestClient
) -> None:
    editor.post(f"{PAGE}{changed}", data={"act": "choose", "rival": "0"})
    assert f'id="confirmed-{changed}"' in editor.get(PAGE).text
    answer = editor.post(
        f"{PAGE}{changed}", data={"act": "reopen"}, follow_redirects=False
    )
    assert answer.status_code == 303
    text = editor.get(PAGE).text
    assert f'id="anchor-{changed}"' in text
    assert f'id="confirmed-{changed}"' not in text


def test_what_is_refused_stays_in_its_form(
    changed: int, editor: TestClient
) -> None:
    answer = editor.post(
        f"{PAGE}{changed}",
        data={"act": "reattach", "section": "alarms", "quote": "<no> such"},
    )
    assert answer.status_code == 422
    assert "expected text of the section chosen" in answer.text
    assert "&lt;no&gt; such</textarea>" in answer.text
    assert (
        editor.post(f"{PAGE}{changed}", data={"act": "guess"}).status_code
        == 422
    )


@pytest.mark.parametrize("number", [0, 99_999_999, 10**12])
def test_an_anchor_that_is_not_there(editor: TestClient, number: int) -> None:
    answer = editor.post(f"{PAGE}{number}", data={"act": "orphan"})
    assert answer.status_code == 404


def test_only_editors_settle(changed: int, signed_in: TestClient) -> None:
    answer = signed_in.post(f"{PAGE}{changed}", data={"act": "orphan"})
    assert answer.status_code == 403

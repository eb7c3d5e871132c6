"""Uploads: an editor's files go in, and what is refused is told."""

import gzip
import threading
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.guard import BODY_LIMIT, UPLOAD_LIMIT
from app.models import Role
from app.routes import imports
from app.services import message_bytes
from tests.factories import make_token, make_visitor

LINE = b"From a@b.example Mon Mar 13 12:00:00 2006\n"
ONE = b"From: a@b.example\nMessage-ID: <1@x>\nSubject: one\n\nx\n"
TWO = ONE.replace(b"1@x", b"2@x")
BAD = b"Subject: no sender\n\nx\n"
MBOX = b"".join(LINE + raw + b"\n" for raw in (ONE, BAD, TWO))


@pytest.fixture
def editor(client: TestClient, database: Database) -> TestClient:
    """Return a client with an editor's token."""
    with database.write() as session:
        make_visitor(session, "edith", Role.editor)
        client.headers.update(make_token(session, "edith"))
    return client


def upload(client: TestClient, *files: tuple[str, bytes], **data: str) -> Any:
    """Send files as the form does."""
    return client.post(
        "/import/",
        files=[("files", file) for file in files],
        data=data,
        follow_redirects=False,
    )


def test_one_mail_leads_to_its_page(
    editor: TestClient, database: Database
) -> None:
    answer = upload(editor, ("folder\\one.eml", ONE))
    assert answer.status_code == 303
    assert answer.headers["location"] == "/m/1@x/"
    assert editor.get("/m/1@x/").status_code == 200
    with database.read() as session:
        assert message_bytes.read_raw(session, "1@x") == ONE
    assert upload(editor, ("one.eml", ONE)).status_code == 303


def test_the_page_says_what_came_of_each_file(editor: TestClient) -> None:
    answer = upload(
        editor, ("m.mbox.gz", gzip.compress(MBOX)), ("one.eml", ONE)
    )
    assert answer.status_code == 200
    text = " ".join(answer.text.split())
    assert '<th scope="row">Imported</th><td class="number">2<' in text
    assert '<th scope="row">Refused</th><td class="number">1<' in text
    assert "no From header" in text
    assert "message 2, byte 95, line 8" in text
    assert 'href="/m/2@x/"' in text


def test_an_mboxo_is_read_as_such(editor: TestClient) -> None:
    raw = LINE + ONE + b">>From x\n\n" + LINE + TWO
    assert upload(editor, ("m.mbox", raw), form="mboxo").status_code == 200
    assert b">>From x" in editor.get("/m/1@x/raw").content


@pytest.mark.parametrize("files", [[], [("", b"")], [("a.eml", BAD)]])
def test_what_brings_no_mail_is_refused(
    editor: TestClient, files: list[tuple[str, bytes]]
) -> None:
    answer = upload(editor, *files, form="x")
    assert answer.status_code == 422
    assert "no From header" in answer.text or "Choose a file." in answer.text


def test_only_editors_import(signed_in: TestClient) -> None:
    assert upload(signed_in, ("a", ONE)).status_code == 403
    assert "Editors import mail" in signed_in.get("/import/").text
    signed_in.cookies.clear()
    signed_in.headers.pop("Sec-Fetch-Site")
    assert upload(signed_in, ("a", ONE)).status_code == 401
    assert 'href="/sign-in?next=/import/"' in signed_in.get("/import/").text


def test_the_form_is_shown_to_editors(editor: TestClient) -> None:
    editor.headers["Cookie"] = ""
    assert 'type="file"' in editor.get("/import/").text


def test_one_import_runs_at_a_time(editor: TestClient) -> None:
    turn: threading.Lock = editor.app.state.import_turn  # type: ignore[attr-defined]
    with turn:
        answer = upload(editor, ("a", ONE))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        sent = post(editor, ONE)
        assert sent.status_code == 503
    assert upload(editor, ("a", ONE)).status_code == 303


def post(client: TestClient, body: bytes, kind: str = "message/rfc822") -> Any:
    """Send mails as programs do."""
    return client.post(
        "/api/messages", content=body, headers={"Content-Type": kind}
    )


def test_a_program_sends_one_mail(editor: TestClient) -> None:
    answer = post(editor, ONE)
    assert answer.status_code == 201
    assert answer.headers["location"] == "/m/1@x/"
    assert answer.json() == {
        "imported": 1,
        "deliveries": 0,
        "known": 0,
        "refusals": 0,
        "refused": [],
        "messages": [{"message_id": "1@x", "url": "/m/1@x/"}],
    }
    again = post(editor, ONE)
    assert (again.status_code, again.json()["known"]) == (200, 1)


def test_an_id_with_signs_of_an_address_leads_to_its_page(
    editor: TestClient,
) -> None:
    odd = ONE.replace(b"1@x", b"a/b?c#d@x")
    answer = post(editor, odd)
    assert answer.headers["location"] == "/m/a/b%3Fc%23d@x/"
    assert editor.get(answer.headers["location"]).status_code == 200
    again = upload(editor, ("odd.eml", odd))
    assert again.headers["location"] == answer.headers["location"]


def test_a_program_sends_an_mbox(editor: TestClient, shared: Path) -> None:
    answer = post(editor, MBOX, "application/mbox; format=mboxrd")
    assert answer.status_code == 201
    told = answer.json()
    assert (told["imported"], told["refusals"]) == (2, 1)
    assert told["refused"][0]["place"] == "message 2, byte 95, line 8"
    assert "location" not in answer.headers
    for file in sorted((shared / "mail").glob("*.eml")):
        assert post(editor, file.read_bytes()).status_code == 201


@pytest.mark.parametrize(
    ("body", "kind", "status", "reason"),
    [
        (BAD, "message/rfc822", 422, "no From header"),
        (b"", "message/rfc822", 422, "the file is empty"),
        (LINE + BAD, "application/mbox", 422, "message 1, byte 0, line 1"),
        (ONE, "text/plain", 415, "message/rfc822"),
        (ONE, "", 415, "message/rfc822"),
    ],
)
def test_a_program_hears_what_is_refused(
    editor: TestClient, body: bytes, kind: str, status: int, reason: str
) -> None:
    answer = post(editor, body, kind)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert reason in answer.text


def test_a_program_needs_an_editors_token(
    client: TestClient, database: Database
) -> None:
    assert post(client, ONE).status_code == 401
    with database.write() as session:
        make_visitor(session, "rita")
        client.headers.update(make_token(session, "rita"))
    assert post(client, ONE).status_code == 403


def test_uploads_may_be_longer_than_forms_and_are_bounded(
    editor: TestClient,
) -> None:
    long = ONE + b"x" * BODY_LIMIT
    assert post(editor, long).status_code == 201
    headers = {
        "Content-Type": "application/mbox",
        "Content-Length": str(UPLOAD_LIMIT + 1),
    }
    answer = editor.post("/api/messages", content=b"", headers=headers)
    assert answer.status_code == 413


def test_a_packed_upload_is_bounded_unpacked(
    editor: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "MOST_UNPACKED", 1000)
    packed = gzip.compress(LINE + ONE + b"\n" + LINE + ONE + b"x" * 1000)
    answer = upload(editor, ("m.mbox.gz", packed))
    assert "it unpacks to more than 1000 bytes" in answer.text

"""Making revisions by forms: edited, uploaded, of mail; what is refused."""

import re
from html import unescape

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.identity import SESSION_COOKIE
from app.models import Anchor, Role
from app.services import messages, reviewers, revisions, sessions
from app.services.carrier import Carrier, Placed
from tests.commands.test_revision import MAIL

EDIT = "/document/edit"
UPLOAD = "/document/upload"
MAILS = "/document/from-mail"


@pytest.fixture
def editor(database: Database, client: TestClient) -> TestClient:
    """Return a client signed in as an editor, in a browser's way."""
    with database.write() as session:
        account = reviewers.add_reviewer(session, "ed", Role.editor)
        secret = sessions.sign_in(
            session, account.id or 0, days=1, means="test"
        )
    client.cookies.set(SESSION_COOKIE, secret, domain="testserver.local")
    client.headers["Sec-Fetch-Site"] = "same-origin"
    client.follow_redirects = False
    return client


def read(database: Database) -> tuple[int, str]:
    """Return the number and the text of what is under review."""
    with database.read() as session:
        newest = revisions.get_newest(session)
        return newest.number, revisions.read_markdown(session, newest.id)


def get_text(page: str) -> str:
    """Return what stands in the form's text."""
    found = re.search(
        r'<textarea id="text".*?>\n(.*?)</textarea>', page, re.DOTALL
    )
    assert found
    return unescape(found[1])


def fill(text: str, **others: str) -> dict[str, str]:
    """Return the fields of a draft."""
    return {
        "text": text,
        "change": "A change.",
        "dated_on": "2026-11-22",
        "basis": "1",
        **others,
    }


@pytest.mark.parametrize("path", [EDIT, UPLOAD, MAILS])
def test_only_editors_see_the_forms(signed_in: TestClient, path: str) -> None:
    assert signed_in.get(path).status_code == 403
    assert signed_in.post(path, data=fill("# T\n")).status_code == 403
    signed_in.cookies.clear()
    assert signed_in.get(path).status_code == 401


def test_a_text_edited_in_place_is_the_next_revision(
    editor: TestClient, database: Database
) -> None:
    text = get_text(editor.get(EDIT).text)
    assert text == read(database)[1]
    answer = editor.post(EDIT, data=fill(text.replace("kept", "held", 1)))
    assert answer.status_code == 303
    assert answer.headers["location"] == "/document/revisions/2/changes"
    assert read(database) == (2, text.replace("kept", "held", 1))


def test_one_section_is_edited_in_its_place(
    editor: TestClient, database: Database
) -> None:
    whole = read(database)[1]
    text = get_text(editor.get(f"{EDIT}?section=extensibility").text)
    assert text.startswith("### 1.4 Extensibility\n")
    sent = fill(text.replace("kept", "held"), section="extensibility")
    assert editor.post(EDIT, data=sent).status_code == 303
    assert read(database)[1] == whole.replace(
        "Features are kept", "Features are held"
    )


def test_there_is_no_other_section_to_edit(editor: TestClient) -> None:
    assert editor.get(f"{EDIT}?section=nix").status_code == 404


def test_a_preview_shows_what_would_change_and_saves_nothing(
    editor: TestClient, database: Database
) -> None:
    text = read(database)[1].replace("are kept", "are **held**", 1)
    sent = fill(text, act="preview", change="")
    page = editor.post(EDIT, data=sent)
    assert page.status_code == 200
    assert "1 of 45 sections" in page.text
    assert "<strong>held</strong>" in page.text
    part = editor.post(EDIT, data=sent, headers={"HX-Request-Type": "partial"})
    assert part.text.lstrip().startswith('<div id="preview"')
    assert read(database)[0] == 1


def test_who_was_slower_keeps_the_draft(
    editor: TestClient, database: Database
) -> None:
    text = read(database)[1]
    editor.post(EDIT, data=fill(text.replace("are kept", "are held", 1)))
    late = editor.post(EDIT, data=fill(text + "\nMine & mine.\n"))
    assert late.status_code == 409
    assert get_text(late.text).endswith("Mine & mine.\n")
    assert "Revision 2 was made by ed while you wrote" in late.text
    assert "<del>held</del><ins>kept</ins>" in late.text
    assert 'name="basis" value="2"' in late.text
    assert read(database)[0] == 2


def test_a_draft_of_a_section_that_went_is_kept_too(
    editor: TestClient, database: Database
) -> None:
    editor.post(EDIT, data=fill("# Another\n"))
    late = editor.post(
        EDIT, data=fill("### 1.4 Mine\n", section="extensibility")
    )
    assert late.status_code == 409
    assert get_text(late.text) == "### 1.4 Mine\n"
    assert "no section is called" in late.text
    assert read(database)[0] == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"text": ""}, "this must not be empty"),
        ({"text": "no heading"}, "a document without a heading"),
        ({"change": " "}, "this must not be empty"),
        ({"dated_on": "2026-13-01"}, "expected a day"),
        ({"basis": "x"}, ""),
        ({"text": "# T\n\x00"}, "U+0000"),
    ],
)
def test_what_is_wrong_is_said_and_the_draft_kept(
    editor: TestClient,
    database: Database,
    fields: dict[str, str],
    reason: str,
) -> None:
    page = editor.post(EDIT, data={**fill("# Title\n"), **fields})
    assert page.status_code == 422
    assert reason in page.text
    assert read(database)[0] == 1


def test_an_equal_text_makes_no_revision(
    editor: TestClient, database: Database
) -> None:
    page = editor.post(EDIT, data=fill(read(database)[1]))
    assert page.status_code == 422
    assert "nothing was changed" in page.text


def test_a_file_is_uploaded(editor: TestClient, database: Database) -> None:
    assert editor.get(UPLOAD).status_code == 200
    answer = editor.post(
        UPLOAD,
        data=fill(""),
        files={"file": ("rfc.md", "\ufeff# Nëw\r\n\r\nText.\r\n".encode())},
    )
    assert answer.status_code == 303
    assert read(database) == (2, "# Nëw\n\nText.\n")


def test_a_file_that_is_no_text_is_refused(editor: TestClient) -> None:
    page = editor.post(
        UPLOAD, data=fill(""), files={"file": ("rfc.md", b"# T\xff")}
    )
    assert page.status_code == 422
    assert "byte 3 is not UTF-8" in page.text


@pytest.fixture
def stored(editor: TestClient, database: Database) -> TestClient:
    """Return an editor's client of a review that holds a posted text."""
    with database.write() as session:
        messages.import_message(session, MAIL)
    return editor


def test_mails_are_read_into_the_form(stored: TestClient) -> None:
    page = stored.get(f"{MAILS}?id=spec@example.org")
    assert page.status_code == 200
    assert "2 headings" not in page.text
    assert "3 headings and 2 entries" in page.text
    assert "VMI_Strange is no call under review" in page.text
    assert get_text(page.text).startswith("# The interface\n")
    again = stored.post(
        MAILS, data={"message_ids": "<spec@example.org>", "act": "read"}
    )
    assert get_text(again.text) == get_text(page.text)


@pytest.mark.parametrize(
    ("kept_as", "place", "newest"),
    [
        ("reference", "/document/revisions/2/", 1),
        ("next", "/document/revisions/2/changes", 2),
    ],
)
def test_what_was_read_is_kept_as_chosen(
    stored: TestClient,
    database: Database,
    kept_as: str,
    place: str,
    newest: int,
) -> None:
    sent = fill(
        "# The interface\n\n## 1) Calls\n",
        message_ids="spec@example.org",
        kept_as=kept_as,
    )
    answer = stored.post(MAILS, data=sent)
    assert (answer.status_code, answer.headers["location"]) == (303, place)
    assert read(database)[0] == newest
    with database.read() as session:
        made = revisions.get_revision(session, 2)
    assert made.message_ids == ["spec@example.org"]


def test_mails_are_previewed_as_they_will_look(stored: TestClient) -> None:
    sent = fill("# The interface\n\nYes.\n", act="preview", message_ids="x")
    page = stored.post(MAILS, data=sent)
    assert page.status_code == 200
    assert "<h1>The interface</h1>" in page.text


def test_a_mail_that_is_not_stored_is_said(stored: TestClient) -> None:
    page = stored.get(f"{MAILS}?id=nix@example.org")
    assert page.status_code == 422
    assert "no mail is called" in page.text


@pytest.mark.parametrize("path", [EDIT, UPLOAD])
def test_places_are_found_before_anything_is_locked(
    database: Database,
    editor: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """Others write while a long text is compared."""
    writes: list[object] = []
    place = Carrier.place

    def look(
        carrier: Carrier, original: Anchor, chosen: Anchor | None
    ) -> Placed:
        options = carrier.session.connection().get_execution_options()
        writes.append(options.get("write"))
        return place(carrier, original, chosen)

    monkeypatch.setattr(Carrier, "place", look)
    _, text = read(database)
    answer = editor.post(path, data=fill(text.replace("cycle", "tick")))
    assert answer.status_code == 303
    assert read(database)[0] == 2
    assert writes
    assert not any(writes)


def test_a_mail_leads_an_editor_to_the_document_it_holds(
    stored: TestClient,
) -> None:
    page = stored.get("/m/spec@example.org/")
    found = re.search(r'href="([^"]+)">read as a document', page.text)
    assert found
    assert "VMI_Halt" in get_text(stored.get(unescape(found[1])).text)
    stored.cookies.clear()
    page = stored.get("/m/spec@example.org/")
    assert "read as a document" not in page.text

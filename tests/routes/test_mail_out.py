"""Answers by mail: the page that shows one, and its files."""

import mailbox
import re
from contextlib import closing
from email import message_from_bytes
from http import HTTPStatus
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.models import Annotation
from app.services import annotations, messages
from tests.factories import make_visitor

THREAD = "kleen-sti-shadow"
WRIGHT = "20060322213435.GI15997@sorel.sous-sol.org"


@pytest.fixture
def _mails(database: Database, shared: Path) -> None:
    with database.write() as session:
        for file in sorted((shared / "mail").glob("*.eml")):
            messages.import_message(session, file.read_bytes())


@pytest.mark.parametrize(
    "place",
    [f"/threads/{THREAD}.eml", f"/m/{WRIGHT}/reply.eml"],
)
@pytest.mark.usefixtures("_mails")
def test_a_file_is_a_mail_to_send(client: TestClient, place: str) -> None:
    """It is downloaded, and never kept: it bears the date of now."""
    answer = client.get(place)
    assert answer.status_code == HTTPStatus.OK
    assert answer.headers["Content-Type"] == "message/rfc822"
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(
        r'attachment; filename="reply-[a-z0-9-]+\.eml"',
        answer.headers["Content-Disposition"],
    )
    mail = message_from_bytes(answer.content)
    assert not mail.defects
    assert mail["X-Review-Thread"].startswith("http://testserver/")
    assert mail["In-Reply-To"] == mail["References"].split()[-1]
    assert mail["To"] is None


@pytest.mark.usefixtures("_mails")
def test_a_thread_as_mbox_is_a_mail_a_post(
    signed_in: TestClient, database: Database, tmp_path: Path
) -> None:
    with database.write() as session:
        eve = make_visitor(session, "eve")
        first = annotations.reply(session, eve, THREAD, "From here.\n\nFrom b")
        annotations.reply(session, eve, THREAD, "Two.", first.id)
    answer = signed_in.get(f"/threads/{THREAD}.mbox")
    assert answer.headers["Content-Type"] == "application/mbox"
    file = tmp_path / "thread.mbox"
    file.write_bytes(answer.content)
    with closing(mailbox.mbox(file, create=False)) as box:
        mails = list(box)
    assert mails[0]["Message-ID"] == f"<{first.id}@testserver>"
    assert mails[1]["In-Reply-To"] == mails[0]["Message-ID"]
    assert b"\n>From here.\n" in answer.content
    assert mails[0]["To"] == "Andi Kleen <ak@suse.de>"
    one = signed_in.get(f"/annotations/{first.id}/reply.mbox")
    assert one.content.count(b"\nMessage-ID: ") == 1


@pytest.mark.usefixtures("_mails")
def test_a_page_shows_the_answer_and_the_ways_to_send_it(
    signed_in: TestClient,
) -> None:
    link = f"/m/{WRIGHT}/reply-by-mail"
    assert f'href="{link}"' in signed_in.get(f"/m/{WRIGHT}/").text
    page = signed_in.get(link).text
    assert "&gt; Yeah, it requires guest kernel" in page
    assert f'href="/m/{WRIGHT}/reply.eml"' in page
    assert 'href="mailto:chrisw@sous-sol.org?Cc=' in page
    assert "git send-email" in page
    assert f"--in-reply-to=&lt;{WRIGHT}&gt;" in page
    assert "--to=chrisw@sous-sol.org" in page


@pytest.mark.usefixtures("_mails")
def test_readers_without_a_name_see_no_address(client: TestClient) -> None:
    page = client.get(f"/m/{WRIGHT}/reply-by-mail").text
    assert "mailto:" not in page
    assert "chrisw@" not in page
    assert "signed-in readers" in page


def test_the_page_of_a_thread_leads_to_its_answers(
    client: TestClient, database: Database
) -> None:
    """The thread's, and that of each post; both open."""
    page = client.get(f"/threads/{THREAD}").text
    with database.read() as session:
        ids = session.scalars(
            select(col(Annotation.id)).where(
                col(Annotation.document)["target"].as_string()
                == f"/threads/{THREAD}"
            )
        ).all()
    links = {f"/threads/{THREAD}/reply-by-mail"}
    links |= {f"/annotations/{id_}/reply-by-mail" for id_ in ids}
    assert len(links) > 1
    for link in links:
        assert f'href="{link}"' in page
        answer = client.get(link)
        assert answer.status_code == HTTPStatus.OK
        assert "Reply by mail" in answer.text


@pytest.mark.parametrize(
    "place",
    [
        *("/threads/nothing.eml", "/threads/nothing.mbox"),
        *("/threads/nothing/reply-by-mail", "/annotations/x/reply.eml"),
        *("/annotations/x/reply-by-mail", "/m/x@y/reply.eml"),
        *("/m/x@y/reply-by-mail", "/m/%FF/reply.mbox"),
    ],
)
def test_what_there_is_not_is_not_found(
    client: TestClient, place: str
) -> None:
    assert client.get(place).status_code == HTTPStatus.NOT_FOUND

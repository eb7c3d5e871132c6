"""Mails as stored: kept as received, told apart, tied to their threads."""

from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import InvalidError, NotFoundError
from app.models import Entry, Message
from app.services import message_bytes, message_rows, messages
from app.services.mail import get_synthetic_id

KLEEN = "200603222105.58912.ak@suse.de"
ARCHIVED = (
    b"Re: [RFC, PATCH 1/24] i386 Vmi documentation\n\n"
    b"From: Andi Kleen\nDate: Wed Mar 22 2006 - 15:58:19 EST\n\nhello\n"
)


def test_every_mail_of_the_review_is_kept_as_received(
    session: Session, shared: Path
) -> None:
    for file in sorted((shared / "mail").glob("*.eml")):
        raw = file.read_bytes()
        message = messages.import_message(session, raw)
        assert message_bytes.read_raw(session, message.message_id) == raw
        assert message_rows.get_message(session, message.message_id).html


def test_importing_again_changes_nothing(
    session: Session, shared: Path
) -> None:
    count = select(
        select(func.count()).select_from(Message).scalar_subquery(),
        select(func.max(col(Entry.seq))).scalar_subquery(),
    )
    files = sorted((shared / "mail").iterdir())
    first = [
        messages.import_message(session, f.read_bytes()).id for f in files
    ]
    before = session.execute(count).one()
    again = [
        messages.import_message(session, f.read_bytes()).id for f in files
    ]
    assert first == again
    assert session.execute(count).one() == before


def test_the_page_of_an_archive_is_the_mail_that_the_review_knows(
    session: Session, shared: Path
) -> None:
    raw = (shared / "mail" / "kleen-review.archived.txt").read_bytes()
    message = messages.import_message(session, raw)
    assert message.message_id == KLEEN
    assert message_bytes.read_raw(session, message.message_id) == raw
    detail = message_rows.get_message(session, KLEEN)
    assert len(detail.threads) == 12
    assert "kleen-sti-shadow" in {thread.slug for thread in detail.threads}


@pytest.mark.parametrize(
    "change",
    [
        (b"Andi Kleen", b"Ada Nobody"),
        (b"2006 - 15", b"2007 - 15"),
        (b"15:58:19", b"11:58:19"),
        (b"[RFC, PATCH 1/24] ", b""),  # then several mails would fit
        (b"Wed Mar 22 2006 - 15:58:19 EST", b"yesterday"),
    ],
)
def test_a_page_that_is_no_known_mail_gets_an_id_of_its_content(
    session: Session, change: tuple[bytes, bytes]
) -> None:
    raw = ARCHIVED.replace(*change)
    message = messages.import_message(session, raw)
    assert message.message_id == get_synthetic_id(raw)
    assert message_rows.get_message(session, message.message_id).threads == []


def test_an_import_is_logged_with_the_digest_of_its_bytes(
    session: Session,
) -> None:
    messages.import_message(session, ARCHIVED, actor="reviewer:ada")
    entry = session.execute(
        select(Entry).order_by(col(Entry.seq).desc()).limit(1)
    ).scalar_one()
    assert (entry.actor, entry.type, entry.subject) == (
        "reviewer:ada",
        "message.imported",
        f"message:{KLEEN}",
    )
    assert entry.data["bytes"] == len(ARCHIVED)
    assert len(entry.data["sha256"]) == 64


def test_a_refused_mail_changes_nothing(session: Session) -> None:
    with pytest.raises(InvalidError):
        messages.import_message(session, b"no mail at all")
    assert session.execute(select(Message)).first() is None


def test_mails_know_what_they_answer_and_what_answers_them(
    session: Session, shared: Path
) -> None:
    for file in sorted((shared / "mail").glob("*.eml")):
        messages.import_message(session, file.read_bytes())
    detail = message_rows.get_message(
        session, "20060322213435.GI15997@sorel.sous-sol.org"
    )
    assert detail.tree is not None
    parents = {row.id: row.message_id for row in detail.tree.rows}
    here = detail.tree.find(detail.message_id)
    assert here is not None
    assert parents[here.parent_id or 0] == KLEEN
    assert [
        row.message_id
        for row in detail.tree.rows
        if row.parent_id == detail.id
    ] == ["200603222213.45910.ak@suse.de"]
    names = [name for name, _ in detail.headers]
    assert names[0] == "From"
    assert "Received" not in names


def test_a_mail_that_is_not_here_is_not_found(session: Session) -> None:
    with pytest.raises(NotFoundError):
        message_rows.get_message(session, "x@y")
    with pytest.raises(NotFoundError):
        message_bytes.read_raw(session, "x@y")

"""Mails in the tables: new ones, further copies, better texts."""

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Attachment, Delivery, Entry, Message
from app.services import entries, message_bytes
from app.services.mail_store import Arrived, Stored, store_mails
from app.services.preparing import prepare_mail

FOOTER = (
    b"\n_______________________________________________\n"
    b"Xen-devel mailing list\nXen-devel@lists.example\n"
)
TO_LEAVE = (
    b"-\nTo unsubscribe from this list: send the line\n"
    b"the body of a message to majordomo\n"
)


def make(name: str = "1@x", text: bytes = b"hello\n", *headers: str) -> bytes:
    """Return a mail's bytes."""
    lines = [f"From: Ada <ada@b.example>\nMessage-ID: <{name}>", *headers]
    return "\n".join(lines).encode() + b"\nSubject: s\n\n" + text


def store(session: Session, *raws: bytes) -> Stored:
    """Store mails that came in one batch."""
    arrived = [Arrived(prepare_mail(raw), "f") for raw in raws]
    return store_mails(session, arrived, "program")


def list_log(session: Session) -> list[tuple[str, str]]:
    """Return what the log tells of mails."""
    rows = session.execute(
        select(col(Entry.type), col(Entry.subject))
        .where(col(Entry.subject).startswith("message:"))
        .order_by(col(Entry.seq))
    )
    return [(row[0], row[1]) for row in rows]


def get(session: Session, name: str) -> Message:
    """Return a message."""
    return session.execute(
        select(Message).where(col(Message.message_id) == name)
    ).scalar_one()


def test_a_mail_is_stored_as_it_was_read(session: Session) -> None:
    raw = make("1@x", b"hello\n", "References: <0@x>", "List-Id: <l.x>")
    assert store(session, raw).imported == 1
    message = get(session, "1@x")
    assert (message.subject, message.base_subject) == ("s", "S")
    assert message.references == ["0@x"]
    assert message.body == "hello\n"
    assert "hello" in message.html
    assert message.defects == ["no date that can be read"]
    assert message.conversation_id is not None
    delivery = session.execute(select(Delivery)).scalar_one()
    assert (delivery.raw, delivery.size) == (raw, len(raw))
    assert (delivery.source, delivery.list_id) == ("f", "l.x")
    assert list_log(session) == [("message.imported", "message:1@x")]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    "other",
    [
        make("1@x", b"hello\n", "List-Id: <xen.example>"),
        make("1@x", b"hello\n" + FOOTER),
        make("1@x", b"hello\n" + TO_LEAVE),
        make("1@x", b"hello  \r\n\r\n"),
        make(
            "1@x",
            b"aGVsbG8=\n",
            "Content-Transfer-Encoding: base64",
        ),
    ],
)
def test_the_same_text_under_the_same_id_is_another_delivery(
    session: Session, other: bytes, together: bool
) -> None:
    """Lists change headers, encodings and what stands below the text."""
    first = make()
    if together:
        stored = store(session, first, other)
        assert (stored.imported, stored.deliveries) == (1, 1)
    else:
        store(session, first)
        stored = store(session, other)
        assert (stored.imported, stored.deliveries) == (0, 1)
    assert len(session.scalars(select(Message)).all()) == 1
    raws = session.scalars(
        select(col(Delivery.raw)).order_by(col(Delivery.id))
    )
    assert raws.all() == [first, other]
    assert message_bytes.read_raw(session, "1@x") == first
    assert list_log(session) == [
        ("message.imported", "message:1@x"),
        ("delivery.received", "message:1@x"),
    ]


@pytest.mark.parametrize("together", [True, False])
def test_another_text_under_the_same_id_is_another_mail(
    session: Session, together: bool
) -> None:
    """It gets an id of its content, and copies of it go there too."""
    other = make("1@x", b"something else\n")
    copy = make("1@x", b"something else\n" + FOOTER)
    if together:
        stored = store(session, make(), other, copy)
    else:
        store(session, make())
        store(session, other)
        stored = store(session, copy)
    synthetic = stored.message_ids[-1]
    assert synthetic.endswith("@archive.invalid")
    message = get(session, synthetic)
    assert message.body == "something else\n"
    assert "another mail has its Message-ID 1@x" in message.defects
    assert get(session, "1@x").body == "hello\n"
    assert len(session.scalars(select(Message)).all()) == 2
    assert store(session, other, copy).known == 2


def test_mails_without_text_are_told_apart_by_their_subject(
    session: Session,
) -> None:
    other = make("1@x", b"").replace(b"Subject: s", b"Subject: other")
    stored = store(session, make("1@x", b""), other)
    assert (stored.imported, stored.deliveries) == (2, 0)


def test_a_mail_without_an_id_gets_one_of_its_content(
    session: Session,
) -> None:
    raw = b"From: a@b.example\nSubject: s\n\nhello\n"
    copy = b"Received: here\n" + raw
    stored = store(session, raw, copy)
    assert (stored.imported, stored.deliveries) == (1, 1)
    assert len(set(stored.message_ids)) == 1
    defects = get(session, stored.message_ids[0]).defects
    assert "no Message-ID that can be read" in defects


def test_the_same_bytes_are_known(session: Session) -> None:
    stored = store(session, make(), make())
    assert (stored.imported, stored.known) == (1, 1)
    before = entries.get_head(session)
    stored = store(session, make())
    assert (stored.known, stored.message_ids) == (1, ["1@x"])
    assert not stored.row_ids
    assert entries.get_head(session) == before


def test_a_mail_takes_the_place_of_an_archives_page(
    session: Session, shared: Path
) -> None:
    """The mail's text is shown and its bytes are served; the page stays."""
    folder = shared / "mail"
    page = (folder / "kleen-review.archived.txt").read_bytes()
    raw = (folder / "2006-03-22-kleen-re-01-24-documentation.eml").read_bytes()
    (name,) = store(session, page).message_ids
    row_id = get(session, name).id
    assert message_bytes.read_raw(session, name) == page
    session.get_one(Message, row_id).aligned_to = 1
    stored = store(session, raw)
    session.expire_all()
    assert stored.message_ids == [name]
    assert (stored.imported, stored.deliveries) == (0, 1)
    assert stored.row_ids == [row_id]
    message = get(session, name)
    assert message.in_reply_to is not None
    assert message.sender == "Andi Kleen <ak@suse.de>"
    assert message.aligned_to is None
    assert message_bytes.read_raw(session, name) == raw
    archived = session.scalars(
        select(col(Delivery.is_archived)).order_by(col(Delivery.id))
    )
    assert archived.all() == [True, False]
    assert list_log(session) == [
        ("message.imported", f"message:{name}"),
        ("message.replaced", f"message:{name}"),
    ]


@pytest.mark.parametrize("together", [True, False])
def test_an_archives_page_of_a_stored_mail_is_a_delivery(
    session: Session, together: bool
) -> None:
    """It is found by sender, subject and date, whichever comes first."""
    raw = make("1@x", b"hello\n", "Date: Wed, 22 Mar 2006 20:05:56 +0000")
    page = b"s\n\nFrom: Ada\nDate: Wed Mar 22 2006 - 15:58:19 EST\n\nhell\n"
    if together:
        stored = store(session, page, raw)
    else:
        store(session, raw)
        stored = store(session, page)
    assert stored.deliveries == 1
    assert set(stored.message_ids) == {"1@x"}
    assert get(session, "1@x").body == "hello\n"
    assert message_bytes.read_raw(session, "1@x") == raw


def test_nobody_elses_mail_takes_the_place_of_a_page(
    session: Session,
) -> None:
    page = (
        b"s\n\nFrom: Bob\nDate: Wed Mar 22 2006 - 15:58:19 EST\n"
        b"Message-ID: <1@x>\n\nhello\n"
    )
    stored = store(session, page)
    assert stored.message_ids == ["1@x"]
    assert store(session, make()).message_ids != ["1@x"]
    assert get(session, "1@x").sender == "Bob"


def test_attachments_are_listed_once(session: Session) -> None:
    raw = make(
        "1@x",
        b"--b\n\ntext\n--b\nContent-Type: image/png; name=x.png\n\nabc\n--b--",
        "Content-Type: multipart/mixed; boundary=b",
    )
    store(session, raw, b"X-Copy: 2\n" + raw)
    (attachment,) = session.scalars(select(Attachment)).all()
    assert (attachment.position, attachment.name) == (1, "x.png")
    assert (attachment.media_type, attachment.size) == ("image/png", 3)


def test_the_log_holds_after_many_mails(session: Session) -> None:
    store(session, *(make(f"{n}@x") for n in range(50)))
    assert entries.verify(session) is None

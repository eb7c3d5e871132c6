"""Messages: mails as received, kept with their bytes.

A page of an archive names no message id. It gets the id of the one mail that
the review knows of this sender, sent in the hours before the archive's date
and not about another patch; otherwise one made of its content.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import or_, select, union
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Annotation, Delivery, Message, Person, Thread, get_id
from app.services.entries import append_entry, take_turn
from app.services.mail import ParsedMail, get_synthetic_id, parse_mail
from app.services.quotation import render_mail
from app.services.reviewers import PROGRAM
from app.services.sections import make_slug

# archives show when a mail arrived; the sender's clock was up to an hour slow
BEFORE_ARRIVAL = timedelta(hours=3)
AFTER_ARRIVAL = timedelta(minutes=10)
SHOWN_HEADERS = (
    *("from", "to", "cc", "date", "subject", "message-id"),
    *("in-reply-to", "references", "list-id", "x-mailing-list"),
)
ID_HEADERS = frozenset({"message-id", "in-reply-to", "references"})
logger = structlog.get_logger()

_PATCH = re.compile(r"\bpatch (\d+/\d+)", re.IGNORECASE)


class ThreadLink(NamedTuple):
    """A thread that came from a mail, in whole or in part."""

    slug: str
    title: str


class MessageLink(NamedTuple):
    """Another mail that is stored here."""

    message_id: str
    subject: str
    sender: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDetail:
    """A mail as its page shows it."""

    message_id: str
    subject: str
    sender: str
    sent_at: datetime | None
    in_reply_to: str | None
    headers: Sequence[tuple[str, str]]
    html: str
    threads: Sequence[ThreadLink]
    parent: MessageLink | None
    replies: Sequence[MessageLink]


def import_message(
    session: Session, raw: bytes, *, actor: str = PROGRAM
) -> Message:
    """Store a mail as received; one that is stored already stays as it is.

    Raises
    ------
    InvalidError
        When it is no mail, or more than is taken; it says why.
    """
    mail = parse_mail(raw)
    take_turn(session)
    message_id = (
        mail.message_id
        or _find_known_id(session, mail)
        or get_synthetic_id(raw)
    )
    stored = session.execute(
        select(Message).where(col(Message.message_id) == message_id)
    ).scalar_one_or_none()
    if stored is not None:
        return stored
    message = Message(
        message_id=message_id,
        subject=mail.subject,
        sender=mail.sender,
        sent_at=mail.sent_at,
        base_subject="",
        is_reply=False,
        in_reply_to=mail.in_reply_to,
        references=[],
        headers=[[name, value] for name, value in mail.headers],
        trailers=[],
        defects=[],
        charset=mail.charset,
        body=mail.body,
        html=render_mail(mail.body),
        imported_at=datetime.now(UTC),
    )
    session.add(message)
    session.flush()
    delivery = Delivery(
        message_row_id=get_id(message),
        sha256=hashlib.sha256(raw).hexdigest(),
        list_id=mail.list_id,
        source="",
        size=len(raw),
        raw=raw,
        imported_at=message.imported_at,
    )
    session.add(delivery)
    session.flush()
    append_entry(
        session,
        actor,
        "message.imported",
        f"message:{message_id}",
        {
            "subject": mail.subject,
            "sha256": hashlib.sha256(raw).hexdigest(),
            "bytes": len(raw),
            "charset": mail.charset,
        },
    )
    logger.info("message_imported", message_id=message_id)
    return message


def _find_known_id(session: Session, mail: ParsedMail) -> str | None:
    """Return the id of the one mail that the review knows this to be."""
    if mail.sent_at is None:
        return None
    sender = make_slug(re.sub(r"<.*>", "", mail.sender))
    within = (mail.sent_at - BEFORE_ARRIVAL, mail.sent_at + AFTER_ARRIVAL)
    opened = (
        select(col(Thread.message_id), col(Thread.passage))
        .join(Person, col(Person.id) == col(Thread.person_id))
        .where(
            col(Person.slug) == sender, col(Thread.opened_at).between(*within)
        )
    )
    answered = (
        select(col(Annotation.message_id), col(Thread.passage))
        .join(Thread, col(Thread.id) == col(Annotation.thread_id))
        .join(Person, col(Person.id) == col(Annotation.person_id))
        .where(
            col(Person.slug) == sender,
            col(Annotation.created_at).between(*within),
        )
    )
    rows = session.execute(union(opened, answered)).all()
    about = set(_PATCH.findall(mail.subject))
    others = {
        message_id
        for message_id, passage in rows
        if about and set(_PATCH.findall(passage or "")) - about
    }
    known = {row[0] for row in rows if row[0] is not None} - others
    return known.pop() if len(known) == 1 else None


def get_message(session: Session, message_id: str) -> MessageDetail:
    """Return a stored mail with the threads and mails around it."""
    row = session.execute(
        select(
            col(Message.message_id),
            col(Message.subject),
            col(Message.sender),
            col(Message.sent_at),
            col(Message.in_reply_to),
            col(Message.headers),
            col(Message.html),
        ).where(col(Message.message_id) == message_id)
    ).first()
    if row is None:
        raise NotFoundError("mail", message_id)
    near = _list_near(session, message_id, row[4])
    return MessageDetail(
        message_id=row[0],
        subject=row[1],
        sender=row[2],
        sent_at=row[3],
        in_reply_to=row[4],
        headers=_choose_headers(row[5]),
        html=row[6],
        threads=_list_threads(session, message_id),
        parent=next((m for m in near if m.message_id == row[4]), None),
        replies=[m for m in near if m.message_id != row[4]],
    )


def _choose_headers(
    headers: Sequence[Sequence[str]],
) -> list[tuple[str, str]]:
    shown = [(h[0], h[1]) for h in headers if h[0].lower() in SHOWN_HEADERS]
    return sorted(shown, key=lambda h: SHOWN_HEADERS.index(h[0].lower()))


def _list_threads(session: Session, message_id: str) -> list[ThreadLink]:
    answered = select(col(Annotation.thread_id)).where(
        col(Annotation.message_id) == message_id
    )
    rows = session.execute(
        select(col(Thread.slug), col(Thread.title))
        .where(
            or_(
                col(Thread.message_id) == message_id,
                col(Thread.id).in_(answered),
            )
        )
        .order_by(col(Thread.position))
    )
    return [ThreadLink(row[0], row[1]) for row in rows]


def _list_near(
    session: Session, message_id: str, parent: str | None
) -> list[MessageLink]:
    rows = session.execute(
        select(
            col(Message.message_id),
            col(Message.subject),
            col(Message.sender),
            col(Message.sent_at),
        )
        .where(
            or_(
                col(Message.in_reply_to) == message_id,
                col(Message.message_id) == parent,
            )
        )
        .order_by(col(Message.sent_at), col(Message.id))
    )
    return [MessageLink(row[0], row[1], row[2], row[3]) for row in rows]


def read_raw(session: Session, message_id: str) -> bytes:
    """Return a mail's bytes as they came."""
    raw = session.execute(
        select(col(Delivery.raw))
        .join(Message, col(Message.id) == col(Delivery.message_row_id))
        .where(col(Message.message_id) == message_id)
        .order_by(col(Delivery.id))
        .limit(1)
    ).scalar_one_or_none()
    if raw is None:
        raise NotFoundError("mail", message_id)
    return raw

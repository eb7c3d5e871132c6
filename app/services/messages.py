"""Messages: mails as received, kept with their bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Annotation, Message, Thread
from app.services.mail_store import Arrived, store_mails
from app.services.preparing import prepare_mail
from app.services.reviewers import PROGRAM

SHOWN_HEADERS = (
    *("from", "to", "cc", "date", "subject", "message-id"),
    *("in-reply-to", "references", "list-id", "x-mailing-list"),
)
ID_HEADERS = frozenset({"message-id", "in-reply-to", "references"})


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
    session: Session, raw: bytes, *, actor: str = PROGRAM, source: str = ""
) -> Message:
    """Store a mail as received; one that is stored already stays as it is.

    Raises
    ------
    InvalidError
        When it is no mail, or more than is taken; it says why.
    """
    arrived = Arrived(prepare_mail(raw), source)
    (message_id,) = store_mails(session, [arrived], actor).message_ids
    return session.execute(
        select(Message).where(col(Message.message_id) == message_id)
    ).scalar_one()


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

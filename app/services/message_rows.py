"""Messages as they are read: one mail with all that belongs to it.

What a page shows was rendered when the mail was stored; here it is found,
with what stands around it. Nothing is hidden here: that is the pages' part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import (
    Annotation,
    Attachment,
    Call,
    Delivery,
    Message,
    Quote,
    QuoteState,
    Section,
    Thread,
)
from app.services.conversation_rows import Tree, read_tree

SHOWN_HEADERS = (
    *("from", "to", "cc", "date", "subject", "message-id"),
    *("in-reply-to", "references", "list-id", "x-mailing-list"),
    *("reply-to", "sender", "archived-at", "user-agent", "x-mailer"),
)
MOST_NEAR = 5
CHUNK = 500
"""How many ids one statement asks for."""


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


class ClauseLink(NamedTuple):
    """A clause that a mail quotes; `call` is the call's name, if of one."""

    anchor: str
    number: str
    title: str
    call: str | None


class DeliveryRow(NamedTuple):
    """One copy of a mail: which list or file it came by."""

    sha256: str
    list_id: str | None
    archived_at: str | None
    source: str
    size: int


class AttachmentRow(NamedTuple):
    """A part that is kept and not shown."""

    position: int
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDetail:
    """A mail as its page shows it."""

    id: int
    message_id: str
    subject: str
    sender: str
    sent_at: datetime | None
    in_reply_to: str | None
    headers: Sequence[tuple[str, str]]
    trailers: Sequence[Sequence[str]]
    defects: Sequence[str]
    html: str
    conversation_id: int | None
    threads: Sequence[ThreadLink]
    clauses: Sequence[ClauseLink]
    deliveries: Sequence[DeliveryRow]
    attachments: Sequence[AttachmentRow]
    tree: Tree | None


def get_message(session: Session, message_id: str) -> MessageDetail:
    """Return a stored mail with the threads and mails around it."""
    row = session.execute(
        select(
            col(Message.id),
            col(Message.message_id),
            col(Message.subject),
            col(Message.sender),
            col(Message.sent_at),
            col(Message.in_reply_to),
            col(Message.headers),
            col(Message.trailers),
            col(Message.defects),
            col(Message.html),
            col(Message.conversation_id),
        ).where(col(Message.message_id) == message_id)
    ).first()
    if row is None:
        raise NotFoundError("mail", message_id)
    return MessageDetail(
        id=row[0] or 0,
        message_id=row[1],
        subject=row[2],
        sender=row[3],
        sent_at=row[4],
        in_reply_to=row[5],
        headers=_choose_headers(row[6]),
        trailers=row[7],
        defects=row[8],
        html=row[9],
        conversation_id=row[10],
        threads=_list_threads(session, message_id),
        clauses=_list_clauses(session, row[0] or 0),
        deliveries=_list_deliveries(session, row[0] or 0),
        attachments=_list_attachments(session, row[0] or 0),
        tree=None if row[10] is None else read_tree(session, row[10]),
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
    return [ThreadLink(*row) for row in rows]


def _list_clauses(session: Session, id_: int) -> list[ClauseLink]:
    """Return the clauses that a mail's quotes are surely from, each once."""
    rows = session.execute(
        select(
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
            col(Call.name),
        )
        .select_from(Quote)
        .join(Section, col(Section.id) == col(Quote.section_id))
        .outerjoin(Call, col(Call.id) == col(Quote.call_id))
        .where(
            col(Quote.message_row_id) == id_,
            col(Quote.state) == QuoteState.decided,
        )
        .order_by(col(Quote.position))
    )
    return [*dict.fromkeys(ClauseLink(*row) for row in rows)]


def _list_deliveries(session: Session, id_: int) -> list[DeliveryRow]:
    rows = session.execute(
        select(
            col(Delivery.sha256),
            col(Delivery.list_id),
            col(Delivery.archived_at),
            col(Delivery.source),
            col(Delivery.size),
        )
        .where(col(Delivery.message_row_id) == id_)
        .order_by(col(Delivery.id))
    )
    return [DeliveryRow(*row) for row in rows]


def _list_attachments(session: Session, id_: int) -> list[AttachmentRow]:
    rows = session.execute(
        select(
            col(Attachment.position),
            col(Attachment.name),
            col(Attachment.media_type),
            col(Attachment.size),
        )
        .where(col(Attachment.message_row_id) == id_)
        .order_by(col(Attachment.position))
    )
    return [AttachmentRow(*row) for row in rows]


def find_conversation(session: Session, message_id: str) -> int | None:
    """Return the number of a mail's conversation; None before it has one."""
    row = session.execute(
        select(col(Message.conversation_id)).where(
            col(Message.message_id) == message_id
        )
    ).first()
    if row is None:
        raise NotFoundError("mail", message_id)
    number: int | None = row[0]
    return number


def list_stored_ids(session: Session, ids: Iterable[str]) -> set[str]:
    """Return which of these ids are those of stored mails."""
    wanted = sorted(set(ids))
    stored: set[str] = set()
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        stored |= set(
            session.execute(
                select(col(Message.message_id)).where(
                    col(Message.message_id).in_(chunk)
                )
            ).scalars()
        )
    return stored


def find_near(session: Session, message_id: str) -> list[MessageLink]:
    """Return mails whose id is like this one, or that answer it."""
    name = message_id.strip(" <>\t").removesuffix("/")
    local = name.partition("@")[0]
    folded = func.lower(col(Message.message_id))
    rows = session.execute(
        select(
            col(Message.message_id),
            col(Message.subject),
            col(Message.sender),
            col(Message.sent_at),
        )
        .where(
            or_(
                folded == name.lower(),
                folded.startswith(local.lower(), autoescape=True),
            )
            if len(local) >= MOST_NEAR
            else folded == name.lower()
        )
        .order_by(folded)
        .limit(MOST_NEAR)
    )
    return [MessageLink(*row) for row in rows]


def list_answers(session: Session, message_id: str) -> list[MessageLink]:
    """Return mails that name one as their parent, which may be missing."""
    rows = session.execute(
        select(
            col(Message.message_id),
            col(Message.subject),
            col(Message.sender),
            col(Message.sent_at),
        )
        .where(col(Message.in_reply_to) == message_id)
        .order_by(col(Message.sent_at), col(Message.id))
        .limit(MOST_NEAR)
    )
    return [MessageLink(*row) for row in rows]

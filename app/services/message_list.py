"""Messages as a list: narrowed by list, sender, time, conversation."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Attachment, Conversation, Delivery, Message
from app.services.message_rows import AttachmentRow
from app.services.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which mails a list shows; None leaves a part open.

    `sender` is a part of the From header; without `by_address` one of what
    precedes its `@`, so that nobody finds out the rest by asking for it.
    """

    list_id: str | None = None
    sender: str | None = None
    by_address: bool = False
    since: datetime | None = None
    until: datetime | None = None
    conversation_id: int | None = None
    has_attachments: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A mail as a list shows it; `parent` may be one that never came."""

    id: int
    message_id: str
    parent: str | None
    parent_guessed: bool
    root: str | None
    sender: str
    sent_at: datetime | None
    subject: str
    lists: Sequence[str]
    attachments: Sequence[AttachmentRow]


def list_messages(
    session: Session, wanted: Wanted, window: Window
) -> list[MessageRow]:
    """Return mails in the order they were imported; a window of ids."""
    query = _select().where(*_narrow(wanted))
    return window.arrange(_read(session, window.cut(query, col(Message.id))))


def get_row(session: Session, message_id: str) -> MessageRow:
    """Return one mail as a list shows it."""
    query = _select().where(col(Message.message_id) == message_id)
    rows = _read(session, query)
    if not rows:
        raise NotFoundError("mail", message_id)
    return rows[0]


def read_body(session: Session, id_: int) -> str:
    """Return the text of a mail."""
    return session.execute(
        select(col(Message.body)).where(col(Message.id) == id_)
    ).scalar_one()


def _select() -> Select[
    int | None,
    str,
    str,
    str | None,
    bool,
    str,
    str,
    datetime | None,
    str,
]:
    parent = aliased(Message)
    return (
        select(
            col(Message.id),
            col(Message.message_id),
            func.coalesce(col(parent.message_id), ""),
            col(Message.in_reply_to),
            col(Message.is_parent_guessed),
            func.coalesce(col(Conversation.root), ""),
            col(Message.sender),
            col(Message.sent_at),
            col(Message.subject),
        )
        .outerjoin(parent, col(parent.id) == col(Message.parent_id))
        .outerjoin(
            Conversation,
            col(Conversation.id) == col(Message.conversation_id),
        )
    )


def _narrow(wanted: Wanted) -> list[ColumnElement[bool]]:
    parts: list[ColumnElement[bool]] = []
    if wanted.list_id is not None:
        parts.append(
            exists().where(
                col(Delivery.message_row_id) == col(Message.id),
                func.lower(col(Delivery.list_id)).contains(
                    wanted.list_id.lower(), autoescape=True
                ),
            )
        )
    if wanted.sender is not None:
        pattern = _escape(wanted.sender.lower())
        pattern = f"%{pattern}%" if wanted.by_address else f"%{pattern}%@%"
        parts.append(func.lower(col(Message.sender)).like(pattern, escape="/"))
    if wanted.since is not None:
        parts.append(col(Message.sent_at) >= wanted.since)
    if wanted.until is not None:
        parts.append(col(Message.sent_at) < wanted.until)
    if wanted.conversation_id is not None:
        parts.append(col(Message.conversation_id) == wanted.conversation_id)
    if wanted.has_attachments is not None:
        has = exists().where(col(Attachment.message_row_id) == col(Message.id))
        parts.append(has if wanted.has_attachments else ~has)
    return parts


def _escape(text: str) -> str:
    return text.replace("/", "//").replace("%", "/%").replace("_", "/_")


def _read(
    session: Session,
    query: Select[
        int | None,
        str,
        str,
        str | None,
        bool,
        str,
        str,
        datetime | None,
        str,
    ],
) -> list[MessageRow]:
    rows = session.execute(query).all()
    ids = [row[0] or 0 for row in rows]
    lists = _list_lists(session, ids)
    attachments = _list_attachments(session, ids)
    return [
        MessageRow(
            id=row[0] or 0,
            message_id=row[1],
            parent=row[2] or row[3],
            parent_guessed=row[4],
            root=row[5] or None,
            sender=row[6],
            sent_at=row[7],
            subject=row[8],
            lists=lists.get(row[0] or 0, ()),
            attachments=attachments.get(row[0] or 0, ()),
        )
        for row in rows
    ]


def _list_lists(
    session: Session, ids: Sequence[int]
) -> Mapping[int, Sequence[str]]:
    rows = session.execute(
        select(col(Delivery.message_row_id), col(Delivery.list_id))
        .where(
            col(Delivery.message_row_id).in_(ids),
            col(Delivery.list_id).is_not(None),
        )
        .order_by(col(Delivery.id))
    )
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for number, list_id in rows:
        found[number][list_id or ""] = None
    return {number: list(names) for number, names in found.items()}


def _list_attachments(
    session: Session, ids: Sequence[int]
) -> Mapping[int, Sequence[AttachmentRow]]:
    rows = session.execute(
        select(
            col(Attachment.message_row_id),
            col(Attachment.position),
            col(Attachment.name),
            col(Attachment.media_type),
            col(Attachment.size),
        )
        .where(col(Attachment.message_row_id).in_(ids))
        .order_by(col(Attachment.position))
    )
    found: dict[int, list[AttachmentRow]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(AttachmentRow(row[1], row[2], row[3], row[4]))
    return found

"""Bytes of mails: as sent, of a whole conversation, of one attachment.

Of several copies the first speaks for a mail; the page of an archive does so
only where there is no other.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ScalarSelect, Select, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Attachment, Delivery, Message
from app.services.mail import read_leaf
from app.services.message_rows import AttachmentRow

SENT_AT_ONCE = 50


class Sent(NamedTuple):
    """A mail's bytes with what readers without a name get in their place."""

    message_id: str
    position: int
    sender: str
    sent_at: datetime | None
    raw: bytes
    body: str


def read_sent(
    session: Session, message_id: str, sha256: str | None = None
) -> Sent:
    """Return the bytes of a mail's first delivery, or of the one named."""
    condition = col(Delivery.id) == select_first_delivery()
    if sha256 is not None:
        condition = col(Delivery.sha256) == sha256
    row = session.execute(
        _select_sent().where(col(Message.message_id) == message_id, condition)
    ).first()
    if row is None and sha256 is not None:
        raise NotFoundError("delivery", sha256)
    if row is None:
        raise NotFoundError("mail", message_id)
    return Sent(*row)


def read_raw(session: Session, message_id: str) -> bytes:
    """Return a mail's bytes as they came."""
    return read_sent(session, message_id).raw


def select_first_delivery() -> ScalarSelect[int | None]:
    """Return the number of the copy that speaks for a mail, as a subquery."""
    copy = aliased(Delivery)
    return (
        select(col(copy.id))
        .where(col(copy.message_row_id) == col(Message.id))
        .order_by(col(copy.is_archived), col(copy.id))
        .limit(1)
        .correlate(Message)
        .scalar_subquery()
    )


def list_sent(
    session: Session, conversation_id: int, after: int
) -> list[Sent]:
    """Return some mails of a conversation as sent, past a position."""
    rows = session.execute(
        _select_sent()
        .where(
            col(Message.conversation_id) == conversation_id,
            col(Message.position) > after,
            col(Delivery.id) == select_first_delivery(),
        )
        .order_by(col(Message.position))
        .limit(SENT_AT_ONCE)
    )
    return [Sent(*row) for row in rows]


def _select_sent() -> Select[str, int, str, datetime | None, bytes, str]:
    return select(
        col(Message.message_id),
        col(Message.position),
        col(Message.sender),
        col(Message.sent_at),
        col(Delivery.raw),
        col(Message.body),
    ).join(Delivery, col(Delivery.message_row_id) == col(Message.id))


class Part(NamedTuple):
    """An attachment with its bytes."""

    row: AttachmentRow
    content: bytes


def read_attachment(session: Session, message_id: str, position: int) -> Part:
    """Return a part of a mail that is kept and not shown."""
    row = session.execute(
        select(
            col(Attachment.position),
            col(Attachment.name),
            col(Attachment.media_type),
            col(Attachment.size),
        )
        .join(Message, col(Message.id) == col(Attachment.message_row_id))
        .where(
            col(Message.message_id) == message_id,
            col(Attachment.position) == position,
        )
    ).first()
    if row is None:
        raise NotFoundError("attachment", str(position))
    content = read_leaf(read_sent(session, message_id).raw, position)
    if content is None:
        raise NotFoundError("attachment", str(position))
    return Part(AttachmentRow(*row), content)

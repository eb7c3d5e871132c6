"""Mail on its way out: an mbox of mails as they came.

An mbox is written as mboxrd: a line of a mail that would part two mails gains
a `>`, and so does one that has such marks already; what reads it takes one
away. So each mail comes back byte for byte, but for a missing last line feed.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Delivery, Message
from app.services.message_bytes import select_first_delivery

NOBODY = "MAILER-DAEMON"  # as an mbox says that the sender is not known
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BATCH = 100
LONGEST_SENDER = 1000

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_SENDER = re.compile(r"[!-~]{1,200}")


class Copy(NamedTuple):
    """A mail's bytes, from whom they came, and when."""

    raw: bytes
    sender: str
    at: datetime | None


def write_mboxrd(copies: Iterable[Copy]) -> Iterator[bytes]:
    """Give an mbox, a mail a piece; nothing is kept from mail to mail."""
    for copy in copies:
        yield _write_separator(copy) + escape_from(copy.raw) + b"\n"


def _write_separator(copy: Copy) -> bytes:
    sender = copy.sender if _SENDER.fullmatch(copy.sender) else NOBODY
    at = (copy.at or EPOCH).astimezone(UTC)
    # as C's asctime; strftime would take the day's name from the locale
    return f"From {sender} {at.ctime()}\n".encode()


def escape_from(raw: bytes) -> bytes:
    """Return a mail with its `From ` lines marked, and its last line ended."""
    marked = _FROM.sub(rb">\1", raw)
    return marked if marked.endswith(b"\n") else marked + b"\n"


def read_copies(
    session: Session, message_id: str | None = None
) -> Iterator[Copy]:
    """Give each mail as it came: all, or one mail's conversation.

    A conversation comes from the top down, all mails in the order in which
    they were stored; a batch at a time, so that memory does not grow.
    """
    place: tuple[Any, ...] = (col(Message.id),)
    condition = col(Message.id) > 0
    if message_id is not None:
        place = (col(Message.position), *place)
        condition = _choose_conversation(session, message_id)
    chosen = (
        select(
            *place,
            col(Delivery.raw),
            col(Message.sender),
            col(Message.sent_at),
        )
        .join(Delivery, col(Delivery.id) == select_first_delivery())
        .where(condition)
        .order_by(*place)
        .limit(BATCH)
    )
    rows = session.execute(chosen).all()
    while rows:
        for row in rows:
            raw, sender, at = row[-3:]
            yield Copy(raw, _get_address(sender), at)
        after = tuple_(*place) > tuple_(*rows[-1][: len(place)])
        rows = session.execute(chosen.where(after)).all()


def _choose_conversation(
    session: Session, message_id: str
) -> ColumnElement[bool]:
    row = session.execute(
        select(col(Message.id), col(Message.conversation_id)).where(
            col(Message.message_id) == message_id
        )
    ).first()
    if row is None:
        raise NotFoundError("mail", message_id)
    if row[1] is None:  # not yet tied to its conversation
        return col(Message.id) == row[0]
    return col(Message.conversation_id) == row[1]


def _get_address(sender: str) -> str:
    return parseaddr(sender[:LONGEST_SENDER])[1] or NOBODY

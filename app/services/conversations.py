"""Conversations: the list of them, and what editors say of guesses.

How mails are put into them is `linking`'s; how one is read,
`conversation_rows`'.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

import structlog
from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import Conversation, Message
from app.services.entries import append_entry, take_turn
from app.services.linking import relink
from app.services.reviewers import Visitor
from app.services.trailers import get_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

logger = structlog.get_logger()


class Mark(NamedTuple):
    """A place in the list: what comes after it is older."""

    last_at: datetime
    id: int

    def __str__(self) -> str:
        """Write it as an address has it."""
        return f"{(self.last_at - EPOCH) // MICROSECOND}.{self.id}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read it from an address, or refuse it."""
        moment, _, number = text.partition(".")
        try:
            return cls(EPOCH + int(moment) * MICROSECOND, int(number))
        except (ValueError, OverflowError) as error:
            raise InvalidError(
                "this is no place in the list of conversations",
                Fault("/after", "expected what a link to the next page has"),
            ) from error


class ConversationRow(NamedTuple):
    """A conversation in the list; `message_id` is its first mail's."""

    id: int
    subject: str
    message_count: int
    started_at: datetime
    last_at: datetime
    message_id: str
    sender: str

    @property
    def name(self) -> str:
        """Return who began it, which is no address."""
        return get_name(self.sender)

    @property
    def mark(self) -> Mark:
        """Return its place in the list."""
        return Mark(self.last_at, self.id)


class Totals(NamedTuple):
    """How much there is of all conversations."""

    conversations: int
    messages: int


def list_conversations(
    session: Session, *, limit: int, after: Mark | None = None
) -> Sequence[ConversationRow]:
    """Return conversations, those with the newest mails first."""
    place = (col(Conversation.last_at), col(Conversation.id))
    page = select(
        *(col(Conversation.id), col(Conversation.subject)),
        *(col(Conversation.message_count), col(Conversation.started_at)),
        col(Conversation.last_at),
    )
    if after is not None:
        page = page.where(tuple_(*place) < tuple_(*after))
    # cut before their mails are looked for: SQLite would go through all mails
    cut_off = page.order_by(*(part.desc() for part in place)).limit(limit)
    chosen = cut_off.subquery()
    newest = (
        select(chosen, col(Message.message_id), col(Message.sender))
        .join(
            Message,
            (col(Message.conversation_id) == chosen.c.id)
            & (col(Message.position) == 0),
        )
        .order_by(chosen.c.last_at.desc(), chosen.c.id.desc())
    )
    rows: Sequence[Any] = session.execute(newest).all()
    return [ConversationRow(*row) for row in rows]


def count_conversations(session: Session) -> Totals:
    """Return how many conversations there are, and mails in them."""
    row = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(col(Conversation.message_count)), 0),
        ).select_from(Conversation)
    ).one()
    return Totals(row[0], row[1])


def cut(session: Session, visitor: Visitor, message_id: str) -> None:
    """Take a mail out of the conversation that its subject put it into.

    What answers the mail goes with it, and no subject joins it again.

    Raises
    ------
    ConflictError
        When the mail is where it is for another reason than its subject.
    """
    take_turn(session)
    found = _find_link(session, message_id)
    if not found.is_guessed:
        raise ConflictError(
            "only what is joined by its subject alone can be cut off"
        )
    _set_cut(session, found, is_cut=True)
    data = {"parent": found.parent, "subject": found.subject}
    _tell(session, visitor, "conversation.cut", message_id, data)


def join(session: Session, visitor: Visitor, message_id: str) -> None:
    """Take a cut back, so that the mail's subject may join it again.

    Raises
    ------
    ConflictError
        When the mail was not cut off.
    """
    take_turn(session)
    found = _find_link(session, message_id)
    if not found.is_cut:
        raise ConflictError("this mail was not cut off")
    _set_cut(session, found, is_cut=False)
    now = _find_link(session, message_id)
    data = {"parent": now.parent, "subject": now.subject}
    _tell(session, visitor, "conversation.joined", message_id, data)


class _Link(NamedTuple):
    """How a mail hangs where it is; `parent` is the id of the mail above."""

    id: int
    conversation_id: int
    subject: str
    is_guessed: bool
    is_cut: bool
    parent: str | None


def _find_link(session: Session, message_id: str) -> _Link:
    above = aliased(Message)
    row: Any = session.execute(
        select(
            *(col(Message.id), col(Message.conversation_id)),
            *(col(Message.subject), col(Message.is_parent_guessed)),
            *(col(Message.is_cut), col(above.message_id)),
        )
        .outerjoin(above, col(above.id) == col(Message.parent_id))
        .where(
            col(Message.message_id) == message_id,
            col(Message.conversation_id).is_not(None),
        )
    ).first()
    if row is None:
        raise NotFoundError("mail", message_id)
    return _Link(*row)


def _set_cut(session: Session, link: _Link, *, is_cut: bool) -> None:
    session.execute(
        update(Message).where(col(Message.id) == link.id).values(is_cut=is_cut)
    )
    relink(session, link.conversation_id)


def _tell(
    session: Session,
    visitor: Visitor,
    type_: str,
    message_id: str,
    data: dict[str, str | None],
) -> None:
    append_entry(session, visitor.actor, type_, f"message:{message_id}", data)
    logger.info(type_.replace(".", "_"), message_id=message_id)

"""Conversations as they are read: the tree, and a part of it with its text.

A page's mails are one range of positions; their HTML was made when they were
stored. Order is by parent, and by date only among what a parent allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Conversation, Message
from app.services.trailers import Said, Stance, compute_stances, get_name

MOST_ROWS = 5000
DEEPEST = 9
PART = 250
PART_BYTES = 1024 * 1024
"""How much of a conversation one page shows: mails, bytes of packed HTML."""

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """A mail in the tree of its conversation; `size` of its HTML, packed."""

    id: int
    message_id: str
    subject: str
    sender: str
    sent_at: datetime | None
    in_reply_to: str | None
    parent_id: int | None
    is_parent_guessed: bool
    is_cut: bool
    depth: int
    position: int
    trailers: Sequence[Sequence[str]]
    size: int

    @property
    def level(self) -> int:
        """Return the depth as it is shown: none is deeper than that."""
        return min(self.depth, DEEPEST)

    @property
    def name(self) -> str:
        """Return the sender's name, which is no address."""
        return get_name(self.sender)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A conversation's mails from the top down.

    `root` is the id at the top; `is_root_here` tells whether that mail is
    stored. `total` counts the mails, of which `rows` may be the first.
    """

    id: int
    root: str
    subject: str
    total: int
    rows: Sequence[TreeRow]

    @property
    def is_root_here(self) -> bool:
        """Tell whether the mail at the top is stored."""
        return bool(self.rows) and self.rows[0].message_id == self.root

    def find(self, message_id: str) -> TreeRow | None:
        """Return the row of a mail."""
        found = (row for row in self.rows if row.message_id == message_id)
        return next(found, None)


class Shown(NamedTuple):
    """A mail of a conversation's page, with its text."""

    row: TreeRow
    html: str


def read_tree(session: Session, conversation_id: int) -> Tree:
    """Return the mails of a conversation in the order of its tree."""
    head = session.execute(
        select(
            col(Conversation.root),
            col(Conversation.subject),
            col(Conversation.message_count),
        ).where(col(Conversation.id) == conversation_id)
    ).one()
    rows = session.execute(
        select(
            col(Message.id),
            col(Message.message_id),
            col(Message.subject),
            col(Message.sender),
            col(Message.sent_at),
            col(Message.in_reply_to),
            col(Message.parent_id),
            col(Message.is_parent_guessed),
            col(Message.is_cut),
            col(Message.depth),
            col(Message.position),
            col(Message.trailers),
            func.length(col(Message.html)),
        )
        .where(col(Message.conversation_id) == conversation_id)
        .order_by(col(Message.position))
        .limit(MOST_ROWS)
    )
    return Tree(
        id=conversation_id,
        root=head[0],
        subject=head[1],
        total=head[2],
        rows=[
            TreeRow(
                id=row[0] or 0,
                message_id=row[1],
                subject=row[2],
                sender=row[3],
                sent_at=row[4],
                in_reply_to=row[5],
                parent_id=row[6],
                is_parent_guessed=row[7],
                is_cut=row[8],
                depth=row[9],
                position=row[10],
                trailers=row[11],
                size=row[12],
            )
            for row in rows
        ],
    )


def order_by_time(rows: Sequence[TreeRow]) -> list[TreeRow]:
    """Return mails as they came, none before the one it answers.

    A clock that is wrong dates an answer before its parent; then it counts
    as sent with it.
    """
    known: dict[int, datetime] = {}
    for row in rows:  # a parent stands above its answers
        known[row.id] = max(
            row.sent_at or NEVER, known.get(row.parent_id or 0, NEVER)
        )
    return sorted(rows, key=lambda row: (known[row.id], row.position))


def list_stances(rows: Sequence[TreeRow]) -> list[Stance]:
    """Return who acked, reviewed, tested or refused, by the last word."""
    said = (
        Said(row.message_id, row.sender, row.trailers)
        for row in order_by_time(rows)
    )
    return compute_stances(mail for mail in said if mail.trailers)


def take_part(rows: Sequence[TreeRow], start: int) -> Sequence[TreeRow]:
    """Return the rows from a place on that fit on one page; one at least."""
    part = rows[start : start + PART]
    size = 0
    for count, row in enumerate(part):
        size += row.size
        if count and size > PART_BYTES:
            return part[:count]
    return part


def read_texts(
    session: Session, tree: Tree, rows: Sequence[TreeRow]
) -> list[Shown]:
    """Return mails with their HTML: one range of places, if they are that."""
    places = [row.position for row in rows]
    texts = select(col(Message.id), col(Message.html)).where(
        col(Message.conversation_id) == tree.id,
        col(Message.position).between(
            min(places, default=0), max(places, default=0)
        ),
    )
    if places and max(places) - min(places) >= len(places):
        texts = texts.where(col(Message.id).in_([row.id for row in rows]))
    found = {row[0]: row[1] for row in session.execute(texts)}
    return [Shown(row, found[row.id]) for row in rows if row.id in found]

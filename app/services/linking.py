"""Conversations as they are stored: each mail put into its place.

What is stored is always what `build_trees` makes of all mails by the order of
their numbers, whatever they came in with. So a mail's arrival is answered by
building anew what it may touch: the mails that bear or name an id in common
with it, those that do with these, and so on, and those that a common subject
may join. `Mention` finds the former; it may hold ids that a mail names no
more, which costs time and does no harm.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session
from sqlmodel import SQLModel, col

from app.db import Database
from app.models import Conversation, Mention, Message, get_id
from app.services.base_subject import compute_base_subject
from app.services.conversation_tree import (
    Mail,
    Tree,
    build_trees,
    compute_date,
)
from app.services.entries import take_turn

IN_QUERY = 1000
IN_BATCH = 1000
DIGEST = 8

Item = TypeVar("Item")


class Row(NamedTuple):
    """What is stored of a mail, as far as its place depends on it."""

    id: int
    message_id: str
    references: Sequence[str]
    in_reply_to: str | None
    subject: str
    base_subject: str
    is_reply: bool
    sent_at: datetime | None
    imported_at: datetime
    is_cut: bool
    conversation_id: int | None
    parent_id: int | None
    is_parent_guessed: bool
    depth: int
    position: int

    @property
    def ancestors(self) -> Sequence[str]:
        """Return the ids that it names as above it, eldest first."""
        if self.references or self.in_reply_to is None:
            return self.references
        return [self.in_reply_to]

    @property
    def is_head(self) -> bool:
        """Tell whether it may speak for a tree that a subject can join."""
        return self.parent_id is None or self.is_parent_guessed

    def make_mail(self) -> Mail:
        """Return it as the trees are built of it."""
        return Mail(
            self.id,
            self.message_id,
            self.ancestors,
            self.base_subject,
            self.is_reply,
            compute_date(self.sent_at, self.imported_at),
            self.is_cut,
        )

    @property
    def moment(self) -> datetime:
        """Return when it was sent, which is not after it came."""
        return min(self.sent_at or self.imported_at, self.imported_at)


# rows are many: they are read and written past the ORM
_MESSAGE = SQLModel.metadata.tables["message"]
_COLUMNS = [_MESSAGE.c[name] for name in Row._fields]
_ADD_MENTION = insert(SQLModel.metadata.tables["mention"])
# what old mails were stored without
_KEPT = frozenset({"base_subject", "is_reply"})
_MOVE = update(_MESSAGE).where(_MESSAGE.c.id == bindparam("row_id"))


def link_messages(session: Session, row_ids: Iterable[int]) -> None:
    """Put mails that were stored, or read anew, into their conversations."""
    given = {row.id: row for row in _load(session, set(row_ids))}
    linked = {row.conversation_id for row in given.values()} - {None}
    _add_mentions(session, list(given.values()))
    _rebuild(session, given.keys() | _find_members(session, linked), given)


def link_waiting(database: Database) -> int:
    """Link the mails that came before there were conversations."""
    count = 0
    while True:
        with database.read() as session:
            if not _find_waiting(session):
                return count
        with database.write() as session:
            take_turn(session)
            waiting = _find_waiting(session)
            link_messages(session, waiting)
        count += len(waiting)


def _find_waiting(session: Session) -> Sequence[int]:
    rows = session.scalars(
        select(col(Message.id))
        .where(col(Message.conversation_id).is_(None))
        .order_by(col(Message.id))
        .limit(IN_BATCH)
    )
    return [row_id for row_id in rows if row_id is not None]


def relink(session: Session, conversation_id: int) -> None:
    """Build a conversation, and all that it may touch, anew."""
    _rebuild(session, _find_members(session, [conversation_id]), {})


def _rebuild(
    session: Session, row_ids: AbstractSet[int], known: dict[int, Row]
) -> None:
    rows: dict[int, Row] = {}
    trees: list[Tree] = []
    asked = {""}
    missing = row_ids
    while missing:
        _collect(session, missing, rows, known)
        mails = [rows[row_id].make_mail() for row_id in sorted(rows)]
        trees = build_trees(mails)
        subjects = {row.base_subject for row in rows.values() if row.is_head}
        subjects |= {
            rows[place.key].base_subject
            for tree in trees
            for place in tree.places
            if place.parent is None or place.is_guessed
        }
        found = _find_heads(session, subjects - asked)
        asked |= subjects
        missing = found - rows.keys()
    _store(session, rows, trees)


def _collect(
    session: Session,
    row_ids: AbstractSet[int],
    rows: dict[int, Row],
    known: dict[int, Row],
) -> None:
    """Add mails to rows, with all that they have ids in common with."""
    asked: set[int] = set()
    missing = row_ids
    while missing:
        found = [known[row_id] for row_id in missing & known.keys()]
        found += _load(session, missing - known.keys())
        rows |= {row.id: row for row in found}
        digests = {digest for row in found for digest in _list_digests(row)}
        missing = _find_mentions(session, digests - asked) - rows.keys()
        asked |= digests


def _list_digests(row: Row) -> set[int]:
    return {compute_digest(name) for name in (row.message_id, *row.ancestors)}


@lru_cache(maxsize=IN_QUERY)
def compute_digest(name: str) -> int:
    """Return a number for an id, the same for no other one in practice."""
    digest = hashlib.blake2b(name.encode(), digest_size=DIGEST).digest()
    return int.from_bytes(digest, signed=True)


def _load(session: Session, row_ids: AbstractSet[int]) -> list[Row]:
    found = []
    for part in _split(sorted(row_ids)):
        query = select(*_COLUMNS).where(_MESSAGE.c.id.in_(part))
        rows = session.connection().execute(query).all()
        found += [_complete(Row(*row)) for row in rows]
    return found


def _complete(row: Row) -> Row:
    """Return a row with its base subject; old ones were stored without."""
    if row.conversation_id is None and not row.base_subject:
        text, is_reply = compute_base_subject(row.subject)
        return row._replace(base_subject=text, is_reply=is_reply)
    return row


def _split(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while part := list(islice(left, IN_QUERY)):
        yield part


def _find_members(
    session: Session, conversation_ids: Iterable[int | None]
) -> set[int]:
    """Return the mails of conversations."""
    column = col(Message.conversation_id)
    return _find_ids(session, col(Message.id), column, conversation_ids)


def _find_mentions(session: Session, digests: set[int]) -> set[int]:
    """Return the mails that bear or name any of these ids."""
    row_id, digest = col(Mention.message_row_id), col(Mention.digest)
    return _find_ids(session, row_id, digest, digests)


def _find_heads(session: Session, subjects: set[str]) -> set[int]:
    """Return the linked mails that these subjects may join to others."""
    is_head = and_(
        col(Message.conversation_id).is_not(None),
        or_(
            col(Message.parent_id).is_(None),
            col(Message.is_parent_guessed),
        ),
    )
    column = col(Message.base_subject)
    return _find_ids(session, col(Message.id), column, subjects, is_head)


def _find_ids(
    session: Session,
    wanted: Mapped[Any],
    column: Mapped[Any],
    values: Iterable[object],
    *conditions: ColumnElement[bool],
) -> set[int]:
    """Return what a column holds where another has one of these values."""
    found: set[int] = set()
    for part in _split(values):
        query = select(wanted).where(column.in_(part), *conditions)
        found |= set(session.scalars(query.distinct()))
    return found


def _add_mentions(session: Session, rows: Sequence[Row]) -> None:
    wanted = {
        (digest, row.id) for row in rows for digest in _list_digests(row)
    }
    again = {row.id for row in rows if row.conversation_id is not None}
    for part in _split(sorted(pair for pair in wanted if pair[1] in again)):
        there = session.execute(
            select(col(Mention.digest), col(Mention.message_row_id)).where(
                col(Mention.digest).in_([digest for digest, _ in part]),
                col(Mention.message_row_id).in_(again),
            )
        )
        wanted -= {(row[0], row[1]) for row in there}
    if wanted:
        session.connection().execute(
            _ADD_MENTION,
            [
                {"digest": digest, "message_row_id": row_id}
                for digest, row_id in sorted(wanted)
            ],
        )


def _store(
    session: Session, rows: dict[int, Row], trees: Sequence[Tree]
) -> None:
    """Write the trees: what is as it was stays untouched."""
    old = {row.conversation_id for row in rows.values()} - {None}
    kept = {
        get_id(conversation): conversation
        for part in _split(old)
        for conversation in session.scalars(
            select(Conversation).where(col(Conversation.id).in_(part))
        )
    }
    chosen = _choose_conversations(rows, trees)
    stored = []
    for number, tree in enumerate(trees):
        described = _describe(tree, [rows[p.key] for p in tree.places])
        conversation = kept.pop(chosen.get(number, 0), None)
        if conversation is None:
            conversation = Conversation(**described)
            session.add(conversation)
        else:
            for name, value in described.items():
                if getattr(conversation, name) != value:
                    setattr(conversation, name, value)
        stored.append(conversation)
    session.flush()
    _move(
        session,
        (
            change
            for conversation, tree in zip(stored, trees, strict=True)
            for change in _list_changes(rows, get_id(conversation), tree)
        ),
    )
    for part in _split(kept):
        session.execute(
            delete(Conversation).where(col(Conversation.id).in_(part))
        )


def _choose_conversations(
    rows: dict[int, Row], trees: Sequence[Tree]
) -> dict[int, int]:
    """Return which tree stays which conversation: the one most came from."""
    shares: Counter[tuple[int, int]] = Counter()
    for number, tree in enumerate(trees):
        shares.update(
            (number, conversation_id)
            for place in tree.places
            if (conversation_id := rows[place.key].conversation_id)
        )
    chosen: dict[int, int] = {}
    taken: set[int] = set()
    for (number, conversation_id), _ in shares.most_common():
        if number not in chosen and conversation_id not in taken:
            chosen[number] = conversation_id
            taken.add(conversation_id)
    return chosen


def _describe(tree: Tree, rows: Sequence[Row]) -> dict[str, Any]:
    moments = [row.moment for row in rows]
    return {
        "root": tree.root,
        "subject": rows[0].subject,
        "message_count": len(rows),
        "started_at": min(moments),
        "last_at": max(moments),
    }


def _move(session: Session, changes: Iterable[dict[str, Any]]) -> None:
    """Write changes of mails, those of the same columns at once."""
    alike: defaultdict[tuple[str, ...], list[dict[str, Any]]]
    alike = defaultdict(list)
    for change in changes:
        alike[tuple(change)].append(change)
    for group in alike.values():
        session.connection().execute(_MOVE, group)


def _list_changes(
    rows: dict[int, Row], conversation_id: int, tree: Tree
) -> Iterator[dict[str, Any]]:
    """Yield what is not as it was; of mails that are new, all."""
    for position, place in enumerate(tree.places):
        row = rows[place.key]
        now = row._replace(
            conversation_id=conversation_id,
            parent_id=place.parent,
            is_parent_guessed=place.is_guessed,
            depth=place.depth,
            position=position,
        )
        if now != row:
            is_new = row.conversation_id is None
            yield {"row_id": row.id} | {
                name: new
                for name, old, new in zip(Row._fields, row, now, strict=True)
                if new != old or (is_new and name in _KEPT)
            }

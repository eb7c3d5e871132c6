"""The search index, kept in the transaction of what it tells of.

Before a transaction that appended to the event log is committed, a hook reads
the entries that the index has not seen, and indexes anew what they speak of:
nothing that is logged can be forgotten. Mails come many at a time, so their
importer may add them itself; runs, of which the log says nothing, are added
by the service that stores them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from sqlalchemy import (
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.db import Database
from app.models import (
    Entry,
    Message,
    SearchItem,
    SearchKind,
    ThreadState,
)
from app.services import search_mails, search_store
from app.services.search_records import Findable
from app.services.search_texts import READERS

VERSION = 3
"""Raised when other texts, or other terms of them, are searched."""

BATCH = 500
MOST_DEAD = 1000
ONE = 1
CREATED = "annotation.created"
BEHIND = "search_is_behind"
WHOLE = frozenset({"proposal", "revision"})
"""Nouns whose change may change anything but mails."""

# put together once, for they come with every change
_STATES = SQLModel.metadata.tables["search_state"]
_ENTRIES = SQLModel.metadata.tables["entry"]
_STATE = select(_STATES.c.version, _STATES.c.seq)
_UNSEEN = (
    select(
        *(_STATES.c.version, _ENTRIES.c.seq, _ENTRIES.c.type),
        *(_ENTRIES.c.subject, _ENTRIES.c.data),
    )
    .join_from(_STATES, _ENTRIES, _ENTRIES.c.seq > _STATES.c.seq, isouter=True)
    .order_by(_ENTRIES.c.seq)
)
_ADD_STATE, _SEE = insert(_STATES), update(_STATES)

Item = TypeVar("Item")
Key = tuple[SearchKind, str]


def follow(session: Session) -> None:
    """Have what the log tells by then indexed before the commit."""
    session.info[BEHIND] = True


@event.listens_for(Session, "before_commit")
def _before_commit(session: Session) -> None:
    # a savepoint's end is none of the transaction's
    if session.info.get(BEHIND) and not session.in_nested_transaction():
        catch_up(session)
        session.info[BEHIND] = False


def fill(database: Database) -> None:
    """Make the index if it is not there, or of another version, or worn."""
    with database.read() as session:
        is_there = _find_seen(session) is not None
        is_good = is_there and not _is_worn(session)
    if not is_good:
        with database.write() as session:
            rebuild(session)


def _find_seen(session: Session) -> int | None:
    """Return the entry seen last; None if no index of ours is there."""
    row = session.connection().execute(_STATE).first()
    return row.seq if row is not None and row.version == VERSION else None


def _is_worn(session: Session) -> bool:
    dead = search_store.count_dead(session)
    return dead > MOST_DEAD and dead > search_store.count(session)


def rebuild(session: Session) -> None:
    """Make the whole index anew."""
    session.flush()
    search_store.clear(session)
    for kind in READERS:
        keep(session, READERS[kind](session, None))
    for ids in _cut(search_mails.list_mails(session)):
        keep(session, search_mails.read_mails(session, ids))
    search_store.tidy(session)
    connection = session.connection()
    connection.execute(delete(_STATES))
    seen = {"id": ONE, "version": VERSION, "seq": _get_last_seq(session)}
    connection.execute(_ADD_STATE, seen)


def _get_last_seq(session: Session) -> int:
    return session.scalar(select(func.max(col(Entry.seq)))) or 0


def catch_up(session: Session) -> None:
    """Index what the log has told since the index saw it last."""
    session.flush()
    connection = session.connection()
    entries = connection.execute(_UNSEEN).all()
    if not entries or entries[0].version != VERSION:
        rebuild(session)
        return
    if entries[-1].seq is None:
        return
    connection.execute(_SEE, {"seq": entries[-1].seq})
    imported: list[str] = []
    created: list[str] = []
    told: list[tuple[str, str]] = []
    for _, _, type_, subject, data in entries:
        noun, _, name = subject.partition(":")
        if type_ == "message.imported":
            imported.append(name)
            continue
        if type_ == CREATED:
            created.append(name)
        else:
            told.append((noun, name))
        told += [
            (k, v)
            for k, v in data.items()
            if isinstance(v, str) and not _is_as_before(type_, k, data)
        ]
        if isinstance(data.get("supersedes"), int):
            told.append(("decision", str(data["supersedes"])))
    _add_imported(session, imported)
    _refresh_told(session, told, created)


def _is_as_before(type_: str, noun: str, data: Mapping[str, object]) -> bool:
    """Tell whether what a line names is found as it was before it.

    A reply changes its thread by no word but that it is answered now.
    """
    return (
        type_ == CREATED
        and noun == "thread"
        and data.get("was") != ThreadState.unanswered
    )


def _add_imported(session: Session, message_ids: Sequence[str]) -> None:
    """Index the mails that their importer has not."""
    for names in _cut(message_ids):
        rows = _find_mails(session, names)
        known = search_store.find_known(
            session, [(SearchKind.mail, str(id_)) for id_ in rows]
        )
        add_messages(
            session,
            [id_ for id_ in rows if (SearchKind.mail, str(id_)) not in known],
        )


def _refresh_told(
    session: Session,
    told: Iterable[tuple[str, str]],
    created: Sequence[str],
) -> None:
    """Index anew what the log names, and add the annotations it tells of.

    These need not be looked for in the index, if nothing else is told.
    """
    names: dict[str, dict[str, None]] = defaultdict(dict)
    for noun, name in told:
        names[noun][name] = None
    is_whole = not WHOLE.isdisjoint(names)
    if is_whole or "annotation" in names:
        names["annotation"] |= dict.fromkeys(created)
    elif created:
        notes = READERS[SearchKind.annotation](session, created)
        search_store.add(session, list(notes))
    for kind in READERS:
        if is_whole:
            refresh(session, kind)
        elif kind.value in names:
            refresh(session, kind, list(names[kind.value]))
    for batch in _cut(names["message"]):
        add_messages(session, _find_mails(session, batch))


def _find_mails(session: Session, message_ids: Sequence[str]) -> list[int]:
    rows = session.scalars(
        select(col(Message.id))
        .where(col(Message.message_id).in_(message_ids))
        .order_by(col(Message.id))
    )
    return [id_ for id_ in rows if id_ is not None]


def add_messages(session: Session, row_ids: Sequence[int]) -> None:
    """Index mails by their rows, those in the index anew if they differ."""
    session.flush()
    for ids in _cut(row_ids):
        keep(session, search_mails.read_mails(session, ids))


def add_arrived(
    session: Session, arrived: Mapping[int, search_mails.ArrivedMail]
) -> None:
    """Index mails that are new, and were read by their importer."""
    session.flush()
    search_store.add(session, list(search_mails.place_mails(session, arrived)))


def refresh(
    session: Session, kind: SearchKind, refs: Sequence[str] | None = None
) -> None:
    """Index these of a kind, or all of it, as they are now."""
    session.flush()
    things = list(READERS[kind](session, refs))
    keep(session, things)
    there = {thing.ref for thing in things}
    if refs is not None and there.issuperset(refs):
        return
    held = select(col(SearchItem.id), col(SearchItem.ref)).where(
        col(SearchItem.kind) == kind
    )
    if refs is not None:
        held = held.where(col(SearchItem.ref).in_(refs))
    gone = [
        id_ for id_, ref in session.execute(held).all() if ref not in there
    ]
    search_store.remove(session, gone)


def keep(session: Session, things: Iterable[Findable]) -> None:
    """Index things, those in the index anew if they differ."""
    for batch in _cut(things):
        known = search_store.find_known(session, map(get_key, batch))
        digests = {key: item.digest for key, item in known.items()}
        changed = [
            thing
            for thing in batch
            if digests.get(get_key(thing)) != thing.compute_digest()
        ]
        replaced = [known[k].id for k in map(get_key, changed) if k in known]
        search_store.remove(session, replaced)
        search_store.add(session, changed)


def get_key(thing: Findable) -> Key:
    """Return what tells a thing from all others."""
    return thing.kind, thing.ref


def _cut(things: Iterable[Item], length: int = BATCH) -> Iterator[list[Item]]:
    rest = iter(things)
    while batch := list(islice(rest, length)):
        yield batch

"""The search index, kept in the transaction of what it tells of.

Whoever appends to the event log has the entry's subject indexed anew when
the transaction ends, by one hook that sees every commit; mails, which come
many at a time, are added by their importer, and runs, of which the log says
nothing, by the service that stores them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from sqlalchemy.orm import Session

from app.services import search_mails, search_store
from app.services.search_records import Findable

VERSION = 1
"""Raised when other texts, or other terms of them, are searched."""

BATCH = 500

Item = TypeVar("Item")


def add_messages(session: Session, row_ids: Sequence[int]) -> None:
    """Index mails by their rows, those in the index anew if they differ."""
    for ids in _cut(row_ids):
        session.flush()
        keep(session, search_mails.read_mails(session, ids))


def keep(session: Session, things: Iterable[Findable]) -> None:
    """Index things, those in the index anew if they differ."""
    for batch in _cut(things):
        known = search_store.find_known(
            session, [(thing.kind, thing.ref) for thing in batch]
        )
        changed = []
        for thing in batch:
            item = known.get((thing.kind, thing.ref))
            if item is None or item.digest != thing.compute_digest():
                changed.append(thing)
        search_store.remove(
            session,
            [
                known[thing.kind, thing.ref].id
                for thing in changed
                if (thing.kind, thing.ref) in known
            ],
        )
        search_store.add(session, changed)


def _cut(things: Iterable[Item], length: int = BATCH) -> Iterator[list[Item]]:
    rest = iter(things)
    while batch := list(islice(rest, length)):
        yield batch

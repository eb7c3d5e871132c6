"""The index as each engine holds it: FTS5 of SQLite, tsvector of PostgreSQL.

SQLite keeps no copy of the texts, so it cannot take a text back: what was
replaced stays there as a number that no item has, until the index is made
anew. A number is the second of the item's time, or the next one that is free,
so that the engine finds the newest first without sorting.

PostgreSQL keeps 255 places of a term in a text, and 16,383 places in all.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.models import SearchItem, SearchKind
from app.services.search_records import Findable
from app.services.search_terms import COLUMNS, FACT, split_terms

NEAR = 64
FARTHER = 16
SALTS = 4
MOST_TRIES = 64
MOST_SPAN = 4 * NEAR
MOST_ASKED = 8000  # numbers in one query
MOST_PLACES = 255
LAST_PLACE = 16_383
MOST_BYTES = 1_000_000
PLACE_BYTES = 2
# the letter that PostgreSQL weighs a column's terms by; others have D
WEIGHTS = {"title": "A", "own": "B", "quoted": "C"}
# columns whose terms are also told apart by a name, where weights are too few
NAMED = {
    "sender": "f",
    "recipients": "t",
    "copied": "c",
    "names": "m",
}

# no models: each engine has its own, and migrations compare the models
FTS = table("search_text", column("rowid"), *map(column, COLUMNS))
DOCUMENTS = table("search_text_docsize", column("id", BigInteger))
# of no type, which psycopg leaves to PostgreSQL: to name it loads a dialect
VECTORS = table("search_text", column("id", BigInteger), column("terms"))
ITEMS = SQLModel.metadata.tables["search_item"]

# put together once, for they come with every change
_ADD_ITEMS, _ADD_TEXTS = insert(ITEMS), insert(FTS)
_ADD_VECTORS = insert(VECTORS)
_KNOWN = select(ITEMS.c.id, ITEMS.c.ref, ITEMS.c.digest).where(
    ITEMS.c.kind == bindparam("kind"),
    ITEMS.c.ref.in_(bindparam("refs", expanding=True)),
)
_TAKEN = {
    is_sqlite: select(held.c.id).where(
        held.c.id.in_(bindparam("ids", expanding=True))
    )
    for is_sqlite, held in ((True, DOCUMENTS), (False, VECTORS))
}
_TAKEN_NEAR = {
    is_sqlite: select(held.c.id).where(
        held.c.id >= bindparam("first"), held.c.id < bindparam("last")
    )
    for is_sqlite, held in ((True, DOCUMENTS), (False, VECTORS))
}


class Known(NamedTuple):
    """An item that is in the index."""

    id: int
    digest: int


def is_sqlite(session: Session) -> bool:
    """Tell which engine holds the index."""
    return session.get_bind().dialect.name == "sqlite"


def find_known(
    session: Session, keys: Iterable[tuple[SearchKind, str]]
) -> dict[tuple[SearchKind, str], Known]:
    """Return those of these items that are in the index."""
    refs: dict[SearchKind, list[str]] = defaultdict(list)
    for kind, ref in keys:
        refs[kind].append(ref)
    return {
        (kind, row[1]): Known(row[0], row[2])
        for kind, wanted in refs.items()
        for row in session.connection().execute(
            _KNOWN, {"kind": kind, "refs": wanted}
        )
    }


def add(session: Session, things: Sequence[Findable]) -> None:
    """Put things into the index that are not there."""
    if not things:
        return
    ids = _choose_ids(session, things)
    connection = session.connection()
    connection.execute(
        _ADD_ITEMS,
        [
            {
                "id": id_,
                "kind": thing.kind,
                "ref": thing.ref,
                "digest": thing.compute_digest(),
            }
            for id_, thing in zip(ids, things, strict=True)
        ],
    )
    if is_sqlite(session):
        connection.execute(
            _ADD_TEXTS,
            [
                {"rowid": id_, **thing.columns}
                for id_, thing in zip(ids, things, strict=True)
            ],
        )
    else:
        connection.execute(
            _ADD_VECTORS,
            [
                {"id": id_, "terms": write_vector(thing.columns)}
                for id_, thing in zip(ids, things, strict=True)
            ],
        )


def remove(session: Session, ids: Sequence[int]) -> None:
    """Take items out of the index."""
    if not ids:
        return
    session.execute(delete(SearchItem).where(col(SearchItem.id).in_(ids)))
    if not is_sqlite(session):
        session.execute(delete(VECTORS).where(VECTORS.c.id.in_(ids)))


def clear(session: Session) -> None:
    """Take all out of the index."""
    session.execute(delete(SearchItem))
    session.execute(
        text(
            "INSERT INTO search_text (search_text) VALUES ('delete-all')"
            if is_sqlite(session)
            else "DELETE FROM search_text"
        )
    )


def tidy(session: Session) -> None:
    """Make one piece of what many changes have left behind."""
    if is_sqlite(session):
        session.execute(
            text("INSERT INTO search_text (search_text) VALUES ('optimize')")
        )


def count(session: Session) -> int:
    """Return how many items are in the index."""
    return session.scalar(select(func.count()).select_from(SearchItem)) or 0


def count_dead(session: Session) -> int:
    """Return how many texts the index holds of items that are gone."""
    if not is_sqlite(session):
        return 0
    held = session.scalar(select(func.count()).select_from(DOCUMENTS))
    return (held or 0) - count(session)


def _choose_ids(session: Session, things: Sequence[Findable]) -> list[int]:
    """Return a free number for each thing, as near to its time as can be."""
    chosen: dict[int, int] = {}
    used: set[int] = set()
    waiting = {n: _list_numbers(thing) for n, thing in enumerate(things)}

    def choose(n: int, numbers: Iterable[int], taken: set[int]) -> None:
        free = next(
            (i for i in numbers if i not in taken and i not in used), None
        )
        if free is not None:
            used.add(free)
            chosen[n] = free
            del waiting[n]

    tries = 1
    taken = _find_taken_near(session, things)
    if taken is not None:
        for n, numbers in list(waiting.items()):
            choose(n, islice(numbers, NEAR), taken)
        tries = 2 * SALTS
    while waiting:
        wanted = {
            n: [i for i in islice(numbers, tries) if i not in used]
            for n, numbers in waiting.items()
        }
        taken = _find_taken(session, [*chain(*wanted.values())])
        for n, ids in wanted.items():
            choose(n, ids, taken)
        # many of the same second: more are asked for at a time
        tries = max(1, min(MOST_TRIES, MOST_ASKED // max(1, len(waiting))))
    return [chosen[n] for n in range(len(things))]


def _find_taken_near(
    session: Session, things: Sequence[Findable]
) -> set[int] | None:
    """Return the numbers taken around some things of one time.

    As for what is written now, alone or together with others; None if the
    things are of too many times.
    """
    seconds = [thing.seconds for thing in things]
    first, last = min(seconds), max(seconds) + NEAR
    if last - first > MOST_SPAN:
        return None
    wanted = _TAKEN_NEAR[is_sqlite(session)]
    span = {"first": first, "last": last}
    return set(session.connection().scalars(wanted, span))


def _list_numbers(thing: Findable) -> Iterator[int]:
    # first one after the other, as parts of a series are sent, then by chance
    # in ever longer spans
    first = thing.seconds
    yield from range(first, first + NEAR)
    span = NEAR
    while True:
        span *= FARTHER
        for salt in range(SALTS):
            name = f"{salt} {thing.kind} {thing.ref}"
            yield first + zlib.crc32(name.encode()) % span


def _find_taken(session: Session, ids: Sequence[int]) -> set[int]:
    """Return the numbers that some item has, or had and left behind."""
    wanted = _TAKEN[is_sqlite(session)]
    return set(session.connection().scalars(wanted, {"ids": ids}))


def write_vector(columns: Mapping[str, str]) -> str:
    """Return a tsvector in PostgreSQL's own writing.

    Terms that would make it too long for PostgreSQL are left out.
    """
    places: dict[str, list[str]] = defaultdict(list)
    at = 0
    for name, folded in columns.items():
        weight = WEIGHTS.get(name, "")
        prefix = NAMED.get(name)
        for term in split_terms(folded):
            at = min(at + 1, LAST_PLACE)
            places[term].append(f"{at}{weight}")
            if prefix:
                places[f"{FACT}{prefix}{FACT}{term}"].append(f"{at}{weight}")
        at += 1  # no phrase runs from one column into the next
    size = 0
    written: list[str] = []
    for term, found in places.items():
        size += len(term.encode()) + PLACE_BYTES * (len(found) + 2)
        if size > MOST_BYTES:
            break
        written.append(f"'{term}':{','.join(found[:MOST_PLACES])}")
    return " ".join(written)

"""Clauses: the sections of revisions with their texts, kept once read.

A section is written with its revision, and neither is changed or taken away
after, so what was committed of a revision is good for as long as its database
is. What a transaction wrote itself may come to nothing, and its number be
given to another text, so that is not kept.
"""

import threading
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session, object_session
from sqlmodel import col

from app.models import Section
from app.services.annotation_places import Clause, make_clause

KEPT_REVISIONS = 4
"""How many of a database are kept, those that were read last."""

HAS_WRITTEN = "has_written_sections"

Clauses = Sequence[Clause]
_kept: WeakKeyDictionary[Engine, dict[int, Clauses]] = WeakKeyDictionary()
_lock = threading.Lock()


def read_clauses(session: Session, revision_id: int) -> Clauses:
    """Return the sections of a revision, ready to be looked through."""
    if session.info.get(HAS_WRITTEN):
        return _read(session, revision_id)
    engine = session.get_bind().engine
    with _lock:
        kept = _kept.setdefault(engine, {})
        found = kept.pop(revision_id, None)
        if found is not None:
            # the last one is the one that was read last
            kept[revision_id] = found
            return found
    found = _read(session, revision_id)
    with _lock:
        kept[revision_id] = found
        if len(kept) > KEPT_REVISIONS:
            del kept[next(iter(kept))]
    return found


def _read(session: Session, revision_id: int) -> Clauses:
    rows = session.execute(
        select(
            col(Section.id),
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
            col(Section.html),
        )
        .where(col(Section.revision_id) == revision_id)
        .order_by(col(Section.position))
    )
    return tuple(make_clause(row[0] or 0, *row[1:]) for row in rows)


@event.listens_for(Section, "after_insert")
def _note_writing(
    _mapper: object, _connection: object, section: Section
) -> None:
    session = object_session(section)
    if session is not None:
        session.info[HAS_WRITTEN] = True

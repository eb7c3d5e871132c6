"""Searches that reviewers keep under a name, each with a feed of its own.

Everybody may follow them; whose one is may drop it, and what it says of
`mine` is theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from app.models import Reviewer, SavedSearch, SearchKind
from app.services.entries import append_entry, take_turn
from app.services.reviewers import Visitor
from app.services.search_query import POINTER, Asker, parse_query
from app.services.sections import make_slug

MOST_SAVED = 100
"""How many searches one reviewer may keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRow:
    """A saved search, and whose it is."""

    slug: str
    name: str
    query: str
    kind: SearchKind | None
    owner: str
    display_name: str
    saved_at: datetime


def list_saved(session: Session) -> Sequence[SavedRow]:
    """Return all saved searches, by name."""
    return _read(
        session,
        _select().order_by(col(SavedSearch.name), col(SavedSearch.slug)),
    )


def get_saved(session: Session, slug: str) -> SavedRow:
    """Return a saved search, or raise NotFoundError."""
    rows = _read(session, _select().where(col(SavedSearch.slug) == slug))
    if not rows:
        raise NotFoundError("search", slug)
    return rows[0]


def _select() -> Select[*tuple[Any, ...]]:
    return select(
        col(SavedSearch.slug),
        col(SavedSearch.name),
        col(SavedSearch.query),
        col(SavedSearch.kind),
        col(Reviewer.name),
        col(Reviewer.display_name),
        col(SavedSearch.saved_at),
    ).join(Reviewer, col(Reviewer.id) == col(SavedSearch.reviewer_id))


def _read(
    session: Session, statement: Select[*tuple[Any, ...]]
) -> list[SavedRow]:
    return [
        SavedRow(
            slug=row[0],
            name=row[1],
            query=row[2],
            kind=row[3],
            owner=row[4],
            display_name=row[5],
            saved_at=row[6],
        )
        for row in session.execute(statement)
    ]


def save_search(
    session: Session,
    visitor: Visitor,
    name: str,
    query: str,
    kind: SearchKind | None = None,
) -> str:
    """Keep a search under a name; return its slug.

    Raises
    ------
    InvalidError
        When the query is empty or not understood.
    ConflictError
        When the reviewer keeps as many as there may be.
    """
    take_turn(session)
    if parse_query(query, Asker(datetime.now(UTC), visitor.name)) is None:
        raise InvalidError(
            "there is nothing to look for",
            Fault(POINTER, "expected a query"),
        )
    count = session.scalar(
        select(func.count())
        .select_from(SavedSearch)
        .where(col(SavedSearch.reviewer_id) == visitor.id)
    )
    if count and count >= MOST_SAVED:
        raise ConflictError(
            f"you keep {count} searches, {MOST_SAVED} at most; delete one"
        )
    slug = _choose_slug(session, visitor, name)
    session.add(
        SavedSearch(
            slug=slug,
            name=name,
            query=query,
            kind=kind,
            reviewer_id=visitor.id,
            saved_at=datetime.now(UTC),
        )
    )
    session.flush()
    append_entry(
        session,
        visitor.actor,
        "search.saved",
        f"search:{slug}",
        {"name": name, "query": query, "kind": kind and kind.value},
    )
    return slug


def _choose_slug(session: Session, visitor: Visitor, name: str) -> str:
    base = make_slug(f"{visitor.name} {name}")
    taken = set(
        session.scalars(
            select(col(SavedSearch.slug)).where(
                col(SavedSearch.slug).startswith(base, autoescape=True)
            )
        )
    )
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def delete_search(session: Session, visitor: Visitor, slug: str) -> None:
    """Drop a search of one's own.

    Raises
    ------
    NotFoundError
        When there is no such search.
    ForbiddenError
        When it is somebody else's.
    """
    take_turn(session)
    row = session.scalar(
        select(SavedSearch).where(col(SavedSearch.slug) == slug)
    )
    if row is None:
        raise NotFoundError("search", slug)
    if row.reviewer_id != visitor.id:
        raise ForbiddenError("this search is somebody else's")
    session.delete(row)
    session.flush()
    append_entry(
        session,
        visitor.actor,
        "search.deleted",
        f"search:{slug}",
        {"name": row.name},
    )

"""Annotations as they are sent: one, or a page of a container.

A page begins after an annotation, or ends before one, and does not count
from the container's start: whoever walks from page to page meets each
annotation once, whatever others add or delete meanwhile. Rows are columns,
documents stay the text that they are stored as.

A container holds all that is said in the review, wherever it was posted; an
annotation's address is that of the container it was posted to.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    bindparam,
    cast,
    func,
    select,
    tuple_,
)
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import UTCDateTime
from app.errors import GoneError, NotFoundError
from app.models import Annotation
from app.services.annotation_rows import NOUN, Place

FIRST = "first"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_MARK = re.compile(r"(after|before)-(-?[0-9]{1,17})-([A-Za-z0-9._-]{1,120})")
_LIVING = col(Annotation.deleted_at).is_(None)
_ORDER = (col(Annotation.created_at), col(Annotation.id))
_REVERSED = tuple(column.desc() for column in _ORDER)
_MARKED = tuple_(
    bindparam("at", type_=UTCDateTime()), bindparam("id", type_=Text())
)
_AFTER: ColumnElement[bool] = tuple_(*_ORDER) > _MARKED
_BEFORE: ColumnElement[bool] = tuple_(*_ORDER) < _MARKED
_PLACES = select(*_ORDER, col(Annotation.container)).where(_LIVING)
_WHOLE = _PLACES.add_columns(cast(col(Annotation.document), Text))
_SIZE = bindparam("size", type_=Integer())
# put together once, for that takes longer than reading the rows
_PAGES = {
    (is_whole, is_before): rows.where(*conditions)
    .order_by(*(_REVERSED if is_before else _ORDER))
    .limit(_SIZE)
    for is_whole, rows in ((False, _PLACES), (True, _WHOLE))
    for is_before, conditions in (
        (None, ()),
        (False, (_AFTER,)),
        (True, (_BEFORE,)),
    )
}
_FROM_END = _PLACES.order_by(*_REVERSED).offset(_SIZE).limit(1)
_LATEST = select(
    # of those that are left, for it is the index's second column
    select(func.max(col(Annotation.created_at)))
    .where(_LIVING)
    .scalar_subquery(),
    select(func.max(col(Annotation.modified_at))).scalar_subquery(),
    select(func.max(col(Annotation.deleted_at))).scalar_subquery(),
    select(func.count()).where(_LIVING).scalar_subquery(),
)
_ONE = select(
    col(Annotation.container),
    cast(col(Annotation.document), Text),
    col(Annotation.version),
    col(Annotation.deleted_at),
).where(col(Annotation.id) == bindparam("id"))
_COUNT_BEFORE = select(func.count()).where(_LIVING, _BEFORE)


class Mark(NamedTuple):
    """Where a page begins or ends: at none of the annotation at `place`."""

    is_before: bool
    place: Place

    def __str__(self) -> str:
        """Return the mark as an address names it."""
        side = "before" if self.is_before else "after"
        at, id_ = self.place
        return f"{side}-{(at - EPOCH) // MICROSECOND}-{id_}"


class Summary(NamedTuple):
    """How many annotations there are, and when they last changed."""

    total: int
    modified: datetime | None


class Member(NamedTuple):
    """An annotation of a page; `document` is JSON as it is stored.

    It is empty if only the addresses were asked for.
    """

    created_at: datetime
    id: str
    container: str
    document: str = ""


class Stored(NamedTuple):
    """An annotation as it is stored; `document` is JSON."""

    container: str
    document: str
    version: int


class PageRows(NamedTuple):
    """A page's annotations, and how many stand before them."""

    members: Sequence[Member]
    start: int
    next: Mark | None
    prev: Mark | None


def read_mark(name: str) -> Mark | None:
    """Return where the page of this name begins; None for the first.

    Raises
    ------
    NotFoundError
        When no page has such a name.
    """
    if name == FIRST:
        return None
    found = _MARK.fullmatch(name)
    if found is None:
        raise NotFoundError("page", name)
    try:
        at = EPOCH + int(found[2]) * MICROSECOND
    except OverflowError:
        raise NotFoundError("page", name) from None
    return Mark(found[1] == "before", Place(at, found[3]))


def read_stored(session: Session, id_: str) -> Stored:
    """Return an annotation, with nothing that is not sent.

    Raises
    ------
    NotFoundError
        When there never was one.
    GoneError
        When it was deleted.
    """
    row = session.execute(_ONE, {"id": id_}).first()
    if row is None:
        raise NotFoundError(NOUN, id_)
    container, document, version, deleted_at = row
    if deleted_at is not None:
        raise GoneError(NOUN, id_)
    return Stored(container, document, version)


def read_summary(session: Session) -> Summary:
    """Return the number of annotations and the time of the last change.

    That is the latest time at which one was added, changed or deleted.
    """
    *times, total = session.execute(_LATEST).one()
    return Summary(total, max(filter(None, times), default=None))


def read_page(
    session: Session,
    mark: Mark | None,
    total: int,
    *,
    size: int,
    is_whole: bool,
) -> PageRows:
    """Return the page at a mark.

    All that stood there may be gone since the mark was made: then the page
    is empty, for a walk that ends there should end in good order.

    Parameters
    ----------
    total
        How many annotations there are, in the same state of the database.
    is_whole
        Whether the documents are asked for, and not the addresses only.
    """
    members = _read_members(session, mark, size=size, is_whole=is_whole)
    if not members:
        start = 0 if mark is not None and mark.is_before else total
        return PageRows((), start, None, None)
    first, last = (
        Place(m.created_at, m.id) for m in (members[0], members[-1])
    )
    start = _count_before(session, first) if mark else 0
    return PageRows(
        members,
        start,
        Mark(is_before=False, place=last)
        if start + len(members) < total
        else None,
        Mark(is_before=True, place=first) if start else None,
    )


def _read_members(
    session: Session, mark: Mark | None, *, size: int, is_whole: bool
) -> list[Member]:
    rows = session.execute(
        _PAGES[is_whole, mark.is_before if mark else None],
        {"size": size}
        | ({"at": mark.place.created_at, "id": mark.place.id} if mark else {}),
    )
    members = [Member(*row) for row in rows]
    return members[::-1] if mark is not None and mark.is_before else members


def _count_before(session: Session, place: Place) -> int:
    return session.execute(
        _COUNT_BEFORE, {"at": place.created_at, "id": place.id}
    ).scalar_one()


def find_last(session: Session, total: int, size: int) -> Mark | None:
    """Return where the last page begins; None if it is the first, too.

    It begins where whoever walks there from the first page comes to it.
    """
    if total <= size:
        return None
    rest = (total - 1) % size + 1
    row = session.execute(_FROM_END, {"size": rest}).one()
    return Mark(is_before=False, place=Place(row[0], row[1]))

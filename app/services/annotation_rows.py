"""Annotations as they are stored: one, or many in their order.

Whoever writes them is `annotation_changes`; what a thread shows of them is
the matter of `annotations`. A stored document names this site by references
that start with `/`; `absolutize` gives the document as it is sent out, and
`relativize` is the way back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import GoneError, NotFoundError
from app.models import (
    Annotation,
    AnnotationTag,
    Motivation,
    Person,
    Reviewer,
    Thread,
)

PLACE = "/annotations/"
NOUN = "annotation"
MOST = 1000
"""How many annotations are read at a time, at most."""

DEEPEST = 24
"""How deep a document may nest; deeper ones are refused."""

Chosen = TypeVar("Chosen", bound=Select[*tuple[Any, ...]])

IRIS = frozenset(
    {"@context", "id", "canonical", "via", "rights", "source", "scope"}
    | {"conformsTo", "cached", "homepage", "stylesheet", "renderedVia"}
    | {"creator", "generator", "body", "target", "items", "selector", "state"}
    | {"review:call", "review:scenario", "review:thread"}
)
"""Keys whose values, if they are texts, are IRIs."""

NESTED = frozenset(
    {"creator", "generator", "body", "target", "items", "selector", "state"}
    | {"refinedBy", "startSelector", "endSelector", "audience", "stylesheet"}
    | {"renderedVia", "via"}
)
"""Keys whose values, if they are objects, are of the model."""


class AnnotationRow(NamedTuple):
    """An annotation with the index that is kept over it.

    `thread` is the slug of the thread that it is a post of, `parent` the
    post it answers, `reviewer` the account that wrote it (None: it came by
    mail), `author` the name to be shown.
    """

    id: str
    container: str
    document: dict[str, Any]
    version: int
    motivation: Motivation
    created_at: datetime
    modified_at: datetime | None
    deleted_at: datetime | None
    thread: str | None
    parent: str | None
    reviewer: str | None
    text: str
    source: str
    author: str = ""
    html: str = ""
    message_id: str | None = None
    position: int = 0
    reviewer_id: int | None = None
    thread_id: int | None = None


@dataclass(slots=True, kw_only=True)
class NewAnnotation:
    """A reviewer's new annotation, a field for each column that it fills."""

    id: str
    motivation: Motivation
    reviewer_id: int
    created_at: datetime
    text: str
    html: str
    container: str
    source: str
    document: dict[str, Any]
    thread_id: int | None = None
    parent_id: str | None = None
    position: int = 0
    version: int = 1


class Place(NamedTuple):
    """Where an annotation stands in the order of all of them."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which annotations are asked for; None asks for any.

    `tags` must all be there, of `sources` one; `reviewer` is an account.
    """

    container: str | None = None
    thread: str | None = None
    parent: str | None = None
    sources: Sequence[str] | None = None
    reviewer: str | None = None
    motivation: Motivation | None = None
    tags: Sequence[str] = ()


EVERYTHING = Wanted()


def get_annotation(session: Session, id_: str) -> AnnotationRow:
    """Return an annotation.

    Raises
    ------
    GoneError
        When it was deleted.
    """
    row = find_annotation(session, id_)
    if row is None:
        raise NotFoundError(NOUN, id_)
    if row.deleted_at is not None:
        raise GoneError(NOUN, id_)
    return row


def find_annotation(session: Session, id_: str) -> AnnotationRow | None:
    """Return an annotation or its tombstone, if there ever was one."""
    if "\0" in id_:
        return None
    found = _read(session, [col(Annotation.id) == id_], limit=1)
    return found[0] if found else None


def read_chosen(session: Session, ids: Sequence[str]) -> list[AnnotationRow]:
    """Return annotations in the order of their ids, deleted ones too."""
    found = {
        row.id: row
        for row in _read(session, [col(Annotation.id).in_(ids)], limit=MOST)
    }
    return [found[id_] for id_ in ids if id_ in found]


def list_annotations(
    session: Session,
    wanted: Wanted = EVERYTHING,
    *,
    after: Place | None = None,
    limit: int = MOST,
    is_newest_first: bool = False,
) -> list[AnnotationRow]:
    """Return annotations that are not deleted, in the order of their times.

    Parameters
    ----------
    after
        The place of the last one that the asker has.
    """
    conditions = _build_conditions(wanted)
    if after is not None:
        conditions.append(_build_rest(after, is_before=is_newest_first))
    return _read(
        session, conditions, limit=limit, is_newest_first=is_newest_first
    )


def get_place(row: AnnotationRow) -> Place:
    """Return where a row stands in the order of `list_annotations`."""
    return Place(row.created_at, row.id)


def count_annotations(session: Session, wanted: Wanted = EVERYTHING) -> int:
    """Return how many annotations there are that are not deleted."""
    return session.execute(
        _join(select(func.count(col(Annotation.id)))).where(
            *_build_conditions(wanted)
        )
    ).scalar_one()


def list_tags(
    session: Session, ids: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    """Return the tags of some annotations, those without any left out."""
    found: dict[str, list[str]] = {}
    for id_, tag in session.execute(
        select(col(AnnotationTag.annotation_id), col(AnnotationTag.tag))
        .where(col(AnnotationTag.annotation_id).in_(ids))
        .order_by(col(AnnotationTag.annotation_id), col(AnnotationTag.tag))
    ):
        found.setdefault(id_, []).append(tag)
    return found


def make_path(row: AnnotationRow) -> str:
    """Return the path of an annotation: its container's, and its id."""
    return make_address(row.container, row.id)


def make_address(container: str, id_: str) -> str:
    """Return the path of an annotation of a container."""
    return f"{PLACE}{container}/{id_}" if container else f"{PLACE}{id_}"


def absolutize(document: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return a document with this site's address before its references.

    Only what the model knows as an IRI is one; everything else is as it was
    sent, whatever it looks like.
    """
    start = base.rstrip("/")

    def complete(reference: str) -> str:
        is_ours = reference.startswith("/") and reference[:2] != "//"
        return f"{start}{reference}" if is_ours else reference

    return {
        key: _change(key, value, complete) for key, value in document.items()
    }


def relativize(document: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return a document that names this site by references alone."""
    start = base.rstrip("/")

    def shorten(iri: str) -> str:
        is_ours = iri.startswith(f"{start}/") and iri[len(start) :][:2] != "//"
        return iri[len(start) :] if is_ours else iri

    return {
        key: _change(key, value, shorten) for key, value in document.items()
    }


def _change(
    key: str, value: object, change: Callable[[str], str], depth: int = 0
) -> object:
    if isinstance(value, str):
        return change(value) if key in IRIS else value
    if isinstance(value, list):
        return [_change(key, one, change, depth) for one in value]
    if isinstance(value, dict) and key in NESTED and depth < DEEPEST:
        return {
            inner: _change(inner, one, change, depth + 1)
            for inner, one in value.items()
        }
    return value


def _build_conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        col(Annotation.deleted_at).is_(None)
    ]
    if wanted.container is not None:
        conditions.append(col(Annotation.container) == wanted.container)
    if wanted.thread is not None:
        conditions.append(col(Thread.slug) == wanted.thread)
    if wanted.parent is not None:
        conditions.append(col(Annotation.parent_id) == wanted.parent)
    if wanted.sources is not None:
        conditions.append(col(Annotation.source).in_(wanted.sources))
    if wanted.reviewer is not None:
        conditions.append(col(Reviewer.name) == wanted.reviewer)
    if wanted.motivation is not None:
        conditions.append(col(Annotation.motivation) == wanted.motivation)
    for tag in wanted.tags:
        tagged = select(col(AnnotationTag.annotation_id)).where(
            col(AnnotationTag.tag) == tag
        )
        conditions.append(col(Annotation.id).in_(tagged))
    return conditions


def _build_rest(place: Place, *, is_before: bool) -> ColumnElement[bool]:
    at, id_ = col(Annotation.created_at), col(Annotation.id)
    if is_before:
        return or_(
            at < place.created_at,
            and_(at == place.created_at, id_ < place.id),
        )
    return or_(
        at > place.created_at, and_(at == place.created_at, id_ > place.id)
    )


def _read(
    session: Session,
    conditions: Sequence[ColumnElement[bool]],
    *,
    limit: int,
    is_newest_first: bool = False,
) -> list[AnnotationRow]:
    order: Sequence[Any] = (col(Annotation.created_at), col(Annotation.id))
    if is_newest_first:
        order = [column.desc() for column in order]
    rows = session.execute(
        _ROWS.where(*conditions).order_by(*order).limit(min(limit, MOST))
    )
    return [AnnotationRow._make(row) for row in rows]


def _join(wanted: Chosen) -> Chosen:
    return (
        wanted.select_from(Annotation)
        .outerjoin(Thread, col(Thread.id) == col(Annotation.thread_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Annotation.reviewer_id))
    )


_ROWS = _join(
    select(
        col(Annotation.id),
        col(Annotation.container),
        col(Annotation.document),
        col(Annotation.version),
        col(Annotation.motivation),
        col(Annotation.created_at),
        col(Annotation.modified_at),
        col(Annotation.deleted_at),
        col(Thread.slug),
        col(Annotation.parent_id),
        col(Reviewer.name),
        col(Annotation.text),
        col(Annotation.source),
        func.coalesce(col(Person.name), col(Reviewer.display_name), ""),
        col(Annotation.html),
        col(Annotation.message_id),
        col(Annotation.position),
        col(Annotation.reviewer_id),
        col(Annotation.thread_id),
    )
).outerjoin(Person, col(Person.id) == col(Annotation.person_id))

"""Which annotations a Hypothesis client asks for, and what it lists them by.

A page of the document has several addresses: the whole text, one section,
one revision. What was said at one of them is found at each that shows the
passage, with all that answers it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import unquote

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.models import (
    Anchor,
    Annotation,
    AnnotationTag,
    Person,
    Reviewer,
    Revision,
    Section,
    ThreadSection,
)
from app.services import document
from app.services.annotation_rows import AnnotationRow, read_chosen
from app.services.annotations import OPENER
from app.services.hypothesis import DOCUMENT, GROUP, MAIL, Site
from app.services.revisions import select_newest_id
from app.services.sections import make_slug

REVISION = re.compile(rf"{DOCUMENT}revisions/(\d{{1,9}})/?", re.ASCII)
MOST_ALIKE = 1000
"""Most rows of a page of those that were made at the same time."""

Ids = Select[tuple[str]]


class Sort(StrEnum):
    """What a list may be sorted by."""

    created = "created"
    updated = "updated"
    id = "id"
    user = "user"


class Order(StrEnum):
    """Which way a list is sorted."""

    asc = "asc"
    desc = "desc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for; every part narrows.

    `after` is the sorted-by value of the last row that the asker has, and of
    `uris` and `patterns` one must fit.
    """

    limit: int = 20
    offset: int = 0
    sort: Sort = Sort.updated
    order: Order = Order.desc
    after: datetime | str | None = None
    uris: Sequence[str] = ()
    patterns: Sequence[str] = ()
    user: str | None = None
    group: str | None = None
    tags: Sequence[str] = ()
    any: str | None = None
    quote: str | None = None
    text: str | None = None
    references: str | None = None


class Found(NamedTuple):
    """A page of what was found, and how many there are in all."""

    rows: Sequence[AnnotationRow]
    total: int


class _Heading(NamedTuple):
    id: int
    anchor: str
    number: str
    level: int


def search(session: Session, query: Query, site: Site) -> Found:
    """Return a page of annotations.

    The client goes on by the time of the last row it has, and so would miss
    others of the same time: a page by time ends where the time changes, so
    that it may be shorter than was asked, or longer if all its rows are of
    one time.
    """
    if query.group not in {None, GROUP}:
        return Found([], 0)
    conditions = _build_conditions(session, query, site)
    total = session.execute(
        _join(select(func.count(col(Annotation.id)))).where(*conditions)
    ).scalar_one()
    ids = _list_ids(session, query, conditions) if query.limit else []
    return Found(read_chosen(session, ids), total)


def _list_ids(
    session: Session, query: Query, conditions: Sequence[ColumnElement[bool]]
) -> list[str]:
    value, id_ = _get_value(query.sort), col(Annotation.id)
    is_up = query.order == Order.asc
    chosen = _join(select(id_, value)).where(*conditions)
    if query.after is not None:
        chosen = chosen.where(
            value > query.after if is_up else value < query.after
        )
    order = [value, id_] if is_up else [value.desc(), id_.desc()]
    rows = session.execute(
        chosen.order_by(*order).offset(query.offset).limit(query.limit + 1)
    ).all()
    if len(rows) <= query.limit:
        return [row[0] for row in rows]
    last, beyond = rows[query.limit - 1][1], rows[query.limit][1]
    if query.offset or query.sort == Sort.id or last != beyond:
        return [row[0] for row in rows[: query.limit]]
    whole = [row[0] for row in rows if row[1] != last]
    if whole:
        return whole
    alike = chosen.where(value == last).order_by(*order).limit(MOST_ALIKE)
    return [row[0] for row in session.execute(alike)]


def _get_value(sort: Sort) -> Any:  # noqa: ANN401 - a column, or made of some
    if sort == Sort.id:
        return col(Annotation.id)
    if sort == Sort.user:
        return func.coalesce(col(Reviewer.name), col(Person.name), "")
    created = col(Annotation.created_at)
    if sort == Sort.created:
        return created
    return func.coalesce(col(Annotation.modified_at), created)


def _join(chosen: Select[Any]) -> Select[Any]:
    return (
        chosen.select_from(Annotation)
        .outerjoin(Reviewer, col(Reviewer.id) == col(Annotation.reviewer_id))
        .outerjoin(Person, col(Person.id) == col(Annotation.person_id))
    )


def _build_conditions(
    session: Session, query: Query, site: Site
) -> list[ColumnElement[bool]]:
    id_ = col(Annotation.id)
    made: list[ColumnElement[bool]] = [col(Annotation.deleted_at).is_(None)]
    if query.uris or query.patterns:
        roots = [_match_uri(session, uri, site) for uri in query.uris]
        roots += [_match_pattern(uri, site) for uri in query.patterns]
        made.append(id_.in_(_select_conversations(or_(*roots), "of_page")))
    if query.user is not None:
        made.append(_match_user(session, query.user))
    made += [_match_tag(tag) for tag in query.tags]
    if query.text is not None:
        made += [_match_text(word) for word in query.text.split()]
    if query.quote is not None:
        made += [_match_quote(word) for word in query.quote.split()]
    if query.any is not None:
        made += [
            or_(
                _match_text(word),
                _match_quote(word),
                _match_tag(word),
                col(Reviewer.name).icontains(word, autoescape=True),
                col(Person.name).icontains(word, autoescape=True),
            )
            for word in query.any.split()
        ]
    if query.references is not None:
        wanted = col(Annotation.id) == query.references
        made += [
            id_.in_(_select_conversations(wanted, "of_one")),
            id_ != query.references,
        ]
    return made


def _match_uri(session: Session, uri: str, site: Site) -> ColumnElement[bool]:
    """Return what was said at a page, or of what the page shows."""
    path = unquote(site.make_source(uri))
    is_here = col(Annotation.source) == path
    if not path.startswith(DOCUMENT):
        return is_here
    of_document = col(Annotation.source).startswith(DOCUMENT, autoescape=True)
    if path == DOCUMENT:
        return of_document
    revision = REVISION.fullmatch(path)
    if revision is not None:
        shown = (
            select(col(Section.id))
            .join(Revision, col(Revision.id) == col(Section.revision_id))
            .where(col(Revision.number) == int(revision[1]))
        )
        return or_(is_here, of_document & _stands_in(shown))
    return or_(
        is_here,
        of_document
        & _stands_in(_list_shown(session, path.removeprefix(DOCUMENT))),
    )


def _list_shown(session: Session, name: str) -> Sequence[int]:
    """Return the section of an address, and those below it."""
    rows = [
        _Heading._make(row)
        for row in session.execute(
            select(
                col(Section.id),
                col(Section.anchor),
                col(Section.number),
                col(Section.level),
            )
            .where(col(Section.revision_id) == select_newest_id())
            .order_by(col(Section.position))
        )
    ]
    top = document.find_section(rows, name)
    return [row.id for row in document.list_below(rows, top)] if top else []


def _stands_in(sections: Any) -> ColumnElement[bool]:  # noqa: ANN401 - ids, or a query of them
    """Return what has its place in sections, itself or as a thread."""
    anchors = select(col(Anchor.annotation_id)).where(
        col(Anchor.section_id).in_(sections),
        col(Anchor.annotation_id).is_not(None),
    )
    threads = select(col(ThreadSection.thread_id)).where(
        col(ThreadSection.section_id).in_(sections)
    )
    return or_(
        col(Annotation.id).in_(anchors),
        col(Annotation.thread_id).in_(threads),
    )


def _match_pattern(pattern: str, site: Site) -> ColumnElement[bool]:
    """Return what was said at an address with `*` (any text) and `?`."""
    source = site.make_source(pattern)
    for character in "\\%_":
        source = source.replace(character, f"\\{character}")
    like = source.replace("*", "%").replace("?", "_")
    return col(Annotation.source).like(like, escape="\\")


def _select_conversations(roots: ColumnElement[bool], name: str) -> Any:  # noqa: ANN401 - a subquery of ids
    """Return annotations with all that answers them, as a query of ids.

    `name` is what the query calls them; no other of it may.
    """
    threads = select(col(Annotation.thread_id)).where(
        roots,
        col(Annotation.thread_id).is_not(None),
        col(Annotation.position) == OPENER,
    )
    found = (
        select(col(Annotation.id))
        .where(or_(roots, col(Annotation.thread_id).in_(threads)))
        .cte(name, recursive=True)
    )
    reply = aliased(Annotation)
    found = found.union(
        select(col(reply.id)).join(found, col(reply.parent_id) == found.c.id)
    )
    return select(found.c.id)


def _match_user(session: Session, user: str) -> ColumnElement[bool]:
    """Return what somebody wrote: `acct:NAME@HOST`, or the name alone."""
    name = user.removeprefix("acct:").rpartition("@")[0] or user
    if not name.startswith(MAIL):
        return col(Reviewer.name) == name
    people = session.execute(select(col(Person.id), col(Person.name)))
    slug = name.removeprefix(MAIL)
    wanted = [id_ for id_, called in people if make_slug(called) == slug]
    return col(Annotation.person_id).in_(wanted) & col(
        Annotation.reviewer_id
    ).is_(None)


def _match_tag(tag: str) -> ColumnElement[bool]:
    return col(Annotation.id).in_(
        select(col(AnnotationTag.annotation_id)).where(
            func.lower(col(AnnotationTag.tag)) == tag.lower()
        )
    )


def _match_text(word: str) -> ColumnElement[bool]:
    return col(Annotation.text).icontains(word, autoescape=True)


def _match_quote(word: str) -> ColumnElement[bool]:
    return col(Annotation.id).in_(
        select(col(Anchor.annotation_id)).where(
            col(Anchor.exact).icontains(word, autoescape=True),
            col(Anchor.annotation_id).is_not(None),
        )
    )

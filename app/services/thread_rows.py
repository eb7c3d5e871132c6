"""Threads as they are read: lists, one thread, what can be counted.

Lists read columns, in two queries however many threads they show; a thread's
page takes three (itself, what it speaks of, its posts).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    String,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.errors import NotFoundError
from app.models import (
    Anchor,
    AnchorState,
    Call,
    Message,
    Person,
    Reviewer,
    Scenario,
    Section,
    Severity,
    Thread,
    ThreadCall,
    ThreadKind,
    ThreadSection,
    ThreadState,
)
from app.services.anchoring import Method
from app.services.annotations import count_replies
from app.services.revisions import select_newest_id
from app.services.sections import make_slug
from app.services.standings import SETTLED
from app.services.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which threads a list shows; None leaves a part open.

    `reviewer` is an opener's name, its slug or its last word.
    """

    reviewer: str | None = None
    kind: ThreadKind | None = None
    state: ThreadState | None = None
    severity: Severity | None = None
    call: str | None = None
    section: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadRow:
    """A thread as a list shows it, with how many replied."""

    id: int
    position: int
    slug: str
    title: str
    kind: ThreadKind
    severity: Severity
    state: ThreadState
    outcome: ThreadState | None
    opener: str
    opened_at: datetime
    replies: int
    calls: tuple[str, ...]


class SectionLink(NamedTuple):
    """A section that a thread speaks of."""

    anchor: str
    number: str
    title: str
    note: str | None


class LostPlace(NamedTuple):
    """A place that a thread spoke of and that is not sure any more."""

    state: str
    anchor: int
    quoted: str


class ScenarioLink(NamedTuple):
    """A question that was asked because of a thread."""

    slug: str
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadDetail:
    """A thread as its own page shows it."""

    id: int
    slug: str
    title: str
    kind: ThreadKind
    severity: Severity
    severity_source: str
    state: ThreadState
    outcome: ThreadState | None
    opener: str
    opened_at: datetime
    summary: str
    summary_html: str
    passage: str | None
    quote: str | None
    message_id: str | None
    is_imported: bool
    in_reply_to: str | None
    notes: list[str]
    what_if: Mapping[str, Any] | None
    calls: tuple[str, ...] = ()
    sections: tuple[SectionLink, ...] = ()
    scenarios: tuple[ScenarioLink, ...] = ()
    lost: tuple[LostPlace, ...] = ()


class Facets(NamedTuple):
    """How many threads there are of each opener, kind, state, severity."""

    total: int
    reviewers: Mapping[str, int]
    kinds: Mapping[str, int]
    states: Mapping[str, int]
    severities: Mapping[str, int]


_opener = func.coalesce(col(Person.name), col(Reviewer.display_name), "")
_settled = case((col(Thread.state).in_(SETTLED), 1), else_=0)
_weight = case(
    {member: rank for rank, member in enumerate(Severity)},
    value=col(Thread.severity),
)


def list_by_weight(
    session: Session, wanted: Wanted, *, limit: int, offset: int = 0
) -> list[ThreadRow]:
    """Return threads, open ones first, then by severity, then by date."""
    chosen = (
        _select_ids(wanted)
        .order_by(_settled, _weight, col(Thread.opened_at), col(Thread.id))
        .limit(limit)
        .offset(offset)
    )
    return _read_rows(
        session,
        chosen,
        (_settled, _weight, col(Thread.opened_at), col(Thread.id)),
    )


def list_by_position(
    session: Session, wanted: Wanted, window: Window
) -> list[ThreadRow]:
    """Return threads in the order they came in; a window of positions."""
    position = col(Thread.position)
    chosen = window.cut(_select_ids(wanted), position)
    # read in the list's order, whichever end they were chosen from
    return _read_rows(session, chosen, (position,))


def count_threads(session: Session, wanted: Wanted) -> int:
    """Count the threads that a list without limit would show."""
    chosen = _select_ids(wanted).subquery()
    return session.execute(
        select(func.count()).select_from(chosen)
    ).scalar_one()


def count_facets(session: Session) -> Facets:
    """Count all threads by what a list can be narrowed to."""
    rows = session.execute(
        select(
            _opener,
            col(Thread.kind),
            col(Thread.state),
            col(Thread.severity),
            func.count(),
        )
        .outerjoin(Person, col(Person.id) == col(Thread.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Thread.reviewer_id))
        .group_by(
            _opener,
            col(Thread.kind),
            col(Thread.state),
            col(Thread.severity),
        )
    ).all()
    counters: tuple[Counter[str], ...] = tuple(Counter() for _ in range(4))
    for *names, count in rows:
        for counter, name in zip(counters, names, strict=True):
            counter[str(name)] += count
    reviewers, kinds, states, severities = counters
    return Facets(
        sum(row[4] for row in rows),
        dict(sorted(reviewers.items())),
        kinds,
        states,
        severities,
    )


def _select_ids(wanted: Wanted) -> Select[int | None]:
    return (
        select(col(Thread.id))
        .outerjoin(Person, col(Person.id) == col(Thread.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Thread.reviewer_id))
        .where(*_get_conditions(wanted))
    )


def _get_conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        col(column) == value
        for column, value in (
            (Thread.kind, wanted.kind),
            (Thread.state, wanted.state),
            (Thread.severity, wanted.severity),
        )
        if value is not None
    ]
    if wanted.reviewer is not None:
        slug = make_slug(wanted.reviewer)
        conditions.append(
            or_(
                col(Person.slug) == slug,
                col(Person.slug).endswith(f"-{slug}", autoescape=True),
                col(Reviewer.name) == wanted.reviewer,
                col(Reviewer.display_name) == wanted.reviewer,
            )
        )
    if wanted.call is not None:
        named = (
            select(col(ThreadCall.thread_id))
            .join(Call, col(Call.id) == col(ThreadCall.call_id))
            .where(col(Call.name) == wanted.call)
        )
        conditions.append(col(Thread.id).in_(named))
    if wanted.section is not None:
        within = (
            select(col(ThreadSection.thread_id))
            .join(Section, col(Section.id) == col(ThreadSection.section_id))
            .where(
                col(Section.anchor) == wanted.section,
                col(Section.revision_id) == select_newest_id(),
            )
        )
        conditions.append(col(Thread.id).in_(within))
    return conditions


def _read_rows(
    session: Session,
    chosen: Select[int | None],
    order: Sequence[SQLColumnExpression[Any]],
) -> list[ThreadRow]:
    ids = chosen.subquery()
    rows = session.execute(
        select(
            col(Thread.id),
            col(Thread.position),
            col(Thread.slug),
            col(Thread.title),
            col(Thread.kind),
            col(Thread.severity),
            col(Thread.state),
            col(Thread.outcome),
            _opener.label("opener"),
            col(Thread.opened_at),
            count_replies().label("replies"),
        )
        .join(ids, ids.c.id == col(Thread.id))
        .outerjoin(Person, col(Person.id) == col(Thread.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Thread.reviewer_id))
        .order_by(*order)
    ).all()
    calls = _read_calls(session, [row.id for row in rows]) if rows else {}
    return [
        ThreadRow(**row._asdict(), calls=tuple(calls.get(row.id, ())))
        for row in rows
    ]


def _read_calls(
    session: Session, ids: Sequence[int]
) -> Mapping[int, list[str]]:
    calls: defaultdict[int, list[str]] = defaultdict(list)
    for thread_id, name in session.execute(
        select(col(ThreadCall.thread_id), col(Call.name))
        .join(Call, col(Call.id) == col(ThreadCall.call_id))
        .where(col(ThreadCall.thread_id).in_(ids))
        .order_by(col(ThreadCall.thread_id), col(ThreadCall.position))
    ):
        calls[thread_id].append(name)
    return calls


def get_thread(session: Session, slug: str) -> ThreadDetail:
    """Return a thread with all that it speaks of, in two queries."""
    row = session.execute(
        select(
            col(Thread.id),
            col(Thread.slug),
            col(Thread.title),
            col(Thread.kind),
            col(Thread.severity),
            col(Thread.severity_source),
            col(Thread.state),
            col(Thread.outcome),
            _opener.label("opener"),
            col(Thread.opened_at),
            col(Thread.summary),
            col(Thread.summary_html),
            col(Thread.passage),
            col(Thread.quote),
            col(Thread.message_id),
            col(Message.id).is_not(None).label("is_imported"),
            col(Thread.in_reply_to),
            col(Thread.notes),
            col(Thread.what_if),
        )
        .outerjoin(Person, col(Person.id) == col(Thread.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Thread.reviewer_id))
        .outerjoin(Message, col(Message.message_id) == col(Thread.message_id))
        .where(col(Thread.slug) == slug)
    ).first()
    if row is None:
        raise NotFoundError("thread", slug)
    links = _read_links(session, row.id)
    return ThreadDetail(
        **row._asdict(),
        calls=tuple(link.name for link in links["call"]),
        sections=tuple(
            SectionLink(link.name, link.number, link.title, link.note)
            for link in links["section"]
        ),
        scenarios=tuple(
            ScenarioLink(link.name, link.title) for link in links["scenario"]
        ),
        lost=tuple(
            LostPlace(link.name, link.position, link.title)
            for link in links["anchor"]
        ),
    )


class _Link(NamedTuple):
    noun: str
    position: int
    name: str
    number: str
    title: str
    note: str | None


def _read_links(session: Session, thread_id: int) -> Mapping[str, list[_Link]]:
    none = null().cast(String)
    calls: Select[*tuple[Any, ...]] = (
        select(
            literal("call").label("noun"),
            col(ThreadCall.position).label("position"),
            col(Call.name).label("name"),
            literal("").label("number"),
            literal("").label("title"),
            none.label("note"),
        )
        .join(Call, col(Call.id) == col(ThreadCall.call_id))
        .where(col(ThreadCall.thread_id) == thread_id)
    )
    sections = (
        select(
            literal("section"),
            col(ThreadSection.position),
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
            col(ThreadSection.note),
        )
        .join(Section, col(Section.id) == col(ThreadSection.section_id))
        .where(
            col(ThreadSection.thread_id) == thread_id,
            col(Section.revision_id) == select_newest_id(),
        )
    )
    scenarios = select(
        literal("scenario"),
        col(Scenario.position),
        col(Scenario.slug),
        literal(""),
        col(Scenario.question),
        none,
    ).where(col(Scenario.thread_id) == thread_id)
    original = aliased(Anchor)
    lost = (
        select(
            literal("anchor"),
            col(Anchor.id),
            cast(col(Anchor.state), String),
            literal(""),
            col(original.exact),
            none,
        )
        .join(
            original,
            (col(original.thread_id) == col(Anchor.thread_id))
            & (col(original.position) == col(Anchor.position))
            & (col(original.method) == Method.original.value),
        )
        .where(
            col(Anchor.thread_id) == thread_id,
            col(Anchor.revision_id) == select_newest_id(),
            col(Anchor.state).in_((AnchorState.proposed, AnchorState.orphan)),
        )
    )
    links: defaultdict[str, list[_Link]] = defaultdict(list)
    together = union_all(calls, sections, scenarios, lost)
    rows = session.execute(together.order_by("noun", "position")).all()
    for row in rows:
        links[row[0]].append(_Link(*row))
    return links

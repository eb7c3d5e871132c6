"""What is searched of threads, of their posts, and of remarks on clauses."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Column, Result, ScalarSelect, Select, bindparam, select
from sqlalchemy.orm import Mapped, Session
from sqlmodel import SQLModel, col

from app.models import (
    Person,
    Reviewer,
    Revision,
    SearchKind,
    Thread,
    get_id,
)
from app.services.mail_terms import split_quoted
from app.services.search_facts import (
    make_terms,
    say_calls,
    say_clauses,
    say_is,
    say_named,
    say_stances,
    say_who,
)
from app.services.search_records import Findable

Refs = Collection[str] | None
Ids = Collection[int | None] | None
Wanted = TypeVar("Wanted", bound=Select[*tuple[Any, ...]])
Clauses = dict[int, list[tuple[str, str]]]
OPENER = 0
"""The place of a thread's first post, which the thread itself shows."""


class _Query(NamedTuple):
    """A query for all there is, and one for what is chosen.

    Both are put together once: what comes with every post must not wait for
    that. They ask tables, not models, which costs a third.
    """

    whole: Select[*tuple[Any, ...]]
    some: Select[*tuple[Any, ...]]

    def read(
        self, session: Session, chosen: Collection[Any] | None
    ) -> Result[*tuple[Any, ...]]:
        connection = session.connection()
        if chosen is None:
            return connection.execute(self.whole)
        return connection.execute(self.some, {"chosen": list(chosen)})


def _prepare(whole: Select[*tuple[Any, ...]], column: Column[Any]) -> _Query:
    some = whole.where(column.in_(bindparam("chosen", expanding=True)))
    return _Query(whole, some)


class Links(NamedTuple):
    """Which calls and clauses some rows speak of."""

    calls: Mapping[int, list[str]]
    clauses: Mapping[int, list[tuple[str, str]]]

    def say(self, id_: int | None) -> Iterator[str]:
        """Give a row's facts about calls and clauses."""
        yield from say_calls(self.calls.get(id_ or 0, ()))
        yield from say_clauses(self.clauses.get(id_ or 0, ()))


def select_revision() -> ScalarSelect[Any]:
    """Return which revision is the text under review."""
    return (
        select(col(Revision.id))
        .where(col(Revision.is_reference).is_(False))
        .order_by(col(Revision.proposal_id), col(Revision.number).desc())
        .limit(1)
        .scalar_subquery()
    )


_TABLES = SQLModel.metadata.tables
_NOTES, _THREADS = _TABLES["annotation"].c, _TABLES["thread"].c
_ANCHORS, _PEOPLE = _TABLES["anchor"].c, _TABLES["person"].c
_CALLS, _SECTIONS = _TABLES["call"].c, _TABLES["section"].c
_TIED, _PLACED = _TABLES["thread_call"].c, _TABLES["thread_section"].c
_ACCOUNTS = _TABLES["reviewer"].c
_STANCES = _TABLES["stance"].c
_REVISION = select_revision()

_TIED_CALLS = _prepare(
    select(_TIED.thread_id, _CALLS.name)
    .join_from(
        _TABLES["thread_call"], _TABLES["call"], _CALLS.id == _TIED.call_id
    )
    .order_by(_TIED.position),
    _TIED.thread_id,
)
_TIED_CLAUSES = _prepare(
    select(_PLACED.thread_id, _SECTIONS.number, _SECTIONS.anchor)
    .join_from(
        _TABLES["thread_section"],
        _TABLES["section"],
        _SECTIONS.id == _PLACED.section_id,
    )
    .where(_SECTIONS.revision_id == _REVISION)
    .order_by(_PLACED.position),
    _PLACED.thread_id,
)
_STANCES_TAKEN = _prepare(
    select(_STANCES.thread_id, _STANCES["value"]), _STANCES.thread_id
)
_LIVING_NOTES = _prepare(
    select(
        *(_NOTES.id, _NOTES.thread_id, _NOTES.motivation, _NOTES.text),
        *(_NOTES.position, _NOTES.created_at, _THREADS.title),
        _PEOPLE.name.label("person"),
        _ACCOUNTS.display_name,
        _ACCOUNTS.name.label("account"),
        _STANCES["value"].label("stance"),
    )
    .select_from(
        _TABLES["annotation"]
        .outerjoin(_TABLES["thread"], _THREADS.id == _NOTES.thread_id)
        .outerjoin(_TABLES["person"], _PEOPLE.id == _NOTES.person_id)
        .outerjoin(_TABLES["reviewer"], _ACCOUNTS.id == _NOTES.reviewer_id)
        .outerjoin(_TABLES["stance"], _STANCES.annotation_id == _NOTES.id)
    )
    .where(_NOTES.deleted_at.is_(None)),
    _NOTES.id,
)
_ANCHORED = _prepare(
    select(
        *(_ANCHORS.annotation_id, _CALLS.name),
        *(_SECTIONS.number, _SECTIONS.anchor),
    )
    .select_from(
        _TABLES["anchor"]
        .outerjoin(_TABLES["call"], _CALLS.id == _ANCHORS.call_id)
        .outerjoin(_TABLES["section"], _SECTIONS.id == _ANCHORS.section_id)
    )
    .where(
        _ANCHORS.annotation_id.is_not(None),
        _ANCHORS.revision_id == _REVISION,
    )
    .order_by(_ANCHORS.position),
    _ANCHORS.annotation_id,
)


def narrow(
    wanted: Wanted, ref: Mapped[Any], refs: Collection[Any] | None
) -> Wanted:
    """Return a query for what is chosen, or as it is."""
    return wanted if refs is None else wanted.where(ref.in_(refs))


def read_threads(session: Session, refs: Refs) -> Iterator[Findable]:
    """Return the threads as they were opened and as they stand."""
    rows = session.execute(
        narrow(
            select(
                Thread,
                col(Person.name),
                col(Reviewer.display_name),
                col(Reviewer.name),
            )
            .outerjoin(Person, col(Person.id) == col(Thread.person_id))
            .outerjoin(Reviewer, col(Reviewer.id) == col(Thread.reviewer_id)),
            col(Thread.slug),
            refs,
        )
    ).all()
    chosen = None if refs is None else [row[0].id for row in rows]
    links = read_thread_links(session, chosen)
    stances: dict[int, list[str]] = defaultdict(list)
    for thread_id, value in _STANCES_TAKEN.read(session, chosen):
        stances[thread_id].append(value)
    for thread, person, display_name, account in rows:
        words = {thread.state.value, thread.severity.value, thread.kind.value}
        facts = [
            *say_is("thread", *sorted(words)),
            *say_named(thread.title, thread.slug),
            *say_who(person, display_name, account=account),
            *say_stances(stances[get_id(thread)]),
            *links.say(thread.id),
        ]
        yield Findable(
            SearchKind.thread,
            thread.slug,
            thread.opened_at,
            make_terms(
                facts,
                title=thread.title,
                sender=person or display_name or "",
                own="\n".join([thread.summary, *thread.notes]),
                quoted=thread.quote or thread.passage or "",
                names=thread.slug,
            ),
        )


def read_thread_links(session: Session, ids: Ids = None) -> Links:
    """Return the calls and clauses that threads speak of, by their rows."""
    if ids is not None and not ids:
        return Links({}, {})
    calls: dict[int, list[str]] = defaultdict(list)
    for id_, name in _TIED_CALLS.read(session, ids):
        calls[id_].append(name)
    clauses: Clauses = defaultdict(list)
    for id_, number, anchor in _TIED_CLAUSES.read(session, ids):
        clauses[id_].append((number, anchor))
    return Links(calls, clauses)


def read_annotations(session: Session, refs: Refs) -> Iterator[Findable]:
    """Return the posts of threads, and the remarks on clauses."""
    rows = _LIVING_NOTES.read(session, refs).all()
    threads = {row.thread_id for row in rows} - {None}
    links = read_thread_links(session, None if refs is None else threads)
    has_remarks = any(row.thread_id is None for row in rows)
    remarks = _read_remark_facts(session, refs) if has_remarks else {}
    for note in rows:
        if note.thread_id is not None and note.position == OPENER:
            continue
        own, quoted = split_quoted(note.text)
        part = "remark" if note.thread_id is None else "post"
        about = (
            remarks.get(note.id, ())
            if note.thread_id is None
            else links.say(note.thread_id)
        )
        facts = [
            *say_is("annotation", part, note.motivation.value),
            *say_stances([note.stance] if note.stance else ()),
            *say_who(note.person, note.display_name, account=note.account),
            *about,
        ]
        yield Findable(
            SearchKind.annotation,
            note.id,
            note.created_at,
            make_terms(
                facts,
                title=note.title or "",
                sender=note.person or note.display_name or "",
                own=own,
                quoted=quoted,
            ),
        )


def _read_remark_facts(session: Session, refs: Refs) -> dict[str, list[str]]:
    """Return where remarks point in the text under review."""
    facts: dict[str, list[str]] = defaultdict(list)
    for id_, call, number, anchor in _ANCHORED.read(session, refs):
        facts[id_] += say_calls([call] if call else [])
        facts[id_] += say_clauses([(number, anchor)] if anchor else [])
    return facts

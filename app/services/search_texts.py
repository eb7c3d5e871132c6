"""What is searched of the review itself: all kinds but mails.

A reader takes the refs of what is wanted, or None for all there are. Of the
document only the text under review is searched, as its author wrote it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Column, Result, ScalarSelect, Select, bindparam, select
from sqlalchemy.orm import Mapped, Session
from sqlmodel import SQLModel, col

from app.models import (
    Call,
    CallSection,
    Decision,
    Person,
    Reviewer,
    Revision,
    Run,
    SavedScenario,
    Scenario,
    ScenarioCall,
    SearchKind,
    Section,
    Thread,
    get_id,
)
from app.services.mail_terms import split_quoted
from app.services.search_facts import (
    RUN,
    make_terms,
    say_calls,
    say_clauses,
    say_is,
    say_named,
    say_who,
)
from app.services.search_records import EPOCH, Findable
from app.services.search_terms import make_whole_fact

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


def read_sections(session: Session, refs: Refs) -> Iterator[Findable]:
    """Return the sections of the text under review."""
    calls: dict[int, list[str]] = defaultdict(list)
    for section_id, name in session.execute(
        select(col(CallSection.section_id), col(Call.name))
        .join(Call, col(Call.id) == col(CallSection.call_id))
        .where(col(CallSection.position) == 0)
        .order_by(col(Call.position))
    ):
        calls[section_id].append(name)
    rows = session.execute(
        _narrow(
            select(Section, col(Revision.text), col(Revision.dated_on))
            .join(Revision, col(Revision.id) == col(Section.revision_id))
            .where(col(Section.revision_id) == select_revision()),
            col(Section.anchor),
            refs,
        )
    )
    for section, text, dated_on in rows:
        facts = [
            *say_is("section", "document"),
            *say_named(section.number, section.title, section.anchor),
            *say_calls(calls[get_id(section)]),
            *say_clauses([(section.number, section.anchor)]),
        ]
        yield Findable(
            SearchKind.section,
            section.anchor,
            read_day(dated_on),
            make_terms(
                facts,
                title=f"{section.number} {section.title}",
                own=text[section.start : section.end],
                names=section.anchor,
            ),
        )


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
_LIVING_NOTES = _prepare(
    select(
        *(_NOTES.id, _NOTES.thread_id, _NOTES.motivation, _NOTES.text),
        *(_NOTES.position, _NOTES.created_at, _THREADS.title),
        _PEOPLE.name.label("person"),
        _ACCOUNTS.display_name,
        _ACCOUNTS.name.label("account"),
    )
    .select_from(
        _TABLES["annotation"]
        .outerjoin(_TABLES["thread"], _THREADS.id == _NOTES.thread_id)
        .outerjoin(_TABLES["person"], _PEOPLE.id == _NOTES.person_id)
        .outerjoin(_TABLES["reviewer"], _ACCOUNTS.id == _NOTES.reviewer_id)
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


def read_day(day: str) -> datetime:
    """Return when a day began; a day that is none is as old as can be."""
    try:
        return datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        return EPOCH


def _find_first_day(session: Session) -> datetime:
    # what has no time of its own is as old as the proposal
    day = session.scalar(
        select(col(Revision.dated_on)).order_by(col(Revision.id)).limit(1)
    )
    return read_day(day or "")


def read_calls(session: Session, refs: Refs) -> Iterator[Findable]:
    """Return the calls with all that is recorded of them."""
    at = _find_first_day(session)
    clauses: Clauses = defaultdict(list)
    for id_, number, anchor in session.execute(
        select(
            col(CallSection.call_id), col(Section.number), col(Section.anchor)
        )
        .join(Section, col(Section.id) == col(CallSection.section_id))
        .where(col(Section.revision_id) == select_revision())
    ):
        clauses[id_].append((number, anchor))
    for call in session.scalars(_narrow(select(Call), col(Call.name), refs)):
        facts = [
            *say_is("call", call.status.value),
            *say_named(call.name, call.rfc_patch_name),
            *say_calls([call.name]),
            *say_clauses(clauses[get_id(call)]),
        ]
        yield Findable(
            SearchKind.call,
            call.name,
            at,
            make_terms(
                facts,
                title=call.name,
                own=write_call(call),
                names=call.rfc_patch_name or "",
            ),
        )


def write_call(call: Call) -> str:
    """Return a call's record as a text, a line a part."""
    named = [
        f"{name}: {text}"
        for part in (call.inputs, call.outputs, call.constants)
        for name, text in part.items()
    ]
    parts = (
        *(call.prototype, call.group, *named),
        *(call.clobbers, call.segments, call.native_equivalent),
        *(*call.semantics, call.error_behaviour),
        *(*call.hardware_facts, *call.notes, *call.linux_usage.values()),
    )
    return "\n".join(part for part in parts if part)


def read_threads(session: Session, refs: Refs) -> Iterator[Findable]:
    """Return the threads as they were opened and as they stand."""
    rows = session.execute(
        _narrow(
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
    links = _read_thread_links(
        session, None if refs is None else [row[0].id for row in rows]
    )
    for thread, person, display_name, account in rows:
        words = {thread.state.value, thread.severity.value, thread.kind.value}
        facts = [
            *say_is("thread", *sorted(words)),
            *say_named(thread.title, thread.slug),
            *say_who(person, display_name, account=account),
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


def _read_thread_links(session: Session, ids: Ids = None) -> Links:
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
    links = _read_thread_links(session, None if refs is None else threads)
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


def read_scenarios(session: Session, refs: Refs) -> Iterator[Findable]:
    """Return the questions that can be run."""
    at = _find_first_day(session)
    calls: dict[int, list[str]] = defaultdict(list)
    for id_, name in session.execute(
        select(col(ScenarioCall.scenario_id), col(Call.name))
        .join(Call, col(Call.id) == col(ScenarioCall.call_id))
        .order_by(col(Call.position))
    ):
        calls[id_].append(name)
    rows = session.execute(
        _narrow(
            select(
                Scenario,
                col(SavedScenario.saved_at),
                col(Reviewer.display_name),
                col(Reviewer.name),
            )
            .outerjoin(
                SavedScenario,
                col(SavedScenario.scenario_id) == col(Scenario.id),
            )
            .outerjoin(
                Reviewer, col(Reviewer.id) == col(SavedScenario.reviewer_id)
            ),
            col(Scenario.slug),
            refs,
        )
    )
    for scenario, saved_at, display_name, account in rows:
        facts = [
            *say_is("scenario"),
            *say_named(scenario.question, scenario.slug),
            *say_who(display_name, account=account),
            *say_calls(calls[get_id(scenario)]),
        ]
        yield Findable(
            SearchKind.scenario,
            scenario.slug,
            saved_at or at,
            make_terms(
                facts,
                title=scenario.question,
                sender=display_name or "",
                own=scenario.text,
                names=scenario.slug,
            ),
        )


def read_runs(session: Session, refs: Refs) -> Iterator[Findable]:
    """Return the runs that are kept."""
    rows = session.execute(
        _narrow(
            select(
                col(Run.id),
                col(Run.scenario_slug),
                col(Run.question),
                col(Run.text),
                col(Run.created_at),
            ),
            col(Run.id),
            refs,
        )
    )
    for id_, slug, question, text, created_at in rows:
        facts = [
            *say_is("run"),
            make_whole_fact(RUN, id_),
            *([make_whole_fact(RUN, slug)] if slug else ()),
        ]
        yield Findable(
            SearchKind.run,
            id_,
            created_at,
            make_terms(
                facts,
                title=question,
                own=text,
                names=f"{id_} {slug or ''}",
            ),
        )


def read_decisions(session: Session, refs: Refs) -> Iterator[Findable]:
    """Return the decisions."""
    links = _read_thread_links(session)
    replaced = set(
        session.scalars(
            select(col(Decision.supersedes_id)).where(
                col(Decision.supersedes_id).is_not(None)
            )
        )
    )
    wanted = select(
        Decision,
        col(Thread.title),
        col(Thread.slug),
        col(Reviewer.display_name),
        col(Reviewer.name),
    ).join(Thread, col(Thread.id) == col(Decision.thread_id))
    wanted = wanted.join(
        Reviewer, col(Reviewer.id) == col(Decision.reviewer_id)
    )
    if refs is not None:
        numbers = [int(ref) for ref in refs if ref.isdecimal()]
        wanted = wanted.where(col(Decision.number).in_(numbers))
    for decision, title, slug, display_name, account in session.execute(
        wanted
    ):
        standing = "superseded" if decision.id in replaced else "in-force"
        facts = [
            *say_is("decision", decision.disposition.value, standing),
            *say_who(display_name, account=account),
            *links.say(decision.thread_id),
        ]
        yield Findable(
            SearchKind.decision,
            str(decision.number),
            decision.decided_at,
            make_terms(
                facts,
                title=title,
                sender=display_name,
                own=f"{decision.reason}\n{decision.dissent}",
                names=slug,
            ),
        )


def _narrow(
    wanted: Wanted, ref: Mapped[Any], refs: Collection[Any] | None
) -> Wanted:
    return wanted if refs is None else wanted.where(ref.in_(refs))


READERS: Mapping[SearchKind, Callable[[Session, Refs], Iterator[Findable]]] = {
    SearchKind.section: read_sections,
    SearchKind.call: read_calls,
    SearchKind.thread: read_threads,
    SearchKind.annotation: read_annotations,
    SearchKind.scenario: read_scenarios,
    SearchKind.run: read_runs,
    SearchKind.decision: read_decisions,
}

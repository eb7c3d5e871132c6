"""Calls: the map of all, and one with everything that concerns it."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app import sim
from app.errors import NotFoundError
from app.models import (
    Call,
    CallSection,
    CallStatus,
    Scenario,
    ScenarioCall,
    Section,
    Severity,
    Thread,
    ThreadCall,
    ThreadState,
)
from app.services.revisions import select_newest_id
from app.services.standings import (
    SETTLED,
    Standing,
    get_sign,
    get_weight,
    select_standings,
    sort_standings,
)

LONGEST_NAME = 100
NEAREST = 5
LIKENESS = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which calls a list shows; None leaves a part open."""

    group: str | None = None
    status: CallStatus | None = None
    executable: bool | None = None
    unsettled: bool | None = None


class ThreadMark(NamedTuple):
    """How a thread on a call stands, for a cell."""

    slug: str
    state: ThreadState
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """What a list or the map shows of a call."""

    position: int
    name: str
    number: int | None
    group: str
    status: CallStatus
    prototype: str | None
    spec_section: str | None
    threads: list[ThreadMark] = field(default_factory=list)

    @property
    def is_executable(self) -> bool:
        """Tell whether the simulator executes it."""
        return self.name in sim.CALLS

    @property
    def is_later(self) -> bool:
        """Tell whether the RFC's document does not define it."""
        return self.status != CallStatus.documented

    @property
    def count(self) -> int:
        """Return how many threads speak of it."""
        return len(self.threads)

    @property
    def unsettled(self) -> int:
        """Return how many of its threads somebody has to act on."""
        return sum(t.state not in SETTLED for t in self.threads)

    @property
    def worst(self) -> str | None:
        """Return the sign of its heaviest thread, if it has one."""
        if not self.threads:
            return None
        heaviest = min(
            self.threads, key=lambda t: get_weight(t.state, t.severity)
        )
        return get_sign(heaviest.state, heaviest.severity)


class SectionLink(NamedTuple):
    """A section that defines or concerns a call."""

    anchor: str
    number: str
    title: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """A call as the facts state it, every field."""

    id: int
    position: int
    name: str
    number: int | None
    group: str
    status: CallStatus
    abi_number: Mapping[str, int | None]
    rfc_doc_item: int | None
    rfc_patch_name: str | None
    prototype: str | None
    inputs: Mapping[str, str]
    inputs_inferred: bool
    outputs: Mapping[str, str]
    clobbers: str | None
    segments: str | None
    queue_class: str | None
    native_equivalent: str | None
    semantics: Sequence[str]
    error_behaviour: str | None
    constants: Mapping[str, str | int]
    hardware_facts: Sequence[str]
    simulator_hints: Sequence[str]
    notes: Sequence[str]
    linux_usage: Mapping[str, str | None]
    spec_section: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A call, its clause, what is said of it, and its neighbours' names."""

    facts: CallFacts
    previous: str | None
    next: str | None
    sections: Sequence[SectionLink]
    threads: Sequence[Standing]

    @property
    def spec(self) -> sim.CallSpec | None:
        """Return its executable semantics, if the simulator has them."""
        return sim.CALLS.get(self.facts.name)


def list_calls(
    session: Session, wanted: Wanted | None = None
) -> list[CallRow]:
    """Return the calls in the order of the facts, in one query."""
    wanted = wanted or Wanted()
    statement = (
        select(
            col(Call.position),
            col(Call.name),
            col(Call.number),
            col(Call.group),
            col(Call.status),
            col(Call.prototype),
            col(Call.spec_section),
            col(Thread.slug),
            col(Thread.state),
            col(Thread.severity),
        )
        .outerjoin(ThreadCall, col(ThreadCall.call_id) == col(Call.id))
        .outerjoin(Thread, col(Thread.id) == col(ThreadCall.thread_id))
        .order_by(col(Call.position), col(Thread.position))
    )
    if wanted.group is not None:
        statement = statement.where(col(Call.group) == wanted.group)
    if wanted.status is not None:
        statement = statement.where(col(Call.status) == wanted.status)
    if wanted.executable is not None:
        known = col(Call.name).in_(sorted(sim.CALLS))
        statement = statement.where(known if wanted.executable else ~known)
    calls = _gather(session.execute(statement).all())
    if wanted.unsettled is None:
        return calls
    return [c for c in calls if bool(c.unsettled) is wanted.unsettled]


def _gather(rows: Iterable[Sequence[Any]]) -> list[CallRow]:
    calls: dict[str, CallRow] = {}
    for row in rows:
        position, name, number, group, status, prototype, section = row[:7]
        call = calls.get(name)
        if call is None:
            call = calls[name] = CallRow(
                position=position,
                name=name,
                number=number,
                group=group,
                status=status,
                prototype=prototype,
                spec_section=section,
            )
        if row[7] is not None:
            call.threads.append(ThreadMark(*row[7:]))
    return list(calls.values())


def group_calls(calls: Iterable[CallRow]) -> dict[str, list[CallRow]]:
    """Return calls by group, in the order in which groups appear."""
    groups: dict[str, list[CallRow]] = {}
    for call in calls:
        groups.setdefault(call.group, []).append(call)
    return groups


def list_groups(session: Session) -> list[str]:
    """Return the names of the groups, in the order of the facts."""
    return list(
        session.scalars(
            select(col(Call.group))
            .group_by(col(Call.group))
            .order_by(func.min(col(Call.position)))
        )
    )


def read_call(session: Session, name: str) -> CallRecord:
    """Return a call with all that concerns it, in three queries."""
    other = aliased(Call)
    before = (
        select(col(other.name))
        .where(col(other.position) < col(Call.position))
        .order_by(col(other.position).desc())
        .limit(1)
        .scalar_subquery()
    )
    after = (
        select(col(other.name))
        .where(col(other.position) > col(Call.position))
        .order_by(col(other.position))
        .limit(1)
        .scalar_subquery()
    )
    names = tuple(CallFacts.__slots__)
    row = session.execute(
        select(*(getattr(Call, name) for name in names), before, after).where(
            col(Call.name) == name[:LONGEST_NAME]
        )
    ).first()
    if row is None:
        raise NotFoundError("call", name)
    facts = CallFacts(**dict(zip(names, row, strict=False)))
    return CallRecord(
        facts=facts,
        previous=row[-2],
        next=row[-1],
        sections=_list_sections(session, facts.id),
        threads=_list_threads(session, facts.id),
    )


def _list_sections(session: Session, call_id: int) -> list[SectionLink]:
    rows = session.execute(
        select(
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
            col(Section.html),
        )
        .join(CallSection, col(CallSection.section_id) == col(Section.id))
        .where(
            col(CallSection.call_id) == call_id,
            col(Section.revision_id) == select_newest_id(),
        )
        .order_by(col(CallSection.position))
    )
    return [SectionLink(*row) for row in rows]


def _list_threads(session: Session, call_id: int) -> list[Standing]:
    rows = session.execute(
        select_standings()
        .join(ThreadCall, col(ThreadCall.thread_id) == col(Thread.id))
        .where(col(ThreadCall.call_id) == call_id)
    )
    return sort_standings(Standing(*row) for row in rows)


def list_scenarios(session: Session, call_id: int) -> Sequence[str]:
    """Return the names of the scenarios about a call."""
    return session.scalars(
        select(col(Scenario.slug))
        .join(ScenarioCall, col(ScenarioCall.scenario_id) == col(Scenario.id))
        .where(col(ScenarioCall.call_id) == call_id)
        .order_by(col(Scenario.position))
    ).all()


def find_nearest(session: Session, name: str) -> list[str]:
    """Return the names of calls that look most like `name`."""
    known = {
        _fold(each): each for each in session.scalars(select(col(Call.name)))
    }
    nearest = difflib.get_close_matches(
        _fold(name[:LONGEST_NAME]), known, n=NEAREST, cutoff=LIKENESS
    )
    return [known[each] for each in nearest]


def _fold(name: str) -> str:
    # the prefix that all share would make everything look alike
    return name.casefold().removeprefix("vmi_").replace("_", "")

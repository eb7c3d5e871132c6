"""What is searched of the review itself: all kinds but mails.

A reader takes the refs of what is wanted, or None for all there are. Of the
document only the text under review is searched, as its author wrote it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import (
    Call,
    CallSection,
    Decision,
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
from app.services.search_threads import (
    Clauses,
    Refs,
    narrow,
    read_annotations,
    read_thread_links,
    read_threads,
    select_revision,
)


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
        narrow(
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
    for call in session.scalars(narrow(select(Call), col(Call.name), refs)):
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
        narrow(
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
        narrow(
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
    links = read_thread_links(session)
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


READERS: Mapping[SearchKind, Callable[[Session, Refs], Iterator[Findable]]] = {
    SearchKind.section: read_sections,
    SearchKind.call: read_calls,
    SearchKind.thread: read_threads,
    SearchKind.annotation: read_annotations,
    SearchKind.scenario: read_scenarios,
    SearchKind.run: read_runs,
    SearchKind.decision: read_decisions,
}

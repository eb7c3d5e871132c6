"""What was found, as a list shows it; one query a kind."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.models import (
    Anchor,
    Annotation,
    Call,
    Decision,
    Person,
    Reviewer,
    Revision,
    Run,
    SavedScenario,
    Scenario,
    SearchKind,
    Section,
    Thread,
)
from app.services.search_texts import write_call
from app.services.search_threads import select_revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that was found.

    `name` is what its address is made of; `place` is a post's thread, or the
    section that a remark is on. `note` is a word on how it stands. `at` is
    None for what has no time of its own.
    """

    kind: SearchKind
    name: str
    title: str
    text: str
    who: str = ""
    at: datetime | None = None
    place: str = ""
    note: str = ""
    is_remark: bool = False


Hits = Mapping[str, Hit]
_QUESTION = re.compile(r"\A\s*question\s*=[^\n]*\n")
# put together once, for a table and not its model: most of what is found
_MAILS = SQLModel.metadata.tables["message"]
_SELECT_MAILS = select(
    *(_MAILS.c.id, _MAILS.c.message_id, _MAILS.c.subject),
    *(_MAILS.c.sender, _MAILS.c.sent_at, _MAILS.c.body),
).where(_MAILS.c.id.in_(bindparam("ids", expanding=True)))
_who = func.coalesce(col(Person.name), col(Reviewer.display_name), "")


class Key(NamedTuple):
    """What the index says of an item; its number is a second."""

    kind: SearchKind
    ref: str
    number: int


def read_hits(session: Session, found: Sequence[Key]) -> list[Hit]:
    """Return what these items are, in their order."""
    refs: dict[SearchKind, list[str]] = defaultdict(list)
    for key in found:
        refs[key.kind].append(key.ref)
    hits = {
        kind: _READERS[kind](session, wanted) for kind, wanted in refs.items()
    }
    return [
        replace(hits[key.kind][key.ref], at=_get_time(key))
        if key.kind is SearchKind.run
        else hits[key.kind][key.ref]
        for key in found
        if key.ref in hits[key.kind]
    ]


def _get_time(key: Key) -> datetime:
    return datetime.fromtimestamp(key.number, tz=UTC)


def _read_mails(session: Session, refs: Sequence[str]) -> Hits:
    ids = {"ids": [int(ref) for ref in refs]}
    rows = session.connection().execute(_SELECT_MAILS, ids)
    return {
        str(row[0]): Hit(
            kind=SearchKind.mail,
            name=row[1],
            title=row[2] or "(no subject)",
            who=row[3],
            at=row[4],
            text=row[5],
        )
        for row in rows
    }


def _read_threads(session: Session, refs: Sequence[str]) -> Hits:
    rows = session.execute(
        select(
            col(Thread.slug),
            col(Thread.title),
            _who,
            col(Thread.opened_at),
            col(Thread.summary),
            col(Thread.state),
            col(Thread.severity),
        )
        .outerjoin(Person, col(Person.id) == col(Thread.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Thread.reviewer_id))
        .where(col(Thread.slug).in_(refs))
    )
    return {
        row[0]: Hit(
            kind=SearchKind.thread,
            name=row[0],
            title=row[1],
            who=row[2],
            at=row[3],
            text=row[4],
            note=f"{row[5].value}, {row[6].value}",
        )
        for row in rows
    }


def _read_annotations(session: Session, refs: Sequence[str]) -> Hits:
    places = {
        row[0]: (row[1], row[2])
        for row in session.execute(
            select(
                col(Anchor.annotation_id),
                col(Section.anchor),
                col(Section.title),
            )
            .join(Section, col(Section.id) == col(Anchor.section_id))
            .where(
                col(Anchor.annotation_id).in_(refs),
                col(Anchor.revision_id) == select_revision(),
            )
        )
    }
    rows = session.execute(
        select(
            col(Annotation.id),
            col(Thread.slug),
            col(Thread.title),
            _who,
            col(Annotation.created_at),
            col(Annotation.text),
        )
        .outerjoin(Thread, col(Thread.id) == col(Annotation.thread_id))
        .outerjoin(Person, col(Person.id) == col(Annotation.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Annotation.reviewer_id))
        .where(col(Annotation.id).in_(refs))
    )
    hits = {}
    for id_, slug, title, who, at, text in rows:
        anchor, heading = places.get(id_, ("", "the document"))
        hits[id_] = Hit(
            kind=SearchKind.annotation,
            name=id_,
            title=title or f"Remark on {heading}",
            who=who,
            at=at,
            text=text,
            place=slug or anchor,
            is_remark=slug is None,
        )
    return hits


def _read_sections(session: Session, refs: Sequence[str]) -> Hits:
    rows = session.execute(
        select(
            col(Section.anchor),
            func.trim(col(Section.number) + " " + col(Section.title)),
            func.substr(
                col(Revision.text),
                col(Section.start) + 1,
                col(Section.end) - col(Section.start),
            ),
        )
        .join(Revision, col(Revision.id) == col(Section.revision_id))
        .where(
            col(Section.revision_id) == select_revision(),
            col(Section.anchor).in_(refs),
        )
    )
    return {
        row[0]: Hit(
            kind=SearchKind.section, name=row[0], title=row[1], text=row[2]
        )
        for row in rows
    }


def _read_calls(session: Session, refs: Sequence[str]) -> Hits:
    calls = session.scalars(select(Call).where(col(Call.name).in_(refs)))
    return {
        call.name: Hit(
            kind=SearchKind.call,
            name=call.name,
            title=call.name,
            text=write_call(call),
        )
        for call in calls
    }


def _read_scenarios(session: Session, refs: Sequence[str]) -> Hits:
    rows = session.execute(
        select(
            col(Scenario.slug),
            col(Scenario.question),
            col(Scenario.text),
            col(Reviewer.display_name),
            col(SavedScenario.saved_at),
        )
        .outerjoin(
            SavedScenario, col(SavedScenario.scenario_id) == col(Scenario.id)
        )
        .outerjoin(
            Reviewer, col(Reviewer.id) == col(SavedScenario.reviewer_id)
        )
        .where(col(Scenario.slug).in_(refs))
    )
    return {
        row[0]: Hit(
            kind=SearchKind.scenario,
            name=row[0],
            title=row[1],
            text=_drop_question(row[2]),
            who=row[3] or "",
            at=row[4],
        )
        for row in rows
    }


def _drop_question(text: str) -> str:
    # the title has it already
    return _QUESTION.sub("", text, count=1)


def _read_runs(session: Session, refs: Sequence[str]) -> Hits:
    rows = session.execute(
        # its time stands behind the whole report, and is the item's
        select(col(Run.id), col(Run.question), col(Run.text)).where(
            col(Run.id).in_(refs)
        )
    )
    return {
        row[0]: Hit(
            kind=SearchKind.run,
            name=row[0],
            title=row[1],
            text=_drop_question(row[2]),
        )
        for row in rows
    }


def _read_decisions(session: Session, refs: Sequence[str]) -> Hits:
    rows = session.execute(
        select(
            col(Decision.number),
            col(Thread.title),
            col(Decision.reason),
            col(Decision.dissent),
            col(Decision.disposition),
            col(Reviewer.display_name),
            col(Decision.decided_at),
        )
        .join(Thread, col(Thread.id) == col(Decision.thread_id))
        .join(Reviewer, col(Reviewer.id) == col(Decision.reviewer_id))
        .where(col(Decision.number).in_(map(int, refs)))
    )
    return {
        str(row[0]): Hit(
            kind=SearchKind.decision,
            name=str(row[0]),
            title=f"Decision {row[0]}: {row[1]}",
            text=f"{row[2]}\n{row[3]}",
            note=row[4].value,
            who=row[5],
            at=row[6],
        )
        for row in rows
    }


_READERS: Mapping[SearchKind, Callable[[Session, Sequence[str]], Hits]] = {
    SearchKind.mail: _read_mails,
    SearchKind.thread: _read_threads,
    SearchKind.annotation: _read_annotations,
    SearchKind.section: _read_sections,
    SearchKind.call: _read_calls,
    SearchKind.scenario: _read_scenarios,
    SearchKind.run: _read_runs,
    SearchKind.decision: _read_decisions,
}

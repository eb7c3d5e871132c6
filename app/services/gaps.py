"""Gaps: where the text under review must say a word, and what hangs on it.

What the words lead to is surveyed by running the questions; what is asked
here is who raised it, and where the document stands.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Call, Revision, Section
from app.services.questions import Asker, QuestionLine, index_lines
from app.services.revisions import select_newest_id
from app.services.surveying import Content, Inquiry, Kind, Told
from app.services.surveys import Surveyor
from app.sim import GAPS, Gap

MISPRINTS = "Misprints and open ends"
"""How the heading over the document's own list of slips begins."""

_ROW = re.compile(r"^\|(?P<where>[^|]+)\|(?P<what>[^|]+)\|$")
_NAME = re.compile(r"\bVMI_[A-Za-z0-9_]+")


class Clause(NamedTuple):
    """Where the document stands."""

    anchor: str
    number: str
    title: str
    position: int


class Consequence(NamedTuple):
    """What each reading makes of one outcome, and where."""

    outcome: str
    places: tuple[str, ...]
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dependent:
    """A question whose answers hang on a gap.

    `idle` counts the answers that come to the gap and do not hang on it.
    """

    question: QuestionLine
    consequences: tuple[Consequence, ...]
    idle: int


@dataclass(frozen=True, slots=True)
class GapView:
    """One gap with all that hangs on it; `dependents` None: not known yet."""

    gap: Gap
    clause: Clause | None
    dependents: tuple[Dependent, ...] | None

    @property
    def askers(self) -> tuple[Asker, ...]:
        """Return the threads of the review that ask what hangs on it."""
        found = {
            each.question.thread.slug: each.question.thread
            for each in self.dependents or ()
            if each.question.thread is not None and each.consequences
        }
        return tuple(found.values())

    @property
    def item(self) -> str:
        """Return what narrows the clause, as `item 6`."""
        return self.gap.section.partition(", ")[2]

    @property
    def count(self) -> int:
        """Return how many answers hang on it."""
        return sum(len(each.consequences) for each in self.dependents or ())


class Misprint(NamedTuple):
    """A slip of the text: where, the calls it names, and what."""

    where: str
    calls: tuple[str, ...]
    what: str
    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GapReport:
    """All gaps, in the document's order; `told` is how far the runs are."""

    gaps: tuple[GapView, ...]
    misprints: tuple[Misprint, ...]
    misprints_at: Clause | None
    told: Told | None
    failed: str | None

    @property
    def asked(self) -> int:
        """Return how many gaps the review asked about."""
        return sum(bool(each.askers) for each in self.gaps)

    @property
    def answers(self) -> int:
        """Return how many answers hang on some gap."""
        return sum(each.count for each in self.gaps)


def read_gaps(session: Session, surveyor: Surveyor) -> GapReport:
    """Return all gaps with what hangs on them, as far as it is known."""
    questions = index_lines(session)
    items = tuple(line.item for line in questions.values())
    found = surveyor.find(session, Inquiry(Kind.readings, "", items))
    clauses = _list_clauses(session)
    views = [
        GapView(
            gap,
            find_clause(clauses, gap.section),
            _list_dependents(gap, found.content, questions),
        )
        for gap in GAPS.values()
    ]
    last = len(clauses)
    views.sort(key=lambda v: v.clause.position if v.clause else last)
    heading = next((c for c in clauses if c.title.startswith(MISPRINTS)), None)
    return GapReport(
        gaps=tuple(views),
        misprints=_list_misprints(session, heading) if heading else (),
        misprints_at=heading,
        told=found.told,
        failed=found.failed,
    )


def _list_dependents(
    gap: Gap,
    content: Content | None,
    questions: Mapping[str, QuestionLine],
) -> tuple[Dependent, ...] | None:
    """Return the questions that hang on a gap, the same answers joined."""
    if content is None:
        return None
    dependents = []
    for slug, rows in content.items():
        question = questions[slug]
        own = [
            row
            for row in rows
            if row["gap"] == gap.name
            and not _is_chosen(question, row["variant"], gap.name)
        ]
        if own:
            consequences = tuple(_join(question, own))
            told = sum(len(each.places) for each in consequences)
            dependents.append(
                Dependent(question, consequences, len(own) - told)
            )
    return tuple(dependents)


def _is_chosen(question: QuestionLine, variant: str | None, gap: str) -> bool:
    """Tell whether a variant is there to choose a reading itself."""
    scenario = question.scenario
    return scenario is not None and any(
        each.name == variant and gap in each.policies
        for each in scenario.variants
    )


def _join(
    question: QuestionLine, rows: Iterable[Mapping[str, Any]]
) -> Iterable[Consequence]:
    """Yield what hangs on the gap, places with the same answers together."""
    joined: dict[tuple[str, tuple[str, ...]], list[Mapping[str, Any]]] = {}
    for row in rows:
        words = tuple(row["answers"].values())
        if len(set(words)) > 1:
            joined.setdefault((row["outcome"], words), []).append(row)
    for (outcome, _), same in joined.items():
        yield Consequence(
            question.get_phrase(outcome),
            tuple(
                question.name_place(row["platform"], row["variant"])
                for row in same
            ),
            same[0]["answers"],
        )


def _list_clauses(session: Session) -> list[Clause]:
    rows = session.execute(
        select(
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
            col(Section.position),
        )
        .where(col(Section.revision_id) == select_newest_id())
        .order_by(col(Section.position))
    )
    return [Clause(*row) for row in rows]


def find_clause(clauses: Sequence[Clause], section: str) -> Clause | None:
    """Return where a clause stands, of ``RFC 2.4`` or ``RFC 3, item 6``."""
    section = section.removeprefix("RFC ").partition(", ")[0]
    top, _, title = section.partition(" / ")
    wanted = title.casefold()
    for clause in clauses:
        if title and clause.title.casefold() == wanted:
            return clause
        if not title and clause.number == top:
            return clause
    return next((c for c in clauses if c.number == top), None)


def _list_misprints(session: Session, at: Clause) -> tuple[Misprint, ...]:
    """Return the rows of the document's own list of slips."""
    row = session.execute(
        select(col(Revision.text), col(Section.start), col(Section.end))
        .join(Section, col(Section.revision_id) == col(Revision.id))
        .where(
            col(Revision.id) == select_newest_id(),
            col(Section.anchor) == at.anchor,
        )
    ).one()
    known = frozenset(session.scalars(select(col(Call.name))))
    return tuple(_read_misprints(row[0][row[1] : row[2]], known))


def _read_misprints(text: str, known: frozenset[str]) -> Iterable[Misprint]:
    rows = [
        (match["where"].strip(), match["what"].strip())
        for match in map(_ROW.match, text.splitlines())
        if match
    ]
    # the head of the table and the rule under it
    for where, what in rows[2:]:
        calls = tuple(name for name in _NAME.findall(where) if name in known)
        gaps = tuple(
            gap.name for gap in GAPS.values() if set(calls) & set(gap.calls)
        )
        yield Misprint(where, calls, what, gaps)

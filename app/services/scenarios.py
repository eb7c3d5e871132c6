"""Scenarios: the questions that can be run, with their last answers.

Those of the corpus are loaded; reviewers save others beside them, under
names of their own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import InvalidError, NotFoundError
from app.models import (
    Call,
    Reviewer,
    Run,
    SavedScenario,
    Scenario,
    ScenarioCall,
    Severity,
    Thread,
)
from app.models import ThreadState as State
from app.services import evidence, runs
from app.services.asking import Question
from app.services.explorer import Explorer
from app.services.verdicts import Line, build_lines, read_scenario
from app.services.windows import WHOLE, Window
from app.sim import MODEL, PLATFORMS
from app.sim import Scenario as ParsedScenario

_SLUG = re.compile(r"[A-Za-z0-9._-]{1,120}")


class Objection(NamedTuple):
    """The thread that a question comes from."""

    slug: str
    title: str
    state: State
    severity: Severity


class Author(NamedTuple):
    """Who saved a question, and when."""

    name: str
    display_name: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """A question as it is stored, with its last run's report.

    `position` is its place in the list; `answers` is None before the first
    run, `author` for a question of the corpus.
    """

    position: int
    slug: str
    question: str
    text: str
    thread: Objection | None
    calls: tuple[str, ...]
    run_id: str | None
    answers: dict[str, Any] | None
    author: Author | None

    @property
    def parsed(self) -> ParsedScenario | None:
        """Return the question parsed; None if it is of another version."""
        return read_scenario(self.text, self.slug)

    @property
    def scenario(self) -> ParsedScenario:
        """Return the question parsed."""
        parsed = self.parsed
        if parsed is None:
            raise InvalidError(
                f"the scenario {self.slug} is of another version; load the "
                "corpus again, or save it anew"
            )
        return parsed

    @property
    def lines(self) -> tuple[Line, ...]:
        """Return the last answers, a column for each known platform."""
        parsed = self.parsed
        if self.answers is None or parsed is None:
            return ()
        return build_lines(self.answers, parsed, tuple(PLATFORMS))


def list_questions(
    session: Session,
    *,
    call: str | None = None,
    thread: str | None = None,
    window: Window = WHOLE,
) -> list[QuestionRecord]:
    """Return the questions in their order, with their last answers.

    Parameters
    ----------
    call, thread
        Only those about this call, or from this thread.
    window
        Of positions.
    """
    statement = window.cut(_select_questions(), col(Scenario.position))
    if call is not None:
        about = (
            select(col(ScenarioCall.scenario_id))
            .join(Call, col(Call.id) == col(ScenarioCall.call_id))
            .where(col(Call.name) == call)
        )
        statement = statement.where(col(Scenario.id).in_(about))
    if thread is not None:
        statement = statement.where(col(Thread.slug) == thread)
    return window.arrange(_read_questions(session, statement))


def read_question(session: Session, slug: str) -> QuestionRecord:
    """Return one question, or raise NotFoundError."""
    if _SLUG.fullmatch(slug):
        statement = _select_questions().where(col(Scenario.slug) == slug)
        for question in _read_questions(session, statement.limit(1)):
            return question
    raise NotFoundError("question", slug)


class ThreadChoice(NamedTuple):
    """A thread on which a run may be put forward."""

    slug: str
    title: str


class QuestionChoice(NamedTuple):
    """A question to start another from."""

    slug: str
    question: str


def list_choices(session: Session) -> list[QuestionChoice]:
    """Return all questions, in their order."""
    rows = session.execute(
        select(col(Scenario.slug), col(Scenario.question)).order_by(
            col(Scenario.position)
        )
    )
    return [QuestionChoice._make(row) for row in rows]


def list_thread_choices(session: Session) -> list[ThreadChoice]:
    """Return all threads, by title."""
    rows = session.execute(
        select(col(Thread.slug), col(Thread.title)).order_by(col(Thread.title))
    )
    return [ThreadChoice._make(row) for row in rows]


def _select_questions() -> Select[Any]:
    return (
        select(
            col(Scenario.id),
            col(Scenario.position),
            col(Scenario.slug),
            col(Scenario.question),
            col(Scenario.text),
            col(Scenario.run_id),
            col(Run.answers),
            col(Thread.slug),
            col(Thread.title),
            col(Thread.state),
            col(Thread.severity),
            col(Reviewer.name),
            col(Reviewer.display_name),
            col(SavedScenario.saved_at),
        )
        .outerjoin(Run, col(Run.id) == col(Scenario.run_id))
        .outerjoin(Thread, col(Thread.id) == col(Scenario.thread_id))
        .outerjoin(
            SavedScenario, col(SavedScenario.scenario_id) == col(Scenario.id)
        )
        .outerjoin(
            Reviewer, col(Reviewer.id) == col(SavedScenario.reviewer_id)
        )
    )


def _read_questions(
    session: Session, statement: Select[Any]
) -> list[QuestionRecord]:
    rows = session.execute(statement).all()
    calls = _list_calls(session, [row[0] for row in rows])
    return [
        QuestionRecord(
            position=row[1],
            slug=row[2],
            question=row[3],
            text=row[4],
            thread=Objection(*row[7:11]) if row[7] is not None else None,
            calls=tuple(calls.get(row[0], ())),
            run_id=row[5],
            answers=row[6],
            author=Author(*row[11:14]) if row[11] is not None else None,
        )
        for row in rows
    ]


def _list_calls(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {}
    for id_, name in session.execute(
        select(col(ScenarioCall.scenario_id), col(Call.name))
        .join(Call, col(Call.id) == col(ScenarioCall.call_id))
        .where(col(ScenarioCall.scenario_id).in_(ids))
        .order_by(col(Call.position))
    ):
        names.setdefault(id_, []).append(name)
    return names


def refresh_runs(database: Database, explorer: Explorer) -> list[str]:
    """Explore the scenarios whose run is missing or of another model.

    Evidence that rested on the runs before is stale from then on. What this
    version reads no more is left as it is. Returns the names of what was
    explored.
    """
    with database.read() as session:
        outdated = session.execute(
            select(col(Scenario.id), col(Scenario.slug), col(Scenario.text))
            .outerjoin(Run, col(Run.id) == col(Scenario.run_id))
            .where(
                or_(
                    col(Scenario.run_id).is_(None),
                    col(Run.model) != MODEL,
                    col(Run.text) != col(Scenario.text),
                )
            )
            .order_by(col(Scenario.position))
        ).all()
    reports = [
        (id_, text, explorer.explore(Question(slug, text)))
        for id_, slug, text in outdated
        if read_scenario(text, slug) is not None
    ]
    with database.write() as session:
        for id_, text, report in reports:
            run = runs.store_report(session, report, text)
            runs.give_run(session, id_, report.scenario, run.id, report.model)
        evidence.mark_stale(session)
    return [report.scenario for _, _, report in reports]

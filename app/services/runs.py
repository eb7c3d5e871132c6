"""Runs: stored reports, found by the hash of what was asked.

A run is never changed, unless the clock had cut it short. Anybody may ask a
question, so the runs that nothing refers to are limited in number, and the
oldest are dropped.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import NotFoundError
from app.models import Evidence, Run, Scenario, SearchKind
from app.services import entries, search_index
from app.services.asking import (
    POSTED,
    Question,
    compute_run_id,
    require_asked,
)
from app.services.explorer import Client, Explorer, Job
from app.sim import Limits, Report

KEPT_RUNS = 200
"""How many runs are kept to which no scenario and no evidence refers."""

TIME_LIMITS = frozenset({"seconds", "stopped"})

_ID = re.compile(r"[0-9a-f]{64}")


class StoredRun(NamedTuple):
    """A run's id, and whether it is new."""

    id: str
    created: bool


class Answered(NamedTuple):
    """A run, new or found, with its report."""

    id: str
    created: bool
    report: Mapping[str, Any]


class Begun(NamedTuple):
    """A run that was asked for.

    `job` is None if there is nothing to wait for; `created` tells whether
    nobody had asked it before.
    """

    id: str
    job: Job | None
    created: bool


class RunProgress(NamedTuple):
    """How far a run is: waiting, exploring, done or failed.

    `states` counts those found in all searches so far; `error` is what
    ended it.
    """

    id: str
    state: Literal["waiting", "exploring", "done", "failed"]
    text: str
    platform: str | None
    variant: str | None
    states: int
    seconds: float
    limits: Limits | None
    error: Exception | None


class RunRecord(NamedTuple):
    """A run as it is stored."""

    id: str
    scenario_slug: str | None
    question: str
    model: str
    text: str
    report: dict[str, Any]
    created_at: datetime


def read_run(session: Session, run_id: str) -> RunRecord:
    """Return a run, or raise NotFoundError."""
    run = find_run(session, run_id)
    if run is None:
        raise NotFoundError("run", run_id)
    return run


def find_run(session: Session, run_id: str) -> RunRecord | None:
    """Return a run, or None if there is none of this id."""
    if not _ID.fullmatch(run_id):
        return None
    row = session.execute(
        select(
            col(Run.id),
            col(Run.scenario_slug),
            col(Run.question),
            col(Run.model),
            col(Run.text),
            col(Run.report),
            col(Run.created_at),
        ).where(col(Run.id) == run_id)
    ).first()
    return None if row is None else RunRecord._make(row)


class RunRow(NamedTuple):
    """A run as a list shows it; `answers` leaves the executions out."""

    id: str
    scenario_slug: str | None
    question: str
    model: str
    answers: Mapping[str, Any]
    created_at: datetime


class RunPlace(NamedTuple):
    """Where a run stands in the list: its time, and how its id begins."""

    created_at: datetime
    start: str


def list_runs(
    session: Session,
    *,
    scenario: str | None = None,
    after: RunPlace | None = None,
    before: RunPlace | None = None,
    limit: int,
) -> list[RunRow]:
    """Return the runs that are kept, newest first.

    Parameters
    ----------
    scenario
        Only those of this question.
    after, before
        The places of those around the ones wanted; with `before` alone the
        last ones before it are.
    """
    at, id_ = col(Run.created_at), col(Run.id)
    is_from_end = after is None and before is not None
    order: Sequence[Any] = (at.desc(), id_)
    wanted = select(
        col(Run.id),
        col(Run.scenario_slug),
        col(Run.question),
        col(Run.model),
        col(Run.answers),
        col(Run.created_at),
    )
    if scenario is not None:
        wanted = wanted.where(col(Run.scenario_slug) == scenario)
    if after is not None:
        # an id is hexadecimal, so this is past all that begin so
        past = (at == after.created_at) & (id_ > f"{after.start}g")
        wanted = wanted.where((at < after.created_at) | past)
    if before is not None:
        past = (at == before.created_at) & (id_ < before.start)
        wanted = wanted.where((at > before.created_at) | past)
    if is_from_end:
        order = (at, id_.desc())
    rows = session.execute(wanted.order_by(*order).limit(limit)).all()
    return [RunRow._make(row) for row in rows[:: -1 if is_from_end else 1]]


def has_time_limit(report: Mapping[str, Any]) -> bool:
    """Tell whether the clock ended a search: asked again it may go on."""
    return any(each["limit"] in TIME_LIMITS for each in report["platforms"])


def store_report(session: Session, report: Report, text: str) -> StoredRun:
    """Store the report of exploring `text`, unless it is stored already.

    A report that the clock cut short gives way to one that it did not.
    """
    content = report.to_dict()
    values = {
        "id": report.id,
        "scenario_slug": None
        if report.scenario == POSTED
        else report.scenario,
        "question": report.question,
        "model": report.model,
        "text": text,
        "report": content,
        "answers": drop_executions(content),
        "created_at": datetime.now(UTC),
    }
    stored = find_run(session, report.id)
    if stored is None:
        try:
            with session.begin_nested():
                session.execute(insert(Run).values(values))
        except IntegrityError:
            # somebody else asked the same at the same time
            stored = read_run(session, report.id)
        else:
            _drop_oldest(session)
            search_index.refresh(session, SearchKind.run, [report.id])
            return StoredRun(report.id, created=True)
    if has_time_limit(stored.report) and not has_time_limit(content):
        session.execute(
            update(Run)
            .where(col(Run.id) == report.id)
            .values(report=content, answers=drop_executions(content))
        )
    return StoredRun(report.id, created=False)


def drop_executions(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a report.

    The first state is left out, and in place of each execution stands
    whether there is one.
    """
    return {
        **report,
        "platforms": [_shorten(part) for part in report["platforms"]],
    }


def _shorten(part: Mapping[str, Any]) -> dict[str, Any]:
    answers = {
        name: {
            **answer,
            "witness": bool(answer["witness"]),
            "counter": bool(answer["counter"]),
        }
        for name, answer in part["answers"].items()
    }
    kept = {name: value for name, value in part.items() if name != "initial"}
    return {**kept, "answers": answers}


def _drop_oldest(session: Session) -> None:
    # rows that somebody is just referring to are locked, and skipped
    surplus = session.scalars(
        select(col(Run.id))
        .where(
            ~exists().where(col(Scenario.run_id) == col(Run.id)),
            ~exists().where(col(Evidence.run_id) == col(Run.id)),
        )
        .order_by(col(Run.created_at).desc(), col(Run.id))
        .offset(KEPT_RUNS)
        .with_for_update(skip_locked=True)
    ).all()
    if surplus:
        session.execute(delete(Run).where(col(Run.id).in_(surplus)))
        search_index.refresh(session, SearchKind.run, surplus)


def find_slug(session: Session, text: str) -> str:
    """Return the name of the scenario with this very text, or POSTED."""
    slug = session.scalar(
        select(col(Scenario.slug)).where(col(Scenario.text) == text).limit(1)
    )
    return slug or POSTED


def begin_run(
    database: Database,
    explorer: Explorer,
    question: Question,
    client: Client | None = None,
) -> Begun:
    """Let a question be answered, unless it is; the run will be stored.

    What is stored already is not explored again, unless the clock ended it.
    """
    question = explorer.bound(question)
    require_asked(question)
    run_id = compute_run_id(question)
    plain = explorer.bound(Question(question.slug, question.text))
    is_plain = run_id == compute_run_id(plain)
    with database.read() as session:
        stored = find_run(session, run_id)
    if stored is not None and not has_time_limit(stored.report):
        return Begun(run_id, None, created=False)

    def keep(report: Report) -> None:
        with database.write() as session:
            store_report(session, report, question.text)
            if is_plain:
                adopt_run(session, run_id, question.text)

    job = explorer.begin(question, client=client, keep=keep)
    return Begun(run_id, job, created=stored is None)


def run_question(
    database: Database,
    explorer: Explorer,
    question: Question,
    client: Client | None = None,
) -> Answered:
    """Answer a question; nothing is locked while it is explored."""
    begun = begin_run(database, explorer, question, client)
    if begun.job is None:
        with database.read() as session:
            report = read_run(session, begun.id).report
        return Answered(begun.id, created=False, report=report)
    explorer.wait(begun.job)
    assert begun.job.report is not None  # noqa: S101 - else it has raised
    return Answered(
        begun.id, created=begun.created, report=begun.job.report.to_dict()
    )


def read_progress(
    database: Database, explorer: Explorer, run_id: str
) -> RunProgress:
    """Return how far a run is, or raise NotFoundError."""
    job = explorer.find(run_id)
    if job is None:
        # what is no job any more has been stored before
        with database.read() as session:
            text = read_run(session, run_id).text
        return RunProgress(run_id, "done", text, None, None, 0, 0, None, None)
    told = job.progress
    state: Literal["waiting", "exploring", "failed"] = "waiting"
    if job.error is not None:
        state = "failed"
    elif job.is_running:
        state = "exploring"
    return RunProgress(
        id=run_id,
        state=state,
        text=job.question.text,
        platform=told.platform if told else None,
        variant=told.variant if told else None,
        states=told.states if told else 0,
        seconds=job.seconds,
        limits=job.question.limits,
        error=job.error,
    )


def give_up_run(
    database: Database, explorer: Explorer, run_id: str, client: Client
) -> None:
    """Give a run up for a client; one that is there already stays.

    Raises
    ------
    NotFoundError
        If nobody asked it, or what came of it was dropped.
    ForbiddenError
        If others asked it, and this client did not.
    """
    if explorer.find(run_id) is None:
        # what is no job any more has been stored before
        with database.read() as session:
            read_run(session, run_id)
    explorer.stop(run_id, client)


def adopt_run(session: Session, run_id: str, text: str) -> None:
    """Give a stored run to the scenarios that wait for one of this text."""
    model = session.scalar(select(col(Run.model)).where(col(Run.id) == run_id))
    if model is None:
        return
    waiting = session.execute(
        select(col(Scenario.id), col(Scenario.slug)).where(
            col(Scenario.text) == text, col(Scenario.run_id).is_(None)
        )
    ).all()
    for id_, slug in waiting:
        give_run(session, id_, slug, run_id, model)


def give_run(
    session: Session,
    scenario_id: int | None,
    slug: str,
    run_id: str,
    model: str,
) -> None:
    """Make a stored run the last one of a scenario, and log it."""
    session.execute(
        update(Scenario)
        .where(col(Scenario.id) == scenario_id)
        .values(run_id=run_id)
    )
    session.execute(
        update(Run)
        .where(col(Run.id) == run_id, col(Run.scenario_slug).is_(None))
        .values(scenario_slug=slug)
    )
    entries.append_entry(
        session,
        "program",
        "scenario.explored",
        f"scenario:{slug}",
        {"run": run_id, "model": model},
    )

"""Runs: content-addressed, bounded, never explored twice."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import NotFoundError
from app.models import Answer, Entry, Evidence, EvidenceState, Run, Scenario
from app.services import evidence, runs, scenarios
from app.services.asking import (
    POSTED,
    Question,
    answer,
    compute_run_id,
)
from app.services.evidence import Claim
from app.services.explorer import Explorer, start_inline
from app.services.runs import RunPlace
from app.sim import Limits, Report
from tests import factories

SLUG = "kleen-watchdog-nmi"
LINE = 'question = "{}"\n[code]\nkernel = "hlt"\n'
OUTCOME = '[outcomes]\nsleeps = { when = "end", is = "halted" }\n'


def ask(number: int) -> tuple[Report, str]:
    """Return the report of one of many small questions."""
    text = LINE.format(number) + OUTCOME
    return answer(Question(POSTED, text)), text


@pytest.fixture
def inline() -> Explorer:
    return Explorer(workers=1, seconds=10, start=start_inline)


def count_runs(session: Session) -> int:
    """Return how many runs are stored."""
    return session.scalar(select(func.count()).select_from(Run)) or 0


def test_a_report_is_stored_once(session: Session) -> None:
    report, text = ask(1)
    assert runs.store_report(session, report, text).created
    again = runs.store_report(session, report, text)
    assert again == (report.id, False)
    stored = runs.read_run(session, report.id)
    assert stored.report == report.to_dict()
    assert list(stored.report) == list(report.to_dict())
    assert stored.text == text
    assert stored.scenario_slug is None


def test_a_report_that_the_clock_cut_gives_way(session: Session) -> None:
    report, text = ask(1)
    cut = replace(
        report,
        platforms=tuple(
            replace(part, limit="seconds") for part in report.platforms
        ),
    )
    runs.store_report(session, cut, text)
    assert runs.has_time_limit(runs.read_run(session, report.id).report)
    runs.store_report(session, report, text)
    session.expire_all()
    assert not runs.has_time_limit(runs.read_run(session, report.id).report)


@pytest.mark.parametrize("name", ["", "0" * 64, "\x00", "A" * 64])
def test_an_unknown_id_is_not_found(session: Session, name: str) -> None:
    with pytest.raises(NotFoundError):
        runs.read_run(session, name)


def test_the_oldest_runs_that_nothing_refers_to_go(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "KEPT_RUNS", 2)
    before = count_runs(session)
    visitor = factories.make_visitor(session)
    reports = [ask(number)[0] for number in range(4)]
    runs.store_report(session, *ask(0))
    claim = Claim(
        run_id=reports[0].id,
        platform="native",
        outcome="sleeps",
        expected=Answer.always,
    )
    evidence.attach(session, visitor, SLUG, claim)
    for number in range(1, 4):
        runs.store_report(session, *ask(number))
    assert count_runs(session) == before + 3
    assert runs.find_run(session, reports[0].id)
    assert not runs.find_run(session, reports[1].id)
    assert scenarios.read_question(session, SLUG).answers


def test_a_question_is_explored_once(
    database: Database, inline: Explorer
) -> None:
    with database.read() as session:
        text = scenarios.read_question(session, SLUG).text
        assert runs.find_slug(session, text) == SLUG
        assert runs.find_slug(session, text + "\n") == POSTED
    question = Question(SLUG, text, ("software",), {"nmi": "delivered"})
    first = runs.run_question(database, inline, question)
    assert first.created

    def refuse(_workers: int) -> None:
        raise AssertionError

    idle = Explorer(workers=1, seconds=10, start=refuse)  # type: ignore[arg-type]
    again = runs.run_question(database, idle, question)
    assert (again.created, again.report) == (False, first.report)
    assert first.id != compute_run_id(
        replace(question, limits=Limits(states=5))
    )


def test_what_an_older_model_answered_is_explored_again(
    database: Database, inline: Explorer
) -> None:
    assert scenarios.refresh_runs(database, inline) == []
    with database.write() as session:
        visitor = factories.make_visitor(session)
        old = scenarios.read_question(session, SLUG)
        assert old.run_id is not None
        claim = Claim(
            run_id=old.run_id,
            platform="native",
            outcome=old.scenario.outcomes[0].name,
            expected=Answer.never,
        )
        evidence.attach(session, visitor, SLUG, claim)
        session.execute(
            update(Scenario)
            .where(col(Scenario.slug) == SLUG)
            .values(text=old.text + "# changed\n")
        )
    assert scenarios.refresh_runs(database, inline) == [SLUG]
    assert scenarios.refresh_runs(database, inline) == []
    with database.read() as session:
        new = scenarios.read_question(session, SLUG)
        assert new.run_id not in {None, old.run_id}
        (row,) = evidence.list_evidence(session, SLUG)
        assert row.state == EvidenceState.stale
        types = session.scalars(
            select(col(Entry.type)).order_by(col(Entry.seq))
        ).all()
        assert types[-2:] == ["scenario.explored", "evidence.outdated"]
        assert session.scalars(select(col(Evidence.run_id))).all() == [
            old.run_id
        ]


def test_lists_read_a_report_without_its_executions(
    session: Session,
) -> None:
    """They have the same answers, and whether there is an execution."""
    report, text = ask(1)
    runs.store_report(session, report, text)
    short = session.scalar(
        select(col(Run.answers)).where(col(Run.id) == report.id)
    )
    assert short is not None
    whole: Any = report.to_dict()
    for part, full in zip(short["platforms"], whole["platforms"], strict=True):
        assert set(full) - set(part) == {"initial"}
        for name, told in full["answers"].items():
            ways = {way: bool(told[way]) for way in ("witness", "counter")}
            assert part["answers"][name] == {**told, **ways}


def test_a_list_of_runs_goes_on_where_it_ended(session: Session) -> None:
    whole = runs.list_runs(session, limit=500)
    assert whole == sorted(
        whole, key=lambda run: (-run.created_at.timestamp(), run.id)
    )
    seen: list[str] = []
    after = None
    while page := runs.list_runs(session, after=after, limit=7):
        seen += [run.id for run in page]
        after = RunPlace(page[-1].created_at, page[-1].id[:12])
    assert seen == [run.id for run in whole]
    (run,) = runs.list_runs(session, scenario=SLUG, limit=500)
    assert run.scenario_slug == SLUG

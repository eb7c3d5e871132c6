"""Decisions: recorded with a reason, superseded only by name."""

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import ConflictError, InvalidError, NotFoundError
from app.models import Disposition, Thread, ThreadState
from app.services import decision_rows, decisions, entries
from app.services.decision_rows import DecisionRow, Wanted
from app.services.decisions import NewDecision
from app.services.reviewers import Visitor
from app.services.windows import Window
from tests import factories
from tests.at_once import write_at_once

THREAD = "kleen-sti-pairs-belong-in-spec"
OTHER = "kleen-rdtsc-userspace"


@pytest.fixture
def ada(session: Session) -> Visitor:
    """Return a reviewer."""
    return factories.make_visitor(session)


def decide(
    session: Session,
    visitor: Visitor,
    thread: str = THREAD,
    *,
    reason: str = "The pair is *one* step.",
    evidence: tuple[int, ...] = (),
    supersedes: int | None = None,
) -> DecisionRow:
    """Accept a thread."""
    new = NewDecision(
        disposition=Disposition.accepted,
        reason=reason,
        dissent="Eve: no.",
        evidence=evidence,
        supersedes=supersedes,
    )
    return decisions.record_decision(session, visitor, thread, new)


def test_a_decision_tells_all_that_it_stands_on(
    session: Session, ada: Visitor
) -> None:
    run = factories.make_run(session)
    piece = factories.make_evidence(session, ada, THREAD, run)
    row = decide(session, ada, evidence=(piece,))
    assert (row.number, row.thread, row.actor) == (1, THREAD, "reviewer:ada")
    assert row.reason_html == "<p>The pair is <em>one</em> step.</p>\n"
    assert [e.run_id for e in row.evidence] == [run.id]
    assert row.calls
    assert row.supersedes is row.superseded_by is None
    assert row == decision_rows.get_decision(session, 1)


def test_the_thread_is_decided_and_keeps_what_the_mails_show(
    session: Session, ada: Visitor
) -> None:
    before = session.execute(
        select(col(Thread.outcome)).where(col(Thread.slug) == THREAD)
    ).scalar_one()
    decide(session, ada)
    thread = session.execute(
        select(Thread).where(col(Thread.slug) == THREAD)
    ).scalar_one()
    assert thread.state == ThreadState.decided
    assert thread.outcome == before


def test_the_log_holds_the_decision_whole(
    session: Session, ada: Visitor
) -> None:
    run = factories.make_run(session)
    piece = factories.make_evidence(session, ada, THREAD, run)
    row = decide(session, ada, evidence=(piece,))
    line = entries.list_entries(session, after=row.seq - 1)[0]
    assert (line.type, line.subject) == ("decision.recorded", "decision:1")
    assert line.hash == row.hash
    assert line.data["reason"] == row.reason
    assert line.data["dissent"] == row.dissent
    assert line.data["evidence"][0]["run"] == run.id
    assert line.data["was"] != "decided"
    assert entries.verify(session) is None


def test_a_decision_in_force_is_superseded_only_by_name(
    session: Session, ada: Visitor
) -> None:
    decide(session, ada)
    with pytest.raises(ConflictError, match="decision 1 on"):
        decide(session, ada)
    second = decide(session, ada, supersedes=1)
    first = decision_rows.get_decision(session, 1)
    assert (first.superseded_by, second.supersedes) == (2, 1)
    with pytest.raises(ConflictError, match="decision 2 is"):
        decide(session, ada, supersedes=1)


def test_what_is_not_in_force_cannot_be_superseded(
    session: Session, ada: Visitor
) -> None:
    decide(session, ada)
    with pytest.raises(ConflictError, match="no decision"):
        decide(session, ada, OTHER, supersedes=1)


def test_evidence_of_another_thread_is_refused_by_its_place(
    session: Session, ada: Visitor
) -> None:
    run = factories.make_run(session)
    piece = factories.make_evidence(session, ada, OTHER, run)
    with pytest.raises(InvalidError) as caught:
        decide(session, ada, evidence=(piece,))
    assert caught.value.faults[0].pointer == "/evidence/0"


def test_a_decision_needs_a_reason(session: Session, ada: Visitor) -> None:
    with pytest.raises(InvalidError) as caught:
        decide(session, ada, reason=" \n")
    assert caught.value.faults[0].pointer == "/reason"


def test_a_refused_decision_changes_nothing(
    session: Session, ada: Visitor
) -> None:
    head = entries.get_head(session)
    for thread, evidence in (("no-such-thread", ()), (THREAD, (1,))):
        with pytest.raises((NotFoundError, InvalidError)):
            decide(session, ada, thread, evidence=evidence)
    assert entries.get_head(session) == head
    assert decision_rows.list_decisions(session) == []


def test_decisions_are_found_by_thread_call_and_standing(
    session: Session, ada: Visitor
) -> None:
    first = decide(session, ada)
    decide(session, ada, OTHER)
    decide(session, ada, supersedes=1)

    def find(wanted: Wanted) -> list[int]:
        rows = decision_rows.list_decisions(session, wanted)
        return [row.number for row in rows]

    assert find(Wanted()) == [1, 2, 3]
    assert find(Wanted(thread=THREAD)) == [1, 3]
    assert find(Wanted(thread=THREAD, standing="in-force")) == [3]
    assert find(Wanted(standing="superseded")) == [1]
    assert find(Wanted(window=Window(above=1, limit=1))) == [2]
    assert 1 in find(Wanted(call=first.calls[0]))
    assert find(Wanted(call="VMI_Nothing")) == []
    assert decision_rows.count_decisions(session) == {
        "in-force": 2,
        "superseded": 1,
    }


def test_any_number_of_decisions_is_read_in_three_queries(
    session: Session, ada: Visitor
) -> None:
    run = factories.make_run(session)
    slugs = session.execute(select(col(Thread.slug)).limit(12)).scalars()
    for slug in list(slugs):
        piece = factories.make_evidence(session, ada, slug, run)
        decide(session, ada, slug, evidence=(piece,))
    asked: list[str] = []
    connection = session.connection()

    def count(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    event.listen(connection, "before_cursor_execute", count)
    rows = decision_rows.list_decisions(session)
    event.remove(connection, "before_cursor_execute", count)
    assert len(rows) == 12
    assert all(len(row.evidence) == 1 for row in rows)
    assert len(asked) <= 3


def test_an_unknown_decision_is_not_found(session: Session) -> None:
    with pytest.raises(NotFoundError):
        decision_rows.get_decision(session, 7)


@pytest.mark.parametrize("supersedes", [None, 1])
def test_of_two_who_decide_at_once_one_is_refused(
    database: Database, supersedes: int | None
) -> None:
    with database.write() as session:
        visitor = factories.make_visitor(session)
        if supersedes is not None:
            decide(session, visitor)

    def work(session: Session) -> None:
        decide(session, visitor, supersedes=supersedes)

    ends = write_at_once(database, work, work)
    assert ends == ["ConflictError", "done"]
    with database.read() as session:
        assert entries.verify(session) is None
        assert len(decision_rows.list_decisions(session)) == 1 + (
            supersedes or 0
        )


def test_two_who_decide_elsewhere_at_once_get_a_number_each(
    database: Database,
) -> None:
    with database.write() as session:
        visitor = factories.make_visitor(session)
    ends = write_at_once(
        database,
        lambda session: decide(session, visitor),
        lambda session: decide(session, visitor, OTHER),
    )
    assert ends == ["done", "done"]
    with database.read() as session:
        rows = decision_rows.list_decisions(session)
    assert [row.number for row in rows] == [1, 2]

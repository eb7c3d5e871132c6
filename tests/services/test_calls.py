"""Calls: the list, one record, and names that look alike."""

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlmodel import col

from app import sim
from app.errors import NotFoundError
from app.models import CallStatus, Severity, Thread, ThreadState
from app.services import calls
from app.services.calls import CallRow, Wanted

NAME = "VMI_EnableInterrupts"


def find(rows: list[CallRow], name: str) -> CallRow:
    """Return the row of a call."""
    return next(row for row in rows if row.name == name)


def test_all_calls_come_in_their_order_in_one_query(
    session: Session, statements: list[str]
) -> None:
    rows = calls.list_calls(session)
    assert len(statements) == 1
    assert [row.position for row in rows] == list(range(1, 95))
    groups = calls.group_calls(rows)
    assert list(groups) == calls.list_groups(session)
    assert sum(len(each) for each in groups.values()) == 94


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(group="timer"), 6),
        (Wanted(status=CallStatus.later_revision), 7),
        (Wanted(executable=True), len(sim.CALLS)),
        (Wanted(executable=False), 94 - len(sim.CALLS)),
        (Wanted(group="core", status=CallStatus.patch_only), 0),
        (Wanted(group="nothing"), 0),
    ],
)
def test_a_list_can_be_narrowed(
    session: Session, wanted: Wanted, count: int
) -> None:
    assert len(calls.list_calls(session, wanted)) == count


def test_unsettled_threads_part_the_calls_in_two(session: Session) -> None:
    some = calls.list_calls(session, Wanted(unsettled=True))
    none = calls.list_calls(session, Wanted(unsettled=False))
    assert all(row.unsettled for row in some)
    assert not any(row.unsettled for row in none)
    assert len(some) + len(none) == 94


def test_a_row_shows_its_heaviest_thread(session: Session) -> None:
    row = find(calls.list_calls(session), NAME)
    assert (row.count, row.unsettled, row.worst) == (8, 3, "concern")
    assert row.is_executable
    assert not row.is_later
    slugs = [thread.slug for thread in row.threads]
    session.execute(
        update(Thread)
        .where(col(Thread.slug) == slugs[0])
        .values(state=ThreadState.open, severity=Severity.blocking)
    )
    assert find(calls.list_calls(session), NAME).worst == "blocking"
    session.execute(update(Thread).values(state=ThreadState.decided))
    row = find(calls.list_calls(session), NAME)
    assert (row.unsettled, row.worst) == (0, "decided")
    assert find(calls.list_calls(session), "VMI_INB").worst is None


def test_a_record_has_all_that_concerns_the_call(
    session: Session, statements: list[str]
) -> None:
    call = calls.read_call(session, NAME)
    assert len(statements) == 3
    assert call.facts.semantics
    assert call.previous == "VMI_DisableInterrupts"
    assert call.next == "VMI_GetInterruptMask"
    assert [s.anchor for s in call.sections] == ["processor-state-calls"]
    weights = [thread.weight for thread in call.threads]
    assert weights == sorted(weights)
    assert len(weights) == 8
    assert call.spec is sim.CALLS[NAME]
    assert "kleen-sti-shadow" in calls.list_scenarios(session, call.facts.id)


def test_the_first_and_last_call_have_one_neighbour(session: Session) -> None:
    assert calls.read_call(session, "VMI_Init").previous is None
    last = calls.read_call(session, "VMI_SetLazyMode")
    assert last.next is None
    assert last.sections == []
    assert last.spec is None


@pytest.mark.parametrize("name", ["VMI_Nothing", "", "x" * 5000, "\u2028"])
def test_an_unknown_call_is_not_found(session: Session, name: str) -> None:
    with pytest.raises(NotFoundError) as error:
        calls.read_call(session, name)
    assert error.value.name == name


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("VMI_EnableInterupts", "VMI_EnableInterrupts"),
        ("halt", "VMI_Halt"),
        ("vmi_cpuid", "VMI_CPUID"),
        ("set_alarm", "VMI_SetAlarm"),
    ],
)
def test_a_misspelt_name_finds_the_call(
    session: Session, name: str, nearest: str
) -> None:
    assert calls.find_nearest(session, name)[0] == nearest


@pytest.mark.parametrize("name", ["?" * 5000, ""])
def test_a_name_like_no_other_finds_nothing(
    session: Session, name: str
) -> None:
    assert calls.find_nearest(session, name) == []

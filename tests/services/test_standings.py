"""How threads stand: signs, and the order of weight."""

import itertools

import pytest

from app.models import Severity, ThreadState
from app.services.standings import get_sign, get_weight


def test_open_threads_come_before_settled_ones() -> None:
    for severity, other in itertools.product(Severity, Severity):
        unsettled = get_weight(ThreadState.disputed, severity)
        assert unsettled < get_weight(ThreadState.answered, other)


def test_what_blocks_comes_first_and_open_before_disputed() -> None:
    ordered = [
        (ThreadState.open, Severity.blocking),
        (ThreadState.disputed, Severity.blocking),
        (ThreadState.deferred, Severity.concern),
        (ThreadState.disputed, Severity.concern),
        (ThreadState.unanswered, Severity.nit),
        (ThreadState.answered, Severity.blocking),
        (ThreadState.conceded, Severity.blocking),
        (ThreadState.decided, Severity.blocking),
    ]
    weights = [get_weight(*each) for each in ordered]
    assert weights == sorted(set(weights))


@pytest.mark.parametrize(
    ("state", "sign"),
    [
        (ThreadState.open, "concern"),
        (ThreadState.unanswered, "concern"),
        (ThreadState.deferred, "concern"),
        (ThreadState.disputed, "disputed"),
        (ThreadState.answered, "answered"),
        (ThreadState.decided, "decided"),
    ],
)
def test_an_open_thread_shows_its_severity(
    state: ThreadState, sign: str
) -> None:
    assert get_sign(state, Severity.concern) == sign

"""The search visits every state once, in a fixed order."""

import time

import pytest

from app.sim.errors import NotModelled
from app.sim.platforms import Platform
from app.sim.search import DELIVERY, STEP, Limits, Search
from app.sim.start import Event
from tests.sim.guest import build


def _search(kernel: str, *events: Event, **listings: str) -> Search:
    machine = build(kernel, data={"count": 0}, handlers=listings)
    host = machine.board.host
    assert isinstance(host, Platform)
    search = Search(host, [machine], events)
    search.run(Limits(), time.monotonic() + 10, None)
    return search


def test_a_straight_line() -> None:
    """One state for each instruction, and one at the end."""
    search = _search("nop\nnop\ncli\nhlt")
    assert len(search.keys) == 5
    assert len(search.targets) == 4
    assert search.parents == [-1, 0, 1, 2, 3]
    assert set(search.kinds) == {STEP}


def test_a_loop_is_closed() -> None:
    """A state that was seen is not gone on from again."""
    search = _search("there: nop\njmp there")
    assert len(search.keys) == 2
    assert search.targets == [1, 0]


def test_budgets_are_part_of_the_state() -> None:
    """The same machine with another budget is another state."""
    search = _search("there: jmp there", Event("irq0", 3), irq0="iretd")
    left = {key % search.budgets for key in search.keys}
    assert left == {0, 1, 2, 3}
    assert search.has_arrived(0)
    machines = {key // search.budgets for key in search.keys}
    assert len(machines) < len(search.keys)


def test_arrival_and_delivery_are_two_transitions() -> None:
    """An arrival leaves the processor where it is."""
    search = _search("there: jmp there", Event("irq0"), irq0="iretd")
    kinds = [search.kinds[edge] for edge in range(len(search.kinds))]
    assert DELIVERY in kinds
    assert search.first_event in kinds
    arrived = search.targets[kinds.index(search.first_event)]
    assert search.get_machine(arrived).irqs == 1
    assert search.get_machine(arrived).vcpus == search.get_machine(0).vcpus


def test_a_delivery_that_is_due_leaves_no_other_step() -> None:
    """On native a deliverable interrupt is taken at the boundary."""
    search = _search("there: jmp there", Event("irq0"), irq0="iretd")
    for state in range(search.explored):
        begin, end = search.offsets[state], search.offsets[state + 1]
        kinds = search.kinds[begin:end]
        assert not (DELIVERY in kinds and STEP in kinds)


def test_a_gap_is_an_edge_that_leads_nowhere() -> None:
    """What is not modelled is kept with the edge."""
    search = _search("nop\nmov eax, [0x10]")
    assert search.targets == [1, -1]
    assert isinstance(search.gaps[0], NotModelled)


def test_a_delivery_may_end_in_a_gap_too() -> None:
    """A frame pushed to memory that is not there is not modelled."""
    search = _search(
        "mov esp, 0x10\nthere: jmp there", Event("irq0"), irq0="iretd"
    )
    assert search.gaps
    assert min(search.targets) < 0


@pytest.mark.parametrize("interrupts", [1, 5])
def test_several_events_have_budgets_of_their_own(interrupts: int) -> None:
    """All combinations of what is left are reached."""
    search = _search(
        "there: jmp there",
        Event("irq0", interrupts),
        Event("irq1", 2),
        irq0="iretd",
        irq1="iretd",
    )
    assert search.budgets == (interrupts + 1) * 3
    left = {key % search.budgets for key in search.keys}
    assert len(left) == search.budgets

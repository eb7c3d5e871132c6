"""The queue of calls that wait: classes, order, length."""

import pytest

from app.sim.deferral import (
    DEFER_CPU,
    DEFER_DT,
    DEFER_MMU,
    EFFECTS,
    defer,
    flush,
    is_deferred,
)
from app.sim.entries import UPDATE
from app.sim.machine import Deferred, Machine, update
from app.sim.page_tables import Paging, get_frame
from app.sim.physical import get_word
from app.sim.registry import CALLS
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu

PLACE = get_frame(0)


def boot(classes: int, **policies: str) -> Machine:
    """Build a machine with the guest's own tables that lets calls wait."""
    machine = build(
        platform="software",
        policies={"page_tables": "direct", **policies},
        start=Start(paging=Paging(pae=False)),
    )
    return update(machine, 0, deferral=classes)


def test_what_waits_is_named_by_its_call() -> None:
    """Each effect is that of a call that there is."""
    assert EFFECTS
    assert set(EFFECTS) <= set(CALLS)


@pytest.mark.parametrize("classes", range(8))
def test_only_allowed_classes_wait(classes: int) -> None:
    """The mask of VMI_SetDeferredMode decides: RFC A."""
    machine = boot(classes)
    for each in (DEFER_MMU, DEFER_CPU, DEFER_DT):
        assert is_deferred(machine, 0, each) == bool(classes & each)
        assert not is_deferred(boot(classes, deferral="immediate"), 0, each)


def test_updates_are_made_in_their_order() -> None:
    """The last of two updates of one entry stays."""
    machine = boot(DEFER_MMU)
    for value in (1, 2):
        machine = defer(machine, 0, DEFER_MMU, UPDATE, (PLACE, value))
    assert get_word(machine, PLACE) == 0
    assert get_word(flush(machine, 0), PLACE) == 2


def test_a_flush_of_one_class_leaves_the_others() -> None:
    """What is not flushed keeps its place in the queue."""
    waiting = (
        Deferred(DEFER_CPU, UPDATE, (PLACE, 1)),
        Deferred(DEFER_MMU, UPDATE, (PLACE + 4, 2)),
        Deferred(DEFER_DT, UPDATE, (PLACE + 8, 3)),
    )
    machine = update(boot(DEFER_MMU), 0, queue=waiting)
    after = flush(machine, 0, DEFER_MMU)
    assert get_vcpu(after).queue == (waiting[0], waiting[2])
    words = [get_word(after, PLACE + offset) for offset in (0, 4, 8)]
    assert words == [0, 2, 0]


def test_a_full_queue_is_flushed_and_takes_the_call() -> None:
    """No call that waits can fail for want of room."""
    machine = boot(DEFER_MMU, queue_length="2")
    for value in (1, 2, 3):
        machine = defer(machine, 0, DEFER_MMU, UPDATE, (PLACE, value))
    assert get_word(machine, PLACE) == 2
    assert len(get_vcpu(machine).queue) == 1


def test_a_call_that_may_not_wait_is_made_now() -> None:
    """Nothing is deferred by default."""
    machine = defer(boot(0), 0, DEFER_MMU, UPDATE, (PLACE, 7))
    assert get_word(machine, PLACE) == 7
    assert get_vcpu(machine).queue == ()

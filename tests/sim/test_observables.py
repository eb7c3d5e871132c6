"""What can be seen by name."""

import pytest

from app.sim.machine import update
from app.sim.observables import OBSERVABLES, get_observable, observe
from app.sim.start import Start
from tests.sim.guest import build

WORDS = {"work": 0}


def test_every_observable_can_be_read() -> None:
    """Each has a meaning and a reader that gives a number."""
    machine = build()
    for name, meaning in OBSERVABLES.items():
        assert meaning
        assert type(get_observable(name, {})(machine)) is int


def test_an_unknown_name_has_no_reader() -> None:
    """KeyError names it."""
    for name in ("rax", "msr 0xZZ", "pending irq16"):
        with pytest.raises(KeyError, match=name):
            get_observable(name, {})


def test_data_words_and_msrs_are_read_by_name() -> None:
    """They come on top of the fixed names."""
    machine = build(data={"work": 5}, start=Start(msrs=((0x99, 6),)))
    assert get_observable("work", WORDS)(machine) == 5
    assert get_observable("msr 0x99", WORDS)(machine) == 6
    assert get_observable("msr 0x98", WORDS)(machine) == 0


def test_the_flag_that_counts() -> None:
    """On software `if` is the virtual flag, `hardware_if` stays set."""
    machine = build(platform="software", start=Start(interrupts=False))
    assert get_observable("if", {})(machine) == 0
    assert get_observable("hardware_if", {})(machine) == 1


def test_pending_is_any_of_three() -> None:
    """An interrupt, an NMI or a machine check is pending."""
    pending = get_observable("pending", {})
    machine = build()
    assert not pending(machine)
    assert pending(machine.replace(irqs=4))
    assert pending(update(machine, 0, nmi_pending=1))
    assert pending(update(machine, 0, mce_pending=1))
    assert get_observable("pending irq2", {})(machine.replace(irqs=4)) == 1


def test_observe_shows_everything() -> None:
    """All observables, the data words and the MSRs, in a fixed order."""
    machine = build(data={"work": 5})
    state = observe(machine)
    assert set(OBSERVABLES) <= set(state)
    assert state["work"] == 5
    assert state["msr 0x174"] == 0x60
    assert list(state) == list(observe(update(machine, 0, eax=1)))

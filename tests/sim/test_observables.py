"""What can be seen by name."""

import pytest

from app.sim.machine import update
from app.sim.observables import (
    OBSERVABLES,
    describe_observable,
    get_observable,
    list_observables,
    observe,
)
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


def test_each_processor_is_read_by_its_own_name() -> None:
    """A name alone means processor 0."""
    first = build()
    second = first.vcpus[0].replace(eax=7, nmi_pending=1)
    machine = first.replace(vcpus=(*first.vcpus, second), irqs=1)
    assert get_observable("eax", {})(machine) == 0
    assert get_observable("cpu0.eax", {})(machine) == 0
    assert get_observable("cpu1.eax", {})(machine) == 7
    assert get_observable("cpu1.msr 0x174", {})(machine) == 0x60
    assert get_observable("cpu1.pending nmi", {})(machine) == 1
    assert set(observe(machine)) >= set(list_observables(2)) - {
        name for name in list_observables(2) if name.startswith("cpu0.")
    }


def test_what_belongs_to_the_machine_has_no_processor() -> None:
    """There is one wall clock, and lines end at the boot processor."""
    for name in ("cpu1.wallclock", "cpu1.pending irq0", "cpu1.rax"):
        with pytest.raises(KeyError):
            get_observable(name, {})
    machine = build()
    both = machine.replace(vcpus=machine.vcpus * 2, irqs=1)
    assert get_observable("pending", {})(both) == 1
    assert get_observable("cpu1.pending", {})(both) == 0


def test_a_name_is_described_with_its_processor() -> None:
    """A data word has no description."""
    assert describe_observable("eax") == "register EAX"
    assert describe_observable("cpu2.eax") == "register EAX, processor 2"
    assert describe_observable("work") is None
    assert describe_observable("cpu2.work") is None

"""Arrival: what is latched, and what a hypervisor keeps to itself."""

import pytest

from app.sim.arrivals import arrive
from app.sim.machine import update
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu

VIRTUAL = ("software", "hardware")


def test_an_interrupt_is_latched() -> None:
    """A line is latched once, and not delivered."""
    (machine,) = arrive(build(), "irq3")
    assert machine.irqs == 0b1000
    assert machine.noticed == 0
    assert arrive(machine, "irq3") == [machine]


@pytest.mark.parametrize("platform", VIRTUAL)
def test_the_hypervisor_takes_it_first(platform: str) -> None:
    """It notices an interrupt whatever the guest has masked."""
    machine = build(platform=platform, start=Start(interrupts=False))
    (machine,) = arrive(machine, "irq0")
    assert machine.irqs == 1
    assert machine.noticed


def test_a_new_interrupt_hands_over_deferred_ones() -> None:
    """The hypervisor runs, so what was deferred is due."""
    machine = update(build(platform="software"), 0, deferred=1)
    (machine,) = arrive(machine, "irq0")
    assert not get_vcpu(machine).deferred


def test_an_nmi_on_native() -> None:
    """It is latched."""
    (machine,) = arrive(build(), "nmi")
    assert get_vcpu(machine).nmi_pending


@pytest.mark.parametrize("platform", VIRTUAL)
@pytest.mark.parametrize("policy", ["not-delivered", "delivered"])
def test_an_nmi_under_a_hypervisor(platform: str, policy: str) -> None:
    """The guest gets it only by policy (RFC 2.11)."""
    (machine,) = arrive(
        build(platform=platform, policies={"nmi": policy}), "nmi"
    )
    assert machine.noticed
    assert get_vcpu(machine).nmi_pending == (policy == "delivered")


def test_an_nmi_before_init() -> None:
    """Until VMI_Init the guest is an ordinary one."""
    machine = build(platform="software", start=Start(paravirtual=False))
    (machine,) = arrive(machine, "nmi")
    assert get_vcpu(machine).nmi_pending


@pytest.mark.parametrize(
    ("policy", "stopped", "pending"),
    [("stop-vm", 1, 0), ("ignore", 0, 0), ("deliver", 0, 1)],
)
def test_a_machine_check_under_a_hypervisor(
    policy: str, stopped: int, pending: int
) -> None:
    """It stops the guest, is ignored or delivered, by policy."""
    machine = build(platform="software", policies={"machine_check": policy})
    (machine,) = arrive(machine, "mce")
    assert machine.stopped == stopped
    assert get_vcpu(machine).mce_pending == pending


def test_a_machine_check_on_native() -> None:
    """It is latched."""
    (machine,) = arrive(build(), "mce")
    assert get_vcpu(machine).mce_pending


def test_nothing_arrives_after_the_end() -> None:
    """A processor that is shut down, or stopped, takes no notice."""
    assert arrive(update(build(), 0, shutdown=1), "irq0") == []
    assert arrive(build().replace(stopped=1), "nmi") == []


def test_the_others_go_on_after_the_end_of_the_first() -> None:
    """What concerns all processors happens as long as one of them runs."""
    machine = build(start=Start(processors=(Start(),)))
    machine = update(machine, 0, shutdown=1)
    assert arrive(machine, "irq0") == []
    assert len(arrive(machine, "suspend")) == 2
    assert arrive(update(machine, 1, shutdown=1), "suspend") == []

"""Arrival of events: a request is latched, nothing is delivered yet.

Races live between the arrival of an event and its delivery, so they are two
transitions. Where a hypervisor runs, the hardware's event goes to it first:
it is noticed there whatever the guest has masked, and the policies say what
the guest gets to see.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from app.sim.delivery import NOTICED_IRQ, NOTICED_MCE, NOTICED_NMI
from app.sim.machine import Machine, update
from app.sim.timekeeping import advance, suspend, wait_for_alarm

BOOT: Final = 0
"""The processor to which a machine's interrupts are wired."""


def arrive(machine: Machine, event: str) -> list[Machine]:
    """Let an event arrive; more than one answer is a free choice.

    No answer means that the event cannot happen now: a processor that has
    stopped takes no notice, and only an armed alarm expires.
    """
    if machine.stopped or machine.vcpus[BOOT].shutdown:
        return []
    arrival = _ARRIVALS.get(event)
    if arrival is None:
        return [_arrive_irq(machine, int(event.removeprefix("irq")))]
    return arrival(machine)


def _arrive_irq(machine: Machine, line: int) -> Machine:
    """Latch a line; a hypervisor that runs now also hands over."""
    machine = machine.replace(irqs=machine.irqs | 1 << line)
    if machine.vcpus[BOOT].deferred:
        machine = update(machine, BOOT, deferred=0)
    return _notice(machine, NOTICED_IRQ)


def _arrive_nmi(machine: Machine) -> list[Machine]:
    """Latch an NMI, if the guest gets to see it."""
    host = machine.board.host
    if host.has_hypervisor and machine.vcpus[BOOT].paravirtual:
        machine = _notice(machine, NOTICED_NMI)
        if host.choose("nmi") == "not-delivered":
            return [machine]
    return [update(machine, BOOT, nmi_pending=1)]


def _arrive_machine_check(machine: Machine) -> list[Machine]:
    """Latch a machine check, or let the hypervisor deal with it."""
    host = machine.board.host
    if host.has_hypervisor and machine.vcpus[BOOT].paravirtual:
        machine = _notice(machine, NOTICED_MCE)
        treatment = host.choose("machine_check")
        if treatment == "stop-vm":
            return [machine.replace(stopped=1)]
        if treatment == "ignore":
            return [machine]
    return [update(machine, BOOT, mce_pending=1)]


def _notice(machine: Machine, kind: int) -> Machine:
    """Note that the hypervisor took an event from the hardware."""
    if not machine.board.host.has_hypervisor:
        return machine
    return machine.replace(noticed=machine.noticed | kind)


def _steal(machine: Machine) -> list[Machine]:
    """Take the processor away for a while, where a hypervisor can."""
    board = machine.board
    if not board.host.has_hypervisor:
        return []
    return [advance(machine, board.steal_cycles, stolen=True)]


_ARRIVALS: Final[Mapping[str, Callable[[Machine], list[Machine]]]] = (
    MappingProxyType(
        {
            "nmi": _arrive_nmi,
            "mce": _arrive_machine_check,
            "suspend": suspend,
            "steal": _steal,
            "alarm": wait_for_alarm,
        }
    )
)

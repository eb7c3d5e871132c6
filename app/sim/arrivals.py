"""Arrival of events: a request is latched, nothing is delivered yet.

Races live between the arrival of an event and its delivery, so they are two
transitions. Where a hypervisor runs, the hardware's event goes to it first:
it is noticed there whatever the guest has masked, and the policies say what
the guest gets to see.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from app.sim.delivery import (
    BOOT,
    NOTICED_IRQ,
    NOTICED_MCE,
    hand_over,
    latch_nmi,
    notice,
    raise_line,
)
from app.sim.devices import Devices, receive, request
from app.sim.errors import NotModelled
from app.sim.machine import Machine, update
from app.sim.paging import forget_pages
from app.sim.timekeeping import (
    migrate,
    steal,
    suspend,
    wait_for_alarm,
    wait_for_timer,
)

SERIAL_BYTE: Final = 0x41
"""What a byte that arrives at the serial port is: an A."""


def arrive(machine: Machine, event: str) -> list[Machine]:
    """Let an event arrive; more than one answer is a free choice.

    No answer means that the event cannot happen now: a processor that has
    shut down takes no notice, and only an armed alarm expires.
    """
    concerned = machine.vcpus if event in _FOR_ALL else machine.vcpus[:1]
    if machine.stopped or all(vcpu.shutdown for vcpu in concerned):
        return []
    arrival = _ARRIVALS.get(event)
    if arrival is None:
        return [_arrive_irq(machine, int(event.removeprefix("irq")))]
    return arrival(machine)


def _arrive_irq(machine: Machine, line: int) -> Machine:
    """Latch a line; a hypervisor that runs now also hands over."""
    return notice(raise_line(machine, line), NOTICED_IRQ)


def _change_devices(machine: Machine, devices: Devices) -> list[Machine]:
    """Let a device change; a hypervisor that runs now also hands over."""
    machine = hand_over(machine.replace(devices=devices), BOOT)
    return [notice(machine, NOTICED_IRQ)]


def _arrive_nmi(machine: Machine) -> list[Machine]:
    """Latch an NMI, if the guest gets to see it."""
    return [latch_nmi(machine, BOOT)]


def _arrive_byte(machine: Machine) -> list[Machine]:
    """Let a byte arrive at the serial port."""
    devices = _require_devices(machine)
    return _change_devices(machine, receive(devices, SERIAL_BYTE))


def _arrive_request(machine: Machine) -> list[Machine]:
    """Let the latch ask for service, unless it waits for that already."""
    devices = _require_devices(machine)
    if devices.latch.requests:
        return []
    return _change_devices(machine, request(devices))


def _require_devices(machine: Machine) -> Devices:
    """Answer the devices, or raise that the question has none."""
    if machine.devices is None:
        raise NotModelled('a device where [start] has no "devices = true"')
    return machine.devices


def _arrive_machine_check(machine: Machine) -> list[Machine]:
    """Latch a machine check, or let the hypervisor deal with it."""
    host = machine.board.host
    if host.has_hypervisor and machine.vcpus[BOOT].paravirtual:
        machine = notice(machine, NOTICED_MCE)
        treatment = host.choose("machine_check")
        if treatment == "stop-vm":
            return [machine.replace(stopped=1)]
        if treatment == "ignore":
            return [machine]
    return [update(machine, BOOT, mce_pending=1)]


def _forget_pages(machine: Machine) -> list[Machine]:
    """Let one processor drop its TLB, as it may do at any time."""
    return [
        forget_pages(machine, cpu, everything=True)
        for cpu, vcpu in enumerate(machine.vcpus)
        if vcpu.tlb
    ]


_FOR_ALL: Final = frozenset(
    {"suspend", "migrate", "tlb", "steal", "alarm", "timer"}
)
"""What happens to all processors; the rest goes to the first one."""

_ARRIVALS: Final[Mapping[str, Callable[[Machine], list[Machine]]]] = (
    MappingProxyType(
        {
            "nmi": _arrive_nmi,
            "mce": _arrive_machine_check,
            "suspend": suspend,
            "migrate": migrate,
            "tlb": _forget_pages,
            "steal": steal,
            "alarm": wait_for_alarm,
            "timer": wait_for_timer,
            "serial": _arrive_byte,
            "latch": _arrive_request,
        }
    )
)

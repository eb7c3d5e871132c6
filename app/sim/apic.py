"""Local APICs in the machine: registers, messages between processors.

A write to the command register puts messages on the machine's bus. Each lands
at its target at once or as a transition of its own, as the policy
``ipi_latency`` says. The registers are reached by the calls and through
memory, at the base that IA32_APIC_BASE tells.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from app.sim.delivery import latch_nmi
from app.sim.devices import Apic, Message
from app.sim.devices import local_apic as device
from app.sim.devices.local_apic import Order
from app.sim.errors import NotModelled
from app.sim.machine import CpuId, Machine, Window, update
from app.sim.startup import receive_init, receive_startup

APIC_BASE: Final = 0x1B
"""IA32_APIC_BASE: SDM vol. 3A, 10.4.4."""

_ENABLE: Final = 0x800
_BASE_BITS: Final = 0xFFFF_F000
_BUSY: Final = 0x1000
_WORD: Final = 4


def get_base(machine: Machine, cpu: CpuId) -> int | None:
    """Answer the physical address of a processor's APIC, if it has one."""
    vcpu = machine.vcpus[cpu]
    if vcpu.apic is None:
        return None
    value = dict(vcpu.msrs).get(APIC_BASE, 0)
    return value & _BASE_BITS if value & _ENABLE else None


def require_apic(machine: Machine, cpu: CpuId) -> Apic:
    """Answer a processor's APIC, or raise that the question has none."""
    apic = machine.vcpus[cpu].apic
    if apic is None:
        raise NotModelled('a local APIC where [start] has no "apic = true"')
    return apic


# ---------------------------------------------------------- the registers


def read_register(
    machine: Machine, cpu: CpuId, offset: int
) -> tuple[Machine, int]:
    """Read a register; the command register tells if it is still busy."""
    apic, value = device.read_register(
        require_apic(machine, cpu), offset, machine.real
    )
    if offset == device.ICR_LOW and any(
        message.source == cpu for message in machine.bus
    ):
        value |= _BUSY
    return _put(machine, cpu, apic), value


def write_register(
    machine: Machine, cpu: CpuId, offset: int, value: int
) -> Machine:
    """Write a register, and send what a command register orders."""
    apic, order = device.write_register(
        require_apic(machine, cpu), offset, value, machine.real
    )
    machine = _put(machine, cpu, apic)
    return machine if order is None else _send(machine, cpu, order)


def _put(machine: Machine, cpu: CpuId, apic: Apic) -> Machine:
    """Put an APIC back, if it changed."""
    if apic is machine.vcpus[cpu].apic:
        return machine
    return update(machine, cpu, apic=apic)


def _read_window(
    machine: Machine, cpu: CpuId, address: int, size: int
) -> tuple[Machine, int]:
    """Read through memory: aligned words only."""
    return read_register(machine, cpu, _get_offset(address, size))


def _write_window(
    machine: Machine, cpu: CpuId, address: int, size: int, value: int
) -> Machine:
    """Write through memory: aligned words only."""
    return write_register(machine, cpu, _get_offset(address, size), value)


def _get_offset(address: int, size: int) -> int:
    """Answer which register an access through memory goes to."""
    if size != _WORD or address % device.STEP:
        raise NotModelled(
            f"an access of {size} bytes to the local APIC at {address:#x}; "
            "the manual leaves all but aligned words undefined"
        )
    return address & device.PAGE - 1


WINDOW: Final = Window(device.PAGE, get_base, _read_window, _write_window)
"""The page of each processor's own APIC."""


# ------------------------------------------------------------ the messages


def _send(machine: Machine, cpu: CpuId, order: Order) -> Machine:
    """Send an order's messages, to land now or later."""
    if order.mode not in _LANDINGS:
        raise NotModelled(
            f"an inter-processor interrupt of delivery mode {order.mode}"
        )
    mode = device.FIXED if order.mode == device.LOWEST else order.mode
    latency = machine.board.host.choose("ipi_latency")
    for target in _find_targets(machine, cpu, order):
        message = Message(cpu, target, mode, order.vector)
        own = target == cpu and latency == "own-at-once"
        if latency == "immediate" or own:
            machine = _LANDINGS[mode](machine, message)
        elif message not in machine.bus:
            machine = machine.replace(bus=_add(machine.bus, message))
    return machine


def _add(bus: tuple[Message, ...], message: Message) -> tuple[Message, ...]:
    """Put a message behind those on the same way; ways have one order."""
    return tuple(
        sorted((*bus, message), key=lambda each: (each.source, each.target))
    )


def _find_targets(
    machine: Machine, cpu: CpuId, order: Order
) -> tuple[CpuId, ...]:
    """Find the processors that an order is meant for.

    Of several that could take an interrupt of lowest priority, the first of
    those whose priority is lowest does.
    """
    meant = {
        target: vcpu.apic
        for target, vcpu in enumerate(machine.vcpus)
        if vcpu.apic is not None
        and device.is_meant(vcpu.apic, order, is_sender=target == cpu)
    }
    if order.mode != device.LOWEST:
        return tuple(meant)
    ranked = sorted(
        meant, key=lambda target: device.compute_ppr(meant[target])
    )
    return tuple(ranked[:1])


def list_landings(machine: Machine) -> tuple[Message, ...]:
    """List the messages that may land next.

    Those from one processor to another stay in their order.
    """
    first: dict[tuple[CpuId, CpuId], Message] = {}
    for message in machine.bus:
        first.setdefault((message.source, message.target), message)
    return tuple(first.values())


def land(machine: Machine, message: Message) -> Machine:
    """Let a message arrive at its processor."""
    bus = list(machine.bus)
    bus.remove(message)
    return _LANDINGS[message.mode](machine.replace(bus=tuple(bus)), message)


def _land_fixed(machine: Machine, message: Message) -> Machine:
    """Latch a vector; a hypervisor that runs now also hands over."""
    target = message.target
    apic = device.accept(require_apic(machine, target), message.vector)
    return update(machine, target, apic=apic, deferred=0)


def _land_nmi(machine: Machine, message: Message) -> Machine:
    """Latch an NMI, if the guest gets to see it."""
    return latch_nmi(machine, message.target)


def _land_init(machine: Machine, message: Message) -> Machine:
    """Reset a processor."""
    return receive_init(machine, message.target)


def _land_startup(machine: Machine, message: Message) -> Machine:
    """Start a processor that waits for it."""
    return receive_startup(machine, message.target, message.vector)


_LANDINGS: Final[Mapping[int, Callable[[Machine, Message], Machine]]] = (
    MappingProxyType(
        {
            device.FIXED: _land_fixed,
            device.LOWEST: _land_fixed,
            device.NMI: _land_nmi,
            device.INIT: _land_init,
            device.STARTUP: _land_startup,
        }
    )
)

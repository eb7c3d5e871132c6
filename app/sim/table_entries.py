"""Entries of the guest's tables, as a call writes them.

A hypervisor may rewrite what is given, and is told what is stored.
"""

from typing import Final

from app.sim.machine import WORD, WORD_MASK, CpuId, Machine
from app.sim.memory import load_system, store_system
from app.sim.segments import (
    CODE_OR_DATA,
    GATES_OF_16_BITS,
    INTERRUPT_GATE,
    SYSTEM_TYPE,
    TRAP_GATE,
    decode,
    encode,
    get_dpl,
    raise_dpl,
    set_dpl,
    shorten,
)
from app.sim.selectors import ENTRY_SHIFT, RPL, tell_entry

HALF: Final = 16
GATES: Final = frozenset({INTERRUPT_GATE, TRAP_GATE, *GATES_OF_16_BITS})


def adjust_descriptor(
    machine: Machine, cpu: CpuId, low: int, high: int
) -> tuple[int, int]:
    """Adjust a descriptor as its image in the guest's memory may be."""
    vcpu = machine.vcpus[cpu]
    host = machine.board.host
    if not host.is_virtual(vcpu):
        return low, high
    if host.choose("descriptor_image") == "kept":
        return low, high
    segment = decode(low, high)
    if not segment.access & CODE_OR_DATA:
        return low, high
    return encode(raise_dpl(shorten(segment), host.get_kernel_cpl(vcpu)))


def adjust_gate(
    machine: Machine, cpu: CpuId, low: int, high: int
) -> tuple[int, int]:
    """Adjust a gate as its image in the guest's memory may be."""
    vcpu = machine.vcpus[cpu]
    host = machine.board.host
    if not host.is_virtual(vcpu):
        return low, high
    if host.choose("descriptor_image") == "kept":
        return low, high
    gate = decode(low, high)
    if gate.access & SYSTEM_TYPE not in GATES:
        return low, high
    ring = host.get_kernel_cpl(vcpu)
    gate = set_dpl(gate, max(get_dpl(gate), ring))
    low, high = encode(gate)
    return low & ~(RPL << HALF) | ring << HALF, high


def write_entry(
    machine: Machine,
    cpu: CpuId,
    place: int,
    words: tuple[int, int],
) -> Machine:
    """Write an entry of a table, and tell the hypervisor."""
    low, high = words
    machine = store_system(machine, cpu, place, WORD, low)
    at = place + WORD & WORD_MASK
    machine = store_system(machine, cpu, at, WORD, high)
    return tell_entry(machine, cpu, place)


def require_entry(
    machine: Machine, cpu: CpuId, table: int, entry: int
) -> tuple[Machine, int]:
    """Answer where an entry lies, if there is memory."""
    place = table + (entry << ENTRY_SHIFT) & WORD_MASK
    machine, _ = load_system(machine, cpu, place)
    machine, _ = load_system(machine, cpu, place + WORD & WORD_MASK)
    return machine, place

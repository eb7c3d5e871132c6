"""Transfers between segments: far jumps, calls and returns.

What a code selector must be, and how the stack changes with the ring: SDM
vol. 3A, 5.8. Tasks and 16-bit code are left out.
"""

from typing import Final, NamedTuple

from app.sim.entry import note_kernel_stack, read_inner_stack
from app.sim.errors import GuestFault, NotModelled
from app.sim.machine import (
    WORD,
    WORD_MASK,
    CpuId,
    Machine,
    Segment,
    update,
)
from app.sim.memory import load, pop, push
from app.sim.segments import (
    BUSY,
    CALL_GATE,
    CODE_OR_DATA,
    DPL,
    DPL_SHIFT,
    PRESENT,
    SS_INDEX,
    SYSTEM_TYPE,
    TASK_GATE,
    TSS_AVAILABLE,
    decode_gate,
    encode,
    get_dpl,
    is_code,
    is_conforming,
    to_linear,
)
from app.sim.selectors import (
    RPL,
    SELECTOR,
    SELECTOR_BITS,
    drop_inner_segments,
    mark_accessed,
    put_segment,
    read_descriptor,
    read_stack,
    require_code,
)
from app.sim.vectors import GP, NP, TS

PARAMETER_BITS: Final = 0x1F


class Destination(NamedTuple):
    """Where a transfer goes, its checks passed."""

    selector: int
    segment: Segment
    eip: int


def load_code(machine: Machine, cpu: CpuId, to: Destination) -> Machine:
    """Load CS and EIP; the RPL of the selector becomes the CPL."""
    machine, segment = mark_accessed(machine, cpu, to.selector, to.segment)
    machine = put_segment(machine, cpu, "cs", to.selector, segment)
    return update(machine, cpu, eip=to.eip, cpl=to.selector & RPL)


def require_reachable(segment: Segment, eip: int) -> None:
    """Raise #GP(0) if EIP lies beyond the limit of a code segment."""
    if eip > segment.limit:
        raise GuestFault(GP, 0)


# ----------------------------------------------------------- jumps and calls


def find_destination(
    machine: Machine, cpu: CpuId, selector: int, eip: int
) -> tuple[Machine, Destination, Segment | None]:
    """Check a far jump or call to code, or to a call gate, which is answered.

    SDM vol. 2A, JMP and CALL. A jump or call does not change the ring by
    itself: RPL of CS stays the CPL.
    """
    machine, segment = read_descriptor(machine, cpu, selector)
    error = selector & SELECTOR
    if not segment.access & CODE_OR_DATA:
        _require_call_gate(segment, error)
        return machine, Destination(selector, segment, eip), segment
    cpl = machine.vcpus[cpu].cpl
    _require_own_ring(segment, selector, cpl)
    require_code(segment, error)
    require_reachable(segment, eip)
    return machine, Destination(error | cpl, segment, eip), None


def _require_own_ring(segment: Segment, selector: int, cpl: int) -> None:
    """Raise #GP unless code may be entered without a change of ring."""
    error = selector & SELECTOR
    if not is_code(segment):
        raise GuestFault(GP, error)
    if is_conforming(segment):
        if get_dpl(segment) > cpl:
            raise GuestFault(GP, error)
    elif selector & RPL > cpl or get_dpl(segment) != cpl:
        raise GuestFault(GP, error)


def _require_call_gate(segment: Segment, error: int) -> None:
    """Raise NotModelled for a task, #GP for what nobody can call."""
    kind = segment.access & SYSTEM_TYPE
    if kind in {TASK_GATE, TSS_AVAILABLE, TSS_AVAILABLE | BUSY}:
        raise NotModelled("a switch of tasks")
    if kind != CALL_GATE:
        raise GuestFault(GP, error)


class Called(NamedTuple):
    """What a call gate leads to, and how many words it copies."""

    to: Destination
    inner: bool
    words: int


def pass_gate(
    machine: Machine, cpu: CpuId, selector: int, gate: Segment, *, call: bool
) -> tuple[Machine, Called]:
    """Pass a call gate: SDM vol. 3A, 5.8.4."""
    cpl = machine.vcpus[cpu].cpl
    error = selector & SELECTOR
    if (gate.access & DPL) >> DPL_SHIFT < max(cpl, selector & RPL):
        raise GuestFault(GP, error)
    if not gate.access & PRESENT:
        raise GuestFault(NP, error)
    low, high = encode(gate)
    raw = decode_gate(low, high)
    error = raw.selector & SELECTOR
    if not error:
        raise GuestFault(GP, 0)
    machine, segment = read_descriptor(machine, cpu, raw.selector)
    dpl = get_dpl(segment)
    if not is_code(segment) or dpl > cpl:
        raise GuestFault(GP, error)
    free = is_conforming(segment)
    if not call and not free and dpl != cpl:
        raise GuestFault(GP, error)
    require_code(segment, error)
    require_reachable(segment, raw.address)
    inner = call and not free and dpl < cpl
    ring = dpl if inner else cpl
    to = Destination(error | ring, segment, raw.address)
    return machine, Called(to, inner, high & PARAMETER_BITS)


def call_inner(machine: Machine, cpu: CpuId, called: Called) -> Machine:
    """Call an inner ring: its stack gets the old one and the parameters."""
    vcpu = machine.vcpus[cpu]
    ring = called.to.selector & RPL
    machine, selector, esp = read_inner_stack(machine, cpu, ring)
    machine, stack = read_stack(machine, cpu, selector, ring, vector=TS)
    machine, stack = mark_accessed(machine, cpu, selector, stack)
    words = []
    for place in range(called.words):
        esp_of_word = vcpu.esp + WORD * place & WORD_MASK
        at = to_linear(machine, cpu, SS_INDEX, esp_of_word, WORD, write=False)
        machine, word = load(machine, cpu, at)
        words.append(word)
    machine = put_segment(machine, cpu, "ss", selector, stack)
    machine = load_code(update(machine, cpu, esp=esp), cpu, called.to)
    for word in (vcpu.ss, vcpu.esp, *reversed(words), vcpu.cs, vcpu.eip):
        machine = push(machine, cpu, word)
    return machine


# --------------------------------------------------------------- the way back


def find_return(
    machine: Machine, cpu: CpuId, selector: int, eip: int
) -> tuple[Machine, Destination]:
    """Check where a return goes: SDM vol. 2A, IRET, and vol. 2B, RET."""
    error = selector & SELECTOR
    rpl = selector & RPL
    if rpl < machine.vcpus[cpu].cpl or not error:
        raise GuestFault(GP, error)
    machine, segment = read_descriptor(machine, cpu, selector)
    dpl = get_dpl(segment)
    fits = dpl <= rpl if is_conforming(segment) else dpl == rpl
    if not is_code(segment) or not fits:
        raise GuestFault(GP, error)
    require_code(segment, error)
    require_reachable(segment, eip)
    return machine, Destination(selector, segment, eip)


def return_to(
    machine: Machine, cpu: CpuId, to: Destination, *, dropped: int = 0
) -> Machine:
    """Finish a return whose EIP, CS and perhaps EFLAGS have been popped.

    To an outer ring the stack is popped too, data segments that it may not
    have are nulled, and ``dropped`` bytes of both stacks go.
    """
    vcpu = machine.vcpus[cpu]
    machine = _drop(machine, cpu, dropped)
    if to.selector & RPL == vcpu.cpl:
        return load_code(machine, cpu, to)
    machine, esp = pop(machine, cpu)
    machine, selector = pop(machine, cpu)
    selector &= SELECTOR_BITS
    ring = to.selector & RPL
    machine, stack = read_stack(machine, cpu, selector, ring)
    machine = load_code(machine, cpu, to)
    machine, stack = mark_accessed(machine, cpu, selector, stack)
    machine = put_segment(machine, cpu, "ss", selector, stack)
    machine = _drop(update(machine, cpu, esp=esp), cpu, dropped)
    machine = drop_inner_segments(machine, cpu)
    return note_kernel_stack(machine, cpu)


def _drop(machine: Machine, cpu: CpuId, count: int) -> Machine:
    """Drop bytes of the current stack."""
    if not count:
        return machine
    esp = machine.vcpus[cpu].esp + count & WORD_MASK
    return update(machine, cpu, esp=esp)

"""Segments: descriptors as words and as values, and what a segment allows.

A descriptor is two words in a table (SDM vol. 3A, 3.4.5); its value is the
hidden part of a segment register (`Segment`). Here are the two forms, the
checks of an access and what a software hypervisor makes of a descriptor.
Tables are read in `selectors`.
"""

from typing import Final, NamedTuple

from app.sim.errors import GuestFault, NotModelled
from app.sim.machine import (
    AC,
    FLAT_CODE,
    KERNEL_CS,
    NULL_SEGMENT,
    USER_CPL,
    WORD_MASK,
    CpuId,
    Gate,
    Machine,
    Segment,
    VCpu,
)
from app.sim.vectors import AC_FAULT, GP, SS

ES_INDEX: Final = 0
CS_INDEX: Final = 1
SS_INDEX: Final = 2
DS_INDEX: Final = 3
INDEX: Final = {
    name: index
    for index, name in enumerate(("es", "cs", "ss", "ds", "fs", "gs"))
}
NAMES: Final = tuple(INDEX)

PRESENT: Final = 0x80
DPL: Final = 0x60
DPL_SHIFT: Final = 5
CODE_OR_DATA: Final = 0x10
CODE: Final = 0x08
EXPAND_DOWN: Final = 0x04
CONFORMING: Final = 0x04
WRITABLE: Final = 0x02
READABLE: Final = 0x02
ACCESSED: Final = 0x01
SYSTEM_TYPE: Final = 0x1F

GRANULAR: Final = 0x8
BIG: Final = 0x4

LDT_TYPE: Final = 0x2
TSS_AVAILABLE: Final = 0x9
BUSY: Final = 0x2
TSS_OF_16_BITS: Final = frozenset({0x1, 0x3})
TASK_GATE: Final = 0x5
CALL_GATE: Final = 0xC
INTERRUPT_GATE: Final = 0xE
TRAP_GATE: Final = 0xF
GATES_OF_16_BITS: Final = frozenset({0x6, 0x7})

HYPERVISOR_BASE: Final = 0xFC00_0000
"""Where the hypervisor's part of the linear address space begins: RFC 2.3."""

AM: Final = 0x4_0000
"""The bit of CR0 that lets EFLAGS.AC check alignment."""

PAGE_BITS: Final = 12
_PAGE_MASK: Final = 0xFFF
_LOW_LIMIT: Final = 0xFFFF
_HIGH_LIMIT: Final = 0xF
_WORD_BITS: Final = 16
_BYTE: Final = 0xFF
_BYTE_BITS: Final = 8
_FLAGS_SHIFT: Final = 20
_TOP_SHIFT: Final = 24
_SELECTOR: Final = 0xFFFF
_LARGEST_16_BITS: Final = 0xFFFF

_PLAIN_MASK: Final = PRESENT | CODE_OR_DATA | CODE | EXPAND_DOWN | WRITABLE
_PLAIN: Final = PRESENT | CODE_OR_DATA | WRITABLE
"""What an access byte holds of a data segment that may be written."""


def decode(low: int, high: int) -> Segment:
    """Decode the two words of a descriptor: SDM vol. 3A, 3.4.5."""
    limit = low & _LOW_LIMIT | (high >> _WORD_BITS & _HIGH_LIMIT) << _WORD_BITS
    flags = high >> _FLAGS_SHIFT & _HIGH_LIMIT
    if flags & GRANULAR:
        limit = limit << PAGE_BITS | _PAGE_MASK
    base = low >> _WORD_BITS | (high & _BYTE) << _WORD_BITS
    base |= high >> _TOP_SHIFT << _TOP_SHIFT
    return Segment(base, limit, high >> _BYTE_BITS & _BYTE, flags)


def encode(segment: Segment) -> tuple[int, int]:
    """Encode a descriptor as its two words; `decode` gives it back."""
    base, limit, access, flags = segment
    if flags & GRANULAR:
        limit >>= PAGE_BITS
    low = limit & _LOW_LIMIT | (base << _WORD_BITS) & WORD_MASK
    high = base >> _TOP_SHIFT << _TOP_SHIFT | base >> _WORD_BITS & _BYTE
    high |= access << _BYTE_BITS | flags << _FLAGS_SHIFT
    return low, high | limit >> _WORD_BITS << _WORD_BITS


class RawGate(NamedTuple):
    """An entry of the IDT as it is stored: SDM vol. 3A, 6.11."""

    selector: int
    address: int
    access: int


def decode_gate(low: int, high: int) -> RawGate:
    """Decode the two words of a gate."""
    address = high & ~_LARGEST_16_BITS | low & _LARGEST_16_BITS
    return RawGate(low >> _WORD_BITS, address, high >> _BYTE_BITS & _BYTE)


def encode_gate(gate: Gate) -> tuple[int, int]:
    """Encode a gate that is present as its two words."""
    kind = TRAP_GATE if gate.trap else INTERRUPT_GATE
    access = PRESENT | gate.dpl << DPL_SHIFT | kind
    low = gate.selector << _WORD_BITS | gate.address & _LARGEST_16_BITS
    return low, gate.address & ~_LARGEST_16_BITS | access << _BYTE_BITS


def get_dpl(segment: Segment) -> int:
    """Answer the privilege level of a descriptor."""
    return (segment.access & DPL) >> DPL_SHIFT


def set_dpl(segment: Segment, dpl: int) -> Segment:
    """Return a descriptor with another privilege level."""
    access = segment.access & ~DPL | dpl << DPL_SHIFT
    return segment._replace(access=access)


def is_code(segment: Segment) -> bool:
    """Whether a descriptor is that of a code segment."""
    kind = CODE_OR_DATA | CODE
    return segment.access & kind == kind


def is_conforming(segment: Segment) -> bool:
    """Whether a code segment runs at the privilege of its caller."""
    return bool(segment.access & CONFORMING)


def is_writable(segment: Segment) -> bool:
    """Whether a descriptor is that of a data segment that may be written."""
    kind = CODE_OR_DATA | CODE | WRITABLE
    return segment.access & kind == CODE_OR_DATA | WRITABLE


def is_readable(segment: Segment) -> bool:
    """Whether a descriptor is that of a segment that may be read."""
    if not segment.access & CODE_OR_DATA:
        return False
    return not segment.access & CODE or bool(segment.access & READABLE)


# ------------------------------------------------------------ flat segments


def build_flat(kernel_cpl: int, *, user: bool) -> tuple[Segment, ...]:
    """Build the hidden parts that a Linux kernel or its programs begin with.

    A kernel outside CPL 0 has a hypervisor above it, which has shortened its
    segments.
    """
    dpl = USER_CPL if user else kernel_cpl
    code = set_dpl(FLAT_CODE, dpl)
    stack = code._replace(access=code.access & ~CODE)
    data = set_dpl(stack, USER_CPL)
    if kernel_cpl:
        code, stack, data = (
            shorten(segment) for segment in (code, stack, data)
        )
    return data, code, stack, data, NULL_SEGMENT, NULL_SEGMENT


def shorten(segment: Segment) -> Segment:
    """Shorten a segment so that it ends below the hypervisor: RFC 2.4.

    One that begins there cannot be loaded at all, and is not present.
    """
    base, limit, access, flags = segment
    if not access & CODE_OR_DATA or base + limit < HYPERVISOR_BASE:
        return segment
    if access & (CODE | EXPAND_DOWN) == EXPAND_DOWN:
        raise NotModelled("a segment that expands down, under a hypervisor")
    room = HYPERVISOR_BASE - base
    if flags & GRANULAR:
        room &= ~_PAGE_MASK
    if room <= 0:
        return segment._replace(access=access & ~PRESENT)
    return segment._replace(limit=room - 1)


def raise_dpl(segment: Segment, kernel_cpl: int) -> Segment:
    """Raise the DPL of a kernel's descriptor to its ring: RFC 2.2."""
    if not segment.access & CODE_OR_DATA or get_dpl(segment) >= kernel_cpl:
        return segment
    return set_dpl(segment, kernel_cpl)


def is_user(vcpu: VCpu) -> bool:
    """Whether user code runs; a kernel may have to run at CPL 3 as well."""
    return vcpu.cpl == USER_CPL and vcpu.cs != KERNEL_CS | USER_CPL


# ----------------------------------------------------------------- accesses


def to_linear(  # noqa: PLR0913 - what an access is
    machine: Machine,
    cpu: CpuId,
    index: int,
    offset: int,
    size: int,
    *,
    write: bool,
) -> int:
    """Compute the linear address of an access through a segment.

    Raises #GP(0), or #SS(0) for the stack, beyond the limit, through a null
    selector or against the type: SDM vol. 3A, 5.3 to 5.5. A misaligned
    access of user code is #AC(0) where EFLAGS.AC and CR0.AM ask for it.
    """
    vcpu = machine.vcpus[cpu]
    if vcpu.flags & AC:
        _check_alignment(machine, cpu, offset, size)
    base, limit, access, _ = segment = vcpu.segments[index]
    if access & _PLAIN_MASK == _PLAIN and offset + size - 1 <= limit:
        return (base + offset) & WORD_MASK
    allowed = is_writable(segment) if write else is_readable(segment)
    if (
        not allowed
        or not access & PRESENT
        or not is_inside(segment, offset, size)
    ):
        raise GuestFault(SS if index == SS_INDEX else GP, 0)
    return (base + offset) & WORD_MASK


def is_inside(segment: Segment, offset: int, size: int) -> bool:
    """Whether an access lies within the limit: SDM vol. 3A, 5.3."""
    last = offset + size - 1
    if segment.access & (CODE | EXPAND_DOWN) == EXPAND_DOWN:
        top = WORD_MASK if segment.flags & BIG else _LARGEST_16_BITS
        return segment.limit < offset and last <= top
    return last <= segment.limit


def _check_alignment(
    machine: Machine, cpu: CpuId, offset: int, size: int
) -> None:
    """Raise #AC(0) for a misaligned access of user code."""
    vcpu = machine.vcpus[cpu]
    if offset % size and vcpu.cpl == USER_CPL and vcpu.cr0 & AM:
        raise GuestFault(AC_FAULT, 0)

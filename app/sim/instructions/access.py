"""What all integer instructions share: operands and arithmetic flags.

Flags that the SDM calls undefined after an instruction keep their value,
except AF, which logical instructions clear as all processors do.
"""

from typing import Final

from app.sim.listing import Immediate, Memory, Operand, Register
from app.sim.machine import (
    AF,
    ARITHMETIC,
    CF,
    OF,
    PF,
    SF,
    WORD_MASK,
    ZF,
    CpuId,
    Machine,
    get_register,
    set_register,
    update,
)
from app.sim.memory import load, store
from app.sim.operands import get_bytes
from app.sim.segments import DS_INDEX, INDEX, SS_INDEX, to_linear

BYTE_BITS: Final = 8
LOW_BYTE: Final = 0xFF
LOW_FOUR_BITS: Final = 0x10
RESULT: Final = PF | ZF | SF
STACK_BASES: Final = frozenset({"esp", "ebp"})


def compute_address(machine: Machine, cpu: CpuId, operand: Memory) -> int:
    """Compute the offset of a memory operand in its segment."""
    address = operand.displacement
    if operand.base:
        address += get_register(machine, cpu, operand.base)
    if operand.index:
        address += get_register(machine, cpu, operand.index) * operand.scale
    return address & WORD_MASK


def address_of(
    machine: Machine, cpu: CpuId, operand: Memory, size: int, *, writes: bool
) -> int:
    """Compute the linear address of a memory operand, with all checks.

    Without a segment of its own it lies in SS if its base is ESP or EBP, and
    else in DS.
    """
    offset = compute_address(machine, cpu, operand)
    if operand.segment is None:
        index = SS_INDEX if operand.base in STACK_BASES else DS_INDEX
    else:
        index = INDEX[operand.segment]
    return to_linear(machine, cpu, index, offset, size, write=writes)


def read(
    machine: Machine,
    cpu: CpuId,
    operand: Operand,
    size: int,
    *,
    writes: bool = False,
) -> tuple[Machine, int]:
    """Read an operand as an unsigned number of ``size`` bytes.

    The machine may be another one afterwards: a read through the page tables
    leaves its trace there. ``writes`` says that the operand is written next,
    by the same access to memory, so that it has to be writable.
    """
    if isinstance(operand, Register):
        return machine, get_register(machine, cpu, operand.name)
    if isinstance(operand, Memory):
        length = operand.size
        address = address_of(machine, cpu, operand, length, writes=writes)
        return load(machine, cpu, address, length, writes=writes)
    assert isinstance(operand, Immediate)  # noqa: S101 - the forms say so
    return machine, operand.value & compute_mask(size)


def write(
    machine: Machine, cpu: CpuId, operand: Operand, value: int
) -> Machine:
    """Write a register or memory."""
    if isinstance(operand, Register):
        return set_register(machine, cpu, operand.name, value)
    assert isinstance(operand, Memory)  # noqa: S101 - the forms say so
    size = operand.size
    address = address_of(machine, cpu, operand, size, writes=True)
    return store(machine, cpu, address, size, value)


def get_size(destination: Operand) -> int:
    """Answer how many bytes an instruction on this destination handles."""
    size = get_bytes(destination)
    assert size  # noqa: S101 - the parser fills all sizes in
    return size


def compute_mask(size: int) -> int:
    """Compute the largest number of ``size`` bytes."""
    return (1 << (BYTE_BITS * size)) - 1


def compute_sign(size: int) -> int:
    """Compute the sign bit of a number of ``size`` bytes."""
    return 1 << (BYTE_BITS * size - 1)


def compute_signed(value: int, size: int) -> int:
    """Compute what an unsigned number means as a signed one."""
    return value - 2 * (value & compute_sign(size))


def compute_result_flags(result: int, size: int) -> int:
    """Compute PF, ZF and SF of a result that fits ``size`` bytes."""
    flags = 0 if (result & LOW_BYTE).bit_count() & 1 else PF
    if not result:
        flags |= ZF
    if result & compute_sign(size):
        flags |= SF
    return flags


def compute_sum_flags(left: int, right: int, total: int, size: int) -> int:
    """Compute all flags of ``left + right + carry == total``, untruncated."""
    result = total & compute_mask(size)
    flags = compute_result_flags(result, size)
    if total > result:
        flags |= CF
    if (left ^ right ^ result) & LOW_FOUR_BITS:
        flags |= AF
    if ~(left ^ right) & (left ^ result) & compute_sign(size):
        flags |= OF
    return flags


def compute_difference_flags(
    left: int, right: int, difference: int, size: int
) -> int:
    """Compute all flags of ``left - right - borrow == difference``."""
    result = difference & compute_mask(size)
    flags = compute_result_flags(result, size)
    if difference < 0:
        flags |= CF
    if (left ^ right ^ result) & LOW_FOUR_BITS:
        flags |= AF
    if (left ^ right) & (left ^ result) & compute_sign(size):
        flags |= OF
    return flags


def set_flags(
    machine: Machine, cpu: CpuId, flags: int, among: int = ARITHMETIC
) -> Machine:
    """Set some of the flags to these values; the others stay."""
    old = machine.vcpus[cpu].flags
    return update(machine, cpu, flags=old & ~among | flags & among)

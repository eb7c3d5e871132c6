"""Integer arithmetic and logic, shifts, and bits.

Flags are those of the SDM, volume 1, appendix A; `access` says what becomes
of those that it leaves undefined.
"""

from collections.abc import Callable
from typing import Final

from app.sim.instructions.access import (
    BYTE_BITS,
    compute_address,
    compute_difference_flags,
    compute_mask,
    compute_result_flags,
    compute_sign,
    compute_signed,
    compute_sum_flags,
    get_size,
    read,
    set_flags,
    write,
)
from app.sim.listing import Immediate, Memory, Operand, Register
from app.sim.machine import (
    AF,
    ARITHMETIC,
    CF,
    OF,
    WORD_MASK,
    CpuId,
    Machine,
    get_register,
)
from app.sim.registry import instruction

COUNT_MASK: Final = 31
SECOND: Final = 2
"""The place of the bit beside the highest, counted from the end."""

WITHOUT_CARRY: Final = ARITHMETIC & ~CF
CARRY_AND_OVERFLOW: Final = CF | OF
WORD: Final = 4


def _get_carry(machine: Machine, cpu: CpuId) -> int:
    return machine.vcpus[cpu].flags & CF


def _add(
    machine: Machine,
    cpu: CpuId,
    destination: Operand,
    source: Operand,
    carry: int,
) -> Machine:
    size = get_size(destination)
    machine, left = read(machine, cpu, destination, size, writes=True)
    machine, right = read(machine, cpu, source, size)
    total = left + right + carry
    machine = write(machine, cpu, destination, total & compute_mask(size))
    flags = compute_sum_flags(left, right, total, size)
    return set_flags(machine, cpu, flags)


def _subtract(
    machine: Machine,
    cpu: CpuId,
    destination: Operand,
    source: Operand,
    borrow: int,
) -> Machine:
    size = get_size(destination)
    machine, left = read(machine, cpu, destination, size, writes=True)
    machine, right = read(machine, cpu, source, size)
    difference = left - right - borrow
    machine = write(machine, cpu, destination, difference & compute_mask(size))
    flags = compute_difference_flags(left, right, difference, size)
    return set_flags(machine, cpu, flags)


def _combine(
    machine: Machine,
    cpu: CpuId,
    destination: Operand,
    source: Operand,
    join: Callable[[int, int], int],
) -> Machine:
    size = get_size(destination)
    machine, left = read(machine, cpu, destination, size, writes=True)
    machine, right = read(machine, cpu, source, size)
    result = join(left, right)
    machine = write(machine, cpu, destination, result)
    return set_flags(machine, cpu, compute_result_flags(result, size))


@instruction("add", section="SDM vol. 2A, ADD")
def add(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Add the source to the destination."""
    # OPERATION
    return _add(machine, cpu, destination, source, 0)


@instruction("adc", section="SDM vol. 2A, ADC")
def adc(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Add the source and the carry to the destination."""
    # OPERATION
    carry = _get_carry(machine, cpu)
    return _add(machine, cpu, destination, source, carry)


@instruction("sub", section="SDM vol. 2B, SUB")
def sub(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Subtract the source from the destination."""
    # OPERATION
    return _subtract(machine, cpu, destination, source, 0)


@instruction("sbb", section="SDM vol. 2B, SBB")
def sbb(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Subtract the source and the borrow from the destination."""
    # OPERATION
    borrow = _get_carry(machine, cpu)
    return _subtract(machine, cpu, destination, source, borrow)


@instruction("and", section="SDM vol. 2A, AND")
def and_(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Keep the bits that both have; carry and overflow become 0."""
    # OPERATION
    return _combine(machine, cpu, destination, source, int.__and__)


@instruction("or", section="SDM vol. 2B, OR")
def or_(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Set the bits that either has; carry and overflow become 0."""
    # OPERATION
    return _combine(machine, cpu, destination, source, int.__or__)


@instruction("xor", section="SDM vol. 2B, XOR")
def xor(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Keep the bits that differ; carry and overflow become 0."""
    # OPERATION
    return _combine(machine, cpu, destination, source, int.__xor__)


@instruction("cmp", section="SDM vol. 2A, CMP")
def cmp(
    machine: Machine, cpu: CpuId, left: Operand, right: Operand
) -> Machine:
    """Set the flags as SUB would, and nothing else."""
    # OPERATION
    size = get_size(left)
    machine, minuend = read(machine, cpu, left, size)
    machine, subtrahend = read(machine, cpu, right, size)
    difference = minuend - subtrahend
    flags = compute_difference_flags(minuend, subtrahend, difference, size)
    return set_flags(machine, cpu, flags)


@instruction("test", section="SDM vol. 2B, TEST")
def test(
    machine: Machine, cpu: CpuId, left: Operand, right: Operand
) -> Machine:
    """Set the flags as AND would, and nothing else."""
    # OPERATION
    size = get_size(left)
    machine, first = read(machine, cpu, left, size)
    machine, second = read(machine, cpu, right, size)
    flags = compute_result_flags(first & second, size)
    return set_flags(machine, cpu, flags)


@instruction("not", section="SDM vol. 2B, NOT")
def not_(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Invert all bits; no flag changes."""
    # OPERATION
    size = get_size(destination)
    machine, value = read(machine, cpu, destination, size, writes=True)
    return write(machine, cpu, destination, value ^ compute_mask(size))


@instruction("neg", section="SDM vol. 2B, NEG")
def neg(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Subtract the destination from 0; carry is set unless it was 0."""
    # OPERATION
    size = get_size(destination)
    machine, value = read(machine, cpu, destination, size, writes=True)
    machine = write(machine, cpu, destination, -value & compute_mask(size))
    flags = compute_difference_flags(0, value, -value, size)
    return set_flags(machine, cpu, flags)


@instruction("inc", section="SDM vol. 2A, INC")
def inc(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Add 1; carry stays as it is."""
    # OPERATION
    size = get_size(destination)
    machine, value = read(machine, cpu, destination, size, writes=True)
    machine = write(machine, cpu, destination, value + 1 & compute_mask(size))
    flags = compute_sum_flags(value, 1, value + 1, size)
    return set_flags(machine, cpu, flags, WITHOUT_CARRY)


@instruction("dec", section="SDM vol. 2A, DEC")
def dec(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Subtract 1; carry stays as it is."""
    # OPERATION
    size = get_size(destination)
    machine, value = read(machine, cpu, destination, size, writes=True)
    machine = write(machine, cpu, destination, value - 1 & compute_mask(size))
    flags = compute_difference_flags(value, 1, value - 1, size)
    return set_flags(machine, cpu, flags, WITHOUT_CARRY)


# ------------------------------------------------------------------- shifts


def _get_count(machine: Machine, cpu: CpuId, count: Operand) -> int:
    """Answer how far to shift: the lowest five bits count."""
    if isinstance(count, Register):
        return get_register(machine, cpu, count.name) & COUNT_MASK
    assert isinstance(count, Immediate)  # noqa: S101 - the forms say so
    return count.value & COUNT_MASK


@instruction("shl", section="SDM vol. 2B, SAL/SAR/SHL/SHR")
def shl(
    machine: Machine, cpu: CpuId, destination: Operand, count: Operand
) -> Machine:
    """Shift left; carry is the last bit that went out."""
    # CHECKS
    steps = _get_count(machine, cpu, count)
    if not steps:
        return machine
    # OPERATION
    size = get_size(destination)
    machine, value = read(machine, cpu, destination, size, writes=True)
    wide = value << steps
    result = wide & compute_mask(size)
    carry = wide >> (BYTE_BITS * size) & 1
    overflow = carry ^ bool(result & compute_sign(size))
    flags = compute_result_flags(result, size) | carry * CF | overflow * OF
    machine = write(machine, cpu, destination, result)
    return set_flags(machine, cpu, flags, ARITHMETIC & ~AF)


@instruction("shr", section="SDM vol. 2B, SAL/SAR/SHL/SHR")
def shr(
    machine: Machine, cpu: CpuId, destination: Operand, count: Operand
) -> Machine:
    """Shift right, filling with 0; carry is the last bit that went out."""
    # CHECKS
    steps = _get_count(machine, cpu, count)
    if not steps:
        return machine
    # OPERATION
    size = get_size(destination)
    machine, value = read(machine, cpu, destination, size, writes=True)
    carry = value >> (steps - 1) & 1
    overflow = bool(value & compute_sign(size))
    result = value >> steps
    flags = compute_result_flags(result, size) | carry * CF | overflow * OF
    machine = write(machine, cpu, destination, result)
    return set_flags(machine, cpu, flags, ARITHMETIC & ~AF)


@instruction("sar", section="SDM vol. 2B, SAL/SAR/SHL/SHR")
def sar(
    machine: Machine, cpu: CpuId, destination: Operand, count: Operand
) -> Machine:
    """Shift right, keeping the sign; carry is the last bit that went out."""
    # CHECKS
    steps = _get_count(machine, cpu, count)
    if not steps:
        return machine
    # OPERATION
    size = get_size(destination)
    machine, bits = read(machine, cpu, destination, size, writes=True)
    value = compute_signed(bits, size)
    carry = value >> (steps - 1) & 1
    result = value >> steps & compute_mask(size)
    flags = compute_result_flags(result, size) | carry * CF
    machine = write(machine, cpu, destination, result)
    return set_flags(machine, cpu, flags, ARITHMETIC & ~AF)


@instruction("rol", section="SDM vol. 2B, RCL/RCR/ROL/ROR")
def rol(
    machine: Machine, cpu: CpuId, destination: Operand, count: Operand
) -> Machine:
    """Rotate left; carry becomes the lowest bit of the result."""
    # CHECKS
    steps = _get_count(machine, cpu, count)
    if not steps:
        return machine
    # OPERATION
    size = get_size(destination)
    machine, value = read(machine, cpu, destination, size, writes=True)
    turn = steps % (BYTE_BITS * size)
    wide = value << turn
    result = (wide | wide >> (BYTE_BITS * size)) & compute_mask(size)
    overflow = (result ^ bool(result & compute_sign(size))) & 1
    flags = (result & 1) * CF | overflow * OF
    machine = write(machine, cpu, destination, result)
    return set_flags(machine, cpu, flags, CARRY_AND_OVERFLOW)


@instruction("ror", section="SDM vol. 2B, RCL/RCR/ROL/ROR")
def ror(
    machine: Machine, cpu: CpuId, destination: Operand, count: Operand
) -> Machine:
    """Rotate right; carry becomes the highest bit of the result."""
    # CHECKS
    steps = _get_count(machine, cpu, count)
    if not steps:
        return machine
    # OPERATION
    size = get_size(destination)
    bits = BYTE_BITS * size
    machine, value = read(machine, cpu, destination, size, writes=True)
    turn = steps % bits
    result = (value >> turn | value << (bits - turn)) & compute_mask(size)
    top = result >> (bits - 1)
    overflow = top ^ result >> (bits - SECOND) & 1
    machine = write(machine, cpu, destination, result)
    flags = top * CF | overflow * OF
    return set_flags(machine, cpu, flags, CARRY_AND_OVERFLOW)


# --------------------------------------------------------------------- bits


def _change_bit(
    machine: Machine,
    cpu: CpuId,
    base: Operand,
    offset: Operand,
    change: Callable[[int, int], int] | None,
) -> Machine:
    """Copy a bit to carry and change it.

    A register as the offset into memory reaches beyond the operand, in
    either direction; in all other cases the offset wraps.
    """
    size = get_size(base)
    bits = BYTE_BITS * size
    machine, place = read(machine, cpu, offset, size)
    if isinstance(base, Memory) and isinstance(offset, Register):
        address = compute_address(machine, cpu, base)
        away = compute_signed(place, size) // bits * size
        address = address + away & WORD_MASK
        base = base._replace(base=None, index=None, displacement=address)
    bit = 1 << place % bits
    writes = change is not None
    machine, value = read(machine, cpu, base, size, writes=writes)
    if change is not None:
        machine = write(machine, cpu, base, change(value, bit))
    return set_flags(machine, cpu, CF if value & bit else 0, CF)


@instruction("bt", section="SDM vol. 2A, BT")
def bt(
    machine: Machine, cpu: CpuId, base: Operand, offset: Operand
) -> Machine:
    """Copy a bit to carry."""
    # OPERATION
    return _change_bit(machine, cpu, base, offset, None)


@instruction("bts", section="SDM vol. 2A, BTS")
def bts(
    machine: Machine, cpu: CpuId, base: Operand, offset: Operand
) -> Machine:
    """Copy a bit to carry and set it."""
    # OPERATION
    return _change_bit(machine, cpu, base, offset, int.__or__)


@instruction("btr", section="SDM vol. 2A, BTR")
def btr(
    machine: Machine, cpu: CpuId, base: Operand, offset: Operand
) -> Machine:
    """Copy a bit to carry and clear it."""
    # OPERATION
    return _change_bit(
        machine, cpu, base, offset, lambda value, bit: value & ~bit
    )


@instruction("btc", section="SDM vol. 2A, BTC")
def btc(
    machine: Machine, cpu: CpuId, base: Operand, offset: Operand
) -> Machine:
    """Copy a bit to carry and invert it."""
    # OPERATION
    return _change_bit(machine, cpu, base, offset, int.__xor__)

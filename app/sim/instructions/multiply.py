"""Multiplication, division, and the conversions that prepare them."""

from typing import Final

from app.sim.errors import GuestFault
from app.sim.instructions.access import (
    BYTE_BITS,
    compute_mask,
    compute_sign,
    compute_signed,
    get_size,
    read,
    set_flags,
    write,
)
from app.sim.instructions.integer import CARRY_AND_OVERFLOW
from app.sim.listing import Operand
from app.sim.machine import (
    CpuId,
    Machine,
    get_register,
    set_register,
)
from app.sim.registry import instruction
from app.sim.vectors import DE

HALVES: Final = {1: ("al", "ah"), 2: ("ax", "dx"), 4: ("eax", "edx")}
"""For each size the registers of the low and the high half of a product."""

_BYTE: Final = 1
_HALF: Final = 2
_WORD: Final = 4


def _set_halves(
    machine: Machine, cpu: CpuId, size: int, values: tuple[int, int]
) -> Machine:
    """Write the low and the high half to their registers."""
    for name, value in zip(HALVES[size], values, strict=True):
        machine = set_register(machine, cpu, name, value)
    return machine


def _set_product(
    machine: Machine, cpu: CpuId, size: int, product: int, *, fits: bool
) -> Machine:
    """Write a product; carry and overflow say that it has a high half."""
    bits = BYTE_BITS * size
    halves = (product & compute_mask(size), product >> bits)
    machine = _set_halves(machine, cpu, size, halves)
    flags = 0 if fits else CARRY_AND_OVERFLOW
    return set_flags(machine, cpu, flags, CARRY_AND_OVERFLOW)


@instruction("mul", section="SDM vol. 2B, MUL")
def mul(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Multiply the accumulator without sign into twice its size."""
    # OPERATION
    size = get_size(source)
    accumulator = get_register(machine, cpu, HALVES[size][0])
    machine, factor = read(machine, cpu, source, size)
    product = accumulator * factor
    fits = product <= compute_mask(size)
    return _set_product(machine, cpu, size, product, fits=fits)


@instruction("imul", section="SDM vol. 2A, IMUL")
def imul(
    machine: Machine,
    cpu: CpuId,
    destination: Operand,
    source: Operand | None = None,
    factor: Operand | None = None,
) -> Machine:
    """Multiply with sign.

    With one operand the accumulator grows to twice its size; with two the
    destination is multiplied by the source; with three it becomes the source
    times a number. Carry and overflow say that the result was cut.
    """
    # OPERATION
    size = get_size(destination)
    if source is None:
        left = get_register(machine, cpu, HALVES[size][0])
        machine, right = read(machine, cpu, destination, size)
    elif factor is None:
        machine, left = read(machine, cpu, destination, size)
        machine, right = read(machine, cpu, source, size)
    else:
        machine, left = read(machine, cpu, source, size)
        machine, right = read(machine, cpu, factor, size)
    product = compute_signed(left, size) * compute_signed(right, size)
    cut = product & compute_mask(size)
    fits = compute_signed(cut, size) == product
    if source is None:
        return _set_product(machine, cpu, size, product, fits=fits)
    machine = write(machine, cpu, destination, cut)
    flags = 0 if fits else CARRY_AND_OVERFLOW
    return set_flags(machine, cpu, flags, CARRY_AND_OVERFLOW)


def _read_dividend(machine: Machine, cpu: CpuId, size: int) -> int:
    """Read the accumulator of twice the size."""
    low, high = (get_register(machine, cpu, name) for name in HALVES[size])
    return high << (BYTE_BITS * size) | low


@instruction("div", section="SDM vol. 2A, DIV")
def div(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Divide without sign; #DE if the quotient does not fit."""
    # CHECKS
    size = get_size(source)
    machine, divisor = read(machine, cpu, source, size)
    dividend = _read_dividend(machine, cpu, size)
    if not divisor or dividend // divisor > compute_mask(size):
        raise GuestFault(DE)
    # OPERATION
    return _set_halves(machine, cpu, size, divmod(dividend, divisor))


@instruction("idiv", section="SDM vol. 2A, IDIV")
def idiv(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Divide with sign, towards 0; #DE if the quotient does not fit."""
    # CHECKS
    size = get_size(source)
    machine, bits = read(machine, cpu, source, size)
    divisor = compute_signed(bits, size)
    wide = _read_dividend(machine, cpu, size)
    dividend = compute_signed(wide, size + size)
    if not divisor:
        raise GuestFault(DE)
    quotient, rest = divmod(abs(dividend), abs(divisor))
    quotient = -quotient if (dividend < 0) != (divisor < 0) else quotient
    limit = compute_sign(size)
    if not -limit <= quotient < limit:
        raise GuestFault(DE)
    # OPERATION
    rest = -rest if dividend < 0 else rest
    mask = compute_mask(size)
    return _set_halves(machine, cpu, size, (quotient & mask, rest & mask))


def _extend(
    machine: Machine, cpu: CpuId, names: tuple[str, str], size: int
) -> Machine:
    """Write a register, extended with its sign, to one of twice the size."""
    source, destination = names
    value = compute_signed(get_register(machine, cpu, source), size)
    mask = compute_mask(2 * size)
    return set_register(machine, cpu, destination, value & mask)


@instruction("cbw", section="SDM vol. 2A, CBW/CWDE")
def cbw(machine: Machine, cpu: CpuId) -> Machine:
    """Extend AL with its sign to AX."""
    # OPERATION
    return _extend(machine, cpu, ("al", "ax"), _BYTE)


@instruction("cwde", section="SDM vol. 2A, CBW/CWDE")
def cwde(machine: Machine, cpu: CpuId) -> Machine:
    """Extend AX with its sign to EAX."""
    # OPERATION
    return _extend(machine, cpu, ("ax", "eax"), _HALF)


def _fill(machine: Machine, cpu: CpuId, size: int) -> Machine:
    """Fill the high half with the sign of the low half."""
    low, high = HALVES[size]
    negative = get_register(machine, cpu, low) & compute_sign(size)
    value = compute_mask(size) if negative else 0
    return set_register(machine, cpu, high, value)


@instruction("cwd", section="SDM vol. 2A, CWD/CDQ")
def cwd(machine: Machine, cpu: CpuId) -> Machine:
    """Fill DX with the sign of AX."""
    # OPERATION
    return _fill(machine, cpu, _HALF)


@instruction("cdq", section="SDM vol. 2A, CWD/CDQ")
def cdq(machine: Machine, cpu: CpuId) -> Machine:
    """Fill EDX with the sign of EAX."""
    # OPERATION
    return _fill(machine, cpu, _WORD)

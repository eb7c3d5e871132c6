"""Rotation through carry, double shifts, searches of bits, and loops.

The integer instructions that few programs use stand here together; those of
every program are in `integer`, `transfer` and `branch`.
"""

from typing import Final

from app.sim.errors import NotModelled
from app.sim.instructions.access import (
    BYTE_BITS,
    compute_mask,
    compute_result_flags,
    compute_sign,
    get_size,
    read,
    set_flags,
    write,
)
from app.sim.instructions.integer import (
    CARRY_AND_OVERFLOW,
    COUNT_MASK,
    SECOND,
)
from app.sim.listing import Memory, Operand, Register, Target
from app.sim.machine import (
    AF,
    ARITHMETIC,
    CF,
    FIXED,
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
from app.sim.registry import instruction

LOADED: Final = SF | ZF | AF | PF | CF
WORD: Final = 4

# ------------------------------------------------------ rotation with carry


def _rotate(
    machine: Machine,
    cpu: CpuId,
    destination: Operand,
    count: Operand,
    *,
    left: bool,
) -> Machine:
    """Rotate the destination with carry as the bit above its highest."""
    machine, amount = read(machine, cpu, count, 1)
    if not amount & COUNT_MASK:
        return machine
    size = get_size(destination)
    bits = BYTE_BITS * size
    steps = (amount & COUNT_MASK) % (bits + 1)
    machine, value = read(machine, cpu, destination, size, writes=True)
    carry = machine.vcpus[cpu].flags & CF
    wide = carry << bits | value
    turn = steps if left else (bits + 1 - steps) % (bits + 1)
    turned = wide << turn | wide >> (bits + 1 - turn)
    result = turned & compute_mask(size)
    machine = write(machine, cpu, destination, result)
    carry = turned >> bits & 1
    beside = carry if left else result >> (bits - SECOND) & 1
    overflow = bool(result & compute_sign(size)) ^ beside
    flags = carry * CF | overflow * OF
    return set_flags(machine, cpu, flags, CARRY_AND_OVERFLOW)


@instruction("rcl", section="SDM vol. 2B, RCL/RCR/ROL/ROR")
def rcl(
    machine: Machine, cpu: CpuId, destination: Operand, count: Operand
) -> Machine:
    """Rotate left through carry."""
    # OPERATION
    return _rotate(machine, cpu, destination, count, left=True)


@instruction("rcr", section="SDM vol. 2B, RCL/RCR/ROL/ROR")
def rcr(
    machine: Machine, cpu: CpuId, destination: Operand, count: Operand
) -> Machine:
    """Rotate right through carry."""
    # OPERATION
    return _rotate(machine, cpu, destination, count, left=False)


# ------------------------------------------------------------ double shifts


def _shift_pair(
    machine: Machine,
    cpu: CpuId,
    operands: tuple[Operand, Operand, Operand],
    *,
    left: bool,
) -> Machine:
    """Shift the destination, filling with the bits of the source."""
    destination, source, count = operands
    machine, amount = read(machine, cpu, count, 1)
    steps = amount & COUNT_MASK
    if not steps:
        return machine
    size = get_size(destination)
    bits = BYTE_BITS * size
    if steps > bits:
        raise NotModelled("a double shift by more than the operand has")
    machine, value = read(machine, cpu, destination, size, writes=True)
    machine, filling = read(machine, cpu, source, size)
    if left:
        result = (value << bits | filling) << steps >> bits
        carry = value >> (bits - steps) & 1
    else:
        result = (filling << bits | value) >> steps
        carry = value >> (steps - 1) & 1
    result &= compute_mask(size)
    overflow = bool((value ^ result) & compute_sign(size))
    machine = write(machine, cpu, destination, result)
    flags = compute_result_flags(result, size) | carry * CF | overflow * OF
    return set_flags(machine, cpu, flags, ARITHMETIC & ~AF)


@instruction("shld", section="SDM vol. 2B, SHLD")
def shld(
    machine: Machine,
    cpu: CpuId,
    destination: Operand,
    source: Operand,
    count: Operand,
) -> Machine:
    """Shift left, filling with the highest bits of the source.

    A word shifted by more than 16 is undefined.
    """
    # OPERATION
    operands = (destination, source, count)
    return _shift_pair(machine, cpu, operands, left=True)


@instruction("shrd", section="SDM vol. 2B, SHRD")
def shrd(
    machine: Machine,
    cpu: CpuId,
    destination: Operand,
    source: Operand,
    count: Operand,
) -> Machine:
    """Shift right, filling with the lowest bits of the source.

    A word shifted by more than 16 is undefined.
    """
    # OPERATION
    operands = (destination, source, count)
    return _shift_pair(machine, cpu, operands, left=False)


# --------------------------------------------------------- searches and order


def _search(
    machine: Machine,
    cpu: CpuId,
    destination: Operand,
    source: Operand,
    *,
    lowest: bool,
) -> Machine:
    """Write the place of a bit that is set; ZF says that there is none."""
    machine, value = read(machine, cpu, source, get_size(source))
    if not value:
        return set_flags(machine, cpu, ZF, ZF)
    found = value & -value if lowest else value
    machine = write(machine, cpu, destination, found.bit_length() - 1)
    return set_flags(machine, cpu, 0, ZF)


@instruction("bsf", section="SDM vol. 2A, BSF")
def bsf(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Find the lowest bit that is set.

    If there is none the destination stays as it is, which the manual leaves
    undefined and all processors do.
    """
    # OPERATION
    return _search(machine, cpu, destination, source, lowest=True)


@instruction("bsr", section="SDM vol. 2A, BSR")
def bsr(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Find the highest bit that is set; without one as with BSF."""
    # OPERATION
    return _search(machine, cpu, destination, source, lowest=False)


@instruction("bswap", section="SDM vol. 2A, BSWAP")
def bswap(machine: Machine, cpu: CpuId, destination: Register) -> Machine:
    """Reverse the order of the four bytes of a register."""
    # OPERATION
    machine, value = read(machine, cpu, destination, WORD)
    swapped = int.from_bytes(value.to_bytes(WORD, "little"), "big")
    return write(machine, cpu, destination, swapped)


@instruction("cmpxchg8b", section="SDM vol. 2A, CMPXCHG8B")
def cmpxchg8b(machine: Machine, cpu: CpuId, destination: Memory) -> Machine:
    """Write ECX:EBX if the 64 bits there equal EDX:EAX.

    Otherwise EDX:EAX becomes what is there. ZF says which; no other flag
    changes. Memory is written in both cases.
    """
    # OPERATION
    low = destination._replace(size=WORD)
    place = destination.displacement + WORD & WORD_MASK
    high = low._replace(displacement=place)
    machine, first = read(machine, cpu, low, WORD, writes=True)
    machine, second = read(machine, cpu, high, WORD, writes=True)
    vcpu = machine.vcpus[cpu]
    if (first, second) == (vcpu.eax, vcpu.edx):
        machine = write(machine, cpu, low, vcpu.ebx)
        machine = write(machine, cpu, high, vcpu.ecx)
        return set_flags(machine, cpu, ZF, ZF)
    machine = update(machine, cpu, eax=first, edx=second)
    return set_flags(machine, cpu, 0, ZF)


@instruction("lahf", section="SDM vol. 2A, LAHF")
def lahf(machine: Machine, cpu: CpuId) -> Machine:
    """Copy SF, ZF, AF, PF and CF to AH."""
    # OPERATION
    flags = machine.vcpus[cpu].flags & LOADED | FIXED
    return set_register(machine, cpu, "ah", flags)


@instruction("sahf", section="SDM vol. 2B, SAHF")
def sahf(machine: Machine, cpu: CpuId) -> Machine:
    """Set SF, ZF, AF, PF and CF from AH."""
    # OPERATION
    flags = get_register(machine, cpu, "ah")
    return set_flags(machine, cpu, flags, LOADED)


# -------------------------------------------------------------------- loops


def _loop(
    machine: Machine, cpu: CpuId, target: Target, *, allowed: bool
) -> Machine:
    """Count ECX down and jump while it is not 0; no flag changes."""
    left = machine.vcpus[cpu].ecx - 1 & WORD_MASK
    machine = update(machine, cpu, ecx=left)
    if not left or not allowed:
        return machine
    return update(machine, cpu, eip=target.address)


@instruction("loop", section="SDM vol. 2A, LOOP/LOOPcc")
def loop(machine: Machine, cpu: CpuId, target: Target) -> Machine:
    """Count ECX down and jump if it is not 0."""
    # OPERATION
    return _loop(machine, cpu, target, allowed=True)


@instruction("loope", section="SDM vol. 2A, LOOP/LOOPcc")
def loope(machine: Machine, cpu: CpuId, target: Target) -> Machine:
    """Count ECX down and jump if it is not 0 and ZF is set."""
    # OPERATION
    equal = bool(machine.vcpus[cpu].flags & ZF)
    return _loop(machine, cpu, target, allowed=equal)


@instruction("loopne", section="SDM vol. 2A, LOOP/LOOPcc")
def loopne(machine: Machine, cpu: CpuId, target: Target) -> Machine:
    """Count ECX down and jump if it is not 0 and ZF is clear."""
    # OPERATION
    equal = bool(machine.vcpus[cpu].flags & ZF)
    return _loop(machine, cpu, target, allowed=not equal)


def _jump_if_zero(
    machine: Machine, cpu: CpuId, target: Target, register: str
) -> Machine:
    """Jump if a register is 0."""
    if get_register(machine, cpu, register):
        return machine
    return update(machine, cpu, eip=target.address)


@instruction("jecxz", section="SDM vol. 2A, Jcc")
def jecxz(machine: Machine, cpu: CpuId, target: Target) -> Machine:
    """Jump if ECX is 0."""
    # OPERATION
    return _jump_if_zero(machine, cpu, target, "ecx")


@instruction("jcxz", section="SDM vol. 2A, Jcc")
def jcxz(machine: Machine, cpu: CpuId, target: Target) -> Machine:
    """Jump if CX is 0."""
    # OPERATION
    return _jump_if_zero(machine, cpu, target, "cx")

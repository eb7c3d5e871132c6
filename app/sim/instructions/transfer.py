"""Moves, exchanges and the stack."""

from typing import Final

from app.sim.instructions.access import (
    compute_address,
    compute_difference_flags,
    compute_mask,
    compute_signed,
    compute_sum_flags,
    get_size,
    read,
    set_flags,
    write,
)
from app.sim.listing import Memory, Operand, Register
from app.sim.machine import CpuId, Machine, get_register, set_register, update
from app.sim.memory import pop, push
from app.sim.registry import instruction

WORD: Final = 4
PUSHED: Final = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
ACCUMULATOR: Final = {1: "al", 2: "ax", 4: "eax"}


@instruction("mov", section="SDM vol. 2A, MOV")
def mov(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Copy the source to the destination; no flag changes."""
    # OPERATION
    machine, value = read(machine, cpu, source, get_size(destination))
    return write(machine, cpu, destination, value)


@instruction("movzx", section="SDM vol. 2A, MOVZX")
def movzx(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Copy a smaller source, filling with 0."""
    # OPERATION
    machine, value = read(machine, cpu, source, get_size(source))
    return write(machine, cpu, destination, value)


@instruction("movsx", section="SDM vol. 2A, MOVSX")
def movsx(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Copy a smaller source, filling with its sign."""
    # OPERATION
    size = get_size(source)
    machine, bits = read(machine, cpu, source, size)
    value = compute_signed(bits, size)
    mask = compute_mask(get_size(destination))
    return write(machine, cpu, destination, value & mask)


@instruction("lea", section="SDM vol. 2A, LEA")
def lea(
    machine: Machine, cpu: CpuId, destination: Operand, source: Memory
) -> Machine:
    """Write the address of the source, which is not read."""
    # OPERATION
    address = compute_address(machine, cpu, source)
    return write(machine, cpu, destination, address)


@instruction("xchg", section="SDM vol. 2B, XCHG")
def xchg(
    machine: Machine, cpu: CpuId, first: Operand, second: Operand
) -> Machine:
    """Exchange two operands; no flag changes.

    The addresses are those from before the exchange.
    """
    # OPERATION
    size = get_size(first)
    machine, left = read(machine, cpu, first, size, writes=True)
    machine, right = read(machine, cpu, second, size, writes=True)
    if isinstance(first, Memory):
        machine = write(machine, cpu, first, right)
        return write(machine, cpu, second, left)
    machine = write(machine, cpu, second, left)
    return write(machine, cpu, first, right)


@instruction("cmpxchg", section="SDM vol. 2A, CMPXCHG")
def cmpxchg(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Write the source if the destination equals the accumulator.

    Otherwise the accumulator becomes the destination. The flags are those of
    comparing the accumulator with the destination.
    """
    # OPERATION
    size = get_size(destination)
    accumulator = ACCUMULATOR[size]
    left = get_register(machine, cpu, accumulator)
    machine, right = read(machine, cpu, destination, size, writes=True)
    if left == right:
        machine, value = read(machine, cpu, source, size)
        machine = write(machine, cpu, destination, value)
    else:
        machine = set_register(machine, cpu, accumulator, right)
    flags = compute_difference_flags(left, right, left - right, size)
    return set_flags(machine, cpu, flags)


@instruction("xadd", section="SDM vol. 2B, XADD")
def xadd(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Add the source to the destination, whose old value it becomes."""
    # OPERATION
    size = get_size(destination)
    machine, left = read(machine, cpu, destination, size, writes=True)
    machine, right = read(machine, cpu, source, size)
    total = left + right & compute_mask(size)
    if isinstance(destination, Memory):
        machine = write(machine, cpu, destination, total)
        machine = write(machine, cpu, source, left)
    else:
        machine = write(machine, cpu, source, left)
        machine = write(machine, cpu, destination, total)
    flags = compute_sum_flags(left, right, left + right, size)
    return set_flags(machine, cpu, flags)


@instruction("push", section="SDM vol. 2B, PUSH")
def push_(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Push a word; PUSH ESP pushes ESP as it was before."""
    # OPERATION
    machine, value = read(machine, cpu, source, WORD)
    return push(machine, cpu, value)


@instruction("pop", section="SDM vol. 2B, POP")
def pop_(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Pop a word.

    An address that uses ESP is computed with ESP after the pop; POP ESP
    leaves the word that was popped.
    """
    # OPERATION
    machine, value = pop(machine, cpu)
    return write(machine, cpu, destination, value)


@instruction("pusha", section="SDM vol. 2B, PUSHA/PUSHAD")
def pusha(machine: Machine, cpu: CpuId) -> Machine:
    """Push all general registers, ESP as it was before."""
    # OPERATION
    values = [get_register(machine, cpu, name) for name in PUSHED]
    for value in values:
        machine = push(machine, cpu, value)
    return machine


@instruction("popa", section="SDM vol. 2B, POPA/POPAD")
def popa(machine: Machine, cpu: CpuId) -> Machine:
    """Pop all general registers; the word for ESP is dropped."""
    # OPERATION
    for name in reversed(PUSHED):
        machine, value = pop(machine, cpu)
        if name != "esp":
            machine = set_register(machine, cpu, name, value)
    return machine


@instruction("leave", section="SDM vol. 2A, LEAVE")
def leave(machine: Machine, cpu: CpuId) -> Machine:
    """Drop the frame at EBP: ESP becomes EBP, and EBP is popped."""
    # OPERATION
    frame = get_register(machine, cpu, "ebp")
    machine, value = pop(update(machine, cpu, esp=frame), cpu)
    return write(machine, cpu, Register("ebp"), value)

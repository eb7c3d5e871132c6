"""Jumps, calls and returns, and what else depends on a condition."""

from collections.abc import Callable, Mapping
from typing import Final

from app.sim.forms import CONDITIONS
from app.sim.instructions.access import get_size, read, set_flags, write
from app.sim.listing import Immediate, Operand, Target
from app.sim.machine import (
    CF,
    OF,
    PF,
    SF,
    WORD_MASK,
    ZF,
    CpuId,
    Machine,
    update,
)
from app.sim.memory import pop, push
from app.sim.registry import instruction

WORD: Final = 4


def _is_less(flags: int) -> bool:
    return bool(flags & SF) != bool(flags & OF)


_HOLDS: Final[Mapping[str, tuple[Callable[[int], bool], str]]] = {
    "o": (lambda flags: bool(flags & OF), "overflow"),
    "b": (lambda flags: bool(flags & CF), "below, without sign"),
    "e": (lambda flags: bool(flags & ZF), "equal"),
    "be": (
        lambda flags: bool(flags & (CF | ZF)),
        "below or equal, without sign",
    ),
    "s": (lambda flags: bool(flags & SF), "negative"),
    "p": (lambda flags: bool(flags & PF), "even parity"),
    "l": (_is_less, "less, with sign"),
    "le": (
        lambda flags: bool(flags & ZF) or _is_less(flags),
        "less or equal, with sign",
    ),
}
"""Every second condition; the one after it in the encoding is its opposite."""


def has_condition(flags: int, condition: str) -> bool:
    """Answer whether a condition holds: ``ne``, ``b``, ``le`` and so on."""
    number = CONDITIONS.index(condition)
    holds, _ = _HOLDS[CONDITIONS[number & ~1]]
    return holds(flags) != bool(number & 1)


def _describe(condition: str) -> str:
    number = CONDITIONS.index(condition)
    _, words = _HOLDS[CONDITIONS[number & ~1]]
    return f"not {words}" if number & 1 else words


def _define_jump(condition: str) -> None:
    def jump_if(machine: Machine, cpu: CpuId, target: Target) -> Machine:
        # OPERATION
        if not has_condition(machine.vcpus[cpu].flags, condition):
            return machine
        return update(machine, cpu, eip=target.address)

    jump_if.__doc__ = f"Jump if {_describe(condition)}."
    instruction(f"j{condition}", section="SDM vol. 2A, Jcc")(jump_if)


def _define_set(condition: str) -> None:
    def set_if(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
        # OPERATION
        value = int(has_condition(machine.vcpus[cpu].flags, condition))
        return write(machine, cpu, destination, value)

    set_if.__doc__ = f"Write 1 if {_describe(condition)}, else 0."
    instruction(f"set{condition}", section="SDM vol. 2B, SETcc")(set_if)


def _define_move(condition: str) -> None:
    def move_if(
        machine: Machine, cpu: CpuId, destination: Operand, source: Operand
    ) -> Machine:
        # OPERATION
        machine, value = read(machine, cpu, source, get_size(destination))
        if not has_condition(machine.vcpus[cpu].flags, condition):
            return machine
        return write(machine, cpu, destination, value)

    move_if.__doc__ = (
        f"Copy if {_describe(condition)}; the source is read in any case."
    )
    instruction(f"cmov{condition}", section="SDM vol. 2A, CMOVcc")(move_if)


for _condition in CONDITIONS:
    _define_jump(_condition)
    _define_set(_condition)
    _define_move(_condition)


def _read_target(
    machine: Machine, cpu: CpuId, target: Operand
) -> tuple[Machine, int]:
    """Read where to go: a label's address, or a register or memory."""
    if isinstance(target, Target):
        assert target.address is not None  # noqa: S101 - a call of the VMI
        return machine, target.address
    return read(machine, cpu, target, WORD)


@instruction("jmp", section="SDM vol. 2A, JMP")
def jmp(machine: Machine, cpu: CpuId, target: Operand) -> Machine:
    """Go to a label, or to the address in a register or memory."""
    # OPERATION
    machine, address = _read_target(machine, cpu, target)
    return update(machine, cpu, eip=address)


@instruction("call", section="SDM vol. 2A, CALL")
def call(machine: Machine, cpu: CpuId, target: Operand) -> Machine:
    """Push the address of the next instruction and go to the target."""
    # OPERATION
    machine, address = _read_target(machine, cpu, target)
    machine = push(machine, cpu, machine.vcpus[cpu].eip)
    return update(machine, cpu, eip=address)


@instruction("ret", section="SDM vol. 2B, RET")
def ret(
    machine: Machine, cpu: CpuId, dropped: Immediate | None = None
) -> Machine:
    """Pop EIP, then drop so many bytes of the stack."""
    # OPERATION
    machine, address = pop(machine, cpu)
    machine = update(machine, cpu, eip=address)
    if dropped is None:
        return machine
    esp = machine.vcpus[cpu].esp + dropped.value
    return update(machine, cpu, esp=esp & WORD_MASK)


@instruction("clc", section="SDM vol. 2A, CLC")
def clc(machine: Machine, cpu: CpuId) -> Machine:
    """Clear carry."""
    # OPERATION
    return set_flags(machine, cpu, 0, CF)


@instruction("stc", section="SDM vol. 2B, STC")
def stc(machine: Machine, cpu: CpuId) -> Machine:
    """Set carry."""
    # OPERATION
    return set_flags(machine, cpu, CF, CF)


@instruction("cmc", section="SDM vol. 2A, CMC")
def cmc(machine: Machine, cpu: CpuId) -> Machine:
    """Invert carry."""
    # OPERATION
    return set_flags(machine, cpu, ~machine.vcpus[cpu].flags, CF)

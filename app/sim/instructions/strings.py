"""String instructions, and the prefixes that repeat them.

A repeated instruction is one step for each repetition, as the processor takes
interrupts between them: EIP stays at the instruction until the last one. All
have their memory operands written out: ``es:[edi]``, ``[esi]``, ``[ebx]``.
"""

from typing import Final

from app.sim.instructions.access import (
    compute_difference_flags,
    get_size,
    read,
    set_flags,
    write,
)
from app.sim.instructions.transfer import ACCUMULATOR
from app.sim.listing import SLOT, Memory, Operand
from app.sim.machine import (
    DF,
    WORD_MASK,
    ZF,
    CpuId,
    Machine,
    get_register,
    set_register,
    update,
)
from app.sim.registry import INSTRUCTIONS, instruction

_BYTE: Final = 1
_WHILE: Final = {
    "rep": "",
    "repe": " and the two are equal",
    "repne": " and the two differ",
}


def advance_index(
    machine: Machine, cpu: CpuId, register: str, size: int
) -> Machine:
    """Move ESI or EDI on by an element: down if DF is set, else up."""
    down = machine.vcpus[cpu].flags & DF
    place = get_register(machine, cpu, register) + (-size if down else size)
    return set_register(machine, cpu, register, place & WORD_MASK)


@instruction("movs", section="SDM vol. 2B, MOVS")
def movs(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Copy an element from ESI to EDI and move both on."""
    # OPERATION
    size = get_size(destination)
    machine, value = read(machine, cpu, source, size)
    machine = write(machine, cpu, destination, value)
    machine = advance_index(machine, cpu, "esi", size)
    return advance_index(machine, cpu, "edi", size)


@instruction("stos", section="SDM vol. 2B, STOS")
def stos(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Write the accumulator at EDI and move that on."""
    # OPERATION
    size = get_size(destination)
    value = get_register(machine, cpu, ACCUMULATOR[size])
    machine = write(machine, cpu, destination, value)
    return advance_index(machine, cpu, "edi", size)


@instruction("lods", section="SDM vol. 2A, LODS")
def lods(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Read the element at ESI to the accumulator and move ESI on."""
    # OPERATION
    size = get_size(source)
    machine, value = read(machine, cpu, source, size)
    machine = set_register(machine, cpu, ACCUMULATOR[size], value)
    return advance_index(machine, cpu, "esi", size)


@instruction("cmps", section="SDM vol. 2A, CMPS")
def cmps(
    machine: Machine, cpu: CpuId, first: Operand, second: Operand
) -> Machine:
    """Compare the element at ESI with that at EDI and move both on."""
    # OPERATION
    size = get_size(first)
    machine, left = read(machine, cpu, first, size)
    machine, right = read(machine, cpu, second, size)
    flags = compute_difference_flags(left, right, left - right, size)
    machine = set_flags(machine, cpu, flags)
    machine = advance_index(machine, cpu, "esi", size)
    return advance_index(machine, cpu, "edi", size)


@instruction("scas", section="SDM vol. 2B, SCAS")
def scas(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Compare the accumulator with the element at EDI and move that on."""
    # OPERATION
    size = get_size(destination)
    left = get_register(machine, cpu, ACCUMULATOR[size])
    machine, right = read(machine, cpu, destination, size)
    flags = compute_difference_flags(left, right, left - right, size)
    machine = set_flags(machine, cpu, flags)
    return advance_index(machine, cpu, "edi", size)


@instruction("xlat", section="SDM vol. 2D, XLAT")
def xlat(machine: Machine, cpu: CpuId, table: Memory) -> Machine:
    """Replace AL by the byte with that number in the table at EBX."""
    # OPERATION
    place = table.displacement + get_register(machine, cpu, "al")
    entry = table._replace(displacement=place & WORD_MASK)
    machine, value = read(machine, cpu, entry, _BYTE)
    return set_register(machine, cpu, "al", value)


@instruction("cld", section="SDM vol. 2A, CLD")
def cld(machine: Machine, cpu: CpuId) -> Machine:
    """Let string instructions go up."""
    # OPERATION
    return set_flags(machine, cpu, 0, DF)


@instruction("std", section="SDM vol. 2B, STD")
def std(machine: Machine, cpu: CpuId) -> Machine:
    """Let string instructions go down."""
    # OPERATION
    return set_flags(machine, cpu, DF, DF)


# --------------------------------------------------------------- repetition


def define_repeat(prefix: str, name: str) -> None:
    """Enter a string instruction with a prefix that repeats it."""
    spec = INSTRUCTIONS[name]

    def repeat(machine: Machine, cpu: CpuId, *operands: Operand) -> Machine:
        # CHECKS
        left = machine.vcpus[cpu].ecx
        if not left:
            return machine
        # OPERATION
        machine = spec.function(machine, cpu, *operands)
        machine = update(machine, cpu, ecx=left - 1)
        # RESULT
        vcpu = machine.vcpus[cpu]
        equal = bool(vcpu.flags & ZF)
        if left == 1 or (prefix != "rep" and equal != (prefix == "repe")):
            return machine
        return update(machine, cpu, eip=vcpu.eip - SLOT)

    repeat.__doc__ = (
        f"Repeat {name.upper()} while ECX, counted down, is not 0"
        f"{_WHILE[prefix]}."
    )
    instruction(
        f"{prefix} {name}",
        section="SDM vol. 2B, REP/REPE/REPNE",
        sensitive=spec.sensitive,
    )(repeat)


for _name in ("movs", "stos", "lods"):
    define_repeat("rep", _name)
for _name in ("cmps", "scas"):
    define_repeat("repe", _name)
    define_repeat("repne", _name)

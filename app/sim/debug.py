"""Debug exceptions: single-stepping and the debug registers.

SDM vol. 3B, chapter 17. Execution breakpoints are faults before the
instruction; data breakpoints and single-stepping are traps after it. The
hits of an instruction are gathered in the registers while it runs.
"""

from typing import Final, NamedTuple

from app.sim.errors import GuestFault
from app.sim.machine import (
    MOV_SS_SHADOW,
    RF,
    TF,
    WORD_MASK,
    CpuId,
    Machine,
    VCpu,
    update,
)
from app.sim.vectors import DB, UD

BREAKPOINTS: Final = 4
STATUS: Final = 6
CONTROL: Final = 7

STATUS_FIXED: Final = 0xFFFF_0FF0
CONTROL_FIXED: Final = 0x400
CONTROL_RESERVED: Final = 0xD000
BD: Final = 0x2000
BS: Final = 0x4000
BT: Final = 0x8000
HITS: Final = 0xF
GENERAL_DETECT: Final = 0x2000
CR4_DE: Final = 0x8

EXECUTE: Final = 0
WRITE: Final = 1
READ_OR_WRITE: Final = 3

_ENABLED: Final = 3
_KIND_SHIFT: Final = 16
_LENGTH_SHIFT: Final = 18
_FIELD_BITS: Final = 4
_LENGTHS: Final = (1, 2, 8, 4)
_BREAKS_OUT: Final = frozenset({"int", "int3", "into"})


class DebugRegisters(NamedTuple):
    """DR0 to DR3, the status DR6, the control DR7.

    ``hits`` is the data breakpoints that the current instruction met.
    """

    dr0: int = 0
    dr1: int = 0
    dr2: int = 0
    dr3: int = 0
    status: int = STATUS_FIXED
    control: int = CONTROL_FIXED
    hits: int = 0


RESET: Final = DebugRegisters()


def get_debug(vcpu: VCpu) -> DebugRegisters:
    """Answer the debug registers; those of a reset if none was written."""
    return DebugRegisters(*vcpu.dr) if vcpu.dr else RESET


def set_debug(
    machine: Machine, cpu: CpuId, registers: DebugRegisters
) -> Machine:
    """Put the debug registers back, as nothing where they are as at reset."""
    return update(machine, cpu, dr=() if registers == RESET else registers)


def require_number(vcpu: VCpu, number: int) -> int:
    """Answer which register a number means: DR4 and DR5 are aliases.

    SDM vol. 3B, 17.2.2: of DR6 and DR7, unless CR4.DE makes them #UD.
    """
    if number in {BREAKPOINTS, BREAKPOINTS + 1}:
        if vcpu.cr4 & CR4_DE:
            raise GuestFault(UD)
        return number + STATUS - BREAKPOINTS
    return number


def read_dr(vcpu: VCpu, number: int) -> int:
    """Read a debug register."""
    registers = get_debug(vcpu)
    if number < BREAKPOINTS:
        return registers[number]
    return registers.status if number == STATUS else registers.control


def write_dr(machine: Machine, cpu: CpuId, number: int, value: int) -> Machine:
    """Write a debug register; fixed bits stay as they are."""
    registers = get_debug(machine.vcpus[cpu])
    if number < BREAKPOINTS:
        registers = registers._replace(**{f"dr{number}": value})
    elif number == STATUS:
        status = value & (HITS | BD | BS | BT) | STATUS_FIXED
        registers = registers._replace(status=status)
    else:
        control = value & ~CONTROL_RESERVED | CONTROL_FIXED
        registers = registers._replace(control=control)
    return set_debug(machine, cpu, registers)


def require_open(machine: Machine, cpu: CpuId) -> None:
    """Raise #DB if DR7.GD guards the debug registers."""
    if get_debug(machine.vcpus[cpu]).control & GENERAL_DETECT:
        raise GuestFault(DB)


# ---------------------------------------------------- where it breaks


def _find_hits(
    vcpu: VCpu, address: int, size: int, kinds: frozenset[int]
) -> int:
    """Find the enabled breakpoints that an access of a kind meets."""
    registers = get_debug(vcpu)
    hits = 0
    for number in range(BREAKPOINTS):
        if not registers.control >> 2 * number & _ENABLED:
            continue
        fields = registers.control >> _FIELD_BITS * number
        if fields >> _KIND_SHIFT & _ENABLED not in kinds:
            continue
        length = _LENGTHS[fields >> _LENGTH_SHIFT & _ENABLED]
        start = registers[number] & ~(length - 1)
        if start < address + size and address < start + length:
            hits |= 1 << number
    return hits


_EXECUTION: Final = frozenset({EXECUTE})
_READS: Final = frozenset({READ_OR_WRITE})
_WRITES: Final = frozenset({WRITE, READ_OR_WRITE})


def watch(before: Machine, started: Machine, cpu: CpuId) -> Machine:
    """Begin an instruction under breakpoints, or with RF or TF set.

    Raises #DB at a breakpoint, unless RF is set. RF lasts for one
    instruction: SDM vol. 3B, 17.3.1.1.
    """
    vcpu = before.vcpus[cpu]
    if vcpu.dr and not vcpu.flags & RF:
        linear = vcpu.eip & WORD_MASK
        if _find_hits(vcpu, linear, 1, _EXECUTION):
            raise GuestFault(DB)
    registers = get_debug(vcpu)._replace(hits=0)
    flags = started.vcpus[cpu].flags & ~RF
    return set_debug(update(started, cpu, flags=flags), cpu, registers)


def note_access(
    machine: Machine, cpu: CpuId, linear: int, size: int, *, write: bool
) -> Machine:
    """Note which data breakpoints an access to memory meets."""
    vcpu = machine.vcpus[cpu]
    kinds = _WRITES if write else _READS
    hits = _find_hits(vcpu, linear, size, kinds)
    registers = get_debug(vcpu)
    if not hits & ~registers.hits:
        return machine
    noted = registers._replace(hits=registers.hits | hits)
    return set_debug(machine, cpu, noted)


# ------------------------------------------------------------- the exceptions


def note_fault(machine: Machine, cpu: CpuId) -> Machine:
    """Say in DR6 why an instruction was not begun: SDM vol. 3B, 17.2.3.

    The guard of DR7 is taken down, so that the handler can work.
    """
    vcpu = machine.vcpus[cpu]
    registers = get_debug(vcpu)
    status = registers.status
    control = registers.control
    hits = _find_hits(vcpu, vcpu.eip, 1, _EXECUTION)
    if hits and not vcpu.flags & RF:
        status |= hits
    else:
        status |= BD
        control &= ~GENERAL_DETECT
    registers = registers._replace(status=status, control=control, hits=0)
    return set_debug(machine, cpu, registers)


def take_trap(
    machine: Machine, cpu: CpuId, before: VCpu, mnemonic: str
) -> tuple[Machine, bool]:
    """Answer whether #DB follows an instruction, with DR6 saying why.

    ``before`` is the processor as the instruction began: TF of then counts.
    INT n does not trap, since it has cleared TF; nor does what loads SS.
    """
    vcpu = machine.vcpus[cpu]
    registers = get_debug(vcpu)
    hits = registers.hits
    steps = before.flags & TF and vcpu.shadow != MOV_SS_SHADOW
    if mnemonic in _BREAKS_OUT and not vcpu.flags & TF:
        steps = 0
    if not hits and not steps:
        return machine, False
    status = registers.status | hits | (BS if steps else 0)
    registers = registers._replace(status=status, hits=0)
    return set_debug(machine, cpu, registers), True

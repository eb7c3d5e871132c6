"""I/O calls: strings between memory and a port, as REP INS and REP OUTS.

A call is one step, where the processor would take interrupts between two
items of the repeated instruction.
"""

from typing import Final

from app.sim.calls.io import BYTE, HALF, PORT_MASK, WHOLE
from app.sim.errors import NotModelled
from app.sim.instructions.ports import read_port, write_port
from app.sim.machine import DF, WORD_MASK, CpuId, Machine
from app.sim.memory import load, store
from app.sim.registry import Ecx, Edi, Edx, Esi, call

INPUT_CLOBBERS: Final = ("EDI", "ECX", "memory")
OUTPUT_CLOBBERS: Final = ("ESI", "ECX")
LONGEST: Final = 4096
"""How many items one call may move here."""


def require_length(count: int) -> None:
    """Raise that a string is too long for this simulator."""
    if count > LONGEST:
        raise NotModelled(f"string I/O of more than {LONGEST} items")


def compute_stride(machine: Machine, cpu: CpuId, size: int) -> int:
    """Compute how far apart items lie: down if EFLAGS.DF is set."""
    return -size if machine.vcpus[cpu].flags & DF else size


def read_string(  # noqa: PLR0913, PLR0917 - the registers of REP INS
    machine: Machine,
    cpu: CpuId,
    address: int,
    port: int,
    count: int,
    size: int,
) -> Machine:
    """Read items from a port to memory."""
    stride = compute_stride(machine, cpu, size)
    for _ in range(count):
        machine, value = read_port(machine, port & PORT_MASK, size)
        machine = store(machine, cpu, address, size, value)
        address = address + stride & WORD_MASK
    return machine


def write_string(  # noqa: PLR0913, PLR0917 - the registers of REP OUTS
    machine: Machine,
    cpu: CpuId,
    address: int,
    port: int,
    count: int,
    size: int,
) -> Machine:
    """Write items from memory to a port."""
    stride = compute_stride(machine, cpu, size)
    for _ in range(count):
        machine, value = load(machine, cpu, address, size)
        machine = write_port(machine, port & PORT_MASK, size, value)
        address = address + stride & WORD_MASK
    return machine


@call(
    "VMI_INSL",
    number=62,
    section="A.io",
    clobbers=INPUT_CLOBBERS,
    native=("rep ins dword ptr es:[edi], dx",),
)
def insl(
    machine: Machine, cpu: CpuId, address: Edi, port: Edx, count: Ecx
) -> Machine:
    """Read doublewords from a port to memory.

    It cannot be called from C and clobbers what the instruction clobbers.
    The RFC prints ESI among that, where EDI must be meant: REP INS leaves
    ESI alone.

    Parameters
    ----------
    address : EDI
        Where the first item goes; flat segments are a condition.
    port : EDX
        Number of the port, in the low 16 bits.
    count : ECX
        How many items; downwards if EFLAGS.DF is set.

    Raises
    ------
    NotModelled
        If the string is very long, or if the port is that of a device and
        the question has none.
    GuestFault
        #PF if the memory is not there.

    RFC Appendix A / I/O calls
    """
    # CHECKS
    require_length(count)
    # OPERATION
    return read_string(machine, cpu, address, port, count, WHOLE)


@call(
    "VMI_INSB",
    number=63,
    section="A.io",
    clobbers=INPUT_CLOBBERS,
    native=("rep ins byte ptr es:[edi], dx",),
)
def insb(
    machine: Machine, cpu: CpuId, address: Edi, port: Edx, count: Ecx
) -> Machine:
    """Read bytes from a port to memory.

    It cannot be called from C and clobbers what the instruction clobbers.
    The RFC prints ESI among that, where EDI must be meant: REP INS leaves
    ESI alone.

    Parameters
    ----------
    address : EDI
        Where the first item goes; flat segments are a condition.
    port : EDX
        Number of the port, in the low 16 bits.
    count : ECX
        How many items; downwards if EFLAGS.DF is set.

    Raises
    ------
    NotModelled
        If the string is very long, or if the port is that of a device and
        the question has none.
    GuestFault
        #PF if the memory is not there.

    RFC Appendix A / I/O calls
    """
    # CHECKS
    require_length(count)
    # OPERATION
    return read_string(machine, cpu, address, port, count, BYTE)


@call(
    "VMI_INSW",
    number=64,
    section="A.io",
    clobbers=INPUT_CLOBBERS,
    native=("rep ins word ptr es:[edi], dx",),
)
def insw(
    machine: Machine, cpu: CpuId, address: Edi, port: Edx, count: Ecx
) -> Machine:
    """Read 16-bit words from a port to memory.

    It cannot be called from C and clobbers what the instruction clobbers.
    The RFC prints ESI among that, where EDI must be meant: REP INS leaves
    ESI alone.

    Parameters
    ----------
    address : EDI
        Where the first item goes; flat segments are a condition.
    port : EDX
        Number of the port, in the low 16 bits.
    count : ECX
        How many items; downwards if EFLAGS.DF is set.

    Raises
    ------
    NotModelled
        If the string is very long, or if the port is that of a device and
        the question has none.
    GuestFault
        #PF if the memory is not there.

    RFC Appendix A / I/O calls
    """
    # CHECKS
    require_length(count)
    # OPERATION
    return read_string(machine, cpu, address, port, count, HALF)


@call(
    "VMI_OUTSL",
    number=68,
    section="A.io",
    clobbers=OUTPUT_CLOBBERS,
    native=("rep outs dx, dword ptr [esi]",),
)
def outsl(
    machine: Machine, cpu: CpuId, address: Esi, port: Edx, count: Ecx
) -> Machine:
    """Write doublewords from memory to a port.

    It cannot be called from C and clobbers what the instruction clobbers.

    Parameters
    ----------
    address : ESI
        Where the first item is; flat segments are a condition.
    port : EDX
        Number of the port, in the low 16 bits.
    count : ECX
        How many items; downwards if EFLAGS.DF is set.

    Raises
    ------
    NotModelled
        If the string is very long, or if the port is that of a device and
        the question has none.
    GuestFault
        #PF if the memory is not there.

    RFC Appendix A / I/O calls
    """
    # CHECKS
    require_length(count)
    # OPERATION
    return write_string(machine, cpu, address, port, count, WHOLE)


@call(
    "VMI_OUTSB",
    number=69,
    section="A.io",
    clobbers=OUTPUT_CLOBBERS,
    native=("rep outs dx, byte ptr [esi]",),
)
def outsb(
    machine: Machine, cpu: CpuId, address: Esi, port: Edx, count: Ecx
) -> Machine:
    """Write bytes from memory to a port.

    It cannot be called from C and clobbers what the instruction clobbers.

    Parameters
    ----------
    address : ESI
        Where the first item is; flat segments are a condition.
    port : EDX
        Number of the port, in the low 16 bits.
    count : ECX
        How many items; downwards if EFLAGS.DF is set.

    Raises
    ------
    NotModelled
        If the string is very long, or if the port is that of a device and
        the question has none.
    GuestFault
        #PF if the memory is not there.

    RFC Appendix A / I/O calls
    """
    # CHECKS
    require_length(count)
    # OPERATION
    return write_string(machine, cpu, address, port, count, BYTE)


@call(
    "VMI_OUTSW",
    number=70,
    section="A.io",
    clobbers=OUTPUT_CLOBBERS,
    native=("rep outs dx, word ptr [esi]",),
)
def outsw(
    machine: Machine, cpu: CpuId, address: Esi, port: Edx, count: Ecx
) -> Machine:
    """Write 16-bit words from memory to a port.

    It cannot be called from C and clobbers what the instruction clobbers.

    Parameters
    ----------
    address : ESI
        Where the first item is; flat segments are a condition.
    port : EDX
        Number of the port, in the low 16 bits.
    count : ECX
        How many items; downwards if EFLAGS.DF is set.

    Raises
    ------
    NotModelled
        If the string is very long, or if the port is that of a device and
        the question has none.
    GuestFault
        #PF if the memory is not there.

    RFC Appendix A / I/O calls
    """
    # CHECKS
    require_length(count)
    # OPERATION
    return write_string(machine, cpu, address, port, count, HALF)

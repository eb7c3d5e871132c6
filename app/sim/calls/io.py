"""I/O calls: ports, the I/O delay, the IOPL of user space, caches.

The string forms are in `string_io`.

A port is used as the native instruction would use it at CPL 0. The calls are
the kernel's; user code executes the instructions themselves and gets what the
virtual IOPL lets it have.
"""

from typing import Final

from app.sim.errors import GuestFault
from app.sim.gaps import choose_or_raise
from app.sim.instructions.ports import read_port, write_port
from app.sim.machine import (
    IOPL,
    IOPL_SHIFT,
    CpuId,
    Machine,
    update,
)
from app.sim.registry import NOTHING, Eax, Edx, call
from app.sim.vectors import GP, UD

BYTE: Final = 1
HALF: Final = 2
WHOLE: Final = 4
BITS: Final = 8
PORT_MASK: Final = 0xFFFF
MEMORY_ONLY: Final = ("memory",)


def read_narrow(
    machine: Machine, port: int, size: int, eax: int
) -> tuple[Machine, int]:
    """Read a byte or a word into what EAX holds.

    Whether the rest of EAX is kept or cleared is asked only where that makes
    a difference.
    """
    mask = (1 << BITS * size) - 1
    kept = eax & ~mask
    if kept and choose_or_raise(machine, "narrow_input") == "zero":
        kept = 0
    machine, value = read_port(machine, port & PORT_MASK, size)
    return machine, kept | value


@call(
    "VMI_INL",
    number=59,
    section="A.io",
    clobbers=MEMORY_ONLY,
    native=("in eax, dx",),
)
def inl(machine: Machine, cpu: CpuId, port: Edx) -> tuple[Machine, Eax]:
    """Read a doubleword from a port.

    A dummy before the argument fills EAX, so that the port is in EDX as the
    encoding of the instruction has it.

    Parameters
    ----------
    port : EDX
        Number of the port, in the low 16 bits.

    Returns
    -------
    value : EAX
        What was read.

    Raises
    ------
    NotModelled
        If the port is that of a device and the question has none.

    RFC Appendix A / I/O calls
    """
    # OPERATION
    return read_port(machine, port & PORT_MASK, WHOLE)


@call(
    "VMI_INB",
    number=60,
    section="A.io",
    clobbers=MEMORY_ONLY,
    native=("in al, dx",),
)
def inb(machine: Machine, cpu: CpuId, port: Edx) -> tuple[Machine, Eax]:
    """Read a byte from a port.

    A dummy before the argument fills EAX, so that the port is in EDX as the
    encoding of the instruction has it. Whether the rest of EAX is kept, as
    by the instruction, or cleared is not said.

    Parameters
    ----------
    port : EDX
        Number of the port, in the low 16 bits.

    Returns
    -------
    value : EAX
        What was read, in AL.

    Raises
    ------
    Unspecified
        If the rest of EAX is not clear before the call.
    NotModelled
        If the port is that of a device and the question has none.

    RFC Appendix A / I/O calls
    """
    # OPERATION
    return read_narrow(machine, port, BYTE, machine.vcpus[cpu].eax)


@call(
    "VMI_INW",
    number=61,
    section="A.io",
    clobbers=MEMORY_ONLY,
    native=("in ax, dx",),
)
def inw(machine: Machine, cpu: CpuId, port: Edx) -> tuple[Machine, Eax]:
    """Read a 16-bit word from a port.

    A dummy before the argument fills EAX, so that the port is in EDX as the
    encoding of the instruction has it. Whether the rest of EAX is kept, as
    by the instruction, or cleared is not said.

    Parameters
    ----------
    port : EDX
        Number of the port, in the low 16 bits.

    Returns
    -------
    value : EAX
        What was read, in AX.

    Raises
    ------
    Unspecified
        If the rest of EAX is not clear before the call.
    NotModelled
        If the port is that of a device and the question has none.

    RFC Appendix A / I/O calls
    """
    # OPERATION
    return read_narrow(machine, port, HALF, machine.vcpus[cpu].eax)


@call(
    "VMI_OUTL",
    number=65,
    section="A.io",
    clobbers=NOTHING,
    native=("out dx, eax",),
)
def outl(machine: Machine, cpu: CpuId, value: Eax, port: Edx) -> Machine:
    """Write a doubleword to a port.

    Nothing is clobbered, not even the flags.

    Parameters
    ----------
    value : EAX
        What is written, in EAX.
    port : EDX
        Number of the port, in the low 16 bits.

    Raises
    ------
    NotModelled
        If the port is that of a device and the question has none.

    RFC Appendix A / I/O calls
    """
    # OPERATION
    return write_port(machine, port & PORT_MASK, WHOLE, value)


@call(
    "VMI_OUTB",
    number=66,
    section="A.io",
    clobbers=NOTHING,
    native=("out dx, al",),
)
def outb(machine: Machine, cpu: CpuId, value: Eax, port: Edx) -> Machine:
    """Write a byte to a port.

    Nothing is clobbered, not even the flags.

    Parameters
    ----------
    value : EAX
        What is written, in AL.
    port : EDX
        Number of the port, in the low 16 bits.

    Raises
    ------
    NotModelled
        If the port is that of a device and the question has none.

    RFC Appendix A / I/O calls
    """
    # OPERATION
    return write_port(machine, port & PORT_MASK, BYTE, value)


@call(
    "VMI_OUTW",
    number=67,
    section="A.io",
    clobbers=NOTHING,
    native=("out dx, ax",),
)
def outw(machine: Machine, cpu: CpuId, value: Eax, port: Edx) -> Machine:
    """Write a 16-bit word to a port.

    Nothing is clobbered, not even the flags.

    Parameters
    ----------
    value : EAX
        What is written, in AX.
    port : EDX
        Number of the port, in the low 16 bits.

    Raises
    ------
    NotModelled
        If the port is that of a device and the question has none.

    RFC Appendix A / I/O calls
    """
    # OPERATION
    return write_port(machine, port & PORT_MASK, HALF, value)


@call(
    "VMI_IODelay",
    number=78,
    section="A.io",
    native=("out 0x80, al",),
)
def io_delay(machine: Machine, cpu: CpuId) -> Machine:
    """Wait about as long as an access to a bus register takes.

    The devices of a virtual machine need no delay, so nothing happens. The
    RFC does not name the register that native code uses; port 0x80 is usual.

    RFC Appendix A / I/O calls
    """
    # RESULT
    return machine


@call(
    "VMI_SetIOPLMask",
    number=71,
    section="A.io",
    native=(
        "pushf",
        "and dword ptr [esp], 0xFFFFCFFF",
        "or dword ptr [esp], eax",
        "popf",
    ),
)
def set_iopl_mask(machine: Machine, cpu: CpuId, mask: Eax) -> Machine:
    """Set the IOPL that user space has for its ports.

    It grants ports and never the interrupt flag (RFC 3, item 7). Since POPF
    and IRET may not change it, the guest has to save and restore it itself
    when it changes tasks.

    Parameters
    ----------
    mask : EAX
        The IOPL at its place in EFLAGS: 0x3000 opens all ports.

    Raises
    ------
    Unspecified
        If other bits are set in the mask.
    GuestFault
        #GP if that is the reading of the missing word.

    RFC Appendix A / I/O calls
    """
    # CHECKS
    others = mask & ~IOPL
    if others and choose_or_raise(machine, "iopl_mask_bits") == "fault":
        raise GuestFault(GP, 0)
    # OPERATION
    vcpu = machine.vcpus[cpu]
    iopl = mask & IOPL
    if machine.board.host.is_virtual(vcpu):
        return update(machine, cpu, virtual_iopl=iopl >> IOPL_SHIFT)
    return update(machine, cpu, flags=vcpu.flags & ~IOPL | iopl)


@call("VMI_WBINVD", number=29, section="A.io", native=("wbinvd",))
def wbinvd(machine: Machine, cpu: CpuId) -> Machine:
    """Write the data cache back and invalidate it.

    It serves to synchronise memory with devices. Caches are not modelled, so
    no state changes.

    RFC Appendix A / I/O calls
    """
    # RESULT
    return machine


@call("VMI_INVD", number=28, section="A.io", native=("invd",))
def invd(machine: Machine, cpu: CpuId) -> Machine:
    """Invalidate the data cache without writing it back.

    Deprecated: it must not be executed in a virtual machine, and is listed
    since leaving out its number would need another version. What it does to
    a guest that calls it is not said.

    Raises
    ------
    Unspecified
        If it is called.
    GuestFault
        #UD if that is the reading of the missing word.

    RFC Appendix A / I/O calls
    """
    # CHECKS
    if choose_or_raise(machine, "invalid_invd") == "fault":
        raise GuestFault(UD)
    # RESULT
    return machine

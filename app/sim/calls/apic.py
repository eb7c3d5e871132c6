"""APIC calls: the local APIC without a trap for each access."""

from app.sim.apic import get_base, read_register, write_register
from app.sim.devices.local_apic import PAGE
from app.sim.errors import GuestFault, NotModelled
from app.sim.gaps import choose_or_raise
from app.sim.machine import CpuId, Machine
from app.sim.memory import reach
from app.sim.registry import Eax, Edx, call
from app.sim.vectors import GP


def get_offset(machine: Machine, cpu: CpuId, address: int) -> int:
    """Answer which register an address means.

    That the address lies in the page of the processor's APIC is the guest's
    affair; what another one does is asked of the policies.
    """
    offset = address & PAGE - 1
    base = get_base(machine, cpu)
    if base is not None and _is_at(machine, cpu, address, base + offset):
        return offset
    if choose_or_raise(machine, "apic_address") == "fault":
        raise GuestFault(GP, 0)
    return offset


def _is_at(machine: Machine, cpu: CpuId, linear: int, physical: int) -> bool:
    """Whether a linear address is mapped to a physical one."""
    try:
        _, found = reach(machine, cpu, linear, writes=False)
    except (GuestFault, NotModelled):
        return False
    return found == physical


@call(
    "VMI_APICWrite",
    number=76,
    section="A.apic",
    native=("mov dword ptr [eax], edx",),
)
def apic_write(
    machine: Machine, cpu: CpuId, register: Eax, value: Edx
) -> Machine:
    """Write a register of the local APIC.

    It has the effects that the store has on hardware: inter-processor
    interrupts are sent by the command register, an interrupt is ended by
    EOI. Plain stores to the page remain possible.

    Parameters
    ----------
    register : EAX
        Linear address of the register; the page is mapped by the guest.
    value : EDX
        What is written.

    Raises
    ------
    Unspecified
        If the address is not in the page of the APIC.
    GuestFault
        #GP if that is the reading of the missing word.
    NotModelled
        If the question has no local APIC.

    RFC Appendix A / APIC calls
    """
    # CHECKS
    offset = get_offset(machine, cpu, register)
    # OPERATION
    return write_register(machine, cpu, offset, value)


@call(
    "VMI_APICRead",
    number=77,
    section="A.apic",
    native=("mov eax, dword ptr [eax]",),
)
def apic_read(
    machine: Machine, cpu: CpuId, register: Eax
) -> tuple[Machine, Eax]:
    """Read a register of the local APIC.

    Parameters
    ----------
    register : EAX
        Linear address of the register; the page is mapped by the guest.

    Returns
    -------
    value : EAX
        What the register holds.

    Raises
    ------
    Unspecified
        If the address is not in the page of the APIC.
    GuestFault
        #GP if that is the reading of the missing word.
    NotModelled
        If the question has no local APIC.

    RFC Appendix A / APIC calls
    """
    # CHECKS
    offset = get_offset(machine, cpu, register)
    # RESULT
    return read_register(machine, cpu, offset)

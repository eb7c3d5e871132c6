"""Control and debug registers, and caches.

Each does what the Intel SDM says at CPL 0, and is #GP(0) elsewhere; a
software hypervisor carries it out on the registers that it keeps for the
guest. Caches are not modelled, so what drops or writes them does nothing.
"""

from typing import Final

from app.sim.debug import (
    read_dr,
    require_number,
    require_open,
    write_dr,
)
from app.sim.errors import GuestFault, NotModelled
from app.sim.instructions.access import (
    read,
    write,
)
from app.sim.instructions.system import require_ring_0
from app.sim.listing import Memory, Operand, Register
from app.sim.machine import (
    CpuId,
    Machine,
    get_register,
    set_register,
    update,
)
from app.sim.paging import set_control
from app.sim.registry import instruction
from app.sim.vectors import GP

CR0_PE: Final = 0x1
CR0_MP: Final = 0x2
CR0_EM: Final = 0x4
CR0_TS: Final = 0x8
CR0_ET: Final = 0x10
CR0_NE: Final = 0x20
CR0_WP: Final = 0x1_0000
CR0_NW: Final = 0x2000_0000
CR0_CD: Final = 0x4000_0000
CR0_PG: Final = 0x8000_0000
CR0_DEFINED: Final = 0xE005_003F
CR4_VALID: Final = 0x7FF

STATUS_WORD: Final = CR0_PE | CR0_MP | CR0_EM | CR0_TS
"""What LMSW can write."""

HYPERVISOR_CR0: Final = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE
"""What a software hypervisor needs on in the processor's own CR0."""

WORD_BYTES: Final = 2
LOW_HALF: Final = 0xFFFF


def require_valid_control(name: str, value: int) -> int:
    """Answer what a control register takes of a value, or raise #GP(0).

    SDM vol. 2B, MOV CRn. Reserved bits of CR0 are ignored, those of CR4
    fault.
    """
    if name == "cr0":
        if value & CR0_PG and not value & CR0_PE:
            raise GuestFault(GP, 0)
        if value & CR0_NW and not value & CR0_CD:
            raise GuestFault(GP, 0)
        if not value & CR0_PE:
            raise NotModelled("real mode")
        return value & CR0_DEFINED | CR0_ET
    if name == "cr4" and value & ~CR4_VALID:
        raise GuestFault(GP, 0)
    return value


@instruction("clts", section="SDM vol. 2A, CLTS", sensitive="traps")
def clts(machine: Machine, cpu: CpuId) -> Machine:
    """Clear the task-switched flag of CR0."""
    # CHECKS
    require_ring_0(machine, cpu)
    # OPERATION
    return update(machine, cpu, cr0=machine.vcpus[cpu].cr0 & ~CR0_TS)


@instruction("mov-cr", section="SDM vol. 2B, MOV CRn", sensitive="traps")
def mov_cr(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Move to or from a control register.

    Paging without protection, a write-through cache that is off, and
    reserved bits of CR4 are #GP(0).
    """
    # CHECKS
    require_ring_0(machine, cpu)
    assert isinstance(destination, Register)  # noqa: S101 - the parser's
    assert isinstance(source, Register)  # noqa: S101 - word
    if source.name.startswith("cr"):
        value = getattr(machine.vcpus[cpu], source.name)
        return set_register(machine, cpu, destination.name, value)
    value = get_register(machine, cpu, source.name)
    value = require_valid_control(destination.name, value)
    # OPERATION
    return set_control(machine, cpu, destination.name, value)


@instruction("lmsw", section="SDM vol. 2A, LMSW", sensitive="traps")
def lmsw(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Write the low four bits of CR0; protection stays on once it is."""
    # CHECKS
    require_ring_0(machine, cpu)
    machine, value = read(machine, cpu, source, WORD_BYTES)
    # OPERATION
    old = machine.vcpus[cpu].cr0
    new = old & ~STATUS_WORD | value & STATUS_WORD | old & CR0_PE
    return update(machine, cpu, cr0=new)


@instruction("smsw", section="SDM vol. 2B, SMSW", sensitive="reveals")
def smsw(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Store the low word of CR0, at any privilege.

    It does not trap: under a software hypervisor it shows the processor's
    own register, in which the hypervisor has its own bits on.
    """
    # OPERATION
    vcpu = machine.vcpus[cpu]
    value = vcpu.cr0
    if machine.board.host.is_virtual(vcpu):
        value |= HYPERVISOR_CR0
    if isinstance(destination, Memory):
        value &= LOW_HALF
    return write(machine, cpu, destination, value)


@instruction("mov-dr", section="SDM vol. 2B, MOV DRn", sensitive="traps")
def mov_dr(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Move to or from a debug register.

    DR4 and DR5 are #UD where CR4.DE is set; DR7.GD makes it #DB.
    """
    # CHECKS
    assert isinstance(destination, Register)  # noqa: S101 - the parser's
    assert isinstance(source, Register)  # noqa: S101 - word
    reads = source.name.startswith("dr")
    name = source.name if reads else destination.name
    number = require_number(machine.vcpus[cpu], int(name[len("dr") :]))
    require_ring_0(machine, cpu)
    require_open(machine, cpu)
    # OPERATION
    if reads:
        value = read_dr(machine.vcpus[cpu], number)
        return set_register(machine, cpu, destination.name, value)
    value = get_register(machine, cpu, source.name)
    return write_dr(machine, cpu, number, value)


@instruction("invd", section="SDM vol. 2A, INVD", sensitive="traps")
def invd(machine: Machine, cpu: CpuId) -> Machine:
    """Drop the caches without writing them back; caches are not modelled."""
    # CHECKS
    require_ring_0(machine, cpu)
    # OPERATION
    return machine


@instruction("wbinvd", section="SDM vol. 2D, WBINVD", sensitive="traps")
def wbinvd(machine: Machine, cpu: CpuId) -> Machine:
    """Write the caches back and drop them; caches are not modelled."""
    # CHECKS
    require_ring_0(machine, cpu)
    # OPERATION
    return machine

"""The two instructions of the x87 that only ask whether it may be used.

The registers of the coprocessor are not modelled. What a kernel's lazy switch
of them needs is that #NM comes as long as CR0.TS is set.
"""

from typing import Final

from app.sim.errors import GuestFault
from app.sim.machine import CpuId, Machine
from app.sim.registry import instruction
from app.sim.vectors import NM

CR0_MP: Final = 0x2
CR0_EM: Final = 0x4
CR0_TS: Final = 0x8


@instruction("fnop", section="SDM vol. 2A, FNOP")
def fnop(machine: Machine, cpu: CpuId) -> Machine:
    """Do nothing; #NM if CR0.EM or CR0.TS is set."""
    # CHECKS
    if machine.vcpus[cpu].cr0 & (CR0_EM | CR0_TS):
        raise GuestFault(NM)
    return machine


@instruction("fwait", section="SDM vol. 2D, WAIT/FWAIT")
def fwait(machine: Machine, cpu: CpuId) -> Machine:
    """Do nothing; #NM if CR0.MP and CR0.TS are both set."""
    # CHECKS
    needed = CR0_MP | CR0_TS
    if machine.vcpus[cpu].cr0 & needed == needed:
        raise GuestFault(NM)
    return machine

"""CPU control calls: model-specific registers."""

from typing import Final

from app.sim.errors import GuestFault
from app.sim.gaps import choose_or_raise
from app.sim.machine import CpuId, Machine
from app.sim.registry import STANDARD, Ecx, EdxEax, call
from app.sim.vectors import GP

TSC_MSR: Final = 0x10


def require_implemented(machine: Machine, index: int) -> str:
    """Answer how to treat a register, or raise what a missing one gives.

    A register that the hypervisor implements is treated as ``implemented``.
    """
    if index == TSC_MSR or index in machine.board.hypervisor_msrs:
        return "implemented"
    treatment = choose_or_raise(machine, "unimplemented_msr")
    if treatment == "fault":
        raise GuestFault(GP, 0)
    return treatment


def require_key(machine: Machine, index: int) -> bool:
    """Answer whether a write carries the key that the register needs."""
    if index not in machine.board.keys:
        return True
    return choose_or_raise(machine, "msr_key") == "transported"


@call(
    "VMI_WRMSR",
    number=6,
    section="A.cpu-control",
    clobbers=(*STANDARD, "memory"),
    native=("wrmsr",),
)
def wrmsr(machine: Machine, cpu: CpuId, value: EdxEax, index: Ecx) -> Machine:
    """Write a model-specific register.

    A hypervisor may implement only part of them; the RFC does not say what
    an access to a missing one does, nor whether anything beside the three
    registers takes part.

    Parameters
    ----------
    value : EDX:EAX
        What is written.
    index : ECX
        Number of the register.

    Raises
    ------
    Unspecified
        If the hypervisor does not implement the register, or if a key in
        another register has to go with the write.
    GuestFault
        #GP if that is the reading of the missing word.

    RFC Appendix A / CPU control calls
    """
    # CHECKS
    treatment = require_implemented(machine, index)
    carried = require_key(machine, index)
    # OPERATION
    if treatment == "zero" or not carried:
        return machine
    return machine.board.host.set_real_msr(machine, cpu, index, value)


@call(
    "VMI_RDMSR",
    number=7,
    section="A.cpu-control",
    native=("rdmsr",),
)
def rdmsr(machine: Machine, cpu: CpuId, index: Ecx) -> tuple[Machine, EdxEax]:
    """Read a model-specific register.

    A hypervisor may implement only part of them; the RFC does not say what
    an access to a missing one does. There is no error channel: EAX and EDX
    carry the value.

    Parameters
    ----------
    index : ECX
        Number of the register. A dummy before it fills EAX and EDX.

    Returns
    -------
    value : EDX:EAX
        What the register holds.

    Raises
    ------
    Unspecified
        If the hypervisor does not implement the register.
    GuestFault
        #GP if that is the reading of the missing word.

    RFC Appendix A / CPU control calls
    """
    # CHECKS
    treatment = require_implemented(machine, index)
    # RESULT
    if treatment == "zero":
        return machine, 0
    return machine, machine.board.host.get_real_msr(machine, cpu, index)

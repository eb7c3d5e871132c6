"""Processor information calls: identification and counters."""

from app.sim.errors import GuestFault
from app.sim.machine import CpuId, Machine
from app.sim.registry import (
    FLAGS_ONLY,
    Eax,
    Ebx,
    Ecx,
    Edx,
    EdxEax,
    call,
)
from app.sim.vectors import GP


@call(
    "VMI_CPUID",
    number=5,
    section="A.processor-information",
    clobbers=FLAGS_ONLY,
    native=("cpuid",),
)
def cpuid(
    machine: Machine, cpu: CpuId, leaf: Eax, subleaf: Ecx
) -> tuple[Machine, Eax, Ebx, Ecx, Edx]:
    """Identify the processor, without what the hypervisor lacks.

    Feature bits that the hypervisor does not support are cleared. Code that
    executes CPUID itself does not come here. The registers are those of the
    instruction, so there is no C prototype.

    Parameters
    ----------
    leaf : EAX
        Which information is asked for.
    subleaf : ECX
        Part of it; called non-standard by the RFC, and ignored here.

    Returns
    -------
    a : EAX
        First word.
    b : EBX
        Second word.
    c : ECX
        Third word.
    d : EDX
        Fourth word.

    RFC Appendix A / Processor information calls
    """
    # RESULT
    a, b, c, d = machine.board.host.get_masked_cpuid(machine, cpu, leaf)
    return machine, a, b, c, d


@call(
    "VMI_RDTSC",
    number=33,
    section="A.processor-information",
    native=("rdtsc",),
)
def rdtsc(machine: Machine, cpu: CpuId) -> tuple[Machine, EdxEax]:
    """Read the time-stamp counter for the kernel.

    Accuracy is the hypervisor vendor's business; the policy ``tsc`` says
    which counter it is.

    Returns
    -------
    value : EDX:EAX, cycles
        The counter.

    RFC Appendix A / Processor information calls
    """
    # RESULT
    return machine, machine.board.host.get_tsc(machine, cpu)


@call(
    "VMI_RDPMC",
    number=32,
    section="A.processor-information",
    native=("rdpmc",),
)
def rdpmc(
    machine: Machine, cpu: CpuId, counter: Ecx
) -> tuple[Machine, EdxEax]:
    """Read a performance counter for the kernel.

    The ROM executes the instruction, so a counter that the processor does
    not have faults there.

    Parameters
    ----------
    counter : ECX
        Number of the counter.

    Returns
    -------
    value : EDX:EAX
        The counter.

    Raises
    ------
    GuestFault
        #GP if the processor has no such counter.

    RFC Appendix A / Processor information calls
    """
    # CHECKS
    pmcs = machine.vcpus[cpu].pmcs
    if counter >= len(pmcs):
        raise GuestFault(GP, 0)
    # RESULT
    return machine, pmcs[counter]

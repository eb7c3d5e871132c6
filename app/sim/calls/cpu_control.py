"""CPU control calls: model-specific, control and debug registers.

All control calls work on one register, the guest's: what VMI_SetCR0 writes
VMI_CLTS changes and VMI_GetCR0 reads. Writes that may wait (see `deferral`)
are made before a call reads the register that they concern.
"""

from typing import Final

from app.sim.debug import read_dr, require_number, write_dr
from app.sim.deferral import DEFER_CPU, DEFER_MMU, defer, deferrable, flush
from app.sim.errors import GuestFault
from app.sim.gaps import choose_or_raise
from app.sim.instructions.control import (
    CR0_EM,
    CR0_MP,
    CR0_PE,
    CR0_PG,
    CR0_TS,
    CR0_WP,
    require_valid_control,
)
from app.sim.machine import CpuId, Machine, update
from app.sim.paging import CR4_PAE, CR4_PGE, CR4_PSE, set_control
from app.sim.registry import STANDARD, Eax, Ecx, Edx, EdxEax, call
from app.sim.vectors import GP

TSC_MSR: Final = 0x10
HIGH: Final = 32
DEBUG_REGISTERS: Final = 8

CR0_FEATURES: Final = CR0_PE | CR0_WP | CR0_PG
CR4_FEATURES: Final = CR4_PSE | CR4_PAE | CR4_PGE
"""What VMware's implementation can switch on and not off."""

CR0_FPU: Final = CR0_MP | CR0_EM | CR0_TS
"""What never waits: the state of the floating-point unit."""


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


@call(
    "VMI_WRMSR_SPLIT",
    number=None,
    section="A.cpu-control",
    clobbers=(*STANDARD, "memory"),
    native=("wrmsr",),
)
def wrmsr_split(
    machine: Machine, cpu: CpuId, low: Eax, high: Edx, index: Ecx
) -> Machine:
    """Write a model-specific register given as two words.

    A second C prototype of VMI_WRMSR, in appendix B alone: the registers are
    the same, so it has no number of its own.

    Parameters
    ----------
    low : EAX
        Low word of what is written.
    high : EDX
        High word.
    index : ECX
        Number of the register.

    Raises
    ------
    Unspecified
        As VMI_WRMSR.
    GuestFault
        As VMI_WRMSR.

    RFC Appendix B
    """
    # OPERATION
    return wrmsr(machine, cpu, high << HIGH | low, index)


# -------------------------------------------------------- control registers


def settle(machine: Machine, cpu: CpuId, call: str) -> Machine:
    """Make the writes that wait, if one by this call is among them."""
    if any(each.name == call for each in machine.vcpus[cpu].queue):
        return flush(machine, cpu, DEFER_CPU)
    return machine


def keep_features(machine: Machine, old: int, new: int, features: int) -> int:
    """Answer what is written where features that are on would go off."""
    dropped = old & ~new & features
    if not dropped:
        return new
    reading = choose_or_raise(machine, "feature_off")
    if reading == "fault":
        raise GuestFault(GP, 0)
    return new | dropped if reading == "kept" else new


@deferrable("VMI_SetCR0")
def apply_cr0(machine: Machine, cpu: CpuId, value: int) -> Machine:
    """Write CR0."""
    return set_control(machine, cpu, "cr0", value)


@call(
    "VMI_SetCR0",
    number=20,
    section="A.cpu-control",
    native=("mov cr0, eax",),
)
def set_cr0(machine: Machine, cpu: CpuId, value: Eax) -> Machine:
    """Write control register 0.

    It can flush the TLB and change what floating-point code does. Which bits
    may be changed depends on the hypervisor; VMware's cannot switch off
    protected mode, paging or write protection. A change that the processor
    refuses is #GP, as by the instruction. It may wait as a CPU update unless
    it concerns the floating-point unit.

    Parameters
    ----------
    value : EAX
        What is written.

    Raises
    ------
    Unspecified
        If a feature that is on would go off.
    GuestFault
        #GP if the bits contradict each other, or if that is the reading.
    NotModelled
        If protected mode would go off.

    RFC Appendix A / CPU control calls
    """
    # CHECKS
    machine = settle(machine, cpu, "VMI_SetCR0")
    old = machine.vcpus[cpu].cr0
    value = keep_features(machine, old, value, CR0_FEATURES)
    value = require_valid_control("cr0", value)
    # OPERATION
    if (old ^ value) & CR0_FPU:
        return apply_cr0(flush(machine, cpu, DEFER_CPU), cpu, value)
    return defer(machine, cpu, DEFER_CPU, "VMI_SetCR0", (value,))


@call(
    "VMI_SetCR2",
    number=21,
    section="A.cpu-control",
    native=("mov cr2, eax",),
)
def set_cr2(machine: Machine, cpu: CpuId, value: Eax) -> Machine:
    """Write control register 2; nothing else happens.

    Parameters
    ----------
    value : EAX
        What is written.

    RFC Appendix A / CPU control calls
    """
    # OPERATION
    return update(machine, cpu, cr2=value)


@deferrable("VMI_SetCR3")
def apply_cr3(machine: Machine, cpu: CpuId, value: int) -> Machine:
    """Write CR3, which flushes the TLB."""
    return set_control(machine, cpu, "cr3", value)


def find_cr3_queue(machine: Machine, cpu: CpuId) -> int:
    """Answer the class in which a change of CR3 waits."""
    both = DEFER_CPU | DEFER_MMU
    if machine.vcpus[cpu].deferral & both in {0, both}:
        return DEFER_CPU
    reading = choose_or_raise(machine, "cr3_queue")
    return DEFER_CPU if reading == "cpu" else DEFER_MMU


@call(
    "VMI_SetCR3",
    number=22,
    section="A.cpu-control",
    native=("mov cr3, eax",),
)
def set_cr3(machine: Machine, cpu: CpuId, value: Eax) -> Machine:
    """Write control register 3 and flush the processor's TLB.

    In deferred mode it can wait, so that the calls of a context switch go
    out together; the TLB is flushed when it is carried out. Its queue class
    is said to be MMU, while the CPU class is the one that covers CR3.

    Parameters
    ----------
    value : EAX
        The physical address of the page directory.

    Raises
    ------
    Unspecified
        If just one of the classes MMU and CPU may wait.
    GuestFault
        #GP if the page-directory pointers have reserved bits set.
    NotModelled
        If there is no memory where the pointers are read.

    RFC Appendix A / CPU control calls
    """
    # CHECKS
    queue = find_cr3_queue(machine, cpu)
    # OPERATION
    return defer(machine, cpu, queue, "VMI_SetCR3", (value,))


@deferrable("VMI_SetCR4")
def apply_cr4(machine: Machine, cpu: CpuId, value: int) -> Machine:
    """Write CR4."""
    return set_control(machine, cpu, "cr4", value)


@call(
    "VMI_SetCR4",
    number=23,
    section="A.cpu-control",
    native=("mov cr4, eax",),
)
def set_cr4(machine: Machine, cpu: CpuId, value: Eax) -> Machine:
    """Write control register 4.

    It can flush the TLB. VMware's implementation can switch features of the
    MMU on, not off; the other bits act as on hardware, so a reserved one is
    #GP. The prototype printed under this heading says VMI_SetCR3, a
    misprint: appendix B has it right.

    Parameters
    ----------
    value : EAX
        What is written.

    Raises
    ------
    Unspecified
        If a feature of the MMU that is on would go off.
    GuestFault
        #GP if a reserved bit is set, or if that is the reading.
    NotModelled
        If there is no memory where page-directory pointers are read.

    RFC Appendix A / CPU control calls
    """
    # CHECKS
    machine = settle(machine, cpu, "VMI_SetCR4")
    old = machine.vcpus[cpu].cr4
    value = keep_features(machine, old, value, CR4_FEATURES)
    value = require_valid_control("cr4", value)
    # OPERATION
    return defer(machine, cpu, DEFER_CPU, "VMI_SetCR4", (value,))


@call(
    "VMI_GetCR0",
    number=24,
    section="A.cpu-control",
    native=("mov eax, cr0",),
)
def get_cr0(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Answer the guest's control register 0, with its task-switched flag.

    Returns
    -------
    value : EAX
        The register in the native format.

    Raises
    ------
    Unspecified
        If that is the end of a write that waits.
    GuestFault
        If that is.
    NotModelled
        If that is.

    RFC Appendix A / CPU control calls
    """
    # OPERATION
    machine = flush(machine, cpu, DEFER_CPU)
    # RESULT
    return machine, machine.vcpus[cpu].cr0


@call(
    "VMI_GetCR2",
    number=25,
    section="A.cpu-control",
    native=("mov eax, cr2",),
)
def get_cr2(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Answer the guest's control register 2: the last page-fault address.

    An example of a call that needs no change of privilege, since it only
    reads what the hypervisor has put down.

    Returns
    -------
    value : EAX
        The register in the native format.

    RFC Appendix A / CPU control calls
    """
    # RESULT
    return machine, machine.vcpus[cpu].cr2


@call(
    "VMI_GetCR3",
    number=26,
    section="A.cpu-control",
    native=("mov eax, cr3",),
)
def get_cr3(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Answer the guest's control register 3: the page-directory base.

    Not that of a shadow. A write that waits is made first.

    Returns
    -------
    value : EAX
        The register in the native format.

    Raises
    ------
    GuestFault
        #GP if a write that waits is refused.
    NotModelled
        If there is no memory where page-directory pointers are read.

    RFC Appendix A / CPU control calls
    """
    # OPERATION
    machine = flush(machine, cpu, DEFER_CPU | DEFER_MMU)
    # RESULT
    return machine, machine.vcpus[cpu].cr3


@call(
    "VMI_GetCR4",
    number=27,
    section="A.cpu-control",
    native=("mov eax, cr4",),
)
def get_cr4(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Answer the guest's control register 4: bits that control features.

    Returns
    -------
    value : EAX
        The register in the native format.

    Raises
    ------
    Unspecified
        If that is the end of a write that waits.
    GuestFault
        If that is.
    NotModelled
        If that is.

    RFC Appendix A / CPU control calls
    """
    # OPERATION
    machine = flush(machine, cpu, DEFER_CPU)
    # RESULT
    return machine, machine.vcpus[cpu].cr4


@call(
    "VMI_CLTS",
    number=34,
    section="A.cpu-control",
    native=("clts",),
)
def clts(machine: Machine, cpu: CpuId) -> Machine:
    """Clear the task-switched flag of CR0.

    It saves a pair of VMI_GetCR0 and VMI_SetCR0, and works on the register
    that those read and write. It does not wait: floating-point state is
    concerned.

    Raises
    ------
    Unspecified
        If that is the end of a write that waits.
    GuestFault
        If that is.
    NotModelled
        If that is.

    RFC Appendix A / CPU control calls
    """
    # OPERATION
    machine = flush(machine, cpu, DEFER_CPU)
    return update(machine, cpu, cr0=machine.vcpus[cpu].cr0 & ~CR0_TS)


# ---------------------------------------------------------- debug registers


def is_supported(machine: Machine, cpu: CpuId, number: int) -> bool:
    """Whether the guest has a debug register."""
    if number >= DEBUG_REGISTERS:
        return False
    host = machine.board.host
    if not host.is_virtual(machine.vcpus[cpu]):
        return True
    return host.choose("debug_registers") == "supported"


@call("VMI_SetDR", number=30, section="A.cpu-control", built_in=True)
def set_dr(machine: Machine, cpu: CpuId, number: Eax, value: Edx) -> Machine:
    """Write a debug register.

    It equals the native move where the hypervisor supports debug registers.
    DR4 and DR5 are DR6 and DR7, or #UD under CR4.DE. The native move names its
    register, which the call has in EAX; so without a hypervisor the guest's
    own ROM answers.

    Parameters
    ----------
    number : EAX
        Number of the debug register.
    value : EDX
        What is written.

    Raises
    ------
    Unspecified
        If the hypervisor has no such register.
    GuestFault
        #UD for DR4 and DR5 under CR4.DE; #GP if that is the reading.

    RFC Appendix A / CPU control calls
    """
    # CHECKS
    if not is_supported(machine, cpu, number):
        if choose_or_raise(machine, "missing_dr") == "fault":
            raise GuestFault(GP, 0)
        return machine
    number = require_number(machine.vcpus[cpu], number)
    # OPERATION
    return write_dr(machine, cpu, number, value)


@call("VMI_GetDR", number=31, section="A.cpu-control", built_in=True)
def get_dr(machine: Machine, cpu: CpuId, number: Eax) -> tuple[Machine, Eax]:
    """Read a debug register; zero where there is none.

    Without a hypervisor the guest's own ROM answers, as for VMI_SetDR.

    Parameters
    ----------
    number : EAX
        Number of the debug register.

    Returns
    -------
    value : EAX
        What it holds, or 0 if it is not supported.

    Raises
    ------
    GuestFault
        #UD for DR4 and DR5 under CR4.DE.

    RFC Appendix A / CPU control calls
    """
    # CHECKS
    if not is_supported(machine, cpu, number):
        return machine, 0
    number = require_number(machine.vcpus[cpu], number)
    # RESULT
    return machine, read_dr(machine.vcpus[cpu], number)

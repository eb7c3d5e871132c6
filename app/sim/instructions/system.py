"""The system instructions: flags, interrupts, privilege, counters.

Each does what the Intel SDM says at the CPL at which it runs. What a
hypervisor makes of a fault, and what it intercepts, is in `platforms`.
Vectors are entered at once by INT n; other exceptions are raised.
"""

from typing import Final

from app.sim.entry import enter, note_kernel_stack, set_interruptible
from app.sim.errors import GuestFault, NotModelled
from app.sim.listing import Immediate, Operand
from app.sim.machine import (
    AC,
    ARITHMETIC,
    DF,
    FIXED,
    ID,
    IF,
    IOPL,
    IOPL_SHIFT,
    NT,
    OF,
    RF,
    STI_SHADOW,
    TF,
    USER_CPL,
    VM,
    WORD_MASK,
    CpuId,
    Machine,
    update,
)
from app.sim.memory import pop, push
from app.sim.registry import instruction
from app.sim.selectors import RPL, SELECTOR, SELECTOR_BITS, put_flat
from app.sim.transfers import find_return, return_to
from app.sim.vectors import BP, GP, OF_TRAP, UD

CR4_TSD: Final = 0x4
CR4_PCE: Final = 0x100
SYSENTER_CS: Final = 0x174
SYSENTER_ESP: Final = 0x175
SYSENTER_EIP: Final = 0x176
VECTOR_BITS: Final = 0xFF
STACK_AFTER_CODE: Final = 8
USER_CODE_OFFSET: Final = 16
USER_STACK_OFFSET: Final = 24
HIGH: Final = 32

_ALWAYS: Final = ARITHMETIC | TF | DF | NT | AC | ID


def require_ring_0(machine: Machine, cpu: CpuId) -> None:
    """Raise #GP unless the processor is at CPL 0."""
    if machine.vcpus[cpu].cpl:
        raise GuestFault(GP, 0)


def require_io_privilege(machine: Machine, cpu: CpuId) -> None:
    """Raise #GP if CPL > IOPL."""
    vcpu = machine.vcpus[cpu]
    if vcpu.cpl > (vcpu.flags & IOPL) >> IOPL_SHIFT:
        raise GuestFault(GP, 0)


def compute_loaded_flags(machine: Machine, cpu: CpuId, image: int) -> int:
    """Compute EFLAGS after POPF or IRET, which drop in silence what CPL
    and IOPL forbid: IOPL outside CPL 0, IF where CPL > IOPL.
    """  # noqa: D205 - one sentence
    vcpu = machine.vcpus[cpu]
    mask = _ALWAYS
    if not vcpu.cpl:
        mask |= IOPL
    if vcpu.cpl <= (vcpu.flags & IOPL) >> IOPL_SHIFT:
        mask |= IF
    return vcpu.flags & ~(mask | RF) | image & mask | FIXED


@instruction("cli", section="SDM vol. 2A, CLI", sensitive="traps")
def cli(machine: Machine, cpu: CpuId) -> Machine:
    """Clear the interrupt flag."""
    # CHECKS
    require_io_privilege(machine, cpu)
    # OPERATION
    return update(machine, cpu, flags=machine.vcpus[cpu].flags & ~IF)


@instruction("sti", section="SDM vol. 2B, STI", sensitive="traps")
def sti(machine: Machine, cpu: CpuId) -> Machine:
    """Set the interrupt flag; interrupts wait for one more instruction.

    The shadow exists only if the flag was clear before.
    """
    # CHECKS
    require_io_privilege(machine, cpu)
    # OPERATION
    flags = machine.vcpus[cpu].flags
    if flags & IF:
        return machine
    return update(machine, cpu, flags=flags | IF, shadow=STI_SHADOW)


@instruction("hlt", section="SDM vol. 2A, HLT", sensitive="traps")
def hlt(machine: Machine, cpu: CpuId) -> Machine:
    """Stop until an interrupt or NMI, and go on after this instruction."""
    # CHECKS
    require_ring_0(machine, cpu)
    # OPERATION
    return update(machine, cpu, halted=1)


@instruction("pushf", section="SDM vol. 2B, PUSHF", sensitive="reveals")
def pushf(machine: Machine, cpu: CpuId) -> Machine:
    """Push EFLAGS as the hardware holds it, with VM and RF clear."""
    # OPERATION
    return push(machine, cpu, machine.vcpus[cpu].flags & ~(VM | RF))


@instruction("popf", section="SDM vol. 2B, POPF", sensitive="silent")
def popf(machine: Machine, cpu: CpuId) -> Machine:
    """Pop EFLAGS; a forbidden change of IF or IOPL is dropped in silence.

    There is no shadow after it.
    """
    # OPERATION
    machine, image = pop(machine, cpu)
    flags = compute_loaded_flags(machine, cpu, image)
    return update(machine, cpu, flags=flags)


@instruction("iret", section="SDM vol. 2A, IRET", sensitive="silent")
def iret(machine: Machine, cpu: CpuId) -> Machine:
    """Return from an interrupt; NMIs are no longer blocked.

    Outside CPL 0 it does not change IOPL, and IF only where CPL <= IOPL. A
    hypervisor does not see it, so virtual blocking of NMIs stays.
    """
    # CHECKS
    vcpu = machine.vcpus[cpu]
    if vcpu.flags & NT:
        raise NotModelled("a return to another task")
    machine, eip = pop(machine, cpu)
    machine, selector = pop(machine, cpu)
    machine, image = pop(machine, cpu)
    if image & VM and not vcpu.cpl:
        raise NotModelled("V8086 mode")
    selector &= SELECTOR_BITS
    machine, to = find_return(machine, cpu, selector, eip)
    # OPERATION
    flags = compute_loaded_flags(machine, cpu, image) | image & RF
    machine = return_to(machine, cpu, to)
    virtual = machine.board.host.is_virtual(vcpu)
    blocked = vcpu.nmi_blocked if virtual else 0
    return update(machine, cpu, flags=flags, nmi_blocked=blocked)


@instruction("int", section="SDM vol. 2A, INT n")
def int_n(machine: Machine, cpu: CpuId, vector: Operand) -> Machine:
    """Enter a handler through a gate whose DPL allows it."""
    # OPERATION
    assert isinstance(vector, Immediate)  # noqa: S101 - the parser's word
    return enter(machine, cpu, vector.value & VECTOR_BITS, software=True)


@instruction("int3", section="SDM vol. 2A, INT3")
def int3(machine: Machine, cpu: CpuId) -> Machine:
    """Enter the handler of the breakpoint exception."""
    # OPERATION
    return enter(machine, cpu, BP, software=True)


@instruction("into", section="SDM vol. 2A, INTO")
def into(machine: Machine, cpu: CpuId) -> Machine:
    """Enter the handler of the overflow exception if OF is set."""
    # OPERATION
    if not machine.vcpus[cpu].flags & OF:
        return machine
    return enter(machine, cpu, OF_TRAP, software=True)


@instruction("ud2", section="SDM vol. 2B, UD2")
def ud2(machine: Machine, cpu: CpuId) -> Machine:
    """Raise the invalid-opcode exception."""
    # CHECKS
    raise GuestFault(UD)


@instruction("sysenter", section="SDM vol. 2B, SYSENTER")
def sysenter(machine: Machine, cpu: CpuId) -> Machine:
    """Enter the kernel where three MSRs say, with interrupts off.

    Under a software hypervisor it arrives there first and is passed on to
    the guest's kernel, with the virtual flag clear.
    """
    # CHECKS
    vcpu = machine.vcpus[cpu]
    msrs = dict(vcpu.msrs)
    selector = msrs.get(SYSENTER_CS, 0) & SELECTOR
    if not selector:
        raise GuestFault(GP, 0)
    # OPERATION
    cpl = machine.board.host.get_kernel_cpl(vcpu)
    machine = set_interruptible(machine, cpu, on=False)
    machine = put_flat(machine, cpu, user=False)
    return update(
        machine,
        cpu,
        eip=msrs.get(SYSENTER_EIP, 0),
        esp=msrs.get(SYSENTER_ESP, 0),
        cs=selector | cpl,
        ss=selector + STACK_AFTER_CODE | cpl,
        cpl=cpl,
    )


@instruction("sysexit", section="SDM vol. 2B, SYSEXIT", sensitive="traps")
def sysexit(machine: Machine, cpu: CpuId) -> Machine:
    """Return to user code at EDX with the stack at ECX."""
    # CHECKS
    vcpu = machine.vcpus[cpu]
    selector = dict(vcpu.msrs).get(SYSENTER_CS, 0) & SELECTOR
    if vcpu.cpl or not selector:
        raise GuestFault(GP, 0)
    # OPERATION
    machine = put_flat(machine, cpu, user=True)
    machine = update(
        machine,
        cpu,
        eip=vcpu.edx,
        esp=vcpu.ecx,
        cs=selector + USER_CODE_OFFSET | RPL,
        ss=selector + USER_STACK_OFFSET | RPL,
        cpl=USER_CPL,
    )
    return note_kernel_stack(machine, cpu)


@instruction("cpuid", section="SDM vol. 2A, CPUID", sensitive="reveals")
def cpuid(machine: Machine, cpu: CpuId) -> Machine:
    """Identify the processor, at any privilege.

    It does not trap without VMX or SVM.
    """
    # OPERATION
    leaf = machine.vcpus[cpu].eax
    eax, ebx, ecx, edx = machine.board.host.get_cpuid(machine, cpu, leaf)
    return update(machine, cpu, eax=eax, ebx=ebx, ecx=ecx, edx=edx)


@instruction("rdtsc", section="SDM vol. 2B, RDTSC", sensitive="traps")
def rdtsc(machine: Machine, cpu: CpuId) -> Machine:
    """Read the time-stamp counter; CR4.TSD keeps it to CPL 0."""
    # CHECKS
    vcpu = machine.vcpus[cpu]
    if vcpu.cr4 & CR4_TSD and vcpu.cpl:
        raise GuestFault(GP, 0)
    # OPERATION
    value = machine.board.host.get_tsc(machine, cpu)
    return _set_pair(machine, cpu, value)


@instruction("rdpmc", section="SDM vol. 2B, RDPMC", sensitive="traps")
def rdpmc(machine: Machine, cpu: CpuId) -> Machine:
    """Read a performance counter; CR4.PCE opens it outside CPL 0."""
    # CHECKS
    vcpu = machine.vcpus[cpu]
    if vcpu.cpl and not vcpu.cr4 & CR4_PCE:
        raise GuestFault(GP, 0)
    if vcpu.ecx >= len(vcpu.pmcs):
        raise GuestFault(GP, 0)
    # OPERATION
    return _set_pair(machine, cpu, vcpu.pmcs[vcpu.ecx])


@instruction("rdmsr", section="SDM vol. 2B, RDMSR", sensitive="traps")
def rdmsr(machine: Machine, cpu: CpuId) -> Machine:
    """Read the model-specific register ECX into EDX:EAX."""
    # CHECKS
    require_ring_0(machine, cpu)
    index = machine.vcpus[cpu].ecx
    value = machine.board.host.get_msr(machine, cpu, index)
    # OPERATION
    return _set_pair(machine, cpu, value)


@instruction("wrmsr", section="SDM vol. 2D, WRMSR", sensitive="traps")
def wrmsr(machine: Machine, cpu: CpuId) -> Machine:
    """Write EDX:EAX to the model-specific register ECX."""
    # CHECKS
    require_ring_0(machine, cpu)
    # OPERATION
    vcpu = machine.vcpus[cpu]
    value = vcpu.edx << HIGH | vcpu.eax
    return machine.board.host.set_msr(machine, cpu, vcpu.ecx, value)


@instruction("pause", section="SDM vol. 2B, PAUSE")
def pause(machine: Machine, cpu: CpuId) -> Machine:
    """Do nothing, as a hint to the processor."""
    # OPERATION
    return machine


@instruction("nop", section="SDM vol. 2B, NOP")
def nop(machine: Machine, cpu: CpuId) -> Machine:
    """Do nothing."""
    # OPERATION
    return machine


def _set_pair(machine: Machine, cpu: CpuId, value: int) -> Machine:
    """Write a 64-bit value to EDX:EAX."""
    high = value >> HIGH & WORD_MASK
    return update(machine, cpu, eax=value & WORD_MASK, edx=high)

"""Stack and privilege transition calls: the ways back."""

from typing import Final

from app.sim.delivery import deliver_pending
from app.sim.entry import set_interruptible
from app.sim.errors import NotModelled
from app.sim.gaps import choose_or_raise
from app.sim.machine import (
    AC,
    ARITHMETIC,
    DF,
    FIXED,
    ID,
    IF,
    KERNEL_CS,
    NT,
    USER_CPL,
    USER_CS,
    USER_DS,
    VM,
    WORD,
    CpuId,
    Machine,
    update,
)
from app.sim.registry import (
    NOTHING,
    Ecx,
    Edx,
    St0,
    St1,
    St2,
    St3,
    St4,
    St5,
    St6,
    St7,
    St8,
    call,
)

RPL: Final = 3
SELECTOR_MASK: Final = 0xFFFF
KERNEL_FRAME: Final = 3 * WORD
RESTORED: Final = ARITHMETIC | DF | NT | AC | ID


def get_user_flag(machine: Machine, eflags: int) -> bool:
    """Answer the interrupt flag with which user code goes on."""
    if eflags & IF:
        return True
    return choose_or_raise(machine, "iret_user_if") == "enabled"


@call(
    "VMI_IRET",
    number=39,
    section="A.privilege-transition",
    clobbers=NOTHING,
    native=("iret",),
)
def iret(  # noqa: PLR0913, PLR0917 - the frame is the argument table
    machine: Machine,
    cpu: CpuId,
    eip: St0,
    cs: St1,
    eflags: St2,
    esp: St3,
    ss: St4,
    es: St5,
    ds: St6,
    fs: St7,
    gs: St8,
) -> Machine:
    """Return from a trap or interrupt, with its interrupt flag, in one step.

    IOPL is not taken from the frame. What is pending is delivered in the
    state returned to. A return to user space with interrupts disabled is
    invalid and its result undefined; returns to 16-bit stacks and V8086 mode
    were left open.

    Parameters
    ----------
    eip : ST(0)
        Where to go on.
    cs : ST(1)
        Code selector; RPL 3 is user space.
    eflags : ST(2)
        Flags, with the interrupt mask at IF.
    esp : ST(3)
        Stack pointer of user space; only there.
    ss : ST(4)
        Stack selector of user space; only there.
    es : ST(5)
        Only to V8086 mode.
    ds : ST(6)
        Only to V8086 mode.
    fs : ST(7)
        Only to V8086 mode.
    gs : ST(8)
        Only to V8086 mode.

    Raises
    ------
    NotModelled
        If the frame has EFLAGS.VM set.
    Unspecified
        If it returns to user space with interrupts disabled.

    RFC Appendix A / Stack / privilege transition calls
    """
    # CHECKS
    if eflags & VM:
        raise NotModelled("V8086 mode")
    user = cs & RPL == USER_CPL
    if user and (esp is None or ss is None):
        raise NotModelled("a frame without the stack of user space")
    enabled = get_user_flag(machine, eflags) if user else bool(eflags & IF)
    # OPERATION
    vcpu = machine.vcpus[cpu]
    cpl = machine.board.host.get_kernel_cpl(vcpu)
    flags = vcpu.flags & ~RESTORED | eflags & RESTORED | FIXED
    machine = update(
        machine,
        cpu,
        eip=eip,
        cs=cs & SELECTOR_MASK if user else KERNEL_CS | cpl,
        cpl=USER_CPL if user else cpl,
        esp=esp if user else vcpu.esp + KERNEL_FRAME,
        ss=(ss or 0) & SELECTOR_MASK if user else vcpu.ss,
        flags=flags,
        nmi_blocked=0,
    )
    machine = set_interruptible(machine, cpu, on=enabled)
    # RESULT
    return deliver_pending(machine, cpu)


@call(
    "VMI_SYSEXIT",
    number=40,
    section="A.privilege-transition",
    clobbers=NOTHING,
    native=("sti", "sysexit"),
)
def sysexit(machine: Machine, cpu: CpuId, eip: Edx, esp: Ecx) -> Machine:
    """Enable interrupts and return to user space, in one step.

    What is pending is delivered there, with a return address in user code.
    The RFC calls it equivalent to SYSENTER, where SYSEXIT is meant.

    Parameters
    ----------
    eip : EDX
        Where user code goes on.
    esp : ECX
        Its stack pointer.

    RFC Appendix A / Stack / privilege transition calls
    """
    # OPERATION
    machine = update(
        machine,
        cpu,
        eip=eip,
        esp=esp,
        cs=USER_CS,
        ss=USER_DS,
        cpl=USER_CPL,
    )
    machine = set_interruptible(machine, cpu, on=True)
    # RESULT
    return deliver_pending(machine, cpu)

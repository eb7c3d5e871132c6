"""Stack and privilege transition calls: the kernel stack, the ways back."""

from typing import Final

from app.sim.delivery import deliver_pending
from app.sim.entry import get_ring, note_kernel_stack, set_interruptible
from app.sim.errors import GuestFault, NotModelled
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
    RF,
    TF,
    USER_CPL,
    USER_CS,
    USER_DS,
    VM,
    WORD,
    WORD_MASK,
    CpuId,
    Machine,
    update,
)
from app.sim.memory import store
from app.sim.registry import (
    NOTHING,
    Eax,
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
from app.sim.selectors import (
    RPL,
    SELECTOR,
    SELECTOR_BITS,
    drop_inner_segments,
    is_untouched,
    put_flat,
    put_segment,
    read_stack,
)
from app.sim.tables import ESP0
from app.sim.transfers import find_return, load_code

KERNEL_FRAME: Final = 3 * WORD
RESTORED: Final = ARITHMETIC | DF | NT | AC | ID | TF | RF


def get_user_flag(machine: Machine, eflags: int) -> bool:
    """Answer the interrupt flag with which user code goes on."""
    if eflags & IF:
        return True
    return choose_or_raise(machine, "iret_user_if") == "enabled"


@call(
    "VMI_UpdateKernelStack",
    number=19,
    section="A.privilege-transition",
    native=("mov dword ptr [eax + 4], edx",),
)
def update_kernel_stack(
    machine: Machine, cpu: CpuId, tss: Eax, esp0: Edx
) -> Machine:
    """Tell the hypervisor that the kernel's stack has changed.

    The next entry from user space uses the new value. Whether the call
    stores it in the TSS too, or the guest has done so before, is not said;
    left native it is that store.

    Parameters
    ----------
    tss : EAX
        Address of the TSS.
    esp0 : EDX
        The new top of the kernel's stack.

    Raises
    ------
    Unspecified
        As long as nobody has decided who stores the value.
    GuestFault
        If the TSS cannot be written.
    NotModelled
        If there is no memory at the TSS.

    RFC Appendix A / Stack / privilege transition calls
    """
    # CHECKS
    if choose_or_raise(machine, "esp0_store") == "stored":
        machine = store(machine, cpu, tss + ESP0 & WORD_MASK, WORD, esp0)
    # OPERATION
    return update(machine, cpu, esp0=esp0)


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
        If the frame has EFLAGS.VM set, or a segment of 16 bits.
    Unspecified
        If it returns to user space with interrupts disabled, or with
        selectors that fault.
    GuestFault
        If that is the reading of the latter.

    RFC Appendix A / Stack / privilege transition calls
    """
    # CHECKS
    if eflags & VM:
        raise NotModelled("V8086 mode")
    user = is_user_selector(machine, cpu, cs)
    if user and (esp is None or ss is None):
        raise NotModelled("a frame without the stack of user space")
    enabled = get_user_flag(machine, eflags) if user else bool(eflags & IF)
    # OPERATION
    vcpu = machine.vcpus[cpu]
    try:
        returned = _return(
            machine, cpu, (eip, cs), (esp, ss) if user else None
        )
    except GuestFault:
        if choose_or_raise(machine, "faulting_iret") == "at-call":
            raise
        return machine.replace(stopped=1)
    flags = vcpu.flags & ~RESTORED | eflags & RESTORED | FIXED
    machine = update(returned, cpu, flags=flags, nmi_blocked=0)
    machine = set_interruptible(machine, cpu, on=enabled)
    # RESULT
    return deliver_pending(machine, cpu)


def is_user_selector(machine: Machine, cpu: CpuId, selector: int) -> bool:
    """Whether a code selector is that of user space."""
    if selector & RPL != USER_CPL:
        return False
    own = selector & SELECTOR == KERNEL_CS
    return not own or get_ring(machine, cpu) != USER_CPL


def _return(
    machine: Machine,
    cpu: CpuId,
    to: tuple[int, int],
    stack: tuple[int | None, int | None] | None,
) -> Machine:
    """Load CS and EIP, and SS and ESP of user space if there is a stack."""
    eip, selector = to
    selector &= SELECTOR_BITS
    vcpu = machine.vcpus[cpu]
    ring = get_ring(machine, cpu)
    if stack is None:
        esp = vcpu.esp + KERNEL_FRAME & WORD_MASK
        machine = update(machine, cpu, esp=esp)
        selector = selector & SELECTOR | ring
        if selector == KERNEL_CS | ring:
            return update(machine, cpu, eip=eip, cs=selector)
        machine, found = find_return(machine, cpu, selector, eip)
        return load_code(machine, cpu, found)
    esp, ss = (word or 0 for word in stack)
    ss &= SELECTOR_BITS
    if (selector, ss) == (USER_CS, USER_DS) and is_untouched(machine, vcpu):
        machine = put_flat(machine, cpu, user=True)
        machine = update(machine, cpu, cs=selector, eip=eip, cpl=USER_CPL)
        machine = update(machine, cpu, ss=ss, esp=esp)
    else:
        machine, found = find_return(machine, cpu, selector, eip)
        machine, segment = read_stack(machine, cpu, ss, USER_CPL)
        machine = load_code(machine, cpu, found)
        machine = put_segment(machine, cpu, "ss", ss, segment)
        machine = update(machine, cpu, esp=esp)
    return note_kernel_stack(drop_inner_segments(machine, cpu), cpu)


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
    machine = put_flat(machine, cpu, user=True)
    machine = update(
        machine,
        cpu,
        eip=eip,
        esp=esp,
        cs=USER_CS,
        ss=USER_DS,
        cpl=USER_CPL,
    )
    machine = note_kernel_stack(machine, cpu)
    machine = set_interruptible(machine, cpu, on=True)
    # RESULT
    return deliver_pending(machine, cpu)

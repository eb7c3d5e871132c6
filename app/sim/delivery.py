"""Delivery of interrupts and exceptions through the IDT.

Arrival latches a request (`platforms`); delivery pushes the frame and enters
the handler. What is due at an instruction boundary, and whether it must be
taken there, is decided here: by the flag that counts for the guest, by the
shadows of STI and MOV SS, by NMI blocking and by the policies.

The controller is a PIC without in-service register: a line is acknowledged
when it is delivered, and the lowest line goes first.
"""

from typing import Final, NamedTuple

from app.sim.errors import GuestFault
from app.sim.machine import (
    IF,
    IOPL,
    KERNEL_CS,
    KERNEL_DS,
    MOV_SS_SHADOW,
    NO_SHADOW,
    NT,
    RF,
    STI_SHADOW,
    TF,
    USER_CPL,
    USER_CS,
    USER_DS,
    VM,
    CpuId,
    Gate,
    Host,
    Machine,
    VCpu,
    push,
    update,
)

LINES: Final = 16
IRQ_BASE: Final = 0x20

DE: Final = 0
NMI: Final = 2
BP: Final = 3
OF_TRAP: Final = 4
UD: Final = 6
DOUBLE_FAULT: Final = 8
GP: Final = 13
PAGE_FAULT: Final = 14
MACHINE_CHECK: Final = 18
_CONTRIBUTORY: Final = frozenset({DE, 10, 11, 12, GP})
_IN_IDT: Final = 2
_EXTERNAL: Final = 1
_SELECTOR_SHIFT: Final = 3

CR4_MCE: Final = 0x40
MCG_STATUS: Final = 0x17A
MCIP: Final = 0x4

NOTICED_IRQ: Final = 1
NOTICED_NMI: Final = 2
NOTICED_MCE: Final = 4


class Due(NamedTuple):
    """A delivery that is possible now; ``forced`` leaves no other step."""

    vector: int
    forced: bool
    clause: str


# ----------------------------------------------------- the flag and the ring


def is_interruptible(machine: Machine, cpu: CpuId) -> bool:
    """Whether the interrupt flag that counts for the guest is set."""
    vcpu = machine.vcpus[cpu]
    if machine.board.host.is_virtual(vcpu):
        return bool(vcpu.virtual_if)
    return bool(vcpu.flags & IF)


def set_interruptible(machine: Machine, cpu: CpuId, *, on: bool) -> Machine:
    """Set or clear the interrupt flag that counts for the guest."""
    vcpu = machine.vcpus[cpu]
    if machine.board.host.is_virtual(vcpu):
        return update(machine, cpu, virtual_if=int(on))
    return update(machine, cpu, flags=vcpu.flags & ~IF | (IF if on else 0))


def compute_flags_image(host: Host, vcpu: VCpu) -> int:
    """Compute the EFLAGS that a frame shows: the truth for the guest."""
    if not host.is_virtual(vcpu):
        return vcpu.flags
    return vcpu.flags & ~IF | (IF if vcpu.virtual_if else 0)


def settle_privilege(vcpu: VCpu, host: Host, *, user: bool) -> VCpu:
    """Put a processor in the ring and under the flag that its host uses."""
    cpl = USER_CPL if user else host.get_kernel_cpl(vcpu)
    vcpu = vcpu.replace(
        cpl=cpl,
        cs=USER_CS if user else KERNEL_CS | cpl,
        ss=USER_DS if user else KERNEL_DS | cpl,
    )
    if not host.is_virtual(vcpu):
        return vcpu
    return vcpu.replace(
        virtual_if=int(bool(vcpu.flags & IF)),
        flags=vcpu.flags & ~IOPL | IF,
    )


# ------------------------------------------------------------ what is due


def get_due(machine: Machine, cpu: CpuId) -> Due | None:
    """Answer what may be delivered before the next instruction."""
    vcpu = machine.vcpus[cpu]
    if vcpu.shutdown or machine.stopped:
        return None
    if vcpu.mce_pending:
        return Due(
            MACHINE_CHECK,
            forced=True,
            clause="SDM vol. 3A, 6.15, interrupt 18",
        )
    if vcpu.nmi_pending and not vcpu.nmi_blocked:
        due = _get_due_nmi(machine, vcpu)
        if due is not None:
            return due
    if machine.irqs and vcpu.shadow == NO_SHADOW:
        return _get_due_irq(machine, cpu)
    return None


def _get_due_nmi(machine: Machine, vcpu: VCpu) -> Due | None:
    """Answer whether a pending NMI is taken, held off, or either."""
    clause = "SDM vol. 3A, 6.7"
    if vcpu.shadow == MOV_SS_SHADOW:
        return None
    if vcpu.shadow == STI_SHADOW:
        taken = machine.board.host.choose("sti_shadow_nmi")
        if taken == "held":
            return None
        return Due(NMI, forced=taken == "taken", clause=clause)
    return Due(NMI, forced=True, clause=clause)


def _get_due_irq(machine: Machine, cpu: CpuId) -> Due | None:
    """Answer whether the first pending line is delivered."""
    if not is_interruptible(machine, cpu):
        return None
    vcpu = machine.vcpus[cpu]
    host = machine.board.host
    vector = IRQ_BASE + (machine.irqs & -machine.irqs).bit_length() - 1
    if not host.is_virtual(vcpu):
        return Due(vector, forced=True, clause="SDM vol. 3A, 6.8.1")
    if vcpu.deferred:
        return None
    forced = host.choose("interrupt_delivery") != "asynchronous"
    return Due(vector, forced=forced, clause="RFC 2.5")


def deliver_pending(machine: Machine, cpu: CpuId) -> Machine:
    """Hand over the first pending interrupt, as part of a call.

    Under asynchronous delivery the call only leaves it to be delivered.
    """
    machine = update(machine, cpu, deferred=0)
    due = get_due(machine, cpu)
    if due is None or not due.forced:
        return machine
    return deliver_due(machine, cpu, due.vector)


def deliver_on_enable(machine: Machine, cpu: CpuId) -> Machine:
    """Hand over or defer what is pending, as the policy says."""
    host = machine.board.host
    virtual = host.is_virtual(machine.vcpus[cpu])
    if not machine.irqs:
        return machine
    if virtual and host.choose("interrupt_delivery") == "explicit":
        return update(machine, cpu, deferred=1)
    return deliver_pending(machine, cpu)


# ---------------------------------------------------------------- delivery


def deliver_due(machine: Machine, cpu: CpuId, vector: int) -> Machine:
    """Acknowledge what is due and enter its handler."""
    vcpu = machine.vcpus[cpu]
    if vector == MACHINE_CHECK:
        return _deliver_machine_check(machine, cpu)
    if vector == NMI:
        machine = update(machine, cpu, nmi_pending=0, nmi_blocked=1, halted=0)
    else:
        line = 1 << (vector - IRQ_BASE)
        machine = machine.replace(irqs=machine.irqs & ~line)
        if vcpu.halted:
            machine = update(machine, cpu, halted=0)
    return deliver_exception(machine, cpu, GuestFault(vector))


def _deliver_machine_check(machine: Machine, cpu: CpuId) -> Machine:
    """Enter the handler, or shut down if the guest cannot take it."""
    vcpu = machine.vcpus[cpu]
    msrs = dict(vcpu.msrs)
    status = msrs.get(MCG_STATUS, 0)
    machine = update(machine, cpu, mce_pending=0, halted=0)
    if not vcpu.cr4 & CR4_MCE or status & MCIP:
        return update(machine, cpu, shutdown=1)
    msrs[MCG_STATUS] = status | MCIP
    machine = update(machine, cpu, msrs=tuple(sorted(msrs.items())))
    return deliver_exception(machine, cpu, GuestFault(MACHINE_CHECK))


def deliver_exception(
    machine: Machine, cpu: CpuId, fault: GuestFault
) -> Machine:
    """Enter the handler of an exception; a fault on the way may double it.

    SDM vol. 3A, 6.15, interrupt 8. Without a way out the processor shuts
    down.
    """
    try:
        return enter(machine, cpu, fault.vector, fault.error_code)
    except GuestFault as second:
        if fault.vector == DOUBLE_FAULT:
            return update(machine, cpu, shutdown=1, halted=0)
        doubles = second.vector in _CONTRIBUTORY and (
            fault.vector in _CONTRIBUTORY or fault.vector == PAGE_FAULT
        )
        following = GuestFault(DOUBLE_FAULT, 0) if doubles else second
    return deliver_exception(machine, cpu, following)


def enter(
    machine: Machine,
    cpu: CpuId,
    vector: int,
    error_code: int | None = None,
    *,
    software: bool = False,
) -> Machine:
    """Push the frame and go to the handler: SDM vol. 3A, 6.12.1.

    ``software`` is for INT n, which must pass the gate's DPL. On a software
    platform the hypervisor does the same on the guest's behalf, and the
    frame shows the virtual flag (RFC 3, item 1).
    """
    vcpu = machine.vcpus[cpu]
    host = machine.board.host
    gate = _get_gate(machine, vcpu, vector, software=software)
    image = compute_flags_image(host, vcpu)
    frame = [image, vcpu.cs, vcpu.eip]
    cpl = host.get_kernel_cpl(vcpu)
    if vcpu.cpl > cpl:
        frame = [vcpu.ss, vcpu.esp, *frame]
        machine = update(machine, cpu, esp=vcpu.esp0, ss=KERNEL_DS | cpl)
    if error_code is not None:
        frame.append(error_code)
    for word in frame:
        machine = push(machine, cpu, word)
    flags = machine.vcpus[cpu].flags & ~(TF | NT | RF | VM)
    machine = update(
        machine,
        cpu,
        eip=gate.address,
        cpl=cpl,
        cs=KERNEL_CS | cpl,
        flags=flags,
        shadow=NO_SHADOW,
    )
    if gate.trap:
        return machine
    return set_interruptible(machine, cpu, on=False)


def _get_gate(
    machine: Machine, vcpu: VCpu, vector: int, *, software: bool
) -> Gate:
    """Find the gate of a vector, or raise #GP for the lack of it."""
    gate = machine.board.gates.get(vector)
    selector = vector << _SELECTOR_SHIFT | _IN_IDT
    if gate is None:
        raise GuestFault(GP, selector | (0 if software else _EXTERNAL))
    outer = vcpu.cpl > machine.board.host.get_kernel_cpl(vcpu)
    if software and outer and gate.dpl < vcpu.cpl:
        raise GuestFault(GP, selector)
    return gate

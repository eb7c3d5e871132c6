"""Delivery of interrupts: what is due, and its acknowledgement.

Arrival latches a request (`arrivals`); delivery acknowledges it and enters
the handler (`entry`). What is due at an instruction boundary, and whether it
must be taken there, is decided here: by the flag that counts for the guest, by
the shadows of STI and MOV SS, by NMI blocking and by the policies.

The controller is a PIC without in-service register: a line is acknowledged
when it is delivered, and the lowest line goes first.
"""

from typing import Final, NamedTuple

from app.sim.entry import deliver_exception, is_interruptible
from app.sim.errors import GuestFault
from app.sim.machine import (
    MOV_SS_SHADOW,
    NO_SHADOW,
    STI_SHADOW,
    CpuId,
    Machine,
    VCpu,
    update,
)
from app.sim.vectors import MACHINE_CHECK, NMI

LINES: Final = 16
IRQ_BASE: Final = 0x20

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

"""Delivery of interrupts: what is due, and its acknowledgement.

Arrival latches a request (`arrivals`); delivery acknowledges it and enters
the handler (`entry`). What is due at an instruction boundary, and whether it
must be taken there, is decided here: by the flag that counts for the guest, by
the shadows of STI and MOV SS, by NMI blocking and by the policies.

A processor takes interrupts from its local APIC, if it has one, and the first
one takes those of the machine's interrupt controller as well. Without devices
that is one without in-service register: a line is acknowledged when it is
delivered, and the lowest line goes first. With devices it is the pair of
8259A, whose interrupts have to be ended by the handler.
"""

from typing import Final, NamedTuple

from app.sim.devices import local_apic, pic, wiring
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

BOOT: Final = 0
"""The processor to which a machine's interrupt controller is wired."""

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
    if vcpu.shadow == NO_SHADOW and (
        machine.irqs or vcpu.apic is not None or machine.devices is not None
    ):
        return _get_due_interrupt(machine, cpu)
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


def has_request(machine: Machine, cpu: CpuId) -> bool:
    """Whether an interrupt is requested that a processor might take."""
    vcpu = machine.vcpus[cpu]
    if vcpu.apic is not None and vcpu.apic.irr:
        return True
    if cpu != BOOT:
        return False
    if machine.devices is None:
        return bool(machine.irqs)
    return bool(pic.get_requests(machine.devices.pic))


def get_requested_lines(machine: Machine) -> int:
    """Answer a bit for each interrupt line whose request is latched."""
    if machine.devices is None:
        return machine.irqs
    return pic.get_requests(machine.devices.pic)


def is_serving(machine: Machine, cpu: CpuId) -> bool:
    """Whether a controller waits for a processor to end an interrupt."""
    apic = machine.vcpus[cpu].apic
    if apic is not None and apic.isr:
        return True
    if machine.devices is None or cpu != BOOT:
        return False
    first, second = machine.devices.pic
    return bool(first.isr or second.isr)


def find_vector(machine: Machine, cpu: CpuId) -> int | None:
    """Answer which vector a processor would be given now, if any."""
    apic = machine.vcpus[cpu].apic
    if apic is not None:
        vector = local_apic.find_vector(apic)
        if vector is not None:
            return vector
        if not local_apic.passes_extint(apic):
            return None
    if cpu != BOOT:
        return None
    if machine.devices is not None:
        return pic.find_vector(machine.devices.pic)
    if not machine.irqs:
        return None
    return IRQ_BASE + (machine.irqs & -machine.irqs).bit_length() - 1


def _get_due_interrupt(machine: Machine, cpu: CpuId) -> Due | None:
    """Answer whether the first request is delivered."""
    if not is_interruptible(machine, cpu):
        return None
    vector = find_vector(machine, cpu)
    if vector is None:
        return None
    vcpu = machine.vcpus[cpu]
    host = machine.board.host
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
    if not has_request(machine, cpu):
        return machine
    if virtual and host.choose("interrupt_delivery") == "explicit":
        return update(machine, cpu, deferred=1)
    return deliver_pending(machine, cpu)


# --------------------------------------------------------------- requests


def raise_line(machine: Machine, line: int) -> Machine:
    """Latch the request of an interrupt line, as an edge."""
    machine = hand_over(machine, BOOT)
    if machine.devices is None:
        return machine.replace(irqs=machine.irqs | 1 << line)
    return machine.replace(devices=wiring.pulse(machine.devices, line))


def notice(machine: Machine, kind: int) -> Machine:
    """Note that the hypervisor, if there is one, took an event."""
    if not machine.board.host.has_hypervisor:
        return machine
    return machine.replace(noticed=machine.noticed | kind)


def hand_over(machine: Machine, cpu: CpuId) -> Machine:
    """Let a hypervisor that runs now hand over what waits for a request."""
    if not machine.vcpus[cpu].deferred:
        return machine
    return update(machine, cpu, deferred=0)


def latch_nmi(machine: Machine, cpu: CpuId) -> Machine:
    """Latch an NMI, if the guest gets to see it."""
    host = machine.board.host
    if host.has_hypervisor and machine.vcpus[cpu].paravirtual:
        machine = machine.replace(noticed=machine.noticed | NOTICED_NMI)
        if host.choose("nmi") == "not-delivered":
            return machine
    return update(machine, cpu, nmi_pending=1)


# ---------------------------------------------------------------- delivery


def deliver_due(machine: Machine, cpu: CpuId, vector: int) -> Machine:
    """Acknowledge what is due and enter its handler."""
    vcpu = machine.vcpus[cpu]
    if vcpu.mce_pending and vector == MACHINE_CHECK:
        return _deliver_machine_check(machine, cpu)
    if vcpu.nmi_pending and not vcpu.nmi_blocked and vector == NMI:
        machine = update(machine, cpu, nmi_pending=0, nmi_blocked=1, halted=0)
    else:
        machine = _acknowledge(machine, cpu, vector)
        if vcpu.halted:
            machine = update(machine, cpu, halted=0)
    return deliver_exception(machine, cpu, GuestFault(vector))


def _acknowledge(machine: Machine, cpu: CpuId, vector: int) -> Machine:
    """Tell the controller that its interrupt is taken."""
    apic = machine.vcpus[cpu].apic
    if apic is not None and local_apic.find_vector(apic) == vector:
        return update(machine, cpu, apic=local_apic.acknowledge(apic, vector))
    if machine.devices is not None:
        pair, _ = pic.acknowledge(machine.devices.pic)
        return machine.replace(devices=machine.devices._replace(pic=pair))
    line = 1 << (vector - IRQ_BASE)
    return machine.replace(irqs=machine.irqs & ~line)


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

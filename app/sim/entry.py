"""Entry into handlers through the IDT, and the flag and ring of a guest.

Interrupts, exceptions and INT n push their frame and go to the handler here.
What is due, and when, is decided in `delivery`.
"""

from typing import Final

from app.sim.errors import GuestFault
from app.sim.machine import (
    IF,
    IOPL,
    KERNEL_CS,
    KERNEL_DS,
    NO_SHADOW,
    NT,
    RF,
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
    update,
)
from app.sim.memory import push
from app.sim.vectors import CONTRIBUTORY, DOUBLE_FAULT, GP, PAGE_FAULT

_IN_IDT: Final = 2
_EXTERNAL: Final = 1
_SELECTOR_SHIFT: Final = 3


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


# ------------------------------------------------------------ the way in


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
        doubles = second.vector in CONTRIBUTORY and (
            fault.vector in CONTRIBUTORY or fault.vector == PAGE_FAULT
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

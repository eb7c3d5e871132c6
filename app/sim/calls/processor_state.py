"""Processor state calls: the virtual interrupt flag, pause and halt."""

from typing import Final

from app.sim.delivery import deliver_on_enable, deliver_pending
from app.sim.entry import is_interruptible, set_interruptible
from app.sim.errors import GuestFault
from app.sim.gaps import choose_or_raise
from app.sim.machine import CpuId, Machine, update
from app.sim.paging import PAGE
from app.sim.registry import FLAGS_ONLY, Eax, Edx, call
from app.sim.startup import find_processor, read_state, restart
from app.sim.vectors import GP

REBOOT_SOFT: Final = 0
REBOOT_HARD: Final = 1
INTERRUPTS_ENABLED: Final = 0x200
"""The bit of an interrupt mask, at the position of EFLAGS.IF."""


@call(
    "VMI_DisableInterrupts",
    number=36,
    section="A.processor-state",
    clobbers=FLAGS_ONLY,
    native=("cli",),
)
def disable_interrupts(machine: Machine, cpu: CpuId) -> Machine:
    """Clear the virtual interrupt flag.

    Maskable interrupts are held pending for this processor. The hardware's
    own flag stays on, so the hypervisor goes on running.

    RFC Appendix A / Processor state calls
    """
    # OPERATION
    return set_interruptible(machine, cpu, on=False)


@call(
    "VMI_EnableInterrupts",
    number=35,
    section="A.processor-state",
    clobbers=FLAGS_ONLY,
    native=("sti",),
)
def enable_interrupts(machine: Machine, cpu: CpuId) -> Machine:
    """Set the virtual interrupt flag and deliver what is pending.

    The handler runs before the call returns: there is no shadow of one
    instruction as after STI. Whether delivery ought to be obligatory is left
    open in the RFC; the policy ``interrupt_delivery`` has the alternatives.

    RFC Appendix A / Processor state calls
    """
    # OPERATION
    machine = set_interruptible(machine, cpu, on=True)
    # RESULT
    return deliver_on_enable(machine, cpu)


@call(
    "VMI_GetInterruptMask",
    number=37,
    section="A.processor-state",
    clobbers=FLAGS_ONLY,
    native=("pushf", "pop eax"),
)
def get_interrupt_mask(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Report the virtual interrupt flag as a mask.

    Bits other than 0x200 are not defined by the RFC, and clear here. Where
    the call is left native the other flags are in them.

    Returns
    -------
    mask : EAX
        Bit 0x200 is set if interrupts are enabled.

    RFC Appendix A / Processor state calls
    """
    # RESULT
    enabled = is_interruptible(machine, cpu)
    return machine, INTERRUPTS_ENABLED if enabled else 0


@call(
    "VMI_SetInterruptMask",
    number=38,
    section="A.processor-state",
    clobbers=FLAGS_ONLY,
    native=("push eax", "popf"),
)
def set_interrupt_mask(machine: Machine, cpu: CpuId, mask: Eax) -> Machine:
    """Set the virtual interrupt flag from a mask.

    If the new state allows interrupts, what is pending is delivered as part
    of the call, as with VMI_EnableInterrupts.

    Parameters
    ----------
    mask : EAX
        Bit 0x200 enables interrupts; no other bit has a stated effect.

    RFC Appendix A / Processor state calls
    """
    # OPERATION
    enabled = bool(mask & INTERRUPTS_ENABLED)
    machine = set_interruptible(machine, cpu, on=enabled)
    # RESULT
    return deliver_on_enable(machine, cpu) if enabled else machine


@call(
    "VMI_DeliverInterrupts",
    number=None,
    section="A.processor-state",
    clobbers=FLAGS_ONLY,
)
def deliver_interrupts(machine: Machine, cpu: CpuId) -> Machine:
    """Enable interrupts and deliver what is pending.

    Proposed only, without prototype, registers or number: if it existed,
    VMI_EnableInterrupts and VMI_SetInterruptMask would stop delivering,
    which is the policy ``interrupt_delivery = explicit``. The clobbers are
    taken to be those of its neighbours.

    RFC Appendix A / Processor state calls
    """
    # OPERATION
    machine = set_interruptible(machine, cpu, on=True)
    # RESULT
    return deliver_pending(machine, cpu)


@call(
    "VMI_Pause",
    number=41,
    section="A.processor-state",
    native=("pause",),
)
def pause(machine: Machine, cpu: CpuId) -> Machine:
    """Give up the processor for a moment.

    Nothing of the guest's state changes but what every call may clobber.

    RFC Appendix A / Processor state calls
    """
    # RESULT
    return machine


@call(
    "VMI_Halt",
    number=42,
    section="A.processor-state",
    native=("sti", "hlt"),
)
def halt(machine: Machine, cpu: CpuId) -> Machine:
    """Enable interrupts and halt, in one step.

    A wake-up cannot fall between the two: if something is pending it is
    delivered and the processor does not halt. Any interrupt ends the halt.

    RFC Appendix A / Processor state calls
    """
    # OPERATION
    machine = set_interruptible(machine, cpu, on=True)
    machine = update(machine, cpu, halted=1)
    # RESULT
    return deliver_pending(machine, cpu)


@call(
    "VMI_Reboot",
    number=43,
    section="A.processor-state",
)
def reboot(machine: Machine, cpu: CpuId, how: Eax) -> Machine:
    """Restart the virtual machine.

    A hard reboot is like a hardware reset; a soft one like the receipt of an
    INIT message, where part of the state of APIC and control registers
    survives. Which part is not listed, nor what another mode does. What
    happens afterwards is the firmware's affair: here the machine ends.

    Parameters
    ----------
    how : EAX
        0 soft, 1 hard.

    Raises
    ------
    Unspecified
        If the mode is neither, or soft: what survives is not said.

    RFC Appendix A / Processor state calls
    """
    # CHECKS
    if how > REBOOT_HARD and (
        choose_or_raise(machine, "reboot_mode") == "ignored"
    ):
        return machine
    survives = how == REBOOT_SOFT and (
        choose_or_raise(machine, "soft_reboot") == "as-init"
    )
    # OPERATION
    return restart(machine, initialize=survives)


@call(
    "VMI_Shutdown",
    number=44,
    section="A.processor-state",
    native=("cli", "hlt"),
)
def shutdown(machine: Machine, cpu: CpuId) -> Machine:
    """Halt with interrupts disabled, which stands for powering off.

    The call does not come back. That nothing else ends the halt either, such
    as an NMI, is taken from "power off"; the native instructions leave a
    processor that an NMI wakes.

    RFC Appendix A / Processor state calls
    """
    # OPERATION
    machine = set_interruptible(machine, cpu, on=False)
    # RESULT
    return update(machine, cpu, halted=1, shutdown=1)


@call(
    "VMI_SetInitialAPState",
    number=75,
    section="A.processor-state",
)
def set_initial_ap_state(
    machine: Machine, cpu: CpuId, state: Eax, apic_id: Edx
) -> Machine:
    """Set the state in which another processor begins.

    It is taken when the STARTUP message arrives there; the order is the INIT
    message, this call, the STARTUP message. An invalid or missing state is
    noticed only by the processor not starting. The prototype lacks VMICALL,
    but the registers are those of that convention. Its text speaks of a
    linear address; Linux of the time passes a physical one, which would read
    something else.

    Parameters
    ----------
    state : EAX, address
        Where the structure APState lies, page-aligned and linear.
    apic_id : EDX
        The number of the processor's local APIC.

    Raises
    ------
    Unspecified
        If the address is not page-aligned, or nobody has the number.
    GuestFault
        #GP if that is the reading of it, #PF if the structure is not mapped.
    NotModelled
        If there is no memory at the address.

    RFC Appendix A / Processor state calls
    """
    # CHECKS
    target = find_processor(machine, apic_id)
    if target is None or target == cpu:
        if choose_or_raise(machine, "ap_state_nobody") == "fault":
            raise GuestFault(GP, 0)
        return machine
    if state % PAGE and (
        choose_or_raise(machine, "ap_state_place") == "ignored"
    ):
        return machine
    machine, words = read_state(machine, cpu, state)
    # OPERATION
    return update(machine, target, ap_state=words)

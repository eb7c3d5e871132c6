"""Processor state calls: the virtual interrupt flag, pause and halt."""

from typing import Final

from app.sim.delivery import deliver_on_enable, deliver_pending
from app.sim.entry import is_interruptible, set_interruptible
from app.sim.machine import CpuId, Machine, update
from app.sim.registry import FLAGS_ONLY, Eax, call

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

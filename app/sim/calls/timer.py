"""Timer calls: wall clock, cycle counters, alarms."""

from typing import Final

from app.sim.apic import require_apic
from app.sim.delivery import BOOT
from app.sim.gaps import choose_or_raise
from app.sim.machine import Alarm, CpuId, Machine
from app.sim.registry import Eax, EcxEdx, EdxEax, St1St0, call
from app.sim.timekeeping import (
    AVAILABLE,
    BY_CONTROLLER,
    BY_LVTT,
    BY_OWN_IRQ0,
    STOLEN,
    fire_alarms,
    get_counter,
    set_alarm_slot,
)

COUNTER_MASK: Final = 0xFF
WIRED_LVTT: Final = 0x0001_0000
IS_PERIODIC: Final = 0x0000_0100
NAMED_BITS: Final = COUNTER_MASK | WIRED_LVTT | IS_PERIODIC


def is_refused(machine: Machine, flags: int) -> bool:
    """Whether flags with bits that have no name make a call do nothing."""
    if not flags & ~NAMED_BITS:
        return False
    return choose_or_raise(machine, "alarm_flags") == "refused"


def choose_wiring(machine: Machine, cpu: CpuId, flags: int) -> int:
    """Answer how an alarm is wired: IRQ 0, own IRQ 0, or the APIC's timer."""
    if flags & WIRED_LVTT:
        require_apic(machine, cpu)
        return BY_LVTT
    if cpu == BOOT:
        return BY_CONTROLLER
    if choose_or_raise(machine, "alarm_irq0") == "first":
        return BY_CONTROLLER
    require_apic(machine, cpu)
    return BY_OWN_IRQ0


@call("VMI_GetWallclockTime", number=83, section="A.timer")
def get_wallclock_time(machine: Machine, cpu: CpuId) -> tuple[Machine, EdxEax]:
    """Answer the time of day.

    It follows the corrections of the host's clock.

    Returns
    -------
    time : EDX:EAX, nanoseconds
        Since 1970-01-01T00:00:00Z.

    RFC Appendix A / Timer calls
    """
    # RESULT
    return machine, machine.wallclock


@call("VMI_WallclockUpdated", number=84, section="A.timer")
def wallclock_updated(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Answer whether wall clock and real time have drifted apart.

    Reading clears the answer. Whether it is kept for the machine or for each
    processor is not said.

    Returns
    -------
    updated : EAX
        1 if they have since this call was last made, else 0.

    Raises
    ------
    Unspecified
        If there are several processors, and they have drifted apart.

    RFC Appendix A / Timer calls
    """
    # CHECKS
    updated = machine.wallclock_updated
    left = updated & ~(1 << cpu)
    if left and choose_or_raise(machine, "wallclock_updated") == "machine":
        left = 0
    # RESULT
    answer = int(left != updated)
    return machine.replace(wallclock_updated=left), answer


@call("VMI_GetCycleFrequency", number=79, section="A.timer")
def get_cycle_frequency(
    machine: Machine, cpu: CpuId
) -> tuple[Machine, EdxEax]:
    """Answer the number of cycles in a second.

    Returns
    -------
    frequency : EDX:EAX, cycles per second
        Fixed until paravirtual mode is entered again.

    RFC Appendix A / Timer calls
    """
    # RESULT
    return machine, machine.board.frequency


@call("VMI_GetCycleCounter", number=80, section="A.timer")
def get_cycle_counter(
    machine: Machine, cpu: CpuId, counter: Eax
) -> tuple[Machine, EdxEax]:
    """Answer one of the three cycle counters.

    At every moment real time is available plus stolen time.

    Parameters
    ----------
    counter : EAX
        0 real, 1 available, 2 stolen.

    Returns
    -------
    cycles : EDX:EAX, cycles
        The counter; 0 for an unknown one.

    RFC Appendix A / Timer calls
    """
    # RESULT
    if counter > STOLEN:
        return machine, 0
    return machine, get_counter(machine, cpu, counter)


@call("VMI_SetAlarm", number=81, section="A.timer")
def set_alarm(
    machine: Machine,
    cpu: CpuId,
    flags: Eax,
    expiry: EcxEdx,
    period: St1St0,
) -> Machine:
    """Arm the alarm on one counter, in place of an older one.

    With period 0 it is a one-shot whatever the mode says. An expiry that is
    already reached fires at once. The RFC marks the format of the flags as
    still to be defined and prints both stack words as the expiry, where the
    period must be meant. The counter for which it does nothing is called
    VMI_ALARM_STOLEN, a name that nothing defines; VMI_CYCLES_STOLEN must be
    meant.

    Parameters
    ----------
    flags : EAX
        Counter, wiring (IRQ 0 or the APIC's timer) and mode.
    expiry : ECX:EDX, cycles
        Value of the counter at which it fires.
    period : ST(1):ST(0), cycles
        Distance of the later ones, in periodic mode.

    Raises
    ------
    Unspecified
        If the flags have bits without a name, or if an alarm of another than
        the first processor is wired to IRQ 0.
    NotModelled
        If it needs a local APIC and the question has none.

    RFC Appendix A / Timer calls
    """
    # CHECKS
    counter = flags & COUNTER_MASK
    if counter > AVAILABLE or is_refused(machine, flags):
        return machine
    wiring = choose_wiring(machine, cpu, flags)
    # OPERATION
    periodic = bool(flags & IS_PERIODIC)
    alarm = Alarm(expiry, period if periodic else 0, wiring)
    machine = set_alarm_slot(machine, cpu, counter, alarm)
    # RESULT
    return fire_alarms(machine, cpu)


@call("VMI_CancelAlarm", number=82, section="A.timer")
def cancel_alarm(
    machine: Machine, cpu: CpuId, flags: Eax
) -> tuple[Machine, Eax]:
    """Disarm the alarm on one counter.

    Parameters
    ----------
    flags : EAX
        0 for the alarm on real time, 1 for that on available time.

    Returns
    -------
    armed : EAX
        1 if it was armed; 0 if it was not, or was a one-shot that has
        fired, even if the guest has not seen its interrupt.

    Raises
    ------
    Unspecified
        If the flags have bits without a name.

    RFC Appendix A / Timer calls
    """
    # CHECKS
    counter = flags & COUNTER_MASK
    if counter > AVAILABLE or is_refused(machine, flags):
        return machine, 0
    # OPERATION
    armed = machine.vcpus[cpu].alarms[counter] is not None
    machine = set_alarm_slot(machine, cpu, counter, None)
    # RESULT
    return machine, int(armed)

"""Time: cycles, the wall clock and the alarms.

Time stands still unless something says that it passes: an event, or a number
of cycles per instruction that a scenario asks for. So the clock does not
multiply the states of a question in which it plays no part.
"""

from typing import Final

from app.sim.machine import Alarm, CpuId, Machine, set_vcpu, update

REAL: Final = 0
AVAILABLE: Final = 1
STOLEN: Final = 2
ALARM_LINE: Final = 1
NANOSECONDS: Final = 1_000_000_000
_COUNTER_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


def get_counter(machine: Machine, cpu: CpuId, counter: int) -> int:
    """Read a cycle counter; RFC 2.12: real == stolen + available."""
    stolen = machine.vcpus[cpu].stolen
    if counter == STOLEN:
        return stolen
    return machine.real - stolen if counter == AVAILABLE else machine.real


def advance(machine: Machine, cycles: int, *, stolen: bool = False) -> Machine:
    """Let cycles pass, as stolen ones or while the processors run."""
    frequency = machine.board.frequency
    machine = machine.replace(
        real=(machine.real + cycles) & _COUNTER_MASK,
        wallclock=machine.wallclock + cycles * NANOSECONDS // frequency,
    )
    for cpu, vcpu in enumerate(machine.vcpus):
        passed = vcpu.replace(
            tsc=(vcpu.tsc + cycles) & _COUNTER_MASK,
            stolen=vcpu.stolen + (cycles if stolen else 0),
        )
        machine = set_vcpu(machine, cpu, passed)
        machine = fire_alarms(machine, cpu)
    return machine


def suspend(machine: Machine) -> list[Machine]:
    """Suspend and resume: RFC 2.12.

    Real time stands still, the wall clock goes on and has drifted from it.
    The processor's own counter may have gone on or may have begun anew.
    """
    seconds = machine.board.suspend_seconds
    later = machine.replace(
        wallclock=machine.wallclock + seconds * NANOSECONDS,
        wallclock_updated=1,
    )
    if machine.board.host.hides_tsc():
        return [later]
    went_on = seconds * machine.board.frequency
    return [_shift_tsc(later, went_on), _shift_tsc(later, None)]


def _shift_tsc(machine: Machine, cycles: int | None) -> Machine:
    """Let each processor's counter go on, or begin at zero."""
    for cpu, vcpu in enumerate(machine.vcpus):
        tsc = 0 if cycles is None else (vcpu.tsc + cycles) & _COUNTER_MASK
        machine = update(machine, cpu, tsc=tsc)
    return machine


def fire_alarms(machine: Machine, cpu: CpuId) -> Machine:
    """Fire the alarms whose expiry is reached.

    A one-shot alarm disarms itself. A periodic one goes to the first member
    of its sequence that lies ahead, so missed periods are not made up.
    """
    for counter, alarm in enumerate(machine.vcpus[cpu].alarms):
        now = get_counter(machine, cpu, counter)
        if alarm is None or now < alarm.expiry:
            continue
        machine = machine.replace(irqs=machine.irqs | ALARM_LINE)
        following = None
        if alarm.period:
            missed = (now - alarm.expiry) // alarm.period + 1
            expiry = alarm.expiry + missed * alarm.period
            following = Alarm(expiry, alarm.period)
        machine = set_alarm_slot(machine, cpu, counter, following)
    return machine


def set_alarm_slot(
    machine: Machine, cpu: CpuId, counter: int, alarm: Alarm | None
) -> Machine:
    """Arm or disarm the alarm on one counter."""
    alarms = list(machine.vcpus[cpu].alarms)
    alarms[counter] = alarm
    return update(machine, cpu, alarms=tuple(alarms))


def wait_for_alarm(machine: Machine) -> list[Machine]:
    """Let time pass until the next alarm of any processor expires."""
    ahead = [
        alarm.expiry - get_counter(machine, cpu, counter)
        for cpu, vcpu in enumerate(machine.vcpus)
        for counter, alarm in enumerate(vcpu.alarms)
        if alarm is not None
    ]
    return [advance(machine, min(ahead))] if ahead else []

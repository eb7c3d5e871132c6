"""Time: cycles, the wall clock, the alarms and the devices' timers.

Time stands still unless something says that it passes: an event, or a number
of cycles per instruction that a scenario asks for. So the clock does not
multiply the states of a question in which it plays no part.

At each moment a processor runs, is halted, or is ready: it would run and the
hypervisor lets it wait (RFC 2.12). Who is kept waiting is said to `advance`.
"""

from collections.abc import Collection
from enum import Enum
from typing import Final

from app.sim.delivery import (
    BOOT,
    IRQ_BASE,
    NOTICED_IRQ,
    get_due,
    hand_over,
    notice,
    raise_line,
)
from app.sim.devices import advance as advance_devices
from app.sim.devices import get_next_expiry, local_apic
from app.sim.devices.pit import FREQUENCY as TICKS_PER_SECOND
from app.sim.errors import NotModelled
from app.sim.machine import Alarm, CpuId, Machine, set_vcpu, update

REAL: Final = 0
AVAILABLE: Final = 1
STOLEN: Final = 2
ALARM_LINE: Final = 0
BY_CONTROLLER: Final = 0
BY_LVTT: Final = 1
BY_OWN_IRQ0: Final = 2
"""How an alarm is wired: to IRQ 0 of the interrupt controller, to the entry
of the timer in the local APIC, or to its own processor as that of IRQ 0.
"""
NANOSECONDS: Final = 1_000_000_000
_COUNTER_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


class State(Enum):
    """What a processor does at a moment: RFC 2.12."""

    RUNNING = "running"
    HALTED = "halted"
    READY = "ready"


def get_state(machine: Machine, cpu: CpuId, *, kept_waiting: bool) -> State:
    """Answer the state of a processor that waits for its turn, or does not.

    A halted one is halted only as long as nothing is pending for it; then it
    is ready, and runs as soon as the hypervisor lets it.
    """
    vcpu = machine.vcpus[cpu]
    idle = vcpu.halted or vcpu.startup or vcpu.shutdown
    if idle and get_due(machine, cpu) is None and not _has_alarm(machine, cpu):
        return State.HALTED
    return State.READY if kept_waiting else State.RUNNING


def _has_alarm(machine: Machine, cpu: CpuId) -> bool:
    """Whether the expiry of an alarm is reached that has not fired."""
    return any(
        alarm is not None
        and get_counter(machine, cpu, counter) >= alarm.expiry
        for counter, alarm in enumerate(machine.vcpus[cpu].alarms)
    )


def get_counter(machine: Machine, cpu: CpuId, counter: int) -> int:
    """Read a cycle counter; RFC 2.12: real == stolen + available."""
    stolen = machine.vcpus[cpu].stolen
    if counter == STOLEN:
        return stolen
    return machine.real - stolen if counter == AVAILABLE else machine.real


def get_ticks(machine: Machine) -> int:
    """Read the time in ticks of the interval timer."""
    return machine.real * TICKS_PER_SECOND // machine.board.frequency


# ---------------------------------------------------------- time that passes


def advance(
    machine: Machine, cycles: int, *, waiting: Collection[CpuId] = ()
) -> Machine:
    """Let cycles pass; ``waiting`` is whom the hypervisor does not let run.

    One of these that is halted becomes ready as soon as something is pending
    for it; what is ready has its time stolen. Alarms fire on processors that
    run, and a halted one runs when its alarm wakes it.
    """
    frequency = machine.board.frequency
    nanoseconds = cycles * NANOSECONDS // frequency
    machine = machine.replace(wallclock=machine.wallclock + nanoseconds)
    while cycles > 0:
        span = min(cycles, _find_boundary(machine, waiting) or cycles)
        machine = _pass(machine, span, waiting)
        cycles -= span
    return machine


def _find_boundary(machine: Machine, waiting: Collection[CpuId]) -> int | None:
    """Find in how many cycles a halted processor may become ready."""
    if not waiting:
        return None
    ahead = [
        *_list_alarms_ahead(machine, waiting),
        *_list_timers_ahead(machine),
    ]
    return min((cycles for cycles in ahead if cycles > 0), default=None)


def _pass(
    machine: Machine, cycles: int, waiting: Collection[CpuId]
) -> Machine:
    """Let cycles pass in which nobody's state changes."""
    ready = [
        cpu in waiting
        and get_state(machine, cpu, kept_waiting=True) is State.READY
        for cpu in range(len(machine.vcpus))
    ]
    machine = machine.replace(real=(machine.real + cycles) & _COUNTER_MASK)
    ticks = cycles
    migration = machine.board.migration
    if migration is not None and machine.moved:
        ticks = cycles * migration.frequency // machine.board.frequency
    for cpu, vcpu in enumerate(machine.vcpus):
        passed = vcpu.replace(
            tsc=(vcpu.tsc + ticks) & _COUNTER_MASK,
            stolen=vcpu.stolen + (cycles if ready[cpu] else 0),
        )
        machine = set_vcpu(machine, cpu, passed)
    machine = fire_timers(machine)
    for cpu in range(len(machine.vcpus)):
        if cpu not in waiting:
            machine = fire_alarms(machine, cpu)
    return machine


def steal(machine: Machine) -> list[Machine]:
    """Let the hypervisor run someone else for a while, where there is one.

    Afterwards all processors run again, and alarms that had to wait fire.
    """
    board = machine.board
    if not board.host.has_hypervisor:
        return []
    everybody = range(len(machine.vcpus))
    machine = advance(machine, board.steal_cycles, waiting=everybody)
    for cpu in everybody:
        machine = fire_alarms(machine, cpu)
    return [machine]


def suspend(machine: Machine) -> list[Machine]:
    """Suspend and resume: RFC 2.12.

    Real time stands still, the wall clock goes on and has drifted from it.
    The processor's own counter may have gone on or may have begun anew.
    """
    seconds = machine.board.suspend_seconds
    later = machine.replace(
        wallclock=machine.wallclock + seconds * NANOSECONDS,
        wallclock_updated=_tell_all(machine),
    )
    if machine.board.host.hides_tsc():
        return [later]
    went_on = seconds * machine.board.frequency
    return [_shift_tsc(later, went_on), _shift_tsc(later, None)]


def migrate(machine: Machine) -> list[Machine]:
    """Move to another host, once: RFC 2.12.

    Real time stands still meanwhile and keeps its unit afterwards. The
    processor's own counter is that of the new host, and runs at its rate; an
    offset hides the step, not the rate.
    """
    board = machine.board
    migration = board.migration
    if migration is None:
        raise NotModelled('the other host where [start] has no "migrate"')
    if machine.moved or not board.host.has_hypervisor:
        return []
    machine = machine.replace(
        moved=1,
        wallclock=machine.wallclock + migration.seconds * NANOSECONDS,
        wallclock_updated=_tell_all(machine)
        if migration.seconds
        else machine.wallclock_updated,
    )
    if board.host.hides_tsc():
        return [machine]
    for cpu in range(len(machine.vcpus)):
        machine = update(machine, cpu, tsc=migration.tsc)
    return [machine]


def _tell_all(machine: Machine) -> int:
    """Answer a bit for each processor that has yet to be told of a drift."""
    return (1 << len(machine.vcpus)) - 1


def _shift_tsc(machine: Machine, cycles: int | None) -> Machine:
    """Let each processor's counter go on, or begin at zero."""
    for cpu, vcpu in enumerate(machine.vcpus):
        tsc = 0 if cycles is None else (vcpu.tsc + cycles) & _COUNTER_MASK
        machine = update(machine, cpu, tsc=tsc)
    return machine


# ------------------------------------------------------ alarms and timers


def fire_alarms(machine: Machine, cpu: CpuId) -> Machine:
    """Fire the alarms whose expiry is reached.

    A one-shot alarm disarms itself. A periodic one goes to the first member
    of its sequence that lies ahead, so missed periods are not made up.
    """
    for counter, alarm in enumerate(machine.vcpus[cpu].alarms):
        now = get_counter(machine, cpu, counter)
        if alarm is None or now < alarm.expiry:
            continue
        machine = _signal(machine, cpu, alarm)
        following = None
        if alarm.period:
            missed = (now - alarm.expiry) // alarm.period + 1
            expiry = alarm.expiry + missed * alarm.period
            following = alarm._replace(expiry=expiry)
        machine = set_alarm_slot(machine, cpu, counter, following)
    return machine


def _signal(machine: Machine, cpu: CpuId, alarm: Alarm) -> Machine:
    """Signal the interrupt controller to which an alarm is wired.

    The hypervisor does it, when a timer of the hardware has told it to.
    """
    machine = notice(machine, NOTICED_IRQ)
    if alarm.wiring == BY_CONTROLLER:
        return raise_line(machine, ALARM_LINE)
    apic = machine.vcpus[cpu].apic
    assert apic is not None  # noqa: S101 - VMI_SetAlarm sees to it
    if alarm.wiring == BY_LVTT:
        apic = local_apic.accept_local(apic, local_apic.LVT_TIMER)
    else:
        apic = local_apic.accept(apic, IRQ_BASE + ALARM_LINE)
    return update(machine, cpu, apic=apic, deferred=0)


def fire_timers(machine: Machine) -> Machine:
    """Let the timers of the devices and of the APICs expire."""
    devices = machine.devices
    if devices is not None and get_next_expiry(devices) is not None:
        devices = advance_devices(devices, get_ticks(machine))
        if devices is not machine.devices:
            machine = hand_over(machine.replace(devices=devices), BOOT)
            machine = notice(machine, NOTICED_IRQ)
    for cpu, vcpu in enumerate(machine.vcpus):
        if vcpu.apic is not None and vcpu.apic.expiry is not None:
            apic = local_apic.advance(vcpu.apic, machine.real)
            if apic is not vcpu.apic:
                machine = update(machine, cpu, apic=apic, deferred=0)
                machine = notice(machine, NOTICED_IRQ)
    return machine


def set_alarm_slot(
    machine: Machine, cpu: CpuId, counter: int, alarm: Alarm | None
) -> Machine:
    """Arm or disarm the alarm on one counter."""
    alarms = list(machine.vcpus[cpu].alarms)
    alarms[counter] = alarm
    return update(machine, cpu, alarms=tuple(alarms))


def _list_alarms_ahead(machine: Machine, cpus: Collection[CpuId]) -> list[int]:
    """List in how many cycles the alarms of some processors expire."""
    return [
        alarm.expiry - get_counter(machine, cpu, counter)
        for cpu in cpus
        for counter, alarm in enumerate(machine.vcpus[cpu].alarms)
        if alarm is not None
    ]


def _list_timers_ahead(machine: Machine) -> list[int]:
    """List in how many cycles the timers of the devices expire."""
    ahead = [
        vcpu.apic.expiry - machine.real
        for vcpu in machine.vcpus
        if vcpu.apic is not None and vcpu.apic.expiry is not None
    ]
    tick = get_next_expiry(machine.devices) if machine.devices else None
    if tick is not None:
        cycles = -(-tick * machine.board.frequency // TICKS_PER_SECOND)
        ahead.append(cycles - machine.real)
    return ahead


def wait_for_alarm(machine: Machine) -> list[Machine]:
    """Let time pass until the next alarm of any processor expires."""
    ahead = _list_alarms_ahead(machine, range(len(machine.vcpus)))
    return [advance(machine, min(ahead))] if ahead else []


def wait_for_timer(machine: Machine) -> list[Machine]:
    """Let time pass until the next timer of a device expires."""
    ahead = _list_timers_ahead(machine)
    return [advance(machine, min(ahead))] if ahead else []

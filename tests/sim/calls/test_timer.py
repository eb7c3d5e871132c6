"""Timer calls (RFC Appendix A / Timer calls; RFC 2.12)."""

import pytest

from app.sim.apic import require_apic, write_register
from app.sim.errors import NotModelled, Unspecified
from app.sim.machine import Alarm, Machine, update
from app.sim.registry import CALLS, perform_call
from app.sim.start import Start
from app.sim.timekeeping import suspend
from tests.sim.guest import build, get_vcpu, make_call

START = Start(
    real=1000, stolen=300, wallclock=0x2_0000_0003, frequency=0x1_0000_0000
)


def _software() -> Machine:
    return build(platform="software", start=START)


def test_get_wallclock_time() -> None:
    """Nanoseconds since 1970 come in EDX:EAX."""
    made = make_call(_software(), "VMI_GetWallclockTime")
    assert made.results == {"time": 0x2_0000_0003}


def test_wallclock_updated() -> None:
    """It answers 1 once."""
    machine = _software().replace(wallclock_updated=1)
    made = make_call(machine, "VMI_WallclockUpdated")
    assert made.results == {"updated": 1}
    made = make_call(made.after, "VMI_WallclockUpdated")
    assert made.results == {"updated": 0}


def test_get_cycle_frequency() -> None:
    """Cycles a second come in EDX:EAX."""
    made = make_call(_software(), "VMI_GetCycleFrequency")
    assert made.results == {"frequency": 0x1_0000_0000}


@pytest.mark.parametrize(
    ("counter", "cycles"),
    [(0, 1000), (1, 700), (2, 300), (3, 0), (0xFFFF_FFFF, 0)],
)
def test_get_cycle_counter(counter: int, cycles: int) -> None:
    """Real is available plus stolen; an unknown counter is 0."""
    made = make_call(_software(), "VMI_GetCycleCounter", eax=counter)
    assert made.results == {"cycles": cycles}


@pytest.mark.parametrize(
    ("flags", "alarms"),
    [
        (0x000, (Alarm(2000, 0), None)),
        (0x100, (Alarm(2000, 50), None)),
        (0x101, (None, Alarm(2000, 50))),
        (0x002, (None, None)),
        (0x0FF, (None, None)),
    ],
)
def test_set_alarm(
    flags: int, alarms: tuple[Alarm | None, Alarm | None]
) -> None:
    """It arms one of two alarms; for another counter it does nothing."""
    made = make_call(
        _software(), "VMI_SetAlarm", eax=flags, edx=2000, st0=50, st1=0
    )
    assert get_vcpu(made.after).alarms == alarms


def test_set_alarm_of_the_past_fires_at_once() -> None:
    """It fires as soon as the counter is at or over the expiry."""
    made = make_call(
        _software(), "VMI_SetAlarm", eax=0, edx=1000, st0=0, st1=0
    )
    assert made.after.irqs == 1
    assert get_vcpu(made.after).alarms == (None, None)


def build_smp(**policies: str) -> Machine:
    """Build two processors, each with a local APIC."""
    start = Start(
        real=1000, apic=True, processors=(Start(),), suspend_seconds=1
    )
    return build(platform="software", start=start, policies=policies)


def call_on(
    machine: Machine, cpu: int, name: str, **registers: int
) -> Machine:
    """Make a call on one of several processors."""
    machine = update(machine, cpu, **registers)
    return perform_call(machine, cpu, CALLS[name])


def test_set_alarm_on_the_timer_of_the_apic() -> None:
    """The wiring is kept with the alarm, which fires as that timer."""
    machine = update(build_smp(), 0, stack=(0, 0))
    machine = update(machine, 0, esp=get_vcpu(machine).esp - 8)
    machine = write_register(machine, 0, 0x320, 0x50)
    machine = call_on(
        machine, 0, "VMI_SetAlarm", eax=0x1_0000, ecx=0, edx=1000
    )
    assert require_apic(machine, 0).irr == 1 << 0x50
    assert machine.irqs == 0


def test_set_alarm__refused__apic() -> None:
    """Without a local APIC there is no timer to be wired to."""
    with pytest.raises(NotModelled, match="apic = true"):
        make_call(_software(), "VMI_SetAlarm", eax=0x1_0000, st0=0, st1=0)


@pytest.mark.parametrize("flags", [0x200, 0x2_0000, 0x8000_0101])
def test_set_alarm__unspecified__flags(flags: int) -> None:
    """The format of the flags is still to be defined: a gap."""
    with pytest.raises(Unspecified, match="format of an alarm's flags"):
        make_call(_software(), "VMI_SetAlarm", eax=flags, st0=0, st1=0)
    with pytest.raises(Unspecified, match="format of an alarm's flags"):
        make_call(_software(), "VMI_CancelAlarm", eax=flags)
    for reading, armed in (("ignored", 1), ("refused", 0)):
        machine = build(
            platform="software",
            start=START,
            policies={"alarm_flags": reading},
        )
        made = make_call(
            machine, "VMI_SetAlarm", eax=flags, edx=2000, st0=0, st1=0
        )
        assert get_vcpu(made.after).alarms.count(None) == 2 - armed
        made = make_call(made.after, "VMI_CancelAlarm", eax=flags)
        assert made.results == {"armed": armed}


def test_set_alarm__unspecified__irq0_elsewhere() -> None:
    """IRQ 0 goes to the first processor, an alarm to its own: a gap."""
    results = {}
    for reading in ("unspecified", "first", "own"):
        machine = build_smp(alarm_irq0=reading)
        machine = update(
            machine, 1, stack=(0, 0), esp=machine.vcpus[1].esp - 8
        )
        if reading == "unspecified":
            with pytest.raises(Unspecified, match="another than the first"):
                call_on(machine, 1, "VMI_SetAlarm", eax=0, ecx=0, edx=0)
            continue
        after = call_on(machine, 1, "VMI_SetAlarm", eax=0, ecx=0, edx=0)
        results[reading] = (after.irqs, require_apic(after, 1).irr)
    assert results == {"first": (1, 0), "own": (0, 1 << 0x20)}


def test_wallclock_updated__unspecified__several_processors() -> None:
    """Whether one poll clears it for all of them is a gap."""
    answers: dict[str, list[int]] = {}
    for reading in ("unspecified", "machine", "processor"):
        machine = suspend(build_smp(wallclock_updated=reading))[0]
        if reading == "unspecified":
            with pytest.raises(Unspecified, match="whose polling"):
                call_on(machine, 0, "VMI_WallclockUpdated")
            continue
        answers[reading] = []
        for cpu in (0, 1, 0):
            machine = call_on(machine, cpu, "VMI_WallclockUpdated")
            answers[reading].append(machine.vcpus[cpu].eax)
    assert answers == {"machine": [1, 0, 0], "processor": [1, 1, 0]}


def test_cancel_alarm() -> None:
    """It answers whether the alarm was armed."""
    made = make_call(
        _software(), "VMI_SetAlarm", eax=1, edx=2000, st0=0, st1=0
    )
    made = make_call(made.after, "VMI_CancelAlarm", eax=1)
    assert made.results == {"armed": 1}
    assert get_vcpu(made.after).alarms == (None, None)
    made = make_call(made.after, "VMI_CancelAlarm", eax=1)
    assert made.results == {"armed": 0}


def test_cancel_alarm_of_a_counter_without_one() -> None:
    """There is no alarm on stolen time."""
    made = make_call(_software(), "VMI_CancelAlarm", eax=2)
    assert made.results == {"armed": 0}

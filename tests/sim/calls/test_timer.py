"""Timer calls (RFC Appendix A / Timer calls; RFC 2.12)."""

import pytest

from app.sim.errors import NotModelled
from app.sim.machine import Alarm, Machine
from app.sim.start import Start
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


def test_set_alarm__refused__apic() -> None:
    """The local APIC's timer vector is not modelled."""
    with pytest.raises(NotModelled, match="APIC"):
        make_call(_software(), "VMI_SetAlarm", eax=0x1_0000, st0=0, st1=0)


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

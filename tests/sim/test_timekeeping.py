"""Time (RFC 2.12): counters, suspension, alarms."""

import pytest

from app.sim.arrivals import arrive
from app.sim.machine import Alarm, Machine, update
from app.sim.start import Start
from app.sim.timekeeping import (
    AVAILABLE,
    REAL,
    STOLEN,
    advance,
    fire_alarms,
    get_counter,
    suspend,
    wait_for_alarm,
)
from tests.sim.guest import build, get_vcpu, step

START = Start(
    real=1000,
    stolen=200,
    tsc=50,
    wallclock=7,
    frequency=1_000_000_000,
    suspend_seconds=10,
    steal_cycles=300,
)


def _software(tsc: str = "pass-through") -> Machine:
    return build(platform="software", start=START, policies={"tsc": tsc})


def _arm(machine: Machine, real: Alarm | None, other: Alarm | None) -> Machine:
    return update(machine, 0, alarms=(real, other))


def _count(machine: Machine) -> tuple[int, int, int]:
    real, available, stolen = (
        get_counter(machine, 0, counter)
        for counter in (REAL, AVAILABLE, STOLEN)
    )
    assert real == available + stolen
    return real, available, stolen


def test_time_that_the_guest_has_is_available() -> None:
    """Running and halted time is available, ready time stolen."""
    assert _count(_software()) == (1000, 800, 200)
    machine = advance(_software(), 100)
    assert _count(machine) == (1100, 900, 200)
    assert machine.wallclock == 107
    assert get_vcpu(machine).tsc == 150
    (machine,) = arrive(machine, "steal")
    assert _count(machine) == (1400, 900, 500)


def test_nobody_steals_on_native() -> None:
    """Without a hypervisor the processor is never taken away."""
    assert arrive(build(start=START), "steal") == []


def test_suspension() -> None:
    """Real time stands still, the wall clock goes on; TSC may do either."""
    later = suspend(_software())
    assert [_count(machine) for machine in later] == [(1000, 800, 200)] * 2
    assert {machine.wallclock for machine in later} == {7 + 10_000_000_000}
    assert all(machine.wallclock_updated for machine in later)
    assert [get_vcpu(m).tsc for m in later] == [50 + 10_000_000_000, 0]


@pytest.mark.parametrize("tsc", ["offset", "trap"])
def test_suspension_with_a_counter_under_control(tsc: str) -> None:
    """A hypervisor that shifts or traps the counter hides the jump."""
    (later,) = suspend(
        build(platform="hardware", start=START, policies={"tsc": tsc})
    )
    assert get_vcpu(later).tsc == 50


def test_an_offset_needs_the_hardware() -> None:
    """Without VMX or SVM the counter cannot be shifted, so it jumps."""
    assert len(suspend(_software("offset"))) == 2


def test_a_one_shot_alarm_fires_once() -> None:
    """It disarms itself."""
    machine = _arm(_software(), Alarm(1500, 0), None)
    assert advance(machine, 499).irqs == 0
    machine = advance(machine, 500)
    assert machine.irqs == 1
    assert get_vcpu(machine).alarms == (None, None)


def test_missed_periods_are_not_made_up() -> None:
    """RFC 2.12: expiries 3, 5, 7, 9; after 6 the next one is 7."""
    machine = build(platform="software", start=Start())
    machine = _arm(machine, Alarm(3, 2), None)
    machine = advance(machine, 6)
    assert machine.irqs == 1
    assert get_vcpu(machine).alarms[REAL] == Alarm(7, 2)
    machine = advance(machine.replace(irqs=0), 1)
    assert machine.irqs == 1
    assert get_vcpu(machine).alarms[REAL] == Alarm(9, 2)


def test_an_alarm_on_available_time_waits_while_time_is_stolen() -> None:
    """RFC 2.12: available 1, 3, 5 is real 1, 3, 6 in the example."""
    machine = build(platform="software", start=Start())
    machine = _arm(machine, None, Alarm(1, 2))
    fired = []
    for millisecond, stolen in enumerate("----s-ss s-".replace(" ", ""), 1):
        machine = advance(machine, 1, stolen=stolen == "s")
        if machine.irqs:
            fired.append(millisecond)
            machine = machine.replace(irqs=0)
    assert fired == [1, 3, 6]


def test_waiting_goes_to_the_next_alarm() -> None:
    """Time passes until the earlier of the two expires."""
    machine = _arm(_software(), Alarm(1500, 0), Alarm(900, 0))
    (machine,) = wait_for_alarm(machine)
    assert machine.real == 1100
    assert machine.irqs == 1
    assert get_vcpu(machine).alarms == (Alarm(1500, 0), None)
    assert arrive(_software(), "alarm") == []


def test_an_alarm_ahead_does_not_fire() -> None:
    """Only an expiry that is reached fires."""
    machine = _arm(_software(), Alarm(1001, 0), None)
    assert fire_alarms(machine, 0) == machine


def test_instructions_take_time_only_if_asked() -> None:
    """Time stands still unless the scenario lets it pass."""
    assert step(build("nop")).real == 0
    assert step(build("nop", start=Start(cycles_per_step=3))).real == 3

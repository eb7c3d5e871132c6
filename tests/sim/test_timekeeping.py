"""Time (RFC 2.12): counters, suspension, alarms."""

import itertools

import pytest

from app.sim.apic import require_apic
from app.sim.arrivals import arrive
from app.sim.delivery import NOTICED_IRQ, get_due, get_requested_lines
from app.sim.devices import build_devices, write_port
from app.sim.devices.local_apic import build_apic, write_register
from app.sim.errors import NotModelled
from app.sim.machine import Alarm, Machine, Migration, update
from app.sim.scenario import parse_scenario
from app.sim.start import Start
from app.sim.timekeeping import (
    AVAILABLE,
    BY_LVTT,
    REAL,
    STOLEN,
    State,
    advance,
    fire_alarms,
    get_counter,
    get_state,
    steal,
    suspend,
    wait_for_alarm,
    wait_for_timer,
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


EXAMPLE = (
    *("running", "running", "running", "halted", "ready"),
    *("running", "ready", "ready", "ready", "running"),
)
"""The state in each millisecond of the first example of RFC 2.12."""


def _pass_example(machine: Machine) -> list[Machine]:
    """Let ten milliseconds pass as in the example: before, and after each.

    At 3 it halts, at 4 its I/O completes, at 5 and at 9 it gets its turn,
    which at 6 is taken away. An alarm's interrupt is served at once.
    """
    machines = [machine]
    for millisecond, expected in enumerate(EXAMPLE):
        kept_waiting = millisecond in {4, 6, 7, 8}
        if millisecond in {3, 5}:
            machine = update(machine, 0, halted=int(millisecond == 3))
        if millisecond == 4:
            machine = machine.replace(irqs=machine.irqs | 0b100)
        state = get_state(machine, 0, kept_waiting=kept_waiting)
        assert state is State(expected)
        waiting = [0] if kept_waiting else []
        if not kept_waiting:
            machine = fire_alarms(machine, 0)
        machine = advance(machine, 1, waiting=waiting)
        machine = machine.replace(irqs=machine.irqs & ~1)
        machines.append(machine)
    return machines


def test_the_example_of_stolen_time() -> None:
    """RFC 2.12, example 1: the table of the three counters."""
    start = Start(interrupts=True)
    counts = [
        _count(machine)
        for machine in _pass_example(build(platform="software", start=start))
    ]
    assert counts == [
        (real, real - stolen, stolen)
        for real, stolen in enumerate((0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 4))
    ]


def _list_firings(machine: Machine) -> list[int]:
    """List the milliseconds of the example in which an alarm fires."""
    fired = []
    machines = _pass_example(machine)
    for millisecond, (old, new) in enumerate(
        itertools.pairwise(machines), start=1
    ):
        if get_vcpu(old).alarms != get_vcpu(new).alarms:
            fired.append(millisecond)
    return fired


def test_an_alarm_on_available_time_waits_while_time_is_stolen() -> None:
    """RFC 2.12: available 1, 3, 5 is real 1, 3, 6 in the example."""
    machine = build(platform="software", start=Start(interrupts=True))
    assert _list_firings(_arm(machine, None, Alarm(1, 2))) == [1, 3, 6]


def test_an_alarm_on_real_time_fires_only_while_its_processor_runs() -> None:
    """RFC 2.12: expiries 3, 5, 7, 9; between 7 and 9 it fires once at most.

    At 7 the processor is ready, so that expiry and the one at 9 fire
    together when it runs again, at 9.
    """
    machine = build(platform="software", start=Start(interrupts=True))
    machine = _arm(machine, Alarm(3, 2), None)
    after = _pass_example(machine)
    expiries = [get_vcpu(each).alarms[REAL] for each in after]
    assert expiries == [
        Alarm(expiry, 2) for expiry in (3, 3, 3, 5, 5, 5, 7, 7, 7, 7, 11)
    ]


def test_a_halted_processor_is_ready_when_its_alarm_expires() -> None:
    """RFC 2.12: until the expiry its time is available, then stolen."""
    machine = update(_software(), 0, halted=1)
    (later,) = steal(machine)
    assert _count(later) == (1300, 1100, 200)
    (later,) = steal(_arm(machine, Alarm(1100, 0), None))
    assert _count(later) == (1300, 900, 400)
    assert later.irqs == 1
    (later,) = steal(_arm(machine, None, Alarm(900, 0)))
    assert _count(later) == (1300, 900, 400)


def test_a_halted_processor_is_ready_when_something_is_pending() -> None:
    """Stolen time begins with the work, not with the turn."""
    start = Start(interrupts=True, steal_cycles=300)
    machine = update(build(platform="software", start=start), 0, halted=1)
    (later,) = steal(machine.replace(irqs=1))
    assert _count(later) == (300, 0, 300)
    (later,) = steal(update(machine, 0, virtual_if=0).replace(irqs=1))
    assert _count(later) == (300, 300, 0)


def test_the_interval_timer_expires_in_real_time() -> None:
    """Its ticks come at 1,193,182 Hz, whatever the unit of cycles."""
    start = Start(frequency=11_931_820)
    machine = build(platform="software", start=start)
    assert wait_for_timer(machine) == []
    devices = build_devices()
    for port, value in ((0x43, 0x34), (0x40, 50), (0x40, 0)):
        devices = write_port(devices, port, 1, value, 0)
    machine = machine.replace(devices=devices)
    assert get_requested_lines(advance(machine, 499)) == 0
    (later,) = wait_for_timer(machine)
    assert later.real == 500
    assert get_requested_lines(later) == 1
    (later,) = wait_for_timer(later)
    assert later.real == 1000


def test_the_timer_of_an_apic_expires_in_real_time() -> None:
    """Each expiry latches the vector of its entry."""
    apic, _ = write_register(build_apic(0, boots=True), 0x320, 0x2_0040, 0)
    for offset, value in ((0x3E0, 0xB), (0x380, 70)):
        apic, _ = write_register(apic, offset, value, 0)
    machine = update(build(platform="software", start=Start()), 0, apic=apic)
    (later,) = wait_for_timer(machine)
    assert later.real == 70
    assert require_apic(later, 0).irr == 1 << 0x40
    assert wait_for_timer(later)[0].real == 140


def test_an_alarm_may_fire_as_the_timer_of_the_apic() -> None:
    """RFC 2.12: as if attached to the vector in the timer's entry."""
    apic, _ = write_register(build_apic(0, boots=True), 0x320, 0x40, 0)
    machine = update(_software(), 0, apic=apic)
    machine = _arm(machine, Alarm(1500, 0, BY_LVTT), None)
    machine = advance(machine, 500)
    assert machine.irqs == 0
    assert require_apic(machine, 0).irr == 1 << 0x40


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


MOVED = Start(
    tsc=500, real=100, frequency=1000, migration=Migration(3000, 9, 2)
)


@pytest.mark.parametrize(
    ("policy", "arrived", "later"),
    [("pass-through", 9, 39), ("offset", 500, 530), ("trap", 100, 110)],
)
def test_a_migration_brings_another_counter(
    policy: str, arrived: int, later: int
) -> None:
    """An offset hides the step of the counter, only a trap its rate."""
    machine = build(platform="hardware", start=MOVED, policies={"tsc": policy})
    host = machine.board.host
    (machine,) = arrive(machine, "migrate")
    assert host.get_tsc(machine, 0) == arrived
    assert (machine.real, machine.wallclock) == (100, 2_000_000_000)
    assert machine.wallclock_updated == 1
    machine = advance(machine, 10)
    assert host.get_tsc(machine, 0) == later
    assert machine.real == 110
    assert arrive(machine, "migrate") == []


def test_a_machine_without_hypervisor_does_not_migrate() -> None:
    """And a question has to say what the other host is like."""
    assert arrive(build(start=MOVED), "migrate") == []
    with pytest.raises(NotModelled, match="the other host"):
        arrive(build(platform="software"), "migrate")


def test_all_processors_are_told_of_a_migration() -> None:
    """The wall clock has drifted for each: as by a suspension."""
    start = Start(migration=MOVED.migration, processors=(Start(),))
    machine = build(platform="software", start=start)
    (machine,) = arrive(machine, "migrate")
    assert machine.wallclock_updated == 0b11


def test_a_hypervisor_that_fires_an_alarm_is_running() -> None:
    """It got the interrupt of the hardware's timer, whatever is masked."""
    for platform, noticed in (("native", 0), ("software", NOTICED_IRQ)):
        machine = _arm(build(platform=platform), Alarm(5, 0), None)
        assert advance(machine, 4).noticed == 0
        assert advance(machine, 5).noticed == noticed


def test_the_other_host_is_read_from_the_start() -> None:
    """Rate and value of its counter, and how long the move takes."""
    text = (
        "question = '?'\n[code]\nkernel = 'hlt'\n"
        "[outcomes]\nit = { is = 'moved' }\n[start]\n"
    )
    scenario = parse_scenario(
        text + "migrate = { frequency = 3, tsc = 4, seconds = 5 }", slug="x"
    )
    assert scenario.start.migration == Migration(3, 4, 5)
    assert parse_scenario(text, slug="x").start.migration is None


def test_a_hypervisor_that_fires_an_alarm_also_hands_over() -> None:
    """What was deferred under explicit delivery is delivered with it."""
    machine = build(
        platform="software",
        start=Start(interrupts=True),
        policies={"interrupt_delivery": "explicit"},
    )
    machine = update(machine, 0, deferred=1).replace(irqs=0b100)
    assert get_due(machine, 0) is None
    machine = advance(_arm(machine, Alarm(5, 0), None), 5)
    assert machine.irqs == 0b101
    due = get_due(machine, 0)
    assert due is not None
    assert due.vector == 0x20

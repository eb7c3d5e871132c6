"""Devices and APICs in a question: set-up, what is seen, whole runs."""

import pytest

from app.sim import parse_scenario
from app.sim.apic import require_apic
from app.sim.arrivals import arrive
from app.sim.devices import Devices, build_devices, receive, request
from app.sim.errors import NotModelled
from app.sim.machine import update
from app.sim.observables import get_observable
from app.sim.start import Start
from app.sim.toml_places import ScenarioError
from tests.sim.guest import ask, build, get_answers

EVERYWHERE = {
    "native": "always",
    "software": "always",
    "hardware": "always",
    "translator": "always",
}


def read_start(section: str) -> Start:
    text = (
        "question = '?'\n[code]\nkernel = 'nop'\n[outcomes]\n"
        f"never = 'halted'\n[start]\n{section}\n"
    ).replace("never = 'halted'", "never = { is = 'halted' }")
    return parse_scenario(text, slug="asked").start


def get_devices(section: str) -> Devices | None:
    return read_start(section).devices


def test_devices_are_there_only_if_asked() -> None:
    """Without them an interrupt line needs neither mask nor end."""
    assert get_devices("") is None
    assert get_devices("devices = false") is None
    assert get_devices("devices = true") == build_devices()


def test_the_controller_may_be_set_up() -> None:
    """A table for it gives the devices too."""
    section = "pic = { mask = 0xFFFB, base = 0x40, auto_eoi = true }"
    assert get_devices(section) == build_devices(
        mask=0xFFFB, base=0x40, auto_eoi=1
    )


@pytest.mark.parametrize(
    ("section", "place", "expected"),
    [
        ("pic = { base = 0x41 }", (7, 16), "a multiple of 8"),
        ("pic = { mask = 0x10000 }", (7, 16), "65535"),
        ("pic = { masks = 1 }", (7, 9), "mask"),
        ("devices = 1", (7, 11), "true or false"),
    ],
)
def test_a_wrong_set_up_is_refused(
    section: str, place: tuple[int, int], expected: str
) -> None:
    """The error says where, and what was expected."""
    with pytest.raises(ScenarioError, match=expected) as refused:
        read_start(section)
    assert (refused.value.line, refused.value.column) == place


def test_each_processor_gets_an_apic_of_its_number() -> None:
    """The first one passes the interrupt controller on."""
    start = Start(apic=True, processors=(Start(),))
    machine = build(start=start)
    assert [require_apic(machine, cpu).id for cpu in (0, 1)] == [0, 1]
    assert len(machine.board.windows) == 1
    assert build().vcpus[0].apic is None
    assert build().board.windows == ()


def test_what_devices_show() -> None:
    """Each has a name in outcomes, and is 0 where it is not there."""
    names = ("serial_sent", "latch_value", "latch_requests", "messages")
    without = build()
    assert [get_observable(n, {})(without) for n in names] == [0, 0, 0, 0]
    devices = request(receive(build_devices(), 5))
    machine = build(start=Start(devices=devices))
    assert get_observable("latch_requests", {})(machine) == 1
    assert get_observable("pending irq5", {})(machine) == 1
    assert get_observable("pending", {})(machine) == 1
    assert get_observable("in_service", {})(machine) == 0


def test_the_latch_asks_once_until_it_is_served() -> None:
    """A device that waits raises no further interrupt."""
    machine = build(start=Start(devices=build_devices()))
    (asked,) = arrive(machine, "latch")
    assert asked.devices is not None
    assert asked.devices.latch.requests == 1
    assert arrive(asked, "latch") == []


@pytest.mark.parametrize("event", ["latch", "serial"])
def test_an_event_of_a_missing_device_says_so(event: str) -> None:
    """The question has to have devices."""
    with pytest.raises(NotModelled, match="devices = true"):
        arrive(build(), event)


def test_a_hypervisor_notices_what_devices_do() -> None:
    """It takes the interrupt and hands over what was deferred."""
    machine = build(platform="software", start=Start(devices=build_devices()))
    machine = update(machine, 0, deferred=1)
    (after,) = arrive(machine, "serial")
    assert get_observable("hypervisor_irq", {})(after) == 1
    assert after.vcpus[0].deferred == 0


def test_a_timer_wakes_a_halted_guest() -> None:
    """The 8254 raises line 0, the handler ends it at the 8259A."""
    report = ask(
        """
        mov al, 0x30
        mov edx, 0x43
        call VMI_OUTB
        mov al, 100
        mov edx, 0x40
        call VMI_OUTB
        xor eax, eax
        call VMI_OUTB
        call VMI_Halt
awake:  jmp awake
""",
        {"wakes": "end: at awake and ticks == 1 and not in_service"},
        rest=(
            "[data]\nticks = 0\n[start]\ninterrupts = false\n"
            "devices = true\n[events]\ntimer = { budget = 1, must = true }"
        ),
        irq0="""
        push eax
        push edx
        inc dword ptr [ticks]
        mov al, 0x20
        mov edx, 0x20
        call VMI_OUTB
        pop edx
        pop eax
        call VMI_IRET
""",
    )
    assert get_answers(report, "wakes") == EVERYWHERE


def test_an_interrupt_that_nobody_ends_is_the_last() -> None:
    """A second one of the line waits for ever; with automatic end not."""
    for pic, answer in (("", "never"), ("auto_eoi = true", "always")):
        report = ask(
            "stop: jmp stop",
            {"again": "ticks == 2", "first": "ticks == 1"},
            rest=(
                f"[data]\nticks = 0\n[start]\npic = {{ {pic} }}\n"
                "[events]\nirq3 = { budget = 2, must = true }"
            ),
            irq3="inc dword ptr [ticks]\ncall VMI_IRET",
        )
        assert get_answers(report, "first") == EVERYWHERE
        expected = "never" if answer == "never" else "sometimes"
        assert set(get_answers(report, "again").values()) == {expected}


def test_user_programs_get_ports_by_the_call() -> None:
    """VMI_SetIOPLMask opens them, everywhere; without it they fault."""
    for mask, sent in ((0x3000, 1), (0, 0)):
        report = ask(
            f"""
        mov eax, {mask}
        call VMI_SetIOPLMask
        pushf
        pop ecx
        or ecx, 0x200
        push 0x7b
        push 0xbfff0000
        push ecx
        push 0x73
        push offset program
        call VMI_IRET
""",
            {"sends": "serial_sent == 1", "faults": "denied == 1"},
            rest=(
                "[data]\ndenied = 0\n[start]\ndevices = true\n"
                "interrupts = false"
            ),
            user="program: mov edx, 0x3f8\nout dx, al\nover: jmp over",
            gp="mov dword ptr [denied], 1\nstop: jmp stop",
        )
        sends, faults = ("always", "never") if sent else ("never", "always")
        assert set(get_answers(report, "sends").values()) == {sends}
        assert set(get_answers(report, "faults").values()) == {faults}


def test_a_byte_that_arrives_is_echoed() -> None:
    """The serial port's line is level: reading the byte lowers it."""
    report = ask(
        """
        mov al, 1
        mov edx, 0x3f9
        call VMI_OUTB
        mov al, 8
        mov edx, 0x3fc
        call VMI_OUTB
        call VMI_EnableInterrupts
stop:   jmp stop
""",
        {"echoed": "serial_sent == 1 and value == 0x41"},
        rest=(
            "[data]\nvalue = 0\n[start]\ndevices = true\n"
            "interrupts = false\n"
            "[events]\nserial = { budget = 1, must = true }"
        ),
        irq4="""
        push eax
        push edx
        xor eax, eax
        mov edx, 0x3f8
        call VMI_INB
        mov dword ptr [value], eax
        call VMI_OUTB
        mov al, 0x20
        mov edx, 0x20
        call VMI_OUTB
        pop edx
        pop eax
        call VMI_IRET
""",
    )
    assert get_answers(report, "echoed") == EVERYWHERE

"""How a further processor comes to run (RFC 2.9)."""

import struct
from collections.abc import Mapping

import pytest

from app.sim import explore, parse_scenario
from app.sim.errors import NotModelled, Unspecified
from app.sim.explore import build_initial
from app.sim.layout import DATA_BASE, get_kernel_stack_top
from app.sim.machine import Machine, update
from app.sim.platforms import build_platform
from app.sim.startup import (
    WAIT_FOR_INIT,
    WAIT_FOR_STARTUP,
    find_processor,
    read_state,
    receive_init,
    receive_startup,
)
from app.sim.tables import get_gdtr, get_idtr
from tests.sim.guest import make_call

CR0 = 0x8005_003B
STARTED = "started: mov dword ptr [seen], 1\\nhlt"


def _pack(**changes: int) -> tuple[int, ...]:
    """Pack an APState as Linux of the time fills it."""
    gdtr, idtr = get_gdtr(1), get_idtr(1)
    state = {
        "cr0": CR0,
        "cr2": 0,
        "cr3": 0,
        "cr4": 0,
        "efer": 0,
        "eip": 0xC010_0000,
        "eflags": 0,
        "eax": 7,
        **dict.fromkeys(("ebx", "ecx", "edx"), 0),
        "esp": get_kernel_stack_top(1),
        **dict.fromkeys(("ebp", "esi", "edi"), 0),
        "cs": 0x60,
        "ss": 0x68,
        "ds": 0x7B,
        "es": 0x7B,
        "fs": 0,
        "gs": 0,
        "ldtr": 0,
        "gdtr_limit": gdtr.limit,
        "gdtr_base": gdtr.base,
        "idtr_base": idtr.base,
        "idtr_limit": idtr.limit,
        **changes,
    }
    content = struct.pack("<4IQ10I8H2IH2x", *state.values())
    return struct.unpack("<23I", content)


def _text(
    kernel: str = "hlt", start: str = "", words: tuple[int, ...] | None = None
) -> str:
    data = "\n".join(
        f"s{place} = {word}"
        for place, word in enumerate(_pack() if words is None else words)
    )
    return (
        f'question = "?"\n[code]\nkernel = """\n{kernel}\n{STARTED}\n"""\n'
        f"[data]\n{data}\nseen = 0\n"
        f"[start]\napic = true\n{start}"
        "[start.cpu1]\nstartup = 'wait-for-init'\n"
        "[outcomes]\nit = { is = 'seen == 1' }\n"
    )


def _build(
    platform: str = "software",
    policies: Mapping[str, str] | None = None,
    words: tuple[int, ...] | None = None,
) -> Machine:
    scenario = parse_scenario(_text(words=words), slug="test")
    host = build_platform(platform, policies or {})
    (machine,) = build_initial(scenario, scenario.start, host)
    return machine


def _start(machine: Machine) -> Machine:
    """Send INIT, set the state, send STARTUP."""
    machine = receive_init(machine, 1)
    machine, words = read_state(machine, 0, DATA_BASE)
    machine = update(machine, 1, ap_state=words)
    return receive_startup(machine, 1, 0x10)


@pytest.mark.parametrize("platform", ["software", "hardware", "translator"])
def test_it_begins_in_the_state_that_was_set(platform: str) -> None:
    """Registers and tables are those told, the ring that of the kernel."""
    vcpu = _start(_build(platform)).vcpus[1]
    cpl = int(platform == "software")
    assert (vcpu.startup, vcpu.paravirtual, vcpu.cpl) == (0, 1, cpl)
    assert (vcpu.eip, vcpu.eax, vcpu.esp) == (
        0xC010_0000,
        7,
        get_kernel_stack_top(1),
    )
    assert (vcpu.cs, vcpu.ss) == (0x60 | cpl, 0x68 | cpl)
    assert (vcpu.ds, vcpu.fs, vcpu.gdtr) == (0x7B, 0, get_gdtr(1))
    assert vcpu.cr0 == CR0
    assert vcpu.ap_state == ()


def test_interrupts_are_as_the_state_says() -> None:
    """EFLAGS.IF is the flag that counts."""
    for flags, enabled in ((0, 0), (0x200, 1)):
        words = _pack(eflags=flags)
        assert _start(_build(words=words)).vcpus[1].virtual_if == enabled
        vcpu = _start(_build("hardware", words=words)).vcpus[1]
        assert bool(vcpu.flags & 0x200) == bool(enabled)


def test_it_does_not_start_without_a_state() -> None:
    """RFC 2.9: an AP whose state is missing does not start."""
    machine = receive_init(_build(), 1)
    assert receive_startup(machine, 1, 0x10) == machine
    assert machine.vcpus[1].startup == WAIT_FOR_STARTUP


@pytest.mark.parametrize(
    "changes", [{"cs": 0x78}, {"ds": 0x60 | 4}, {"gdtr_limit": 7}, {"ss": 0}]
)
def test_it_does_not_start_with_segments_that_cannot_be(
    changes: dict[str, int],
) -> None:
    """RFC 2.9: nor does one whose state is invalid."""
    machine = _start(_build(words=_pack(**changes)))
    assert machine.vcpus[1].startup == WAIT_FOR_STARTUP


@pytest.mark.parametrize(
    "changes", [{"cr0": 0x8000_0000}, {"cr0": 1}, {"efer": 0x100}]
)
def test_modes_that_the_rfc_calls_undefined(changes: dict[str, int]) -> None:
    """PE and PG have to be set, LME and LMA clear."""
    words = _pack(**changes)
    with pytest.raises(Unspecified, match="initial state without"):
        _start(_build(words=words))
    for reading, startup in (("not-started", 2), ("as-given", 0)):
        policies = {"ap_state_invalid": reading}
        machine = _start(_build(words=words, policies=policies))
        assert machine.vcpus[1].startup == startup


def test_a_message_out_of_turn_has_no_effect() -> None:
    """STARTUP is for a processor that waits for it."""
    machine = _build()
    assert receive_startup(machine, 1, 0x10) == machine
    running = _start(machine)
    assert receive_startup(running, 1, 0x10) == running


def test_init_resets_a_processor_that_runs() -> None:
    """Its registers are lost, model-specific ones and counters stay."""
    machine = update(_start(_build()), 1, tsc=5, ebx=6)
    vcpu = receive_init(machine, 1).vcpus[1]
    assert (vcpu.startup, vcpu.tsc, vcpu.ebx) == (WAIT_FOR_STARTUP, 5, 0)
    assert vcpu.msrs == machine.vcpus[1].msrs
    assert vcpu.apic is not None
    assert vcpu.apic.id == 1
    with pytest.raises(NotModelled, match="boot processor"):
        receive_init(machine, 0)


def test_a_state_before_init() -> None:
    """Whether a later INIT forgets it is not said."""
    early = {"ap_state": _pack()}
    with pytest.raises(Unspecified, match="before the INIT"):
        receive_init(update(_build(), 1, **early), 1)
    for reading, kept in (("kept", True), ("lost", False)):
        machine = _build(policies={"ap_state_early": reading})
        after = receive_init(update(machine, 1, **early), 1)
        assert bool(after.vcpus[1].ap_state) == kept


def test_without_a_hypervisor_it_begins_behind_its_16_bit_code() -> None:
    """A processor stands where the question put it."""
    machine = receive_init(_build("native"), 1)
    with pytest.raises(NotModelled, match="16 bits at 0x10000"):
        receive_startup(machine, 1, 0x10)
    machine = update(machine, 1, eip=0xC010_0000)
    after = receive_startup(machine, 1, 0x10)
    assert after.vcpus[1] == machine.vcpus[1].replace(startup=0)


def test_processors_are_found_by_the_number_of_their_apic() -> None:
    """Without APICs the number is that of the processor."""
    machine = _build()
    assert find_processor(machine, 1) == 1
    assert find_processor(machine, 7) is None
    bare = update(machine, 1, apic=None)
    assert find_processor(bare, 1) == 1
    assert machine.vcpus[1].startup == WAIT_FOR_INIT


SEND = """
mov eax, 0xfee00310
mov edx, 0x01000000
call VMI_APICWrite
mov eax, 0xfee00300
mov edx, {command}
call VMI_APICWrite
"""
BRING_UP = (
    SEND.format(command="0x4500")
    + "mov eax, offset s0\nmov edx, 1\ncall VMI_SetInitialAPState\n"
    + SEND.format(command="0x4610")
    + "there: jmp there"
)


@pytest.mark.parametrize("latency", ["immediate", "asynchronous"])
def test_the_boot_processor_brings_another_up(latency: str) -> None:
    """INIT, the call, STARTUP: the other one runs in the end."""
    words = _pack(eip=0xC010_0000 + 16 * 16)
    text = _text(BRING_UP, words=words) + (
        f"[platforms.software]\n[policies]\nipi_latency = '{latency}'\n"
    )
    report = explore(parse_scenario(text, slug="test"))
    answer = report.platforms[0].answers["it"]
    assert answer.answer == (
        "always" if latency == "immediate" else "unspecified"
    )


def test_a_message_that_lands_is_told() -> None:
    """It names what lands, whence, and the processor at which."""
    words = _pack(eip=0xC010_0000 + 16 * 16)
    text = _text(BRING_UP, words=words) + (
        "[platforms.software.policies]\nipi_latency = 'asynchronous'\n"
        "ap_state_early = 'kept'\n"
    )
    report = explore(parse_scenario(text, slug="test"))
    answer = report.platforms[0].answers["it"]
    assert answer.answer == "always"
    landings = [
        (step.cpu, step.text, step.way)
        for step in answer.witness or ()
        if step.kind == "arrival"
    ]
    assert landings == [
        (1, "INIT from processor 0 lands", "arrival"),
        (1, "STARTUP from processor 0 lands", "arrival"),
    ]
    assert "SDM vol. 3A, 10.6" in answer.clauses


def test_a_call_to_set_the_state() -> None:
    """The words at the address are kept for the processor named."""
    machine = receive_init(_build(), 1)
    made = make_call(machine, "VMI_SetInitialAPState", eax=DATA_BASE, edx=1)
    assert made.after.vcpus[1].ap_state == _pack()

"""Processor state calls (RFC Appendix A / Processor state calls)."""

from typing import Any

import pytest

from app.sim.errors import GuestFault, Unspecified
from app.sim.layout import DATA_BASE
from app.sim.machine import ARITHMETIC, Machine, update
from app.sim.registry import CLOBBERED
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, make_call, step

OFF = Start(interrupts=False)


def _software(start: Start = OFF, **policies: Any) -> Machine:
    return build(
        platform="software", start=start, policies=policies, irq0="nop"
    )


def _is_in_handler(machine: Machine) -> bool:
    return get_vcpu(machine).eip == machine.board.gates[0x20].address


def test_disable_interrupts() -> None:
    """The virtual flag is clear, the hardware's stays on."""
    made = make_call(
        _software(Start(interrupts=True)), "VMI_DisableInterrupts"
    )
    vcpu = get_vcpu(made.after)
    assert vcpu.virtual_if == 0
    assert vcpu.flags & 0x200


def test_enable_interrupts() -> None:
    """The virtual flag is set."""
    made = make_call(_software(), "VMI_EnableInterrupts")
    assert get_vcpu(made.after).virtual_if == 1


def test_enable_interrupts_delivers_inside_the_call() -> None:
    """The handler returns to the instruction after the call."""
    machine = _software().replace(irqs=1)
    made = make_call(machine, "VMI_EnableInterrupts")
    vcpu = get_vcpu(made.after)
    assert _is_in_handler(made.after)
    assert vcpu.stack[-1] == get_vcpu(machine).eip
    assert vcpu.stack[0] & 0x200


def test_a_trapped_call_leaves_its_entry_in_the_same_step() -> None:
    """The frame of the handler points after the call, not back at it."""
    machine = build(
        "call VMI_EnableInterrupts\nnop",
        platform="software",
        start=OFF,
        irq0="nop",
    )
    after = step(machine.replace(irqs=1))
    assert _is_in_handler(after)
    assert get_vcpu(after).stack[-1] == get_vcpu(machine).eip + 16


def test_enable_interrupts_defers_under_explicit_delivery() -> None:
    """Where VMI_DeliverInterrupts exists, enabling does not deliver."""
    machine = _software(interrupt_delivery="explicit").replace(irqs=1)
    made = make_call(machine, "VMI_EnableInterrupts")
    assert made.after.irqs == 1
    assert get_vcpu(made.after).deferred
    made = make_call(made.after, "VMI_DeliverInterrupts")
    assert _is_in_handler(made.after)


def test_enable_interrupts_leaves_it_under_asynchronous_delivery() -> None:
    """Then the interrupt comes at some later instruction."""
    machine = _software(interrupt_delivery="asynchronous").replace(irqs=1)
    made = make_call(machine, "VMI_EnableInterrupts")
    assert made.after.irqs == 1
    assert not get_vcpu(made.after).deferred


@pytest.mark.parametrize("on", [False, True])
def test_get_interrupt_mask(on: bool) -> None:
    """Bit 0x200 of EAX is the virtual flag."""
    made = make_call(_software(Start(interrupts=on)), "VMI_GetInterruptMask")
    assert made.results == {"mask": 0x200 if on else 0}


def test_set_interrupt_mask() -> None:
    """Bit 0x200 sets the flag, and delivers; other bits do nothing."""
    machine = _software().replace(irqs=1)
    made = make_call(machine, "VMI_SetInterruptMask", eax=0x200)
    assert _is_in_handler(made.after)
    made = make_call(machine, "VMI_SetInterruptMask", eax=~0x200 & 0xFFFFFFFF)
    assert get_vcpu(made.after).virtual_if == 0
    assert made.after.irqs == 1


def test_deliver_interrupts() -> None:
    """It enables and delivers."""
    made = make_call(_software().replace(irqs=1), "VMI_DeliverInterrupts")
    assert _is_in_handler(made.after)


def test_pause() -> None:
    """Nothing changes but what every call may clobber."""
    made = make_call(_software(), "VMI_Pause")
    before = get_vcpu(made.before)
    assert get_vcpu(made.after) == before.replace(
        eax=CLOBBERED,
        ecx=CLOBBERED,
        edx=CLOBBERED,
        flags=before.flags ^ ARITHMETIC,
    )


def test_halt() -> None:
    """It enables interrupts and halts."""
    vcpu = get_vcpu(make_call(_software(), "VMI_Halt").after)
    assert (vcpu.halted, vcpu.virtual_if) == (1, 1)


@pytest.mark.parametrize("delivery", ["on-enable", "explicit"])
def test_halt_does_not_sleep_over_a_pending_interrupt(delivery: str) -> None:
    """What is pending is delivered instead of halting."""
    machine = _software(interrupt_delivery=delivery).replace(irqs=1)
    made = make_call(machine, "VMI_Halt")
    assert _is_in_handler(made.after)
    assert not get_vcpu(made.after).halted


def test_halt_is_sti_hlt_where_it_is_left_native() -> None:
    """On native the two instructions stand in place, with the shadow."""
    machine = build("call VMI_Halt\nnop", start=OFF, irq0="iretd")
    first = step(machine.replace(irqs=1))
    assert get_vcpu(first).shadow
    assert get_vcpu(first).eip == get_vcpu(machine).eip + 1
    second = step(first)
    assert get_vcpu(second).halted
    assert get_vcpu(second).eip == get_vcpu(machine).eip + 16


def test_the_mask_calls_where_they_are_left_native() -> None:
    """They are PUSHF; POP EAX and PUSH EAX; POPF."""
    code = "call VMI_GetInterruptMask\nmov eax, 0\ncall VMI_SetInterruptMask"
    machine = step(build(code, start=Start(interrupts=True)), 2)
    assert get_vcpu(machine).eax & 0x200
    assert not get_vcpu(step(machine, 3)).flags & 0x200


def test_calls_keep_what_they_do_not_clobber() -> None:
    """The calls for the flag clobber the arithmetic flags alone."""
    machine = update(_software(), 0, eax=1, ecx=2, edx=3)
    made = make_call(machine, "VMI_EnableInterrupts")
    assert get_vcpu(made.after)[:3] == (1, 2, 3)


def test_shutdown() -> None:
    """The processor halts with interrupts off, and nothing wakes it."""
    vcpu = get_vcpu(make_call(_software(), "VMI_Shutdown").after)
    assert (vcpu.halted, vcpu.shutdown, vcpu.virtual_if) == (1, 1, 0)


def test_reboot() -> None:
    """A hard reboot loses all registers; the machine restarts."""
    made = make_call(_software(), "VMI_Reboot", eax=1)
    vcpu = get_vcpu(made.after)
    assert made.after.stopped == 2
    assert (vcpu.eip, vcpu.paravirtual) == (0, 0)
    assert {value for _, value in vcpu.msrs} == {0}


def test_reboot__unspecified__soft() -> None:
    """What survives a soft one is not listed."""
    with pytest.raises(Unspecified, match="survives a soft reboot"):
        make_call(_software(), "VMI_Reboot", eax=0)
    for reading, survives in (("as-init", True), ("nothing", False)):
        machine = _software(soft_reboot=reading)
        after = make_call(machine, "VMI_Reboot", eax=0).after
        assert after.stopped == 2
        assert any(v for _, v in get_vcpu(after).msrs) == survives


def test_reboot__unspecified__mode() -> None:
    """Only two modes are defined."""
    with pytest.raises(Unspecified, match="neither soft nor hard"):
        make_call(_software(), "VMI_Reboot", eax=2)
    for reading, stopped in (("hard", 2), ("ignored", 0)):
        machine = _software(reboot_mode=reading)
        after = make_call(machine, "VMI_Reboot", eax=2).after
        assert after.stopped == stopped


STATE = {f"word{place}": place for place in range(23)}


def test_set_initial_ap_state() -> None:
    """The structure is kept for the processor with that number."""
    machine = build(platform="software", data=STATE)
    machine = machine.replace(vcpus=machine.vcpus * 2)
    made = make_call(machine, "VMI_SetInitialAPState", eax=DATA_BASE, edx=1)
    assert made.after.vcpus[1].ap_state == tuple(range(23))
    assert made.after.vcpus[0].ap_state == ()


def test_set_initial_ap_state__unspecified__place() -> None:
    """The address has to be that of a page."""
    for reading, length in (("taken", 23), ("ignored", 0), (None, None)):
        policies = {} if reading is None else {"ap_state_place": reading}
        machine = build(
            platform="software", policies=policies, data={"first": 1, **STATE}
        )
        machine = machine.replace(vcpus=machine.vcpus * 2)
        place = {"eax": DATA_BASE + 4, "edx": 1}
        if reading is None:
            with pytest.raises(Unspecified, match="begin at a page"):
                make_call(machine, "VMI_SetInitialAPState", **place)
            continue
        made = make_call(machine, "VMI_SetInitialAPState", **place)
        assert len(made.after.vcpus[1].ap_state) == length


@pytest.mark.parametrize("number", [0, 7])
def test_set_initial_ap_state__unspecified__nobody(number: int) -> None:
    """Nobody has the number, or the caller itself."""
    call = {"eax": DATA_BASE, "edx": number}
    with pytest.raises(Unspecified, match="no processor has"):
        make_call(_software(), "VMI_SetInitialAPState", **call)
    with pytest.raises(GuestFault):
        make_call(
            _software(ap_state_nobody="fault"), "VMI_SetInitialAPState", **call
        )
    ignoring = _software(ap_state_nobody="ignored")
    made = make_call(ignoring, "VMI_SetInitialAPState", **call)
    assert made.after.vcpus[0].ap_state == ()

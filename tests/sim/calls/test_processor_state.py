"""Processor state calls (RFC Appendix A / Processor state calls)."""

from typing import Any

import pytest

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

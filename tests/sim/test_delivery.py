"""Delivery: what is due, and what the frame and the processor look like."""

import pytest

from app.sim.delivery import deliver_due, deliver_pending, get_due
from app.sim.layout import USER_STACK_TOP
from app.sim.machine import (
    FIXED,
    IF,
    MOV_SS_SHADOW,
    STI_SHADOW,
    TF,
    Machine,
    update,
)
from app.sim.start import Start
from app.sim.vectors import MACHINE_CHECK, NMI
from tests.sim.guest import build, get_vcpu, step

OFF = Start(interrupts=False)
USER = Start(interrupts=True, user=True)
PLATFORMS = ("native", "software", "hardware", "translator")


def _due(machine: Machine) -> tuple[int, bool] | None:
    due = get_due(machine, 0)
    return None if due is None else (due.vector, due.forced)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_pending_line_is_due_when_the_flag_is_set(platform: str) -> None:
    """The flag that counts for the guest masks maskable interrupts."""
    machine = build(platform=platform).replace(irqs=0b1010)
    assert _due(machine) == (0x21, True)
    machine = build(platform=platform, start=OFF).replace(irqs=0b1010)
    assert _due(machine) is None


def test_asynchronous_delivery_is_a_free_choice() -> None:
    """Under that policy a software hypervisor may deliver later."""
    machine = build(
        platform="software", policies={"interrupt_delivery": "asynchronous"}
    ).replace(irqs=1)
    assert _due(machine) == (0x20, False)


def test_a_deferred_interrupt_waits() -> None:
    """Under explicit delivery what was deferred is not due by itself."""
    machine = update(build(platform="software"), 0, deferred=1)
    assert _due(machine.replace(irqs=1)) is None


def test_an_nmi_ignores_the_flag_and_precedes_interrupts() -> None:
    """NMIs are not masked by IF and have the higher priority."""
    machine = update(build(start=OFF), 0, nmi_pending=1)
    assert _due(machine) == (NMI, True)
    machine = update(build(), 0, nmi_pending=1).replace(irqs=1)
    assert _due(machine) == (NMI, True)


def test_an_nmi_waits_for_the_return_of_the_one_before() -> None:
    """NMIs are blocked from delivery until IRET."""
    code = "nop"
    machine = build(code, nmi="iretd\n")
    machine = update(machine, 0, nmi_pending=1)
    inside = deliver_due(machine, 0, NMI)
    assert get_vcpu(inside).nmi_blocked
    again = update(inside, 0, nmi_pending=1)
    assert _due(again) is None
    assert _due(step(again)) == (NMI, True)


@pytest.mark.parametrize(
    ("policy", "due"),
    [("held", None), ("taken", (NMI, True)), ("either", (NMI, False))],
)
def test_the_shadow_of_sti_and_an_nmi(
    policy: str, due: tuple[int, bool] | None
) -> None:
    """Whether STI holds off an NMI differs between processors."""
    machine = build(policies={"sti_shadow_nmi": policy})
    machine = update(machine, 0, nmi_pending=1, shadow=STI_SHADOW)
    assert _due(machine) == due


def test_the_shadow_of_mov_ss_holds_off_nmis() -> None:
    """MOV SS blocks maskable and non-maskable interrupts."""
    machine = update(build(), 0, nmi_pending=1, shadow=MOV_SS_SHADOW)
    assert _due(machine.replace(irqs=1)) is None


def test_a_machine_check_comes_first() -> None:
    """A machine check precedes NMIs and interrupts."""
    machine = update(build(start=OFF), 0, mce_pending=1, nmi_pending=1)
    assert _due(machine) == (MACHINE_CHECK, True)


def test_a_machine_check_shuts_down_a_guest_without_handler() -> None:
    """Without CR4.MCE, or during another one, the processor shuts down."""
    machine = update(build(mce="nop"), 0, mce_pending=1)
    assert get_vcpu(deliver_due(machine, 0, MACHINE_CHECK)).shutdown
    machine = update(machine, 0, cr4=0x40)
    inside = deliver_due(machine, 0, MACHINE_CHECK)
    assert get_vcpu(inside).eip == machine.board.gates[MACHINE_CHECK].address
    assert dict(get_vcpu(inside).msrs)[0x17A] == 4
    again = update(inside, 0, mce_pending=1)
    assert get_vcpu(deliver_due(again, 0, MACHINE_CHECK)).shutdown


def test_nothing_is_due_after_the_end() -> None:
    """A processor that is shut down, or stopped, takes nothing."""
    machine = update(build(), 0, shutdown=1, nmi_pending=1)
    assert _due(machine) is None
    assert _due(build().replace(stopped=1, irqs=1)) is None


@pytest.mark.parametrize(
    ("platform", "cs"), [("native", 0x60), ("software", 0x61)]
)
def test_the_frame_of_an_interrupt(platform: str, cs: int) -> None:
    """The frame is EFLAGS, CS, EIP, with the flag that counts as IF."""
    machine = build(platform=platform, irq0="nop").replace(irqs=1)
    after = deliver_due(machine, 0, 0x20)
    vcpu = get_vcpu(after)
    assert vcpu.stack == (IF | FIXED, cs, get_vcpu(machine).eip)
    assert vcpu.eip == machine.board.gates[0x20].address
    assert after.irqs == 0
    if platform == "software":
        assert (vcpu.virtual_if, vcpu.flags & IF) == (0, IF)
    else:
        assert not vcpu.flags & IF


@pytest.mark.parametrize(("platform", "cpl"), [("native", 0), ("software", 1)])
def test_an_interrupt_of_user_code_switches_stacks(
    platform: str, cpl: int
) -> None:
    """From CPL 3 the frame holds SS and ESP and lies on the kernel stack."""
    machine = build(platform=platform, start=USER, user="nop", irq0="nop")
    vcpu = get_vcpu(deliver_due(machine.replace(irqs=1), 0, 0x20))
    assert vcpu.stack[:2] == (0x7B, USER_STACK_TOP)
    assert vcpu.stack[3] == 0x73
    assert (vcpu.cpl, vcpu.ss) == (cpl, 0x68 | cpl)


def test_delivery_ends_a_halt() -> None:
    """An interrupt wakes a halted processor."""
    machine = update(build(irq0="nop"), 0, halted=1).replace(irqs=1)
    assert not get_vcpu(deliver_due(machine, 0, 0x20)).halted


def test_delivery_clears_tf() -> None:
    """Single-stepping stops at the handler's entry."""
    machine = update(build(irq0="nop"), 0, flags=IF | TF | FIXED)
    after = deliver_due(machine.replace(irqs=1), 0, 0x20)
    assert not get_vcpu(after).flags & TF
    assert get_vcpu(after).stack[0] & TF


def test_deliver_pending_takes_the_first_line() -> None:
    """A call hands over one interrupt; the next one waits for its return."""
    machine = build(platform="software", irq0="nop", irq3="nop")
    after = deliver_pending(machine.replace(irqs=0b1001), 0)
    assert after.irqs == 0b1000
    assert get_vcpu(after).eip == machine.board.gates[0x20].address
    assert _due(after) is None

"""Debug exceptions: single-stepping, breakpoints and the guard."""

import pytest

from app.sim.debug import (
    BD,
    BS,
    CONTROL_FIXED,
    RESET,
    STATUS_FIXED,
    get_debug,
    read_dr,
    write_dr,
)
from app.sim.layout import DATA_BASE, KERNEL_BASE
from app.sim.machine import FIXED, RF, TF, Machine, update
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

STEPPING = Start(flags=TF)
DB = "pop eax\niretd"
SLOT = 16


def watched(kernel: str, *, kind: int, at: int, length: int = 0) -> Machine:
    """Build a machine with breakpoint 0 enabled."""
    machine = build(kernel, data={"work": 0, "next": 0}, db="nop")
    machine = write_dr(machine, 0, 0, at)
    return write_dr(machine, 0, 7, 2 | kind << 16 | length << 18)


def is_in_handler(machine: Machine, vector: int = 1) -> bool:
    """Whether a handler is about to run its first instruction."""
    return get_vcpu(machine).eip == machine.board.gates[vector].address


def test_registers_read_what_was_written() -> None:
    """SDM vol. 3B, 17.2: fixed bits of DR6 and DR7 stay."""
    machine = write_dr(build(), 0, 3, 0x1234)
    machine = write_dr(machine, 0, 6, 0)
    machine = write_dr(machine, 0, 7, 0xFFFF_FFFF)
    vcpu = get_vcpu(machine)
    assert read_dr(vcpu, 3) == 0x1234
    assert read_dr(vcpu, 6) == STATUS_FIXED
    assert read_dr(vcpu, 7) == 0xFFFF_2FFF
    assert read_dr(get_vcpu(build()), 7) == CONTROL_FIXED
    machine = write_dr(machine, 0, 6, 0xFFFF_FFFF)
    assert read_dr(get_vcpu(machine), 6) == 0xFFFF_EFFF


def test_registers_as_at_reset_leave_no_trace() -> None:
    """Equal registers are an equal state."""
    machine = write_dr(write_dr(build(), 0, 1, 5), 0, 1, 0)
    assert get_vcpu(machine).dr == ()
    assert get_debug(get_vcpu(machine)) == RESET


def test_tf_traps_after_each_instruction() -> None:
    """SDM vol. 3B, 17.3.1.4: the frame has TF and the next instruction."""
    after = step(build("nop\nnop", start=STEPPING, db="nop"))
    vcpu = get_vcpu(after)
    assert is_in_handler(after)
    assert vcpu.stack[0] & TF
    assert not vcpu.stack[0] & RF
    assert vcpu.stack[2] == KERNEL_BASE + SLOT
    assert not vcpu.flags & TF
    assert read_dr(vcpu, 6) == STATUS_FIXED | BS


def test_what_sets_tf_is_not_trapped_itself() -> None:
    """The processor looks at TF before the instruction."""
    machine = build("push 0x102\npopf\nnop", db="nop")
    machine = step(machine, 2)
    assert not is_in_handler(machine)
    after = step(machine)
    assert is_in_handler(after)
    assert get_vcpu(after).stack[-1] == KERNEL_BASE + 3 * SLOT


def test_iret_of_the_handler_steps_on() -> None:
    """TF in the frame makes the next instruction trap again."""
    machine = build("nop\nnop\nnop", start=STEPPING, db="iretd")
    machine = step(machine, 2)
    assert get_vcpu(machine).eip == KERNEL_BASE + SLOT
    machine = step(machine)
    assert is_in_handler(machine)
    assert get_vcpu(machine).stack[-1] == KERNEL_BASE + 2 * SLOT


@pytest.mark.parametrize("code", ["int 0x80", "int3"])
def test_int_is_not_stepped_into(code: str) -> None:
    """INT n has cleared TF by then; its frame keeps it."""
    after = step(build(code, start=STEPPING, db="nop", int80="nop", bp="nop"))
    assert not is_in_handler(after)
    assert get_vcpu(after).stack[0] & TF


def test_a_load_of_ss_delays_the_trap() -> None:
    """SDM vol. 3A, 6.8.3."""
    code = "mov eax, 0x68\nmov ss, eax\nnop"
    machine = update(step(build(code, db="nop")), 0, flags=TF | FIXED)
    machine = step(machine)
    assert not is_in_handler(machine)
    assert is_in_handler(step(machine))


def test_a_trap_ends_a_halt() -> None:
    """The processor does not stay halted at a trap of its own."""
    vcpu = get_vcpu(step(build("hlt", start=STEPPING, db="nop")))
    assert not vcpu.halted


def test_a_breakpoint_stops_before_its_instruction() -> None:
    """SDM vol. 3B, 17.3.1.1: a fault, with RF clear in its frame."""
    machine = watched(
        "nop\ninc dword ptr [work]", kind=0, at=KERNEL_BASE + SLOT
    )
    after = step(machine, 2)
    vcpu = get_vcpu(after)
    assert is_in_handler(after)
    assert after.data[0] == 0
    assert vcpu.stack[-1] == KERNEL_BASE + SLOT
    assert not vcpu.stack[0] & RF
    assert read_dr(vcpu, 6) == STATUS_FIXED | 1


def test_rf_passes_a_breakpoint_once() -> None:
    """IRET with RF in the frame goes on with the instruction."""
    machine = watched("inc dword ptr [work]\nnop", kind=0, at=KERNEL_BASE)
    machine = update(machine, 0, flags=RF | FIXED)
    after = step(machine)
    assert after.data[0] == 1
    assert not get_vcpu(after).flags & RF


@pytest.mark.parametrize(
    ("code", "kind", "hit"),
    [
        ("mov dword ptr [work], 1", 1, True),
        ("mov eax, dword ptr [work]", 1, False),
        ("mov eax, dword ptr [work]", 3, True),
        ("inc dword ptr [work]", 1, True),
        ("mov dword ptr [next], 1", 3, False),
        ("mov eax, offset work", 3, False),
    ],
)
def test_a_data_breakpoint_traps_after_the_access(
    code: str, kind: int, *, hit: bool
) -> None:
    """SDM vol. 3B, 17.3.1.2: writes, or reads and writes."""
    machine = watched(f"{code}\nnop", kind=kind, at=DATA_BASE, length=3)
    after = step(machine)
    assert is_in_handler(after) is hit
    if hit:
        assert get_vcpu(after).stack[-1] == KERNEL_BASE + SLOT
        assert read_dr(get_vcpu(after), 6) == STATUS_FIXED | 1


def test_the_length_of_a_breakpoint() -> None:
    """One byte is not met by an access beside it, four are."""
    code = "mov byte ptr [work + 2], 1"
    assert not is_in_handler(step(watched(code, kind=1, at=DATA_BASE)))
    wide = watched(code, kind=1, at=DATA_BASE, length=3)
    assert is_in_handler(step(wide))


def test_the_stack_is_watched_too() -> None:
    """A push is a write."""
    machine = watched("push 1", kind=1, at=0xC04F_FFFC, length=3)
    assert is_in_handler(step(machine))


def test_the_guard_of_the_registers() -> None:
    """SDM vol. 3B, 17.2.4: DR7.GD makes MOV DR a fault, and is taken down."""
    machine = write_dr(build("mov eax, dr0", db="nop"), 0, 7, 0x2000)
    after = step(machine)
    vcpu = get_vcpu(after)
    assert is_in_handler(after)
    assert read_dr(vcpu, 6) == STATUS_FIXED | BD
    assert read_dr(vcpu, 7) == CONTROL_FIXED
    assert vcpu.stack[-1] == KERNEL_BASE


def test_a_hypervisor_carries_debug_registers() -> None:
    """MOV DR traps there, and the guest's breakpoints work."""
    code = (
        f"mov eax, {DATA_BASE}\nmov dr0, eax\nmov eax, 0x10002\n"
        "mov dr7, eax\nmov byte ptr [work], 1"
    )
    machine = build(code, platform="software", data={"work": 0}, db="nop")
    assert is_in_handler(step(machine, 5))

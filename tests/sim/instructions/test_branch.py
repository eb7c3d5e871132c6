"""Jumps, calls and returns, and what depends on a condition."""

import pytest

from app.sim.forms import CONDITIONS
from app.sim.instructions.branch import has_condition
from app.sim.layout import KERNEL_BASE, KERNEL_STACK_TOP
from app.sim.listing import SLOT
from app.sim.machine import CF, FIXED, OF, PF, SF, ZF, Machine
from app.sim.registry import INSTRUCTIONS
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

NEXT = KERNEL_BASE + SLOT
FLAGS = (CF, PF, ZF, SF, OF)
ALL_FLAGS = [
    sum(bit for place, bit in enumerate(FLAGS) if number >> place & 1)
    for number in range(1 << len(FLAGS))
]


def run(code: str, times: int = 1, *, flags: int = 0, **parts: int) -> Machine:
    start = Start(registers=tuple(parts.items()), flags=flags)
    return step(build(code, start=start, data={"word": 0}), times)


def is_met(condition: str, flags: int) -> bool:
    """SDM vol. 1, appendix B: EFLAGS condition codes, written out."""
    c, p, z, s, o = (bool(flags & bit) for bit in FLAGS)
    return {
        "o": o,
        "no": not o,
        "b": c,
        "ae": not c,
        "e": z,
        "ne": not z,
        "be": c or z,
        "a": not c and not z,
        "s": s,
        "ns": not s,
        "p": p,
        "np": not p,
        "l": s is not o,
        "ge": s is o,
        "le": z or s is not o,
        "g": not z and s is o,
    }[condition]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_are_those_of_the_manual(condition: str) -> None:
    """For all 32 combinations of the five flags."""
    for flags in ALL_FLAGS:
        assert has_condition(flags, condition) == is_met(condition, flags)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_jumps_sets_and_moves_ask_their_condition(condition: str) -> None:
    """Jcc, SETcc and CMOVcc do what they say, and change no flag."""
    for flags in (0, CF | ZF, SF | PF, OF | CF | PF | ZF | SF):
        met = is_met(condition, flags)
        jump = run(f"j{condition} away\nnop\naway: nop", flags=flags)
        taken = NEXT + SLOT if met else NEXT
        assert get_vcpu(jump).eip == taken
        done = run(f"set{condition} bl", flags=flags, ebx=0x5555)
        assert get_vcpu(done).ebx == 0x5500 + met
        moved = run(f"cmov{condition} ebx, edx", flags=flags, ebx=1, edx=2)
        assert get_vcpu(moved).ebx == 1 + met
        for machine in (jump, done, moved):
            assert get_vcpu(machine).flags == flags | FIXED


def test_conditions_are_described() -> None:
    """The reference page says what each condition is."""
    texts = {INSTRUCTIONS[f"j{name}"].docstring for name in CONDITIONS}
    assert len(texts) == len(CONDITIONS)
    assert INSTRUCTIONS["jae"].docstring == "Jump if not below, without sign."


@pytest.mark.parametrize(
    "code",
    [
        "jmp away\nnop\naway: nop",
        "mov eax, offset away\njmp eax\naway: nop",
        "mov dword ptr [word], offset away\njmp [word]\naway: nop",
    ],
)
def test_jumps_lead_to_the_target(code: str) -> None:
    times = 1 if code.startswith("jmp") else 2
    assert get_vcpu(run(code, times)).eip == KERNEL_BASE + 2 * SLOT


@pytest.mark.parametrize("target", ["there", "eax", "[word]"])
def test_calls_return_to_the_next_instruction(target: str) -> None:
    """CALL pushes the address that RET pops."""
    code = (
        "mov eax, offset there\nmov [word], eax\n"
        f"call {target}\nhlt\nthere: ret"
    )
    machine = run(code, 3)
    assert get_vcpu(machine).stack == (KERNEL_BASE + 3 * SLOT,)
    assert get_vcpu(machine).eip == KERNEL_BASE + 4 * SLOT
    machine = step(machine)
    assert get_vcpu(machine).eip == KERNEL_BASE + 3 * SLOT
    assert get_vcpu(machine).esp == KERNEL_STACK_TOP


def test_a_call_through_esp_reads_before_it_pushes() -> None:
    code = "push offset there\ncall [esp]\nthere: nop"
    machine = run(code, 2)
    assert get_vcpu(machine).eip == KERNEL_BASE + 2 * SLOT


def test_ret_drops_bytes_of_the_stack() -> None:
    """RET n pops EIP first, then adds n to ESP."""
    code = "push 1\npush 2\ncall there\nthere: ret 8"
    vcpu = get_vcpu(run(code, 4))
    assert vcpu.esp == KERNEL_STACK_TOP
    assert vcpu.eip == KERNEL_BASE + 3 * SLOT


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("clc", CF | ZF, ZF),
        ("clc", ZF, ZF),
        ("stc", ZF, CF | ZF),
        ("cmc", ZF, CF | ZF),
        ("cmc", CF | ZF, ZF),
    ],
)
def test_carry_is_changed_alone(code: str, before: int, after: int) -> None:
    assert get_vcpu(run(code, flags=before)).flags == after | FIXED

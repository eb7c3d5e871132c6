"""Moves, exchanges and the stack."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.layout import DATA_BASE, KERNEL_STACK_TOP
from app.sim.machine import CF, FIXED, OF, ZF, Machine
from app.sim.memory import load, store
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

TOP = KERNEL_STACK_TOP


def run(code: str, times: int = 1, **registers: int) -> Machine:
    start = Start(registers=tuple(registers.items()), flags=CF | OF)
    data = {"word": 0x1122_88FF, "other": 0}
    return step(build(code, start=start, data=data), times)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("mov eax, 5", 5),
        ("mov eax, -1", 0xFFFF_FFFF),
        ("mov eax, [word]", 0x1122_88FF),
        ("mov ax, [word + 1]", 0x5555_2288),
        ("mov al, [word + 3]", 0x5555_5511),
        ("mov ah, [word]", 0x5555_FF55),
        ("mov eax, [word + 2]", 0x0000_1122),
        ("movzx eax, byte ptr [word]", 0xFF),
        ("movzx ax, byte ptr [word]", 0x5555_00FF),
        ("movzx eax, word ptr [word]", 0x88FF),
        ("movsx eax, byte ptr [word]", 0xFFFF_FFFF),
        ("movsx ax, byte ptr [word]", 0x5555_FFFF),
        ("movsx eax, word ptr [word]", 0xFFFF_88FF),
        ("movsx eax, byte ptr [word + 3]", 0x11),
        ("lea eax, [word + 4]", DATA_BASE + 4),
        ("lea eax, [eax + eax*8 + 1]", (0x5555_5555 * 9 + 1) % (1 << 32)),
    ],
)
def test_moves(code: str, value: int) -> None:
    """EAX, which was 0x55555555, after the move; no flag changes."""
    vcpu = get_vcpu(run(code, eax=0x5555_5555))
    assert vcpu.eax == value
    assert vcpu.flags == CF | OF | FIXED


@pytest.mark.parametrize(
    ("code", "eax", "ebx", "word"),
    [
        ("xchg eax, ebx", 2, 1, 0x1122_88FF),
        ("xchg al, ah", 0x100, 2, 0x1122_88FF),
        ("xchg [word], eax", 0x1122_88FF, 2, 1),
        ("xchg eax, [word]", 0x1122_88FF, 2, 1),
        ("xadd [word], ebx", 1, 0x1122_88FF, 0x1122_8901),
        ("xadd eax, ebx", 3, 1, 0x1122_88FF),
        ("xadd ebx, ebx", 1, 4, 0x1122_88FF),
    ],
)
def test_exchanges(code: str, eax: int, ebx: int, word: int) -> None:
    """EAX was 1 and EBX 2."""
    machine = run(code, eax=1, ebx=2)
    vcpu = get_vcpu(machine)
    assert (vcpu.eax, vcpu.ebx, machine.data[0]) == (eax, ebx, word)


def test_an_exchange_computes_its_address_before() -> None:
    """The register that is exchanged may be the base of the address."""
    machine = run("xchg eax, [eax]", eax=DATA_BASE)
    assert get_vcpu(machine).eax == 0x1122_88FF
    assert machine.data[0] == DATA_BASE


@pytest.mark.parametrize(
    ("eax", "after", "word", "flags"),
    [
        (0x1122_88FF, 0x1122_88FF, 7, ZF),
        (5, 0x1122_88FF, 0x1122_88FF, CF),
    ],
)
def test_cmpxchg(eax: int, after: int, word: int, flags: int) -> None:
    """It writes if the accumulator equals the memory, else it reads."""
    machine = run("lock cmpxchg [word], ebx", eax=eax, ebx=7)
    vcpu = get_vcpu(machine)
    assert (vcpu.eax, machine.data[0]) == (after, word)
    assert vcpu.flags & (ZF | CF) == flags


@given(st.integers(0, 0xFFFF_FFFF))
def test_what_is_pushed_is_popped(value: int) -> None:
    machine = run("push eax", eax=value)
    assert get_vcpu(machine).esp == TOP - 4
    assert load(machine, 0, TOP - 4)[1] == value
    machine = run("push eax\npop ebx", 2, eax=value)
    assert (get_vcpu(machine).esp, get_vcpu(machine).ebx) == (TOP, value)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("push esp", TOP),
        ("push -2", 0xFFFF_FFFE),
        ("push [word]", 0x1122_88FF),
        ("push offset other", DATA_BASE + 4),
    ],
)
def test_pushed_words(code: str, value: int) -> None:
    """PUSH ESP pushes ESP as it was before."""
    assert get_vcpu(run(code)).stack == (value,)


def test_pop_esp_leaves_the_popped_word() -> None:
    code = f"push {TOP - 8:#x}\npop esp"
    assert get_vcpu(run(code, 2)).esp == TOP - 8


def test_pop_into_the_stack_uses_esp_after_the_pop() -> None:
    """POP [ESP] writes to where ESP points then."""
    machine = run("push 1\npush 2\npop [esp]", 3)
    assert get_vcpu(machine).stack == (2,)


def test_pusha_and_popa() -> None:
    """All registers return, but ESP is what it was before PUSHA."""
    registers = {"eax": 1, "ecx": 2, "edx": 3, "ebx": 4}
    registers |= {"ebp": 5, "esi": 6, "edi": 7}
    machine = run("pushad", **registers)
    assert get_vcpu(machine).stack == (1, 2, 3, 4, TOP, 5, 6, 7)
    machine = store(machine, 0, TOP - 32, 4, 9)
    code = "pushad\nxor eax, eax\nxor edi, edi\nxor ebp, ebp\npopad"
    vcpu = get_vcpu(run(code, 5, **registers))
    assert {name: getattr(vcpu, name) for name in registers} == registers
    assert vcpu.esp == TOP


def test_leave_drops_the_frame() -> None:
    """ESP becomes EBP, and EBP is popped."""
    code = "push ebp\nmov ebp, esp\nsub esp, 12\nleave"
    vcpu = get_vcpu(run(code, 4, ebp=77))
    assert (vcpu.esp, vcpu.ebp) == (TOP, 77)

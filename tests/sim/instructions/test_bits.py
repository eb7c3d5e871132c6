"""Rotation through carry, double shifts, searches of bits, and loops.

Results are compared with other ways to the same answer: one step at a time,
or strings of digits.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.errors import NotModelled
from app.sim.layout import KERNEL_BASE
from app.sim.machine import AF, CF, OF, PF, SF, ZF, Machine, get_register
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

NAMES = {8: "dl", 16: "dx", 32: "edx"}
SOURCES = {16: "bx", 32: "ebx"}
words = st.integers(0, 0xFFFF_FFFF)
counts = st.integers(0, 255)


def run(code: str, *, flags: int = 0, **registers: int) -> Machine:
    """Run one instruction on a native machine with two data words."""
    start = Start(registers=tuple(registers.items()), flags=flags)
    data = {"low": 0x11111111, "high": 0x22222222}
    return step(build(code, start=start, data=data))


@given(st.sampled_from([8, 16, 32]), words, counts, st.booleans())
def test_rotation_goes_through_carry(
    size: int, value: int, count: int, carry: bool
) -> None:
    """SDM vol. 2B, RCL/RCR: carry is one more digit; the count has 5 bits."""
    value %= 1 << size
    ring = f"{carry:d}{value:0{size}b}"
    turn = (count & 31) % (size + 1)
    for name, turned in (
        ("rcl", ring[turn:] + ring[:turn]),
        ("rcr", ring[-turn:] + ring[:-turn] if turn else ring),
    ):
        machine = run(
            f"{name} {NAMES[size]}, cl",
            flags=carry * CF,
            edx=value,
            ecx=count,
        )
        assert get_register(machine, 0, NAMES[size]) == int(turned[1:], 2)
        assert get_vcpu(machine).flags & CF == int(turned[0])


@pytest.mark.parametrize(
    ("code", "value", "carry", "overflow"),
    [
        ("rcl dl", 0x40, 0, True),
        ("rcl dl", 0xC0, 0, False),
        ("rcr dl", 0x80, 0, True),
        ("rcr dl", 0x80, CF, False),
    ],
)
def test_a_rotation_by_1_has_overflow(
    code: str, value: int, carry: int, overflow: bool
) -> None:
    """SDM vol. 2B, RCL/RCR: the sign has changed, by carry or by its
    neighbour.
    """  # noqa: D205 - one sentence
    machine = run(code, flags=carry, edx=value)
    assert bool(get_vcpu(machine).flags & OF) == overflow


@given(st.sampled_from([16, 32]), words, words, counts, st.booleans())
def test_double_shifts_fill_from_the_source(
    size: int, value: int, filling: int, count: int, left: bool
) -> None:
    """SDM vol. 2B, SHLD and SHRD: as one long row of digits."""
    steps = count & 31
    value, filling = value % (1 << size), filling % (1 << size)
    name = "shld" if left else "shrd"
    code = f"{name} {NAMES[size]}, {SOURCES[size]}, cl"
    if steps > size:
        with pytest.raises(NotModelled):
            run(code, edx=value, ebx=filling, ecx=count)
        return
    machine = run(code, flags=AF | CF, edx=value, ebx=filling, ecx=count)
    first, second = f"{value:0{size}b}", f"{filling:0{size}b}"
    long = first + second if left else second + first
    start = steps if left else size - steps
    result = long[start : start + size]
    assert get_register(machine, 0, NAMES[size]) == int(result, 2)
    flags = get_vcpu(machine).flags
    if not steps:
        assert flags & (AF | CF) == AF | CF
        return
    out = first[steps - 1] if left else first[-steps]
    assert flags & CF == int(out)
    assert bool(flags & ZF) == ("1" not in result)
    assert bool(flags & SF) == (result[0] == "1")
    assert bool(flags & PF) == (result[-8:].count("1") % 2 == 0)
    assert bool(flags & OF) == (result[0] != first[0])


@given(words)
def test_a_bit_is_searched_from_either_end(value: int) -> None:
    """SDM vol. 2A, BSF and BSR: ZF says that there is none."""
    digits = f"{value:b}"
    for name, place in (
        ("bsf", digits[::-1].find("1")),
        ("bsr", len(digits) - 1),
    ):
        machine = run(f"{name} eax, edx", eax=99, edx=value)
        assert get_vcpu(machine).eax == (place if value else 99)
        assert bool(get_vcpu(machine).flags & ZF) == (not value)


def test_bswap() -> None:
    """SDM vol. 2A, BSWAP."""
    assert get_vcpu(run("bswap edi", edi=0x12345678)).edi == 0x78563412


@pytest.mark.parametrize("equal", [True, False])
def test_cmpxchg8b(equal: bool) -> None:
    """SDM vol. 2A, CMPXCHG8B: ZF says which; no other flag changes."""
    machine = run(
        "cmpxchg8b qword ptr [low]",
        flags=CF | PF | SF | (0 if equal else ZF),
        eax=0x11111111,
        edx=0x22222222 if equal else 0,
        ebx=3,
        ecx=4,
    )
    vcpu = get_vcpu(machine)
    assert vcpu.flags & (CF | PF | SF) == CF | PF | SF
    assert bool(vcpu.flags & ZF) == equal
    if equal:
        assert machine.data == (3, 4)
    else:
        assert machine.data == (0x11111111, 0x22222222)
        assert (vcpu.eax, vcpu.edx) == (0x11111111, 0x22222222)


def test_flags_go_to_ah_and_back() -> None:
    """SDM vol. 2A, LAHF and vol. 2B, SAHF: bit 1 is set, OF stays."""
    machine = run("lahf", flags=CF | ZF | OF, eax=0xFFFF)
    assert get_vcpu(machine).eax == 0x43FF
    vcpu = get_vcpu(run("sahf", flags=OF | CF, eax=0xD400))
    assert vcpu.flags & (CF | PF | AF | ZF | SF | OF) == PF | AF | ZF | SF | OF


@pytest.mark.parametrize(
    ("name", "count", "flags", "jumps"),
    [
        ("loop", 2, 0, True),
        ("loop", 1, 0, False),
        ("loop", 0, 0, True),
        ("loope", 2, ZF, True),
        ("loope", 2, 0, False),
        ("loope", 1, ZF, False),
        ("loopne", 2, 0, True),
        ("loopne", 2, ZF, False),
    ],
)
def test_loops_count_down(
    name: str, count: int, flags: int, jumps: bool
) -> None:
    """SDM vol. 2A, LOOP: counted first; ZF is asked by two of them."""
    machine = run(f"{name} there\nnop\nthere: nop", flags=flags, ecx=count)
    vcpu = get_vcpu(machine)
    assert vcpu.ecx == (count - 1) % (1 << 32)
    assert vcpu.eip == KERNEL_BASE + (32 if jumps else 16)


@pytest.mark.parametrize(
    ("name", "count", "jumps"),
    [("jecxz", 0, 1), ("jecxz", 1 << 16, 0), ("jcxz", 1 << 16, 1)],
)
def test_jumps_if_the_count_is_0(name: str, count: int, jumps: int) -> None:
    """SDM vol. 2A, Jcc: ECX or CX, and it stays."""
    machine = run(f"{name} there\nnop\nthere: nop", ecx=count)
    assert get_vcpu(machine).ecx == count
    assert get_vcpu(machine).eip == KERNEL_BASE + 16 + 16 * jumps

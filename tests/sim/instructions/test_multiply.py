"""Multiplication and division: results, carry and #DE of the SDM."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.sim.machine import CF, OF, Machine, get_register
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

LOW = {1: "al", 2: "ax", 4: "eax"}
HIGH = {1: "ah", 2: "dx", 4: "edx"}
SOURCE = {1: "bl", 2: "bx", 4: "ebx"}

sizes = st.sampled_from([1, 2, 4])
words = st.integers(0, 0xFFFF_FFFF) | st.sampled_from(
    [0, 1, 0x7F, 0x80, 0xFF, 0x8000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]
)


def run(code: str, **registers: int) -> Machine:
    start = Start(registers=tuple(registers.items()), flags=CF)
    return step(build(code, start=start, de="nop"))


def sign(value: int, size: int) -> int:
    """Read the lowest bytes as a signed number."""
    raw = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    return int.from_bytes(raw, "little", signed=True)


def get_product(machine: Machine, size: int) -> int:
    low = get_register(machine, 0, LOW[size])
    return get_register(machine, 0, HIGH[size]) << 8 * size | low


def is_cut(machine: Machine) -> bool:
    flags = get_vcpu(machine).flags
    assert bool(flags & CF) == bool(flags & OF)
    return bool(flags & CF)


@given(sizes, words, words)
def test_mul_gives_twice_the_size(size: int, left: int, right: int) -> None:
    """Carry and overflow say that the high half is not 0."""
    machine = run(f"mul {SOURCE[size]}", eax=left, ebx=right)
    mask = (1 << 8 * size) - 1
    product = (left & mask) * (right & mask)
    assert get_product(machine, size) == product
    assert is_cut(machine) == (product > mask)


@given(sizes, words, words)
def test_imul_with_one_operand(size: int, left: int, right: int) -> None:
    """Carry and overflow say that the low half alone is another number."""
    machine = run(f"imul {SOURCE[size]}", eax=left, ebx=right)
    product = sign(left, size) * sign(right, size)
    assert sign(get_product(machine, size), 2 * size) == product
    assert is_cut(machine) == (sign(product, size) != product)


@given(st.sampled_from([2, 4]), words, words)
def test_imul_with_more_operands(size: int, left: int, right: int) -> None:
    """The product is cut to the size of the destination."""
    target, source = SOURCE[size], LOW[size]
    product = sign(left, size) * sign(right, size)
    for code in (
        f"imul {target}, {source}",
        f"imul {target}, {target}, {sign(right, size)}",
    ):
        machine = run(code, ebx=left, eax=right)
        assert sign(get_vcpu(machine).ebx, size) == sign(product, size)
        assert is_cut(machine) == (sign(product, size) != product)


def place(dividend: int, size: int) -> dict[str, int]:
    """Put a dividend of twice the size in its registers."""
    if size == 1:
        return {"eax": dividend & 0xFFFF}
    mask = (1 << 8 * size) - 1
    return {"eax": dividend & mask, "edx": dividend >> 8 * size & mask}


@given(sizes, st.integers(0, (1 << 64) - 1), words)
def test_div_gives_quotient_and_remainder(
    size: int, dividend: int, divisor: int
) -> None:
    """What is divided is made again of quotient and remainder."""
    divisor &= (1 << 8 * size) - 1
    dividend &= (1 << 16 * size) - 1
    assume(divisor)
    registers = place(dividend, size)
    machine = run(f"div {SOURCE[size]}", ebx=divisor, **registers)
    fits = dividend < divisor << 8 * size
    assert (get_vcpu(machine).stack == ()) == fits
    if fits:
        quotient = get_register(machine, 0, LOW[size])
        remainder = get_register(machine, 0, HIGH[size])
        assert quotient * divisor + remainder == dividend
        assert remainder < divisor


@given(sizes, st.integers(-(1 << 63), (1 << 63) - 1), words)
def test_idiv_rounds_towards_zero(
    size: int, dividend: int, divisor: int
) -> None:
    """The remainder has the sign of the dividend."""
    dividend = sign(dividend, 2 * size)
    signed = sign(divisor, size)
    assume(signed)
    registers = place(dividend, size)
    machine = run(f"idiv {SOURCE[size]}", ebx=divisor, **registers)
    if get_vcpu(machine).stack:
        limit = 1 << 8 * size - 1
        rounded = abs(dividend) // abs(signed)
        assert rounded >= limit
        return
    quotient = sign(get_register(machine, 0, LOW[size]), size)
    remainder = sign(get_register(machine, 0, HIGH[size]), size)
    assert quotient * signed + remainder == dividend
    assert abs(remainder) < abs(signed)
    assert not remainder or (remainder < 0) == (dividend < 0)


@pytest.mark.parametrize("name", ["div", "idiv"])
@pytest.mark.parametrize(
    ("high", "low", "divisor"),
    [(0, 1, 0), (1, 0, 1), (0x8000_0000, 0, 1)],
)
def test_a_quotient_that_does_not_fit_faults(
    name: str, high: int, low: int, divisor: int
) -> None:
    """#DE at the division itself, with the registers unchanged."""
    code = f"{name} ebx"
    machine = run(code, eax=low, edx=high, ebx=divisor)
    vcpu = get_vcpu(machine)
    assert vcpu.eip == machine.board.gates[0].address
    assert (vcpu.edx, vcpu.eax, vcpu.ebx) == (high, low, divisor)
    assert vcpu.stack[-1] == get_vcpu(build(code)).eip


@pytest.mark.parametrize(
    ("dividend", "fits"), [(-128, True), (-129, False), (128, False)]
)
def test_the_most_negative_quotient_fits(dividend: int, fits: bool) -> None:
    machine = run("idiv bl", ebx=1, eax=dividend & 0xFFFF)
    assert (get_vcpu(machine).stack == ()) == fits


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("cbw", (0x1234_56F0, 1), (0x1234_FFF0, 1)),
        ("cbw", (0x1234_5670, 1), (0x1234_0070, 1)),
        ("cwde", (0x1234_8000, 1), (0xFFFF_8000, 1)),
        ("cwde", (0x1234_7FFF, 1), (0x0000_7FFF, 1)),
        ("cwd", (0x1234_8000, 0x5_5555), (0x1234_8000, 0x5_FFFF)),
        ("cwd", (0x8234_7000, 0x5_5555), (0x8234_7000, 0x5_0000)),
        ("cdq", (0x8000_0000, 1), (0x8000_0000, 0xFFFF_FFFF)),
        ("cdq", (0x7FFF_FFFF, 1), (0x7FFF_FFFF, 0)),
    ],
)
def test_conversions_extend_the_sign(
    code: str, before: tuple[int, int], after: tuple[int, int]
) -> None:
    """EAX and EDX before and after; no flag changes."""
    machine = run(code, eax=before[0], edx=before[1])
    vcpu = get_vcpu(machine)
    assert (vcpu.eax, vcpu.edx) == after
    assert vcpu.flags & CF

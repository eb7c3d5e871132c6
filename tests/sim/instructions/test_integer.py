"""Integer arithmetic, logic, shifts and bits: results and flags of the SDM.

Sums and differences are compared with a bit-serial adder, shifts with one
step at a time: other ways to the same answer than the simulator's.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.layout import DATA_BASE
from app.sim.machine import (
    AF,
    CF,
    FIXED,
    OF,
    PF,
    SF,
    ZF,
    Machine,
    get_register,
)
from app.sim.memory import load
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

NAMES = {1: ("bl", "dl"), 2: ("bx", "dx"), 4: ("ebx", "edx")}
ALL = {"c": CF, "p": PF, "a": AF, "z": ZF, "s": SF, "o": OF}

sizes = st.sampled_from([1, 2, 4])
words = st.integers(0, 0xFFFF_FFFF) | st.sampled_from(
    [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x7FFF_FFFF, 0x8000_0000]
)


def run(code: str, *, flags: int = 0, **registers: int) -> Machine:
    """Run one instruction on a native machine with these registers."""
    start = Start(registers=tuple(registers.items()), flags=flags)
    return step(build(code, start=start, data={"word": 0x8765_4321}))


def show_flags(machine: Machine, among: str = "cpazso") -> str:
    flags = get_vcpu(machine).flags
    return "".join(name for name in among if flags & ALL[name])


def write_flags(names: str) -> int:
    return sum(ALL[name] for name in names)


def add_bit_by_bit(
    left: int, right: int, carry: int, bits: int
) -> tuple[int, str]:
    """Add as a chain of full adders does, and name the flags."""
    result, carries = 0, [carry]
    for place in range(bits):
        one, two = left >> place & 1, right >> place & 1
        result |= (one ^ two ^ carries[-1]) << place
        carries.append(one & two | one & carries[-1] | two & carries[-1])
    flags = "c" * carries[bits]
    flags += "p" * ((result & 0xFF).bit_count() % 2 == 0)
    flags += "a" * carries[4]
    flags += "z" * (result == 0) + "s" * (result >> (bits - 1))
    return result, flags + "o" * (carries[bits] ^ carries[bits - 1])


@given(sizes, words, words, st.booleans(), st.sampled_from(["add", "adc"]))
def test_sums_are_those_of_an_adder(
    size: int, left: int, right: int, carry: bool, name: str
) -> None:
    """ADD and ADC: result and all six flags, at each size."""
    first, second = NAMES[size]
    machine = run(
        f"{name} {first}, {second}", flags=carry * CF, ebx=left, edx=right
    )
    mask = (1 << 8 * size) - 1
    taken = int(carry and name == "adc")
    result, flags = add_bit_by_bit(left & mask, right & mask, taken, 8 * size)
    assert get_register(machine, 0, first) == result
    assert show_flags(machine) == flags
    assert get_vcpu(machine).ebx == left & ~mask | result


@given(
    sizes,
    words,
    words,
    st.booleans(),
    st.sampled_from(["sub", "sbb", "cmp"]),
)
def test_differences_are_those_of_an_adder(
    size: int, left: int, right: int, borrow: bool, name: str
) -> None:
    """Left - right is left + not right + 1, with both carries inverted."""
    first, second = NAMES[size]
    machine = run(
        f"{name} {first}, {second}", flags=borrow * CF, ebx=left, edx=right
    )
    mask = (1 << 8 * size) - 1
    taken = int(borrow and name == "sbb")
    result, flags = add_bit_by_bit(
        left & mask, ~right & mask, 1 - taken, 8 * size
    )
    inverted = {"c", "a"} ^ set(flags) & {"c", "a"}
    others = set(flags) - {"c", "a"}
    kept = left & mask if name == "cmp" else result
    assert get_register(machine, 0, first) == kept
    assert set(show_flags(machine)) == inverted | others


@given(sizes, words, words, st.sampled_from(["and", "or", "xor", "test"]))
def test_logic_works_on_each_bit(
    size: int, left: int, right: int, name: str
) -> None:
    """Carry and overflow become 0; the other flags say the result."""
    first, second = NAMES[size]
    machine = run(
        f"{name} {first}, {second}", flags=CF | OF | AF, ebx=left, edx=right
    )
    rule = {"and": "11", "test": "11", "or": "01 10 11", "xor": "01 10"}
    result = sum(
        1 << place
        for place in range(8 * size)
        if f"{left >> place & 1}{right >> place & 1}" in rule[name].split()
    )
    mask = (1 << 8 * size) - 1
    kept = left & mask if name == "test" else result
    _, flags = add_bit_by_bit(result, 0, 0, 8 * size)
    assert get_register(machine, 0, first) == kept
    assert show_flags(machine) == flags


@given(sizes, words, st.booleans(), st.sampled_from([("inc", 1), ("dec", -1)]))
def test_counting_keeps_carry(
    size: int, value: int, carry: bool, count: tuple[str, int]
) -> None:
    """INC and DEC are ADD and SUB of 1, but for carry."""
    name, by = count
    register = NAMES[size][0]
    machine = run(f"{name} {register}", flags=carry * CF, ebx=value)
    other = run(f"{'add' if by > 0 else 'sub'} {register}, 1", ebx=value)
    assert get_vcpu(machine).ebx == get_vcpu(other).ebx
    assert show_flags(machine, "pazso") == show_flags(other, "pazso")
    assert show_flags(machine, "c") == "c" * carry


@given(sizes, words)
def test_neg_is_zero_minus_the_operand(size: int, value: int) -> None:
    first, second = NAMES[size]
    machine = run(f"neg {first}", ebx=value)
    other = run(f"sub {second}, {first}", ebx=value, edx=0)
    assert get_register(machine, 0, first) == get_register(other, 0, second)
    assert show_flags(machine) == show_flags(other)


@given(sizes, words)
def test_not_inverts_and_keeps_all_flags(size: int, value: int) -> None:
    flags = CF | ZF | OF
    machine = run(f"not {NAMES[size][0]}", flags=flags, ebx=value)
    assert get_vcpu(machine).ebx == value ^ ((1 << 8 * size) - 1)
    assert get_vcpu(machine).flags == flags | FIXED


@given(
    sizes,
    words,
    st.integers(0, 255),
    st.sampled_from(["shl", "shr", "sar", "rol", "ror"]),
)
def test_shifts_go_one_step_at_a_time(
    size: int, value: int, count: int, name: str
) -> None:
    """A shift by n is n shifts by 1: result, and carry of the last one."""
    register = NAMES[size][0]
    start = CF | OF | ZF
    machine = run(f"{name} {register}, {count}", flags=start, ebx=value)
    bits = 8 * size
    mask = (1 << bits) - 1
    result, carry = value & mask, 1
    for _ in range(count & 31):
        low, top = result & 1, result >> (bits - 1)
        if name in {"shl", "rol"}:
            carry = top
            result = (result << 1 | (top if name == "rol" else 0)) & mask
        else:
            carry = low
            fill = {"shr": 0, "sar": top, "ror": low}[name]
            result = result >> 1 | fill << (bits - 1)
    assert get_register(machine, 0, register) == result
    if name in {"rol", "ror"}:
        assert show_flags(machine, "z") == "z"
        if count & 31:
            end = result & 1 if name == "rol" else result >> (bits - 1)
            assert show_flags(machine, "c") == "c" * end
    elif count & 31:
        _, flags = add_bit_by_bit(result, 0, 0, bits)
        shown = "".join(name for name in "pzs" if name in flags)
        assert show_flags(machine, "pzs") == shown
        if count & 31 <= bits:
            assert show_flags(machine, "c") == "c" * carry
    if not count & 31:
        assert get_vcpu(machine).flags == start | FIXED


@pytest.mark.parametrize(
    ("code", "value", "flags"),
    [
        ("shl ebx, 1", 0x4000_0000, "pso"),
        ("shl ebx, 1", 0xC000_0000, "cps"),
        ("shl ebx, 1", 0x8000_0000, "cpzo"),
        ("shr ebx, 1", 0x8000_0001, "cpo"),
        ("shr bl, 1", 0x7E, "p"),
        ("sar ebx, 1", 0x8000_0001, "cps"),
        ("rol ebx, 1", 0x8000_0000, "co"),
        ("rol ebx, 1", 0x4000_0000, "o"),
        ("ror ebx, 1", 0x0000_0001, "co"),
        ("ror ebx, 1", 0x8000_0000, "o"),
        ("ror ebx, 1", 0x8000_0001, "c"),
    ],
)
def test_overflow_of_shifts_by_one(code: str, value: int, flags: str) -> None:
    """OF is defined for a count of 1: the sign has changed."""
    assert show_flags(run(code, ebx=value), "cpzso") == flags


def test_shift_counts_come_from_cl() -> None:
    """Only the lowest five bits of the count matter."""
    assert get_vcpu(run("shl ebx, cl", ebx=1, ecx=0xFFE3)).ebx == 8


@given(
    words,
    st.integers(0, 0xFFFF_FFFF),
    st.sampled_from(["bt", "bts", "btr", "btc"]),
)
def test_bits_of_a_register_wrap(value: int, place: int, name: str) -> None:
    """The offset into a register is taken modulo its size."""
    machine = run(f"{name} ebx, edx", flags=ZF, ebx=value, edx=place)
    bit = 1 << place % 32
    changed = {
        "bt": value,
        "bts": value | bit,
        "btr": value & ~bit,
        "btc": value ^ bit,
    }
    assert get_vcpu(machine).ebx == changed[name]
    assert show_flags(machine, "cz") == ("cz" if value & bit else "z")


@pytest.mark.parametrize(
    ("place", "word", "bit"),
    [(0, 1, 0), (35, 2, 3), (-1, 0, 31), (-32, 0, 0), (63, 2, 31)],
)
def test_bits_of_memory_reach_beyond_the_operand(
    place: int, word: int, bit: int
) -> None:
    """A register as the offset selects another word, in both directions."""
    data = {"before": 0, "here": 0, "after": 0}
    start = Start(registers=(("edx", place % (1 << 32)),))
    machine = step(build("bts [here], edx", start=start, data=data))
    expected = [0, 0, 0]
    expected[word] = 1 << bit
    assert machine.data == tuple(expected)


def test_bits_of_memory_with_a_number_wrap() -> None:
    data = {"here": 0, "after": 0}
    machine = step(build("bts dword ptr [here], 33", data=data))
    assert machine.data == (2, 0)


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("add bl, 1", 0x1234_56FF, 0x1234_5600),
        ("add bh, 1", 0x1234_FF78, 0x1234_0078),
        ("add bx, 1", 0x1234_FFFF, 0x1234_0000),
        ("mov bh, bl", 0x1234_5678, 0x1234_7878),
        ("xor bx, bx", 0x1234_5678, 0x1234_0000),
        ("sub ebx, ebx", 0x1234_5678, 0),
        ("neg bh", 0x1234_0178, 0x1234_FF78),
    ],
)
def test_parts_of_registers_leave_the_rest(
    code: str, before: int, after: int
) -> None:
    assert get_vcpu(run(code, ebx=before)).ebx == after


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("add dword ptr [word], 1", 0x8765_4322),
        ("add byte ptr [word + 1], 0xbd", 0x8765_0021),
        ("mov word ptr [word + 2], 0x1111", 0x1111_4321),
        ("and byte ptr [word + 3], 0x0f", 0x0765_4321),
        ("xor [word], ebx", 0x8765_4321 ^ 0x55),
        ("inc byte ptr [word]", 0x8765_4322),
        ("neg word ptr [word]", 0x8765_BCDF),
        ("lock sub dword ptr [word], 1", 0x8765_4320),
    ],
)
def test_memory_operands_of_each_size(code: str, after: int) -> None:
    """Bytes beside the operand stay as they are."""
    machine = run(code, ebx=0x55)
    assert load(machine, 0, DATA_BASE)[1] == after


def test_addresses_add_base_index_and_displacement() -> None:
    """The sum wraps at 32 bits."""
    data = {"zero": 0, "one": 0, "two": 0, "three": 0}
    start = Start(registers=(("ebx", 4), ("esi", 2), ("edi", 0xFFFF_FFFC)))
    code = "mov dword ptr [zero + ebx + esi*4], 5\nmov byte ptr [three+edi], 7"
    machine = step(build(code, start=start, data=data), 2)
    assert machine.data == (0, 0, 7, 5)

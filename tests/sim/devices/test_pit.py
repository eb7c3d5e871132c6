"""The 8254: counting, latching, its line, and port 0x61."""

import pytest

from app.sim.devices.pit import (
    Pit,
    advance,
    is_high,
    read_port,
    write_port,
)
from app.sim.errors import NotModelled


def program(
    control: int, *count: int, now: int = 0, pit: Pit | None = None
) -> Pit:
    pit = write_port(pit or Pit(), 0x43, control, now)
    for byte in count:
        pit = write_port(pit, 0x40 + (control >> 6), byte, now)
    return pit


def read(pit: Pit, port: int, now: int, times: int = 2) -> list[int]:
    values = []
    for _ in range(times):
        pit, value = read_port(pit, port, now)
        values.append(value)
    return values


def test_one_shot() -> None:
    """Mode 0 raises its output once, when the count is over."""
    pit = program(0x30, 0x34, 0x12, now=100)
    end = 100 + 0x1234
    assert advance(pit, end - 1) == (pit, False)
    assert not is_high(pit.counters[0], end - 1)
    pit, rose = advance(pit, end)
    assert rose
    assert is_high(pit.counters[0], end)
    assert advance(pit, end + 0x10000) == (pit, False)


@pytest.mark.parametrize("control", [0x34, 0x36, 0x3C, 0x3E])
def test_periodic(control: int) -> None:
    """Modes 2 and 3 raise it in each period; missed ones are one edge."""
    pit = program(control, 100, 0)
    pit, rose = advance(pit, 100)
    assert rose
    assert advance(pit, 199)[1] is False
    pit, rose = advance(pit, 450)
    assert rose
    assert pit.counters[0].expiry == 500


def test_counts_are_read_low_byte_first() -> None:
    """A count runs down; in mode 3 by two a tick."""
    pit = program(0x34, 0, 0x10)
    assert read(pit, 0x40, 0x0F01) == [0xFF, 0x00]
    pit = program(0x36, 0, 0x10)
    assert read(pit, 0x40, 0x0101) == [0xFE, 0x0D]


def test_zero_is_the_largest_count() -> None:
    """A count of 0 is 65,536."""
    assert program(0x30, 0, 0).counters[0].expiry == 0x10000


def test_one_byte_counts() -> None:
    """A counter may take and show its low or its high byte alone."""
    low = program(0x10, 0x20)
    assert low.counters[0].expiry == 0x20
    assert read(low, 0x40, 1, times=1) == [0x1F]
    high = program(0x20, 0x20)
    assert high.counters[0].expiry == 0x2000
    assert read(high, 0x40, 1, times=1) == [0x1F]


def test_a_latched_count_stands_still() -> None:
    """The latch keeps the count until it has been read."""
    pit = write_port(program(0x34, 0, 0x10), 0x43, 0x00, 0x01)
    pit = write_port(pit, 0x43, 0x00, 0x80)
    assert read(pit, 0x40, 0x100) == [0xFF, 0x0F]


def test_only_the_first_counter_drives_the_line() -> None:
    """Counters 1 and 2 have no interrupt."""
    pit = program(0x74, 10, 0)
    assert advance(pit, 1000) == (pit, False)


def test_the_gate_of_the_speaker_counter() -> None:
    """Port 0x61 starts and stops counter 2 and shows its output."""
    pit = program(0xB0, 100, 0)
    assert read(pit, 0x42, 50) == [100, 0]
    pit = write_port(pit, 0x61, 1, 1000)
    assert read(pit, 0x42, 1040) == [60, 0]
    assert read_port(pit, 0x61, 1099)[1] & 0x21 == 0x01
    assert read_port(pit, 0x61, 1100)[1] & 0x21 == 0x21
    stopped = write_port(pit, 0x61, 0, 1040)
    assert read(stopped, 0x42, 5000) == [60, 0]
    again = write_port(stopped, 0x61, 1, 6000)
    assert read(again, 0x42, 6010) == [50, 0]


@pytest.mark.parametrize(
    ("control", "low"), [(0xB4, {4}), (0xB6, {3, 4})], ids=["rate", "square"]
)
def test_the_output_in_periodic_modes(control: int, low: set[int]) -> None:
    """Mode 2 is low for the last tick, mode 3 for the second half."""
    pit = write_port(program(control, 5, 0), 0x61, 1, 0)
    counter = pit.counters[2]
    assert {t for t in range(5) if not is_high(counter, t)} == low
    assert {t - 5 for t in range(5, 10) if not is_high(counter, t)} == low


def test_a_latched_count_is_kept_until_read() -> None:
    """A second latch command changes nothing."""
    pit = write_port(program(0x34, 0, 0x10), 0x43, 0x00, 0x01)
    assert write_port(pit, 0x43, 0x00, 0x80) == pit


def test_the_refresh_bit_toggles() -> None:
    """Two reads of port 0x61 differ in bit 4, on which delays count."""
    first, second = read(Pit(), 0x61, 0)
    assert first ^ second == 0x10


def test_the_control_port_cannot_be_read() -> None:
    """It shows all ones; counters not set up show 0."""
    assert read(Pit(), 0x43, 0, times=1) == [0xFF]
    assert read(Pit(), 0x40, 7) == [0, 0]
    assert is_high(Pit().counters[0], 0)


@pytest.mark.parametrize("control", [0xC2, 0x32, 0x38, 0x31])
def test_what_is_not_modelled_says_so(control: int) -> None:
    """Read-back, modes 1 and 4, BCD."""
    with pytest.raises(NotModelled, match="8254"):
        program(control)


def test_a_period_of_one_says_so() -> None:
    """The data sheet forbids a count of 1 in mode 2."""
    with pytest.raises(NotModelled, match="count of 1"):
        program(0x34, 1, 0)

"""The serial port: bytes, registers, its line."""

import pytest

from app.sim.devices.serial import (
    LONGEST,
    Serial,
    is_requesting,
    read_port,
    receive,
    write_port,
)
from app.sim.errors import NotModelled

BASE = 0x3F8


def write(serial: Serial, *writes: tuple[int, int]) -> Serial:
    for register, value in writes:
        serial = write_port(serial, BASE + register, value)
    return serial


def read(serial: Serial, register: int) -> tuple[Serial, int]:
    return read_port(serial, BASE + register)


def test_bytes_go_out_in_order() -> None:
    """The transmitter is always ready again."""
    serial = write(Serial(), (0, 0x56), (0, 0x4D))
    assert serial.sent == (0x56, 0x4D)
    assert read(serial, 5)[1] == 0x60


def test_bytes_come_in_in_order() -> None:
    """Data ready is shown until the last one has been read."""
    serial = receive(receive(Serial(), 1), 2)
    assert read(serial, 5)[1] == 0x61
    serial, first = read(serial, 0)
    serial, second = read(serial, 0)
    assert (first, second) == (1, 2)
    assert read(serial, 5)[1] == 0x60
    assert read(serial, 0)[1] == 0


def test_a_received_byte_interrupts() -> None:
    """It needs its enable bit and OUT2; reading the byte ends it."""
    serial = receive(Serial(), 7)
    assert not is_requesting(write(serial, (1, 1)))
    assert not is_requesting(write(serial, (4, 8)))
    serial = write(serial, (1, 1), (4, 8))
    assert is_requesting(serial)
    assert read(serial, 2) == (serial, 4)
    assert not is_requesting(read(serial, 0)[0])


def test_an_empty_transmitter_interrupts_once() -> None:
    """Enabling it reports at once; reading the cause ends it."""
    serial = write(Serial(), (4, 8), (1, 2))
    assert is_requesting(serial)
    serial, cause = read(serial, 2)
    assert cause == 2
    assert not is_requesting(serial)
    assert read(serial, 2)[1] == 1
    assert is_requesting(write(serial, (0, 0x41)))


def test_registers_keep_what_they_hold() -> None:
    """Divisor, line control, modem control, scratch; status is fixed."""
    serial = write(Serial(), (3, 0x80), (0, 12), (1, 1), (3, 3), (7, 0x5A))
    assert serial.divisor == 0x10C
    assert read(write(serial, (3, 0x83)), 0)[1] == 12
    assert read(write(serial, (3, 0x83)), 1)[1] == 1
    serial = write(serial, (4, 0xFF), (1, 0xFF), (5, 0), (6, 0))
    values = [read(serial, register)[1] for register in range(1, 8)]
    assert values == [0x0F, 2, 3, 0x1F, 0x60, 0xB0, 0x5A]


def test_loop_mode_brings_a_byte_back() -> None:
    """Nothing leaves, and the line is not driven."""
    serial = write(Serial(), (1, 1), (4, 0x18), (0, 0x33))
    assert serial.sent == ()
    assert not is_requesting(serial)
    assert read(serial, 0)[1] == 0x33


def test_what_a_run_sends_and_receives_is_bounded() -> None:
    """Beyond the bound the run says that it cannot go on."""
    serial = Serial(sent=(0,) * LONGEST, received=(0,) * LONGEST)
    with pytest.raises(NotModelled, match="serial line"):
        write(serial, (0, 1))
    with pytest.raises(NotModelled, match="nobody reads"):
        receive(serial, 1)

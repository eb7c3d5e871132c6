"""The devices together: ports, lines, events."""

from app.sim.devices import (
    Devices,
    advance,
    build_devices,
    get_next_expiry,
    read_port,
    receive,
    request,
    set_line,
    write_port,
)
from app.sim.devices.pic import find_vector, get_requests


def write(devices: Devices, *writes: tuple[int, int]) -> Devices:
    for port, value in writes:
        devices = write_port(devices, port, 1, value, 0)
    return devices


def test_a_port_that_nobody_has() -> None:
    """It reads as all ones and takes what is written."""
    devices = build_devices()
    assert read_port(devices, 0x5000, 4, 0) == (devices, 0xFFFF_FFFF)
    assert write_port(devices, 0x80, 1, 5, 0) == devices
    assert read_port(devices, 0xFFFF, 2, 0) == (devices, 0xFFFF)


def test_the_latch_keeps_32_bits() -> None:
    """Each width goes to as many ports."""
    devices = write_port(build_devices(), 0x300, 4, 0x1234_5678, 0)
    assert read_port(devices, 0x300, 4, 0)[1] == 0x1234_5678
    assert read_port(devices, 0x301, 2, 0)[1] == 0x3456
    devices = write_port(devices, 0x303, 1, 0xAB, 0)
    assert read_port(devices, 0x300, 4, 0)[1] == 0xAB34_5678


def test_the_latch_holds_its_line_until_it_is_served() -> None:
    """A write to the request port ends it; another request may follow."""
    devices = request(build_devices())
    assert find_vector(devices.pic) == 0x25
    assert read_port(devices, 0x304, 1, 0)[1] == 1
    assert devices.pic.first.lines == 0b100000
    devices = write(devices, (0x304, 0))
    assert read_port(devices, 0x304, 1, 0)[1] == 0
    assert devices.pic.first.lines == 0


def test_the_serial_port_has_line_4() -> None:
    """A byte that arrives raises it, reading the byte lowers it."""
    devices = write(build_devices(), (0x3F9, 1), (0x3FC, 8))
    devices = receive(devices, 0x41)
    assert find_vector(devices.pic) == 0x24
    devices, value = read_port(devices, 0x3F8, 1, 0)
    assert value == 0x41
    assert devices.pic.first.lines == 0


def test_the_timer_has_line_0() -> None:
    """When the count is over the line is raised."""
    devices = write(build_devices(), (0x43, 0x34), (0x40, 100), (0x40, 0))
    assert get_next_expiry(devices) == 100
    assert get_requests(advance(devices, 99).pic) == 0
    devices = advance(devices, 100)
    assert get_requests(devices.pic) == 1
    assert get_next_expiry(devices) == 200


def test_all_devices_answer_at_their_ports() -> None:
    """Mask, count, speaker port, scratch register."""
    devices = build_devices(mask=0xFFFB, base=0x40)
    assert read_port(devices, 0x21, 1, 0)[1] == 0xFB
    assert read_port(devices, 0xA1, 1, 0)[1] == 0xFF
    devices = write(devices, (0x21, 0), (0x3FF, 0x77), (0x43, 0x10))
    devices = write(devices, (0x40, 9))
    assert read_port(devices, 0x40, 1, 3)[1] == 6
    assert read_port(devices, 0x61, 1, 3)[1] & 0x0F == 0
    assert read_port(devices, 0x3FF, 1, 3)[1] == 0x77
    assert find_vector(set_line(devices, 1, on=True).pic) == 0x41

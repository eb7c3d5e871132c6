"""The devices together: which port is whose, and who drives which line.

All ports are one byte wide; a wider access is one to each port in turn, as
on an ISA bus. A port that nobody has reads as all ones. ``now`` is the time
in ticks of the interval timer.
"""

from typing import Final, NamedTuple

from app.sim.devices import latch as latch_device
from app.sim.devices import pic as pic_device
from app.sim.devices import pit as pit_device
from app.sim.devices import serial as serial_device
from app.sim.devices.latch import Latch
from app.sim.devices.pic import Pic, build_pic
from app.sim.devices.pit import Pit
from app.sim.devices.serial import Serial

PORTS: Final = frozenset(
    {
        *pic_device.PORTS,
        *pit_device.PORTS,
        *serial_device.PORTS,
        *latch_device.PORTS,
    }
)
"""The ports behind which there is a device."""

PORT_MASK: Final = 0xFFFF
NOBODY: Final = 0xFF

_BITS: Final = 8
_BYTE: Final = 0xFF


class Devices(NamedTuple):
    """All devices of a machine."""

    pic: Pic
    pit: Pit = Pit()
    serial: Serial = Serial()
    latch: Latch = Latch()


def build_devices(
    *, mask: int = 0, base: int = 0x20, auto_eoi: int = 0
) -> Devices:
    """Build the devices as a kernel finds them after its own set-up.

    Parameters
    ----------
    mask
        A bit for each of the 16 lines that the controller masks.
    base
        Vector of line 0.
    auto_eoi
        Whether the controller ends each interrupt by itself.

    The line of the latch is level-triggered, as that of a PCI device.
    """
    level = 1 << latch_device.LINE
    pic = build_pic(mask=mask, base=base, auto_eoi=auto_eoi, level=level)
    return Devices(pic)


# -------------------------------------------------------------------- lines


def set_line(devices: Devices, line: int, *, on: bool) -> Devices:
    """Raise or lower a line of the interrupt controller."""
    return devices._replace(pic=pic_device.set_line(devices.pic, line, on=on))


def pulse(devices: Devices, line: int) -> Devices:
    """Raise a line and lower it: what an edge-triggered device does."""
    return set_line(set_line(devices, line, on=True), line, on=False)


def _settle(devices: Devices) -> Devices:
    """Let the lines follow what the devices ask for."""
    serial = serial_device.is_requesting(devices.serial)
    devices = set_line(devices, serial_device.LINE, on=serial)
    wants = bool(devices.latch.requests)
    return set_line(devices, latch_device.LINE, on=wants)


# ------------------------------------------------------------------- events


def advance(devices: Devices, now: int) -> Devices:
    """Let it become ``now``: the timer may raise its line."""
    pit, rose = pit_device.advance(devices.pit, now)
    if not rose:
        return devices
    return pulse(devices._replace(pit=pit), pit_device.LINE)


def get_next_expiry(devices: Devices) -> int | None:
    """Answer the tick at which the timer raises its line next."""
    return devices.pit.counters[0].expiry


def receive(devices: Devices, value: int) -> Devices:
    """Let a byte arrive at the serial port."""
    serial = serial_device.receive(devices.serial, value)
    return _settle(devices._replace(serial=serial))


def request(devices: Devices) -> Devices:
    """Let the latch ask for service."""
    latch = latch_device.request(devices.latch)
    return _settle(devices._replace(latch=latch))


# -------------------------------------------------------------------- ports


def read_port(
    devices: Devices, port: int, size: int, now: int
) -> tuple[Devices, int]:
    """Read ``size`` bytes from a port."""
    value = 0
    for offset in range(size):
        place = port + offset & PORT_MASK
        devices, byte = _read_byte(devices, place, now)
        value |= byte << _BITS * offset
    return devices, value


def _read_byte(devices: Devices, port: int, now: int) -> tuple[Devices, int]:
    """Read one byte."""
    if port in pic_device.PORTS:
        pic, value = pic_device.read_port(devices.pic, port)
        return devices._replace(pic=pic), value
    if port in pit_device.PORTS:
        pit, value = pit_device.read_port(devices.pit, port, now)
        return devices._replace(pit=pit), value
    if port in serial_device.PORTS:
        serial, value = serial_device.read_port(devices.serial, port)
        return _settle(devices._replace(serial=serial)), value
    if port in latch_device.PORTS:
        latch, value = latch_device.read_port(devices.latch, port)
        return devices._replace(latch=latch), value
    return devices, NOBODY


def write_port(
    devices: Devices, port: int, size: int, value: int, now: int
) -> Devices:
    """Write ``size`` bytes to a port."""
    for offset in range(size):
        place = port + offset & PORT_MASK
        byte = value >> _BITS * offset & _BYTE
        devices = _write_byte(devices, place, byte, now)
    return devices


def _write_byte(devices: Devices, port: int, value: int, now: int) -> Devices:
    """Write one byte."""
    if port in pic_device.PORTS:
        pic = pic_device.write_port(devices.pic, port, value)
        return devices._replace(pic=pic)
    if port in pit_device.PORTS:
        pit = pit_device.write_port(devices.pit, port, value, now)
        return devices._replace(pit=pit)
    if port in serial_device.PORTS:
        serial = serial_device.write_port(devices.serial, port, value)
        return _settle(devices._replace(serial=serial))
    if port in latch_device.PORTS:
        latch = latch_device.write_port(devices.latch, port, value)
        return _settle(devices._replace(latch=latch))
    return devices

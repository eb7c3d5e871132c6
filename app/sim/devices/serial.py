"""A serial port: the registers of a 16450, without FIFO and line errors.

A byte that is sent is out at once; what was sent is kept, so that an outcome
can ask for it. The line of the port is driven only with OUT2 of the modem
control register set, as on a PC.
"""

from typing import Final, NamedTuple

from app.sim.errors import NotModelled

PORTS: Final = range(0x3F8, 0x400)
LINE: Final = 4
LONGEST: Final = 64
"""How many bytes may be sent, or wait to be read, in one run."""

DATA: Final = 0
ENABLE: Final = 1
IDENTIFY: Final = 2
LINE_CONTROL: Final = 3
MODEM_CONTROL: Final = 4
LINE_STATUS: Final = 5
MODEM_STATUS: Final = 6
SCRATCH: Final = 7

_DLAB: Final = 0x80
_OUT2: Final = 0x08
_LOOP: Final = 0x10
_ENABLE_BITS: Final = 0x0F
_MODEM_BITS: Final = 0x1F
_RECEIVED: Final = 0x01
_EMPTY: Final = 0x02
_DATA_READY: Final = 0x01
_SENT_ALL: Final = 0x60
_CONNECTED: Final = 0xB0
_NOTHING: Final = 0x01
_WHY_EMPTY: Final = 0x02
_WHY_RECEIVED: Final = 0x04
_BITS: Final = 8
_BYTE: Final = 0xFF


class Serial(NamedTuple):
    """The registers, what waits to be read, and what was sent.

    ``reports_empty`` is the interrupt of an empty transmitter, which reading
    the identification register ends.
    """

    enabled: int = 0
    line_control: int = 0
    modem_control: int = 0
    divisor: int = 1
    scratch: int = 0
    reports_empty: int = 0
    received: tuple[int, ...] = ()
    sent: tuple[int, ...] = ()


def receive(serial: Serial, value: int) -> Serial:
    """Take a byte from the line."""
    if len(serial.received) >= LONGEST:
        raise NotModelled(f"more than {LONGEST} bytes that nobody reads")
    return serial._replace(received=(*serial.received, value))


def is_requesting(serial: Serial) -> bool:
    """Whether the interrupt line of the port is driven."""
    if not serial.modem_control & _OUT2 or serial.modem_control & _LOOP:
        return False
    return _get_cause(serial) != _NOTHING


def _get_cause(serial: Serial) -> int:
    """Answer the identification of the interrupt that comes first."""
    if serial.enabled & _RECEIVED and serial.received:
        return _WHY_RECEIVED
    if serial.enabled & _EMPTY and serial.reports_empty:
        return _WHY_EMPTY
    return _NOTHING


def read_port(serial: Serial, port: int) -> tuple[Serial, int]:
    """Read a register; some reads take something away."""
    register = port - PORTS.start
    if serial.line_control & _DLAB and register <= ENABLE:
        return serial, serial.divisor >> _BITS * register & _BYTE
    if register == DATA:
        value = serial.received[0] if serial.received else 0
        return serial._replace(received=serial.received[1:]), value
    if register == IDENTIFY:
        cause = _get_cause(serial)
        if cause == _WHY_EMPTY:
            serial = serial._replace(reports_empty=0)
        return serial, cause
    status = _SENT_ALL | (_DATA_READY if serial.received else 0)
    values = {
        ENABLE: serial.enabled,
        LINE_CONTROL: serial.line_control,
        MODEM_CONTROL: serial.modem_control,
        LINE_STATUS: status,
        MODEM_STATUS: _CONNECTED,
        SCRATCH: serial.scratch,
    }
    return serial, values[register]


def write_port(serial: Serial, port: int, value: int) -> Serial:
    """Write a register; the two status registers take nothing."""
    register = port - PORTS.start
    if serial.line_control & _DLAB and register <= ENABLE:
        shift = _BITS * register
        kept = serial.divisor & ~(_BYTE << shift)
        return serial._replace(divisor=kept | value << shift)
    if register == DATA:
        return _send(serial, value)
    if register == ENABLE:
        return _enable(serial, value & _ENABLE_BITS)
    if register == MODEM_CONTROL:
        return serial._replace(modem_control=value & _MODEM_BITS)
    if register == LINE_CONTROL:
        return serial._replace(line_control=value)
    return serial._replace(scratch=value) if register == SCRATCH else serial


def _send(serial: Serial, value: int) -> Serial:
    """Send a byte; in loop mode it comes back."""
    serial = serial._replace(reports_empty=1)
    if serial.modem_control & _LOOP:
        return receive(serial, value)
    if len(serial.sent) >= LONGEST:
        raise NotModelled(f"more than {LONGEST} bytes on the serial line")
    return serial._replace(sent=(*serial.sent, value))


def _enable(serial: Serial, enabled: int) -> Serial:
    """Enable interrupts; an empty transmitter reports at once."""
    newly = enabled & ~serial.enabled & _EMPTY
    reports = 1 if newly else serial.reports_empty
    return serial._replace(enabled=enabled, reports_empty=reports)

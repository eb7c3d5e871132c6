"""A latch: 32 bits that a guest can write and read back, and a request.

It is the simplest device that waits to be served. A request holds its line,
which is level-triggered, until the guest writes to the request port; until
then it raises no other.
"""

from typing import Final, NamedTuple

VALUE_PORTS: Final = range(0x300, 0x304)
REQUEST_PORT: Final = 0x304
PORTS: Final = frozenset({*VALUE_PORTS, REQUEST_PORT})
LINE: Final = 5

_BITS: Final = 8
_BYTE: Final = 0xFF


class Latch(NamedTuple):
    """The value, and whether the device waits to be served."""

    value: int = 0
    requests: int = 0


def request(latch: Latch) -> Latch:
    """Ask for service."""
    return latch._replace(requests=1)


def read_port(latch: Latch, port: int) -> tuple[Latch, int]:
    """Read a byte of the value, or whether the device asks for service."""
    if port == REQUEST_PORT:
        return latch, latch.requests
    return latch, latch.value >> _get_shift(port) & _BYTE


def write_port(latch: Latch, port: int, value: int) -> Latch:
    """Write a byte of the value; any byte to the request port serves it."""
    if port == REQUEST_PORT:
        return latch._replace(requests=0)
    shift = _get_shift(port)
    kept = latch.value & ~(_BYTE << shift)
    return latch._replace(value=kept | value << shift)


def _get_shift(port: int) -> int:
    """Answer where in the value a port's byte stands."""
    return _BITS * (port - VALUE_PORTS.start)

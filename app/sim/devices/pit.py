"""The 8254 interval timer and system port B: Intel 8254 data sheet.

Counters run in modes 0, 2 and 3; their time is the number of ticks of the
timer's own clock, which the caller knows. Counter 0 drives line 0 of the
interrupt controller, counter 2 is gated and seen through port 0x61. Binary
coded counts, the other modes and the read-back command are not modelled.
"""

from typing import Final, NamedTuple

from app.sim.errors import NotModelled

FREQUENCY: Final = 1_193_182
"""Ticks per second."""

COUNTERS: Final = range(0x40, 0x43)
CONTROL_PORT: Final = 0x43
SYSTEM_PORT: Final = 0x61
PORTS: Final = frozenset({*COUNTERS, CONTROL_PORT, SYSTEM_PORT})
LINE: Final = 0

TERMINAL_COUNT: Final = 0
RATE: Final = 2
SQUARE_WAVE: Final = 3

_SELECT_SHIFT: Final = 6
_READ_BACK: Final = 3
_ACCESS_SHIFT: Final = 4
_THREE: Final = 3
_LOW_BYTE: Final = 1
_HIGH_BYTE: Final = 2
_BOTH: Final = 3
_MODE_SHIFT: Final = 1
_MODE_BITS: Final = 7
_LAST_MODE: Final = 5
_BCD: Final = 1
_BITS: Final = 8
_BYTE: Final = 0xFF
_COUNT_MASK: Final = 0xFFFF
_FULL: Final = 0x1_0000
_SPEAKER_OF: Final = 2
_GATE: Final = 0x01
_SYSTEM_BITS: Final = 0x03
_REFRESH: Final = 0x10
_OUTPUT: Final = 0x20


class Counter(NamedTuple):
    """One counter.

    ``reload`` is 0 while it does not count. It counts since the tick
    ``started``, or stands at ``paused`` ticks while its gate is low.
    ``expiry`` is the tick at which its output rises next, or None.
    ``latched`` is the bytes to be read, ``low`` a low byte whose high one is
    still to be written, ``high_next`` says that the high byte is read next.
    """

    mode: int = SQUARE_WAVE
    access: int = _BOTH
    reload: int = 0
    started: int = 0
    paused: int | None = None
    expiry: int | None = None
    latched: tuple[int, ...] = ()
    low: int | None = None
    high_next: int = 0


class Pit(NamedTuple):
    """Three counters; what port 0x61 holds, and its refresh bit."""

    counters: tuple[Counter, Counter, Counter] = (
        Counter(),
        Counter(),
        Counter(paused=0),
    )
    system: int = 0
    refresh: int = 0


def advance(pit: Pit, now: int) -> tuple[Pit, bool]:
    """Let it become ``now``; whether the output of counter 0 rose."""
    first = pit.counters[0]
    if first.expiry is None or now < first.expiry:
        return pit, False
    expiry = None
    if first.mode != TERMINAL_COUNT:
        missed = (now - first.expiry) // first.reload + 1
        expiry = first.expiry + missed * first.reload
    return _set_counter(pit, 0, first._replace(expiry=expiry)), True


def is_high(counter: Counter, now: int) -> bool:
    """Whether the output of a counter is high."""
    elapsed = _get_elapsed(counter, now)
    if not counter.reload:
        return counter.mode != TERMINAL_COUNT
    if counter.mode == TERMINAL_COUNT:
        return elapsed >= counter.reload
    phase = elapsed % counter.reload
    if counter.mode == RATE:
        return phase != counter.reload - 1
    return phase < (counter.reload + 1) // 2


def _get_elapsed(counter: Counter, now: int) -> int:
    """Answer how many ticks a counter has counted."""
    return now - counter.started if counter.paused is None else counter.paused


def _get_count(counter: Counter, now: int) -> int:
    """Answer what a counter stands at."""
    elapsed = _get_elapsed(counter, now)
    if not counter.reload:
        return 0
    if counter.mode == TERMINAL_COUNT:
        return (counter.reload - elapsed) & _COUNT_MASK
    if counter.mode == SQUARE_WAVE:
        elapsed *= 2
    return (counter.reload - elapsed % counter.reload) & _COUNT_MASK


def _set_counter(pit: Pit, place: int, counter: Counter) -> Pit:
    """Put a counter in its place."""
    first, second, third = (
        counter if each == place else old
        for each, old in enumerate(pit.counters)
    )
    return pit._replace(counters=(first, second, third))


# -------------------------------------------------------------------- ports


def read_port(pit: Pit, port: int, now: int) -> tuple[Pit, int]:
    """Read a byte of a count, or system port B."""
    if port == SYSTEM_PORT:
        return _read_system(pit, now)
    if port == CONTROL_PORT:
        return pit, _BYTE
    place = port - COUNTERS.start
    counter = pit.counters[place]
    if counter.latched:
        value, *rest = counter.latched
        counter = counter._replace(latched=tuple(rest))
        return _set_counter(pit, place, counter), value
    low, high = _split(_get_count(counter, now))
    if counter.access != _BOTH:
        return pit, low if counter.access == _LOW_BYTE else high
    value = high if counter.high_next else low
    counter = counter._replace(high_next=1 - counter.high_next)
    return _set_counter(pit, place, counter), value


def _split(count: int) -> tuple[int, int]:
    """Split a count into its low and its high byte."""
    return count & _BYTE, count >> _BITS


def _read_system(pit: Pit, now: int) -> tuple[Pit, int]:
    """Read port 0x61; the refresh bit changes from read to read."""
    value = pit.system | (_REFRESH if pit.refresh else 0)
    if is_high(pit.counters[_SPEAKER_OF], now):
        value |= _OUTPUT
    return pit._replace(refresh=1 - pit.refresh), value


def write_port(pit: Pit, port: int, value: int, now: int) -> Pit:
    """Write a control word, a byte of a count, or system port B."""
    if port == CONTROL_PORT:
        return _control(pit, value, now)
    if port == SYSTEM_PORT:
        return _write_system(pit, value & _SYSTEM_BITS, now)
    place = port - COUNTERS.start
    counter = pit.counters[place]
    if counter.access == _BOTH and counter.low is None:
        return _set_counter(pit, place, counter._replace(low=value))
    if counter.access == _BOTH:
        count = value << _BITS | (counter.low or 0)
    else:
        count = value if counter.access == _LOW_BYTE else value << _BITS
    return _set_counter(pit, place, _load(counter, count or _FULL, now, place))


def _load(counter: Counter, count: int, now: int, place: int) -> Counter:
    """Begin to count from a new value."""
    if counter.mode != TERMINAL_COUNT and count == 1:
        raise NotModelled("a count of 1 in a periodic mode of the 8254")
    return counter._replace(
        reload=count,
        started=now,
        paused=None if counter.paused is None else 0,
        expiry=now + count if place == 0 else None,
        low=None,
    )


def _control(pit: Pit, value: int, now: int) -> Pit:
    """Take a control word: a latch command or a new mode."""
    place = value >> _SELECT_SHIFT
    if place == _READ_BACK:
        raise NotModelled("the read-back command of the 8254")
    counter = pit.counters[place]
    access = value >> _ACCESS_SHIFT & _THREE
    if not access:
        return _set_counter(pit, place, _latch(counter, now))
    mode = value >> _MODE_SHIFT & _MODE_BITS
    if mode > _LAST_MODE:
        mode &= _THREE
    if mode not in {TERMINAL_COUNT, RATE, SQUARE_WAVE} or value & _BCD:
        raise NotModelled("a counter of the 8254 in BCD or in mode 1, 4 or 5")
    paused = None if counter.paused is None else 0
    fresh = Counter(mode=mode, access=access, paused=paused)
    return _set_counter(pit, place, fresh)


def _latch(counter: Counter, now: int) -> Counter:
    """Keep the present count to be read."""
    if counter.latched:
        return counter
    low, high = _split(_get_count(counter, now))
    bytes_of = {_LOW_BYTE: (low,), _HIGH_BYTE: (high,), _BOTH: (low, high)}
    return counter._replace(latched=bytes_of[counter.access])


def _write_system(pit: Pit, value: int, now: int) -> Pit:
    """Write port 0x61: the gate of counter 2 stops it and lets it go on."""
    counter = pit.counters[_SPEAKER_OF]
    elapsed = _get_elapsed(counter, now)
    if not value & _GATE:
        counter = counter._replace(paused=elapsed)
    elif counter.paused is not None:
        begins = elapsed if counter.mode == TERMINAL_COUNT else 0
        counter = counter._replace(started=now - begins, paused=None)
    return _set_counter(pit._replace(system=value), _SPEAKER_OF, counter)

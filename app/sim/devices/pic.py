"""The pair of 8259A interrupt controllers: Intel 8259A data sheet.

Each chip has a request, a service and a mask register, is initialised by
ICW1 to ICW4 and told the end of an interrupt by OCW2. Line 2 of the first
chip is the output of the second. Rotating priorities, polling and the
special mask mode are not modelled.
"""

from typing import Final, NamedTuple

from app.sim.errors import NotModelled

COMMAND_PORTS: Final = (0x20, 0xA0)
DATA_PORTS: Final = (0x21, 0xA1)
EDGE_PORTS: Final = (0x4D0, 0x4D1)
"""A bit for each line that is level-triggered, on all but the oldest PCs."""
PORTS: Final = frozenset({*COMMAND_PORTS, *DATA_PORTS, *EDGE_PORTS})
LINES_PER_CHIP: Final = 8
CASCADE: Final = 2
SPURIOUS: Final = 7
"""The line that answers when a request is gone at the acknowledgement."""

_ICW1: Final = 0x10
_NEEDS_ICW4: Final = 0x01
_SINGLE: Final = 0x02
_LEVEL_TRIGGERED: Final = 0x08
_MODE_8086: Final = 0x01
_AUTO_EOI: Final = 0x02
_OTHER_MODES: Final = 0x1C
_OCW3: Final = 0x08
_POLL: Final = 0x04
_SPECIAL_MASK: Final = 0x40
_CHOOSE_REGISTER: Final = 0x02
_SERVICE_REGISTER: Final = 0x01
_EOI: Final = 0x20
_SPECIFIC: Final = 0x40
_ROTATE: Final = 0x80
_LEVEL_BITS: Final = 0x07
_BASE_BITS: Final = 0xF8
_BYTE: Final = 0xFF
_ALWAYS_EDGES: Final = (0x07, 0x21)

READY: Final = 0
ICW2: Final = 2
ICW3: Final = 3
ICW4: Final = 4


class Chip(NamedTuple):
    """One 8259A.

    ``lines`` is the inputs as they stand, ``irr`` the requests latched,
    ``level`` has a bit for each input that is level-triggered, and ``all``
    says that ICW1 made them all so. ``step`` is the
    initialisation word that is expected next, or `READY`.
    """

    irr: int = 0
    isr: int = 0
    imr: int = 0
    base: int = 0
    lines: int = 0
    level: int = 0
    all: int = 0
    auto_eoi: int = 0
    reads_isr: int = 0
    step: int = READY
    wants_icw4: int = 0


class Pic(NamedTuple):
    """The pair: lines 0 to 7 at the first chip, 8 to 15 at the second."""

    first: Chip
    second: Chip


def build_pic(
    *, mask: int = 0, base: int = 0x20, auto_eoi: int = 0, level: int = 0
) -> Pic:
    """Build a pair as a kernel leaves it, with 16 vectors from ``base``.

    ``mask`` and ``level`` have a bit for each line.
    """
    first, second = (
        Chip(
            imr=mask >> shift & _BYTE,
            base=base + shift,
            level=level >> shift & _BYTE,
            auto_eoi=auto_eoi,
        )
        for shift in (0, LINES_PER_CHIP)
    )
    return Pic(first, second)


# -------------------------------------------------------------------- lines


def set_line(pic: Pic, line: int, *, on: bool) -> Pic:
    """Raise or lower an input; an edge upwards is latched as a request."""
    if line < LINES_PER_CHIP:
        return pic._replace(first=_set_input(pic.first, line, on=on))
    second = _set_input(pic.second, line - LINES_PER_CHIP, on=on)
    return _cascade(pic._replace(second=second))


def _set_input(chip: Chip, number: int, *, on: bool) -> Chip:
    """Raise or lower one input of a chip."""
    bit = 1 << number
    if on:
        rises = not chip.lines & bit or _is_level(chip, bit)
        irr = chip.irr | bit if rises else chip.irr
        return chip._replace(lines=chip.lines | bit, irr=irr)
    irr = chip.irr & ~bit if _is_level(chip, bit) else chip.irr
    return chip._replace(lines=chip.lines & ~bit, irr=irr)


def _is_level(chip: Chip, bit: int) -> bool:
    """Whether an input is level-triggered."""
    return bool(chip.all or chip.level & bit)


def _cascade(pic: Pic) -> Pic:
    """Let the output of the second chip reach the first."""
    wants = _find_request(pic.second) is not None
    if wants == bool(pic.first.lines >> CASCADE & 1):
        return pic
    first = _set_input(pic.first, CASCADE, on=wants)
    if not wants:
        first = first._replace(irr=first.irr & ~(1 << CASCADE))
    return pic._replace(first=first)


def _find_request(chip: Chip) -> int | None:
    """Find the request that the chip passes on; 0 has the highest rank."""
    if chip.step != READY:
        return None
    asked = chip.irr & ~chip.imr
    number = (asked & -asked).bit_length() - 1
    serviced = (chip.isr & -chip.isr).bit_length() - 1
    if not asked or (chip.isr and serviced <= number):
        return None
    return number


def find_vector(pic: Pic) -> int | None:
    """Answer the vector that an acknowledgement would give, if any."""
    number = _find_request(pic.first)
    if number is None:
        return None
    if number != CASCADE:
        return pic.first.base + number
    return pic.second.base + _find_inner(pic)


def acknowledge(pic: Pic) -> tuple[Pic, int]:
    """Carry out the two INTA cycles: the pair after, and the vector."""
    number = _find_request(pic.first)
    if number is None:
        return pic, pic.first.base + SPURIOUS
    pic = pic._replace(first=_serve(pic.first, number))
    if number != CASCADE:
        return pic, pic.first.base + number
    inner = _find_inner(pic)
    pic = pic._replace(second=_serve(pic.second, inner))
    return _cascade(pic), pic.second.base + inner


def _find_inner(pic: Pic) -> int:
    """Find the request of the second chip for which the first one asks."""
    inner = _find_request(pic.second)
    assert inner is not None  # noqa: S101 - `_cascade` keeps them together
    return inner


def _serve(chip: Chip, number: int) -> Chip:
    """Move a request into service; an edge is used up by that."""
    bit = 1 << number
    isr = chip.isr if chip.auto_eoi else chip.isr | bit
    held = chip.lines & bit and _is_level(chip, bit)
    return chip._replace(irr=chip.irr if held else chip.irr & ~bit, isr=isr)


def get_requests(pic: Pic) -> int:
    """Answer a bit for each of the 16 lines whose request is latched."""
    first = pic.first.irr & ~(1 << CASCADE)
    return first | pic.second.irr << LINES_PER_CHIP


# -------------------------------------------------------------------- ports


def read_port(pic: Pic, port: int) -> tuple[Pic, int]:
    """Read a byte: the mask, or the register that OCW3 chose."""
    chip = pic[_get_place(port)]
    if port in EDGE_PORTS:
        return pic, chip.level
    if port in DATA_PORTS:
        return pic, chip.imr
    return pic, chip.isr if chip.reads_isr else chip.irr


def write_port(pic: Pic, port: int, value: int) -> Pic:
    """Write a byte: an initialisation or an operation command word."""
    place = _get_place(port)
    chip = pic[place]
    if port in EDGE_PORTS:
        chip = chip._replace(level=value & ~_ALWAYS_EDGES[place])
    elif port in DATA_PORTS:
        chip = _write_data(chip, value)
    elif value & _ICW1:
        chip = _begin(chip, value)
    elif value & _OCW3:
        chip = _choose(chip, value)
    else:
        chip = _end(chip, value)
    changed = (chip, pic.second) if place == 0 else (pic.first, chip)
    return _cascade(Pic(*changed))


def _get_place(port: int) -> int:
    """Answer which chip a port belongs to."""
    return int(port in {COMMAND_PORTS[1], DATA_PORTS[1], EDGE_PORTS[1]})


def _begin(chip: Chip, value: int) -> Chip:
    """Take ICW1: what was requested is forgotten, ICW2 comes next."""
    if value & _SINGLE:
        raise NotModelled("a single interrupt controller")
    return Chip(
        lines=chip.lines,
        level=chip.level,
        all=int(bool(value & _LEVEL_TRIGGERED)),
        step=ICW2,
        wants_icw4=value & _NEEDS_ICW4,
    )


def _write_data(chip: Chip, value: int) -> Chip:
    """Take ICW2, ICW3 or ICW4; else the mask."""
    if chip.step == READY:
        return chip._replace(imr=value)
    if chip.step == ICW2:
        return chip._replace(base=value & _BASE_BITS, step=ICW3)
    if chip.step == ICW3:
        return chip._replace(step=ICW4 if chip.wants_icw4 else READY)
    if not value & _MODE_8086 or value & _OTHER_MODES:
        raise NotModelled("a mode of the 8259A other than plain 8086 mode")
    auto_eoi = int(bool(value & _AUTO_EOI))
    return chip._replace(step=READY, auto_eoi=auto_eoi)


def _choose(chip: Chip, value: int) -> Chip:
    """Take OCW3: which register the command port shows."""
    if value & (_POLL | _SPECIAL_MASK):
        raise NotModelled("polling or special mask mode of the 8259A")
    if not value & _CHOOSE_REGISTER:
        return chip
    return chip._replace(reads_isr=value & _SERVICE_REGISTER)


def _end(chip: Chip, value: int) -> Chip:
    """Take OCW2: the end of the highest or of a stated interrupt."""
    if value & _ROTATE or not value & _EOI:
        raise NotModelled("rotating priorities of the 8259A")
    bit = chip.isr & -chip.isr
    if value & _SPECIFIC:
        bit = 1 << (value & _LEVEL_BITS)
    return chip._replace(isr=chip.isr & ~bit)

"""The section ``[rom]`` of a scenario file: the hypervisor's ROMs.

::

    [rom.new]
    at = 0xc8000                # the default, and the first place to look
    revision = "13.2"           # of the API; the default is 13.0
    checksum = false            # the bytes do not add up to 0

    [rom.old]
    at = 0xd0000
    revision = "12.0"

Without the section there is one ROM of revision 13.0. A section without any
table says that there is none.
"""

import re
from itertools import pairwise
from typing import Final

from app.sim.layout import PAGE_OFFSET, ROM_AREA
from app.sim.rom import AREA_LENGTH, LENGTH_UNIT, SLOT_LENGTH, SLOTS, Rom
from app.sim.toml_table import Table

KEYS: Final = ("at", "revision", "checksum", "units")
MAXIMUM_ROMS: Final = 4
STEP: Final = 0x800
"""ROMs begin at multiples of 2 KiB: RFC 4.2."""

_FIRST: Final = ROM_AREA - PAGE_OFFSET
_LAST: Final = _FIRST + AREA_LENGTH
_LONGEST: Final = 127
_WHOLE: Final = SLOT_LENGTH * SLOTS // LENGTH_UNIT
_REVISION: Final = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})")
_BYTE: Final = 0xFF


def read_roms(table: Table) -> tuple[Rom, ...]:
    """Read the section of a scenario or a variant."""
    if "rom" not in table.values:
        return (Rom(),)
    section = table.open_table("rom")
    section.limit("ROMs", MAXIMUM_ROMS)
    named = {
        name: _read_rom(section.open_table(name, KEYS))
        for name in section.values
    }
    placed = sorted(named.items(), key=lambda each: each[1].at)
    for (_, rom), (name, following) in pairwise(placed):
        if rom.at + rom.units * LENGTH_UNIT > following.at:
            section.refuse_value(
                "two ROMs overlap", (name,), "a place of its own for each"
            )
    return tuple(named.values())


def _read_rom(table: Table) -> Rom:
    """Read what one ROM is like."""
    units = table.read_number("units", 1, _LONGEST, _WHOLE)
    highest = _LAST - units * LENGTH_UNIT
    at = table.read_number("at", _FIRST, highest, Rom().at)
    if at % STEP:
        table.refuse_value(
            "no ROM begins here", ("at",), "a multiple of 2 KiB"
        )
    major, minor = _read_revision(table)
    return Rom(
        at, major, minor, table.read_switch("checksum", default=True), units
    )


def _read_revision(table: Table) -> tuple[int, int]:
    """Read a revision such as 13.2."""
    text = table.read_text("revision", 7, "13.0")
    match = _REVISION.fullmatch(text)
    numbers = [int(part) for part in match.groups()] if match else [_BYTE + 1]
    if max(numbers) > _BYTE:
        table.refuse_value(
            "this is no revision", ("revision",), 'two bytes, such as "13.2"'
        )
    return numbers[0], numbers[1]

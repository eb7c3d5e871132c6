"""The ROM through which a guest reaches the hypervisor.

The code of call *n* lies at ROM base + 32 * n, and calls start with number 4,
after a header of 128 bytes. The RFC says so nowhere; it follows from patch
3/24 of the series. What stands in a slot is the hypervisor's own affair: to
execute its first byte is to make the call.
"""

import struct
from functools import cache
from typing import Final, NamedTuple

from app.sim.layout import PAGE_OFFSET, ROM_AREA, ROM_BASE

SLOT_LENGTH: Final = 32
SLOTS: Final = 128
FIRST_CALL: Final = 4
HEADER_LENGTH: Final = 128
ROM_SIGNATURE: Final = 0xAA55
HYPER_SIGNATURE: Final = 0x696D_5663
API_MAJOR: Final = 13
API_MINOR: Final = 0
LENGTH_UNIT: Final = 512
AREA_LENGTH: Final = 0x2_0000
UD2: Final = b"\x0f\x0b"
INT3: Final = b"\xcc"
NOTHING: Final = b"\xff"

_NAMES: Final = """
    Init CPUID WRMSR RDMSR SetGDT SetLDT SetIDT SetTR GetGDT GetLDT GetIDT
    GetTR WriteGDTEntry WriteLDTEntry WriteIDTEntry UpdateKernelStack SetCR0
    SetCR2 SetCR3 SetCR4 GetCR0 GetCR2 GetCR3 GetCR4 INVD WBINVD SetDR GetDR
    RDPMC RDTSC CLTS EnableInterrupts DisableInterrupts GetInterruptMask
    SetInterruptMask IRET SYSEXIT Pause Halt Reboot Shutdown SetPte GetPxE
    SwapPte SetPteLong GetPxELong SwapPteLong TestAndSetPteBit
    TestAndClearPteBit AllocatePage ReleasePage InvalPage FlushTLB
    FlushDeferredCalls SetLinearMapping INL INB INW INSL INSB INSW OUTL OUTB
    OUTW OUTSL OUTSB OUTSW SetIOPLMask DeactivatePxELongAtomic
    TestAndSetPteBitLong TestAndClearPteBitLong SetInitialAPState APICWrite
    APICRead IODelay GetCycleFrequency GetCycleCounter SetAlarm CancelAlarm
    GetWallclockTime WallclockUpdated
""".split()  # noqa: SIM905 - a table of words

NUMBERS: Final = {
    f"VMI_{name}": number for number, name in enumerate(_NAMES, FIRST_CALL)
}
"""The number of each call in API revision 13.0."""

IN_ROM: Final = frozenset(
    f"VMI_{name}"
    for name in """
        CPUID RDPMC RDTSC EnableInterrupts DisableInterrupts
        GetInterruptMask SetInterruptMask GetGDT GetLDT GetIDT GetTR GetCR0
        GetCR2 GetCR3 GetCR4 GetDR IODelay
    """.split()  # noqa: SIM905 - a table of words
)
"""The calls whose code in the ROM does not enter the hypervisor.

This is assumed, since what a slot holds is the hypervisor's own affair. They
read or write what the ROM keeps, or execute the instruction there; "many
operations never leave the ROM", says one of its authors
(DE41DEAE-3CE5-43D8-8784-DDBC58CE2ABB@ira.uka.de).
"""

NAMES: Final = {number: name for name, number in NUMBERS.items()}


class Rom(NamedTuple):
    """One ROM: where it lies, the API revision, whether its sum is right.

    ``units`` is its length in units of 512 bytes.
    """

    at: int = ROM_BASE - PAGE_OFFSET
    major: int = API_MAJOR
    minor: int = API_MINOR
    checksum: bool = True
    units: int = SLOT_LENGTH * SLOTS // LENGTH_UNIT


def compute_entry_point(number: int, rom: Rom | None = None) -> int:
    """Compute where the kernel sees the code of a call."""
    base = ROM_BASE if rom is None else rom.at + PAGE_OFFSET
    return base + SLOT_LENGTH * number


def list_slots(roms: tuple[Rom, ...]) -> dict[int, int]:
    """List the addresses at which the code of a call begins, with its number.

    The calls of another major revision are not known, so such a ROM has
    none.
    """
    return {
        compute_entry_point(number, rom): number
        for rom in roms
        if rom.major == API_MAJOR
        for number in range(
            FIRST_CALL, min(SLOTS, rom.units * LENGTH_UNIT // SLOT_LENGTH)
        )
    }


def build_header(rom: Rom) -> bytes:
    """Build the header: the fields that RFC 4.3 gives a value."""
    header = bytearray(HEADER_LENGTH)
    struct.pack_into("<HB", header, 0x00, ROM_SIGNATURE, rom.units)
    struct.pack_into(
        "<IBB", header, 0x08, HYPER_SIGNATURE, rom.minor, rom.major
    )
    return bytes(header)


def build_slot(number: int) -> bytes:
    """Build the code of a call, as it is seen by who reads it.

    UD2, which takes the processor to the hypervisor, and the number of the
    call; the rest of the slot is filled up with INT3. This is assumed, for
    what stands in a slot is the hypervisor's own affair.
    """
    code = UD2 + struct.pack("<I", number)
    return code.ljust(SLOT_LENGTH, INT3)


def build_rom(rom: Rom) -> bytes:
    """Build all of a ROM; its last byte makes the sum right: RFC 4.2."""
    length = rom.units * LENGTH_UNIT
    slots = b"".join(map(build_slot, range(FIRST_CALL, SLOTS)))
    content = (build_header(rom) + slots)[: length - 1].ljust(length - 1, INT3)
    last = -sum(content) if rom.checksum else 1 - sum(content)
    return content + bytes([last & 0xFF])


@cache
def build_area(roms: tuple[Rom, ...]) -> bytes:
    """Build what the guest finds where ROMs may be; nothing reads as FFh."""
    area = bytearray(NOTHING * AREA_LENGTH)
    for rom in roms:
        content = build_rom(rom)
        offset = rom.at - (ROM_AREA - PAGE_OFFSET)
        area[offset : offset + len(content)] = content
    return bytes(area)

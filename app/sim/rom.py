"""The ROM through which a guest reaches the hypervisor.

The code of call *n* lies at ROM base + 32 * n, and calls start with number 4,
after a header of 128 bytes. The RFC says so nowhere; it follows from patch
3/24 of the series. What stands in a slot is the hypervisor's own affair: a
guest jumps there and does not read it.
"""

import struct
from typing import Final

from app.sim.layout import ROM_BASE

SLOT_LENGTH: Final = 32
SLOTS: Final = 128
FIRST_CALL: Final = 4
HEADER_LENGTH: Final = 128
ROM_SIGNATURE: Final = 0xAA55
HYPER_SIGNATURE: Final = 0x696D_5663
API_MAJOR: Final = 13
API_MINOR: Final = 0
LENGTH_UNIT: Final = 512

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


def compute_entry_point(number: int) -> int:
    """Compute where the code of a call lies."""
    return ROM_BASE + SLOT_LENGTH * number


def get_slot(address: int) -> int:
    """Answer the call whose code begins at an address, 0 if there is none."""
    number, inside = divmod(address - ROM_BASE, SLOT_LENGTH)
    return number if not inside and FIRST_CALL <= number < SLOTS else 0


def build_header() -> bytes:
    """Build the header: the fields that RFC 4.3 gives a value."""
    header = bytearray(HEADER_LENGTH)
    length = SLOT_LENGTH * SLOTS // LENGTH_UNIT
    struct.pack_into("<HB", header, 0x00, ROM_SIGNATURE, length)
    struct.pack_into(
        "<IBB", header, 0x08, HYPER_SIGNATURE, API_MINOR, API_MAJOR
    )
    return bytes(header)

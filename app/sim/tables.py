"""The descriptor tables with which a guest begins, as words in its memory.

Each processor has a GDT, an LDT, an IDT and a TSS of its own, laid out as
those of Linux 2.6 on i386, each in pages of its own (RFC 2.2). The gates of
the IDT are made from the handlers of the question.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

from app.sim.layout import (
    DESCRIPTORS_BASE,
    PAGE_OFFSET,
    PAGE_TABLES_BASE,
    get_kernel_stack_top,
)
from app.sim.machine import (
    FLAT_CODE,
    FLAT_DATA,
    FLAT_USER_DATA,
    KERNEL_CS,
    KERNEL_DS,
    USER_CPL,
    USER_CS,
    USER_DS,
    WORD,
    CpuId,
    Gate,
    Segment,
    Table,
)
from app.sim.segments import (
    BUSY,
    LDT_TYPE,
    PRESENT,
    TSS_AVAILABLE,
    encode,
    encode_gate,
    set_dpl,
)

TABLES_STRIDE: Final = 0x8000
IDT_OFFSET: Final = 0x1000
LDT_OFFSET: Final = 0x2000
TSS_OFFSET: Final = 0x3000

GDT_ENTRIES: Final = 32
LDT_ENTRIES: Final = 32
IDT_ENTRIES: Final = 256
ENTRY: Final = 8
ENTRY_SHIFT: Final = 3

TSS_SELECTOR: Final = 0x80
LDT_SELECTOR: Final = 0x88

ESP0: Final = 0x4
SS0: Final = 0x8
IO_MAP_BASE: Final = 0x66
BITMAP_BYTES: Final = 0x2000
TSS_BYTES: Final = 0x68
NO_BITMAP: Final = 0x8000
"""An offset beyond the limit: no port is open (Linux's
INVALID_IO_BITMAP_OFFSET)."""

REGIONS: Final = (
    (DESCRIPTORS_BASE - PAGE_OFFSET, PAGE_TABLES_BASE - PAGE_OFFSET),
)
"""Where the tables lie in physical memory."""

_HALF: Final = 16


def get_base(cpu: CpuId) -> int:
    """Answer the linear address of a processor's tables."""
    return DESCRIPTORS_BASE + cpu * TABLES_STRIDE


def get_ldt(cpu: CpuId) -> Segment:
    """Answer the segment of a processor's LDT."""
    limit = LDT_ENTRIES * ENTRY - 1
    return Segment(get_base(cpu) + LDT_OFFSET, limit, PRESENT | LDT_TYPE, 0)


def get_tss(cpu: CpuId) -> Segment:
    """Answer the segment of a processor's TSS, busy as LTR leaves it.

    A map of all ports, with the byte that ends it, has room behind it.
    """
    limit = TSS_BYTES + BITMAP_BYTES
    access = PRESENT | TSS_AVAILABLE | BUSY
    return Segment(get_base(cpu) + TSS_OFFSET, limit, access, 0)


@cache
def get_gdtr(cpu: CpuId) -> Table:
    """Answer place and limit of a processor's first GDT."""
    return Table(get_base(cpu), GDT_ENTRIES * ENTRY - 1)


@cache
def get_idtr(cpu: CpuId) -> Table:
    """Answer place and limit of a processor's first IDT."""
    return Table(get_base(cpu) + IDT_OFFSET, IDT_ENTRIES * ENTRY - 1)


def get_registers(cpu: CpuId) -> dict[str, object]:
    """Answer the table registers with which a processor begins."""
    return {
        "gdtr": get_gdtr(cpu),
        "idtr": get_idtr(cpu),
        "ldtr": LDT_SELECTOR,
        "ldt": get_ldt(cpu),
        "tr": TSS_SELECTOR,
        "tss": get_tss(cpu),
    }


def build_image(gates: Mapping[int, Gate], cpus: int) -> dict[int, int]:
    """Build the tables of all processors: words by physical address."""
    image: dict[int, int] = {}
    for cpu in range(cpus):
        base = get_base(cpu)
        for selector, segment in _list_descriptors(cpu).items():
            _put(image, base + (selector & ~USER_CPL), encode(segment))
        for vector, gate in gates.items():
            place = base + IDT_OFFSET + (vector << ENTRY_SHIFT)
            _put(image, place, encode_gate(gate))
        tss = base + TSS_OFFSET
        _put(image, tss + ESP0, (get_kernel_stack_top(cpu), KERNEL_DS))
        at = IO_MAP_BASE - IO_MAP_BASE % WORD
        _put(image, tss + at, (NO_BITMAP << _HALF,))
    return image


def _list_descriptors(cpu: CpuId) -> dict[int, Segment]:
    """List the descriptors of a GDT by selector."""
    return {
        KERNEL_CS: FLAT_CODE,
        KERNEL_DS: FLAT_DATA,
        USER_CS: set_dpl(FLAT_CODE, USER_CPL),
        USER_DS: FLAT_USER_DATA,
        TSS_SELECTOR: get_tss(cpu),
        LDT_SELECTOR: get_ldt(cpu),
    }


def _put(image: dict[int, int], linear: int, words: tuple[int, ...]) -> None:
    """Put words into an image, from a linear address on."""
    for place, word in enumerate(words):
        image[linear - PAGE_OFFSET + WORD * place] = word

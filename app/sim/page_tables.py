"""The page tables that a question begins with, as Linux 2.6 has them.

The kernel's direct map covers all memory in large global pages. User code,
user stacks and the local APIC have small pages, and so has each page that the
question names. Directory and tables lie in physical memory, where guest code
reads and writes them at the kernel's address.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from app.sim.layout import (
    FRAMES_BASE,
    MEMORY_END,
    PAGE_OFFSET,
    PAGE_TABLES_BASE,
    USER_BASE,
    USER_CODE_FRAMES,
    USER_SPACE,
    USER_STACK_FRAMES_END,
    USER_STACK_TOP,
)
from app.sim.machine import Machine
from app.sim.paging import (
    ACCESSED,
    CR4_PAE,
    CR4_PGE,
    CR4_PSE,
    DIRTY,
    ENTRY,
    GLOBAL,
    LARGE,
    LARGE_PAGE,
    LONG_ENTRY,
    PAE_LARGE_PAGE,
    PAGE,
    PRESENT,
    USER,
    WRITABLE,
    read_pointers,
)
from app.sim.physical import WORD

APIC_PAGE: Final = 0xFEE0_0000
NOT_CACHED: Final = 0x10

PAGE_PT: Final = 0x01
PAGE_PD: Final = 0x02
PAGE_PDP: Final = 0x04

USER_PAGES_BASE: Final = 0x4000_0000
"""Where named pages of user space lie unless they say where."""
KERNEL_PAGES_BASE: Final = 0xD000_0000
"""Where named pages of the kernel lie unless they say where."""

_USED: Final = PRESENT | WRITABLE | ACCESSED | DIRTY
_PAGE_BITS: Final = 12
_POINTERS: Final = 4
_HIGH: Final = 32
_LOW_WORD: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Page:
    """A page that a question names: where it lies and what it grants."""

    name: str
    linear: int
    frame: int
    present: bool = True
    writable: bool = True
    user: bool = False
    global_: bool = False

    @property
    def entry(self) -> int:
        """The entry that maps it, not yet accessed; 0 if not present."""
        if not self.present:
            return 0
        bits = self.writable * WRITABLE | self.user * USER
        return self.frame | PRESENT | bits | self.global_ * GLOBAL


@dataclass(frozen=True, slots=True)
class Paging:
    """The paging that a question asks for."""

    pae: bool
    pages: tuple[Page, ...] = ()


@dataclass(slots=True)
class Tables:
    """Page tables under construction, and then what they came to.

    ``image`` is their words by physical address, ``usage`` the type of each
    of their pages, ``places`` the addresses of the entry and of the table of
    each page that was mapped.
    """

    pae: bool
    image: dict[int, int] = field(default_factory=dict)
    usage: dict[int, int] = field(default_factory=dict)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    root: int = 0
    _next: int = PAGE_TABLES_BASE - PAGE_OFFSET

    def __post_init__(self) -> None:
        """Take the pages of the root, and of the directories under PAE."""
        if not self.pae:
            self.root = self._take(PAGE_PD)
            return
        self.root = self._take(PAGE_PDP)
        for number in range(_POINTERS):
            directory = self._take(PAGE_PD)
            self._set(self.root + number * LONG_ENTRY, directory | PRESENT)

    def _take(self, types: int) -> int:
        """Take the next free page."""
        page = self._next
        self._next += PAGE
        self.usage[page >> _PAGE_BITS] = types
        return page

    def _set(self, address: int, entry: int) -> None:
        """Write an entry."""
        self.image[address] = entry & _LOW_WORD
        if self.pae:
            self.image[address + WORD] = entry >> _HIGH

    @property
    def reach(self) -> int:
        """How many bytes an entry of a directory covers."""
        return PAE_LARGE_PAGE if self.pae else LARGE_PAGE

    def _find_directory_entry(self, linear: int) -> int:
        """Answer where the directory entry of an address lies."""
        number = linear // self.reach
        if not self.pae:
            return self.root + number * ENTRY
        first = self.root + PAGE
        return first + number * LONG_ENTRY

    def map_large(self, linear: int, frame: int, bits: int) -> None:
        """Map a large page."""
        self._set(self._find_directory_entry(linear), frame | bits | LARGE)

    def map_page(self, linear: int, entry: int) -> None:
        """Put an entry in a table, which is made if there is none."""
        directory_entry = self._find_directory_entry(linear)
        value = self.image.get(directory_entry, 0)
        if not value:
            kernel = linear >= PAGE_OFFSET
            value = self._take(PAGE_PT) | _USED | (0 if kernel else USER)
            self._set(directory_entry, value)
        size = LONG_ENTRY if self.pae else ENTRY
        table = value & -PAGE
        place = table + linear % self.reach // PAGE * size
        self._set(place, entry)
        self.places[linear] = (place, table)


def build_tables(paging: Paging) -> Tables:
    """Build the tables of a question."""
    tables = Tables(paging.pae)
    for frame in range(0, MEMORY_END, tables.reach):
        tables.map_large(PAGE_OFFSET + frame, frame, _USED | GLOBAL)
    for offset in range(0, USER_SPACE, PAGE):
        code = USER_CODE_FRAMES + offset
        first = USER_BASE - USER_BASE % PAGE
        tables.map_page(first + offset, code | _USED | USER)
        stack = USER_STACK_FRAMES_END - PAGE - offset
        top = USER_STACK_TOP - PAGE
        tables.map_page(top - offset, stack | _USED | USER)
    tables.map_page(APIC_PAGE, APIC_PAGE | _USED | GLOBAL | NOT_CACHED)
    for page in paging.pages:
        tables.map_page(page.linear, page.entry)
    return tables


def get_symbols(paging: Paging) -> dict[str, int]:
    """Answer the names that listings may use, with their addresses.

    For a page ``p`` they are ``p`` itself, ``p_frame`` (physical), ``p_pte``
    and ``p_table`` (where the kernel sees its entry, and the table of that);
    ``page_directory`` is where it sees the root of all.
    """
    tables = build_tables(paging)
    symbols = {"page_directory": PAGE_OFFSET + tables.root}
    for page in paging.pages:
        place, table = tables.places[page.linear]
        symbols[page.name] = page.linear
        symbols[f"{page.name}_frame"] = page.frame
        symbols[f"{page.name}_pte"] = PAGE_OFFSET + place
        symbols[f"{page.name}_table"] = PAGE_OFFSET + table
    return symbols


def get_frame(number: int) -> int:
    """Answer the frame of the page with this number."""
    return FRAMES_BASE - PAGE_OFFSET + number * PAGE


def map_memory(machine: Machine, paging: Paging) -> Machine:
    """Turn paging on in a machine that was built without it.

    The pages of the tables are registered, and slot 0 of VMI_SetLinearMapping
    covers the kernel's map of memory, as Linux leaves it after VMI_Init.
    """
    tables = build_tables(paging)
    board = machine.board
    image: Mapping[int, int] = {**board.image, **tables.image}
    machine = machine.replace(
        board=replace(board, image=image, paging=True),
        usage=tuple(sorted(tables.usage.items())),
        mappings=((0, PAGE_OFFSET, MEMORY_END // PAGE, 0),),
    )
    bits = CR4_PGE | (CR4_PAE if paging.pae else CR4_PSE)
    vcpus = tuple(
        vcpu.replace(
            cr3=tables.root,
            cr4=vcpu.cr4 | bits,
            pdptes=read_pointers(machine, tables.root) if paging.pae else (),
        )
        for vcpu in machine.vcpus
    )
    return machine.replace(vcpus=vcpus)

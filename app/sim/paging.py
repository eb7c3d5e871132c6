"""Paging: the walk through the page tables, and the TLB that remembers it.

SDM vol. 3A, chapter 4: 32-bit paging with 4 KiB and 4 MiB pages, and PAE with
4 KiB and 2 MiB pages. Nothing leaves the TLB by itself, so a flush that is
missing shows; the event ``tlb`` is a processor that forgets. Instructions are
fetched through it too. Linear addresses are those after segmentation.

A hypervisor with shadow tables sees the guest's as far as it was told of
them: `shadowing` knows what it has not seen. A walk that ends in a page fault
is the hypervisor's first, which makes the updates that wait, reads the tables
anew and tries again.
"""

from typing import Final, NamedTuple

from app.sim.deferral import DEFER_MMU, flush
from app.sim.errors import GuestFault
from app.sim.machine import CpuId, Machine, VCpu, update
from app.sim.physical import WORD, get_physical
from app.sim.shadowing import get_seen, is_shadowed, see_all, set_seen
from app.sim.vectors import GP, PAGE_FAULT

PRESENT: Final = 0x1
WRITABLE: Final = 0x2
USER: Final = 0x4
ACCESSED: Final = 0x20
DIRTY: Final = 0x40
LARGE: Final = 0x80
GLOBAL: Final = 0x100

FAULT_PRESENT: Final = 0x1
FAULT_WRITE: Final = 0x2
FAULT_USER: Final = 0x4
FAULT_RESERVED: Final = 0x8

CR0_WP: Final = 0x1_0000
CR0_PG: Final = 0x8000_0000
CR4_PSE: Final = 0x10
CR4_PAE: Final = 0x20
CR4_PGE: Final = 0x80
_FLUSHING_CR4: Final = CR4_PSE | CR4_PAE | CR4_PGE

PAGE: Final = 0x1000
LARGE_PAGE: Final = 0x40_0000
PAE_LARGE_PAGE: Final = 0x20_0000

ENTRY: Final = 4
LONG_ENTRY: Final = 8
_FRAME: Final = 0xFFFF_F000
_LONG_FRAME: Final = 0xF_FFFF_F000
_DIRECTORY_SHIFT: Final = 22
_PAE_DIRECTORY_SHIFT: Final = 21
_POINTER_SHIFT: Final = 30
_TABLE_SHIFT: Final = 12
_TEN_BITS: Final = 0x3FF
_NINE_BITS: Final = 0x1FF
_POINTERS: Final = 4
_POINTER_TABLE: Final = 0xFFFF_FFE0
_POINTER_RESERVED: Final = 0x1E6
_ABOVE_MEMORY: Final = ~0xF_FFFF_FFFF
_LARGE_RESERVED: Final = 0x20_0000
_PAE_LARGE_RESERVED: Final = 0x1F_E000
_PSE_36: Final = 0x1F_E000
_PSE_36_SHIFT: Final = 19
_HIGH: Final = 32
_LOW_WORD: Final = 0xFFFF_FFFF


class Translation(NamedTuple):
    """What the TLB remembers of a page.

    ``page`` is its first linear address, ``frame`` its first physical one;
    ``rights`` are the bits that all levels grant, with DIRTY and GLOBAL.
    """

    page: int
    length: int
    frame: int
    rights: int


class Leaf(NamedTuple):
    """The end of a walk: the page, and the entries that led to it."""

    translation: Translation
    entries: tuple[tuple[int, int], ...]
    """Addresses and values, from the directory down."""


class WalkEnd(Exception):  # noqa: N818 - it is the end of a walk
    """Raised when the page tables lead nowhere, with the error code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Access(NamedTuple):
    """What is wanted of a page."""

    linear: int
    writes: bool
    user: bool

    def fault(self, code: int) -> GuestFault:
        """Build the page fault in which the access ends."""
        code |= self.writes * FAULT_WRITE | self.user * FAULT_USER
        return GuestFault(PAGE_FAULT, code, self.linear)


# --------------------------------------------------------------- translation


def translate(
    machine: Machine,
    cpu: CpuId,
    linear: int,
    *,
    writes: bool,
    user: bool,
) -> tuple[Machine, int]:
    """Answer the physical address of a linear one, or raise #PF.

    A page that is in the TLB is not looked up again, unless it is written for
    the first time, which sets its dirty bit.
    """
    vcpu = machine.vcpus[cpu]
    if not vcpu.cr0 & CR0_PG:
        return machine, linear
    access = Access(linear, writes, user)
    known = find_translation(vcpu, linear)
    if known is not None:
        if not _permits(known.rights, vcpu, access):
            return _retry(machine, cpu, access, FAULT_PRESENT)
        if known.rights & DIRTY or not writes:
            return machine, known.frame + linear - known.page
        machine = forget_page(machine, cpu, linear)
    found = _walk(machine, cpu, access)
    if isinstance(found, int):
        return _retry(machine, cpu, access, found)
    return _enter(machine, cpu, access, found)


def _retry(
    machine: Machine, cpu: CpuId, access: Access, code: int
) -> tuple[Machine, int]:
    """Try a failed access again as a hypervisor does, or raise its fault."""
    vcpu = machine.vcpus[cpu]
    host = machine.board.host
    waits = any(each.queue_class & DEFER_MMU for each in vcpu.queue)
    if not waits and not is_shadowed(machine, cpu):
        raise access.fault(code)
    machine = note_fault(machine, cpu, access.linear)
    found = _walk(machine, cpu, access)
    if isinstance(found, int):
        raise access.fault(found)
    if host.choose("spurious_fault") == "delivered":
        raise access.fault(code)
    return _enter(machine, cpu, access, found)


def note_fault(machine: Machine, cpu: CpuId, linear: int) -> Machine:
    """Do what a page fault does beside entering the handler.

    The processor forgets the page (SDM vol. 3A, 4.10.4.1); a hypervisor makes
    the updates that wait and reads the tables anew.
    """
    machine = flush(machine, cpu, DEFER_MMU)
    machine = see_all(machine, queued=True)
    return forget_page(machine, cpu, linear)


def take_fault(machine: Machine, cpu: CpuId, linear: int) -> Machine:
    """Do what a page fault does that the guest sees: CR2 has the address."""
    return update(note_fault(machine, cpu, linear), cpu, cr2=linear)


def _permits(rights: int, vcpu: VCpu, access: Access) -> bool:
    """Whether a page may be used so: SDM vol. 3A, 4.6."""
    if access.user:
        wanted = USER | (WRITABLE if access.writes else 0)
        return rights & wanted == wanted
    return bool(
        not access.writes or rights & WRITABLE or not vcpu.cr0 & CR0_WP
    )


def _walk(machine: Machine, cpu: CpuId, access: Access) -> Leaf | int:
    """Walk the tables; the answer may be the code of a page fault."""
    vcpu = machine.vcpus[cpu]
    walk = walk_pae if vcpu.cr4 & CR4_PAE else walk_32
    try:
        found = walk(machine, vcpu, access.linear)
    except WalkEnd as end:
        return end.code
    if not _permits(found.translation.rights, vcpu, access):
        return FAULT_PRESENT
    return found


def _enter(
    machine: Machine, cpu: CpuId, access: Access, leaf: Leaf
) -> tuple[Machine, int]:
    """Set the accessed and dirty bits, and remember the page."""
    last = len(leaf.entries) - 1
    for place, (address, value) in enumerate(leaf.entries):
        wanted = ACCESSED
        if place == last and access.writes:
            wanted |= DIRTY
        if value & wanted != wanted:
            low = value & _LOW_WORD | wanted
            machine = set_seen(machine, address, low)
    translation = leaf.translation
    if access.writes:
        rights = translation.rights | DIRTY
        translation = translation._replace(rights=rights)
    tlb = tuple(sorted((*machine.vcpus[cpu].tlb, translation)))
    machine = update(machine, cpu, tlb=tlb)
    return machine, translation.frame + access.linear - translation.page


def walk_32(machine: Machine, vcpu: VCpu, linear: int) -> Leaf:
    """Walk directory and table: SDM vol. 3A, 4.3.

    Raises
    ------
    WalkEnd
        If an entry is not present or has reserved bits set.
    """
    place = (vcpu.cr3 & _FRAME) + (linear >> _DIRECTORY_SHIFT) * ENTRY
    directory = get_seen(machine, place)
    large = directory & LARGE and vcpu.cr4 & CR4_PSE
    _require_entry(directory, _LARGE_RESERVED if large else 0)
    if large:
        frame = directory & -LARGE_PAGE & _LOW_WORD
        frame |= (directory & _PSE_36) << _PSE_36_SHIFT
        rights = _get_rights(vcpu, directory, directory)
        page = linear & -LARGE_PAGE
        return Leaf(
            Translation(page, LARGE_PAGE, frame, rights),
            ((place, directory),),
        )
    offset = ((linear >> _TABLE_SHIFT) & _TEN_BITS) * ENTRY
    entry_at = (directory & _FRAME) + offset
    entry = get_seen(machine, entry_at)
    _require_entry(entry, 0)
    rights = _get_rights(vcpu, directory, entry)
    return Leaf(
        Translation(linear & -PAGE, PAGE, entry & _FRAME, rights),
        ((place, directory), (entry_at, entry)),
    )


def walk_pae(machine: Machine, vcpu: VCpu, linear: int) -> Leaf:
    """Walk pointers, directory and table of 64-bit entries: 4.4.

    The four pointers are those that the processor read when CR3 was loaded.

    Raises
    ------
    WalkEnd
        If an entry is not present or has reserved bits set.
    """
    pointer = vcpu.pdptes[linear >> _POINTER_SHIFT] if vcpu.pdptes else 0
    _require_entry(pointer, 0)
    offset = ((linear >> _PAE_DIRECTORY_SHIFT) & _NINE_BITS) * LONG_ENTRY
    place = (pointer & _LONG_FRAME) + offset
    directory = _get_long(machine, place)
    large = directory & LARGE
    reserved = _ABOVE_MEMORY | (_PAE_LARGE_RESERVED if large else 0)
    _require_entry(directory, reserved)
    if large:
        frame = directory & _LONG_FRAME & -PAE_LARGE_PAGE
        rights = _get_rights(vcpu, directory, directory)
        page = linear & -PAE_LARGE_PAGE
        return Leaf(
            Translation(page, PAE_LARGE_PAGE, frame, rights),
            ((place, directory),),
        )
    offset = ((linear >> _TABLE_SHIFT) & _NINE_BITS) * LONG_ENTRY
    entry_at = (directory & _LONG_FRAME) + offset
    entry = _get_long(machine, entry_at)
    _require_entry(entry, _ABOVE_MEMORY)
    rights = _get_rights(vcpu, directory, entry)
    return Leaf(
        Translation(linear & -PAGE, PAGE, entry & _LONG_FRAME, rights),
        ((place, directory), (entry_at, entry)),
    )


def _require_entry(entry: int, reserved: int) -> None:
    """End a walk at an entry that is not present or not allowed."""
    if not entry & PRESENT:
        raise WalkEnd(0)
    if entry & reserved:
        raise WalkEnd(FAULT_PRESENT | FAULT_RESERVED)


def _get_long(machine: Machine, address: int) -> int:
    """Read an entry of 64 bits."""
    high = get_seen(machine, address + WORD)
    return high << _HIGH | get_seen(machine, address)


def _get_rights(vcpu: VCpu, directory: int, entry: int) -> int:
    """Join what two levels grant: rights by both, the rest by the last."""
    rights = directory & entry & (WRITABLE | USER) | entry & DIRTY
    if vcpu.cr4 & CR4_PGE:
        rights |= entry & GLOBAL
    return rights


# ------------------------------------------------------------------ the TLB


def find_translation(vcpu: VCpu, linear: int) -> Translation | None:
    """Find what the TLB remembers of an address."""
    for each in vcpu.tlb:
        page, length, frame, rights = each
        if page <= linear < page + length:
            return Translation(page, length, frame, rights)
    return None


def forget_page(machine: Machine, cpu: CpuId, linear: int) -> Machine:
    """Drop what the TLB remembers of an address, global or not."""
    vcpu = machine.vcpus[cpu]
    kept = tuple(
        each for each in vcpu.tlb if not each[0] <= linear < each[0] + each[1]
    )
    if len(kept) == len(vcpu.tlb):
        return machine
    return update(machine, cpu, tlb=kept)


def forget_pages(machine: Machine, cpu: CpuId, *, everything: bool) -> Machine:
    """Drop the TLB; global pages stay unless everything goes."""
    vcpu = machine.vcpus[cpu]
    if not vcpu.tlb:
        return machine
    kept = () if everything else tuple(e for e in vcpu.tlb if e[3] & GLOBAL)
    return update(machine, cpu, tlb=kept)


def invalidate_page(machine: Machine, cpu: CpuId, linear: int) -> Machine:
    """Carry out INVLPG; deferred updates of page tables are made first."""
    machine = flush(machine, cpu, DEFER_MMU)
    machine = see_all(machine, queued=False)
    return forget_page(machine, cpu, linear)


def flush_tlb(machine: Machine, cpu: CpuId, *, everything: bool) -> Machine:
    """Flush the TLB; deferred updates of page tables are made first."""
    machine = flush(machine, cpu, DEFER_MMU)
    machine = see_all(machine, queued=False)
    return forget_pages(machine, cpu, everything=everything)


# -------------------------------------------------------- control registers


def set_control(
    machine: Machine, cpu: CpuId, name: str, value: int
) -> Machine:
    """Write CR0, CR3 or CR4 with its effect on paging.

    SDM vol. 3A, 4.10.4.1: CR3 drops all but global pages; a change of PG, or
    of PSE, PAE or PGE, drops all. Under PAE the four pointers are read with
    CR3, and with a change that turns PAE paging on; #GP if reserved bits are
    set in one that is present.
    """
    before = machine.vcpus[cpu]
    machine = update(machine, cpu, **{name: value})
    vcpu = machine.vcpus[cpu]
    if not machine.board.paging:
        return machine
    changed = getattr(before, name) ^ value
    flushes = (name == "cr0" and changed & CR0_PG) or (
        name == "cr4" and changed & _FLUSHING_CR4
    )
    if name == "cr3" or flushes:
        machine = flush_tlb(machine, cpu, everything=name != "cr3")
        if vcpu.cr4 & CR4_PAE and vcpu.cr0 & CR0_PG:
            pointers = read_pointers(machine, vcpu.cr3)
            machine = update(machine, cpu, pdptes=pointers)
    return machine


def read_pointers(machine: Machine, cr3: int) -> tuple[int, ...]:
    """Read the four page-directory pointers of PAE paging."""
    base = cr3 & _POINTER_TABLE
    pointers = []
    for number in range(_POINTERS):
        place = base + number * LONG_ENTRY
        high = get_physical(machine, place + WORD)
        pointer = high << _HIGH | get_physical(machine, place)
        reserved = _POINTER_RESERVED | _ABOVE_MEMORY
        if pointer & PRESENT and pointer & reserved:
            raise GuestFault(GP, 0)
        pointers.append(pointer)
    return tuple(pointers)

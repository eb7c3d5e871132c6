"""Page-table entries as a hypervisor changes them for the guest.

With shadow tables the ROM changes the entry in the guest's memory and tells
the hypervisor of it, unless the change cannot matter to the shadow; without,
the change is the hypervisor's to make. Telling and making may wait in the
queue. The ROM finds the physical address of an entry by the slots of
VMI_SetLinearMapping.
"""

from typing import Final, NamedTuple

from app.sim.deferral import DEFER_MMU, defer, deferrable, flush
from app.sim.errors import NotModelled
from app.sim.gaps import choose_or_raise
from app.sim.machine import CpuId, Machine
from app.sim.memory import reach
from app.sim.paging import CR4_PAE, ENTRY, LONG_ENTRY, PAGE, PRESENT
from app.sim.physical import WORD, get_word, set_word
from app.sim.shadowing import (
    PAGE_BITS,
    believe,
    get_seen,
    get_words,
    holds_tables,
    is_shadowed,
    see,
    store_unseen,
)

UPDATE: Final = "VMI_SetPte"
"""The name under which an update of an entry waits in a queue."""

RELEVANT: Final = 0xC7
"""P, R/W, U/S, D and bit 7: a change of these is told to the hypervisor."""

WORD_BITS: Final = 32
WORD_MASK: Final = 0xFFFF_FFFF


class Place(NamedTuple):
    """Where an entry lies: in memory, and where the hypervisor looks."""

    address: int
    told: int


def find_entry(
    machine: Machine, cpu: CpuId, pointer: int, size: int
) -> tuple[Machine, Place]:
    """Find the entry at a linear address, for a change of it.

    Raises
    ------
    GuestFault
        #PF if the guest could not write there.
    Unspecified
        If no slot of VMI_SetLinearMapping covers the address.
    """
    if pointer % size:
        raise NotModelled(f"an entry at {pointer:#x}, which is not aligned")
    machine, address = reach(machine, cpu, pointer, writes=True)
    return machine, Place(address, _look_up(machine, pointer, address))


def _look_up(machine: Machine, pointer: int, address: int) -> int:
    """Compute an entry's physical address by the slots, as the ROM does."""
    for _, start, pages, ppn in machine.mappings:
        if start <= pointer < start + pages * PAGE:
            return pointer - start + ppn * PAGE
    reading = choose_or_raise(machine, "uncovered_entry")
    return address if reading == "walked" else pointer


def require_registered(machine: Machine, place: Place) -> bool:
    """Answer whether an entry may be changed.

    Raises
    ------
    Unspecified
        If its page was not registered as one of page tables.
    """
    if holds_tables(machine, place.address):
        return True
    return choose_or_raise(machine, "unregistered_page") == "accepted"


def get_entry(machine: Machine, address: int, size: int) -> int:
    """Read an entry of 4 or 8 bytes as it stands in memory."""
    value = get_word(machine, address)
    if size > WORD:
        value |= get_word(machine, address + WORD) << WORD_BITS
    return value


def set_entry(
    machine: Machine, cpu: CpuId, place: Place, size: int, value: int
) -> Machine:
    """Change an entry; what can wait of it waits, if that is allowed."""
    words = tuple(
        value >> 8 * offset & WORD_MASK for offset in range(0, size, WORD)
    )
    if is_shadowed(machine, cpu):
        old = get_entry(machine, place.address, size)
        for number, word in enumerate(words):
            at = place.address + WORD * number
            machine = store_unseen(machine, at, WORD, word)
        if not is_reported(machine, old, value):
            return machine
    return defer(machine, cpu, DEFER_MMU, UPDATE, (place.told, *words))


def exchange_entry(
    machine: Machine, cpu: CpuId, place: Place, size: int, value: int
) -> Machine:
    """Change an entry whose former value is answered, at once in memory."""
    machine = set_entry(machine, cpu, place, size, value)
    if is_shadowed(machine, cpu):
        return machine
    return flush(machine, cpu, DEFER_MMU)


def get_current(
    machine: Machine, cpu: CpuId, address: int, size: int
) -> tuple[Machine, int]:
    """Read an entry with all changes made that were asked for."""
    if not is_shadowed(machine, cpu):
        machine = flush(machine, cpu, DEFER_MMU)
    return machine, get_entry(machine, address, size)


def is_reported(machine: Machine, old: int, new: int) -> bool:
    """Whether the ROM tells the hypervisor of a change.

    The published code looks at an entry that is or becomes present, and at
    six of its bits.
    """
    if old == new:
        return False
    if (old | new) & PRESENT and (old ^ new) & RELEVANT:
        return True
    return machine.board.host.choose("pte_filter") == "none"


def is_waiting(machine: Machine, cpu: CpuId, address: int) -> bool:
    """Whether a change of an entry has yet to be made in memory."""
    return not is_shadowed(machine, cpu) and any(
        address in get_words(each.arguments)
        for each in machine.vcpus[cpu].queue
        if each.name == UPDATE
    )


@deferrable(UPDATE)
def update_entry(
    machine: Machine, cpu: CpuId, address: int, *words: int
) -> Machine:
    """Carry out an update: see what is in memory, or write it there.

    The high word of an entry goes first, so that it is never half written
    and present. Where a slot leads to no memory nothing is written.
    """
    if is_shadowed(machine, cpu):
        return see(machine, get_words((address, *words)))
    try:
        for number in reversed(range(len(words))):
            place = address + WORD * number
            machine = set_word(machine, place, words[number])
    except NotModelled:
        return machine
    return machine


# ------------------------------------------------------- pages and their use


def register_page(machine: Machine, ppn: int, types: int) -> Machine:
    """Note that a page is used as these types of tables."""
    usage = dict(machine.usage)
    usage[ppn] = usage.get(ppn, 0) | types
    machine = machine.replace(usage=tuple(sorted(usage.items())))
    return see_page(machine, ppn)


def release_page(machine: Machine, ppn: int, types: int) -> Machine:
    """Note that a page is no longer used as these types of tables."""
    usage = dict(machine.usage)
    usage[ppn] &= ~types
    if not usage[ppn]:
        del usage[ppn]
    machine = machine.replace(usage=tuple(sorted(usage.items())))
    return see_page(machine, ppn)


def see_page(machine: Machine, ppn: int) -> Machine:
    """Let the hypervisor read a page of tables anew, or drop its shadow."""
    places = [
        place for place, _ in machine.unseen if place >> PAGE_BITS == ppn
    ]
    return see(machine, places)


def get_entries(machine: Machine, cpu: CpuId) -> int:
    """Answer how many entries a page of tables has."""
    pae = machine.vcpus[cpu].cr4 & CR4_PAE
    return PAGE // (LONG_ENTRY if pae else ENTRY)


def clone_page(
    machine: Machine, cpu: CpuId, ppn: int, template: tuple[int, int, int]
) -> Machine:
    """Let the hypervisor believe that entries are those of a template.

    The template is a page, the first entry and their count; what reaches
    beyond the page is left out.
    """
    if not is_shadowed(machine, cpu):
        return machine
    source, start, count = template
    size = PAGE // get_entries(machine, cpu)
    end = min(PAGE, (start + count) * size)
    for offset in range(start * size, end, WORD):
        word = get_seen(machine, source * PAGE + offset)
        machine = believe(machine, ppn * PAGE + offset, word)
    return machine

"""What a hypervisor with shadow page tables has seen of the guest's.

Under the policy ``page_tables = shadow`` the processor walks tables of the
hypervisor's own. They show the guest's entries as the hypervisor was told of
them: by the calls that change an entry, and by flushes and page faults, at
which it reads the guest's tables anew. A plain store to a page of tables, and
a change that the ROM does not report, are not seen until then. An update that
waits in a queue is not seen by a flush of another processor: the RFC (2.10)
promises no more.

The state keeps what is believed where memory says something else, word by
word, so that a hypervisor that has seen all has nothing in it.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from app.sim.deferral import DEFER_MMU
from app.sim.machine import CpuId, Machine
from app.sim.physical import WORD, get_word, set_physical, set_word

PAGE_BITS: Final = 12
PAGE_TABLES: Final = 0x0F
"""The types of VMI_RegisterPageUsage that are page tables."""


def is_shadowed(machine: Machine, cpu: CpuId) -> bool:
    """Whether a processor walks tables of a hypervisor's own."""
    host = machine.board.host
    if not host.has_hypervisor or not machine.vcpus[cpu].paravirtual:
        return False
    return host.choose("page_tables") == "shadow"


def get_usage(machine: Machine, ppn: int) -> int:
    """Answer the types with which a page is registered."""
    for page, types in machine.usage:
        if page == ppn:
            return types
    return 0


def get_seen(machine: Machine, address: int) -> int:
    """Read a word of a page table as it is walked."""
    for place, value in machine.unseen:
        if place == address:
            return value
    return get_word(machine, address)


def set_seen(machine: Machine, address: int, value: int) -> Machine:
    """Write a word of a page table as the processor does in its walk."""
    for place, _ in machine.unseen:
        if place == address:
            return believe(machine, address, value)
    return set_word(machine, address, value)


def store_unseen(
    machine: Machine, address: int, size: int, value: int
) -> Machine:
    """Write memory; what is believed of its words stays."""
    words = range(address & -WORD, address + size, WORD)
    believed = [(place, get_seen(machine, place)) for place in words]
    machine = set_physical(machine, address, size, value)
    for place, word in believed:
        machine = believe(machine, place, word)
    return machine


def holds_tables(machine: Machine, address: int) -> bool:
    """Whether a page is registered as one of page tables."""
    return bool(get_usage(machine, address >> PAGE_BITS) & PAGE_TABLES)


def believe(machine: Machine, address: int, value: int) -> Machine:
    """Let the hypervisor believe a word; the truth is not kept."""
    unseen = machine.unseen
    position = bisect_left(unseen, (address,))
    end = position
    if position < len(unseen) and unseen[position][0] == address:
        end += 1
    true = get_word(machine, address) == value
    entry = () if true else ((address, value),)
    changed = (*unseen[:position], *entry, *unseen[end:])
    return machine if changed == unseen else machine.replace(unseen=changed)


def see(machine: Machine, addresses: Iterable[int]) -> Machine:
    """Let the hypervisor see words as they are in memory."""
    gone = frozenset(addresses)
    kept = tuple(each for each in machine.unseen if each[0] not in gone)
    if len(kept) == len(machine.unseen):
        return machine
    return machine.replace(unseen=kept)


def get_words(update: tuple[int, ...]) -> Iterable[int]:
    """Answer the addresses of the words of a queued update of an entry."""
    address, *values = update
    return range(address, address + WORD * len(values), WORD)


def see_all(machine: Machine, *, queued: bool) -> Machine:
    """Let the hypervisor see all, or all but what waits in a queue."""
    if not machine.unseen:
        return machine
    if queued:
        return machine.replace(unseen=())
    waiting = {
        address
        for vcpu in machine.vcpus
        for each in vcpu.queue
        if each.queue_class == DEFER_MMU
        for address in get_words(each.arguments)
    }
    return see(
        machine,
        [place for place, _ in machine.unseen if place not in waiting],
    )

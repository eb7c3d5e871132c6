"""MMU calls: the accessors of page-table entries.

The document prints no registers for them; they follow from regparm(3), and
the clobbers are the standard ones, since no call says otherwise. What an
accessor does beneath a hypervisor is in `entries`.
"""

from typing import Final

from app.sim.entries import (
    exchange_entry,
    find_entry,
    get_current,
    require_registered,
    set_entry,
)
from app.sim.gaps import choose_or_raise
from app.sim.machine import CpuId, Machine
from app.sim.registry import Eax, Ecx, Edx, EdxEax, call

ENTRY: Final = 4
LONG_ENTRY: Final = 8
BITS: Final = 32
LONG_BITS: Final = 64

_TEST_AND_SET: Final = (
    "lock bts dword ptr [edx], eax",
    "setb al",
    "movzx eax, al",
)
_TEST_AND_CLEAR: Final = (
    "lock btr dword ptr [edx], eax",
    "setb al",
    "movzx eax, al",
)


@call(
    "VMI_SetPte",
    number=45,
    section="A.mmu",
    native=("mov dword ptr [edx], eax",),
)
def set_pte(machine: Machine, cpu: CpuId, entry: Eax, pointer: Edx) -> Machine:
    """Write an entry of a page table or directory, of 4 bytes.

    Its page must have been registered as such; what the call does otherwise
    is not said. In deferred mode the update may wait. The RFC patches swap
    the two arguments.

    Parameters
    ----------
    entry : EAX
        What is written.
    pointer : EDX
        Linear address of the entry.

    Raises
    ------
    GuestFault
        #PF if the guest cannot write there.
    Unspecified
        If no slot of VMI_SetLinearMapping covers the address, or if the page
        was not registered.
    NotModelled
        If the address is not aligned, or there is no memory.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    machine, place = find_entry(machine, cpu, pointer, ENTRY)
    if not require_registered(machine, place):
        return machine
    # OPERATION
    return set_entry(machine, cpu, place, ENTRY, entry)


@call(
    "VMI_SwapPte",
    number=47,
    section="A.mmu",
    native=("xchg dword ptr [edx], eax",),
)
def swap_pte(
    machine: Machine, cpu: CpuId, entry: Eax, pointer: Edx
) -> tuple[Machine, Eax]:
    """Exchange an entry of 4 bytes and answer its former value.

    Accessed and dirty bits in it are up to date: what waits for this entry
    is made first, and the exchange does not wait. With shadow tables only the
    report to the hypervisor may wait, and the published ROM makes none if
    none of P, R/W, U/S, D and bit 7 changes.

    Parameters
    ----------
    entry : EAX
        What is written.
    pointer : EDX
        Linear address of the entry.

    Returns
    -------
    former : EAX
        What the entry was.

    Raises
    ------
    GuestFault
        #PF if the guest cannot write there.
    Unspecified
        If no slot of VMI_SetLinearMapping covers the address, or if the page
        was not registered.
    NotModelled
        If the address is not aligned, or there is no memory.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    machine, place = find_entry(machine, cpu, pointer, ENTRY)
    accepted = require_registered(machine, place)
    # OPERATION
    machine, former = get_current(machine, cpu, place.address, ENTRY)
    if accepted:
        machine = exchange_entry(machine, cpu, place, ENTRY, entry)
    # RESULT
    return machine, former


@call(
    "VMI_TestAndSetPteBit",
    number=51,
    section="A.mmu",
    native=_TEST_AND_SET,
)
def test_and_set_pte_bit(
    machine: Machine, cpu: CpuId, bit: Eax, pointer: Edx
) -> tuple[Machine, Eax]:
    """Set a bit of an entry of 4 bytes; answer whether it was set.

    What a bit number beyond the entry means is not said: BTS, which stands
    there natively, would change another entry.

    Parameters
    ----------
    bit : EAX
        Number of the bit, from 0.
    pointer : EDX
        Linear address of the entry.

    Returns
    -------
    was_set : EAX
        1 if it was set, else 0.

    Raises
    ------
    GuestFault
        #PF if the guest cannot write there.
    Unspecified
        If the entry has no such bit, if no slot of VMI_SetLinearMapping
        covers the address, or if the page was not registered.
    NotModelled
        If the address is not aligned, or there is no memory.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    bit = _require_bit(machine, bit, BITS)
    # OPERATION
    return _change_bit(machine, cpu, pointer, ENTRY, (bit, True))


@call(
    "VMI_TestAndClearPteBit",
    number=52,
    section="A.mmu",
    native=_TEST_AND_CLEAR,
)
def test_and_clear_pte_bit(
    machine: Machine, cpu: CpuId, bit: Eax, pointer: Edx
) -> tuple[Machine, Eax]:
    """Clear a bit of an entry of 4 bytes; answer whether it was set.

    The prototype is printed under the name VMI_TestAndSetClearBit.

    Parameters
    ----------
    bit : EAX
        Number of the bit, from 0.
    pointer : EDX
        Linear address of the entry.

    Returns
    -------
    was_set : EAX
        1 if it was set, else 0.

    Raises
    ------
    GuestFault
        #PF if the guest cannot write there.
    Unspecified
        If the entry has no such bit, if no slot of VMI_SetLinearMapping
        covers the address, or if the page was not registered.
    NotModelled
        If the address is not aligned, or there is no memory.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    bit = _require_bit(machine, bit, BITS)
    # OPERATION
    return _change_bit(machine, cpu, pointer, ENTRY, (bit, False))


@call(
    "VMI_SetPteLong",
    number=48,
    section="A.mmu",
    native=("mov dword ptr [ecx + 4], edx", "mov dword ptr [ecx], eax"),
)
def set_pte_long(
    machine: Machine, cpu: CpuId, entry: EdxEax, pointer: Ecx
) -> Machine:
    """Write an entry of PAE paging, of 8 bytes.

    It is never present and half written: the high word goes first. The native
    form holds to that only where the entry was not present before.

    Parameters
    ----------
    entry : EDX:EAX
        What is written.
    pointer : ECX
        Linear address of the entry.

    Raises
    ------
    GuestFault
        #PF if the guest cannot write there.
    Unspecified
        If no slot of VMI_SetLinearMapping covers the address, or if the page
        was not registered.
    NotModelled
        If the address is not aligned, or there is no memory.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    machine, place = find_entry(machine, cpu, pointer, LONG_ENTRY)
    if not require_registered(machine, place):
        return machine
    # OPERATION
    return set_entry(machine, cpu, place, LONG_ENTRY, entry)


@call(
    "VMI_SwapPteLong",
    number=50,
    section="A.mmu",
    native=(
        "push ebx",
        "push eax",
        "xor eax, eax",
        "xchg dword ptr [ecx], eax",
        "mov ebx, dword ptr [ecx + 4]",
        "mov dword ptr [ecx + 4], edx",
        "mov edx, ebx",
        "pop ebx",
        "mov dword ptr [ecx], ebx",
        "pop ebx",
    ),
)
def swap_pte_long(
    machine: Machine, cpu: CpuId, entry: EdxEax, pointer: Ecx
) -> tuple[Machine, EdxEax]:
    """Exchange an entry of PAE paging and answer its former value.

    It holds against accessed and dirty bits that another processor sets, not
    against another exchange. The patches loop on CMPXCHG8B natively; here the
    native code takes the low word out first, which holds against as much.

    Parameters
    ----------
    entry : EDX:EAX
        What is written.
    pointer : ECX
        Linear address of the entry.

    Returns
    -------
    former : EDX:EAX
        What the entry was.

    Raises
    ------
    GuestFault
        #PF if the guest cannot write there.
    Unspecified
        If no slot of VMI_SetLinearMapping covers the address, or if the page
        was not registered.
    NotModelled
        If the address is not aligned, or there is no memory.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    machine, place = find_entry(machine, cpu, pointer, LONG_ENTRY)
    accepted = require_registered(machine, place)
    # OPERATION
    machine, former = get_current(machine, cpu, place.address, LONG_ENTRY)
    if accepted:
        machine = exchange_entry(machine, cpu, place, LONG_ENTRY, entry)
    # RESULT
    return machine, former


@call(
    "VMI_TestAndSetPteBitLong",
    number=73,
    section="A.mmu",
    native=_TEST_AND_SET,
)
def test_and_set_pte_bit_long(
    machine: Machine, cpu: CpuId, bit: Eax, pointer: Edx
) -> tuple[Machine, Eax]:
    """Set a bit of an entry of PAE paging; answer whether it was set.

    Parameters
    ----------
    bit : EAX
        Number of the bit, from 0.
    pointer : EDX
        Linear address of the entry.

    Returns
    -------
    was_set : EAX
        1 if it was set, else 0.

    Raises
    ------
    GuestFault
        #PF if the guest cannot write there.
    Unspecified
        If the entry has no such bit, if no slot of VMI_SetLinearMapping
        covers the address, or if the page was not registered.
    NotModelled
        If the address is not aligned, or there is no memory.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    bit = _require_bit(machine, bit, LONG_BITS)
    # OPERATION
    return _change_bit(machine, cpu, pointer, LONG_ENTRY, (bit, True))


@call(
    "VMI_TestAndClearPteBitLong",
    number=74,
    section="A.mmu",
    native=_TEST_AND_CLEAR,
)
def test_and_clear_pte_bit_long(
    machine: Machine, cpu: CpuId, bit: Eax, pointer: Edx
) -> tuple[Machine, Eax]:
    """Clear a bit of an entry of PAE paging; answer whether it was set.

    The prototype is printed under the name VMI_TestAndSetClearBitLong.

    Parameters
    ----------
    bit : EAX
        Number of the bit, from 0.
    pointer : EDX
        Linear address of the entry.

    Returns
    -------
    was_set : EAX
        1 if it was set, else 0.

    Raises
    ------
    GuestFault
        #PF if the guest cannot write there.
    Unspecified
        If the entry has no such bit, if no slot of VMI_SetLinearMapping
        covers the address, or if the page was not registered.
    NotModelled
        If the address is not aligned, or there is no memory.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    bit = _require_bit(machine, bit, LONG_BITS)
    # OPERATION
    return _change_bit(machine, cpu, pointer, LONG_ENTRY, (bit, False))


def _require_bit(machine: Machine, bit: int, bits: int) -> int:
    """Answer which bit is meant, or raise that it is not said."""
    if bit >= bits:
        choose_or_raise(machine, "entry_bit")
    return bit


def _change_bit(
    machine: Machine,
    cpu: CpuId,
    pointer: int,
    size: int,
    change: tuple[int, bool],
) -> tuple[Machine, int]:
    """Set or clear a bit of an entry and answer whether it was set.

    A bit beyond the entry is one of an entry that follows, or wraps.
    """
    bit, on = change
    beyond, inside = divmod(bit, 8 * size)
    if beyond and machine.board.host.choose("entry_bit") == "reaches":
        pointer += size * beyond
    machine, place = find_entry(machine, cpu, pointer, size)
    accepted = require_registered(machine, place)
    machine, entry = get_current(machine, cpu, place.address, size)
    wanted = entry | 1 << inside if on else entry & ~(1 << inside)
    if accepted and wanted != entry:
        machine = exchange_entry(machine, cpu, place, size, wanted)
    return machine, entry >> inside & 1

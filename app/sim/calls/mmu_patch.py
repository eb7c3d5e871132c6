"""MMU calls that have a number in the RFC patches and no text in the RFC.

What they do follows from the headers and the native stubs of the patches.
"""

from typing import Final

from app.sim.calls.mmu import NOTHING_TO_DO, PAGE_PD, PAGE_PT
from app.sim.entries import (
    clone_page,
    exchange_entry,
    find_entry,
    get_current,
    get_entries,
    is_waiting,
    register_page,
    require_registered,
)
from app.sim.gaps import choose_or_raise
from app.sim.machine import CpuId, Machine
from app.sim.memory import load, reach
from app.sim.registry import Eax, Ecx, Edx, EdxEax, St0, St1, call
from app.sim.shadowing import get_usage

ENTRY: Final = 4
LONG_ENTRY: Final = 8
WORD: Final = 4
WORD_BITS: Final = 32


def _read(
    machine: Machine, cpu: CpuId, pointer: int, size: int
) -> tuple[Machine, int]:
    """Read an entry as guest code does, with what waits made or not."""
    machine, address = reach(machine, cpu, pointer, writes=False)
    if (
        is_waiting(machine, cpu, address)
        and choose_or_raise(machine, "deferred_read") == "made"
    ):
        machine, _ = get_current(machine, cpu, address, size)
    machine, value = load(machine, cpu, pointer)
    if size > WORD:
        machine, high = load(machine, cpu, pointer + WORD)
        value |= high << WORD_BITS
    return machine, value


@call(
    "VMI_GetPxE",
    number=46,
    section="A.mmu",
    native=("mov eax, dword ptr [eax]",),
)
def get_pxe(machine: Machine, cpu: CpuId, pointer: Eax) -> tuple[Machine, Eax]:
    """Read an entry of a page table or directory, of 4 bytes.

    Whether it shows an update that waits in the queue nobody says.

    Parameters
    ----------
    pointer : EAX
        Linear address of the entry.

    Returns
    -------
    entry : EAX
        What it holds.

    Raises
    ------
    GuestFault
        #PF if the guest cannot read there.
    Unspecified
        If an update of the entry waits.
    NotModelled
        If there is no memory.

    RFC patches only
    """
    # RESULT
    return _read(machine, cpu, pointer, ENTRY)


@call(
    "VMI_GetPxELong",
    number=49,
    section="A.mmu",
    native=("mov edx, dword ptr [eax + 4]", "mov eax, dword ptr [eax]"),
)
def get_pxe_long(
    machine: Machine, cpu: CpuId, pointer: Eax
) -> tuple[Machine, EdxEax]:
    """Read an entry of PAE paging, of 8 bytes.

    Only the number of the call is known. Argument and result are taken to be
    those of its counterpart for 4 bytes, grown to 8.

    Parameters
    ----------
    pointer : EAX
        Linear address of the entry.

    Returns
    -------
    entry : EDX:EAX
        What it holds.

    Raises
    ------
    GuestFault
        #PF if the guest cannot read there.
    Unspecified
        If an update of the entry waits.
    NotModelled
        If there is no memory.

    RFC patches only
    """
    # RESULT
    return _read(machine, cpu, pointer, LONG_ENTRY)


@call(
    "VMI_DeactivatePxELongAtomic",
    number=72,
    section="A.mmu",
    native=(
        "mov ecx, eax",
        "xor eax, eax",
        "xchg dword ptr [ecx], eax",
        "mov edx, dword ptr [ecx + 4]",
        "mov dword ptr [ecx + 4], 0",
    ),
)
def deactivate_pxe_long_atomic(
    machine: Machine, cpu: CpuId, pointer: Eax
) -> tuple[Machine, EdxEax]:
    """Take an entry of PAE paging out of use and answer what it was.

    The low word, which has the present bit, is exchanged with 0 first.

    Parameters
    ----------
    pointer : EAX
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

    RFC patches only
    """
    # CHECKS
    machine, place = find_entry(machine, cpu, pointer, LONG_ENTRY)
    accepted = require_registered(machine, place)
    # OPERATION
    machine, former = get_current(machine, cpu, place.address, LONG_ENTRY)
    if accepted:
        machine = exchange_entry(machine, cpu, place, LONG_ENTRY, 0)
    # RESULT
    return machine, former


@call(
    "VMI_AllocatePage",
    number=53,
    section="A.mmu",
    native=NOTHING_TO_DO,
)
def allocate_page(  # noqa: PLR0913, PLR0917 - the argument table
    machine: Machine,
    cpu: CpuId,
    ppn: Eax,
    types: Edx,
    origin: Ecx,
    base: St0,
    count: St1,
) -> Machine:
    """Announce how a page is used as tables, and what it is a clone of.

    It does what VMI_RegisterPageUsage and the two clone calls of the document
    do.

    Parameters
    ----------
    ppn : EAX
        Number of the page.
    types : EDX
        A bit for each type of table.
    origin : ECX
        Number of the page that is cloned; only if entries are.
    base : ST(0)
        First entry to clone.
    count : ST(1)
        How many entries to clone; 0 for none.

    Raises
    ------
    Unspecified
        If the range leaves the page, or the origin is not registered.
    NotModelled
        If there is no memory at either page, or for the arguments on the
        stack.

    RFC patches only
    """
    # CHECKS
    cloned = bool(count)
    if cloned:
        fits = base + count <= get_entries(machine, cpu)
        known = get_usage(machine, origin) & types & (PAGE_PT | PAGE_PD)
        if not fits or not known:
            cloned = choose_or_raise(machine, "clone_range") == "clipped"
    # OPERATION
    machine = register_page(machine, ppn, types)
    if not cloned:
        return machine
    return clone_page(machine, cpu, ppn, (origin, base, count))

"""MMU calls: mapping, flushes, pages in use and deferred updates.

The document says of this part that it needs an update. For some of its calls
it prints a prototype alone: their registers follow from regparm(3), and the
standard clobbers hold. The accessors of entries are in `mmu_entries`, what the
RFC patches alone have in `mmu_patch`.
"""

from typing import Final

from app.sim.deferral import ALL_CLASSES, flush
from app.sim.entries import (
    clone_page,
    get_entries,
    register_page,
    release_page,
)
from app.sim.errors import GuestFault
from app.sim.gaps import choose_or_raise
from app.sim.machine import CpuId, Machine, update
from app.sim.paging import flush_tlb, invalidate_page
from app.sim.registry import STANDARD, Eax, Ecx, Edx, St0, call
from app.sim.shadowing import get_usage
from app.sim.vectors import GP

LINEAR_MAP_SLOTS: Final = 4
FLUSH_TLB: Final = 0x01
FLUSH_GLOBAL: Final = 0x02
PAGE_PT: Final = 0x01
PAGE_PD: Final = 0x02
CLONE_START_SHIFT: Final = 16
CLONE_COUNT_MASK: Final = 0xFFFF
NOTHING_TO_DO: Final = ("nop",)
"""What stands natively where the hardware has no equivalent."""
WITH_MEMORY: Final = (*STANDARD, "memory")


@call(
    "VMI_SetLinearMapping",
    number=58,
    section="A.mmu",
    native=NOTHING_TO_DO,
)
def set_linear_mapping(  # noqa: PLR0913, PLR0917 - the argument table
    machine: Machine,
    cpu: CpuId,
    slot: Eax,
    start: Edx,
    pages: Ecx,
    ppn: St0,
) -> Machine:
    """Tell that a range of linear addresses maps consecutive pages.

    The VMI layer uses the slots to find the physical address of a page-table
    entry without a walk; a kernel with a linear map of memory needs one. A
    mapping of no pages empties its slot, which the RFC does not say. It does
    not say either what a slot does that there is not.

    Parameters
    ----------
    slot : EAX
        Number of the slot, 0 to 3.
    start : EDX
        First linear address of the range.
    pages : ECX
        How many pages it has.
    ppn : ST(0)
        Number of the first physical page.

    Raises
    ------
    Unspecified
        If the slot is none of the four.
    GuestFault
        #GP if that is the reading of the missing word.

    RFC Appendix A / MMU calls
    """
    # CHECKS
    if slot >= LINEAR_MAP_SLOTS:
        if choose_or_raise(machine, "mapping_slot") == "fault":
            raise GuestFault(GP, 0)
        return machine
    # OPERATION
    kept = [each for each in machine.mappings if each[0] != slot]
    if pages:
        kept.append((slot, start, pages, ppn))
    return machine.replace(mappings=tuple(sorted(kept)))


@call(
    "VMI_FlushTLB",
    number=56,
    section="A.mmu",
    clobbers=WITH_MEMORY,
    native=(
        "mov eax, cr4",
        "mov ecx, eax",
        "and ecx, 0xffffff7f",
        "mov cr4, ecx",
        "mov cr4, eax",
        "mov eax, cr3",
        "mov cr3, eax",
    ),
)
def flush_tlb_(machine: Machine, cpu: CpuId, how: Eax) -> Machine:
    """Drop what the processor remembers of page tables.

    Updates of page tables that wait in the queue of this processor are made
    first, and a hypervisor with shadow tables reads the guest's anew, apart
    from entries whose update waits in the queue of another processor. The
    native code flushes global pages in any case, as it does not see EAX.

    Parameters
    ----------
    how : EAX
        Bit 0 has to be set; bit 1 drops global pages as well.

    Raises
    ------
    Unspecified
        If bit 0 is clear, or if that is the end of an update that waits.
    GuestFault
        If that is.
    NotModelled
        If that is.

    RFC Appendix A / MMU calls
    """
    # CHECKS
    if not how & FLUSH_TLB:
        reading = choose_or_raise(machine, "flush_type")
        if reading == "nothing":
            return machine
    # OPERATION
    everything = bool(how & FLUSH_GLOBAL)
    return flush_tlb(machine, cpu, everything=everything)


@call(
    "VMI_InvalPage",
    number=55,
    section="A.mmu",
    clobbers=WITH_MEMORY,
    native=("invlpg byte ptr [eax]",),
)
def inval_page(machine: Machine, cpu: CpuId, linear: Eax) -> Machine:
    """Drop what the processor remembers of one page, small or large.

    Updates of page tables that wait in the queue of this processor are made
    first; those of other processors may stay unseen (RFC 2.10).

    Parameters
    ----------
    linear : EAX
        An address in the page.

    Raises
    ------
    Unspecified
        If that is the end of an update that waits.
    GuestFault
        If that is.
    NotModelled
        If that is.

    RFC Appendix A / MMU calls
    """
    # OPERATION
    return invalidate_page(machine, cpu, linear)


@call(
    "VMI_ClonePageTable",
    number=None,
    section="A.mmu",
    native=NOTHING_TO_DO,
)
def clone_page_table(
    machine: Machine, cpu: CpuId, destination: Eax, source: Edx, flags: Ecx
) -> Machine:
    """Announce a page table whose shadow begins as a copy of another's.

    The destination is registered thereby: the RFC says that a shadow is
    allocated for it. Of the entries named it is believed that they are those
    of the source, until a flush or a fault has them read.

    Parameters
    ----------
    destination : EAX
        Physical number of the new page table.
    source : EDX
        Physical number of its template.
    flags : ECX
        First entry to clone in the high half, their count in the low one.

    Raises
    ------
    Unspecified
        If the range leaves the page, or the template is not registered.
    NotModelled
        If there is no memory at either page.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    start, count = flags >> CLONE_START_SHIFT, flags & CLONE_COUNT_MASK
    if not _can_clone(machine, cpu, (source, start, count), PAGE_PT):
        return register_page(machine, destination, PAGE_PT)
    # OPERATION
    machine = register_page(machine, destination, PAGE_PT)
    return clone_page(machine, cpu, destination, (source, start, count))


@call(
    "VMI_ClonePageDirectory",
    number=None,
    section="A.mmu",
    native=NOTHING_TO_DO,
)
def clone_page_directory(
    machine: Machine, cpu: CpuId, destination: Eax, source: Edx, flags: Ecx
) -> Machine:
    """Announce a page directory whose shadow begins as another's copy.

    All else is as with VMI_ClonePageTable, with which it may be merged later.

    Parameters
    ----------
    destination : EAX
        Physical number of the new page directory.
    source : EDX
        Physical number of its template.
    flags : ECX
        First entry to clone in the high half, their count in the low one.

    Raises
    ------
    Unspecified
        If the range leaves the page, or the template is not registered.
    NotModelled
        If there is no memory at either page.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    start, count = flags >> CLONE_START_SHIFT, flags & CLONE_COUNT_MASK
    if not _can_clone(machine, cpu, (source, start, count), PAGE_PD):
        return register_page(machine, destination, PAGE_PD)
    # OPERATION
    machine = register_page(machine, destination, PAGE_PD)
    return clone_page(machine, cpu, destination, (source, start, count))


def _can_clone(
    machine: Machine, cpu: CpuId, template: tuple[int, int, int], types: int
) -> bool:
    """Answer whether there is something to clone, or raise what is unsaid."""
    source, start, count = template
    fits = start + count <= get_entries(machine, cpu)
    if fits and get_usage(machine, source) & types:
        return True
    return choose_or_raise(machine, "clone_range") == "clipped"


@call(
    "VMI_RegisterPageUsage",
    number=None,
    section="A.mmu",
    native=NOTHING_TO_DO,
)
def register_page_usage(
    machine: Machine, cpu: CpuId, ppn: Eax, types: Edx
) -> Machine:
    """Announce that a physical page is used as tables of some types.

    A hypervisor with shadow tables reads it then. The types are those of page
    tables, 0x01 to 0x08, and of descriptor tables, 0x10 to 0x80.

    Parameters
    ----------
    ppn : EAX
        Number of the page.
    types : EDX
        A bit for each type of table.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # OPERATION
    return register_page(machine, ppn, types)


@call(
    "VMI_ReleasePage",
    number=54,
    section="A.mmu",
    native=NOTHING_TO_DO,
)
def release_page_(
    machine: Machine, cpu: CpuId, ppn: Eax, types: Edx
) -> Machine:
    """Announce that a physical page is no longer used as such tables.

    Its shadow can go. The RFC does not say what this does for a page that was
    not registered as such.

    Parameters
    ----------
    ppn : EAX
        Number of the page.
    types : EDX
        A bit for each type of table.

    Raises
    ------
    Unspecified
        If the page was not registered with all of these types.
    GuestFault
        #GP if that is the reading of the missing word.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    if types & ~get_usage(machine, ppn):
        if choose_or_raise(machine, "unregistered_release") == "fault":
            raise GuestFault(GP, 0)
        types &= get_usage(machine, ppn)
    # OPERATION
    return release_page(machine, ppn, types) if types else machine


@call(
    "VMI_SetDeferredMode",
    number=None,
    section="A.mmu",
    native=NOTHING_TO_DO,
)
def set_deferred_mode(machine: Machine, cpu: CpuId, classes: Eax) -> Machine:
    """Set which classes of updates may wait.

    To add a class flushes nothing; to take one away makes all updates that
    wait. The document describes the class MMU as one of flushes, where that
    its updates may wait is meant.

    Parameters
    ----------
    classes : EAX
        1 for page tables, 2 for control registers, 4 for descriptor tables.

    Raises
    ------
    Unspecified
        If other bits are set, or if that is the end of an update that waits.
    GuestFault
        #GP if that is the reading of the missing word, or the end of an
        update that waits.
    NotModelled
        If that is the end of one.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # CHECKS
    if classes & ~ALL_CLASSES:
        if choose_or_raise(machine, "deferred_classes") == "fault":
            raise GuestFault(GP, 0)
        classes &= ALL_CLASSES
    # OPERATION
    if machine.vcpus[cpu].deferral & ~classes:
        machine = flush(machine, cpu)
    return update(machine, cpu, deferral=classes)


@call(
    "VMI_FlushDeferredCalls",
    number=57,
    section="A.mmu",
    native=NOTHING_TO_DO,
)
def flush_deferred_calls(machine: Machine, cpu: CpuId) -> Machine:
    """Make all updates that wait in the queue of this processor.

    The RFC patches give the call a mode in EAX, the document does not.

    Raises
    ------
    Unspecified
        If that is the end of an update that waits.
    GuestFault
        If that is.
    NotModelled
        If that is.

    RFC Appendix A / MMU calls (PTE accessors)
    """
    # OPERATION
    return flush(machine, cpu)

"""Descriptor calls: the guest's tables, and what the hypervisor is told.

A call writes the guest's own tables and registers. Where a hypervisor keeps
the processor's tables it is told so too, and reloads the segment registers
concerned, so that none is left non-reversible (RFC 2.4). The group belongs to
the queue class DT of VMI_SetDeferredMode; what waits is made before a call
reads a register of it.
"""

from typing import Final

from app.sim.deferral import DEFER_DT, defer, deferrable, flush
from app.sim.machine import WORD, WORD_MASK, CpuId, Machine, Table
from app.sim.memory import load, store
from app.sim.registry import (
    STANDARD,
    Eax,
    Ecx,
    Edx,
    St1,
    call,
)
from app.sim.selectors import (
    ENTRY_SHIFT,
    LOCAL,
    SELECTOR_BITS,
    load_ldtr,
    load_tr,
    reload_live,
    set_gdt,
    set_idt,
)
from app.sim.table_entries import (
    adjust_descriptor,
    adjust_gate,
    require_entry,
    write_entry,
)

CLOBBERS: Final = (*STANDARD, "memory")
SECTION: Final = "A.descriptor"
LIMIT_BYTES: Final = 2
NATIVE_WRITE: Final = (
    "mov dword ptr [eax + edx*8], ecx",
    "mov ecx, dword ptr [esp]",
    "mov dword ptr [eax + edx*8 + 4], ecx",
)
"""The two stores; the fourth argument goes through ECX, which is spoilt."""


def read_table(
    machine: Machine, cpu: CpuId, pointer: int
) -> tuple[Machine, Table]:
    """Read a VMI_DTR: limit and base, packed."""
    machine, limit = load(machine, cpu, pointer, LIMIT_BYTES)
    machine, base = load(machine, cpu, pointer + LIMIT_BYTES & WORD_MASK)
    return machine, Table(base, limit)


def write_table(
    machine: Machine, cpu: CpuId, pointer: int, table: Table
) -> Machine:
    """Write a VMI_DTR: limit and base, packed."""
    machine = store(machine, cpu, pointer, LIMIT_BYTES, table.limit)
    place = pointer + LIMIT_BYTES & WORD_MASK
    return store(machine, cpu, place, WORD, table.base)


@deferrable("VMI_SetGDT")
def apply_gdt(machine: Machine, cpu: CpuId, base: int, limit: int) -> Machine:
    """Load GDTR and reload the segment registers."""
    machine = set_gdt(machine, cpu, Table(base, limit))
    return reload_live(machine, cpu, always=True)


@call(
    "VMI_SetGDT",
    number=8,
    section=SECTION,
    clobbers=CLOBBERS,
    native=("lgdt fword ptr [eax]",),
)
def set_gdt_(machine: Machine, cpu: CpuId, gdtr: Eax) -> Machine:
    """Load the global descriptor table register.

    All segment registers are reloaded, so that none holds what could not be
    loaded again. The hypervisor may rewrite the table in memory. What becomes
    of a register whose descriptor is no longer valid is said in two ways.

    Parameters
    ----------
    gdtr : EAX
        Address of limit (16 bits) and base (32 bits).

    Raises
    ------
    Unspecified
        If a live segment register is no longer valid in the new table, or if
        a store to it was not reported.
    GuestFault
        If that is the reading, if it is SS or CS, or if the argument cannot
        be read.
    NotModelled
        If there is no memory at the argument, or a segment of 16 bits.

    RFC Appendix A / Descriptor related calls
    """
    # CHECKS
    machine, table = read_table(machine, cpu, gdtr)
    # OPERATION
    return defer(machine, cpu, DEFER_DT, "VMI_SetGDT", table)


@deferrable("VMI_SetIDT")
def apply_idt(machine: Machine, cpu: CpuId, base: int, limit: int) -> Machine:
    """Load IDTR."""
    return set_idt(machine, cpu, Table(base, limit))


@call(
    "VMI_SetIDT",
    number=10,
    section=SECTION,
    clobbers=CLOBBERS,
    native=("lidt fword ptr [eax]",),
)
def set_idt_(machine: Machine, cpu: CpuId, idtr: Eax) -> Machine:
    """Load the interrupt descriptor table register.

    Gates have the native format. The hypervisor may rewrite the table in
    memory, DPL and RPL included.

    Parameters
    ----------
    idtr : EAX
        Address of limit (16 bits) and base (32 bits).

    Raises
    ------
    GuestFault
        If the argument cannot be read.
    NotModelled
        If there is no memory at the argument.

    RFC Appendix A / Descriptor related calls
    """
    # CHECKS
    machine, table = read_table(machine, cpu, idtr)
    # OPERATION
    return defer(machine, cpu, DEFER_DT, "VMI_SetIDT", table)


@deferrable("VMI_SetLDT")
def apply_ldt(machine: Machine, cpu: CpuId, selector: int) -> Machine:
    """Load LDTR and reload the segment registers."""
    machine = load_ldtr(machine, cpu, selector)
    return reload_live(machine, cpu, always=True)


@call(
    "VMI_SetLDT",
    number=9,
    section=SECTION,
    clobbers=CLOBBERS,
    native=("lldt ax",),
)
def set_ldt(machine: Machine, cpu: CpuId, selector: Eax) -> Machine:
    """Load the local descriptor table register.

    All segment registers are reloaded, as by VMI_SetGDT. Faults are those of
    LLDT; the RFC names none.

    Parameters
    ----------
    selector : EAX
        Selector of an LDT descriptor in the GDT, or 0; the low 16 bits count.

    Raises
    ------
    Unspecified
        If a live segment register is no longer valid, or if a store to a
        table was not reported.
    GuestFault
        #GP or #NP if the selector names no LDT, or if that is the reading of
        a register that is no longer valid.
    NotModelled
        If a live segment has 16 bits or a base that code cannot have.

    RFC Appendix A / Descriptor related calls
    """
    # OPERATION
    arguments = (selector & SELECTOR_BITS,)
    return defer(machine, cpu, DEFER_DT, "VMI_SetLDT", arguments)


@deferrable("VMI_SetTR")
def apply_tr(machine: Machine, cpu: CpuId, selector: int) -> Machine:
    """Load TR."""
    return load_tr(machine, cpu, selector)


@call(
    "VMI_SetTR",
    number=11,
    section=SECTION,
    clobbers=CLOBBERS,
    native=("ltr ax",),
)
def set_tr(machine: Machine, cpu: CpuId, selector: Eax) -> Machine:
    """Load the task register, as LTR does.

    The descriptor is marked busy. The prototype calls the parameter ldtSel,
    copied from VMI_SetLDT; a selector of a TSS is meant.

    Parameters
    ----------
    selector : EAX
        Selector of a TSS descriptor in the GDT; the low 16 bits count.

    Raises
    ------
    Unspecified
        If a store to the GDT was not reported.
    GuestFault
        #GP or #NP if the selector names no TSS that is available.
    NotModelled
        If it is a TSS of 16 bits.

    RFC Appendix A / Descriptor related calls
    """
    # OPERATION
    arguments = (selector & SELECTOR_BITS,)
    return defer(machine, cpu, DEFER_DT, "VMI_SetTR", arguments)


# ------------------------------------------------------------------ reading


@call(
    "VMI_GetGDT",
    number=12,
    section=SECTION,
    clobbers=CLOBBERS,
    native=("sgdt fword ptr [eax]",),
)
def get_gdt(machine: Machine, cpu: CpuId, gdtr: Eax) -> Machine:
    """Store the GDT register that the guest loaded.

    Not that of the hypervisor's shadow, which SGDT shows.

    Parameters
    ----------
    gdtr : EAX
        Address at which limit (16 bits) and base (32 bits) are stored.

    Raises
    ------
    Unspecified
        If that is the end of a call that waits.
    GuestFault
        If the argument cannot be written, or if that is the end of a call
        that waits.
    NotModelled
        If there is no memory at the argument, or if that is the end of a
        call that waits.

    RFC Appendix A / Descriptor related calls
    """
    # OPERATION
    machine = flush(machine, cpu, DEFER_DT)
    # RESULT
    return write_table(machine, cpu, gdtr, machine.vcpus[cpu].gdtr)


@call(
    "VMI_GetIDT",
    number=14,
    section=SECTION,
    clobbers=CLOBBERS,
    native=("sidt fword ptr [eax]",),
)
def get_idt(machine: Machine, cpu: CpuId, idtr: Eax) -> Machine:
    """Store the IDT register that the guest loaded.

    Not that of the hypervisor's shadow, which SIDT shows.

    Parameters
    ----------
    idtr : EAX
        Address at which limit (16 bits) and base (32 bits) are stored.

    Raises
    ------
    Unspecified
        If that is the end of a call that waits.
    GuestFault
        If the argument cannot be written, or if that is the end of a call
        that waits.
    NotModelled
        If there is no memory at the argument, or if that is the end of a
        call that waits.

    RFC Appendix A / Descriptor related calls
    """
    # OPERATION
    machine = flush(machine, cpu, DEFER_DT)
    # RESULT
    return write_table(machine, cpu, idtr, machine.vcpus[cpu].idtr)


@call(
    "VMI_GetLDT",
    number=13,
    section=SECTION,
    clobbers=CLOBBERS,
    native=("sldt ax",),
)
def get_ldt(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Answer the LDT selector that the guest loaded.

    The text speaks of loading the task register, a copying mistake. SLDT
    leaves the high half of EAX alone; the call answers a VMI_SELECTOR, whose
    high half is 0 here.

    Returns
    -------
    selector : EAX
        The selector in the LDT register.

    Raises
    ------
    Unspecified
        If that is the end of a call that waits.
    GuestFault
        If that is.
    NotModelled
        If that is.

    RFC Appendix A / Descriptor related calls
    """
    # OPERATION
    machine = flush(machine, cpu, DEFER_DT)
    # RESULT
    return machine, machine.vcpus[cpu].ldtr


@call(
    "VMI_GetTR",
    number=15,
    section=SECTION,
    clobbers=CLOBBERS,
    native=("str ax",),
)
def get_tr(machine: Machine, cpu: CpuId) -> tuple[Machine, Eax]:
    """Answer the task-register selector that the guest loaded.

    The text says that it loads the register; reading is meant. The high half
    of EAX is 0, as after VMI_GetLDT.

    Returns
    -------
    selector : EAX
        The selector in the task register.

    Raises
    ------
    Unspecified
        If that is the end of a call that waits.
    GuestFault
        If that is.
    NotModelled
        If that is.

    RFC Appendix A / Descriptor related calls
    """
    # OPERATION
    machine = flush(machine, cpu, DEFER_DT)
    # RESULT
    return machine, machine.vcpus[cpu].tr


# ------------------------------------------------------------------ entries


@deferrable("VMI_WriteGDTEntry")
def apply_gdt_entry(  # noqa: PLR0913, PLR0917 - as the call
    machine: Machine, cpu: CpuId, table: int, entry: int, low: int, high: int
) -> Machine:
    """Write an entry of the GDT, and reload what was loaded from it."""
    words = adjust_descriptor(machine, cpu, low, high)
    place = table + (entry << ENTRY_SHIFT) & WORD_MASK
    machine = write_entry(machine, cpu, place, words)
    if table != machine.vcpus[cpu].gdtr.base:
        return machine
    selector = entry << ENTRY_SHIFT
    return reload_live(machine, cpu, among=selector, always=True)


@call(
    "VMI_WriteGDTEntry",
    number=16,
    section=SECTION,
    clobbers=CLOBBERS,
    native=NATIVE_WRITE,
    counts_return=True,
)
def write_gdt_entry(  # noqa: PLR0913, PLR0917 - the arguments are the RFC's
    machine: Machine,
    cpu: CpuId,
    gdt: Eax,
    entry: Edx,
    low: Ecx,
    high: St1,
) -> Machine:
    """Write one descriptor of the GDT.

    A segment register that holds its selector is reloaded, so that the write
    takes effect at once. What is stored may differ from what was given in
    limit and privilege. The return address counts as ST(0) here, and not in
    VMI_SetLinearMapping; so is this read.

    Parameters
    ----------
    gdt : EAX
        Address of the table.
    entry : EDX
        Number of the entry.
    low : ECX
        Low word of the descriptor.
    high : ST(1)
        High word of the descriptor.

    Raises
    ------
    Unspecified
        If a live segment register is made invalid, or if a store to the
        table was not reported.
    GuestFault
        If that is the reading, if it is SS or CS, or if the table cannot be
        written.
    NotModelled
        If there is no memory at the entry, or for a live segment that
        expands down or has 16 bits.

    RFC Appendix A / Descriptor related calls
    """
    # CHECKS
    machine, _ = require_entry(machine, cpu, gdt, entry)
    # OPERATION
    arguments = (gdt, entry, low, high)
    return defer(machine, cpu, DEFER_DT, "VMI_WriteGDTEntry", arguments)


@deferrable("VMI_WriteLDTEntry")
def apply_ldt_entry(  # noqa: PLR0913, PLR0917 - as the call
    machine: Machine, cpu: CpuId, table: int, entry: int, low: int, high: int
) -> Machine:
    """Write an entry of the LDT, and reload what was loaded from it."""
    words = adjust_descriptor(machine, cpu, low, high)
    place = table + (entry << ENTRY_SHIFT) & WORD_MASK
    machine = write_entry(machine, cpu, place, words)
    if table != machine.vcpus[cpu].ldt.base:
        return machine
    selector = entry << ENTRY_SHIFT | LOCAL
    return reload_live(machine, cpu, among=selector, always=True)


@call(
    "VMI_WriteLDTEntry",
    number=17,
    section=SECTION,
    clobbers=CLOBBERS,
    native=NATIVE_WRITE,
    counts_return=True,
)
def write_ldt_entry(  # noqa: PLR0913, PLR0917 - the arguments are the RFC's
    machine: Machine,
    cpu: CpuId,
    gdt: Eax,
    entry: Edx,
    low: Ecx,
    high: St1,
) -> Machine:
    """Write one descriptor of the LDT.

    As VMI_WriteGDTEntry, on the other table; the prototype calls the pointer
    gdt here too. The return address counts as ST(0).

    Parameters
    ----------
    gdt : EAX
        Address of the table.
    entry : EDX
        Number of the entry.
    low : ECX
        Low word of the descriptor.
    high : ST(1)
        High word of the descriptor.

    Raises
    ------
    Unspecified
        If a live segment register is made invalid, or if a store to the
        table was not reported.
    GuestFault
        If that is the reading, if it is SS or CS, or if the table cannot be
        written.
    NotModelled
        If there is no memory at the entry, or for a live segment that
        expands down or has 16 bits.

    RFC Appendix A / Descriptor related calls
    """
    # CHECKS
    machine, _ = require_entry(machine, cpu, gdt, entry)
    # OPERATION
    arguments = (gdt, entry, low, high)
    return defer(machine, cpu, DEFER_DT, "VMI_WriteLDTEntry", arguments)


@deferrable("VMI_WriteIDTEntry")
def apply_idt_entry(  # noqa: PLR0913, PLR0917 - as the call
    machine: Machine, cpu: CpuId, table: int, entry: int, low: int, high: int
) -> Machine:
    """Write a gate of the IDT."""
    words = adjust_gate(machine, cpu, low, high)
    place = table + (entry << ENTRY_SHIFT) & WORD_MASK
    return write_entry(machine, cpu, place, words)


@call(
    "VMI_WriteIDTEntry",
    number=18,
    section=SECTION,
    clobbers=CLOBBERS,
    native=NATIVE_WRITE,
    counts_return=True,
)
def write_idt_entry(  # noqa: PLR0913, PLR0917 - the arguments are the RFC's
    machine: Machine,
    cpu: CpuId,
    gdt: Eax,
    entry: Edx,
    low: Ecx,
    high: St1,
) -> Machine:
    """Write one gate of the IDT.

    The hypervisor learns of the gate, and can deliver through it at once
    (RFC 2.6). It fits the selector's RPL and the gate's DPL to the kernel's
    ring; a plain store does not do that. The prototype calls the pointer
    gdt; the return address counts as ST(0).

    Parameters
    ----------
    gdt : EAX
        Address of the table.
    entry : EDX
        Number of the entry, which is the vector.
    low : ECX
        Low word of the gate.
    high : ST(1)
        High word of the gate.

    Raises
    ------
    GuestFault
        If the table cannot be written.
    NotModelled
        If there is no memory at the entry.

    RFC Appendix A / Descriptor related calls
    """
    # CHECKS
    machine, _ = require_entry(machine, cpu, gdt, entry)
    # OPERATION
    arguments = (gdt, entry, low, high)
    return defer(machine, cpu, DEFER_DT, "VMI_WriteIDTEntry", arguments)

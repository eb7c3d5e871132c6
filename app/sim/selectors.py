"""Selectors: descriptors read from the tables and loaded into registers.

On hardware the tables are the guest's own memory. A software hypervisor works
from what it was told (RFC 2.4 and 2.6): the tables as they stood when
paravirtual mode was entered, or when a call set or wrote them. ``told`` of a
processor holds the words in which that differs from the memory that the
machine began with. What the hypervisor was not told of is a word that the RFC
lacks: the policy ``unreported_store``.
"""

from functools import cache
from typing import Final, NamedTuple

from app.sim.errors import GuestFault, NotModelled
from app.sim.gaps import choose_or_raise
from app.sim.layout import PAGE_OFFSET
from app.sim.machine import (
    MOV_SS_SHADOW,
    NULL_SEGMENT,
    WORD,
    WORD_MASK,
    CpuId,
    Machine,
    Segment,
    Table,
    VCpu,
    update,
)
from app.sim.memory import load_system, store_system
from app.sim.segments import (
    ACCESSED,
    BIG,
    BUSY,
    CODE_OR_DATA,
    CS_INDEX,
    INDEX,
    LDT_TYPE,
    NAMES,
    PRESENT,
    SS_INDEX,
    SYSTEM_TYPE,
    TSS_AVAILABLE,
    TSS_OF_16_BITS,
    build_flat,
    decode,
    get_dpl,
    is_code,
    is_conforming,
    is_readable,
    is_writable,
    raise_dpl,
    shorten,
)
from app.sim.vectors import GP, NP, SS

RPL: Final = 3
LOCAL: Final = 4
SELECTOR: Final = 0xFFFC
"""A selector without its RPL, as an error code shows it."""

SELECTOR_BITS: Final = 0xFFFF
ENTRY: Final = 8
ENTRY_SHIFT: Final = 3
LARGEST_LIMIT: Final = 0xFFFF

HYPERVISOR_GDT: Final = Table(0xFC00_2000, LARGEST_LIMIT)
HYPERVISOR_IDT: Final = Table(0xFC01_2000, 0x7FF)
HYPERVISOR_LDT: Final = 0xFC08
HYPERVISOR_TR: Final = 0xFC10
"""What SGDT, SIDT, SLDT and STR reveal under a software hypervisor.

Anything would do that no guest has: the place is the hypervisor's affair.
"""

_ACCESS_BYTE: Final = 5


class Entry(NamedTuple):
    """The two words of an entry of a table.

    ``fitted`` says that a software hypervisor adjusts what they allow.
    """

    low: int
    high: int
    fitted: bool


_FLAT_SETS: Final = {
    segments: segments
    for segments in (
        build_flat(cpl, user=user)
        for cpl in range(RPL + 1)
        for user in (False, True)
    )
}
"""One tuple of each kind, so that processors share it."""


@cache
def get_flat(kernel_cpl: int, *, user: bool) -> tuple[Segment, ...]:
    """Answer the hidden parts that code begins with, as a shared value."""
    return _FLAT_SETS[build_flat(kernel_cpl, user=user)]


def set_hidden(
    segments: tuple[Segment, ...], index: int, segment: Segment
) -> tuple[Segment, ...]:
    """Return the hidden parts with one of them changed."""
    if segments[index] is segment:
        return segments
    changed = (*segments[:index], segment, *segments[index + 1 :])
    return _FLAT_SETS.get(changed, changed)


def put_segment(
    machine: Machine, cpu: CpuId, name: str, selector: int, segment: Segment
) -> Machine:
    """Put a selector and its hidden part in a register, unchecked."""
    hidden = set_hidden(machine.vcpus[cpu].segments, INDEX[name], segment)
    return update(machine, cpu, **{name: selector}, segments=hidden)


def put_flat(machine: Machine, cpu: CpuId, *, user: bool) -> Machine:
    """Make CS and SS flat, those of user code or of the kernel."""
    vcpu = machine.vcpus[cpu]
    flat = get_flat(machine.board.host.get_kernel_cpl(vcpu), user=user)
    hidden = vcpu.segments
    for index in (CS_INDEX, SS_INDEX):
        hidden = set_hidden(hidden, index, flat[index])
    return update(machine, cpu, segments=hidden)


# ------------------------------------------------------- entries of a table


def is_untouched(machine: Machine, vcpu: VCpu) -> bool:
    """Whether all tables are as the machine began, for all we know fast."""
    return not machine.memory and not vcpu.told


def read_entry(
    machine: Machine, cpu: CpuId, address: int
) -> tuple[Machine, Entry]:
    """Read an entry of a descriptor table as the processor finds it.

    Raises
    ------
    Unspecified
        If a software hypervisor was not told of what stands there.
    """
    vcpu = machine.vcpus[cpu]
    machine, low = load_system(machine, cpu, address)
    machine, high = load_system(machine, cpu, address + WORD)
    if not machine.board.host.is_virtual(vcpu):
        return machine, Entry(low, high, fitted=False)
    known = (
        _recall(machine, vcpu, address),
        _recall(machine, vcpu, address + WORD),
    )
    if known == (low, high):
        return machine, Entry(low, high, fitted=True)
    reading = choose_or_raise(machine, "unreported_store")
    if reading == "unseen":
        return machine, Entry(*known, fitted=True)
    return machine, Entry(low, high, fitted=reading == "caught")


def _recall(machine: Machine, vcpu: VCpu, address: int) -> int:
    """Answer the word that a software hypervisor was told of."""
    known = dict(vcpu.told)
    if address in known:
        return known[address]
    return machine.board.image.get(address - PAGE_OFFSET & WORD_MASK, 0)


def tell(machine: Machine, cpu: CpuId, address: int, *words: int) -> Machine:
    """Tell the hypervisor what words of a table are."""
    vcpu = machine.vcpus[cpu]
    if not machine.board.host.is_virtual(vcpu):
        return machine
    known = dict(vcpu.told)
    for place, word in enumerate(words):
        at = address + WORD * place
        first = machine.board.image.get(at - PAGE_OFFSET & WORD_MASK, 0)
        if word == first:
            known.pop(at, None)
        else:
            known[at] = word
    return update(machine, cpu, told=tuple(sorted(known.items())))


def tell_entry(machine: Machine, cpu: CpuId, address: int) -> Machine:
    """Tell the hypervisor an entry of a table as it stands in memory."""
    machine, low = load_system(machine, cpu, address)
    machine, high = load_system(machine, cpu, address + WORD)
    return tell(machine, cpu, address, low, high)


def tell_table(machine: Machine, cpu: CpuId, table: Table) -> Machine:
    """Tell the hypervisor a whole table, as far as there is memory."""
    if not machine.board.host.is_virtual(machine.vcpus[cpu]):
        return machine
    for address in range(table.base, table.base + table.limit + 1, WORD):
        try:
            machine, word = load_system(machine, cpu, address & WORD_MASK)
        except (NotModelled, GuestFault):
            break
        machine = tell(machine, cpu, address & WORD_MASK, word)
    return machine


# --------------------------------------------------------------- descriptors


def find_descriptor(vcpu: VCpu, selector: int) -> int | None:
    """Answer the address of a descriptor, None beyond its table."""
    offset = selector & ~(RPL | LOCAL)
    if selector & LOCAL:
        base, limit, access, _ = vcpu.ldt
        if not access & PRESENT:
            return None
    else:
        base, limit = vcpu.gdtr
    if offset + ENTRY - 1 > limit:
        return None
    return (base + offset) & WORD_MASK


def read_descriptor(
    machine: Machine, cpu: CpuId, selector: int, *, vector: int = GP
) -> tuple[Machine, Segment]:
    """Read the descriptor of a selector; beyond the table it is a fault.

    A software hypervisor shows it with its DPL raised to the kernel's ring
    and its limit shortened: RFC 2.2 and 2.4.
    """
    vcpu = machine.vcpus[cpu]
    address = find_descriptor(vcpu, selector)
    if address is None or not selector & SELECTOR:
        raise GuestFault(vector, selector & SELECTOR)
    machine, entry = read_entry(machine, cpu, address)
    segment = decode(entry.low, entry.high)
    host = machine.board.host
    if host.is_virtual(vcpu):
        segment = shorten(segment)
        if entry.fitted:
            segment = raise_dpl(segment, host.get_kernel_cpl(vcpu))
    return machine, segment


def mark_accessed(
    machine: Machine, cpu: CpuId, selector: int, segment: Segment
) -> tuple[Machine, Segment]:
    """Set the accessed bit of a descriptor: SDM vol. 3A, 3.4.5.1.

    A software hypervisor's shadow has it set, and the guest's table stays.
    """
    if segment.access & ACCESSED or not segment.access & CODE_OR_DATA:
        return machine, segment
    segment = segment._replace(access=segment.access | ACCESSED)
    vcpu = machine.vcpus[cpu]
    address = find_descriptor(vcpu, selector)
    if machine.board.host.is_virtual(vcpu) or address is None:
        return machine, segment
    place = address + _ACCESS_BYTE
    return store_system(machine, cpu, place, 1, segment.access), segment


def load_segment(
    machine: Machine, cpu: CpuId, name: str, selector: int
) -> Machine:
    """Load SS, DS, ES, FS or GS with all checks: SDM vol. 2B, MOV."""
    # CHECKS
    selector &= SELECTOR_BITS
    if name == "ss":
        machine, segment = read_stack(
            machine, cpu, selector, machine.vcpus[cpu].cpl
        )
    elif not selector & SELECTOR:
        return put_segment(machine, cpu, name, selector, NULL_SEGMENT)
    else:
        machine, segment = _read_data(machine, cpu, selector)
    # OPERATION
    machine, segment = mark_accessed(machine, cpu, selector, segment)
    return put_segment(machine, cpu, name, selector, segment)


def load_stack_segment(machine: Machine, cpu: CpuId, selector: int) -> Machine:
    """Load SS, with the shadow of one instruction: SDM vol. 3A, 6.8.3."""
    machine = load_segment(machine, cpu, "ss", selector)
    return update(machine, cpu, shadow=MOV_SS_SHADOW)


def read_stack(
    machine: Machine,
    cpu: CpuId,
    selector: int,
    cpl: int,
    *,
    vector: int = GP,
) -> tuple[Machine, Segment]:
    """Read the descriptor of a stack for code at ``cpl``, with its checks."""
    code = selector & SELECTOR
    if not code:
        raise GuestFault(vector, 0)
    machine, segment = read_descriptor(machine, cpu, selector, vector=vector)
    fits = selector & RPL == cpl == get_dpl(segment)
    if not fits or not is_writable(segment):
        raise GuestFault(vector, code)
    if not segment.access & PRESENT:
        raise GuestFault(SS, code)
    if not segment.flags & BIG:
        raise NotModelled("a stack of 16 bits")
    return machine, segment


def _read_data(
    machine: Machine, cpu: CpuId, selector: int
) -> tuple[Machine, Segment]:
    """Read the descriptor of a data segment, with its checks."""
    code = selector & SELECTOR
    machine, segment = read_descriptor(machine, cpu, selector)
    if not is_readable(segment):
        raise GuestFault(GP, code)
    asked = max(selector & RPL, machine.vcpus[cpu].cpl)
    free = is_code(segment) and is_conforming(segment)
    if asked > get_dpl(segment) and not free:
        raise GuestFault(GP, code)
    if not segment.access & PRESENT:
        raise GuestFault(NP, code)
    return machine, segment


def require_code(segment: Segment, code: int, *, vector: int = GP) -> None:
    """Raise a fault unless a descriptor is that of 32-bit code, present."""
    if not is_code(segment):
        raise GuestFault(vector, code)
    if not segment.access & PRESENT:
        raise GuestFault(NP, code)
    if not segment.flags & BIG:
        raise NotModelled("code of 16 bits")
    if segment.base:
        raise NotModelled("a code segment with a base")


# ------------------------------------------------ what a change of tables does


def set_gdt(machine: Machine, cpu: CpuId, table: Table) -> Machine:
    """Load GDTR. A software hypervisor takes the table over, and reloads."""
    machine = update(machine, cpu, gdtr=table)
    machine = tell_table(machine, cpu, table)
    return reload_live(machine, cpu)


def set_idt(machine: Machine, cpu: CpuId, table: Table) -> Machine:
    """Load IDTR. A software hypervisor takes the table over."""
    return tell_table(update(machine, cpu, idtr=table), cpu, table)


def load_ldtr(machine: Machine, cpu: CpuId, selector: int) -> Machine:
    """Load LDTR with a descriptor of the GDT, or with null.

    SDM vol. 2A, LLDT. A software hypervisor reloads the segment registers.
    """
    error = selector & SELECTOR
    if not error:
        machine = update(machine, cpu, ldtr=selector, ldt=NULL_SEGMENT)
        return reload_live(machine, cpu)
    if selector & LOCAL:
        raise GuestFault(GP, error)
    machine, segment = read_descriptor(machine, cpu, selector)
    if segment.access & SYSTEM_TYPE != LDT_TYPE:
        raise GuestFault(GP, error)
    if not segment.access & PRESENT:
        raise GuestFault(NP, error)
    machine = update(machine, cpu, ldtr=selector, ldt=segment)
    return reload_live(machine, cpu)


def load_tr(machine: Machine, cpu: CpuId, selector: int) -> Machine:
    """Load TR with a TSS that is available, and mark it busy.

    SDM vol. 2A, LTR.
    """
    error = selector & SELECTOR
    if not error or selector & LOCAL:
        raise GuestFault(GP, error)
    machine, segment = read_descriptor(machine, cpu, selector)
    kind = segment.access & SYSTEM_TYPE
    if kind in TSS_OF_16_BITS:
        raise NotModelled("a TSS of 16 bits")
    if kind != TSS_AVAILABLE:
        raise GuestFault(GP, error)
    if not segment.access & PRESENT:
        raise GuestFault(NP, error)
    place = find_descriptor(machine.vcpus[cpu], selector)
    assert place is not None  # noqa: S101 - it has just been read
    segment = segment._replace(access=segment.access | BUSY)
    at = place + _ACCESS_BYTE
    machine = store_system(machine, cpu, at, 1, segment.access)
    machine = tell_entry(machine, cpu, place)
    return update(machine, cpu, tr=selector, tss=segment)


def reload_live(
    machine: Machine,
    cpu: CpuId,
    *,
    among: int | None = None,
    always: bool = False,
) -> Machine:
    """Reload the segment registers, so that none is non-reversible: RFC 2.4.

    ``among`` is the selector to which a write went: only registers that hold
    it are reloaded. Hardware reloads nothing by itself; ``always`` is for a
    call, which does.

    Raises
    ------
    Unspecified
        If a live register no longer has a descriptor that can be loaded.
    GuestFault
        #GP, #NP or #SS if that is the reading of it, or if it is SS.
    """
    vcpu = machine.vcpus[cpu]
    if not always and not machine.board.host.is_virtual(vcpu):
        return machine
    for name in NAMES:
        selector: int = getattr(vcpu, name)
        if among is not None and (selector ^ among) & ~RPL:
            continue
        if selector & SELECTOR:
            machine = _reload(machine, cpu, name, selector)
    return machine


def _reload(machine: Machine, cpu: CpuId, name: str, selector: int) -> Machine:
    """Reload one register, as its kind asks."""
    if name == "cs":
        machine, segment = read_descriptor(machine, cpu, selector)
        require_code(segment, selector & SELECTOR)
        return put_segment(machine, cpu, name, selector, segment)
    if name == "ss":
        machine, segment = read_stack(machine, cpu, selector, selector & RPL)
        return put_segment(machine, cpu, name, selector, segment)
    try:
        return load_segment(machine, cpu, name, selector)
    except GuestFault:
        if choose_or_raise(machine, "live_segment_invalid") == "fault":
            raise
    return put_segment(machine, cpu, name, 0, NULL_SEGMENT)


def drop_inner_segments(machine: Machine, cpu: CpuId) -> Machine:
    """Null the data segments that outer code may not have.

    SDM vol. 2A, IRET, "return to outer privilege level".
    """
    vcpu = machine.vcpus[cpu]
    for name in NAMES:
        index = INDEX[name]
        segment = vcpu.segments[index]
        if index in {CS_INDEX, SS_INDEX} or not segment.access & PRESENT:
            continue
        if is_code(segment) and is_conforming(segment):
            continue
        if get_dpl(segment) < vcpu.cpl:
            machine = put_segment(machine, cpu, name, 0, NULL_SEGMENT)
    return machine

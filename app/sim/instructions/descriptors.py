"""Segment registers, descriptor tables and transfers between segments.

What appendix C of the RFC calls sensitive is here: instructions that do not
fault outside CPL 0, and show the tables, rings and limits of a software
hypervisor, or refuse selectors whose RPL is not that of the ring.
"""

from typing import Final

from app.sim.errors import GuestFault
from app.sim.instructions.access import (
    address_of,
    compute_signed,
    get_size,
    read,
    set_flags,
    write,
)
from app.sim.instructions.system import require_ring_0
from app.sim.listing import FarTarget, Immediate, Memory, Operand, Register
from app.sim.machine import (
    WORD,
    WORD_MASK,
    ZF,
    CpuId,
    Machine,
    Segment,
    Table,
    set_register,
    update,
)
from app.sim.memory import load, pop, push, store
from app.sim.registry import instruction
from app.sim.segments import (
    BUSY,
    CALL_GATE,
    CODE_OR_DATA,
    LDT_TYPE,
    SYSTEM_TYPE,
    TASK_GATE,
    TSS_AVAILABLE,
    TSS_OF_16_BITS,
    get_dpl,
    is_code,
    is_conforming,
    is_readable,
    is_writable,
)
from app.sim.selectors import (
    HYPERVISOR_GDT,
    HYPERVISOR_IDT,
    HYPERVISOR_LDT,
    HYPERVISOR_TR,
    RPL,
    SELECTOR_BITS,
    load_ldtr,
    load_segment,
    load_stack_segment,
    load_tr,
    read_descriptor,
    set_gdt,
    set_idt,
)
from app.sim.transfers import (
    call_inner,
    find_destination,
    find_return,
    load_code,
    pass_gate,
    return_to,
)
from app.sim.vectors import BR, GP

DTR_BYTES: Final = 6
LIMIT_BYTES: Final = 2
SELECTOR_BYTES: Final = 2
ACCESS_SHIFT: Final = 8
FLAGS_SHIFT: Final = 20
LOW_HALF: Final = 0xFFFF
LEVEL_BITS: Final = 0x1F

HAS_LIMIT: Final = frozenset(
    {*TSS_OF_16_BITS, LDT_TYPE, TSS_AVAILABLE, TSS_AVAILABLE | BUSY}
)
"""System descriptors that LSL accepts: SDM vol. 2A, table 3-56."""

HAS_RIGHTS: Final = HAS_LIMIT | {0x4, TASK_GATE, CALL_GATE}
"""System descriptors that LAR accepts: SDM vol. 2A, table 3-53."""


# ------------------------------------------------------- segment registers


def note_ring(machine: Machine, cpu: CpuId) -> None:
    """Note that what follows shows the ring of the kernel, or its tables."""
    host = machine.board.host
    if host.is_virtual(machine.vcpus[cpu]):
        host.choose("kernel_cpl")


def load_register(
    machine: Machine, cpu: CpuId, name: str, selector: int
) -> Machine:
    """Load a segment register; SS holds off interrupts for a while."""
    if name == "ss":
        note_ring(machine, cpu)
        return load_stack_segment(machine, cpu, selector)
    return load_segment(machine, cpu, name, selector)


@instruction("mov-seg", section="SDM vol. 2B, MOV", sensitive="reveals")
def mov_seg(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Move to or from a segment register.

    A load checks the descriptor. That of SS faults if the RPL is not the
    CPL, and holds off interrupts for one instruction.
    """
    # CHECKS
    if isinstance(destination, Register) and destination.name in SEGMENTS:
        machine, value = read(machine, cpu, source, SELECTOR_BYTES)
        selector = value & SELECTOR_BITS
        return load_register(machine, cpu, destination.name, selector)
    assert isinstance(source, Register)  # noqa: S101 - the parser's word
    # OPERATION
    note_ring(machine, cpu)
    value = getattr(machine.vcpus[cpu], source.name)
    return write(machine, cpu, destination, value)


@instruction("push-seg", section="SDM vol. 2B, PUSH", sensitive="reveals")
def push_seg(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Push a segment register."""
    # CHECKS
    assert isinstance(source, Register)  # noqa: S101 - the parser's word
    note_ring(machine, cpu)
    # OPERATION
    return push(machine, cpu, getattr(machine.vcpus[cpu], source.name))


@instruction("pop-seg", section="SDM vol. 2B, POP", sensitive="may-fault")
def pop_seg(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Pop a segment register; SS as with MOV."""
    # CHECKS
    assert isinstance(destination, Register)  # noqa: S101 - the parser's
    machine, selector = pop(machine, cpu)
    # OPERATION
    selector &= SELECTOR_BITS
    return load_register(machine, cpu, destination.name, selector)


SEGMENTS: Final = frozenset({"es", "cs", "ss", "ds", "fs", "gs"})


def _load_pointer(
    machine: Machine,
    cpu: CpuId,
    name: str,
    destination: Operand,
    source: Memory,
) -> Machine:
    """Load a segment register and a general one from a far pointer."""
    place = address_of(machine, cpu, source, DTR_BYTES, writes=False)
    machine, offset = load(machine, cpu, place)
    machine, selector = load(machine, cpu, place + WORD, SELECTOR_BYTES)
    machine = load_segment(machine, cpu, name, selector)
    return write(machine, cpu, destination, offset)


@instruction("lss", section="SDM vol. 2A, LSS", sensitive="may-fault")
def lss(
    machine: Machine, cpu: CpuId, destination: Operand, source: Memory
) -> Machine:
    """Load SS and a general register; there is no shadow after it."""
    # OPERATION
    note_ring(machine, cpu)
    return _load_pointer(machine, cpu, "ss", destination, source)


@instruction("lds", section="SDM vol. 2A, LDS")
def lds(
    machine: Machine, cpu: CpuId, destination: Operand, source: Memory
) -> Machine:
    """Load DS and a general register from a far pointer."""
    # OPERATION
    return _load_pointer(machine, cpu, "ds", destination, source)


@instruction("les", section="SDM vol. 2A, LES")
def les(
    machine: Machine, cpu: CpuId, destination: Operand, source: Memory
) -> Machine:
    """Load ES and a general register from a far pointer."""
    # OPERATION
    return _load_pointer(machine, cpu, "es", destination, source)


@instruction("lfs", section="SDM vol. 2A, LFS")
def lfs(
    machine: Machine, cpu: CpuId, destination: Operand, source: Memory
) -> Machine:
    """Load FS and a general register from a far pointer."""
    # OPERATION
    return _load_pointer(machine, cpu, "fs", destination, source)


@instruction("lgs", section="SDM vol. 2A, LGS")
def lgs(
    machine: Machine, cpu: CpuId, destination: Operand, source: Memory
) -> Machine:
    """Load GS and a general register from a far pointer."""
    # OPERATION
    return _load_pointer(machine, cpu, "gs", destination, source)


# ---------------------------------------------------------- table registers


def _load_table(
    machine: Machine, cpu: CpuId, source: Memory
) -> tuple[Machine, Table]:
    """Read limit and base of a table from memory."""
    place = address_of(machine, cpu, source, DTR_BYTES, writes=False)
    machine, limit = load(machine, cpu, place, LIMIT_BYTES)
    machine, base = load(machine, cpu, place + LIMIT_BYTES)
    return machine, Table(base, limit)


def _store_table(
    machine: Machine, cpu: CpuId, destination: Memory, table: Table
) -> Machine:
    """Write limit and base of a table to memory."""
    place = address_of(machine, cpu, destination, DTR_BYTES, writes=True)
    machine = store(machine, cpu, place, LIMIT_BYTES, table.limit)
    return store(machine, cpu, place + LIMIT_BYTES, WORD, table.base)


@instruction("lgdt", section="SDM vol. 2A, LGDT/LIDT", sensitive="traps")
def lgdt(machine: Machine, cpu: CpuId, source: Memory) -> Machine:
    """Load GDTR; segment registers keep what they hold."""
    # CHECKS
    require_ring_0(machine, cpu)
    machine, table = _load_table(machine, cpu, source)
    # OPERATION
    return set_gdt(machine, cpu, table)


@instruction("lidt", section="SDM vol. 2A, LGDT/LIDT", sensitive="traps")
def lidt(machine: Machine, cpu: CpuId, source: Memory) -> Machine:
    """Load IDTR."""
    # CHECKS
    require_ring_0(machine, cpu)
    machine, table = _load_table(machine, cpu, source)
    # OPERATION
    return set_idt(machine, cpu, table)


@instruction("sgdt", section="SDM vol. 2B, SGDT", sensitive="reveals")
def sgdt(machine: Machine, cpu: CpuId, destination: Memory) -> Machine:
    """Store GDTR, at any privilege; it shows a hypervisor's own."""
    # OPERATION
    vcpu = machine.vcpus[cpu]
    virtual = machine.board.host.is_virtual(vcpu)
    table = HYPERVISOR_GDT if virtual else vcpu.gdtr
    return _store_table(machine, cpu, destination, table)


@instruction("sidt", section="SDM vol. 2B, SIDT", sensitive="reveals")
def sidt(machine: Machine, cpu: CpuId, destination: Memory) -> Machine:
    """Store IDTR, at any privilege; it shows a hypervisor's own."""
    # OPERATION
    vcpu = machine.vcpus[cpu]
    virtual = machine.board.host.is_virtual(vcpu)
    table = HYPERVISOR_IDT if virtual else vcpu.idtr
    return _store_table(machine, cpu, destination, table)


@instruction("sldt", section="SDM vol. 2B, SLDT", sensitive="reveals")
def sldt(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Store the selector in LDTR; it shows a hypervisor's own."""
    # OPERATION
    vcpu = machine.vcpus[cpu]
    virtual = machine.board.host.is_virtual(vcpu)
    selector = HYPERVISOR_LDT if virtual else vcpu.ldtr
    return write(machine, cpu, destination, selector)


@instruction("str", section="SDM vol. 2B, STR", sensitive="reveals")
def str_(machine: Machine, cpu: CpuId, destination: Operand) -> Machine:
    """Store the selector in TR; it shows a hypervisor's own."""
    # OPERATION
    vcpu = machine.vcpus[cpu]
    virtual = machine.board.host.is_virtual(vcpu)
    selector = HYPERVISOR_TR if virtual else vcpu.tr
    return write(machine, cpu, destination, selector)


@instruction("lldt", section="SDM vol. 2A, LLDT", sensitive="traps")
def lldt(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Load LDTR; segment registers keep what they hold."""
    # CHECKS
    require_ring_0(machine, cpu)
    machine, selector = read(machine, cpu, source, SELECTOR_BYTES)
    # OPERATION
    return load_ldtr(machine, cpu, selector)


@instruction("ltr", section="SDM vol. 2A, LTR", sensitive="traps")
def ltr(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Load TR, and mark the TSS busy."""
    # CHECKS
    require_ring_0(machine, cpu)
    machine, selector = read(machine, cpu, source, SELECTOR_BYTES)
    # OPERATION
    return load_tr(machine, cpu, selector)


# ------------------------------------------------------ asking of selectors


def _look(
    machine: Machine, cpu: CpuId, selector: int
) -> tuple[Machine, Segment | None]:
    """Read a descriptor that code of this ring may see, else None."""
    note_ring(machine, cpu)
    try:
        machine, segment = read_descriptor(machine, cpu, selector)
    except GuestFault as fault:
        if fault.vector != GP:
            raise
        return machine, None
    free = is_code(segment) and is_conforming(segment)
    asked = max(machine.vcpus[cpu].cpl, selector & RPL)
    if asked > get_dpl(segment) and not free:
        return machine, None
    return machine, segment


def _answer(
    machine: Machine, cpu: CpuId, destination: Operand, value: int | None
) -> Machine:
    """Write an answer with ZF set, or clear ZF for the lack of one."""
    if value is None:
        return set_flags(machine, cpu, 0, ZF)
    assert isinstance(destination, Register)  # noqa: S101 - the parser's
    machine = set_register(machine, cpu, destination.name, value)
    return set_flags(machine, cpu, ZF, ZF)


@instruction("lar", section="SDM vol. 2A, LAR", sensitive="reveals")
def lar(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Load the access rights of a descriptor that may be seen.

    Under a software hypervisor they are those of its shadow: a DPL of 0
    reads as the ring of the kernel.
    """
    # OPERATION
    machine, selector = read(machine, cpu, source, SELECTOR_BYTES)
    machine, segment = _look(machine, cpu, selector & SELECTOR_BITS)
    if segment is None or not _has(segment, HAS_RIGHTS):
        return _answer(machine, cpu, destination, None)
    rights = segment.access << ACCESS_SHIFT
    if get_size(destination) == WORD:
        rights |= segment.flags << FLAGS_SHIFT
    return _answer(machine, cpu, destination, rights)


@instruction("lsl", section="SDM vol. 2A, LSL", sensitive="reveals")
def lsl(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Load the limit of a descriptor that may be seen, in bytes.

    Under a software hypervisor it ends below the hypervisor's memory.
    """
    # OPERATION
    machine, selector = read(machine, cpu, source, SELECTOR_BYTES)
    machine, segment = _look(machine, cpu, selector & SELECTOR_BITS)
    if segment is None or not _has(segment, HAS_LIMIT):
        return _answer(machine, cpu, destination, None)
    return _answer(machine, cpu, destination, segment.limit)


def _has(segment: Segment, kinds: frozenset[int]) -> bool:
    """Whether a descriptor is that of code or data, or of such a kind."""
    if segment.access & CODE_OR_DATA:
        return True
    return segment.access & SYSTEM_TYPE in kinds


@instruction("verr", section="SDM vol. 2D, VERR/VERW", sensitive="reveals")
def verr(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Set ZF if a segment may be read."""
    # OPERATION
    machine, selector = read(machine, cpu, source, SELECTOR_BYTES)
    machine, segment = _look(machine, cpu, selector)
    readable = segment is not None and is_readable(segment)
    return set_flags(machine, cpu, ZF if readable else 0, ZF)


@instruction("verw", section="SDM vol. 2D, VERR/VERW", sensitive="reveals")
def verw(machine: Machine, cpu: CpuId, source: Operand) -> Machine:
    """Set ZF if a segment may be written."""
    # OPERATION
    machine, selector = read(machine, cpu, source, SELECTOR_BYTES)
    machine, segment = _look(machine, cpu, selector)
    writable = segment is not None and is_writable(segment)
    return set_flags(machine, cpu, ZF if writable else 0, ZF)


@instruction("arpl", section="SDM vol. 2A, ARPL", sensitive="reveals")
def arpl(
    machine: Machine, cpu: CpuId, destination: Operand, source: Operand
) -> Machine:
    """Raise the RPL of a selector to that of another one.

    It does the same at each privilege, but selectors of a kernel under a
    software hypervisor have another RPL.
    """
    # OPERATION
    machine, selector = read(
        machine, cpu, destination, SELECTOR_BYTES, writes=True
    )
    machine, other = read(machine, cpu, source, SELECTOR_BYTES)
    if selector & RPL >= other & RPL:
        return set_flags(machine, cpu, 0, ZF)
    raised = selector & ~RPL | other & RPL
    machine = write(machine, cpu, destination, raised)
    return set_flags(machine, cpu, ZF, ZF)


# ------------------------------------------------------------- far transfers


def _read_far(
    machine: Machine, cpu: CpuId, target: Operand
) -> tuple[Machine, int, int]:
    """Read selector and address of a far transfer."""
    if isinstance(target, FarTarget):
        return machine, target.selector, target.address
    assert isinstance(target, Memory)  # noqa: S101 - the parser's word
    place = address_of(machine, cpu, target, DTR_BYTES, writes=False)
    machine, eip = load(machine, cpu, place)
    machine, selector = load(machine, cpu, place + WORD, SELECTOR_BYTES)
    return machine, selector, eip


@instruction("jmp-far", section="SDM vol. 2A, JMP")
def jmp_far(machine: Machine, cpu: CpuId, target: Operand) -> Machine:
    """Go to another code segment of the same ring, or through a call gate."""
    # CHECKS
    machine, selector, eip = _read_far(machine, cpu, target)
    machine, to, gate = find_destination(machine, cpu, selector, eip)
    if gate is not None:
        machine, called = pass_gate(machine, cpu, selector, gate, call=False)
        to = called.to
    # OPERATION
    return load_code(machine, cpu, to)


@instruction("call-far", section="SDM vol. 2A, CALL")
def call_far(machine: Machine, cpu: CpuId, target: Operand) -> Machine:
    """Call another code segment; a call gate may lead to an inner ring."""
    # CHECKS
    machine, selector, eip = _read_far(machine, cpu, target)
    machine, to, gate = find_destination(machine, cpu, selector, eip)
    if gate is not None:
        machine, called = pass_gate(machine, cpu, selector, gate, call=True)
        if called.inner:
            return call_inner(machine, cpu, called)
        to = called.to
    # OPERATION
    vcpu = machine.vcpus[cpu]
    machine = push(machine, cpu, vcpu.cs)
    machine = push(machine, cpu, vcpu.eip)
    return load_code(machine, cpu, to)


@instruction("retf", section="SDM vol. 2B, RET")
def retf(
    machine: Machine, cpu: CpuId, dropped: Immediate | None = None
) -> Machine:
    """Return to another code segment, perhaps of an outer ring."""
    # CHECKS
    machine, eip = pop(machine, cpu)
    machine, selector = pop(machine, cpu)
    selector &= SELECTOR_BITS
    machine, to = find_return(machine, cpu, selector, eip)
    # OPERATION
    count = 0 if dropped is None else dropped.value
    return return_to(machine, cpu, to, dropped=count)


# ---------------------------------------------------------- bounds and frames


@instruction("bound", section="SDM vol. 2A, BOUND")
def bound(
    machine: Machine, cpu: CpuId, index: Operand, bounds: Memory
) -> Machine:
    """Raise #BR unless a number lies between two bounds, all signed."""
    # CHECKS
    machine, number = read(machine, cpu, index, WORD)
    place = address_of(machine, cpu, bounds, bounds.size, writes=False)
    machine, low = load(machine, cpu, place)
    machine, high = load(machine, cpu, place + WORD)
    least, value, most = (
        compute_signed(each, WORD) for each in (low, number, high)
    )
    if not least <= value <= most:
        raise GuestFault(BR)
    # RESULT
    return machine


@instruction("enter", section="SDM vol. 2A, ENTER")
def enter(
    machine: Machine, cpu: CpuId, size: Immediate, level: Immediate
) -> Machine:
    """Make a stack frame, with the pointers of the frames around it."""
    # OPERATION
    nesting = level.value & LEVEL_BITS
    machine = push(machine, cpu, machine.vcpus[cpu].ebp)
    frame = machine.vcpus[cpu].esp
    pointer = machine.vcpus[cpu].ebp
    for _ in range(nesting - 1):
        pointer = pointer - WORD & WORD_MASK
        machine, word = load(machine, cpu, pointer)
        machine = push(machine, cpu, word)
    if nesting:
        machine = push(machine, cpu, frame)
    esp = machine.vcpus[cpu].esp - size.value & WORD_MASK
    return update(machine, cpu, ebp=frame, esp=esp)

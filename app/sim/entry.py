"""Entry into handlers through the IDT, and the flag and ring of a guest.

Interrupts, exceptions and INT n push their frame and go to the handler here.
What is due, and when, is decided in `delivery`.
"""

from typing import Final, NamedTuple

from app.sim.errors import GuestFault, NotModelled
from app.sim.layout import get_kernel_stack_top
from app.sim.machine import (
    IF,
    IOPL,
    KERNEL_CS,
    KERNEL_DS,
    NO_SHADOW,
    NT,
    RF,
    TF,
    USER_CPL,
    USER_CS,
    USER_DS,
    VM,
    WORD,
    WORD_MASK,
    CpuId,
    Gate,
    Host,
    Machine,
    Segment,
    Table,
    VCpu,
    update,
)
from app.sim.memory import load_system, push
from app.sim.paging import take_fault
from app.sim.segments import (
    CS_INDEX,
    DPL,
    DPL_SHIFT,
    GATES_OF_16_BITS,
    INTERRUPT_GATE,
    PRESENT,
    SS_INDEX,
    SYSTEM_TYPE,
    TASK_GATE,
    TRAP_GATE,
    decode_gate,
    get_dpl,
    is_code,
    is_conforming,
    is_user,
)
from app.sim.selectors import (
    ENTRY,
    ENTRY_SHIFT,
    RPL,
    SELECTOR,
    get_flat,
    is_untouched,
    mark_accessed,
    read_descriptor,
    read_entry,
    read_stack,
    reload_live,
    require_code,
    set_hidden,
    tell_table,
)
from app.sim.tables import ESP0, get_gdtr, get_idtr
from app.sim.vectors import (
    CONTRIBUTORY,
    DOUBLE_FAULT,
    FAULTS,
    GP,
    NP,
    PAGE_FAULT,
    SS,
    TS,
)

IN_IDT: Final = 2
EXTERNAL: Final = 1
WITH_SELECTOR: Final = frozenset({TS, NP, SS, GP})
"""The exceptions whose error code names a selector, and can be external."""

STACK_FIELDS: Final = 6
SELECTOR_BYTES: Final = 2


# ----------------------------------------------------- the flag and the ring


def is_interruptible(machine: Machine, cpu: CpuId) -> bool:
    """Whether the interrupt flag that counts for the guest is set."""
    vcpu = machine.vcpus[cpu]
    if machine.board.host.is_virtual(vcpu):
        return bool(vcpu.virtual_if)
    return bool(vcpu.flags & IF)


def set_interruptible(machine: Machine, cpu: CpuId, *, on: bool) -> Machine:
    """Set or clear the interrupt flag that counts for the guest."""
    vcpu = machine.vcpus[cpu]
    if machine.board.host.is_virtual(vcpu):
        return update(machine, cpu, virtual_if=int(on))
    return update(machine, cpu, flags=vcpu.flags & ~IF | (IF if on else 0))


def compute_flags_image(host: Host, vcpu: VCpu) -> int:
    """Compute the EFLAGS that a frame shows: the truth for the guest."""
    if not host.is_virtual(vcpu):
        return vcpu.flags
    return vcpu.flags & ~IF | (IF if vcpu.virtual_if else 0)


def settle_privilege(vcpu: VCpu, host: Host, *, user: bool) -> VCpu:
    """Put a processor in the ring and under the flag that its host uses."""
    kernel_cpl = host.get_kernel_cpl(vcpu)
    cpl = USER_CPL if user else kernel_cpl
    vcpu = vcpu.replace(
        cpl=cpl,
        cs=USER_CS if user else KERNEL_CS | cpl,
        ss=USER_DS if user else KERNEL_DS | cpl,
        segments=get_flat(kernel_cpl, user=user),
    )
    if not host.is_virtual(vcpu):
        return vcpu
    return vcpu.replace(
        virtual_if=int(bool(vcpu.flags & IF)),
        flags=vcpu.flags & ~IOPL | IF,
    )


# ------------------------------------------------------------- the way in


def deliver_exception(
    machine: Machine, cpu: CpuId, fault: GuestFault
) -> Machine:
    """Enter the handler of an exception; a fault on the way may double it.

    SDM vol. 3A, 6.15, interrupt 8. Without a way out the processor shuts
    down for good: what would wake it, an NMI or INIT, is left to the board,
    which resets it.
    """
    try:
        if fault.address is not None:
            machine = take_fault(machine, cpu, fault.address)
        return enter(machine, cpu, fault.vector, fault.error_code)
    except GuestFault as second:
        if fault.vector == DOUBLE_FAULT:
            return update(machine, cpu, shutdown=1, halted=0)
        doubles = is_doubled(fault.vector, second.vector)
        following = GuestFault(DOUBLE_FAULT, 0) if doubles else second
    return deliver_exception(machine, cpu, following)


def is_doubled(first: int, second: int) -> bool:
    """Whether two exceptions make a double fault: SDM vol. 3A, table 6-5."""
    if first == PAGE_FAULT:
        return second == PAGE_FAULT or second in CONTRIBUTORY
    return first in CONTRIBUTORY and second in CONTRIBUTORY


class _Way(NamedTuple):
    """Where an entry leads: the handler and its code segment."""

    gate: Gate
    code: Segment
    cpl: int


def enter(
    machine: Machine,
    cpu: CpuId,
    vector: int,
    error_code: int | None = None,
    *,
    software: bool = False,
) -> Machine:
    """Push the frame and go to the handler: SDM vol. 3A, 6.12.1.

    ``software`` is for INT n, which must pass the gate's DPL. The error code
    of a fault on any other way in says that no instruction asked for it
    (6.13). On a software platform the hypervisor does the same on the
    guest's behalf, and the frame shows the virtual flag (RFC 3, item 1).
    """
    try:
        return _enter(machine, cpu, vector, error_code, software=software)
    except GuestFault as fault:
        if software or fault.vector not in WITH_SELECTOR:
            raise
        code = (fault.error_code or 0) | EXTERNAL
        raise GuestFault(fault.vector, code) from fault


def _enter(
    machine: Machine,
    cpu: CpuId,
    vector: int,
    error_code: int | None,
    *,
    software: bool,
) -> Machine:
    """Enter a handler, or raise the fault on the way to it."""
    # CHECKS
    vcpu = machine.vcpus[cpu]
    machine, gate = _read_gate(machine, cpu, vector, software=software)
    machine, way = _find_way(machine, cpu, gate)
    image = compute_flags_image(machine.board.host, vcpu)
    if vector in FAULTS:
        image |= RF
    frame = [image, vcpu.cs, vcpu.eip]
    # OPERATION
    if _switches_stack(machine, vcpu, way):
        frame = [vcpu.ss, vcpu.esp, *frame]
        machine = _switch_stack(machine, cpu, way)
    else:
        machine = _load_code(machine, cpu, way)
    if error_code is not None:
        frame.append(error_code)
    for word in frame:
        machine = push(machine, cpu, word)
    flags = machine.vcpus[cpu].flags & ~(TF | NT | RF | VM)
    machine = update(
        machine, cpu, eip=gate.address, flags=flags, shadow=NO_SHADOW
    )
    # RESULT
    if gate.trap:
        return machine
    return set_interruptible(machine, cpu, on=False)


# ------------------------------------------------------------------- gates


def _read_gate(
    machine: Machine, cpu: CpuId, vector: int, *, software: bool
) -> tuple[Machine, Gate]:
    """Read the gate of a vector, with the checks of its own."""
    vcpu = machine.vcpus[cpu]
    code = vector << ENTRY_SHIFT | IN_IDT
    if is_untouched(machine, vcpu) and vcpu.idtr == get_idtr(cpu):
        gate = machine.board.gates.get(vector)
        if gate is None:
            raise GuestFault(GP, code)
        fitted = True
    else:
        machine, gate, fitted = _decode_gate(machine, cpu, vector, code)
    virtual = machine.board.host.is_virtual(vcpu)
    level = vcpu.cpl
    if virtual and fitted:
        level = USER_CPL if is_user(vcpu) else 0
    if software and gate.dpl < level:
        raise GuestFault(GP, code)
    if (
        virtual
        and not fitted
        and gate.selector & RPL != get_ring(machine, cpu)
    ):
        raise GuestFault(GP, gate.selector & SELECTOR)
    return machine, gate


def get_ring(machine: Machine, cpu: CpuId) -> int:
    """Answer the ring in which the guest's kernel runs now."""
    return machine.board.host.get_kernel_cpl(machine.vcpus[cpu])


def _decode_gate(
    machine: Machine, cpu: CpuId, vector: int, code: int
) -> tuple[Machine, Gate, bool]:
    """Read a gate from memory, or as the hypervisor was told of it."""
    base, limit = machine.vcpus[cpu].idtr
    offset = vector << ENTRY_SHIFT
    if offset + ENTRY - 1 > limit:
        raise GuestFault(GP, code)
    machine, entry = read_entry(machine, cpu, (base + offset) & WORD_MASK)
    raw = decode_gate(entry.low, entry.high)
    kind = raw.access & SYSTEM_TYPE
    if kind == TASK_GATE or kind in GATES_OF_16_BITS:
        raise NotModelled("a task gate, or a gate of 16 bits")
    if kind not in {INTERRUPT_GATE, TRAP_GATE}:
        raise GuestFault(GP, code)
    if not raw.access & PRESENT:
        raise GuestFault(NP, code)
    dpl = (raw.access & DPL) >> DPL_SHIFT
    gate = Gate(raw.address, dpl, kind == TRAP_GATE, raw.selector)
    return machine, gate, entry.fitted


def _find_way(
    machine: Machine, cpu: CpuId, gate: Gate
) -> tuple[Machine, _Way]:
    """Find the handler's code segment: SDM vol. 2A, INT n."""
    vcpu = machine.vcpus[cpu]
    cpl = get_ring(machine, cpu)
    plain = vcpu.gdtr == get_gdtr(cpu) and gate.selector == KERNEL_CS
    if plain and is_untouched(machine, vcpu):
        code = get_flat(cpl, user=False)[CS_INDEX]
        return machine, _Way(gate, code, cpl)
    machine, code = read_descriptor(machine, cpu, gate.selector)
    error = gate.selector & SELECTOR
    if not is_code(code) or get_dpl(code) > vcpu.cpl:
        raise GuestFault(GP, error)
    require_code(code, error)
    if gate.address > code.limit:
        raise GuestFault(GP, 0)
    machine, code = mark_accessed(machine, cpu, gate.selector, code)
    inner = vcpu.cpl if is_conforming(code) else get_dpl(code)
    return machine, _Way(gate, code, inner)


def _load_code(machine: Machine, cpu: CpuId, way: _Way) -> Machine:
    """Load CS of a handler and go to its ring."""
    vcpu = machine.vcpus[cpu]
    hidden = vcpu.segments
    if hidden[CS_INDEX] is not way.code:
        hidden = set_hidden(hidden, CS_INDEX, way.code)
    selector = way.gate.selector & SELECTOR | way.cpl
    return update(machine, cpu, cs=selector, cpl=way.cpl, segments=hidden)


# ------------------------------------------------------------------ stacks


def _switches_stack(machine: Machine, vcpu: VCpu, way: _Way) -> bool:
    """Whether the handler has a stack of its own: from an outer ring."""
    if machine.board.host.is_virtual(vcpu):
        return is_user(vcpu)
    return way.cpl < vcpu.cpl


def _switch_stack(machine: Machine, cpu: CpuId, way: _Way) -> Machine:
    """Load SS and ESP of the handler's ring, then its code segment."""
    vcpu = machine.vcpus[cpu]
    flat = get_flat(get_ring(machine, cpu), user=False)
    if machine.board.host.is_virtual(vcpu):
        selector, esp = KERNEL_DS | way.cpl, vcpu.esp0
        stack = flat[SS_INDEX]
    else:
        machine, selector, esp = read_inner_stack(machine, cpu, way.cpl)
        if is_untouched(machine, vcpu) and selector == KERNEL_DS:
            stack = flat[SS_INDEX]
        else:
            machine, stack = read_stack(
                machine, cpu, selector, way.cpl, vector=TS
            )
            machine, stack = mark_accessed(machine, cpu, selector, stack)
    if vcpu.segments is get_flat(get_ring(machine, cpu), user=True):
        hidden = flat
    else:
        hidden = vcpu.segments
    hidden = set_hidden(hidden, SS_INDEX, stack)
    machine = update(machine, cpu, esp=esp, ss=selector, segments=hidden)
    return _load_code(machine, cpu, way)


def read_inner_stack(
    machine: Machine, cpu: CpuId, cpl: int
) -> tuple[Machine, int, int]:
    """Read SS and ESP of a ring from the TSS: SDM vol. 3A, 7.2.1."""
    vcpu = machine.vcpus[cpu]
    base, limit, _, _ = vcpu.tss
    place = ESP0 + (cpl << ENTRY_SHIFT)
    if place + STACK_FIELDS - 1 > limit:
        raise GuestFault(TS, vcpu.tr & SELECTOR)
    machine, esp = load_system(machine, cpu, (base + place) & WORD_MASK)
    place += WORD
    machine, selector = load_system(
        machine, cpu, (base + place) & WORD_MASK, SELECTOR_BYTES
    )
    return machine, selector, esp


def note_kernel_stack(machine: Machine, cpu: CpuId) -> Machine:
    """Note where the next entry from user code begins to push.

    Hardware reads the TSS at each entry. User code does not change it, so
    that what lies above on the kernel stack is what is live meanwhile.
    """
    vcpu = machine.vcpus[cpu]
    if machine.board.host.is_virtual(vcpu):
        return machine
    esp = get_kernel_stack_top(cpu)
    if not is_untouched(machine, vcpu):
        try:
            machine, _, esp = read_inner_stack(machine, cpu, 0)
        except GuestFault:
            return machine
    return machine if esp == vcpu.esp0 else update(machine, cpu, esp0=esp)


def take_over(machine: Machine, cpu: CpuId) -> Machine:
    """Let a hypervisor learn the tables as paravirtual mode is entered.

    From then on it works from what it is told (RFC 2.4, 2.6).
    """
    vcpu = machine.vcpus[cpu]
    if not machine.board.host.is_virtual(vcpu):
        return machine
    first = (get_gdtr(cpu), get_idtr(cpu))
    if not is_untouched(machine, vcpu) or (vcpu.gdtr, vcpu.idtr) != first:
        for table in (vcpu.gdtr, vcpu.idtr, Table(*vcpu.ldt[:2])):
            machine = tell_table(machine, cpu, table)
        machine, _, esp = read_inner_stack(machine, cpu, 0)
        machine = update(machine, cpu, esp0=esp)
    return reload_live(machine, cpu)

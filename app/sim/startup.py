"""How a further processor comes to run: RFC 2.9, SDM vol. 3A, 8.4 and 10.4.7.

It waits for an INIT message, then for a STARTUP message, then it runs. Under
a hypervisor it begins as VMI_SetInitialAPState told, and not at all if that
has told nothing that it could begin with. Without one it runs the kernel's
code of 16 bits first, which is not modelled: a processor that a question has
waiting stands as that code would leave it.
"""

import struct
from typing import Final, NamedTuple

from app.sim.devices.local_apic import reset
from app.sim.entry import settle_privilege
from app.sim.errors import GuestFault, NotModelled
from app.sim.gaps import choose_or_raise
from app.sim.layout import get_kernel_stack_top
from app.sim.machine import (
    FIXED,
    NULL_SEGMENT,
    VM,
    WORD,
    WORD_MASK,
    CpuId,
    Machine,
    Table,
    VCpu,
    set_vcpu,
    update,
)
from app.sim.memory import load
from app.sim.paging import set_control
from app.sim.segments import LDT_TYPE, PRESENT, SYSTEM_TYPE
from app.sim.selectors import (
    RPL,
    SELECTOR,
    load_segment,
    put_segment,
    read_descriptor,
    read_stack,
    require_code,
    tell_table,
)
from app.sim.vectors import GP

RUNNING: Final = 0
WAIT_FOR_INIT: Final = 1
WAIT_FOR_STARTUP: Final = 2

BOOT: Final = 0
STATE_BYTES: Final = 92
CR0_AT_RESET: Final = 0x6000_0010
PROTECTED_AND_PAGED: Final = 0x8000_0001
LONG_MODE: Final = 0x500
"""EFER.LME and EFER.LMA."""

_FORMAT: Final = struct.Struct("<4IQ10I8H2IH2x")
assert _FORMAT.size == STATE_BYTES  # noqa: S101 - RFC Appendix B


class ApState(NamedTuple):
    """The structure APState of RFC Appendix B, in its order."""

    cr0: int
    cr2: int
    cr3: int
    cr4: int
    efer: int
    eip: int
    eflags: int
    eax: int
    ebx: int
    ecx: int
    edx: int
    esp: int
    ebp: int
    esi: int
    edi: int
    cs: int
    ss: int
    ds: int
    es: int
    fs: int
    gs: int
    ldtr: int
    gdtr_limit: int
    gdtr_base: int
    idtr_base: int
    idtr_limit: int


def read_state(
    machine: Machine, cpu: CpuId, address: int
) -> tuple[Machine, tuple[int, ...]]:
    """Read the words of an APState from memory, as the guest sees it."""
    words = []
    for offset in range(0, STATE_BYTES, WORD):
        machine, word = load(machine, cpu, (address + offset) & WORD_MASK)
        words.append(word)
    return machine, tuple(words)


def decode_state(words: tuple[int, ...]) -> ApState:
    """Decode the words of an APState."""
    content = struct.pack(f"<{len(words)}I", *words)
    return ApState._make(_FORMAT.unpack(content))


def find_processor(machine: Machine, apic_id: int) -> CpuId | None:
    """Find the processor with a number of a local APIC."""
    for cpu, vcpu in enumerate(machine.vcpus):
        number = cpu if vcpu.apic is None else vcpu.apic.id
        if number == apic_id:
            return cpu
    return None


# ------------------------------------------------------------ the messages


def receive_init(machine: Machine, cpu: CpuId) -> Machine:
    """Reset a processor, which then waits for STARTUP.

    A state that was set before is kept or forgotten; the RFC says neither.
    """
    if cpu == BOOT:
        raise NotModelled("the message INIT to the boot processor")
    vcpu = machine.vcpus[cpu]
    if vcpu.ap_state and choose_or_raise(machine, "ap_state_early") == "lost":
        vcpu = vcpu.replace(ap_state=())
    if vcpu.startup == RUNNING:
        vcpu = reset_processor(vcpu, cpu)
    return set_vcpu(machine, cpu, vcpu.replace(startup=WAIT_FOR_STARTUP))


def reset_processor(vcpu: VCpu, cpu: CpuId) -> VCpu:
    """Reset as INIT does: SDM vol. 3A, 9.1, table 9-1.

    Model-specific registers, counters and the number of the APIC stay.
    """
    return VCpu(
        esp=get_kernel_stack_top(cpu),
        esp0=get_kernel_stack_top(cpu),
        cr0=CR0_AT_RESET,
        paravirtual=vcpu.paravirtual,
        tsc=vcpu.tsc,
        stolen=vcpu.stolen,
        msrs=vcpu.msrs,
        pmcs=vcpu.pmcs,
        apic=None if vcpu.apic is None else reset(vcpu.apic),
        ap_state=vcpu.ap_state,
    )


def receive_startup(machine: Machine, cpu: CpuId, vector: int) -> Machine:
    """Start a processor that waits for it; another takes no notice."""
    vcpu = machine.vcpus[cpu]
    if vcpu.startup != WAIT_FOR_STARTUP:
        return machine
    if not machine.vcpus[BOOT].paravirtual:
        if not vcpu.eip:
            raise NotModelled(f"code of 16 bits at {vector << 12:#x}")
        return update(machine, cpu, startup=RUNNING)
    if not vcpu.ap_state:
        return machine
    state = decode_state(vcpu.ap_state)
    if not _is_valid(state) and (
        choose_or_raise(machine, "ap_state_invalid") == "not-started"
    ):
        return machine
    try:
        return _begin(machine, cpu, state)
    except GuestFault:
        return machine


def _is_valid(state: ApState) -> bool:
    """Whether the modes are those that the RFC allows."""
    modes = state.cr0 & PROTECTED_AND_PAGED
    return modes == PROTECTED_AND_PAGED and not state.efer & LONG_MODE


def _begin(machine: Machine, cpu: CpuId, state: ApState) -> Machine:
    """Let a processor run from the state that it was given."""
    host = machine.board.host
    vcpu = reset_processor(machine.vcpus[cpu], cpu).replace(
        **{name: getattr(state, name) for name in _PLAIN},
        flags=state.eflags & ~VM | FIXED,
        gdtr=Table(state.gdtr_base, state.gdtr_limit),
        idtr=Table(state.idtr_base, state.idtr_limit),
        paravirtual=1,
        ap_state=(),
        **dict.fromkeys(("ds", "es", "fs", "gs"), 0),
    )
    machine = set_vcpu(machine, cpu, settle_privilege(vcpu, host, user=False))
    for name in ("cr4", "cr3", "cr0"):
        machine = set_control(machine, cpu, name, getattr(state, name))
    for table in (vcpu.gdtr, vcpu.idtr):
        machine = tell_table(machine, cpu, table)
    return _load_segments(machine, cpu, state)


_PLAIN: Final = (
    *("cr2", "eip", "eax", "ebx", "ecx", "edx", "esp", "ebp", "esi", "edi"),
)


def _load_segments(machine: Machine, cpu: CpuId, state: ApState) -> Machine:
    """Load the segment registers from the table that the state names.

    CS and SS are those of the kernel, in whatever ring it runs here.
    """
    cpl = machine.vcpus[cpu].cpl
    code, stack = state.cs & ~RPL | cpl, state.ss & ~RPL | cpl
    machine, segment = read_descriptor(machine, cpu, code)
    require_code(segment, code & SELECTOR)
    machine = put_segment(machine, cpu, "cs", code, segment)
    machine, segment = read_stack(machine, cpu, stack, cpl)
    machine = put_segment(machine, cpu, "ss", stack, segment)
    machine = _load_ldt(machine, cpu, state.ldtr)
    for name in ("ds", "es", "fs", "gs"):
        machine = load_segment(machine, cpu, name, getattr(state, name))
    return machine


def _load_ldt(machine: Machine, cpu: CpuId, selector: int) -> Machine:
    """Load LDTR, or make it null."""
    if not selector & SELECTOR:
        return update(machine, cpu, ldtr=selector, ldt=NULL_SEGMENT)
    machine, segment = read_descriptor(machine, cpu, selector)
    if segment.access & (SYSTEM_TYPE | PRESENT) != LDT_TYPE | PRESENT:
        raise GuestFault(GP, selector & SELECTOR)
    return update(machine, cpu, ldtr=selector, ldt=segment)


# -------------------------------------------------------------- the restart


RESTARTING: Final = 2
"""The value of ``stopped`` of a machine that restarts."""


def restart(machine: Machine, *, initialize: bool) -> Machine:
    """Reset all processors; a run ends where the firmware would begin.

    With ``initialize`` they keep what INIT preserves, else they are as after
    power-on.
    """
    for cpu, vcpu in enumerate(machine.vcpus):
        after = reset_processor(vcpu, cpu).replace(
            paravirtual=0,
            ap_state=(),
            startup=RUNNING if cpu == BOOT else WAIT_FOR_STARTUP,
        )
        if not initialize:
            after = after.replace(
                msrs=tuple((index, 0) for index, _ in vcpu.msrs),
                pmcs=(0,) * len(vcpu.pmcs),
                tsc=0,
            )
        machine = set_vcpu(machine, cpu, after)
    return machine.replace(stopped=RESTARTING, irqs=0, bus=())

"""The whole state of a guest's machine, as a value.

A `Machine` is immutable and hashable: it is the key of the search. What no
step changes (code, handlers, the host beneath) stands on its `Board`, which is
compared by identity. The readers and writers here know registers; memory is in
`physical` and `memory`, interrupts in `delivery`, privilege in `platforms`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, Self, TypeAlias

from app.sim.devices import Apic, Devices, Message
from app.sim.layout import KERNEL_STACK_TOP, REGIONS
from app.sim.listing import Statement

CpuId: TypeAlias = int
"""The number of a virtual processor, from 0."""

WORD: Final = 4
WORD_MASK: Final = 0xFFFF_FFFF

CF: Final = 0x1
FIXED: Final = 0x2
PF: Final = 0x4
AF: Final = 0x10
ZF: Final = 0x40
SF: Final = 0x80
TF: Final = 0x100
IF: Final = 0x200
DF: Final = 0x400
OF: Final = 0x800
IOPL: Final = 0x3000
IOPL_SHIFT: Final = 12
NT: Final = 0x4000
RF: Final = 0x1_0000
VM: Final = 0x2_0000
AC: Final = 0x4_0000
ID: Final = 0x20_0000
ARITHMETIC: Final = CF | PF | AF | ZF | SF | OF

NO_SHADOW: Final = 0
STI_SHADOW: Final = 1
MOV_SS_SHADOW: Final = 2

KERNEL_CS: Final = 0x60
KERNEL_DS: Final = 0x68
USER_CS: Final = 0x73
USER_DS: Final = 0x7B
USER_CPL: Final = 3


class Gate(NamedTuple):
    """An entry of the interrupt descriptor table.

    A trap gate leaves IF as it is, an interrupt gate clears it. ``dpl`` is
    the least privileged ring from which INT may go through the gate,
    ``selector`` the code segment of its handler.
    """

    address: int
    dpl: int
    trap: bool
    selector: int = KERNEL_CS


class Code(NamedTuple):
    """A statement, and where the one after it lies."""

    statement: Statement
    following: int


class Segment(NamedTuple):
    """The hidden part of a segment register.

    ``access`` is byte 5 of the descriptor: P, DPL, S and type. ``flags`` is
    the high four bits of byte 6: G, D/B, L, AVL; ``limit`` is in bytes. A
    segment whose ``access`` is 0 cannot be used: the register is null.
    """

    base: int
    limit: int
    access: int
    flags: int


class Table(NamedTuple):
    """Where a descriptor table or a segment of the system lies."""

    base: int
    limit: int


FLAT_CODE: Final = Segment(0, WORD_MASK, 0x9B, 0xC)
FLAT_DATA: Final = Segment(0, WORD_MASK, 0x93, 0xC)
FLAT_USER_DATA: Final = Segment(0, WORD_MASK, 0xF3, 0xC)
NULL_SEGMENT: Final = Segment(0, 0, 0, 0)
FLAT: Final = (
    FLAT_USER_DATA,
    FLAT_CODE,
    FLAT_DATA,
    FLAT_USER_DATA,
    NULL_SEGMENT,
    NULL_SEGMENT,
)
"""The hidden parts of ES, CS, SS, DS, FS and GS in a kernel at CPL 0."""
NO_TABLE: Final = Table(0, 0)


class Deferred(NamedTuple):
    """A call that waits in a queue, with the class of that queue."""

    queue_class: int
    name: str
    arguments: tuple[int, ...]


class Alarm(NamedTuple):
    """An armed alarm: absolute expiry and period, in cycles.

    ``wiring`` says where it fires (see `timekeeping`).
    """

    expiry: int
    period: int
    wiring: int = 0


class VCpu(NamedTuple):
    """One virtual processor.

    ``flags`` is EFLAGS as the processor holds it; ``virtual_if`` is the flag
    that counts for the guest where a hypervisor keeps the hardware's one on.
    ``deferred`` says that pending interrupts wait for an explicit request.
    ``segments`` are the hidden parts of ES, CS, SS, DS, FS, GS in that order,
    ``ldt`` and ``tss`` those of LDTR and TR. ``told`` is the words of the
    descriptor tables in which a hypervisor's copy differs from the image.
    ``dr`` is empty until a debug register is written. ``tlb`` is what the
    processor remembers of the page tables, ``pdptes`` the four entries that
    it read with CR3 under PAE, ``queue`` the calls that wait in
    the order in which they were made, ``deferral`` the classes that may wait
    (VMI_SetDeferredMode).
    """

    eax: int = 0
    ecx: int = 0
    edx: int = 0
    ebx: int = 0
    esp: int = KERNEL_STACK_TOP
    ebp: int = 0
    esi: int = 0
    edi: int = 0
    eip: int = 0
    flags: int = FIXED
    cpl: int = 0
    cs: int = KERNEL_CS
    ss: int = KERNEL_DS
    ds: int = USER_DS
    es: int = USER_DS
    fs: int = 0
    gs: int = 0
    paravirtual: int = 0
    virtual_if: int = 0
    shadow: int = NO_SHADOW
    halted: int = 0
    shutdown: int = 0
    nmi_pending: int = 0
    nmi_blocked: int = 0
    mce_pending: int = 0
    deferred: int = 0
    cr0: int = 0x8005_003B
    cr2: int = 0
    cr3: int = 0
    cr4: int = 0
    esp0: int = KERNEL_STACK_TOP
    tsc: int = 0
    stolen: int = 0
    alarms: tuple[Alarm | None, Alarm | None] = (None, None)
    msrs: tuple[tuple[int, int], ...] = ()
    pmcs: tuple[int, ...] = ()
    stack: tuple[int, ...] = ()
    user_stack: tuple[int, ...] = ()
    segments: tuple[Segment, ...] = FLAT
    gdtr: Table = NO_TABLE
    idtr: Table = NO_TABLE
    ldtr: int = 0
    ldt: Segment = NULL_SEGMENT
    tr: int = 0
    tss: Segment = NULL_SEGMENT
    told: tuple[tuple[int, int], ...] = ()
    dr: tuple[int, ...] = ()
    tlb: tuple[tuple[int, ...], ...] = ()
    pdptes: tuple[int, ...] = ()
    apic: Apic | None = None
    queue: tuple[Deferred, ...] = ()
    deferral: int = 0
    virtual_iopl: int = 0
    startup: int = 0
    ap_state: tuple[int, ...] = ()

    def replace(self, **changes: object) -> Self:
        """Return this processor with some fields changed, fast."""
        values: list[object] = list(self)
        for name, value in changes.items():
            values[VCPU_INDEX[name]] = value
        return tuple.__new__(type(self), values)


VCPU_INDEX: Final = {name: i for i, name in enumerate(VCpu._fields)}


class Host(Protocol):
    """What lies beneath the guest: asked where a platform decides."""

    name: str
    has_hypervisor: bool

    def choose(self, policy: str) -> str:
        """Answer the value of a policy, and note that it was asked for."""

    def is_virtual(self, vcpu: VCpu) -> bool:
        """Whether the guest kernel runs outside CPL 0, its IF virtual."""

    def get_kernel_cpl(self, vcpu: VCpu) -> int:
        """Answer the ring in which the guest kernel runs."""

    def get_cpuid(
        self, machine: "Machine", cpu: CpuId, leaf: int
    ) -> tuple[int, int, int, int]:
        """Answer what the instruction CPUID shows: EAX, EBX, ECX, EDX."""

    def get_masked_cpuid(
        self, machine: "Machine", cpu: CpuId, leaf: int
    ) -> tuple[int, int, int, int]:
        """Answer what the hypervisor lets the guest see."""

    def get_tsc(self, machine: "Machine", cpu: CpuId) -> int:
        """Answer what the instruction RDTSC shows."""

    def hides_tsc(self) -> bool:
        """Whether the guest does not see its processor's counter jump."""

    def get_msr(self, machine: "Machine", cpu: CpuId, index: int) -> int:
        """Answer what RDMSR shows, or raise the fault that it ends in."""

    def set_msr(
        self, machine: "Machine", cpu: CpuId, index: int, value: int
    ) -> "Machine":
        """Carry out WRMSR, or raise the fault that it ends in."""

    def get_real_msr(self, machine: "Machine", cpu: CpuId, index: int) -> int:
        """Read the processor's own register, or raise #GP."""

    def set_real_msr(
        self, machine: "Machine", cpu: CpuId, index: int, value: int
    ) -> "Machine":
        """Write the processor's own register, or raise #GP."""


class Window(NamedTuple):
    """A device that answers at physical addresses, instead of memory.

    ``get_base`` tells where it lies as a processor sees it, None if nowhere.
    """

    length: int
    get_base: "Callable[[Machine, CpuId], int | None]"
    read: "Callable[[Machine, CpuId, int, int], tuple[Machine, int]]"
    write: "Callable[[Machine, CpuId, int, int, int], Machine]"


class Migration(NamedTuple):
    """The other host: the rate of its counter and what it shows on arrival.

    ``seconds`` is how long the move takes.
    """

    frequency: int
    tsc: int
    seconds: int


@dataclass(frozen=True, eq=False, slots=True)
class Board:
    """What no step of a run changes.

    ``code`` is the listings by address; ``native`` holds those statements
    that stand in place of a call where no ROM is used. ``words`` tells the
    place of a named data word. ``numbers`` is the ABI numbers of all calls,
    executable or not. An MSR of ``keys`` is written only while the register
    named there holds the value named there. ``rom`` is what lies where ROMs
    may be, ``slots`` the number of the call whose code begins at an address.
    """

    host: Host
    code: Mapping[int, Code]
    native: Mapping[int, Code]
    gates: Mapping[int, Gate]
    words: Mapping[str, int]
    cpuid: Mapping[int, tuple[int, int, int, int]]
    cpuid_clear: Mapping[int, tuple[int, int, int, int]]
    hypervisor_msrs: frozenset[int]
    keys: Mapping[int, tuple[str, int]]
    frequency: int
    cycles_per_step: int
    suspend_seconds: int
    steal_cycles: int
    rom: bytes
    image: Mapping[int, int] = field(default_factory=dict)
    migration: Migration | None = None
    slots: Mapping[int, int] = field(default_factory=dict)
    regions: tuple[tuple[int, int], ...] = REGIONS
    windows: tuple[Window, ...] = ()
    paging: bool = False


class Machine(NamedTuple):
    """Everything: the key of the search.

    ``irqs`` has a bit for each interrupt line whose request is latched.
    ``noticed`` has a bit for each kind of event that a hypervisor took from
    the hardware (see `delivery`). ``real`` counts cycles of real time.
    ``memory`` is the words of physical memory that differ from the image,
    sorted by address. ``bus`` holds messages in flight between processors.
    ``usage`` is the registered pages with their types, ``mappings`` the slots
    of VMI_SetLinearMapping. ``unseen`` is the words of page tables as
    a hypervisor with shadow tables still believes them, where memory has
    changed. ``moved`` is 1 on the host to which it has migrated.
    """

    board: Board
    vcpus: tuple[VCpu, ...]
    data: tuple[int, ...] = ()
    irqs: int = 0
    noticed: int = 0
    stopped: int = 0
    real: int = 0
    wallclock: int = 0
    wallclock_updated: int = 0
    memory: tuple[tuple[int, int], ...] = ()
    devices: Devices | None = None
    bus: tuple[Message, ...] = ()
    usage: tuple[tuple[int, int], ...] = ()
    mappings: tuple[tuple[int, ...], ...] = ()
    unseen: tuple[tuple[int, int], ...] = ()
    moved: int = 0

    def replace(self, **changes: object) -> Self:
        """Return this machine with some fields changed, fast."""
        values: list[object] = list(self)
        for name, value in changes.items():
            values[MACHINE_INDEX[name]] = value
        return tuple.__new__(type(self), values)


MACHINE_INDEX: Final = {name: i for i, name in enumerate(Machine._fields)}


def update(machine: Machine, cpu: CpuId, **changes: object) -> Machine:
    """Return the machine with some fields of one processor changed."""
    vcpus = machine.vcpus
    vcpu = vcpus[cpu].replace(**changes)
    return set_vcpu(machine, cpu, vcpu)


def set_vcpu(machine: Machine, cpu: CpuId, vcpu: VCpu) -> Machine:
    """Return the machine with one processor in place of the old one."""
    vcpus = machine.vcpus
    changed = (
        (vcpu,) if len(vcpus) == 1 else (*vcpus[:cpu], vcpu, *vcpus[cpu + 1 :])
    )
    return tuple.__new__(Machine, (machine[0], changed, *machine[2:]))


# ---------------------------------------------------------------- registers

_PARTS: Final[dict[str, tuple[str, int, int]]] = {
    **{
        name: (name, 0, WORD_MASK)
        for name in ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
    },
    **{
        name: (f"e{name}", 0, 0xFFFF)
        for name in ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
    },
    **{f"{name}l": (f"e{name}x", 0, 0xFF) for name in "acdb"},
    **{f"{name}h": (f"e{name}x", 8, 0xFF) for name in "acdb"},
}
GENERAL_REGISTERS: Final = tuple(_PARTS)


def get_register(machine: Machine, cpu: CpuId, name: str) -> int:
    """Read a general register or a part of one, such as ``al``."""
    field, shift, mask = _PARTS[name]
    value: int = getattr(machine.vcpus[cpu], field)
    return (value >> shift) & mask


def set_register(
    machine: Machine, cpu: CpuId, name: str, value: int
) -> Machine:
    """Write a general register or a part of one; the rest stays."""
    field, shift, mask = _PARTS[name]
    old: int = getattr(machine.vcpus[cpu], field)
    new = (old & ~(mask << shift)) | ((value & mask) << shift)
    return update(machine, cpu, **{field: new})

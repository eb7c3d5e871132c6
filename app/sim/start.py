"""Where a run begins: set-up, events, and the machine built from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from app.sim.apic import WINDOW
from app.sim.contents import build_contents
from app.sim.delivery import BOOT, IRQ_BASE, LINES
from app.sim.devices import Devices
from app.sim.devices.local_apic import build_apic
from app.sim.entry import settle_privilege
from app.sim.layout import (
    KERNEL_STACK_TOP,
    get_kernel_stack_top,
    get_user_stack_top,
)
from app.sim.listing import (
    SLOT,
    Listing,
    Statement,
    Target,
    parse_statement,
)
from app.sim.machine import (
    FIXED,
    IF,
    KERNEL_CS,
    USER_CPL,
    Board,
    Code,
    CpuId,
    Gate,
    Host,
    Machine,
    Migration,
    VCpu,
    update,
)
from app.sim.page_tables import Paging, map_memory
from app.sim.registry import CALLS
from app.sim.rom import Rom, build_area, list_slots
from app.sim.tables import build_image, get_registers

SYSTEM_CALL: Final = 0x80
VECTORS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "de": 0,
        "db": 1,
        "nmi": 2,
        "bp": 3,
        "of": 4,
        "br": 5,
        "ud": 6,
        "nm": 7,
        "df": 8,
        "ts": 10,
        "np": 11,
        "ss": 12,
        "gp": 13,
        "pf": 14,
        "mf": 16,
        "ac": 17,
        "mce": 18,
        "int80": SYSTEM_CALL,
        **{f"irq{line}": IRQ_BASE + line for line in range(LINES)},
        **{
            f"vector{vector:02x}": vector
            for vector in range(IRQ_BASE + LINES, 0x100)
            if vector != SYSTEM_CALL
        },
    }
)
"""Names of handlers, and the vectors whose gates lead to them."""

EVENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{
            f"irq{line}": f"a device raises interrupt line {line}"
            for line in range(LINES)
        },
        "nmi": "a non-maskable interrupt is raised",
        "mce": "the processor finds an uncorrectable error",
        "suspend": "the machine is suspended, and resumed later",
        "migrate": "the machine goes on running on another host",
        "steal": "the hypervisor runs someone else for a while",
        "alarm": "time passes until the next alarm expires",
        "timer": "time passes until the next timer of a device expires",
        "serial": "a byte, 0x41, arrives at the serial port",
        "latch": "the latch asks to be served",
        "tlb": "a processor drops what it remembers of the page tables",
    }
)
"""Names of events, and what happens when one arrives."""

SYSENTER_ESP: Final = 0x175
DEFAULT_MSRS: Final = (
    (0x1B, 0xFEE0_0900),
    (0x174, KERNEL_CS),
    (SYSENTER_ESP, KERNEL_STACK_TOP),
    (0x176, 0),
    (0x17A, 0),
)
"""IA32_APIC_BASE, the three of SYSENTER, IA32_MCG_STATUS."""

MAXIMUM_CPUS: Final = 4
ENTRIES: Final[Mapping[str, CpuId]] = MappingProxyType(
    {
        f"{mode}{cpu or ''}": cpu
        for cpu in range(MAXIMUM_CPUS)
        for mode in ("kernel", "user")
    }
)
"""Names of the listings in which a processor begins."""

FREQUENCY: Final = 1_000_000_000
_USER_GATES: Final = frozenset({"bp", "of", "int80"})
_TRAP_GATES: Final = frozenset({"int80"})


@dataclass(frozen=True, slots=True)
class Event:
    """An event that may arrive ``budget`` times; it must, if ``must``."""

    name: str
    budget: int = 1
    must: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How the machine stands before the first step.

    ``interrupts`` is the flag that counts for the guest. ``user`` starts in
    the listing ``user`` at CPL 3; ``entry`` is another first instruction
    than that of the listing, or 0. ``pending`` names events that have just
    arrived. ``paravirtual`` says that VMI_Init has already been made;
    `native` ignores it. ``startup`` is what the processor waits for before
    it runs (see `startup`); ``processors`` says how the further processors
    stand, where of each only what belongs to a processor counts. ``msrs``
    are registers that the processor has beside the default ones; a
    hypervisor implements the default ones and ``hypervisor_msrs``. ``keys``
    are triples of an MSR, a register and the value without which a write
    fails. ``cpuid`` is the raw leaves, ``cpuid_clear`` the bits that a
    hypervisor clears. ``paging`` is None where all memory is mapped,
    ``devices`` where interrupt lines need neither mask nor end. ``apic``
    gives each processor a local APIC, ``migration`` says what the other host
    is like. ``roms`` are those of the hypervisor, where there is one.
    """

    registers: tuple[tuple[str, int], ...] = ()
    flags: int = 0
    interrupts: bool = False
    user: bool = False
    entry: int = 0
    halted: bool = False
    startup: int = 0
    paravirtual: bool = True
    pending: tuple[str, ...] = ()
    nmi_blocked: bool = False
    cr4: int = 0
    msrs: tuple[tuple[int, int], ...] = ()
    hypervisor_msrs: tuple[int, ...] = ()
    keys: tuple[tuple[int, str, int], ...] = ()
    cpuid: tuple[tuple[int, tuple[int, int, int, int]], ...] = ()
    cpuid_clear: tuple[tuple[int, tuple[int, int, int, int]], ...] = ()
    pmcs: tuple[int, ...] = ()
    tsc: int = 0
    real: int = 0
    stolen: int = 0
    wallclock: int = 0
    frequency: int = FREQUENCY
    cycles_per_step: int = 0
    suspend_seconds: int = 10
    steal_cycles: int = 1000
    processors: tuple["Start", ...] = ()
    paging: Paging | None = None
    devices: Devices | None = None
    apic: bool = False
    migration: Migration | None = None
    roms: tuple[Rom, ...] = (Rom(),)


def build_board(
    start: Start,
    code: tuple[Listing, ...],
    data: tuple[tuple[str, int], ...],
    host: Host,
) -> Board:
    """Build what no step of the run changes."""
    statements: dict[int, Code] = {}
    native: dict[int, Code] = {}
    gates: dict[int, Gate] = {}
    for listing in code:
        for statement in listing.statements:
            address = statement.address
            statements[address] = Code(statement, address + SLOT)
            native.update(_expand(statement))
        vector = VECTORS.get(listing.name)
        if vector is not None and listing.statements:
            gates[vector] = Gate(
                listing.statements[0].address,
                dpl=USER_CPL if listing.name in _USER_GATES else 0,
                trap=listing.name in _TRAP_GATES,
            )
    roms = start.roms if host.has_hypervisor else ()
    return Board(
        host=host,
        code=statements,
        native=native,
        gates=gates,
        words={name: index for index, (name, _) in enumerate(data)},
        cpuid=dict(start.cpuid),
        cpuid_clear=dict(start.cpuid_clear),
        hypervisor_msrs=frozenset(
            index
            for each in (start, *start.processors)
            for index in (*each.hypervisor_msrs, *dict(DEFAULT_MSRS))
        ),
        keys={
            index: (name, value)
            for each in (start, *start.processors)
            for index, name, value in each.keys
        },
        frequency=start.frequency,
        cycles_per_step=start.cycles_per_step,
        suspend_seconds=start.suspend_seconds,
        steal_cycles=start.steal_cycles,
        migration=start.migration,
        rom=build_area(roms),
        slots=list_slots(roms),
        windows=(WINDOW,) if start.apic else (),
        image={
            **build_image(gates, 1 + len(start.processors)),
            **build_contents(code),
        },
    )


def _expand(statement: Statement) -> dict[int, Code]:
    """Put the native instructions of a call in its place."""
    target = statement.operands[0] if statement.operands else None
    if not isinstance(target, Target) or target.address is not None:
        return {}
    spec = CALLS.get(target.name)
    if spec is None:
        return {}
    expanded: dict[int, Code] = {}
    for offset, native in enumerate(_parse(spec.native)):
        address = statement.address + offset
        last = offset + 1 == len(spec.native)
        expanded[address] = Code(
            native._replace(
                address=address,
                line=statement.line,
                column=statement.column,
                at=statement.at,
                text=f"{native.text} ({statement.text})",
            ),
            statement.address + SLOT if last else address + 1,
        )
    return expanded


@cache
def _parse(texts: tuple[str, ...]) -> tuple[Statement, ...]:
    """Read the native instructions of a call."""
    return tuple(parse_statement(text) for text in texts)


def build_machine(
    start: Start,
    code: tuple[Listing, ...],
    data: tuple[tuple[str, int], ...],
    host: Host,
) -> Machine:
    """Build the machine; events that are pending have yet to arrive."""
    board = build_board(start, code, data, host)
    entries = {
        each.name: each.statements[0].address
        for each in code
        if each.name in ENTRIES
    }
    vcpus = []
    for cpu, each in enumerate((start, *start.processors)):
        name = f"{'user' if each.user else 'kernel'}{cpu or ''}"
        entry = each.entry or entries.get(name, 0)
        vcpus.append(_build_vcpu(each, cpu, entry, host))
    machine = Machine(
        board=board,
        vcpus=tuple(vcpus),
        data=tuple(value & 0xFFFF_FFFF for _, value in data),
        real=start.real,
        wallclock=start.wallclock,
        devices=start.devices,
    )
    if start.apic:
        machine = _add_apics(machine)
    if start.paging is None:
        return machine
    return map_memory(machine, start.paging)


def _add_apics(machine: Machine) -> Machine:
    """Give each processor a local APIC, numbered as the processor is."""
    for cpu in range(len(machine.vcpus)):
        apic = build_apic(cpu, boots=cpu == BOOT)
        machine = update(machine, cpu, apic=apic)
    return machine


def _build_vcpu(start: Start, cpu: CpuId, entry: int, host: Host) -> VCpu:
    """Build a processor, in the ring where the platform runs it."""
    kernel_stack = get_kernel_stack_top(cpu)
    msrs = {**dict(DEFAULT_MSRS), SYSENTER_ESP: kernel_stack}
    vcpu = (
        VCpu(
            eip=entry,
            esp=get_user_stack_top(cpu) if start.user else kernel_stack,
            esp0=kernel_stack,
            flags=(start.flags & ~IF)
            | FIXED
            | (IF if start.interrupts else 0),
            halted=int(start.halted),
            startup=start.startup,
            paravirtual=int(start.paravirtual and host.has_hypervisor),
            nmi_blocked=int(start.nmi_blocked),
            cr4=start.cr4,
            tsc=start.tsc,
            stolen=start.stolen,
            msrs=tuple(sorted({**msrs, **dict(start.msrs)}.items())),
            pmcs=start.pmcs,
        )
        .replace(**get_registers(cpu))
        .replace(**dict(start.registers))
    )
    return settle_privilege(vcpu, host, user=start.user)

"""The section ``[start]`` of a scenario file: set-up of machine and host."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from app.sim.delivery import IRQ_BASE
from app.sim.devices import Devices, build_devices
from app.sim.machine import (
    AC,
    AF,
    CF,
    DF,
    ID,
    IOPL_SHIFT,
    NT,
    OF,
    PF,
    SF,
    TF,
    ZF,
    CpuId,
    Migration,
)
from app.sim.start import ENTRIES, EVENTS, FREQUENCY, MAXIMUM_CPUS, Start
from app.sim.startup import RUNNING, WAIT_FOR_INIT, WAIT_FOR_STARTUP
from app.sim.toml_places import ScenarioError
from app.sim.toml_table import LARGEST, Table

REGISTERS: Final = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
FLAGS: Final[Mapping[str, int]] = {
    "cf": CF,
    "pf": PF,
    "af": AF,
    "zf": ZF,
    "sf": SF,
    "tf": TF,
    "df": DF,
    "of": OF,
    "nt": NT,
    "ac": AC,
    "id": ID,
}
CR4_BITS: Final[Mapping[str, int]] = {"tsd": 0x4, "mce": 0x40, "pce": 0x100}
STARTUPS: Final = {
    "running": RUNNING,
    "wait-for-init": WAIT_FOR_INIT,
    "wait-for-startup": WAIT_FOR_STARTUP,
}
PENDING: Final = tuple(
    name for name in EVENTS if name.startswith(("irq", "nmi", "mce"))
)
_TABLES: Final = {f"cpu{cpu}": cpu for cpu in range(1, MAXIMUM_CPUS)}
OF_PROCESSORS: Final = (
    *("at", "mode", "paravirtual", "interrupts", "halted", "nmi_blocked"),
    *("registers", "flags", "iopl", "cr4", "msrs", "pmcs", "tsc", "stolen"),
)
"""What each processor may have for itself."""

KEYS: Final = (
    *OF_PROCESSORS,
    *("pending", "cpuid", "cpuid_clear", "real", "wallclock", "frequency"),
    *("cycles_per_step", "suspend_seconds", "steal_cycles"),
    *("devices", "pic", "apic", "migrate"),
    *_TABLES,
)

_MAXIMUM_ENTRIES: Final = 64
_MAXIMUM_SECONDS: Final = 1_000_000
_HIGHEST_IOPL: Final = 3
_ALL_LINES: Final = 0xFFFF
_HIGHEST_BASE: Final = 0xF0
_LOW_BITS: Final = 7
"""The bits of a vector that the interrupt controller fills in."""
_INDEX: Final = re.compile(r"0x[0-9a-fA-F]{1,8}|0|[1-9][0-9]{0,9}")


def read_start(
    table: Table, labels: Mapping[str, int], listings: Collection[str]
) -> Start:
    """Read a section; ``labels`` tells where the machine may start.

    There are as many processors as the section or the names of the listings
    say.
    """
    start = _read_processor(table, labels, 0)
    numbers = {**ENTRIES, **_TABLES}
    named = (*listings, *table.values)
    last = max((numbers.get(name, 0) for name in named), default=0)
    return replace(
        start,
        pending=table.read_choices("pending", EVENTS),
        cpuid=tuple(_read_leaves(table.open_table("cpuid"))),
        cpuid_clear=tuple(_read_leaves(table.open_table("cpuid_clear"))),
        real=table.read_long("real"),
        wallclock=table.read_long("wallclock"),
        frequency=table.read_number("frequency", 1, LARGEST, FREQUENCY),
        cycles_per_step=table.read_number("cycles_per_step", 0, LARGEST),
        suspend_seconds=table.read_number(
            "suspend_seconds", 0, _MAXIMUM_SECONDS, 10
        ),
        steal_cycles=table.read_number("steal_cycles", 0, LARGEST, 1000),
        devices=_read_devices(table),
        apic=table.read_switch("apic"),
        migration=_read_migration(table),
        processors=tuple(
            _read_other(table, labels, cpu) for cpu in range(1, last + 1)
        ),
    )


def _read_other(table: Table, labels: Mapping[str, int], cpu: CpuId) -> Start:
    """Read a further processor; what it lacks is that of the first."""
    own = table.open_table(f"cpu{cpu}", (*OF_PROCESSORS, "startup"))
    shared = {
        key: value
        for key, value in table.values.items()
        if key in OF_PROCESSORS and key != "at"
    }
    own.values = {**shared, **own.values}
    return _read_processor(own, labels, cpu)


def _read_processor(
    table: Table, labels: Mapping[str, int], cpu: CpuId
) -> Start:
    """Read what belongs to one processor."""
    user = table.read_choice("mode", ("kernel", "user"), "kernel") == "user"
    startup = STARTUPS[table.read_choice("startup", STARTUPS, "running")]
    entry = f"{'user' if user else 'kernel'}{cpu or ''}"
    if "at" in table.values or (entry not in labels and startup == RUNNING):
        entry = table.read_choice("at", labels, entry)
    msrs, hypervisor_msrs, keys = _read_msrs(table.open_table("msrs"))
    return Start(
        entry=labels.get(entry, 0),
        registers=_read_registers(table.open_table("registers", REGISTERS)),
        flags=_read_flags(table),
        interrupts=table.read_switch("interrupts", default=True),
        user=user,
        halted=table.read_switch("halted"),
        startup=startup,
        paravirtual=table.read_switch("paravirtual", default=True),
        nmi_blocked=table.read_switch("nmi_blocked"),
        cr4=sum(CR4_BITS[bit] for bit in table.read_choices("cr4", CR4_BITS)),
        msrs=msrs,
        hypervisor_msrs=hypervisor_msrs,
        keys=keys,
        pmcs=_read_counters(table),
        tsc=table.read_long("tsc"),
        stolen=table.read_long("stolen"),
    )


def _read_migration(table: Table) -> Migration | None:
    """Read what the other host is like, if the section tells."""
    if "migrate" not in table.values:
        return None
    host = table.open_table("migrate", ("frequency", "tsc", "seconds"))
    return Migration(
        host.read_number("frequency", 1, LARGEST, FREQUENCY),
        host.read_long("tsc"),
        host.read_number("seconds", 0, _MAXIMUM_SECONDS),
    )


def _read_devices(table: Table) -> Devices | None:
    """Read whether there are devices; ``pic`` tells how it is set up."""
    given = "pic" in table.values
    pic = table.open_table("pic", ("mask", "base", "auto_eoi"))
    if not table.read_switch("devices", default=given) and not given:
        return None
    base = pic.read_number("base", 0, _HIGHEST_BASE, IRQ_BASE)
    if base & _LOW_BITS:
        pic.refuse_value("this is no base", ("base",), "a multiple of 8")
    return build_devices(
        mask=pic.read_number("mask", 0, _ALL_LINES),
        base=base,
        auto_eoi=int(pic.read_switch("auto_eoi")),
    )


def _read_registers(table: Table) -> tuple[tuple[str, int], ...]:
    return tuple((name, table.read_word(name)) for name in table.values)


def _read_flags(table: Table) -> int:
    switches = table.open_table("flags", FLAGS)
    flags = sum(
        bit for name, bit in FLAGS.items() if switches.read_switch(name)
    )
    return flags | table.read_number("iopl", 0, _HIGHEST_IOPL) << IOPL_SHIFT


def _read_index(table: Table, key: str) -> int:
    """Read the number of an MSR or a leaf from a key."""
    index = int(key, 0) if _INDEX.fullmatch(key) else 1 << 32
    if index >= 1 << 32:
        line, column = table.document.locate_key((*table.path, key))
        raise ScenarioError(
            f"{key[:40]!r} is no number of 32 bits",
            line,
            column,
            'a decimal number, or a hexadecimal one in quotes: "0x1234"',
        )
    return index


def _read_msrs(
    table: Table,
) -> tuple[
    tuple[tuple[int, int], ...],
    tuple[int, ...],
    tuple[tuple[int, str, int], ...],
]:
    table.limit("MSRs", _MAXIMUM_ENTRIES)
    values, hypervisor, keys = [], [], []
    for key in table.values:
        index = _read_index(table, key)
        entry = table.open_table(key, ("value", "hypervisor", "key"))
        values.append((index, entry.read_long("value")))
        if entry.read_switch("hypervisor"):
            hypervisor.append(index)
        if "key" in entry.values:
            lock = entry.open_table("key", ("register", "value"))
            name = lock.read_choice("register", REGISTERS)
            keys.append((index, name, lock.read_word("value")))
    return tuple(values), tuple(hypervisor), tuple(keys)


def _read_leaves(
    table: Table,
) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    table.limit("leaves", _MAXIMUM_ENTRIES)
    for key in table.values:
        index = _read_index(table, key)
        leaf = table.open_table(key, ("eax", "ebx", "ecx", "edx"))
        words = [leaf.read_word(name) for name in ("eax", "ebx", "ecx", "edx")]
        yield index, (words[0], words[1], words[2], words[3])


def _read_counters(table: Table) -> tuple[int, ...]:
    values = table.read_list("pmcs")
    for number, value in enumerate(values):
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or not 0 <= value < 1 << 40
            or number >= _MAXIMUM_ENTRIES
        ):
            table.refuse_value(
                "this is no performance counter",
                ("pmcs", number),
                "up to 64 whole numbers of 40 bits",
            )
    return tuple(value for value in values if isinstance(value, int))

"""What can be seen of a machine by name: in outcomes and in witnesses.

Each observable is an integer of a processor or of the machine; a yes or no is
1 or 0. A name alone means processor 0 or the machine, ``cpu1.eax`` is the
register of processor 1.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from app.sim.delivery import (
    LINES,
    NOTICED_IRQ,
    NOTICED_MCE,
    NOTICED_NMI,
    get_requested_lines,
    has_request,
    is_serving,
)
from app.sim.entry import is_interruptible
from app.sim.machine import (
    AC,
    AF,
    CF,
    DF,
    ID,
    IF,
    IOPL,
    IOPL_SHIFT,
    NT,
    OF,
    PF,
    SF,
    TF,
    USER_CPL,
    ZF,
    CpuId,
    Machine,
)
from app.sim.timekeeping import AVAILABLE, REAL, get_counter

Reader = Callable[[Machine], int]

_FLAGS: Final = {
    "cf": (CF, "carry flag"),
    "pf": (PF, "parity flag"),
    "af": (AF, "auxiliary carry flag"),
    "zf": (ZF, "zero flag"),
    "sf": (SF, "sign flag"),
    "tf": (TF, "trap flag"),
    "df": (DF, "direction flag"),
    "of": (OF, "overflow flag"),
    "nt": (NT, "nested-task flag"),
    "ac": (AC, "alignment-check flag"),
    "id": (ID, "identification flag"),
    "hardware_if": (IF, "EFLAGS.IF as the processor holds it"),
}

_FIELDS: Final = {
    **{
        name: f"register {name.upper()}"
        for name in ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")
    },
    "eip": "address of the next instruction",
    "cpl": "current privilege level of the processor",
    "cs": "code selector",
    "ss": "stack selector",
    "ds": "data selector",
    "es": "extra selector",
    "fs": "selector FS",
    "gs": "selector GS",
    "cr0": "control register 0",
    "cr2": "control register 2",
    "cr3": "control register 3",
    "cr4": "control register 4",
    "halted": "the processor waits in the halted state",
    "shutdown": "the processor has shut down",
    "paravirtual": "VMI_Init has been made",
    "nmi_blocked": "NMIs are blocked until the next return",
    "deferred": "pending interrupts wait for an explicit request",
    "tsc": "time-stamp counter as it passes through",
    "stolen": "stolen cycles",
    "virtual_iopl": "the IOPL that user code has for its ports",
    "startup": "what the processor waits for: 1 INIT, 2 STARTUP, 0 nothing",
}

_PLAIN: Final = {
    "stopped": "the virtual machine stands: 1 stopped, 2 restarting",
    "moved": "the machine has migrated to another host",
    "real": "cycles of real time",
    "wallclock": "nanoseconds since 1970",
    "wallclock_updated": "wall clock and real time have drifted apart",
}

_NOTICED: Final = {
    "hypervisor_irq": (NOTICED_IRQ, "the hypervisor took an interrupt"),
    "hypervisor_nmi": (NOTICED_NMI, "the hypervisor took an NMI"),
    "hypervisor_mce": (NOTICED_MCE, "the hypervisor took a machine check"),
}


_COMPUTED: Final = {
    "if": "interrupt flag that counts for the guest",
    "iopl": "I/O privilege level",
    "eflags": "EFLAGS as the processor holds it",
    "user": "the processor is in user mode",
    "shadow": "interrupts wait for one instruction after STI or MOV SS",
    "available": "cycles of available time",
    "alarm_real": "an alarm on real time is armed",
    "alarm_available": "an alarm on available time is armed",
    "slot": "number of the call whose ROM code is next, 0 outside",
    "pending": "an interrupt, NMI or machine check waits for delivery",
    "pending nmi": "an NMI waits for delivery",
    "pending mce": "a machine check waits for delivery",
    "in_service": "the controller waits for the end of an interrupt",
    "queued": "how many deferred calls wait in the queue",
    "remembered": "how many pages the TLB remembers",
}

_DEVICES: Final = {
    "serial_sent": "how many bytes the serial port has sent",
    "latch_value": "what the latch holds",
    "latch_requests": "the latch waits to be served",
    "messages": "how many inter-processor interrupts are under way",
}

_LINES: Final = {
    f"pending irq{line}": f"interrupt line {line} waits for delivery"
    for line in range(LINES)
}


def _read_field(name: str, cpu: CpuId) -> Reader:
    """Read a field of a processor."""
    return lambda machine: int(getattr(machine.vcpus[cpu], name))


def _read_plain(name: str) -> Reader:
    """Read a field of the machine."""
    return lambda machine: int(getattr(machine, name))


def _read_flag(bit: int, cpu: CpuId) -> Reader:
    """Read a bit of EFLAGS."""
    return lambda machine: int(bool(machine.vcpus[cpu].flags & bit))


def _read_noticed(bit: int) -> Reader:
    """Read a bit of what the hypervisor noticed."""
    return lambda machine: int(bool(machine.noticed & bit))


def _read_alarm(counter: int, cpu: CpuId) -> Reader:
    """Read whether an alarm is armed."""
    return lambda machine: int(machine.vcpus[cpu].alarms[counter] is not None)


def _read_line(line: int) -> Reader:
    """Read whether an interrupt line is latched."""
    return lambda machine: get_requested_lines(machine) >> line & 1


def _read_msr(index: int, cpu: CpuId) -> Reader:
    """Read a model-specific register; 0 if the processor lacks it."""
    return lambda machine: dict(machine.vcpus[cpu].msrs).get(index, 0)


def _read_word(index: int) -> Reader:
    """Read a data word."""
    return lambda machine: machine.data[index]


def _read_pending(cpu: CpuId) -> Reader:
    """Read whether any interrupt, NMI or machine check waits."""

    def is_pending(machine: Machine) -> int:
        vcpu = machine.vcpus[cpu]
        waits = vcpu.nmi_pending or vcpu.mce_pending
        return int(bool(waits or has_request(machine, cpu)))

    return is_pending


def _build_computed(cpu: CpuId) -> dict[str, Reader]:
    """Build the readers of what is more than a field or a bit."""
    return {
        "if": lambda machine: int(is_interruptible(machine, cpu)),
        "iopl": lambda machine: (
            (machine.vcpus[cpu].flags & IOPL) >> IOPL_SHIFT
        ),
        "eflags": lambda machine: machine.vcpus[cpu].flags,
        "user": lambda machine: int(machine.vcpus[cpu].cpl == USER_CPL),
        "shadow": lambda machine: int(bool(machine.vcpus[cpu].shadow)),
        "available": lambda machine: get_counter(machine, cpu, AVAILABLE),
        "alarm_real": _read_alarm(REAL, cpu),
        "alarm_available": _read_alarm(AVAILABLE, cpu),
        "slot": lambda machine: machine.board.slots.get(
            machine.vcpus[cpu].eip, 0
        ),
        "pending": _read_pending(cpu),
        "pending nmi": _read_field("nmi_pending", cpu),
        "pending mce": _read_field("mce_pending", cpu),
        "in_service": lambda machine: int(is_serving(machine, cpu)),
        "queued": lambda machine: len(machine.vcpus[cpu].queue),
        "remembered": lambda machine: len(machine.vcpus[cpu].tlb),
    }


_DEVICE_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "serial_sent": lambda machine: (
            len(machine.devices.serial.sent) if machine.devices else 0
        ),
        "latch_value": lambda machine: (
            machine.devices.latch.value if machine.devices else 0
        ),
        "latch_requests": lambda machine: (
            machine.devices.latch.requests if machine.devices else 0
        ),
        "messages": lambda machine: len(machine.bus),
    }
)


@cache
def _build_readers(cpu: CpuId) -> Mapping[str, Reader]:
    """Build the readers of a processor; those of the machine come with 0."""
    fields = {name: _read_field(name, cpu) for name in _FIELDS}
    flags = {name: _read_flag(bit, cpu) for name, (bit, _) in _FLAGS.items()}
    computed = _build_computed(cpu)
    if cpu:
        return MappingProxyType({**fields, **flags, **computed})
    return MappingProxyType(
        {
            **fields,
            **flags,
            **{name: _read_plain(name) for name in _PLAIN},
            **{n: _read_noticed(bit) for n, (bit, _) in _NOTICED.items()},
            **computed,
            **_DEVICE_READERS,
            **{
                f"pending irq{line}": _read_line(line) for line in range(LINES)
            },
        }
    )


OBSERVABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **_FIELDS,
        **{name: text for name, (_, text) in _FLAGS.items()},
        **_PLAIN,
        **{name: text for name, (_, text) in _NOTICED.items()},
        **_COMPUTED,
        **_DEVICES,
        **_LINES,
    }
)
"""Names and one-line meanings; data words and ``msr 0x10`` come on top."""

OF_PROCESSORS: Final = tuple(
    name
    for name in OBSERVABLES
    if name not in {*_PLAIN, *_NOTICED, *_DEVICES, *_LINES}
)
"""The observables that each processor has."""

_PREFIX: Final = re.compile(r"cpu([0-9])\.(.+)")


def list_observables(cpus: int) -> tuple[str, ...]:
    """List the names for a machine with so many processors."""
    if cpus == 1:
        return tuple(OBSERVABLES)
    return (
        *OBSERVABLES,
        *(f"cpu{cpu}.{n}" for cpu in range(cpus) for n in OF_PROCESSORS),
    )


def split_observable(name: str) -> tuple[CpuId | None, str]:
    """Part the processor from a name; None if none is named."""
    match = _PREFIX.fullmatch(name)
    return (int(match[1]), match[2]) if match else (None, name)


def describe_observable(name: str) -> str | None:
    """Say in a line what a name means; None for a data word or an MSR."""
    cpu, plain = split_observable(name)
    text = OBSERVABLES.get(plain)
    return text if cpu is None or text is None else f"{text}, processor {cpu}"


def get_observable(name: str, words: Mapping[str, int]) -> Reader:
    """Find the reader of a name; KeyError if there is none."""
    if name in words:
        return _read_word(words[name])
    cpu, plain = split_observable(name)
    if plain.startswith("msr 0x"):
        try:
            index = int(plain.removeprefix("msr "), 16)
        except ValueError:
            raise KeyError(name) from None
        return _read_msr(index, cpu or 0)
    if cpu is not None and plain not in OF_PROCESSORS:
        raise KeyError(name)
    return _build_readers(cpu or 0)[plain]


def observe(machine: Machine) -> dict[str, int]:
    """Read everything that a witness shows, in a fixed order."""
    state = {n: reader(machine) for n, reader in _build_readers(0).items()}
    for name, index in machine.board.words.items():
        state[name] = machine.data[index]
    for cpu, vcpu in enumerate(machine.vcpus):
        prefix = f"cpu{cpu}." if cpu else ""
        if cpu:
            for name, reader in _build_readers(cpu).items():
                state[f"{prefix}{name}"] = reader(machine)
        for index, value in vcpu.msrs:
            state[f"{prefix}msr {index:#x}"] = value
    return state

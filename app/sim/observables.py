"""What can be seen of a machine by name: in outcomes and in witnesses.

Each observable is an integer of processor 0 or of the machine; a yes or no is
1 or 0.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from app.sim.delivery import LINES, NOTICED_IRQ, NOTICED_MCE, NOTICED_NMI
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
    Machine,
)
from app.sim.rom import get_slot
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
}

_PLAIN: Final = {
    "stopped": "the hypervisor has stopped the virtual machine",
    "real": "cycles of real time",
    "wallclock": "nanoseconds since 1970",
    "wallclock_updated": "wall clock and real time have drifted apart",
}

_NOTICED: Final = {
    "hypervisor_irq": (NOTICED_IRQ, "the hypervisor took an interrupt"),
    "hypervisor_nmi": (NOTICED_NMI, "the hypervisor took an NMI"),
    "hypervisor_mce": (NOTICED_MCE, "the hypervisor took a machine check"),
}


def _read_field(name: str) -> Reader:
    """Read a field of the processor."""
    return lambda machine: int(getattr(machine.vcpus[0], name))


def _read_plain(name: str) -> Reader:
    """Read a field of the machine."""
    return lambda machine: int(getattr(machine, name))


def _read_flag(bit: int) -> Reader:
    """Read a bit of EFLAGS."""
    return lambda machine: int(bool(machine.vcpus[0].flags & bit))


def _read_noticed(bit: int) -> Reader:
    """Read a bit of what the hypervisor noticed."""
    return lambda machine: int(bool(machine.noticed & bit))


def _read_alarm(counter: int) -> Reader:
    """Read whether an alarm is armed."""
    return lambda machine: int(machine.vcpus[0].alarms[counter] is not None)


def _read_line(line: int) -> Reader:
    """Read whether an interrupt line is latched."""
    return lambda machine: machine.irqs >> line & 1


def _read_msr(index: int) -> Reader:
    """Read a model-specific register; 0 if the processor lacks it."""
    return lambda machine: dict(machine.vcpus[0].msrs).get(index, 0)


def _read_word(index: int) -> Reader:
    """Read a data word."""
    return lambda machine: machine.data[index]


def _is_pending(machine: Machine) -> int:
    """Whether any interrupt, NMI or machine check waits for delivery."""
    vcpu = machine.vcpus[0]
    return int(bool(machine.irqs or vcpu.nmi_pending or vcpu.mce_pending))


_COMPUTED: Final[Mapping[str, tuple[Reader, str]]] = MappingProxyType(
    {
        "if": (
            lambda machine: int(is_interruptible(machine, 0)),
            "interrupt flag that counts for the guest",
        ),
        "iopl": (
            lambda machine: (machine.vcpus[0].flags & IOPL) >> IOPL_SHIFT,
            "I/O privilege level",
        ),
        "eflags": (
            lambda machine: machine.vcpus[0].flags,
            "EFLAGS as the processor holds it",
        ),
        "user": (
            lambda machine: int(machine.vcpus[0].cpl == USER_CPL),
            "the processor is in user mode",
        ),
        "shadow": (
            lambda machine: int(bool(machine.vcpus[0].shadow)),
            "interrupts wait for one instruction after STI or MOV SS",
        ),
        "available": (
            lambda machine: get_counter(machine, 0, AVAILABLE),
            "cycles of available time",
        ),
        "alarm_real": (_read_alarm(REAL), "an alarm on real time is armed"),
        "alarm_available": (
            _read_alarm(AVAILABLE),
            "an alarm on available time is armed",
        ),
        "slot": (
            lambda machine: get_slot(machine.vcpus[0].eip),
            "number of the call whose ROM code is next, 0 outside",
        ),
        "pending": (
            _is_pending,
            "an interrupt, NMI or machine check waits for delivery",
        ),
        "pending nmi": (
            _read_field("nmi_pending"),
            "an NMI waits for delivery",
        ),
        "pending mce": (
            _read_field("mce_pending"),
            "a machine check waits for delivery",
        ),
    }
)

_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        **{name: _read_field(name) for name in _FIELDS},
        **{name: _read_flag(bit) for name, (bit, _) in _FLAGS.items()},
        **{name: _read_plain(name) for name in _PLAIN},
        **{name: _read_noticed(bit) for name, (bit, _) in _NOTICED.items()},
        **{name: reader for name, (reader, _) in _COMPUTED.items()},
        **{f"pending irq{line}": _read_line(line) for line in range(LINES)},
    }
)

OBSERVABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **_FIELDS,
        **{name: text for name, (_, text) in _FLAGS.items()},
        **_PLAIN,
        **{name: text for name, (_, text) in _NOTICED.items()},
        **{name: text for name, (_, text) in _COMPUTED.items()},
        **{
            f"pending irq{line}": f"interrupt line {line} waits for delivery"
            for line in range(LINES)
        },
    }
)
"""Names and one-line meanings; data words and ``msr 0x10`` come on top."""


def get_observable(name: str, words: Mapping[str, int]) -> Reader:
    """Find the reader of a name; KeyError if there is none."""
    if name in words:
        return _read_word(words[name])
    if name.startswith("msr 0x"):
        try:
            return _read_msr(int(name.removeprefix("msr "), 16))
        except ValueError:
            raise KeyError(name) from None
    return _READERS[name]


def observe(machine: Machine) -> dict[str, int]:
    """Read everything that a witness shows, in a fixed order."""
    state = {name: reader(machine) for name, reader in _READERS.items()}
    for name, index in machine.board.words.items():
        state[name] = machine.data[index]
    for index, value in machine.vcpus[0].msrs:
        state[f"msr {index:#x}"] = value
    return state

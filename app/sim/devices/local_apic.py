"""The local APIC of one processor, as a value: SDM vol. 3A, chapter 10.

The request, in-service and trigger registers are numbers of 256 bits. What a
write sends to other processors comes back as messages; who brings them there
is the caller's affair. Thermal and performance entries of the vector table
can be written and never fire. ``now`` is the time in cycles.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

ID: Final = 0x20
VERSION: Final = 0x30
TPR: Final = 0x80
APR: Final = 0x90
PPR: Final = 0xA0
EOI: Final = 0xB0
LDR: Final = 0xD0
DFR: Final = 0xE0
SVR: Final = 0xF0
ISR: Final = 0x100
TMR: Final = 0x180
IRR: Final = 0x200
ESR: Final = 0x280
ICR_LOW: Final = 0x300
ICR_HIGH: Final = 0x310
LVT_TIMER: Final = 0x320
LVT_THERMAL: Final = 0x330
LVT_COUNTERS: Final = 0x340
LVT_LINT0: Final = 0x350
LVT_LINT1: Final = 0x360
LVT_ERROR: Final = 0x370
INITIAL_COUNT: Final = 0x380
CURRENT_COUNT: Final = 0x390
DIVIDE: Final = 0x3E0

PAGE: Final = 0x1000
STEP: Final = 0x10
"""Each register lies at a multiple of 16 and has 32 bits."""

FIXED: Final = 0
LOWEST: Final = 1
NMI: Final = 4
INIT: Final = 5
STARTUP: Final = 6
EXTINT: Final = 7

MASKED: Final = 0x1_0000
PERIODIC: Final = 0x2_0000
ENABLED: Final = 0x100
ASSERT: Final = 0x4000
LEVEL_TRIGGER: Final = 0x8000
LOGICAL: Final = 0x800
FIRST_VECTOR: Final = 16
EVERYBODY: Final = 0xFF

_LVT: Final = (
    LVT_TIMER,
    LVT_THERMAL,
    LVT_COUNTERS,
    LVT_LINT0,
    LVT_LINT1,
    LVT_ERROR,
)
_LVT_BITS: Final = {
    LVT_TIMER: 0x3_00FF,
    LVT_THERMAL: 0x1_07FF,
    LVT_COUNTERS: 0x1_07FF,
    LVT_LINT0: 0x1_A7FF,
    LVT_LINT1: 0x1_A7FF,
    LVT_ERROR: 0x1_00FF,
}
_VERSION_VALUE: Final = 0x5_0014
_VECTOR: Final = 0xFF
_WORD: Final = 0xFFFF_FFFF
_WORD_BITS: Final = 32
_MODE_SHIFT: Final = 8
_MODE_BITS: Final = 7
_ICR_BITS: Final = 0xC_CFFF
_HIGH_BYTE: Final = 0xFF00_0000
_HIGH_SHIFT: Final = 24
_FLAT_BITS: Final = 0x0FFF_FFFF
_FLAT_MODEL: Final = 0xF
_MODEL_SHIFT: Final = 28
_SHORTHAND_SHIFT: Final = 18
_SHORTHAND_BITS: Final = 3
_SELF: Final = 1
_ALL: Final = 2
_NIBBLE: Final = 4
_NIBBLE_BITS: Final = 0xF
_SVR_BITS: Final = 0x3FF
_DIVIDE_BITS: Final = 0xB
_DIVIDE_HIGH: Final = 8
_DIVIDE_LOW: Final = 3
_BY_ONE: Final = 7
_SEND_ILLEGAL: Final = 0x20
_RECEIVE_ILLEGAL: Final = 0x40
_ILLEGAL_REGISTER: Final = 0x80
_RESET_LVT: Final = (MASKED,) * 6
_VIRTUAL_WIRE: Final = (
    *(MASKED, MASKED, MASKED),
    *(EXTINT << _MODE_SHIFT, NMI << _MODE_SHIFT, MASKED),
)


class Apic(NamedTuple):
    """The registers of one APIC.

    ``lvt`` is the entries for timer, thermal sensor, performance counters,
    LINT0, LINT1 and errors. ``errors`` is what the next write to ESR shows
    there. The timer counts down from ``initial`` and expires next at the cycle
    ``expiry``, if at all.
    """

    id: int = 0
    svr: int = 0xFF
    tpr: int = 0
    irr: int = 0
    isr: int = 0
    tmr: int = 0
    ldr: int = 0
    dfr: int = 0xFFFF_FFFF
    icr_low: int = 0
    icr_high: int = 0
    lvt: tuple[int, ...] = _RESET_LVT
    esr: int = 0
    errors: int = 0
    divide: int = 0
    initial: int = 0
    expiry: int | None = None


class Message(NamedTuple):
    """An interrupt on its way from one processor to another."""

    source: int
    target: int
    mode: int
    vector: int


class Order(NamedTuple):
    """What a write to the command register asks the bus to carry.

    ``shorthand`` is 0 for none, 1 self, 2 all, 3 all but self.
    """

    mode: int
    vector: int
    shorthand: int
    destination: int
    logical: bool


def build_apic(number: int, *, boots: bool) -> Apic:
    """Build an APIC as firmware leaves it, enabled by software.

    That of the boot processor passes the 8259A on at LINT0 and NMI at LINT1
    (virtual wire mode). Logical destinations are flat, one bit a processor.
    """
    return Apic(
        id=number,
        svr=ENABLED | _VECTOR,
        ldr=1 << number + _HIGH_SHIFT,
        lvt=_VIRTUAL_WIRE if boots else _RESET_LVT,
    )


def reset(apic: Apic) -> Apic:
    """Reset all but the id, as INIT does: SDM vol. 3A, 10.4.7.3."""
    return Apic(id=apic.id)


# ------------------------------------------------------------ the vectors


def is_enabled(apic: Apic) -> bool:
    """Whether software has enabled it: SDM vol. 3A, 10.4.7.2."""
    return bool(apic.svr & ENABLED)


def get_lvt(apic: Apic, register: int) -> int:
    """Read an entry of the local vector table."""
    return apic.lvt[_LVT.index(register)]


def passes_extint(apic: Apic) -> bool:
    """Whether LINT0 lets the 8259A's interrupts through."""
    entry = get_lvt(apic, LVT_LINT0)
    mode = entry >> _MODE_SHIFT & _MODE_BITS
    return not entry & MASKED and mode == EXTINT


def compute_ppr(apic: Apic) -> int:
    """Compute the processor priority: SDM vol. 3A, 10.8.3.1."""
    serviced = (apic.isr.bit_length() - 1) & _VECTOR if apic.isr else 0
    if apic.tpr >> _NIBBLE >= serviced >> _NIBBLE:
        return apic.tpr
    return serviced & ~_NIBBLE_BITS


def find_vector(apic: Apic) -> int | None:
    """Answer the vector that may be delivered now, if any."""
    if not apic.irr or not is_enabled(apic):
        return None
    vector = apic.irr.bit_length() - 1
    if vector >> _NIBBLE > compute_ppr(apic) >> _NIBBLE:
        return vector
    return None


def acknowledge(apic: Apic, vector: int) -> Apic:
    """Move a vector from request to service."""
    bit = 1 << vector
    return apic._replace(irr=apic.irr & ~bit, isr=apic.isr | bit)


def accept(apic: Apic, vector: int, *, level: bool = False) -> Apic:
    """Take a fixed interrupt; a second one of a vector joins the first."""
    if not is_enabled(apic):
        return apic
    if vector < FIRST_VECTOR:
        return _report(apic, _RECEIVE_ILLEGAL)
    bit = 1 << vector
    tmr = apic.tmr | bit if level else apic.tmr & ~bit
    return apic._replace(irr=apic.irr | bit, tmr=tmr)


def accept_local(apic: Apic, register: int) -> Apic:
    """Take an interrupt by way of the local vector table."""
    entry = get_lvt(apic, register)
    if entry & MASKED:
        return apic
    return accept(apic, entry & _VECTOR)


def _report(apic: Apic, error: int) -> Apic:
    """Note an error, and raise the interrupt that the table has for it."""
    if apic.errors & error:
        return apic
    apic = apic._replace(errors=apic.errors | error)
    entry = get_lvt(apic, LVT_ERROR)
    if (
        entry & MASKED
        or not is_enabled(apic)
        or entry & _VECTOR < FIRST_VECTOR
    ):
        return apic
    return apic._replace(irr=apic.irr | 1 << (entry & _VECTOR))


def _end(apic: Apic) -> Apic:
    """Take the end of the interrupt that has the highest priority."""
    if not apic.isr:
        return apic
    return apic._replace(isr=apic.isr & ~(1 << apic.isr.bit_length() - 1))


# -------------------------------------------------------------- the timer


def get_divisor(apic: Apic) -> int:
    """Answer by what the timer divides its clock: SDM vol. 3A, 10.5.4."""
    power = (apic.divide & _DIVIDE_HIGH) >> 1 | apic.divide & _DIVIDE_LOW
    return 1 if power == _BY_ONE else 2 << power


def get_current_count(apic: Apic, now: int) -> int:
    """Answer what the timer stands at."""
    if apic.expiry is None:
        return 0
    return -((now - apic.expiry) // get_divisor(apic))


def advance(apic: Apic, now: int) -> Apic:
    """Let it become ``now``: the timer may expire."""
    if apic.expiry is None or now < apic.expiry:
        return apic
    expiry = None
    if get_lvt(apic, LVT_TIMER) & PERIODIC:
        period = apic.initial * get_divisor(apic)
        expiry = apic.expiry + ((now - apic.expiry) // period + 1) * period
    return accept_local(apic._replace(expiry=expiry), LVT_TIMER)


def _start_timer(apic: Apic, count: int, now: int) -> Apic:
    """Begin to count; zero stops the timer."""
    expiry = now + count * get_divisor(apic) if count else None
    return apic._replace(initial=count, expiry=expiry)


def _divide(apic: Apic, value: int, now: int) -> Apic:
    """Change the divisor; what is left to count goes on with the new one."""
    left = get_current_count(apic, now)
    apic = apic._replace(divide=value & _DIVIDE_BITS)
    if apic.expiry is None:
        return apic
    return apic._replace(expiry=now + left * get_divisor(apic))


# ---------------------------------------------------------- the registers


def read_register(apic: Apic, offset: int, now: int) -> tuple[Apic, int]:
    """Read a register; one that is not there is an error in ESR."""
    bank = _read_bank(apic, offset)
    if bank is not None:
        return apic, bank
    if offset in _LVT:
        return apic, get_lvt(apic, offset)
    values = {
        ID: apic.id << _HIGH_SHIFT,
        VERSION: _VERSION_VALUE,
        TPR: apic.tpr,
        APR: 0,
        PPR: compute_ppr(apic),
        EOI: 0,
        LDR: apic.ldr,
        DFR: apic.dfr,
        SVR: apic.svr,
        ESR: apic.esr,
        ICR_LOW: apic.icr_low,
        ICR_HIGH: apic.icr_high,
        INITIAL_COUNT: apic.initial,
        CURRENT_COUNT: get_current_count(apic, now),
        DIVIDE: apic.divide,
    }
    if offset not in values:
        return _report(apic, _ILLEGAL_REGISTER), 0
    return apic, values[offset]


def _read_bank(apic: Apic, offset: int) -> int | None:
    """Read a word of ISR, TMR or IRR; None for another register."""
    for start, bits in ((ISR, apic.isr), (TMR, apic.tmr), (IRR, apic.irr)):
        if start <= offset < start + 8 * STEP and not offset % STEP:
            return bits >> _WORD_BITS * ((offset - start) // STEP) & _WORD
    return None


def write_register(
    apic: Apic, offset: int, value: int, now: int
) -> tuple[Apic, Order | None]:
    """Write a register; a write to the command register gives an order."""
    if offset == ICR_LOW:
        return _command(apic._replace(icr_low=value & _ICR_BITS))
    if offset in _LVT:
        return _write_lvt(apic, offset, value), None
    if offset in _WRITERS:
        return _WRITERS[offset](apic, value, now), None
    if offset in _READ_ONLY or _read_bank(apic, offset) is not None:
        return apic, None
    return _report(apic, _ILLEGAL_REGISTER), None


def _write_lvt(apic: Apic, offset: int, value: int) -> Apic:
    """Write an entry; all are masked while software disables the APIC."""
    entry = value & _LVT_BITS[offset]
    if not is_enabled(apic):
        entry |= MASKED
    place = _LVT.index(offset)
    lvt = (*apic.lvt[:place], entry, *apic.lvt[place + 1 :])
    return apic._replace(lvt=lvt)


def _write_svr(apic: Apic, value: int) -> Apic:
    """Enable or disable by software; disabling masks the whole table."""
    apic = apic._replace(svr=value)
    if value & ENABLED:
        return apic
    return apic._replace(lvt=tuple(entry | MASKED for entry in apic.lvt))


_READ_ONLY: Final = frozenset({VERSION, APR, PPR, CURRENT_COUNT})
_WRITERS: Final[Mapping[int, Callable[[Apic, int, int], Apic]]] = {
    ID: lambda apic, value, _: apic._replace(id=value >> _HIGH_SHIFT),
    TPR: lambda apic, value, _: apic._replace(tpr=value & _VECTOR),
    EOI: lambda apic, *_: _end(apic),
    LDR: lambda apic, value, _: apic._replace(ldr=value & _HIGH_BYTE),
    DFR: lambda apic, value, _: apic._replace(dfr=value | _FLAT_BITS),
    SVR: lambda apic, value, _: _write_svr(apic, value & _SVR_BITS),
    ESR: lambda apic, *_: apic._replace(esr=apic.errors, errors=0),
    ICR_HIGH: lambda apic, value, _: apic._replace(
        icr_high=value & _HIGH_BYTE
    ),
    INITIAL_COUNT: _start_timer,
    DIVIDE: _divide,
}


def _command(apic: Apic) -> tuple[Apic, Order | None]:
    """Read an order from the command register."""
    low = apic.icr_low
    mode = low >> _MODE_SHIFT & _MODE_BITS
    vector = low & _VECTOR
    if mode == INIT and low & LEVEL_TRIGGER and not low & ASSERT:
        return apic, None
    if mode in {FIXED, LOWEST} and vector < FIRST_VECTOR:
        return _report(apic, _SEND_ILLEGAL), None
    return apic, Order(
        mode=mode,
        vector=vector,
        shorthand=low >> _SHORTHAND_SHIFT & _SHORTHAND_BITS,
        destination=apic.icr_high >> _HIGH_SHIFT,
        logical=bool(low & LOGICAL),
    )


def is_meant(apic: Apic, order: Order, *, is_sender: bool) -> bool:
    """Whether an order goes to this APIC: SDM vol. 3A, 10.6.2."""
    if order.shorthand:
        return order.shorthand == _ALL or (
            is_sender == (order.shorthand == _SELF)
        )
    if not order.logical:
        return order.destination in {apic.id, EVERYBODY}
    mine = apic.ldr >> _HIGH_SHIFT
    if apic.dfr >> _MODEL_SHIFT == _FLAT_MODEL:
        return bool(mine & order.destination)
    cluster, members = order.destination >> _NIBBLE, order.destination
    if cluster not in {mine >> _NIBBLE, _NIBBLE_BITS}:
        return False
    return bool(mine & members & _NIBBLE_BITS)

"""The local APIC as a value: registers, priorities, timer, destinations."""

import pytest

from app.sim.devices.local_apic import (
    CURRENT_COUNT,
    DIVIDE,
    ICR_HIGH,
    ICR_LOW,
    IRR,
    ISR,
    LVT_ERROR,
    LVT_LINT0,
    LVT_TIMER,
    Apic,
    Order,
    accept,
    accept_local,
    acknowledge,
    advance,
    build_apic,
    compute_ppr,
    find_vector,
    get_divisor,
    is_enabled,
    is_meant,
    passes_extint,
    read_register,
    reset,
    write_register,
)

BOOT = build_apic(0, boots=True)
OTHER = build_apic(1, boots=False)


def write(apic: Apic, *writes: tuple[int, int], now: int = 0) -> Apic:
    for offset, value in writes:
        apic, _ = write_register(apic, offset, value, now)
    return apic


def read(apic: Apic, offset: int, now: int = 0) -> int:
    return read_register(apic, offset, now)[1]


def order(apic: Apic, low: int, high: int = 0) -> Order | None:
    apic = write(apic, (ICR_HIGH, high))
    return write_register(apic, ICR_LOW, low, 0)[1]


def test_the_highest_vector_goes_first() -> None:
    """SDM vol. 3A, 10.8.3: priority is the vector's high digit."""
    apic = accept(accept(BOOT, 0x41), 0x52)
    assert find_vector(apic) == 0x52
    apic = acknowledge(apic, 0x52)
    assert find_vector(apic) is None
    assert compute_ppr(apic) == 0x50
    assert find_vector(accept(apic, 0x5F)) is None
    assert find_vector(accept(apic, 0x60)) == 0x60
    assert find_vector(write(apic, (0xB0, 0))) == 0x41


def test_the_task_priority_holds_off_its_class_and_lower() -> None:
    """SDM vol. 3A, 10.8.3.1."""
    apic = write(accept(BOOT, 0x41), (0x80, 0x40))
    assert find_vector(apic) is None
    assert read(apic, 0xA0) == 0x40
    assert find_vector(write(apic, (0x80, 0x3F))) == 0x41


def test_requests_and_service_are_shown_in_words() -> None:
    """Vector 0x52 is bit 18 of the third word."""
    apic = accept(BOOT, 0x52)
    assert read(apic, IRR + 0x20) == 1 << 18
    apic = acknowledge(apic, 0x52)
    assert read(apic, IRR + 0x20) == 0
    assert read(apic, ISR + 0x20) == 1 << 18


def test_an_end_without_service_does_nothing() -> None:
    """EOI ends the interrupt of highest priority, if there is one."""
    assert write(BOOT, (0xB0, 0)) == BOOT


def test_software_disables_it() -> None:
    """It takes nothing, and its table is masked: SDM vol. 3A, 10.4.7.2."""
    apic = write(BOOT, (0xF0, 0xFF))
    assert not is_enabled(apic)
    assert accept(apic, 0x40) == apic
    assert not passes_extint(apic)
    assert read(write(apic, (LVT_TIMER, 0x40)), LVT_TIMER) == 0x1_0040
    assert passes_extint(BOOT)
    assert not passes_extint(OTHER)


def test_a_reset_keeps_the_id() -> None:
    """INIT leaves the number and masks the rest."""
    apic = reset(accept(OTHER, 0x40))
    assert apic == Apic(id=1)
    assert read(apic, LVT_LINT0) == 0x1_0000


def test_registers_keep_their_bits() -> None:
    """What a register has not cannot be written."""
    apic = write(BOOT, (0x20, 0x5A00_0000), (0xD0, ~0), (0xE0, 0))
    assert read(apic, 0x20) == 0x5A00_0000
    assert read(apic, 0xD0) == 0xFF00_0000
    assert read(apic, 0xE0) == 0x0FFF_FFFF
    assert read(write(apic, (0xF0, 0xFFFF)), 0xF0) == 0x3FF
    assert read(write(apic, (DIVIDE, 0xFF)), DIVIDE) == 0xB
    assert read(apic, 0x30) == 0x5_0014
    assert write(apic, (0x30, 1), (0xA0, 1), (0x390, 1), (IRR, 1)) == apic
    assert read(apic, 0xB0) == read(apic, 0x90) == 0


def test_errors_are_shown_after_a_write() -> None:
    """SDM vol. 3A, 10.5.3: ESR is written before it is read."""
    apic = write(BOOT, (LVT_ERROR, 0xFE), (ICR_LOW, 0x5))
    assert read(apic, 0x280) == 0
    apic = write(apic, (0x280, 0))
    assert read(apic, 0x280) == 0x20
    assert find_vector(apic) == 0xFE
    assert write(accept(BOOT, 3), (0x280, 0)).esr == 0x40
    apic, value = read_register(BOOT, 0x40, 0)
    assert value == 0
    assert write(apic, (0x3F0, 0), (0x280, 0)).esr == 0x80


@pytest.mark.parametrize(
    ("code", "divisor"),
    [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (0xA, 128), (0xB, 1)],
)
def test_the_divisor_of_the_timer(code: int, divisor: int) -> None:
    """SDM vol. 3A, figure 10-10."""
    assert get_divisor(write(BOOT, (DIVIDE, code))) == divisor


def test_the_timer_counts_down_once() -> None:
    """One-shot mode: one interrupt, then zero."""
    apic = write(BOOT, (LVT_TIMER, 0x40), (0x380, 100), now=1000)
    assert read(apic, CURRENT_COUNT, 1000) == 100
    assert read(apic, CURRENT_COUNT, 1099) == 51
    assert advance(apic, 1199) == apic
    apic = advance(apic, 1200)
    assert find_vector(apic) == 0x40
    assert read(apic, CURRENT_COUNT, 1300) == 0
    assert read(apic, 0x380) == 100


def test_the_timer_goes_on_in_periodic_mode() -> None:
    """Missed periods are one interrupt."""
    apic = write(BOOT, (DIVIDE, 0xB), (LVT_TIMER, 0x2_0040), (0x380, 100))
    apic = advance(apic, 350)
    assert find_vector(apic) == 0x40
    assert apic.expiry == 400


def test_the_timer_stops_and_changes_pace() -> None:
    """A count of 0 stops it; a new divisor changes what is left."""
    apic = write(BOOT, (0x380, 100))
    assert write(apic, (0x380, 0)).expiry is None
    apic = write(apic, (DIVIDE, 0xB), now=100)
    assert apic.expiry == 150
    assert write(BOOT, (DIVIDE, 0xB)).expiry is None


def test_a_masked_entry_gives_no_interrupt() -> None:
    """The timer expires all the same."""
    apic = write(BOOT, (LVT_TIMER, 0x1_0040), (0x380, 1))
    assert find_vector(advance(apic, 10)) is None
    assert accept_local(apic, LVT_TIMER) == apic


def test_orders() -> None:
    """What a write to the command register asks for."""
    assert order(BOOT, 0x0_4041, 0x100_0000) == Order(0, 0x41, 0, 1, False)
    assert order(BOOT, 0xC_4841) == Order(0, 0x41, 3, 0, True)
    assert order(BOOT, 0x0_C500, 0x100_0000) == Order(5, 0, 0, 1, False)
    assert order(BOOT, 0x0_8500) is None
    assert order(BOOT, 0x0_0003) is None


@pytest.mark.parametrize(
    ("given", "sender", "other"),
    [
        (Order(0, 64, 1, 0, False), True, False),
        (Order(0, 64, 2, 0, False), True, True),
        (Order(0, 64, 3, 0, False), False, True),
        (Order(0, 64, 0, 1, False), False, True),
        (Order(0, 64, 0, 0xFF, False), True, True),
        (Order(0, 64, 0, 2, True), False, True),
        (Order(0, 64, 0, 3, True), True, True),
        (Order(0, 64, 0, 4, True), False, False),
    ],
)
def test_destinations(given: Order, sender: bool, other: bool) -> None:
    """SDM vol. 3A, 10.6.2: shorthands, physical and flat logical."""
    assert is_meant(BOOT, given, is_sender=True) is sender
    assert is_meant(OTHER, given, is_sender=False) is other


def test_logical_destinations_in_clusters() -> None:
    """SDM vol. 3A, 10.6.2.2: cluster in the high, members in the low bits."""
    apic = write(BOOT, (0xE0, 0), (0xD0, 0x2100_0000))
    for destination, meant in ((0x21, True), (0x23, True), (0xF1, True)):
        assert (
            is_meant(apic, Order(0, 64, 0, destination, True), is_sender=False)
            is meant
        )
    for destination in (0x22, 0x11):
        assert not is_meant(
            apic, Order(0, 64, 0, destination, True), is_sender=False
        )

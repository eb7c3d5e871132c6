"""Selectors are loaded as the manual says, or as a hypervisor was told."""

import pytest

from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.machine import (
    MOV_SS_SHADOW,
    NULL_SEGMENT,
    Machine,
    Segment,
    Table,
    update,
)
from app.sim.memory import load_system, store_system
from app.sim.segments import HYPERVISOR_BASE, encode, get_dpl
from app.sim.selectors import (
    get_flat,
    load_ldtr,
    load_segment,
    load_stack_segment,
    load_tr,
    read_descriptor,
    reload_live,
    set_gdt,
    tell_entry,
)
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu

GDT = 0xC080_0000
ENTRY = 0x30
"""Entry 6, which nothing uses at the start."""


def put(machine: Machine, segment: Segment, at: int = ENTRY) -> Machine:
    """Store a descriptor in the GDT by plain stores."""
    low, high = encode(segment)
    machine = store_system(machine, 0, GDT + at, 4, low)
    return store_system(machine, 0, GDT + at + 4, 4, high)


def told(machine: Machine, segment: Segment) -> Machine:
    """Store a descriptor and tell the hypervisor of it."""
    return tell_entry(put(machine, segment), 0, GDT + ENTRY)


DATA = Segment(0x1000, 0xFFF, 0x93, 0x4)
USER_DATA = DATA._replace(access=0xF3)


def test_a_load_sets_selector_and_hidden_part() -> None:
    """MOV DS reads the descriptor from memory."""
    after = load_segment(put(build(), DATA), 0, "ds", ENTRY)
    vcpu = get_vcpu(after)
    assert (vcpu.ds, vcpu.segments[3]) == (ENTRY, DATA)


def test_a_flat_load_shares_its_value() -> None:
    """What is flat again is the shared value again."""
    machine = load_segment(put(build(), DATA), 0, "ds", ENTRY)
    machine = load_segment(machine, 0, "ds", 0x7B)
    assert get_vcpu(machine).segments is get_flat(0, user=False)


@pytest.mark.parametrize(
    ("segment", "selector", "vector"),
    [
        (DATA._replace(access=0x13), ENTRY, 11),
        (DATA._replace(access=0x99), ENTRY, 13),
        (DATA._replace(access=0x89), ENTRY, 13),
        (DATA, ENTRY | 1, 13),
        (DATA, 0x100, 13),
        (DATA, ENTRY | 4, 13),
    ],
)
def test_a_data_segment__refused(
    segment: Segment, selector: int, vector: int
) -> None:
    """Not present, not readable, a system segment, RPL > DPL, no entry."""
    with pytest.raises(GuestFault) as caught:
        load_segment(put(build(), segment), 0, "es", selector)
    assert caught.value.vector == vector
    assert caught.value.error_code == selector & 0xFFFC


def test_conforming_code_may_be_read_at_any_privilege() -> None:
    """SDM vol. 3A, 5.6.1: its DPL does not count."""
    code = DATA._replace(access=0x9F)
    machine = put(build(start=Start(user=True), user="nop"), code)
    assert get_vcpu(load_segment(machine, 0, "fs", ENTRY | 3)).fs == 0x33
    plain = put(machine, DATA._replace(access=0x9B))
    with pytest.raises(GuestFault):
        load_segment(plain, 0, "fs", ENTRY | 3)


def test_null_may_be_loaded_but_not_in_ss() -> None:
    """A null selector leaves nothing to be used; SS refuses it."""
    after = load_segment(build(), 0, "ds", 3)
    assert (get_vcpu(after).ds, get_vcpu(after).segments[3]) == (
        3,
        NULL_SEGMENT,
    )
    with pytest.raises(GuestFault) as caught:
        load_stack_segment(build(), 0, 0)
    assert (caught.value.vector, caught.value.error_code) == (13, 0)


@pytest.mark.parametrize(
    ("segment", "selector", "vector"),
    [
        (DATA._replace(access=0x13), ENTRY, 12),
        (DATA._replace(access=0x91), ENTRY, 13),
        (USER_DATA, ENTRY, 13),
        (DATA, ENTRY | 3, 13),
    ],
)
def test_a_stack__refused(
    segment: Segment, selector: int, vector: int
) -> None:
    """Not present is #SS; read-only, another DPL or RPL is #GP."""
    with pytest.raises(GuestFault) as caught:
        load_stack_segment(put(build(), segment), 0, selector)
    assert (caught.value.vector, caught.value.error_code) == (vector, ENTRY)


def test_a_stack_of_16_bits_is_not_modelled() -> None:
    """RFC 3, item 10, leaves it open as well."""
    with pytest.raises(NotModelled, match="16 bits"):
        load_stack_segment(put(build(), DATA._replace(flags=0)), 0, ENTRY)


def test_a_load_of_ss_has_a_shadow() -> None:
    """SDM vol. 3A, 6.8.3."""
    after = load_stack_segment(put(build(), DATA), 0, ENTRY)
    assert get_vcpu(after).shadow == MOV_SS_SHADOW


def test_the_accessed_bit_is_set_in_memory() -> None:
    """SDM vol. 3A, 3.4.5.1; a hypervisor's shadow has it set already."""
    fresh = DATA._replace(access=0x92)
    after = load_segment(put(build(), fresh), 0, "ds", ENTRY)
    assert load_system(after, 0, GDT + ENTRY + 5, 1)[1] == 0x93
    machine = told(build(platform="software"), fresh._replace(access=0xF2))
    after = load_segment(machine, 0, "ds", ENTRY | 3)
    assert load_system(after, 0, GDT + ENTRY + 5, 1)[1] == 0xF2


# ------------------------------------------------- under a hypervisor


def test_a_hypervisor_shows_its_shadow() -> None:
    """RFC 2.2, 2.4: the DPL is the kernel's ring, the limit is shortened."""
    for ring in (1, 2):
        policies = {"kernel_cpl": str(ring)}
        machine = build(platform="software", policies=policies)
        _, segment = read_descriptor(machine, 0, 0x68)
        assert get_dpl(segment) == ring
        assert segment.limit == HYPERVISOR_BASE - 1
        assert segment == get_vcpu(machine).segments[2]


def test_a_store_that_nobody_reported_is_a_gap() -> None:
    """The RFC does not say what becomes of it; each reading differs."""
    machine = put(build(platform="software"), USER_DATA)
    with pytest.raises(Unspecified) as caught:
        read_descriptor(machine, 0, ENTRY)
    assert caught.value.policy == "unreported_store"
    found = {}
    for reading in ("unseen", "caught", "as-is"):
        host = {"unreported_store": reading}
        machine = build(platform="software", policies=host)
        _, found[reading] = read_descriptor(put(machine, DATA), 0, ENTRY)
    assert found["unseen"] == Segment(0, 0, 0, 0)
    assert get_dpl(found["caught"]) == 1
    assert get_dpl(found["as-is"]) == 0


def test_what_is_told_and_taken_back_leaves_no_trace() -> None:
    """Equal knowledge is an equal state."""
    machine = build(platform="software")
    after = told(machine, DATA)
    assert get_vcpu(after).told
    after = told(after, Segment(0, 0, 0, 0))
    assert get_vcpu(after) == get_vcpu(machine)


def test_a_new_gdt_is_taken_over_whole() -> None:
    """A table set by LGDT or a call is known as it stands then."""
    machine = put(build(platform="software"), USER_DATA)
    after = set_gdt(machine, 0, Table(GDT, 0xFF))
    _, segment = read_descriptor(after, 0, ENTRY)
    assert segment == USER_DATA


def test_live_registers_are_reloaded() -> None:
    """RFC 2.4: what was changed takes effect; what is invalid is NULL."""
    machine = told(build(platform="software"), USER_DATA)
    machine = load_segment(machine, 0, "fs", ENTRY | 3)
    wider = told(machine, USER_DATA._replace(limit=0x1FFF))
    after = reload_live(wider, 0, among=ENTRY)
    assert get_vcpu(after).segments[4].limit == 0x1FFF
    gone = told(machine, USER_DATA._replace(access=0x73))
    with pytest.raises(Unspecified) as caught:
        reload_live(gone, 0, among=ENTRY)
    assert caught.value.policy == "live_segment_invalid"
    assert reload_live(gone, 0, among=0x38) == gone


@pytest.mark.parametrize("reading", ["null", "fault"])
def test_both_readings_of_an_invalid_live_register(reading: str) -> None:
    """The hypervisor loads NULL, or the guest had to."""
    machine = build(
        platform="software", policies={"live_segment_invalid": reading}
    )
    machine = load_segment(told(machine, USER_DATA), 0, "fs", ENTRY | 3)
    gone = told(machine, USER_DATA._replace(access=0x73))
    if reading == "null":
        vcpu = get_vcpu(reload_live(gone, 0))
        assert (vcpu.fs, vcpu.segments[4]) == (0, NULL_SEGMENT)
        return
    with pytest.raises(GuestFault) as caught:
        reload_live(gone, 0)
    assert (caught.value.vector, caught.value.error_code) == (11, ENTRY)


def test_hardware_reloads_nothing_by_itself() -> None:
    """A register keeps its hidden part until it is loaded again."""
    machine = load_segment(put(build(), DATA), 0, "fs", ENTRY)
    changed = put(machine, DATA._replace(limit=0))
    assert reload_live(changed, 0) == changed
    after = reload_live(changed, 0, always=True)
    assert get_vcpu(after).segments[4].limit == 0


# ------------------------------------------------------------ LDTR and TR


def test_an_ldt_serves_its_selectors() -> None:
    """SDM vol. 2A, LLDT: bit 2 of a selector names the LDT."""
    machine = update(build(), 0, ldtr=0, ldt=NULL_SEGMENT)
    with pytest.raises(GuestFault):
        read_descriptor(machine, 0, 0xC)
    machine = load_ldtr(machine, 0, 0x88)
    base = get_vcpu(machine).ldt.base
    low, high = encode(DATA)
    machine = store_system(machine, 0, base + 8, 4, low)
    machine = store_system(machine, 0, base + 12, 4, high)
    assert read_descriptor(machine, 0, 0xC)[1] == DATA
    assert get_vcpu(load_ldtr(machine, 0, 0)).ldt == NULL_SEGMENT


@pytest.mark.parametrize("selector", [0x68, 0x88 | 4, 0x100])
def test_ldtr__refused(selector: int) -> None:
    """No LDT, an LDT's own selector, or none at all is #GP."""
    with pytest.raises(GuestFault) as caught:
        load_ldtr(build(), 0, selector)
    assert caught.value.error_code == selector & 0xFFFC


def test_tr_marks_its_tss_busy() -> None:
    """SDM vol. 2A, LTR: a busy one cannot be loaded again."""
    tss = Segment(0xC080_3000, 0x67, 0x89, 0)
    machine = load_tr(put(build(), tss), 0, ENTRY)
    assert get_vcpu(machine).tr == ENTRY
    assert load_system(machine, 0, GDT + ENTRY + 5, 1)[1] == 0x8B
    with pytest.raises(GuestFault) as caught:
        load_tr(machine, 0, ENTRY)
    assert (caught.value.vector, caught.value.error_code) == (13, ENTRY)
    with pytest.raises(NotModelled, match="16 bits"):
        load_tr(put(build(), tss._replace(access=0x81)), 0, ENTRY)
    with pytest.raises(GuestFault):
        load_tr(build(), 0, 0)

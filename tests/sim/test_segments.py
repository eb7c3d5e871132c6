"""Descriptors as words and as values, and what a segment allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.errors import GuestFault, NotModelled
from app.sim.machine import (
    AC,
    FIXED,
    FLAT,
    FLAT_DATA,
    NULL_SEGMENT,
    Gate,
    Machine,
    Segment,
    update,
)
from app.sim.segments import (
    AM,
    DS_INDEX,
    HYPERVISOR_BASE,
    SS_INDEX,
    build_flat,
    decode,
    decode_gate,
    encode,
    encode_gate,
    get_dpl,
    is_user,
    raise_dpl,
    shorten,
    to_linear,
)
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu

words = st.integers(0, 0xFFFF_FFFF)


@given(low=words, high=words)
def test_a_descriptor_is_the_same_after_decoding(low: int, high: int) -> None:
    """Both forms of a descriptor hold the same."""
    assert encode(decode(low, high)) == (low, high)


def test_a_flat_descriptor() -> None:
    """SDM vol. 3A, 3.4.5: base, limit, granularity, DPL."""
    segment = decode(0x0000_FFFF, 0x00CF_F300)
    assert segment == Segment(0, 0xFFFF_FFFF, 0xF3, 0xC)
    assert get_dpl(segment) == 3
    small = decode(0x5678_1234, 0x1240_9334)
    assert small == Segment(0x1234_5678, 0x1234, 0x93, 0x4)


@given(
    address=words,
    dpl=st.integers(0, 3),
    trap=st.booleans(),
    selector=st.integers(0, 0xFFFF),
)
def test_a_gate_is_the_same_after_decoding(
    address: int, dpl: int, *, trap: bool, selector: int
) -> None:
    """A gate's words hold its address, selector, DPL and type."""
    raw = decode_gate(*encode_gate(Gate(address, dpl, trap, selector)))
    assert (raw.address, raw.selector) == (address, selector)
    assert raw.access == 0x80 | dpl << 5 | (0xF if trap else 0xE)


def test_the_default_is_a_kernel_at_cpl_0() -> None:
    """The shared value is what a Linux kernel begins with."""
    assert build_flat(0, user=False) == FLAT
    code = build_flat(0, user=True)[1]
    assert (get_dpl(code), code.limit) == (3, 0xFFFF_FFFF)


def test_a_hypervisor_shortens_what_reaches_into_its_memory() -> None:
    """RFC 2.4: descriptors may not reach into the top 64 MiB."""
    assert shorten(FLAT_DATA).limit == HYPERVISOR_BASE - 1
    based = FLAT_DATA._replace(base=0xB000_0123)
    short = shorten(based)
    assert based.base + short.limit < HYPERVISOR_BASE
    assert (short.limit & 0xFFF) == 0xFFF
    assert decode(*encode(short)) == short
    low = Segment(0x1000, 0xFFF, 0x93, 0x4)
    assert shorten(low) is low
    inside = shorten(FLAT_DATA._replace(base=HYPERVISOR_BASE))
    assert not inside.access & 0x80
    with pytest.raises(NotModelled, match="expands down"):
        shorten(FLAT_DATA._replace(access=0x97))


def test_a_hypervisor_raises_the_dpl_of_the_kernel() -> None:
    """RFC 2.2: kernel descriptors get the kernel's ring, user's stay."""
    assert get_dpl(raise_dpl(FLAT_DATA, 1)) == 1
    user = FLAT_DATA._replace(access=0xF3)
    assert raise_dpl(user, 1) is user
    system = Segment(0, 0x67, 0x89, 0)
    assert raise_dpl(system, 1) is system


def _with(segment: Segment, index: int = DS_INDEX) -> Machine:
    machine = build()
    hidden = list(get_vcpu(machine).segments)
    hidden[index] = segment
    return update(machine, 0, segments=tuple(hidden))


def _access(
    machine: Machine, offset: int, size: int = 4, *, write: bool = False
) -> int:
    return to_linear(machine, 0, DS_INDEX, offset, size, write=write)


def test_a_base_is_added_and_wraps() -> None:
    """Linear addresses have 32 bits."""
    machine = _with(FLAT_DATA._replace(base=0xFFFF_FFF0))
    assert _access(machine, 0x20) == 0x10


@pytest.mark.parametrize(
    ("segment", "offset", "size", "write", "passes"),
    [
        (Segment(0, 0xFFF, 0x93, 0x4), 0xFFC, 4, False, True),
        (Segment(0, 0xFFF, 0x93, 0x4), 0xFFD, 4, False, False),
        (Segment(0, 0xFFF, 0x93, 0x4), 0xFFF, 1, True, True),
        (Segment(0, 0xFFF, 0x93, 0x4), 0x1000, 1, True, False),
        (Segment(0, 0xFFF, 0x91, 0x4), 0, 4, False, True),
        (Segment(0, 0xFFF, 0x91, 0x4), 0, 4, True, False),
        (Segment(0, 0xFFF, 0x9B, 0x4), 0, 4, False, True),
        (Segment(0, 0xFFF, 0x9B, 0x4), 0, 4, True, False),
        (Segment(0, 0xFFF, 0x99, 0x4), 0, 4, False, False),
        (Segment(0, 0xFFF, 0x97, 0x4), 0xFFF, 1, True, False),
        (Segment(0, 0xFFF, 0x97, 0x4), 0x1000, 4, True, True),
        (Segment(0, 0xFFF, 0x97, 0x0), 0xFFFD, 4, True, False),
        (Segment(0, 0xFFF, 0x97, 0x0), 0xFFFC, 4, True, True),
        (Segment(0, 0xFFF, 0x13, 0x4), 0, 4, False, False),
        (NULL_SEGMENT, 0, 1, False, False),
    ],
)
def test_limit_and_type_of_a_segment(
    segment: Segment, offset: int, size: int, *, write: bool, passes: bool
) -> None:
    """SDM vol. 3A, 5.3 to 5.5: beyond them an access is #GP(0)."""
    machine = _with(segment)
    if passes:
        assert _access(machine, offset, size, write=write) == offset
        return
    with pytest.raises(GuestFault) as caught:
        _access(machine, offset, size, write=write)
    assert (caught.value.vector, caught.value.error_code) == (13, 0)


def test_the_stack_has_a_fault_of_its_own() -> None:
    """Beyond the limit of SS an access is #SS(0)."""
    machine = _with(Segment(0, 0xFFF, 0x93, 0x4), SS_INDEX)
    with pytest.raises(GuestFault) as caught:
        to_linear(machine, 0, SS_INDEX, 0x1000, 4, write=True)
    assert (caught.value.vector, caught.value.error_code) == (12, 0)


def test_alignment_is_checked_in_user_code_that_asks_for_it() -> None:
    """SDM vol. 3A, 6.15, interrupt 17: CPL 3, CR0.AM and EFLAGS.AC."""
    user = update(
        build(start=Start(user=True), user="nop"),
        0,
        cr0=0x8005_003B | AM,
        flags=FIXED | AC,
    )
    with pytest.raises(GuestFault) as caught:
        _access(user, 2)
    assert (caught.value.vector, caught.value.error_code) == (17, 0)
    assert _access(user, 2, 2) == 2
    assert _access(update(user, 0, cr0=0x11), 2) == 2
    assert _access(update(user, 0, cpl=0), 2) == 2


def test_a_kernel_in_ring_3_is_not_user_code() -> None:
    """The hypervisor knows them apart by the selector."""
    machine = build(platform="software", policies={"kernel_cpl": "3"})
    vcpu = get_vcpu(machine)
    assert (vcpu.cpl, vcpu.cs) == (3, 0x63)
    assert not is_user(vcpu)
    assert is_user(vcpu.replace(cs=0x73))
    assert not is_user(vcpu.replace(cpl=1))

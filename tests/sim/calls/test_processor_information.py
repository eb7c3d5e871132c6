"""Processor information calls (RFC Appendix A, group of that name)."""

import pytest

from app.sim.errors import GuestFault
from app.sim.start import Start
from tests.sim.guest import build, make_call

START = Start(
    cpuid=((1, (1, 2, 3, 0xFF)),),
    cpuid_clear=((1, (0, 0, 1, 0xF0)),),
    tsc=0x1_0000_0002,
    real=9,
    pmcs=(4, 0x2_0000_0001),
)


def test_cpuid() -> None:
    """Bits that the hypervisor lacks are clear; by policy they are not."""
    machine = build(platform="software", start=START)
    made = make_call(machine, "VMI_CPUID", eax=1)
    assert made.results == {"a": 1, "b": 2, "c": 2, "d": 0x0F}
    machine = build(
        platform="software", start=START, policies={"cpuid_mask": "off"}
    )
    made = make_call(machine, "VMI_CPUID", eax=1)
    assert made.results == {"a": 1, "b": 2, "c": 3, "d": 0xFF}


@pytest.mark.parametrize(
    ("policy", "value"),
    [("pass-through", 0x1_0000_0002), ("offset", 0x1_0000_0002), ("trap", 9)],
)
def test_rdtsc(policy: str, value: int) -> None:
    """The counter is the processor's, or real time by a trap."""
    machine = build(platform="software", start=START, policies={"tsc": policy})
    assert make_call(machine, "VMI_RDTSC").results == {"value": value}


def test_rdpmc() -> None:
    """Counter ECX comes in EDX:EAX."""
    made = make_call(
        build(platform="software", start=START), "VMI_RDPMC", ecx=1
    )
    assert made.results == {"value": 0x2_0000_0001}


def test_rdpmc__refused__no_such_counter() -> None:
    """The instruction in the ROM faults."""
    with pytest.raises(GuestFault):
        make_call(build(platform="software", start=START), "VMI_RDPMC", ecx=2)

"""CPU control calls (RFC Appendix A / CPU control calls)."""

import pytest

from app.sim.errors import GuestFault, Unspecified
from app.sim.machine import Machine
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, make_call

KNOWN = 0x174
MISSING = 0x1234
REAL = Start(msrs=((MISSING, 0x5_0000_0007),))
LOCKED = Start(
    msrs=((MISSING, 0),),
    hypervisor_msrs=(MISSING,),
    keys=((MISSING, "edi", 0x9C5A203A),),
)


def _software(start: Start = REAL, **policies: str) -> Machine:
    return build(platform="software", start=start, policies=policies)


def test_wrmsr() -> None:
    """EDX:EAX goes to register ECX."""
    made = make_call(_software(), "VMI_WRMSR", eax=7, edx=1, ecx=KNOWN)
    assert dict(get_vcpu(made.after).msrs)[KNOWN] == 0x1_0000_0007


def test_wrmsr__refused__unimplemented() -> None:
    """The RFC does not say what happens."""
    with pytest.raises(Unspecified) as caught:
        make_call(_software(), "VMI_WRMSR", ecx=MISSING)
    assert caught.value.policy == "unimplemented_msr"
    assert caught.value.readings == ("fault", "zero", "pass-through")


@pytest.mark.parametrize(
    ("reading", "value"), [("zero", 0x5_0000_0007), ("pass-through", 9)]
)
def test_wrmsr_of_a_missing_register(reading: str, value: int) -> None:
    """By one reading the write is dropped, by another it passes."""
    machine = _software(unimplemented_msr=reading)
    made = make_call(machine, "VMI_WRMSR", eax=9, ecx=MISSING)
    assert dict(get_vcpu(made.after).msrs)[MISSING] == value


def test_wrmsr__refused__key() -> None:
    """Whether a key elsewhere goes with the write is not said."""
    with pytest.raises(Unspecified) as caught:
        make_call(_software(LOCKED), "VMI_WRMSR", ecx=MISSING)
    assert caught.value.policy == "msr_key"


@pytest.mark.parametrize(
    ("reading", "value"), [("transported", 9), ("ignored", 0)]
)
def test_wrmsr_with_a_key(reading: str, value: int) -> None:
    """Where the key is ignored the write is lost."""
    machine = _software(LOCKED, msr_key=reading)
    made = make_call(machine, "VMI_WRMSR", eax=9, ecx=MISSING, edi=0x9C5A203A)
    assert dict(get_vcpu(made.after).msrs)[MISSING] == value


def test_rdmsr() -> None:
    """Register ECX comes in EDX:EAX; the TSC is one of them."""
    made = make_call(_software(), "VMI_RDMSR", ecx=KNOWN)
    assert made.results == {"value": 0x60}
    made = make_call(_software(Start(tsc=5)), "VMI_RDMSR", ecx=0x10)
    assert made.results == {"value": 5}


def test_rdmsr__refused__unimplemented() -> None:
    """The RFC does not say what happens."""
    with pytest.raises(Unspecified):
        make_call(_software(), "VMI_RDMSR", ecx=MISSING)


def test_rdmsr__refused__fault() -> None:
    """By one reading it is #GP(0)."""
    with pytest.raises(GuestFault) as caught:
        make_call(
            _software(unimplemented_msr="fault"), "VMI_RDMSR", ecx=MISSING
        )
    assert (caught.value.vector, caught.value.error_code) == (13, 0)


@pytest.mark.parametrize(
    ("reading", "value"), [("zero", 0), ("pass-through", 0x5_0000_0007)]
)
def test_rdmsr_of_a_missing_register(reading: str, value: int) -> None:
    """By one reading it is zero, by another the processor's own."""
    machine = _software(unimplemented_msr=reading)
    made = make_call(machine, "VMI_RDMSR", ecx=MISSING)
    assert made.results == {"value": value}

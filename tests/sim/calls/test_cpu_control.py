"""CPU control calls (RFC Appendix A / CPU control calls)."""

import pytest

from app.sim.deferral import DEFER_CPU, DEFER_MMU
from app.sim.errors import GuestFault, Unspecified
from app.sim.machine import Machine, update
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, make_call, step

KNOWN = 0x174
MISSING = 0x1234
REAL = Start(msrs=((MISSING, 0x5_0000_0007),))
LOCKED = Start(
    msrs=((MISSING, 0),),
    hypervisor_msrs=(MISSING,),
    keys=((MISSING, "edi", 0x9C5A203A),),
)


def _software(start: Start = REAL, /, **policies: str) -> Machine:
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


def test_wrmsr_split() -> None:
    """The same registers as VMI_WRMSR, as two words."""
    made = make_call(_software(), "VMI_WRMSR_SPLIT", eax=7, edx=1, ecx=KNOWN)
    assert dict(get_vcpu(made.after).msrs)[KNOWN] == 0x1_0000_0007
    with pytest.raises(Unspecified):
        make_call(_software(), "VMI_WRMSR_SPLIT", eax=7, edx=1, ecx=MISSING)


# -------------------------------------------------------- control registers

CR0 = 0x8005_003B
TASK_SWITCHED = 0x8
WRITE_PROTECT = 0x1_0000
PAGE_EXTENSIONS = 0x10


def test_set_cr0_clts_get_cr0() -> None:
    """One register: mail 4416078C.4030705@vmware.com."""
    made = make_call(_software(), "VMI_SetCR0", eax=CR0 | TASK_SWITCHED)
    made = make_call(made.after, "VMI_GetCR0")
    assert made.results == {"value": CR0 | TASK_SWITCHED}
    made = make_call(made.after, "VMI_CLTS")
    made = make_call(made.after, "VMI_GetCR0")
    assert made.results == {"value": CR0 & ~TASK_SWITCHED}


def test_set_cr0__refused__feature_off() -> None:
    """What an attempt to switch a feature off does is not said."""
    value = CR0 & ~WRITE_PROTECT
    with pytest.raises(Unspecified) as caught:
        make_call(_software(), "VMI_SetCR0", eax=value)
    assert caught.value.policy == "feature_off"
    with pytest.raises(GuestFault):
        make_call(_software(feature_off="fault"), "VMI_SetCR0", eax=value)
    for reading, expected in (("kept", CR0), ("cleared", value)):
        machine = _software(feature_off=reading)
        after = make_call(machine, "VMI_SetCR0", eax=value).after
        assert get_vcpu(after).cr0 == expected


def test_set_cr0__refused__contradiction() -> None:
    """NW without CD is #GP, as by the instruction."""
    with pytest.raises(GuestFault):
        make_call(_software(), "VMI_SetCR0", eax=CR0 | 0x2000_0000)


def test_set_cr2_cr3_cr4_and_back() -> None:
    """Each is the guest's own register."""
    machine = _software()
    for name, value in (("CR2", 0x1234), ("CR3", 0x1000), ("CR4", 0x4)):
        machine = make_call(machine, f"VMI_Set{name}", eax=value).after
    for name, value in (("CR2", 0x1234), ("CR3", 0x1000), ("CR4", 0x4)):
        made = make_call(machine, f"VMI_Get{name}")
        assert made.results == {"value": value}


def test_set_cr4__refused() -> None:
    """A reserved bit is #GP; a feature of the MMU stays or is a gap."""
    with pytest.raises(GuestFault):
        make_call(_software(), "VMI_SetCR4", eax=0x8000_0000)
    on = make_call(_software(), "VMI_SetCR4", eax=PAGE_EXTENSIONS).after
    with pytest.raises(Unspecified):
        make_call(on, "VMI_SetCR4", eax=0)


def test_control_registers_may_wait() -> None:
    """The class CPU covers them, but not what concerns the FPU."""
    machine = update(_software(), 0, deferral=DEFER_CPU)
    waiting = make_call(machine, "VMI_SetCR4", eax=0x4).after
    assert get_vcpu(waiting).cr4 == 0
    assert make_call(waiting, "VMI_GetCR4").results == {"value": 0x4}
    value = CR0 & ~TASK_SWITCHED
    vcpu = get_vcpu(make_call(waiting, "VMI_SetCR0", eax=value).after)
    assert (vcpu.cr0, vcpu.cr4) == (value, 0x4)


def test_a_feature_that_waits_to_be_on_is_on() -> None:
    """What is written next is held against all that was written before."""
    machine = update(_software(), 0, deferral=DEFER_CPU)
    waiting = make_call(machine, "VMI_SetCR4", eax=0x80).after
    assert get_vcpu(waiting).queue
    with pytest.raises(Unspecified) as caught:
        make_call(waiting, "VMI_SetCR4", eax=0)
    assert caught.value.policy == "feature_off"


@pytest.mark.parametrize(
    ("classes", "reading", "waits"),
    [
        (DEFER_CPU, "cpu", True),
        (DEFER_CPU, "mmu", False),
        (DEFER_MMU, "cpu", False),
        (DEFER_MMU, "mmu", True),
        (DEFER_CPU | DEFER_MMU, "", True),
        (0, "", False),
    ],
)
def test_the_queue_of_cr3(classes: int, reading: str, *, waits: bool) -> None:
    """Its class is said to be MMU, while CPU is the one that covers it."""
    host = {"cr3_queue": reading} if reading else {}
    machine = update(_software(**host), 0, deferral=classes)
    after = make_call(machine, "VMI_SetCR3", eax=0x1000).after
    assert bool(get_vcpu(after).queue) is waits
    assert make_call(after, "VMI_GetCR3").results == {"value": 0x1000}


def test_set_cr3__refused__queue() -> None:
    """With just one of the two classes the RFC has to say which."""
    machine = update(_software(), 0, deferral=DEFER_CPU)
    with pytest.raises(Unspecified) as caught:
        make_call(machine, "VMI_SetCR3", eax=0x1000)
    assert caught.value.policy == "cr3_queue"


# ---------------------------------------------------------- debug registers


def test_set_dr_and_get_dr() -> None:
    """The number is in EAX, the value in EDX."""
    machine = make_call(_software(), "VMI_SetDR", eax=1, edx=0x1234).after
    assert make_call(machine, "VMI_GetDR", eax=1).results == {"value": 0x1234}
    assert make_call(machine, "VMI_GetDR", eax=5).results == {"value": 0x400}


def test_get_dr_of_what_is_missing_is_zero() -> None:
    """Where debug registers are unsupported, and beyond DR7."""
    machine = _software(debug_registers="unsupported")
    assert make_call(machine, "VMI_GetDR", eax=6).results == {"value": 0}
    assert make_call(_software(), "VMI_GetDR", eax=8).results == {"value": 0}


def test_set_dr__refused__missing() -> None:
    """Of writes nothing is said."""
    host = {"debug_registers": "unsupported"}
    with pytest.raises(Unspecified) as caught:
        make_call(_software(**host), "VMI_SetDR", eax=0, edx=1)
    assert caught.value.policy == "missing_dr"
    machine = _software(**host, missing_dr="dropped")
    after = make_call(machine, "VMI_SetDR", eax=0, edx=1).after
    assert get_vcpu(after).dr == ()
    machine = _software(**host, missing_dr="fault")
    with pytest.raises(GuestFault):
        make_call(machine, "VMI_SetDR", eax=0, edx=1)


def test_set_dr__refused__alias() -> None:
    """DR4 is #UD under CR4.DE."""
    machine = update(_software(), 0, cr4=0x8)
    for call in ("VMI_SetDR", "VMI_GetDR"):
        with pytest.raises(GuestFault) as caught:
            make_call(machine, call, eax=4)
        assert caught.value.vector == 6


@pytest.mark.parametrize(
    "platform", ["native", "software", "hardware", "translator"]
)
def test_debug_registers_on_every_platform(platform: str) -> None:
    """Without a hypervisor the guest's own ROM answers: RFC 2.7."""
    code = "call VMI_SetDR\nmov eax, 2\ncall VMI_GetDR"
    machine = update(build(code, platform=platform), 0, eax=2, edx=0x1234)
    assert get_vcpu(step(machine, 3)).eax == 0x1234

"""Core interface calls (RFC Appendix A / Core interface calls)."""

import pytest

from app.sim.errors import Unspecified
from app.sim.memory import store_system
from app.sim.selectors import load_segment, read_descriptor
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, make_call, step

BEFORE = Start(interrupts=True, paravirtual=False)


def test_init() -> None:
    """On software the kernel goes on at CPL 1, its flag virtual."""
    machine = build(platform="software", start=BEFORE)
    assert get_vcpu(machine).cpl == 0
    made = make_call(machine, "VMI_Init")
    vcpu = get_vcpu(made.after)
    assert made.results == {"status": 0}
    assert (vcpu.paravirtual, vcpu.cpl, vcpu.virtual_if) == (1, 1, 1)
    assert (vcpu.cs, vcpu.ss) == (0x61, 0x69)


def test_init__on_hardware() -> None:
    """With VMX or SVM the guest kernel keeps a CPL 0 of its own."""
    made = make_call(build(platform="hardware", start=BEFORE), "VMI_Init")
    vcpu = get_vcpu(made.after)
    assert made.results == {"status": 0}
    assert (vcpu.paravirtual, vcpu.cpl) == (1, 0)


def test_init__refused__no_hypervisor() -> None:
    """Without a hypervisor it answers -1 and changes nothing else."""
    made = make_call(build(start=BEFORE), "VMI_Init")
    assert made.results == {"status": 0xFFFFFFFF}
    assert not get_vcpu(made.after).paravirtual


def test_init__refused__by_policy() -> None:
    """A hypervisor that cannot be set up answers -1 too."""
    machine = build(
        platform="software", start=BEFORE, policies={"init": "fails"}
    )
    made = make_call(machine, "VMI_Init")
    assert made.results == {"status": 0xFFFFFFFF}
    assert get_vcpu(made.after).cpl == 0


def test_calls_before_init_are_native() -> None:
    """Until VMI_Init the native instructions stand at the calls."""
    code = "call VMI_DisableInterrupts\ncall VMI_Init\ncall VMI_Halt"
    machine = step(build(code, platform="software", start=BEFORE))
    assert not get_vcpu(machine).flags & 0x200
    machine = step(machine)
    assert get_vcpu(machine).virtual_if == 0
    assert get_vcpu(step(machine)).virtual_if == 1


def test_init_takes_the_tables_over() -> None:
    """What the guest stored before is known; what it stores later is not."""
    machine = build(platform="software", start=BEFORE)
    for place, word in ((0x30, 0xFFFF), (0x34, 0x00CF_F300)):
        machine = store_system(machine, 0, 0xC080_0000 + place, 4, word)
    machine = store_system(machine, 0, 0xC080_3004, 4, 0xC04F_FF00)
    machine = load_segment(machine, 0, "fs", 0x33)
    after = make_call(machine, "VMI_Init").after
    vcpu = get_vcpu(after)
    assert vcpu.esp0 == 0xC04F_FF00
    assert vcpu.segments[4].limit == 0xFBFF_FFFF
    assert read_descriptor(after, 0, 0x33)[1] == vcpu.segments[4]
    later = store_system(after, 0, 0xC080_0034, 4, 0)
    with pytest.raises(Unspecified):
        read_descriptor(later, 0, 0x33)

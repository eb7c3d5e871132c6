"""APIC calls (RFC Appendix A / APIC calls; RFC 2.11)."""

import pytest

from app.sim.apic import require_apic
from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.machine import Machine
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, make_call, step

PAGE = 0xFEE0_0000
SELF = 0x4_4041


def build_guest(
    kernel: str = "nop", platform: str = "software", **policies: str
) -> Machine:
    start = Start(interrupts=False, apic=True)
    return build(
        kernel, platform=platform, policies=policies, start=start, gp="nop"
    )


def get_irr(machine: Machine) -> int:
    return require_apic(machine, 0).irr


def test_apic_write() -> None:
    """A write to the command register sends, as on hardware."""
    made = make_call(
        build_guest(), "VMI_APICWrite", eax=PAGE + 0x300, edx=SELF
    )
    assert get_irr(made.after) == 1 << 0x41


def test_apic_read() -> None:
    """Registers are read without a trap."""
    made = make_call(build_guest(), "VMI_APICRead", eax=PAGE + 0x200 + 0x20)
    assert made.results == {"value": 0}
    sent = make_call(
        build_guest(), "VMI_APICWrite", eax=PAGE + 0x300, edx=SELF
    )
    made = make_call(sent.after, "VMI_APICRead", eax=PAGE + 0x220)
    assert made.results == {"value": 2}


@pytest.mark.parametrize("address", [0x220, 0xC040_0220, 0xFED0_0220])
def test_apic_read__unspecified__address(address: int) -> None:
    """What an address outside the page does is a gap."""
    with pytest.raises(Unspecified, match="page of the local APIC"):
        make_call(build_guest(), "VMI_APICRead", eax=address)
    made = make_call(
        build_guest(apic_address="offset"), "VMI_APICRead", eax=address
    )
    assert made.results == {"value": 0}
    with pytest.raises(GuestFault, match="13"):
        make_call(
            build_guest(apic_address="fault"), "VMI_APICRead", eax=address
        )


def test_a_missing_apic_says_so() -> None:
    """The question has to have one."""
    machine = build(platform="software", policies={"apic_address": "offset"})
    with pytest.raises(NotModelled, match="apic = true"):
        make_call(machine, "VMI_APICWrite", eax=PAGE, edx=0)


@pytest.mark.parametrize("text", ["call VMI_APICWrite", "mov [eax], edx"])
@pytest.mark.parametrize("platform", ["native", "hardware", "translator"])
def test_plain_memory_access_remains_possible(
    platform: str, text: str
) -> None:
    """RFC 2.11; the native form of the call is a store."""
    machine = build_guest(text, platform)
    vcpu = get_vcpu(machine).replace(eax=PAGE + 0x300, edx=SELF)
    after = step(machine.replace(vcpus=(vcpu,)))
    assert get_irr(after) == 1 << 0x41


def test_the_page_is_out_of_reach_above_the_memory_hole() -> None:
    """Without paging it lies beyond the limit of the guest's segments."""
    machine = build_guest("mov [eax], edx")
    vcpu = get_vcpu(machine).replace(eax=PAGE + 0x300, edx=SELF)
    after = step(machine.replace(vcpus=(vcpu,)))
    assert get_irr(after) == 0
    assert get_vcpu(after).eip == machine.board.gates[13].address

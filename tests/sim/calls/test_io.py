"""I/O calls (RFC Appendix A / I/O calls; RFC 3, item 7)."""

import pytest

from app.sim.devices import build_devices, receive
from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.machine import IOPL, Machine
from app.sim.registry import CLOBBERED
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, make_call, step

LATCH = 0x300


def build_guest(
    kernel: str = "nop", platform: str = "software", **policies: str
) -> Machine:
    start = Start(interrupts=True, devices=build_devices())
    return build(kernel, platform=platform, policies=policies, start=start)


def get_latch(machine: Machine) -> int:
    assert machine.devices is not None
    return machine.devices.latch.value


def set_latch(machine: Machine, value: int) -> Machine:
    return make_call(machine, "VMI_OUTL", eax=value, edx=LATCH).after


@pytest.mark.parametrize(
    ("name", "latch"),
    [("VMI_OUTB", 0x44), ("VMI_OUTW", 0x3344), ("VMI_OUTL", 0x1122_3344)],
)
def test_out(name: str, latch: int) -> None:
    """A byte, a word or a doubleword; nothing is clobbered."""
    made = make_call(
        build_guest(), name, eax=0x1122_3344, edx=0xDEAD_0000 | LATCH
    )
    assert get_latch(made.after) == latch
    before, after = get_vcpu(made.before), get_vcpu(made.after)
    assert after == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("VMI_INB", 0x44), ("VMI_INW", 0x3344), ("VMI_INL", 0x1122_3344)],
)
def test_in(name: str, value: int) -> None:
    """With a clear EAX the value is all that is in it."""
    machine = set_latch(build_guest(), 0x1122_3344)
    made = make_call(machine, name, eax=0, edx=LATCH)
    assert made.results == {"value": value}


@pytest.mark.parametrize("name", ["VMI_INB", "VMI_INW"])
def test_in__unspecified__rest_of_eax(name: str) -> None:
    """What a dummy argument leaves in EAX is kept, or cleared: a gap."""
    with pytest.raises(Unspecified, match="the rest of EAX"):
        make_call(build_guest(), name, eax=0xFFFF_FFFF, edx=LATCH)
    for reading, rest in (("kept", 0xFFFF_0000), ("zero", 0)):
        machine = set_latch(build_guest(narrow_input=reading), 0x1122_3344)
        made = make_call(machine, name, eax=0xFFFF_FFFF, edx=LATCH)
        low = 0x44 if name == "VMI_INB" else 0x3344
        middle = 0xFF00 if name == "VMI_INB" and rest else 0
        assert made.results == {"value": rest | middle | low}


def test_in__leaves_doublewords_alone() -> None:
    """Nothing of EAX is left over where all of it is read."""
    made = make_call(build_guest(), "VMI_INL", eax=5, edx=0x5000)
    assert made.results == {"value": 0xFFFF_FFFF}


def test_a_read_changes_the_device() -> None:
    """The effect is that of the native instruction."""
    machine = build_guest()
    assert machine.devices is not None
    machine = machine.replace(devices=receive(machine.devices, 0x41))
    made = make_call(machine, "VMI_INB", eax=0, edx=0x3F8)
    assert made.results == {"value": 0x41}
    assert made.after.devices is not None
    assert made.after.devices.serial.received == ()


def test_io_delay() -> None:
    """It does nothing, with or without devices."""
    made = make_call(build(platform="software"), "VMI_IODelay")
    assert made.after.devices is None
    assert get_vcpu(made.after).eax == CLOBBERED


def test_set_iopl_mask() -> None:
    """The virtual IOPL is beside the hardware's, which stays 0."""
    made = make_call(build_guest(), "VMI_SetIOPLMask", eax=0x3000)
    assert get_vcpu(made.after).virtual_iopl == 3
    assert not get_vcpu(made.after).flags & IOPL
    made = make_call(made.after, "VMI_SetIOPLMask", eax=0)
    assert get_vcpu(made.after).virtual_iopl == 0


def test_set_iopl_mask_where_the_kernel_has_cpl_0() -> None:
    """There it is the processor's own IOPL."""
    machine = build_guest(platform="hardware")
    made = make_call(machine, "VMI_SetIOPLMask", eax=0x3000)
    assert get_vcpu(made.after).flags & IOPL == IOPL
    assert get_vcpu(made.after).virtual_iopl == 0


def test_set_iopl_mask__unspecified__other_bits() -> None:
    """What other bits of the mask do is a gap."""
    with pytest.raises(Unspecified, match="IOPL mask"):
        make_call(build_guest(), "VMI_SetIOPLMask", eax=0x3200)
    machine = build_guest(iopl_mask_bits="ignored")
    made = make_call(machine, "VMI_SetIOPLMask", eax=0x3200)
    assert get_vcpu(made.after).virtual_iopl == 3
    with pytest.raises(GuestFault, match="13"):
        make_call(
            build_guest(iopl_mask_bits="fault"),
            "VMI_SetIOPLMask",
            eax=0x3200,
        )


@pytest.mark.parametrize("platform", ["native", "hardware"])
def test_the_native_form_of_set_iopl_mask(platform: str) -> None:
    """PUSHF, AND, OR, POPF change IOPL and nothing else."""
    machine = build_guest("call VMI_SetIOPLMask", platform)
    machine = make_ready(machine, eax=0x3000)
    after = step(machine, 4)
    old, new = get_vcpu(machine), get_vcpu(after)
    assert new.flags & ~0x8D5 == (old.flags | IOPL) & ~0x8D5
    assert (new.esp, new.stack) == (old.esp, old.stack)
    assert new.eip == old.eip + 16


def make_ready(machine: Machine, **registers: int) -> Machine:
    vcpu = get_vcpu(machine).replace(**registers)
    return machine.replace(vcpus=(vcpu,))


@pytest.mark.parametrize("platform", ["native", "hardware"])
@pytest.mark.parametrize(
    ("name", "latch"),
    [("VMI_OUTB", 0x44), ("VMI_OUTW", 0x3344), ("VMI_OUTL", 0x1122_3344)],
)
def test_the_native_form_of_out(platform: str, name: str, latch: int) -> None:
    """It is one instruction."""
    machine = build_guest(f"call {name}", platform)
    machine = make_ready(machine, eax=0x1122_3344, edx=LATCH)
    assert get_latch(step(machine)) == latch


def test_wbinvd() -> None:
    """Caches are not modelled: only the clobbers show."""
    made = make_call(build_guest(), "VMI_WBINVD")
    assert made.after.devices == made.before.devices
    assert get_vcpu(made.after).edx == CLOBBERED


def test_invd__unspecified() -> None:
    """It must not be used; what happens then is a gap."""
    with pytest.raises(Unspecified, match="VMI_INVD"):
        make_call(build_guest(), "VMI_INVD")
    for reading in ("ignored", "written-back"):
        made = make_call(build_guest(invalid_invd=reading), "VMI_INVD")
        assert made.after.devices == made.before.devices
    with pytest.raises(GuestFault, match="6"):
        make_call(build_guest(invalid_invd="fault"), "VMI_INVD")


def test_a_device_that_is_missing_says_so() -> None:
    """Without devices the port of one is not modelled."""
    with pytest.raises(NotModelled, match="devices = true"):
        make_call(build(platform="software"), "VMI_OUTB", edx=0x20)

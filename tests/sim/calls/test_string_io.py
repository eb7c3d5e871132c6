"""I/O calls: strings (RFC Appendix A / I/O calls)."""

import pytest

from app.sim.devices import build_devices, receive
from app.sim.errors import NotModelled
from app.sim.layout import DATA_BASE
from app.sim.machine import DF, Machine, update
from app.sim.registry import CLOBBERED
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, make_call, step

SERIAL = 0x3F8


def build_guest(
    kernel: str = "nop", *, platform: str = "software", received: bytes = b""
) -> Machine:
    devices = build_devices()
    for byte in received:
        devices = receive(devices, byte)
    return build(
        kernel,
        platform=platform,
        data={"first": 0x4443_4241, "second": 0x4847_4645},
        start=Start(interrupts=True, devices=devices),
    )


def get_sent(machine: Machine) -> bytes:
    assert machine.devices is not None
    return bytes(machine.devices.serial.sent)


def test_ins() -> None:
    """Items come to memory at EDI; EDI and ECX are lost, ESI is not."""
    machine = build_guest(received=b"\x11\x22\x33")
    made = make_call(machine, "VMI_INSB", edi=DATA_BASE, edx=SERIAL, ecx=3)
    assert made.after.data[0] == 0x4433_2211
    vcpu = get_vcpu(made.after)
    assert (vcpu.ecx, vcpu.edi) == (CLOBBERED, CLOBBERED)
    assert vcpu.esi == get_vcpu(made.before).esi
    assert vcpu.flags == get_vcpu(made.before).flags


@pytest.mark.parametrize(
    ("name", "first"),
    [("VMI_INSW", 0x4443_5678), ("VMI_INSL", 0x1234_5678)],
)
def test_ins_of_wide_items(name: str, first: int) -> None:
    """Two or four ports are read at once."""
    machine = build_guest()
    machine = make_call(machine, "VMI_OUTL", eax=0x1234_5678, edx=0x300).after
    made = make_call(machine, name, edi=DATA_BASE, edx=0x300, ecx=1)
    assert made.after.data == (first, 0x4847_4645)


@pytest.mark.parametrize(
    ("name", "count", "sent"),
    [("VMI_OUTSB", 5, b"ABCDE"), ("VMI_OUTSB", 0, b"")],
)
def test_outs(name: str, count: int, sent: bytes) -> None:
    """Items go out in order, and ESI and ECX are lost."""
    made = make_call(build_guest(), name, esi=DATA_BASE, edx=SERIAL, ecx=count)
    assert get_sent(made.after) == sent
    vcpu = get_vcpu(made.after)
    assert (vcpu.ecx, vcpu.esi) == (CLOBBERED, CLOBBERED)
    assert vcpu.flags == get_vcpu(made.before).flags


@pytest.mark.parametrize(
    ("name", "latch"),
    [("VMI_OUTSW", 0x4241), ("VMI_OUTSL", 0x4443_4241)],
)
def test_outs_of_wide_items(name: str, latch: int) -> None:
    """Two or four ports are written at once."""
    made = make_call(build_guest(), name, esi=DATA_BASE, edx=0x300, ecx=1)
    assert made.after.devices is not None
    assert made.after.devices.latch.value == latch


def test_strings_go_down_with_the_direction_flag() -> None:
    """As the native instruction does."""
    machine = build_guest()
    flags = get_vcpu(machine).flags | DF
    machine = update(machine, 0, flags=flags)
    made = make_call(
        machine, "VMI_OUTSB", esi=DATA_BASE + 2, edx=SERIAL, ecx=3
    )
    assert get_sent(made.after) == b"CBA"


@pytest.mark.parametrize("name", ["VMI_INSB", "VMI_OUTSL"])
def test_a_long_string__refused(name: str) -> None:
    """A run stays bounded."""
    with pytest.raises(NotModelled, match="4096"):
        make_call(build_guest(), name, ecx=4097)


def test_the_native_form() -> None:
    """One repeated instruction, interruptible between two items."""
    machine = build_guest("call VMI_OUTSB", platform="native")
    machine = update(machine, 0, esi=DATA_BASE, edx=SERIAL, ecx=2)
    one = step(machine)
    assert get_vcpu(one).eip == get_vcpu(machine).eip
    after = step(one)
    assert get_sent(after) == b"AB"
    assert get_vcpu(after).eip == get_vcpu(machine).eip + 16
    assert get_vcpu(after).esi == DATA_BASE + 2

"""IN, OUT and their string forms: who may, what happens, who emulates."""

import pytest

from app.sim.delivery import deliver_due, get_due, raise_line
from app.sim.devices import build_devices
from app.sim.errors import NotModelled, Unspecified
from app.sim.machine import IOPL_SHIFT, Machine, update
from app.sim.memory import store_system
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

KERNEL = Start(interrupts=True, devices=build_devices())
LATCH = 0x300


def build_user(
    text: str, *, iopl: int = 0, platform: str = "native", **policies: str
) -> Machine:
    """Build a user program with DX at the latch."""
    start = Start(
        interrupts=True,
        user=True,
        devices=build_devices(),
        flags=iopl << IOPL_SHIFT,
        registers=(("edx", LATCH), ("eax", 0x55)),
    )
    return build(
        platform=platform,
        policies=policies,
        start=start,
        user=text,
        gp="nop",
        data={"buffer": 0},
    )


def open_ports(machine: Machine, port: int, size: int) -> Machine:
    """Clear the bits of some ports in the map of the first TSS."""
    tss = get_vcpu(machine).tss
    machine = store_system(machine, 0, tss.base + 0x66, 2, 0x68)
    for place in range(0x100):
        address = tss.base + 0x68 + place
        bits = 0xFF
        for each in range(port, port + size):
            if each // 8 == place:
                bits &= ~(1 << each % 8)
        machine = store_system(machine, 0, address, 1, bits)
    return machine


def get_latch(machine: Machine) -> int:
    assert machine.devices is not None
    return machine.devices.latch.value


def faulted(machine: Machine) -> bool:
    """Whether the handler of #GP is next."""
    return get_vcpu(machine).eip == machine.board.gates[13].address


@pytest.mark.parametrize(
    ("text", "latch"),
    [
        ("out dx, al", 0x44),
        ("out dx, ax", 0x3344),
        ("out dx, eax", 0x1122_3344),
    ],
)
def test_out_writes_as_many_bytes(text: str, latch: int) -> None:
    """SDM vol. 2B, OUT."""
    start = Start(
        devices=build_devices(),
        registers=(("edx", LATCH), ("eax", 0x1122_3344)),
    )
    assert get_latch(step(build(text, start=start))) == latch


@pytest.mark.parametrize(
    ("text", "eax"),
    [
        ("in al, dx", 0xFFFF_FF44),
        ("in ax, dx", 0xFFFF_3344),
        ("in eax, dx", 0x1122_3344),
    ],
)
def test_in_keeps_the_rest_of_eax(text: str, eax: int) -> None:
    """SDM vol. 2A, IN."""
    code = f"mov eax, 0x11223344\nout dx, eax\nmov eax, -1\n{text}"
    start = Start(devices=build_devices(), registers=(("edx", LATCH),))
    assert get_vcpu(step(build(code, start=start), 4)).eax == eax


def test_a_port_may_be_a_number() -> None:
    """Ports below 256 have a short form."""
    machine = step(build("mov al, 0xFB\nout 0x21, al", start=KERNEL), 2)
    assert machine.devices is not None
    assert machine.devices.pic.first.imr == 0xFB
    code = "mov al, 0xFB\nout 0x21, al\nxor eax, eax\nin al, 0x21"
    assert get_vcpu(step(build(code, start=KERNEL), 4)).eax == 0xFB


def test_strings() -> None:
    """REP OUTS and REP INS move ESI and EDI, one item a step."""
    code = """
        mov edx, 0x3F8
        mov ecx, 3
        mov esi, offset text
        rep outs dx, byte ptr [esi]
        std
        mov edx, 0x300
        mov ecx, 1
        mov edi, offset buffer
        rep ins dword ptr es:[edi], dx
"""
    words = {"text": 0x00_4D_4D_56, "buffer": 7}
    machine = step(build(code, start=KERNEL, data=words), 6)
    assert machine.devices is not None
    assert machine.devices.serial.sent == (0x56, 0x4D, 0x4D)
    vcpu = get_vcpu(machine)
    assert vcpu.ecx == 0
    assert vcpu.esi == 0xC040_0003
    machine = step(machine, 5)
    assert machine.data[1] == 0
    assert get_vcpu(machine).edi == 0xC040_0000


def test_user_code_needs_iopl_or_the_map() -> None:
    """SDM vol. 1, 18.5: CPL <= IOPL, or clear bits in the TSS."""
    assert faulted(step(build_user("out dx, al")))
    assert get_latch(step(build_user("out dx, al", iopl=3))) == 0x55
    machine = open_ports(build_user("out dx, al"), LATCH, 1)
    assert get_latch(step(machine)) == 0x55
    machine = open_ports(build_user("out dx, ax"), LATCH, 1)
    assert faulted(step(machine))
    machine = open_ports(build_user("out dx, ax"), LATCH, 2)
    assert get_latch(step(machine)) == 0x55


def test_a_map_ends_at_the_limit_of_the_tss() -> None:
    """A port beyond it is closed, as are all if the TSS is too short."""
    machine = open_ports(build_user("out dx, al"), LATCH, 1)
    tss = get_vcpu(machine).tss
    short = update(machine, 0, tss=tss._replace(limit=0x68 + LATCH // 8))
    assert faulted(step(short))
    enough = update(machine, 0, tss=tss._replace(limit=0x69 + LATCH // 8))
    assert not faulted(step(enough))
    old = update(machine, 0, tss=tss._replace(limit=0x66))
    assert faulted(step(old))


@pytest.mark.parametrize("platform", ["software", "hardware", "translator"])
def test_the_kernel_reaches_all_ports(platform: str) -> None:
    """Outside CPL 0 the hypervisor carries it out."""
    start = Start(
        devices=build_devices(), registers=(("edx", LATCH), ("eax", 0x55))
    )
    machine = build("out dx, al", platform=platform, start=start)
    after = step(machine)
    assert get_latch(after) == 0x55
    assert get_vcpu(after).cpl == get_vcpu(machine).cpl
    assert get_vcpu(after).eip == get_vcpu(machine).eip + 16


def test_user_code_needs_the_virtual_iopl() -> None:
    """RFC 3, item 7: only 3 opens the ports; the flag stays as it is."""
    machine = build_user("out dx, al\ncli", platform="software")
    assert faulted(step(machine))
    assert faulted(step(update(machine, 0, virtual_iopl=2)))
    after = step(update(machine, 0, virtual_iopl=3))
    assert get_latch(after) == 0x55
    assert get_vcpu(after).cpl == 3
    assert get_vcpu(after).flags == get_vcpu(machine).flags


def test_the_virtual_iopl_opens_no_memory() -> None:
    """What is carried out for user code is carried out as user code."""
    machine = build_user(
        "mov edi, offset buffer\nins byte ptr es:[edi], dx",
        platform="software",
    )
    after = step(update(machine, 0, virtual_iopl=3), 2)
    assert get_vcpu(after).cpl == 3
    assert after.data == (0,)
    assert get_vcpu(after).edi == 0xC040_0001


def test_the_map_under_a_hypervisor_is_a_gap() -> None:
    """The RFC does not say whether the guest's own map counts."""
    machine = build_user("out dx, al", platform="software")
    with pytest.raises(Unspecified, match="bitmap"):
        step(open_ports(machine, LATCH, 1))
    for reading, opened in (("honoured", True), ("ignored", False)):
        machine = build_user(
            "out dx, al", platform="software", io_bitmap=reading
        )
        after = step(open_ports(machine, LATCH, 1))
        assert faulted(after) is not opened
        assert bool(get_latch(after)) is opened


def test_a_device_that_is_missing_says_so() -> None:
    """Without devices a port of one is not modelled, others are nobody's."""
    with pytest.raises(NotModelled, match="devices = true"):
        step(build("in al, 0x21"))
    with pytest.raises(NotModelled, match="devices = true"):
        step(build("out 0x20, al"))
    assert get_vcpu(step(build("in al, 0x80"))).eax == 0xFF
    machine = build("out 0x80, al")
    assert step(machine).devices is None


def test_an_interrupt_is_ended_through_the_port() -> None:
    """The handler of a real 8259A writes OCW2."""
    machine = build(
        "nop",
        start=KERNEL,
        irq3="in al, 0x20\nmov al, 0x20\nout 0x20, al\niretd",
    )
    machine = raise_line(machine, 3)
    due = get_due(machine, 0)
    assert due is not None
    inside = deliver_due(machine, 0, due.vector)
    again = raise_line(inside, 3)
    after = step(again, 4)
    assert after.devices is not None
    assert after.devices.pic.first.isr == 0
    assert get_due(after, 0) is not None

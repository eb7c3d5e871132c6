"""Local APICs in the machine: IPIs, delivery, the page in memory."""

import pytest

from app.sim.apic import (
    WINDOW,
    get_base,
    land,
    list_landings,
    read_register,
    require_apic,
    write_register,
)
from app.sim.delivery import deliver_due, find_vector, get_due, raise_line
from app.sim.devices import Message, build_devices
from app.sim.devices.local_apic import build_apic
from app.sim.errors import NotModelled
from app.sim.machine import Machine, update
from app.sim.start import Start
from tests.sim.guest import build

SELF = 0x4_4041
OTHERS = 0xC_4041
ICR = 0x300


def build_smp(platform: str = "native", **policies: str) -> Machine:
    machine = build(
        platform=platform,
        policies=policies,
        start=Start(interrupts=True),
    )
    vcpus = tuple(
        machine.vcpus[0].replace(apic=build_apic(cpu, boots=not cpu))
        for cpu in range(2)
    )
    return machine.replace(vcpus=vcpus)


def get_irr(machine: Machine, cpu: int) -> int:
    return require_apic(machine, cpu).irr


def test_a_message_to_oneself_lands_at_once() -> None:
    """Unless a policy says that it does not."""
    after = write_register(build_smp(), 0, ICR, SELF)
    assert get_irr(after, 0) == 1 << 0x41
    assert after.bus == ()
    due = get_due(after, 0)
    assert due is not None
    assert (due.vector, due.forced) == (0x41, True)
    assert get_due(after, 1) is None


def test_a_message_to_another_is_in_flight() -> None:
    """It lands as a step of its own."""
    after = write_register(build_smp(), 0, ICR, OTHERS)
    message = Message(0, 1, 0, 0x41)
    assert after.bus == list_landings(after) == (message,)
    assert read_register(after, 0, ICR)[1] == OTHERS | 0x1000
    assert read_register(after, 1, ICR)[1] == 0
    landed = land(after, message)
    assert landed.bus == ()
    assert get_irr(landed, 1) == 1 << 0x41
    assert read_register(landed, 0, ICR)[1] == OTHERS
    assert find_vector(landed, 1) == 0x41


@pytest.mark.parametrize(
    ("latency", "in_flight"), [("immediate", 0), ("asynchronous", 2)]
)
def test_the_latency_of_messages_is_a_policy(
    latency: str, in_flight: int
) -> None:
    """All at once, or all later."""
    machine = build_smp(ipi_latency=latency)
    after = write_register(machine, 0, ICR, 0x8_4041)
    assert len(after.bus) == in_flight
    assert get_irr(after, 0) == (0 if in_flight else 1 << 0x41)


def test_messages_keep_their_order() -> None:
    """Of several from one to another, only the first may land."""
    machine = build_smp(ipi_latency="asynchronous")
    for value in (0xC_4041, 0xC_4042, 0xC_4041, SELF):
        machine = write_register(machine, 0, ICR, value)
    assert machine.bus == (
        Message(0, 0, 0, 0x41),
        Message(0, 1, 0, 0x41),
        Message(0, 1, 0, 0x42),
    )
    assert list_landings(machine) == machine.bus[:2]


def test_messages_on_different_ways_have_no_order() -> None:
    """Whichever is sent first, the bus is the same."""
    machine = build_smp(ipi_latency="asynchronous")
    sent = {
        write_register(
            write_register(machine, cpu, ICR, OTHERS), 1 - cpu, ICR, OTHERS
        ).bus
        for cpu in (0, 1)
    }
    assert len(sent) == 1


def test_the_lowest_priority_takes_an_interrupt_alone() -> None:
    """SDM vol. 3A, 10.6.2.4; of equals the first."""
    machine = build_smp(ipi_latency="immediate")
    after = write_register(machine, 0, ICR, 0x8_4141)
    assert (get_irr(after, 0), get_irr(after, 1)) == (1 << 0x41, 0)
    machine = write_register(machine, 0, 0x80, 0x20)
    after = write_register(machine, 0, ICR, 0x8_4141)
    assert (get_irr(after, 0), get_irr(after, 1)) == (0, 1 << 0x41)


@pytest.mark.parametrize(
    ("platform", "nmi", "seen"),
    [
        ("native", "not-delivered", 1),
        ("software", "not-delivered", 0),
        ("software", "delivered", 1),
    ],
)
def test_an_nmi_may_be_sent(platform: str, nmi: str, seen: int) -> None:
    """It comes where the guest gets to see NMIs."""
    machine = build_smp(platform, nmi=nmi, ipi_latency="immediate")
    after = write_register(machine, 0, ICR, 0xC_4400)
    assert after.vcpus[1].nmi_pending == seen
    assert after.vcpus[0].nmi_pending == 0


def test_delivery_moves_a_vector_into_service() -> None:
    """Until EOI nothing of its class comes after it."""
    machine = write_register(build_smp(), 0, ICR, SELF)
    inside = deliver_due(machine, 0, 0x41)
    apic = require_apic(inside, 0)
    assert (apic.irr, apic.isr) == (0, 1 << 0x41)
    again = write_register(inside, 0, ICR, SELF)
    assert find_vector(again, 0) is None
    ended = write_register(again, 0, 0xB0, 0)
    assert find_vector(ended, 0) == 0x41


def test_the_8259a_comes_by_lint0_of_the_first_processor() -> None:
    """Virtual wire mode: masked there, its interrupts go nowhere."""
    machine = build_smp().replace(irqs=0b10)
    assert find_vector(machine, 0) == 0x21
    assert find_vector(machine, 1) is None
    masked = write_register(machine, 0, 0x350, 0x1_0700)
    assert find_vector(masked, 0) is None
    both = write_register(machine, 0, ICR, SELF)
    assert find_vector(both, 0) == 0x41
    taken = deliver_due(both, 0, 0x41)
    assert find_vector(taken, 0) == 0x21
    assert deliver_due(taken, 0, 0x21).irqs == 0


def test_an_interrupt_of_a_real_8259a_stays_in_service() -> None:
    """Its handler has to end it."""
    machine = build(start=Start(interrupts=True))
    machine = machine.replace(devices=build_devices())
    assert find_vector(machine, 0) is None
    machine = raise_line(machine, 3)
    assert find_vector(machine, 0) == 0x23
    inside = deliver_due(machine, 0, 0x23)
    assert inside.devices is not None
    assert inside.devices.pic.first.isr == 0b1000


def test_the_page_lies_where_its_msr_says() -> None:
    """IA32_APIC_BASE places and enables it."""
    machine = build_smp()
    assert get_base(machine, 0) == 0xFEE0_0000
    off = update(machine, 0, msrs=((0x1B, 0xFEE0_0000),))
    assert get_base(off, 0) is None
    moved = update(machine, 0, msrs=((0x1B, 0xFED0_0800),))
    assert get_base(moved, 0) == 0xFED0_0000
    assert get_base(build(), 0) is None


def test_the_page_holds_the_registers() -> None:
    """Aligned words; anything else is not modelled."""
    machine = WINDOW.write(build_smp(), 0, 0xFEE0_0300, 4, SELF)
    assert get_irr(machine, 0) == 1 << 0x41
    assert WINDOW.read(machine, 1, 0xFEE0_0020, 4)[1] == 0x100_0000
    for address, size in ((0xFEE0_0020, 1), (0xFEE0_0024, 4)):
        with pytest.raises(NotModelled, match="aligned words"):
            WINDOW.read(machine, 0, address, size)


def test_what_is_missing_says_so() -> None:
    """No APIC, a system management interrupt."""
    with pytest.raises(NotModelled, match="apic = true"):
        read_register(build(), 0, 0x20)
    with pytest.raises(NotModelled, match="delivery mode 2"):
        write_register(build_smp(), 0, ICR, 0x4_4200)

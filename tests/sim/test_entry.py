"""Entry into handlers: gates, rings, stacks and error codes."""

import pytest

from app.sim.deferral import DEFER_MMU
from app.sim.entry import (
    deliver_exception,
    enter,
    is_doubled,
    note_kernel_stack,
)
from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.machine import (
    IF,
    NT,
    RF,
    TF,
    Deferred,
    Gate,
    Machine,
    Table,
    update,
)
from app.sim.memory import load_system, store_system
from app.sim.segments import encode_gate, get_dpl
from app.sim.selectors import get_flat, tell_entry
from app.sim.start import Start
from app.sim.vectors import GP
from tests.sim.guest import build, get_vcpu

USER = Start(interrupts=True, user=True)
GDT = 0xC080_0000
IDT = 0xC080_1000
TSS = 0xC080_3000
HANDLER = 0xC011_0000
VECTOR = 0x30


def put(machine: Machine, address: int, *words: int) -> Machine:
    """Store words by plain stores."""
    for place, word in enumerate(words):
        machine = store_system(machine, 0, address + 4 * place, 4, word)
    return machine


def put_gate(machine: Machine, gate: Gate, access: int = 0) -> Machine:
    """Store a gate in the IDT; ``access`` takes the place of its own."""
    low, high = encode_gate(gate)
    if access:
        high = high & ~0xFF00 | access << 8
    return put(machine, IDT + 8 * VECTOR, low, high)


GATE = Gate(HANDLER, 0, trap=False)


def test_a_gate_in_memory_counts() -> None:
    """What guest code stores in the IDT is used: SDM vol. 3A, 6.10."""
    vcpu = get_vcpu(enter(put_gate(build(), GATE), 0, VECTOR))
    assert vcpu.eip == HANDLER
    assert not vcpu.flags & IF
    trap = put_gate(build(), GATE._replace(trap=True))
    assert get_vcpu(enter(trap, 0, VECTOR)).flags & IF


@pytest.mark.parametrize(
    ("access", "selector", "expected"),
    [
        (0x0E, 0x60, (11, VECTOR << 3 | 2)),
        (0x8C, 0x60, (13, VECTOR << 3 | 2)),
        (0x8E, 0x00, (13, 0)),
        (0x8E, 0x68, (13, 0x68)),
        (0x8E, 0x100, (13, 0x100)),
    ],
)
def test_a_gate__refused(
    access: int, selector: int, expected: tuple[int, int]
) -> None:
    """Not present, no gate, a null or wrong selector, no descriptor."""
    gate = GATE._replace(selector=selector)
    machine = put_gate(build(), gate, access)
    vector, code = expected
    for software, external in ((True, 0), (False, 1)):
        with pytest.raises(GuestFault) as caught:
            enter(machine, 0, VECTOR, software=software)
        fault = caught.value
        assert (fault.vector, fault.error_code) == (vector, code | external)


def test_a_handler_beyond_its_segment_is_gp() -> None:
    """SDM vol. 2A, INT n: EIP has to lie within the limit of the segment."""
    machine = put(put_gate(build(), GATE), GDT + 0x60, 0xFFFF, 0x0040_9B00)
    with pytest.raises(GuestFault) as caught:
        enter(machine, 0, VECTOR)
    assert (caught.value.vector, caught.value.error_code) == (13, 1)


def test_the_descriptor_of_the_inner_stack_is_marked() -> None:
    """SDM vol. 3A, 3.4.5.1: accessed, when it is loaded."""
    machine = build(start=USER, user="nop", irq0="nop")
    machine = put(machine, GDT + 0x68, 0xFFFF, 0x00CF_9200)
    after = enter(machine, 0, 0x20)
    assert load_system(after, 0, GDT + 0x6C)[1] == 0x00CF_9300


def test_a_vector_beyond_the_limit_is_gp() -> None:
    """SDM vol. 3A, 6.12.1: the error code names the vector in the IDT."""
    machine = update(build(gp="nop"), 0, idtr=Table(IDT, 8 * 14 - 1))
    with pytest.raises(GuestFault) as caught:
        enter(machine, 0, 14, software=True)
    assert caught.value.error_code == 14 << 3 | 2


@pytest.mark.parametrize("access", [0x85, 0x86, 0x87])
def test_gates_of_another_age_are_not_modelled(access: int) -> None:
    """Task gates and gates of 16 bits."""
    with pytest.raises(NotModelled):
        enter(put_gate(build(), GATE, access), 0, VECTOR)


def test_int_needs_the_dpl_of_the_gate() -> None:
    """SDM vol. 2A, INT n; an interrupt passes in any case."""
    machine = put_gate(build(start=USER, user="nop"), GATE)
    with pytest.raises(GuestFault) as caught:
        enter(machine, 0, VECTOR, software=True)
    assert caught.value.error_code == VECTOR << 3 | 2
    assert get_vcpu(enter(machine, 0, VECTOR)).eip == HANDLER


def test_the_stack_of_an_inner_ring_comes_from_the_tss() -> None:
    """SDM vol. 3A, 6.12.1: ESP0 and SS0, read at the entry."""
    machine = put(
        build(start=USER, user="nop", irq0="nop"), TSS + 4, 0xC04F_FF00
    )
    vcpu = get_vcpu(enter(machine, 0, 0x20))
    assert vcpu.esp == 0xC04F_FF00 - 20
    assert (vcpu.ss, vcpu.cpl, vcpu.cs) == (0x68, 0, 0x60)
    assert vcpu.segments == get_flat(0, user=False)
    assert get_vcpu(note_kernel_stack(machine, 0)).esp0 == 0xC04F_FF00


@pytest.mark.parametrize(
    ("selector", "expected"),
    [(0, (10, 1)), (0x7B, (10, 0x79)), (0x60, (10, 0x61)), (0x69, (10, 0x69))],
)
def test_a_stack_in_the_tss__refused(
    selector: int, expected: tuple[int, int]
) -> None:
    """A null selector, another DPL, code, another RPL: #TS."""
    machine = put(build(start=USER, user="nop", irq0="nop"), TSS + 8, selector)
    with pytest.raises(GuestFault) as caught:
        enter(machine, 0, 0x20)
    assert (caught.value.vector, caught.value.error_code) == expected


def test_a_tss_that_is_too_short_is_ts() -> None:
    """The error code is the selector of the TSS."""
    machine = put(build(start=USER, user="nop", irq0="nop"), TSS + 4, 0)
    tss = get_vcpu(machine).tss._replace(limit=8)
    with pytest.raises(GuestFault) as caught:
        enter(update(machine, 0, tss=tss), 0, 0x20)
    assert (caught.value.vector, caught.value.error_code) == (10, 0x81)


def test_a_software_hypervisor_uses_the_stack_that_it_was_told() -> None:
    """RFC 2.6: VMI_UpdateKernelStack, not the TSS in memory."""
    machine = build(platform="software", start=USER, user="nop", irq0="nop")
    machine = put(machine, TSS + 4, 0xC04F_FF00)
    vcpu = get_vcpu(enter(machine, 0, 0x20))
    assert vcpu.esp == 0xC050_0000 - 20
    assert (vcpu.ss, vcpu.cs, get_dpl(vcpu.segments[2])) == (0x69, 0x61, 1)


def test_a_gate_that_nobody_reported() -> None:
    """RFC 2.6: unseen, fixed up, or one that faults."""
    found = {}
    for reading in ("unseen", "caught", "as-is"):
        host = {"unreported_store": reading}
        machine = put_gate(build(platform="software", policies=host), GATE)
        try:
            found[reading] = get_vcpu(enter(machine, 0, VECTOR)).eip
        except GuestFault as fault:
            found[reading] = fault.error_code or 0
    assert found == {
        "unseen": VECTOR << 3 | 3,
        "caught": HANDLER,
        "as-is": 0x61,
    }
    machine = put_gate(build(platform="software"), GATE)
    with pytest.raises(Unspecified):
        enter(machine, 0, VECTOR)
    told = tell_entry(machine, 0, IDT + 8 * VECTOR)
    assert get_vcpu(enter(told, 0, VECTOR)).cs == 0x61


def test_a_kernel_in_ring_3_switches_stacks_with_its_users() -> None:
    """The hypervisor knows kernel and user apart where the ring does not."""
    host = {"kernel_cpl": "3"}
    machine = build(
        platform="software", policies=host, start=USER, user="nop", irq0="nop"
    )
    inside = enter(machine, 0, 0x20)
    vcpu = get_vcpu(inside)
    assert (vcpu.cpl, vcpu.cs, vcpu.ss) == (3, 0x63, 0x6B)
    assert vcpu.esp == 0xC050_0000 - 20
    assert get_vcpu(enter(inside, 0, 0x20)).esp == vcpu.esp - 12


def test_the_frame_of_a_fault_has_rf() -> None:
    """SDM vol. 3B, 17.3.1.1; traps and interrupts leave RF as it is."""
    fault = deliver_exception(build(gp="nop"), 0, GuestFault(13, 0))
    assert get_vcpu(fault).stack[0] & RF
    assert not get_vcpu(fault).flags & RF
    trap = enter(build(bp="nop"), 0, 3, software=True)
    assert not get_vcpu(trap).stack[0] & RF


def test_an_entry_clears_tf_and_nt() -> None:
    """The frame keeps them: SDM vol. 3A, 6.12.1.2."""
    machine = update(build(irq0="nop"), 0, flags=IF | TF | NT | 2)
    vcpu = get_vcpu(enter(machine, 0, 0x20))
    assert not vcpu.flags & (TF | NT)
    assert vcpu.stack[0] & (TF | NT) == TF | NT


@pytest.mark.parametrize(
    ("first", "second", "doubled"),
    [
        (13, 11, True),
        (0, 13, True),
        (14, 14, True),
        (14, 13, True),
        (13, 14, False),
        (6, 13, False),
        (13, 6, False),
    ],
)
def test_which_exceptions_make_a_double_fault(
    first: int, second: int, *, doubled: bool
) -> None:
    """SDM vol. 3A, table 6-5."""
    assert is_doubled(first, second) is doubled


def test_an_exception_pushes_its_error_code() -> None:
    """The error code is pushed last, where there is one."""
    machine = build(gp="nop")
    after = deliver_exception(machine, 0, GuestFault(GP, 0x18))
    assert get_vcpu(after).stack[-1] == 0x18
    assert len(get_vcpu(after).stack) == 4


def test_a_missing_gate_is_gp_with_the_vector() -> None:
    """The selector error code names the gate, with the EXT bit."""
    machine = build(gp="nop")
    after = deliver_exception(machine, 0, GuestFault(0x20))
    assert get_vcpu(after).eip == machine.board.gates[GP].address
    assert get_vcpu(after).stack[-1] == 0x20 << 3 | 2 | 1


def test_an_update_that_fails_in_a_page_fault_doubles_it() -> None:
    """What waits is made at a page fault; its own fault comes on top."""
    waiting = Deferred(DEFER_MMU, "VMI_SetTR", (0x60,))
    machine = build(df="nop", platform="software")
    machine = update(machine, 0, queue=(waiting,))
    after = deliver_exception(machine, 0, GuestFault(14, 0, 0x1000))
    assert get_vcpu(after).eip == machine.board.gates[8].address


def test_a_double_fault_and_a_shutdown() -> None:
    """#GP without gate is a double fault; without gate for that, the end."""
    machine = build(df="nop")
    after = deliver_exception(machine, 0, GuestFault(GP, 0))
    assert get_vcpu(after).eip == machine.board.gates[8].address
    assert get_vcpu(after).stack[-1] == 0
    after = deliver_exception(build(), 0, GuestFault(GP, 0))
    assert get_vcpu(after).shutdown

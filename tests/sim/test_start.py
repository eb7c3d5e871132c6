"""The machine before its first step is what the set-up says."""

from app.sim.layout import USER_BASE, USER_STACK_TOP
from app.sim.machine import IF
from app.sim.start import EVENTS, VECTORS, Start
from tests.sim.guest import build, get_vcpu


def test_registers_and_flags() -> None:
    """What is set is there, the rest has its default."""
    start = Start(
        registers=(("ebx", 7),), flags=0x41, interrupts=True, halted=True
    )
    vcpu = get_vcpu(build(start=start))
    assert (vcpu.ebx, vcpu.eax, vcpu.halted) == (7, 0, 1)
    assert vcpu.flags == 0x41 | IF | 2


def test_user_code_starts_on_its_own_stack() -> None:
    """In user mode it begins in the listing of that name, at CPL 3."""
    vcpu = get_vcpu(build(start=Start(user=True), user="nop"))
    assert (vcpu.eip, vcpu.esp, vcpu.cpl) == (USER_BASE, USER_STACK_TOP, 3)
    assert (vcpu.cs, vcpu.ss) == (0x73, 0x7B)


def test_another_entry() -> None:
    """A start may name another first instruction."""
    machine = build("nop\nnop", start=Start(entry=0xC010_0010))
    assert get_vcpu(machine).eip == 0xC010_0010


def test_native_is_never_paravirtual() -> None:
    """Without a hypervisor there is no paravirtual mode."""
    assert not get_vcpu(build(start=Start())).paravirtual
    assert get_vcpu(build(platform="software", start=Start())).paravirtual


def test_handlers_get_their_gates() -> None:
    """A listing named after an event or exception is its handler."""
    machine = build(irq1="nop", gp="nop", int80="nop", user="nop")
    gates = machine.board.gates
    assert set(gates) == {0x21, 13, 0x80}
    assert (gates[0x21].dpl, gates[0x21].trap) == (0, False)
    assert (gates[0x80].dpl, gates[0x80].trap) == (3, True)


def test_msrs_of_processor_and_hypervisor() -> None:
    """A register that only the processor has is not implemented above."""
    start = Start(msrs=((0x1234, 5), (0x99, 6)), hypervisor_msrs=(0x99,))
    machine = build(start=start)
    assert dict(get_vcpu(machine).msrs)[0x1234] == 5
    assert 0x1234 not in machine.board.hypervisor_msrs
    assert {0x99, 0x174} <= machine.board.hypervisor_msrs


def test_every_delivered_event_has_a_vector() -> None:
    """Interrupts, NMIs and machine checks have handlers by their names."""
    others = {
        *("suspend", "migrate", "steal", "alarm", "tlb"),
        *("timer", "serial", "latch"),
    }
    delivered = set(EVENTS) - others
    assert delivered <= set(VECTORS)
    assert all(EVENTS.values())

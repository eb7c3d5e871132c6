"""Stack and privilege transition calls (RFC Appendix A)."""

import pytest

from app.sim.entry import enter
from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.machine import IF, IOPL, VM, Machine, update
from app.sim.memory import load_system, store_system
from app.sim.selectors import load_segment, tell_entry
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, make_call, step

GDT = 0xC080_0000
TSS = 0xC080_3000
STACK = 0xC04F_FF00
THERE = 0xC010_0000
KERNEL_FRAME = {"st0": THERE, "st1": 0x61, "st2": 0x202}
USER_FRAME = {
    "st0": 0x0804_8000,
    "st1": 0x73,
    "st2": 0x202,
    "st3": 0xBFFE_0000,
    "st4": 0x7B,
}


def _software(**policies: str) -> Machine:
    return build(
        platform="software",
        start=Start(interrupts=False),
        policies=policies,
        user="nop",
        irq0="nop",
    )


def test_iret_to_the_kernel() -> None:
    """Three words go from the stack, and the virtual flag is restored."""
    made = make_call(_software(), "VMI_IRET", **KERNEL_FRAME)
    vcpu = get_vcpu(made.after)
    assert (vcpu.eip, vcpu.cs, vcpu.cpl) == (THERE, 0x61, 1)
    assert vcpu.esp == get_vcpu(made.before).esp + 12
    assert vcpu.virtual_if == 1


def test_iret_keeps_iopl() -> None:
    """IOPL is not taken from the frame."""
    frame = KERNEL_FRAME | {"st2": 0x202 | IOPL}
    made = make_call(_software(), "VMI_IRET", **frame)
    assert not get_vcpu(made.after).flags & IOPL


def test_iret_to_user_code() -> None:
    """Five words; the processor goes on at CPL 3."""
    vcpu = get_vcpu(make_call(_software(), "VMI_IRET", **USER_FRAME).after)
    assert (vcpu.eip, vcpu.cs, vcpu.cpl) == (0x0804_8000, 0x73, 3)
    assert (vcpu.esp, vcpu.ss) == (0xBFFE_0000, 0x7B)


def test_iret_delivers_in_the_state_returned_to() -> None:
    """What is pending has a return address after the IRET."""
    made = make_call(_software().replace(irqs=1), "VMI_IRET", **USER_FRAME)
    vcpu = get_vcpu(made.after)
    assert vcpu.eip == made.after.board.gates[0x20].address
    assert vcpu.stack[-5:] == (0x7B, 0xBFFE_0000, 0x202, 0x73, 0x0804_8000)


def test_iret_unblocks_nmis() -> None:
    """The hypervisor sees the return from the NMI's handler."""
    machine = update(_software(), 0, nmi_blocked=1)
    made = make_call(machine, "VMI_IRET", **KERNEL_FRAME)
    assert not get_vcpu(made.after).nmi_blocked


def test_iret__refused__user_code_with_interrupts_off() -> None:
    """The result is undefined by the RFC."""
    frame = USER_FRAME | {"st2": 0x2}
    with pytest.raises(Unspecified) as caught:
        make_call(_software(), "VMI_IRET", **frame)
    assert caught.value.policy == "iret_user_if"
    for reading, flag in (("masked", 0), ("enabled", 1)):
        machine = _software(iret_user_if=reading)
        vcpu = get_vcpu(make_call(machine, "VMI_IRET", **frame).after)
        assert vcpu.virtual_if == flag


def test_iret__refused__v8086() -> None:
    """V8086 mode is not modelled, nor a frame without its stack."""
    with pytest.raises(NotModelled, match="V8086"):
        make_call(_software(), "VMI_IRET", **KERNEL_FRAME | {"st2": VM})
    frame = {name: USER_FRAME[name] for name in ("st0", "st1", "st2")}
    with pytest.raises(NotModelled, match="stack of user space"):
        make_call(_software(), "VMI_IRET", **frame)


def test_sysexit() -> None:
    """It goes on in user code with interrupts on."""
    made = make_call(_software(), "VMI_SYSEXIT", edx=0x0804_8000, ecx=0x1000)
    vcpu = get_vcpu(made.after)
    assert (vcpu.eip, vcpu.esp, vcpu.cpl) == (0x0804_8000, 0x1000, 3)
    assert (vcpu.cs, vcpu.ss, vcpu.virtual_if) == (0x73, 0x7B, 1)


def test_sysexit_delivers_from_user_code() -> None:
    """What is pending has a return address in user code."""
    made = make_call(
        _software().replace(irqs=1), "VMI_SYSEXIT", edx=0x0804_8000
    )
    vcpu = get_vcpu(made.after)
    assert vcpu.eip == made.after.board.gates[0x20].address
    assert vcpu.stack[-1] == 0x0804_8000
    assert vcpu.stack[2] & IF


def test_update_kernel_stack__refused__store() -> None:
    """Whether the call stores ESP0 itself is not said."""
    with pytest.raises(Unspecified) as caught:
        make_call(_software(), "VMI_UpdateKernelStack", eax=TSS, edx=STACK)
    assert caught.value.policy == "esp0_store"


@pytest.mark.parametrize(
    ("reading", "stored"), [("stored", STACK), ("told", 0xC050_0000)]
)
def test_update_kernel_stack(reading: str, stored: int) -> None:
    """The next entry from user space uses the new stack in both readings."""
    machine = _software(esp0_store=reading)
    made = make_call(machine, "VMI_UpdateKernelStack", eax=TSS, edx=STACK)
    assert load_system(made.after, 0, TSS + 4)[1] == stored
    user = make_call(made.after, "VMI_IRET", **USER_FRAME).after
    assert get_vcpu(enter(user, 0, 0x20)).esp == STACK - 20


@pytest.mark.parametrize("call", ["VMI_IRET", "VMI_SYSEXIT"])
def test_user_code_is_entered_from_where_the_processor_looks(
    call: str,
) -> None:
    """With a TSS of its own the stack is that in memory, not the told one."""
    machine = build(
        platform="hardware",
        policies={"translation": "rom", "esp0_store": "told"},
        user="nop",
    )
    machine = make_call(
        machine, "VMI_UpdateKernelStack", eax=TSS, edx=STACK
    ).after
    frame = USER_FRAME if call == "VMI_IRET" else {"edx": THERE, "ecx": 0}
    user = make_call(machine, call, **frame).after
    assert get_vcpu(user).esp0 == 0xC050_0000
    stored = store_system(machine, 0, TSS + 4, 4, STACK)
    user = make_call(stored, call, **frame).after
    assert get_vcpu(user).esp0 == STACK


def test_update_kernel_stack_left_native() -> None:
    """The store into the TSS is all, and the processor reads it."""
    machine = build("call VMI_UpdateKernelStack", user="nop", irq0="nop")
    machine = step(update(machine, 0, eax=TSS, edx=STACK))
    user = update(machine, 0, cpl=3, cs=0x73, ss=0x7B, esp=0xBFFF_0000)
    assert get_vcpu(enter(user, 0, 0x20)).esp == STACK - 20


def test_iret_with_selectors_of_its_own() -> None:
    """A frame may name other segments, which are checked and loaded."""
    machine = _software()
    machine = store_system(machine, 0, GDT + 0x30, 4, 0xFFFF)
    machine = store_system(machine, 0, GDT + 0x34, 4, 0x00CF_F300)
    machine = tell_entry(machine, 0, GDT + 0x30)
    frame = USER_FRAME | {"st4": 0x33}
    vcpu = get_vcpu(make_call(machine, "VMI_IRET", **frame).after)
    assert (vcpu.ss, vcpu.cpl) == (0x33, 3)
    assert vcpu.segments[2].limit == 0xFBFF_FFFF


def test_iret_nulls_what_user_code_may_not_have() -> None:
    """SDM vol. 2A, IRET: the hypervisor returns by the instruction."""
    machine = load_segment(_software(), 0, "fs", 0x69)
    made = make_call(machine, "VMI_IRET", **USER_FRAME)
    vcpu = get_vcpu(made.after)
    assert (vcpu.fs, vcpu.ds) == (0, 0x7B)


def test_iret__refused__selectors() -> None:
    """Handling of IRETs that fault is not finished: RFC 3, item 10."""
    frame = USER_FRAME | {"st1": 0x103}
    with pytest.raises(Unspecified) as caught:
        make_call(_software(), "VMI_IRET", **frame)
    assert caught.value.policy == "faulting_iret"
    with pytest.raises(GuestFault) as fault:
        make_call(_software(faulting_iret="at-call"), "VMI_IRET", **frame)
    assert fault.value.error_code == 0x100
    after = make_call(_software(faulting_iret="ends"), "VMI_IRET", **frame)
    assert after.after.stopped


def test_iret_to_a_kernel_in_ring_3() -> None:
    """The selector tells it from user code."""
    machine = _software(kernel_cpl="3")
    frame = KERNEL_FRAME | {"st1": 0x63}
    vcpu = get_vcpu(make_call(machine, "VMI_IRET", **frame).after)
    assert (vcpu.cs, vcpu.eip, vcpu.cpl) == (0x63, THERE, 3)

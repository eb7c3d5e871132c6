"""Segment registers, table registers and far transfers of listings."""

import pytest

from app.sim.errors import NotModelled
from app.sim.layout import KERNEL_BASE, USER_STACK_TOP
from app.sim.machine import (
    MOV_SS_SHADOW,
    NO_SHADOW,
    NULL_SEGMENT,
    ZF,
    Gate,
    Machine,
    Segment,
    Table,
    update,
)
from app.sim.segments import encode, encode_gate
from app.sim.selectors import (
    HYPERVISOR_GDT,
    HYPERVISOR_IDT,
    HYPERVISOR_LDT,
    HYPERVISOR_TR,
)
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step
from tests.sim.test_selectors import DATA, ENTRY, GDT, put

USER = Start(interrupts=True, user=True)
OWN = ("native", "hardware", "translator")
TABLE = {"table": 0, "rest": 0}
CODE = Segment(0, 0xFFFF_FFFF, 0x9B, 0xC)
USER_CODE = CODE._replace(access=0xFB)


def get_fault(machine: Machine) -> tuple[int, int] | None:
    """Answer the vector and the error code that the last step pushed."""
    for vector in (10, 11, 12, 13):
        if get_vcpu(machine).eip == machine.board.gates[vector].address:
            return vector, get_vcpu(machine).stack[-1]
    return None


def prepare(
    code: str, *, platform: str = "native", **kwargs: object
) -> Machine:
    """Build a machine with handlers for all faults of segments."""
    listings = {"ts": "nop", "np": "nop", "ss": "nop", "gp": "nop"}
    return build(
        code,
        platform=platform,
        handlers=listings,
        **{"data": TABLE, **kwargs},  # type: ignore[arg-type]
    )


# -------------------------------------------------------- segment registers


def test_a_load_changes_where_data_lies() -> None:
    """The base of a segment is added to an address."""
    code = f"mov eax, {ENTRY}\nmov fs, eax\nmov ecx, dword ptr fs:[0]"
    machine = prepare(code, data={"table": 0x55})
    machine = put(machine, DATA._replace(base=0xC040_0000))
    assert get_vcpu(step(machine, 3)).ecx == 0x55


def test_esp_and_ebp_are_offsets_in_the_stack_segment() -> None:
    """SDM vol. 1, 3.7.4: others lie in DS unless an override says so."""
    machine = prepare("mov eax, dword ptr [ebp]\nnop")
    hidden = list(get_vcpu(machine).segments)
    hidden[3] = NULL_SEGMENT
    machine = update(
        machine, 0, segments=tuple(hidden), ebp=0xC040_0000, ebx=0xC040_0000
    )
    assert get_fault(step(machine)) is None
    code = "mov eax, dword ptr [ebx]"
    other = prepare(code)
    other = update(other, 0, segments=tuple(hidden), ebx=0xC040_0000)
    assert get_fault(step(other)) == (13, 0)
    code = "mov eax, dword ptr es:[ebx]"
    other = prepare(code)
    other = update(other, 0, segments=tuple(hidden), ebx=0xC040_0000)
    assert get_fault(step(other)) is None


@pytest.mark.parametrize(
    ("name", "mnemonic"),
    [("ds", "lds"), ("es", "les"), ("fs", "lfs"), ("gs", "lgs")],
)
def test_a_far_pointer_loads_two_registers(name: str, mnemonic: str) -> None:
    """The selector lies behind the offset."""
    code = f"{mnemonic} ebx, fword ptr [table]"
    machine = prepare(code, data={"table": 0x1234, "rest": 0x7B})
    vcpu = get_vcpu(step(machine))
    assert (vcpu.ebx, getattr(vcpu, name)) == (0x1234, 0x7B)


def test_lss_loads_the_stack_without_a_shadow() -> None:
    """SDM vol. 2A, LSS: it loads ESP too, so that it needs none."""
    code = "lss esp, fword ptr [table]"
    machine = prepare(code, data={"table": 0xC04F_FF00, "rest": 0x68})
    vcpu = get_vcpu(step(machine))
    assert (vcpu.esp, vcpu.ss, vcpu.shadow) == (0xC04F_FF00, 0x68, NO_SHADOW)
    machine = prepare(code, platform="software", data=TABLE | {"rest": 0x68})
    assert get_fault(step(machine)) == (13, 0x68)


def test_pop_ss_has_its_shadow_and_its_check() -> None:
    """Appendix C: on software the RPL has to be that of the ring."""
    code = "push 0x68\npop ss"
    vcpu = get_vcpu(step(prepare(code), 2))
    assert vcpu.shadow == MOV_SS_SHADOW
    assert get_fault(step(prepare(code, platform="software"), 2)) == (13, 0x68)


# ---------------------------------------------------------- table registers


@pytest.mark.parametrize("platform", [*OWN, "software"])
def test_lgdt_and_lidt_load_a_table(platform: str) -> None:
    """A software hypervisor carries them out on the guest's registers."""
    code = "lgdt fword ptr [table]\nlidt fword ptr [table]"
    data = {"table": 0x00FF, "rest": 0xC080}
    machine = prepare(code, platform=platform, data=data)
    vcpu = get_vcpu(step(machine, 2))
    assert vcpu.gdtr == vcpu.idtr == Table(0xC080_0000, 0xFF)


@pytest.mark.parametrize(
    ("mnemonic", "table"), [("sgdt", HYPERVISOR_GDT), ("sidt", HYPERVISOR_IDT)]
)
def test_stored_tables_reveal_a_hypervisor(
    mnemonic: str, table: Table
) -> None:
    """Appendix C: SGDT and SIDT show the shadow's place."""
    code = f"{mnemonic} fword ptr [table]"
    for platform in (*OWN, "software"):
        machine = prepare(code, platform=platform)
        vcpu = get_vcpu(machine)
        own = vcpu.gdtr if mnemonic == "sgdt" else vcpu.idtr
        expected = table if platform == "software" else own
        low, high = step(machine).data[:2]
        assert low & 0xFFFF == expected.limit, platform
        assert (high << 16 | low >> 16) == expected.base, platform


@pytest.mark.parametrize(
    ("mnemonic", "own", "shown"),
    [("sldt", 0x88, HYPERVISOR_LDT), ("str", 0x80, HYPERVISOR_TR)],
)
def test_stored_selectors_reveal_a_hypervisor(
    mnemonic: str, own: int, shown: int
) -> None:
    """Appendix C: SLDT and STR, from user code too."""
    for platform in (*OWN, "software"):
        machine = prepare(f"{mnemonic} eax", platform=platform)
        expected = shown if platform == "software" else own
        assert get_vcpu(step(machine)).eax == expected, platform


def test_lldt_and_ltr() -> None:
    """Null clears LDTR; a busy TSS is refused."""
    vcpu = get_vcpu(step(prepare("mov eax, 0\nlldt ax"), 2))
    assert (vcpu.ldtr, vcpu.ldt) == (0, NULL_SEGMENT)
    assert get_fault(step(prepare("mov eax, 0x80\nltr ax"), 2)) == (13, 0x80)


@pytest.mark.parametrize(
    "code", ["lgdt fword ptr [table]", "lldt ax", "ltr ax"]
)
def test_table_registers_are_privileged(code: str) -> None:
    """User code gets #GP(0) on each platform."""
    for platform in (*OWN, "software"):
        machine = build(
            platform=platform, start=USER, user=code, gp="nop", data=TABLE
        )
        vcpu = get_vcpu(step(machine))
        assert vcpu.eip == machine.board.gates[13].address
        assert vcpu.stack[-1] == 0


# ------------------------------------------------------ asking of selectors


@pytest.mark.parametrize(
    ("selector", "rights", "limit"),
    [
        (0x60, 0x00C0_9B00, 0xFFFF_FFFF),
        (0x7B, 0x00C0_F300, 0xFFFF_FFFF),
        (0x80, 0x0000_8B00, 0x2068),
        (0x88, 0x0000_8200, 0xFF),
    ],
)
def test_lar_and_lsl(selector: int, rights: int, limit: int) -> None:
    """SDM vol. 2A: access rights in place, the limit in bytes."""
    code = f"mov eax, {selector}\nlar ebx, eax\nlsl ecx, eax"
    vcpu = get_vcpu(step(prepare(code), 3))
    assert (vcpu.ebx, vcpu.ecx) == (rights, limit)
    assert vcpu.flags & ZF


def test_lar_and_lsl_of_a_shadow() -> None:
    """Appendix C: the DPL is the kernel's ring, the limit is shortened."""
    code = "mov eax, 0x60\nlar ebx, eax\nlsl ecx, eax"
    vcpu = get_vcpu(step(prepare(code, platform="software"), 3))
    assert (vcpu.ebx, vcpu.ecx) == (0x00C0_BB00, 0xFBFF_FFFF)


def test_what_may_not_be_seen_clears_zf() -> None:
    """Null, beyond the table, a gate's limit, another's DPL."""
    for code in (
        "mov eax, 0\nlar ebx, eax",
        "mov eax, 0x100\nlsl ebx, eax",
        "mov eax, 0x61\nlar ebx, eax",
    ):
        vcpu = get_vcpu(step(update(prepare(code), 0, ebx=7, flags=ZF | 2), 2))
        assert (vcpu.ebx, vcpu.flags & ZF) == (7, 0), code
    gate = Segment(0, 0, 0x8C, 0)
    machine = put(prepare("mov eax, 0x30\nlar ebx, eax\nlsl ecx, eax"), gate)
    vcpu = get_vcpu(step(machine, 2))
    assert (vcpu.ebx, vcpu.flags & ZF) == (0x8C00, ZF)
    assert not get_vcpu(step(machine, 3)).flags & ZF


def test_16_bits_of_rights_and_limit() -> None:
    """The upper half of the destination stays."""
    code = "mov eax, 0x60\nlar bx, ax\nlsl cx, ax"
    machine = update(prepare(code), 0, ebx=0x5555_0000, ecx=0x5555_0000)
    vcpu = get_vcpu(step(machine, 3))
    assert (vcpu.ebx, vcpu.ecx) == (0x5555_9B00, 0x5555_FFFF)


@pytest.mark.parametrize(
    ("selector", "readable", "writable"),
    [
        (0x68, True, True),
        (0x60, True, False),
        (0x80, False, False),
        (0, False, False),
    ],
)
def test_verr_and_verw(
    selector: int, *, readable: bool, writable: bool
) -> None:
    """SDM vol. 2D: ZF says whether a segment may be read or written."""
    code = f"mov eax, {selector}\nverr ax\nverw ax"
    machine = step(prepare(code), 2)
    assert bool(get_vcpu(machine).flags & ZF) is readable
    assert bool(get_vcpu(step(machine)).flags & ZF) is writable


def test_arpl_raises_an_rpl() -> None:
    """SDM vol. 2A: ZF says that it did."""
    code = "mov eax, 0x68\nmov ebx, 0x73\narpl ax, bx\narpl ax, bx"
    machine = step(prepare(code), 3)
    assert get_vcpu(machine).eax == 0x6B
    assert get_vcpu(machine).flags & ZF
    assert not get_vcpu(step(machine)).flags & ZF


# ------------------------------------------------------------ far transfers


def test_a_far_jump_to_the_same_ring() -> None:
    """RPL of the selector becomes the CPL."""
    machine = prepare("jmp 0x30:there\nnop\nthere: nop")
    vcpu = get_vcpu(step(put(machine, CODE)))
    assert (vcpu.cs, vcpu.eip, vcpu.cpl) == (0x30, KERNEL_BASE + 32, 0)
    assert vcpu.segments[1] == CODE


def test_a_far_jump_through_memory() -> None:
    """The selector lies behind the address."""
    machine = prepare(
        "jmp fword ptr [table]", data={"table": KERNEL_BASE, "rest": 0x60}
    )
    vcpu = get_vcpu(step(machine))
    assert (vcpu.cs, vcpu.eip) == (0x60, KERNEL_BASE)


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (DATA, (13, ENTRY)),
        (USER_CODE, (13, ENTRY)),
        (CODE._replace(access=0x1B), (11, ENTRY)),
        (CODE._replace(access=0xFF), (13, ENTRY)),
        (Segment(0, 0xFFF, 0x9B, 4), (13, 0)),
        (CODE._replace(access=0x82), (13, ENTRY)),
    ],
)
def test_a_far_jump__refused(
    segment: Segment, expected: tuple[int, int]
) -> None:
    """Data, another ring, not present, conforming outward, the limit."""
    machine = put(prepare("jmp 0x30:there\nthere: nop"), segment)
    assert get_fault(step(machine)) == expected


@pytest.mark.parametrize(
    "segment",
    [
        CODE._replace(base=16),
        CODE._replace(flags=8),
        Segment(0, 0, 0x85, 0),
        Segment(0, 0x67, 0x89, 0),
    ],
)
def test_code_that_is_not_modelled(segment: Segment) -> None:
    """A base, 16 bits, tasks: they are said, not guessed."""
    with pytest.raises(NotModelled):
        step(put(prepare("jmp 0x30:there\nthere: nop"), segment))


def test_a_far_call_returns() -> None:
    """CS and EIP are pushed, and popped by RETF."""
    machine = prepare("call 0x60:there\nnop\nthere: retf")
    inside = step(machine)
    assert get_vcpu(inside).stack == (0x60, KERNEL_BASE + 16)
    vcpu = get_vcpu(step(inside))
    assert (vcpu.eip, vcpu.esp) == (KERNEL_BASE + 16, 0xC050_0000)


def test_a_far_return_to_user_code() -> None:
    """SDM vol. 2B, RET: the stack is popped, inner data is nulled."""
    code = (
        f"push 0x7b\npush {USER_STACK_TOP - 8}\npush 0x73\n"
        "push offset user\nmov eax, 0x68\nmov fs, eax\nretf 4"
    )
    code = code.replace("push 0x73", "push 0\npush 0x73")
    machine = step(prepare(code, user="nop"), 8)
    vcpu = get_vcpu(machine)
    assert (vcpu.cpl, vcpu.cs, vcpu.ss) == (3, 0x73, 0x7B)
    assert vcpu.esp == USER_STACK_TOP - 4
    assert (vcpu.fs, vcpu.segments[4]) == (0, NULL_SEGMENT)
    assert vcpu.ds == 0x7B


def test_a_far_return_to_an_inner_ring__refused() -> None:
    """RPL below the CPL is #GP with the selector."""
    machine = build(start=USER, user="push 0x60\npush 0\nretf", gp="nop")
    after = step(machine, 3)
    assert get_vcpu(after).eip == machine.board.gates[13].address
    assert get_vcpu(after).stack[-1] == 0x60


def put_call_gate(machine: Machine, dpl: int, words: int = 0) -> Machine:
    """Store a call gate to the listing of #GP in entry 6."""
    low, high = encode_gate(
        Gate(machine.board.gates[13].address, dpl, trap=False)
    )
    high = high & ~0x1F00 | 0xC00 | words
    return put(machine, _decode(low, high))


def _decode(low: int, high: int) -> Segment:
    segment = Segment(
        low >> 16 | (high & 0xFF) << 16 | high >> 24 << 24,
        low & 0xFFFF | high & 0xF_0000,
        high >> 8 & 0xFF,
        high >> 20 & 0xF,
    )
    shift = 12 if segment.flags & 8 else 0
    segment = segment._replace(limit=segment.limit << shift)
    assert encode(segment) == (low, high)
    return segment


def test_a_call_gate_leads_inward() -> None:
    """SDM vol. 3A, 5.8.5: the old stack and the parameters are copied."""
    machine = build(start=USER, user="push 11\npush 22\ncall 0x33:0", gp="nop")
    inside = step(put_call_gate(machine, 3, words=2), 3)
    vcpu = get_vcpu(inside)
    assert (vcpu.cpl, vcpu.cs, vcpu.ss) == (0, 0x60, 0x68)
    assert vcpu.stack[:2] == (0x7B, USER_STACK_TOP - 8)
    assert vcpu.stack[2:5] == (11, 22, 0x73)
    assert vcpu.eip == machine.board.gates[13].address


def test_a_call_gate_of_the_same_ring_keeps_the_stack() -> None:
    """Nothing is copied; a jump passes as well."""
    machine = put_call_gate(prepare("call 0x30:0"), 0)
    vcpu = get_vcpu(step(machine))
    assert (vcpu.eip, vcpu.stack) == (
        machine.board.gates[13].address,
        (0x60, KERNEL_BASE + 16),
    )
    jumped = get_vcpu(step(put_call_gate(prepare("jmp 0x30:0"), 0)))
    assert (jumped.cs, jumped.stack) == (0x60, ())


def test_a_call_gate_of_another_ring__refused() -> None:
    """Its DPL has to let the caller pass."""
    machine = build(start=USER, user="call 0x33:0", np="nop", gp="nop")
    after = step(put_call_gate(machine, 0))
    assert get_vcpu(after).stack[-1] == ENTRY


# ---------------------------------------------------------- bounds and frames


@pytest.mark.parametrize(
    ("index", "passes"), [(-5, True), (7, True), (-6, False), (8, False)]
)
def test_bound(index: int, *, passes: bool) -> None:
    """SDM vol. 2A: signed, and both bounds belong to what passes."""
    machine = build(
        "bound eax, qword ptr [low]",
        data={"low": -5 & 0xFFFF_FFFF, "high": 7},
        br="nop",
    )
    machine = update(machine, 0, eax=index & 0xFFFF_FFFF)
    vcpu = get_vcpu(step(machine))
    assert (vcpu.eip == KERNEL_BASE + 16) is passes


def test_enter_makes_a_frame_that_leave_drops() -> None:
    """Level 0 saves EBP and makes room."""
    machine = update(build("enter 8, 0\nleave"), 0, ebp=0x1234)
    inside = get_vcpu(step(machine))
    assert (inside.ebp, inside.esp) == (0xC04F_FFFC, 0xC04F_FFF4)
    vcpu = get_vcpu(step(machine, 2))
    assert (vcpu.ebp, vcpu.esp) == (0x1234, 0xC050_0000)


def test_enter_copies_the_frames_around_it() -> None:
    """SDM vol. 2A: one pointer less than the level, then its own."""
    code = "push 0x99\npush 0x88\nmov ebp, esp\nadd ebp, 4\nenter 4, 2"
    vcpu = get_vcpu(step(build(code), 5))
    frame = 0xC050_0000 - 12
    assert vcpu.ebp == frame
    assert vcpu.stack[2:5] == (0xC04F_FFFC, 0x88, frame)
    assert vcpu.esp == frame - 12


def test_tables_stay_where_they_are() -> None:
    """The tests above store where the GDT begins."""
    assert get_vcpu(build()).gdtr.base == GDT

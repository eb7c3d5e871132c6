"""The system instructions do what the SDM says, and traps what it traps."""

import pytest

from app.sim.delivery import IRQ_BASE, get_due
from app.sim.layout import KERNEL_STACK_TOP, USER_STACK_TOP
from app.sim.machine import (
    FIXED,
    IF,
    IOPL,
    MOV_SS_SHADOW,
    NO_SHADOW,
    STI_SHADOW,
    USER_CPL,
    update,
)
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

OFF = Start(interrupts=False)
ON = Start(interrupts=True)
USER = Start(interrupts=True, user=True)
GP_HANDLER = 0xC011_0000


def test_cli_clears_the_flag() -> None:
    """At CPL 0 CLI clears IF."""
    assert not get_vcpu(step(build("cli"))).flags & IF


@pytest.mark.parametrize(
    "code", ["cli", "sti", "hlt", "rdmsr", "wrmsr", "clts", "sysexit"]
)
def test_privileged_instructions_fault_in_user_code(code: str) -> None:
    """Outside CPL 0, and above IOPL, they raise #GP(0)."""
    for platform in ("native", "software", "hardware"):
        machine = build(platform=platform, start=USER, user=code, gp="nop")
        vcpu = get_vcpu(step(machine))
        assert vcpu.eip == machine.board.gates[13].address, platform
        assert vcpu.stack[-1] == 0, platform


def test_cli_of_a_user_program_with_io_privilege() -> None:
    """CLI passes where CPL <= IOPL."""
    start = Start(interrupts=True, user=True, flags=IOPL)
    assert not get_vcpu(step(build(start=start, user="cli"))).flags & IF


def test_sti_has_a_shadow_only_if_the_flag_was_clear() -> None:
    """STI delays interrupts by one instruction when it sets the flag."""
    assert get_vcpu(step(build("sti", start=OFF))).shadow == STI_SHADOW
    assert get_vcpu(step(build("sti", start=ON))).shadow == NO_SHADOW


def test_the_shadow_of_sti_ends_after_one_instruction() -> None:
    """The instruction after STI is the last one in its shadow."""
    machine = step(build("sti\nnop\nnop", start=OFF, irq0="iretd"))
    machine = machine.replace(irqs=1)
    assert get_due(machine, 0) is None
    due = get_due(step(machine), 0)
    assert due is not None
    assert due.vector == IRQ_BASE


def test_sti_cli_opens_no_window() -> None:
    """STI directly followed by CLI lets no interrupt in."""
    machine = build("sti\ncli", start=OFF, irq0="iretd").replace(irqs=1)
    for _ in range(2):
        assert get_due(machine, 0) is None
        machine = step(machine)
    assert get_due(machine, 0) is None


def test_hlt_goes_on_after_itself() -> None:
    """HLT leaves EIP at the next instruction when it halts."""
    machine = build("hlt\nnop")
    vcpu = get_vcpu(step(machine))
    assert vcpu.halted
    assert vcpu.eip == get_vcpu(machine).eip + 16


def test_pushf_shows_the_hardware_flag() -> None:
    """On software PUSHF reveals IF as set, whatever the virtual flag is."""
    machine = build("pushf", platform="software", start=OFF)
    assert get_vcpu(step(machine)).stack == (IF | FIXED,)
    assert get_vcpu(step(build("pushf", start=OFF))).stack == (FIXED,)


def test_popf_is_silent_outside_io_privilege() -> None:
    """On software POPF drops a change of IF without a fault."""
    code = "push 0\npopf"
    vcpu = get_vcpu(step(build(code, platform="software"), 2))
    assert vcpu.virtual_if == 1
    assert vcpu.flags & IF
    assert not get_vcpu(step(build(code), 2)).flags & IF


def test_popf_has_no_shadow() -> None:
    """POPF that sets IF does not delay interrupts."""
    vcpu = get_vcpu(step(build("push 0x200\npopf", start=OFF), 2))
    assert vcpu.flags & IF
    assert vcpu.shadow == NO_SHADOW


def test_iret_to_the_kernel() -> None:
    """IRET to the same ring pops three words and unblocks NMIs."""
    code = "push 0x202\npush 0x60\npush offset there\niretd\nthere: nop"
    machine = update(build(code, start=OFF), 0, nmi_blocked=1)
    vcpu = get_vcpu(step(machine, 4))
    assert vcpu.eip == get_vcpu(machine).eip + 4 * 16
    assert vcpu.flags & IF
    assert vcpu.esp == KERNEL_STACK_TOP
    assert not vcpu.nmi_blocked


def test_iret_to_user_code_pops_the_stack_too() -> None:
    """IRET to an outer ring pops ESP and SS."""
    code = (
        f"push 0x7b\npush {USER_STACK_TOP}\npush 0x202\npush 0x73\n"
        "push offset user\niretd"
    )
    vcpu = get_vcpu(step(build(code, user="nop"), 6))
    assert (vcpu.cpl, vcpu.esp, vcpu.ss) == (USER_CPL, USER_STACK_TOP, 0x7B)
    assert vcpu.stack == ()


def test_iret_to_an_inner_ring_faults() -> None:
    """A return to a lower RPL than CPL is #GP with the selector."""
    code = "push 0x202\npush 0x60\npush 0\niretd"
    machine = build(start=USER, user=code, gp="nop")
    vcpu = get_vcpu(step(machine, 4))
    assert vcpu.eip == machine.board.gates[13].address
    assert vcpu.stack[-1] == 0x60


def test_iret_on_software_restores_no_flag() -> None:
    """At CPL 1 IRET changes neither IF nor the virtual flag, in silence."""
    code = "push 0x202\npush 0x61\npush offset there\niretd\nthere: nop"
    machine = build(code, platform="software", start=OFF)
    machine = update(machine, 0, nmi_blocked=1)
    vcpu = get_vcpu(step(machine, 4))
    assert vcpu.virtual_if == 0
    assert vcpu.flags & IF
    assert vcpu.nmi_blocked


def test_int_passes_only_an_open_gate() -> None:
    """INT n from user code needs a gate with DPL 3."""
    machine = build(start=USER, user="int 0x80", int80="nop")
    vcpu = get_vcpu(step(machine))
    assert vcpu.eip == machine.board.gates[0x80].address
    assert vcpu.flags & IF
    machine = build(start=USER, user="int 0x20", irq0="nop", gp="nop")
    vcpu = get_vcpu(step(machine))
    assert vcpu.eip == machine.board.gates[13].address
    assert vcpu.stack[-1] == 0x20 << 3 | 2


def test_int3_into_and_ud2() -> None:
    """They enter their handlers; INTO only with OF set."""
    machine = build("int3", bp="nop")
    assert get_vcpu(step(machine)).eip == machine.board.gates[3].address
    machine = build("into\nnop", of="nop")
    assert get_vcpu(step(machine)).eip == get_vcpu(machine).eip + 16
    machine = update(machine, 0, flags=0x800)
    assert get_vcpu(step(machine)).eip == machine.board.gates[4].address
    machine = build("ud2", ud="nop")
    vcpu = get_vcpu(step(machine))
    assert vcpu.eip == machine.board.gates[6].address
    assert vcpu.stack[-1] == get_vcpu(machine).eip


@pytest.mark.parametrize("platform", ["native", "software", "hardware"])
def test_sysenter_and_sysexit_are_a_pair(platform: str) -> None:
    """SYSENTER enters with interrupts off, SYSEXIT leaves; flags stay."""
    code = "mov edx, offset user\nmov ecx, 0x1000\nsysexit"
    machine = build(code, platform=platform, start=USER, user="sysenter")
    msrs = dict(get_vcpu(machine).msrs) | {0x176: 0xC010_0000}
    machine = update(machine, 0, msrs=tuple(msrs.items()))
    kernel = step(machine)
    vcpu = get_vcpu(kernel)
    assert vcpu.cpl == (1 if platform == "software" else 0)
    assert vcpu.eip == 0xC010_0000
    assert not (vcpu.virtual_if if platform == "software" else vcpu.flags & IF)
    vcpu = get_vcpu(step(kernel, 3))
    assert (vcpu.cpl, vcpu.esp, vcpu.cs, vcpu.ss) == (3, 0x1000, 0x73, 0x7B)


def test_sysenter_without_a_selector_faults() -> None:
    """IA32_SYSENTER_CS of 0 makes it #GP(0)."""
    machine = build(start=USER, user="sysenter", gp="nop")
    machine = update(machine, 0, msrs=((0x174, 0),))
    vcpu = get_vcpu(step(machine))
    assert vcpu.eip == machine.board.gates[13].address


def test_cpuid_reads_the_leaf_in_eax() -> None:
    """CPUID is the raw processor's on native and software, else masked."""
    start = Start(
        cpuid=((1, (1, 2, 3, 0xFF)),),
        cpuid_clear=((1, (0, 0, 0, 0xF0)),),
        registers=(("eax", 1),),
    )
    seen = {
        platform: get_vcpu(
            step(build("cpuid", platform=platform, start=start))
        )
        for platform in ("native", "software", "hardware")
    }
    assert seen["native"].edx == seen["software"].edx == 0xFF
    assert seen["hardware"].edx == 0x0F
    assert seen["native"][:4] == (1, 3, 0xFF, 2)


@pytest.mark.parametrize("platform", ["native", "hardware"])
def test_rdtsc_under_tsd(platform: str) -> None:
    """CR4.TSD keeps RDTSC to CPL 0."""
    start = Start(cr4=4, tsc=0x1_0000_0002)
    vcpu = get_vcpu(step(build("rdtsc", platform=platform, start=start)))
    assert (vcpu.edx, vcpu.eax) == (1, 2)
    start = Start(cr4=4, tsc=7, user=True)
    machine = build(platform=platform, start=start, user="rdtsc", gp="nop")
    vcpu = get_vcpu(step(machine))
    assert vcpu.eip == machine.board.gates[13].address


def test_rdtsc_of_a_user_program_can_be_emulated() -> None:
    """A hypervisor may answer RDTSC itself where the guest made it trap."""
    machine = build(
        platform="software",
        start=Start(cr4=4, tsc=7, user=True),
        policies={"user_rdtsc": "emulate"},
        user="rdtsc",
    )
    vcpu = get_vcpu(step(machine))
    assert (vcpu.eax, vcpu.cpl) == (7, USER_CPL)


def test_rdpmc_outside_ring_0_needs_pce() -> None:
    """RDPMC faults in user code unless CR4.PCE is set."""
    start = Start(user=True, pmcs=(5,))
    machine = build(start=start, user="rdpmc", gp="nop")
    vcpu = get_vcpu(step(machine))
    assert vcpu.eip == machine.board.gates[13].address
    start = Start(user=True, pmcs=(5,), cr4=0x100)
    vcpu = get_vcpu(step(build(start=start, user="rdpmc")))
    assert vcpu.eax == 5


def test_rdpmc_of_a_missing_counter_faults() -> None:
    """A counter that the processor lacks is #GP(0)."""
    machine = build("rdpmc", gp="nop")
    assert get_vcpu(step(machine)).eip == machine.board.gates[13].address


def test_wrmsr_then_rdmsr() -> None:
    """What WRMSR writes, RDMSR reads."""
    code = "wrmsr\nmov eax, 0\nmov edx, 0\nrdmsr"
    registers = (("eax", 1), ("edx", 2), ("ecx", 0x174))
    for platform in ("native", "software", "hardware"):
        machine = build(
            code, platform=platform, start=Start(registers=registers)
        )
        vcpu = get_vcpu(step(machine, 4))
        assert (vcpu.eax, vcpu.edx) == (1, 2)


def test_wrmsr_needs_the_key() -> None:
    """A write without the key faults, with it passes."""
    for key, passes in ((0x9C5A_203A, True), (0, False)):
        start = Start(
            msrs=((0x1234, 0),),
            keys=((0x1234, "edi", 0x9C5A_203A),),
            registers=(("eax", 5), ("ecx", 0x1234), ("edi", key)),
        )
        vcpu = get_vcpu(step(build("wrmsr", start=start, gp="nop")))
        assert (dict(vcpu.msrs)[0x1234] == 5) is passes


def test_mov_to_and_from_control_registers() -> None:
    """MOV CRn works at CPL 0, is carried out by a software hypervisor."""
    code = "mov eax, 4\nmov cr4, eax\nmov ebx, cr4"
    for platform in ("native", "software", "hardware"):
        vcpu = get_vcpu(step(build(code, platform=platform), 3))
        assert (vcpu.cr4, vcpu.ebx) == (4, 4)


def test_reserved_bits_of_cr4_fault() -> None:
    """A reserved bit of CR4 is #GP(0)."""
    machine = build("mov eax, 0x80000000\nmov cr4, eax", gp="nop")
    assert get_vcpu(step(machine, 2)).eip == machine.board.gates[13].address


def test_mov_ss_has_a_shadow_for_nmis_too() -> None:
    """After MOV SS neither interrupts nor NMIs come for one instruction."""
    machine = build("mov eax, 0x68\nmov ss, eax\nnop", nmi="nop")
    machine = step(machine, 2)
    assert get_vcpu(machine).shadow == MOV_SS_SHADOW
    machine = update(machine, 0, nmi_pending=1).replace(irqs=1)
    assert get_due(machine, 0) is None
    assert get_due(step(machine), 0) is not None


def test_mov_ss_with_another_rpl_faults() -> None:
    """On software a selector of RPL 0 no longer fits the ring."""
    code = "mov eax, 0x68\nmov ss, eax"
    machine = build(code, platform="software", gp="nop")
    vcpu = get_vcpu(step(machine, 2))
    assert vcpu.eip == machine.board.gates[13].address
    assert vcpu.stack[-1] == 0x68


def test_segment_registers_reveal_the_ring() -> None:
    """MOV from CS and PUSH SS show RPL 1 under a software hypervisor."""
    vcpu = get_vcpu(
        step(build("mov eax, cs\npush ss", platform="software"), 2)
    )
    assert vcpu.eax == 0x61
    assert vcpu.stack == (0x69,)


def test_pop_seg_loads_a_selector() -> None:
    """POP DS loads it, POP SS has the shadow."""
    vcpu = get_vcpu(step(build("push 0x7b\npop ds"), 2))
    assert vcpu.ds == 0x7B
    vcpu = get_vcpu(step(build("push 0x68\npop ss"), 2))
    assert vcpu.shadow == MOV_SS_SHADOW


def test_clts_clears_ts() -> None:
    """CLTS clears CR0.TS."""
    machine = update(build("clts"), 0, cr0=0x8000_0009)
    assert get_vcpu(step(machine)).cr0 == 0x8000_0001

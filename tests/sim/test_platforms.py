"""What a hypervisor takes over, and what it cannot."""

import pytest

from app.sim.errors import NotModelled
from app.sim.machine import IF, update
from app.sim.platforms import PLATFORMS, WAYS, Platform, build_platform
from app.sim.policies import POLICIES
from app.sim.rom import compute_entry_point
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

MISSING = Start(registers=(("ecx", 0x1234),))
REAL = Start(registers=(("ecx", 0x1234),), msrs=((0x1234, 7),))


def test_platforms_say_what_they_are() -> None:
    """Each has name, title, a paragraph, and values for every policy."""
    for name, platform in PLATFORMS.items():
        assert platform.name == name
        assert platform.title
        assert len(platform.text) > 100
        assert platform.policies.keys() == POLICIES.keys()


def test_consulted_policies_are_noted() -> None:
    """Only what was asked for is relevant."""
    host = build_platform("software", {})
    assert host.consulted == set()
    assert host.choose("nmi") == "not-delivered"
    assert host.consulted == {"nmi"}
    assert not PLATFORMS["software"].consulted


def test_rings_and_flags_at_the_start() -> None:
    """A software hypervisor runs the kernel at CPL 1, IF always on."""
    off = Start(interrupts=False)
    vcpu = get_vcpu(build(platform="software", start=off))
    assert (vcpu.cpl, vcpu.cs, vcpu.virtual_if) == (1, 0x61, 0)
    assert vcpu.flags & IF
    for platform in ("native", "hardware"):
        vcpu = get_vcpu(build(platform=platform, start=off))
        assert (vcpu.cpl, vcpu.cs, vcpu.flags & IF) == (0, 0x60, 0)


def test_trapped_cli_and_sti_change_the_virtual_flag() -> None:
    """They fault at CPL 1 and the hypervisor carries them out."""
    machine = step(build("cli\nsti", platform="software"))
    vcpu = get_vcpu(machine)
    assert (vcpu.virtual_if, vcpu.cpl, vcpu.flags & IF) == (0, 1, IF)
    vcpu = get_vcpu(step(machine))
    assert vcpu.virtual_if == 1
    assert vcpu.shadow


def test_trapped_hlt_halts_the_guest() -> None:
    """A bare HLT halts under the virtual flag as it is."""
    machine = build("hlt", platform="software", start=Start(interrupts=False))
    vcpu = get_vcpu(step(machine))
    assert (vcpu.halted, vcpu.virtual_if) == (1, 0)


@pytest.mark.parametrize("platform", ["software", "hardware"])
@pytest.mark.parametrize(
    ("policy", "value"), [("zero", 0), ("pass-through", 7)]
)
def test_trapped_rdmsr(platform: str, policy: str, value: int) -> None:
    """By policy a missing register reads 0 or the processor's own."""
    machine = build(
        "rdmsr",
        platform=platform,
        start=REAL,
        policies={"trapped_msr": policy},
    )
    assert get_vcpu(step(machine)).eax == value


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("code", ["rdmsr", "wrmsr"])
def test_a_missing_msr_faults(platform: str, code: str) -> None:
    """RDMSR and WRMSR themselves give #GP(0), as rdmsr_safe expects."""
    machine = build(code, platform=platform, start=MISSING, gp="nop")
    vcpu = get_vcpu(step(machine))
    assert vcpu.eip == machine.board.gates[13].address
    assert vcpu.stack[-2:] == (get_vcpu(machine).eip, 0)


@pytest.mark.parametrize(("policy", "value"), [("zero", 7), ("fault", 7)])
def test_trapped_wrmsr_that_does_not_pass(policy: str, value: int) -> None:
    """The processor's register keeps its value."""
    machine = build(
        "wrmsr",
        platform="software",
        start=REAL,
        policies={"trapped_msr": policy},
        gp="nop",
    )
    assert dict(get_vcpu(step(machine)).msrs)[0x1234] == value


def test_a_fault_inside_a_call_points_at_the_call() -> None:
    """The frame's EIP is that of the call, the whole step undone."""
    machine = build(
        "call VMI_RDMSR",
        platform="software",
        start=MISSING,
        policies={"unimplemented_msr": "fault"},
        gp="nop",
    )
    vcpu = get_vcpu(step(machine))
    assert vcpu.stack[-2:] == (get_vcpu(machine).eip, 0)
    assert vcpu.ecx == 0x1234


def test_calls_are_left_native_on_hardware() -> None:
    """By policy the native instruction stands there, or a jump to ROM."""
    code = "call VMI_EnableInterrupts"
    off = Start(interrupts=False)
    vcpu = get_vcpu(step(build(code, platform="hardware", start=off)))
    assert vcpu.shadow
    machine = build(
        code,
        platform="hardware",
        start=off,
        policies={"translation": "rom"},
    )
    vcpu = get_vcpu(step(machine))
    assert not vcpu.shadow
    assert vcpu.flags & IF


@pytest.mark.parametrize("platform", ["software", "hardware"])
def test_a_jump_into_the_rom_makes_the_call(platform: str) -> None:
    """Call n lies at ROM base + 32 * n and returns to its caller."""
    entry = compute_entry_point(36)
    machine = build(f"mov eax, {entry}\ncall eax\nnop", platform=platform)
    inside = step(machine, 2)
    assert get_vcpu(inside).eip == entry
    after = step(inside)
    vcpu = get_vcpu(after)
    assert vcpu.eip == get_vcpu(machine).eip + 32
    assert not (vcpu.virtual_if if platform == "software" else vcpu.flags & IF)
    assert vcpu.stack == ()


@pytest.mark.parametrize(
    ("code", "platform", "words"),
    [
        ("call VMI_SetAlarm", "native", "VMI_SetAlarm without a hypervisor"),
        ("nop", "native", "outside the listings"),
        (f"mov eax, {compute_entry_point(99)}\ncall eax", "software", "99"),
        (f"mov eax, {compute_entry_point(35)}\ncall eax", "native", "outside"),
    ],
)
def test_what_is_not_modelled_says_so(
    code: str, platform: str, words: str
) -> None:
    """A gap of ours names what is missing."""
    machine = build(code, platform=platform)
    with pytest.raises(NotModelled, match=words):
        step(machine, 3)


def test_a_call_from_user_code_is_not_modelled() -> None:
    """The interface is the kernel's."""
    machine = build(
        platform="software",
        start=Start(user=True),
        user="call VMI_EnableInterrupts",
    )
    with pytest.raises(NotModelled, match="from user code"):
        step(machine)


def test_a_step_ends_the_shadow_of_the_one_before() -> None:
    """Also when it faults."""
    machine = update(build("ud2", ud="nop"), 0, shadow=1)
    assert not get_vcpu(step(machine)).shadow


@pytest.mark.parametrize(
    ("code", "platform", "policies", "way"),
    [
        ("nop", "software", {}, "instruction"),
        ("cpuid", "software", {}, "instruction"),
        ("cpuid", "hardware", {}, "trap"),
        ("rdtsc", "hardware", {}, "instruction"),
        ("rdtsc", "hardware", {"tsc": "trap"}, "trap"),
        ("rdtsc", "software", {"tsc": "trap"}, "trap"),
        ("cli", "native", {}, "instruction"),
        ("cli", "software", {}, "trap"),
        ("cli", "hardware", {}, "instruction"),
        ("call VMI_DisableInterrupts", "software", {}, "rom"),
        ("call VMI_Halt", "software", {}, "hypercall"),
        ("call VMI_Halt", "hardware", {}, "instruction"),
        ("call VMI_Halt", "hardware", {"translation": "rom"}, "hypercall"),
        ("call VMI_Init", "native", {}, "rom"),
        ("ud2", "native", {}, "delivery"),
    ],
)
def test_the_way_in_which_a_step_is_carried_out(
    code: str, platform: str, policies: dict[str, str], way: str
) -> None:
    """Executed, trapped, in the ROM, by the hypervisor, or delivered."""
    machine = build(code, platform=platform, policies=policies, ud="nop")
    host = machine.board.host
    assert isinstance(host, Platform)
    assert host.step(machine, 0).way == way
    assert way in WAYS


@pytest.mark.parametrize("code", ["cli", "mov eax, cr0", "hlt", "cpuid"])
def test_a_translator_sees_every_sensitive_instruction(code: str) -> None:
    """Nothing of the guest runs as it stands, so nothing slips through."""
    machine = build(code, platform="translator")
    host = machine.board.host
    assert isinstance(host, Platform)
    assert host.step(machine, 0).way == "trap"


def test_instructions_of_appendix_c_work_under_a_translator() -> None:
    """POPF sets the interrupt flag, PUSHF shows it, as at CPL 0."""
    code = "push 0\npopf\npushf\npop eax"
    vcpu = get_vcpu(step(build(code, platform="translator"), 4))
    assert (vcpu.cpl, vcpu.flags & IF, vcpu.eax & IF) == (0, 0, 0)
    vcpu = get_vcpu(step(build(code, platform="software"), 4))
    assert (vcpu.cpl, vcpu.flags & IF, vcpu.eax & IF) == (1, IF, IF)


def test_a_translator_masks_cpuid_for_user_code_too() -> None:
    """As VMX/SVM do, and a software hypervisor cannot."""
    start = Start(
        user=True, cpuid=((0, (7, 0, 0, 0)),), cpuid_clear=((0, (2, 0, 0, 0)),)
    )
    shown = {
        platform: get_vcpu(
            step(build(platform=platform, start=start, user="cpuid"))
        ).eax
        for platform in PLATFORMS
    }
    assert shown == {
        "native": 7,
        "software": 7,
        "hardware": 5,
        "translator": 5,
    }

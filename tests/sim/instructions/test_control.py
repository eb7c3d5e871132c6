"""Control registers, debug registers and caches."""

import pytest

from app.sim.errors import NotModelled
from app.sim.machine import update
from app.sim.start import Start
from tests.sim.guest import build, get_vcpu, step

PLATFORMS = ("native", "software", "hardware", "translator")
CR0 = 0x8005_003B
USER = Start(interrupts=True, user=True)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_mov_cr0_writes_what_is_defined(platform: str) -> None:
    """Reserved bits are ignored and ET stays: SDM vol. 3A, 2.5."""
    code = "mov eax, 0x800100C1\nmov cr0, eax\nmov ebx, cr0"
    vcpu = get_vcpu(step(build(code, platform=platform), 3))
    assert vcpu.ebx == 0x8001_0011


@pytest.mark.parametrize("value", [0x8000_0000, 0xA000_0001])
def test_mov_cr0__refused(value: int) -> None:
    """Paging without protection, NW without CD: #GP(0)."""
    machine = build(f"mov eax, {value}\nmov cr0, eax", gp="nop")
    vcpu = get_vcpu(step(machine, 2))
    assert vcpu.eip == machine.board.gates[13].address
    assert vcpu.cr0 == CR0


def test_real_mode_is_not_modelled() -> None:
    """It is said."""
    with pytest.raises(NotModelled, match="real mode"):
        step(build("mov eax, 0\nmov cr0, eax"), 2)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_lmsw_writes_four_bits_and_keeps_protection(platform: str) -> None:
    """SDM vol. 2A, LMSW."""
    machine = build("mov eax, 0xFFFC\nlmsw ax", platform=platform)
    assert get_vcpu(step(machine, 2)).cr0 == CR0 & ~0xE | 0xC


def test_smsw_reveals_the_register_of_the_processor() -> None:
    """The companion of appendix C: it never traps."""
    for platform in PLATFORMS:
        machine = update(build("smsw eax", platform=platform), 0, cr0=0x11)
        expected = 0x8001_0031 if platform == "software" else 0x11
        assert get_vcpu(step(machine)).eax == expected, platform


def test_smsw_to_memory_stores_a_word() -> None:
    """The other half of the word in memory stays."""
    machine = build("smsw word ptr [work]", data={"work": 0x5555_5555})
    assert step(machine).data[0] == 0x5555_003B


@pytest.mark.parametrize("platform", PLATFORMS)
def test_mov_dr_there_and_back(platform: str) -> None:
    """DR4 and DR5 are aliases of DR6 and DR7."""
    code = "mov dr2, eax\nmov ebx, dr2\nmov ecx, dr5\nmov esi, dr7"
    machine = update(build(code, platform=platform), 0, eax=0x1234)
    vcpu = get_vcpu(step(machine, 4))
    assert (vcpu.ebx, vcpu.ecx, vcpu.esi) == (0x1234, 0x400, 0x400)


def test_debugging_extensions_make_the_aliases_invalid() -> None:
    """SDM vol. 3B, 17.2.2: CR4.DE makes DR4 and DR5 #UD."""
    machine = build("mov eax, dr4", start=Start(cr4=8), ud="nop")
    vcpu = get_vcpu(step(machine))
    assert vcpu.eip == machine.board.gates[6].address


@pytest.mark.parametrize(
    "code",
    ["mov eax, cr0", "mov dr0, eax", "clts", "lmsw ax", "invd", "wbinvd"],
)
def test_control_is_privileged(code: str) -> None:
    """User code gets #GP(0) on each platform."""
    for platform in PLATFORMS:
        machine = build(platform=platform, start=USER, user=code, gp="nop")
        vcpu = get_vcpu(step(machine))
        assert vcpu.eip == machine.board.gates[13].address
        assert vcpu.stack[-1] == 0


@pytest.mark.parametrize("code", ["invd", "wbinvd"])
def test_caches_are_not_modelled(code: str) -> None:
    """Nothing but EIP changes."""
    for platform in PLATFORMS:
        machine = build(f"{code}\nnop", platform=platform)
        expected = update(machine, 0, eip=get_vcpu(machine).eip + 16)
        assert step(machine) == expected

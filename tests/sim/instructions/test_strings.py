"""String instructions: one element, repetition, and where they may stop."""

import pytest

from app.sim.layout import DATA_BASE, KERNEL_BASE
from app.sim.machine import CF, DF, ZF, Machine, get_register
from app.sim.start import Start
from tests.sim.guest import ask, build, get_answers, get_vcpu, step

WORDS = {"first": 0x44332211, "second": 0x88776655, "third": 0}


def run(
    code: str, *, times: int = 1, flags: int = 0, **registers: int
) -> Machine:
    """Run code on a native machine with three data words."""
    start = Start(registers=tuple(registers.items()), flags=flags)
    return step(build(f"{code}\nnop", start=start, data=WORDS), times)


@pytest.mark.parametrize(("letter", "size"), [("b", 1), ("w", 2), ("d", 4)])
@pytest.mark.parametrize("flags", [0, DF])
def test_movs(letter: str, size: int, flags: int) -> None:
    """SDM vol. 2B, MOVS: copies, and moves both on, down if DF is set."""
    machine = run(
        f"movs{letter}", flags=flags, esi=DATA_BASE, edi=DATA_BASE + 8
    )
    assert machine.data[2] == 0x44332211 & ((1 << 8 * size) - 1)
    way = -size if flags else size
    assert get_vcpu(machine).esi == DATA_BASE + way
    assert get_vcpu(machine).edi == DATA_BASE + 8 + way


def test_stos_and_lods() -> None:
    """SDM vol. 2B, STOS and vol. 2A, LODS: to and from the accumulator."""
    machine = run("stosw", eax=0xAAAABBBB, edi=DATA_BASE + 9)
    assert machine.data[2] == 0xBBBB00
    machine = run("lodsb", eax=0xAAAABBBB, esi=DATA_BASE + 7)
    assert get_vcpu(machine).eax == 0xAAAABB88
    assert get_vcpu(machine).esi == DATA_BASE + 8


def test_cmps_compares_what_esi_points_at_with_the_other() -> None:
    """SDM vol. 2A, CMPS: flags of [ESI] - [EDI]."""
    machine = run("cmpsd", esi=DATA_BASE, edi=DATA_BASE + 4)
    assert get_vcpu(machine).flags & (CF | ZF) == CF
    machine = run("cmpsd", esi=DATA_BASE + 4, edi=DATA_BASE)
    assert get_vcpu(machine).flags & (CF | ZF) == 0


def test_scas_compares_the_accumulator() -> None:
    """SDM vol. 2B, SCAS: flags of the accumulator - [EDI]."""
    machine = run("scasb", eax=0x11, edi=DATA_BASE)
    assert get_vcpu(machine).flags & (CF | ZF) == ZF


def test_xlat() -> None:
    """SDM vol. 2D, XLAT: AL is an unsigned place in the table at EBX."""
    machine = run("xlat", eax=0xFFFFFF05, ebx=DATA_BASE)
    assert get_vcpu(machine).eax == 0xFFFFFF66


def test_the_direction_flag_is_set_and_cleared() -> None:
    """SDM vol. 2A, CLD and vol. 2B, STD: no other flag changes."""
    before = get_vcpu(run("nop")).flags
    assert get_vcpu(run("std")).flags == before | DF
    assert get_vcpu(run("cld", flags=DF)).flags == before


def test_each_repetition_is_a_step() -> None:
    """SDM vol. 2B, REP: EIP stays at the instruction until the last one."""
    start = {"eax": 0xAB, "ecx": 2, "edi": DATA_BASE + 8}
    once = run("rep stosb", **start)
    assert (get_vcpu(once).eip, get_vcpu(once).ecx) == (KERNEL_BASE, 1)
    twice = run("rep stosb", times=2, **start)
    assert get_vcpu(twice).eip == KERNEL_BASE + 16
    assert (get_vcpu(twice).ecx, twice.data[2]) == (0, 0xABAB)


def test_a_count_of_0_repeats_nothing() -> None:
    """SDM vol. 2B, REP: the count is looked at first; no flag changes."""
    for code in ("rep movsd", "repe cmpsb", "repne scasb"):
        machine = run(code, ecx=0, flags=CF)
        assert get_vcpu(machine).eip == KERNEL_BASE + 16
        assert get_register(machine, 0, "esi") == 0
        assert get_vcpu(machine).flags & CF


@pytest.mark.parametrize(
    ("code", "found", "left"),
    [("repne scasb", 0x33, 5), ("repne scasb", 0x99, 0), ("repe scasb", 0, 7)],
)
def test_a_search_stops_where_it_finds(
    code: str, found: int, left: int
) -> None:
    """SDM vol. 2B, REP: ZF ends it after the comparison is counted."""
    machine = run(
        f"{code}\nend: jmp end", times=9, eax=found, ecx=8, edi=DATA_BASE
    )
    assert get_vcpu(machine).ecx == left
    assert get_vcpu(machine).edi == DATA_BASE + 8 - left


def test_an_interrupt_comes_between_repetitions() -> None:
    """SDM vol. 2B, REP: the handler sees how far the copy has come, and the
    copy goes on after it.
    """  # noqa: D205 - one sentence
    report = ask(
        "mov ecx, 2\nmov eax, 7\nmov edi, offset first\ncld\n"
        "rep stosd\ndone: jmp done",
        {
            "between": "half == 1",
            "ends": "end: at done and first == 7 and second == 7",
        },
        irq0="push eax\nmov eax, [second]\ncmp eax, [first]\n"
        "setne byte ptr [half]\npop eax\niretd",
        rest="[data]\nfirst = 0\nsecond = 0\nhalf = 0\n[events]\nirq0 = 1\n"
        "[platforms]\nnative = {}",
    )
    assert get_answers(report, "between") == {"native": "sometimes"}
    assert get_answers(report, "ends") == {"native": "always"}

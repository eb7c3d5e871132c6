"""QEMU and the simulator agree on how interrupts and faults are taken.

Each case says what the manual says (SDM, by volume and chapter); QEMU has to
observe just that, and the simulator on `native` has to find that what QEMU
observed happens always, or may happen where a timer is free to choose. Not
asked here, for QEMU is wrong there or hangs: unimplemented MSRs (SDM vol. 2B,
RDMSR: #GP), RDPMC (vol. 2B, RDPMC: #GP outside CPL 0 unless CR4.PCE), segment
limits (vol. 3A, 5.3: #GP), reserved bits of CR4 (vol. 2B, MOV CRn: #GP).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from app.sim.page_tables import USER_PAGES_BASE
from app.sim.paging import PAGE
from tests.oracles.fault_rules import FAULT_RULES, KNOWN_WRONG
from tests.oracles.qemu import Case, observe, sample
from tests.oracles.questions import Question, ask
from tests.oracles.rules import RULES, kernel

pytestmark = pytest.mark.oracle

SAMPLES = 300
ROUNDS = 8
"""How often a busy machine may miss a place that can be interrupted."""
CASES = {**RULES, **FAULT_RULES}


def _build_question(case: Case) -> Question:
    """Put a case the way the simulator takes it."""
    code = {"kernel": f"{case.kernel}finish: jmp finish\n"}
    code |= {"user": case.user} if case.user else {}
    pending = f'["{case.pending}"]' if case.pending else "[]"
    return Question(
        code=code | dict(case.handlers),
        words=dict.fromkeys(case.words, 0),
        start={
            "mode": '"user"' if case.enters_user else '"kernel"',
            "interrupts": str(case.interrupts).lower(),
            "pending": pending,
        },
        pages={
            name: {"linear": USER_PAGES_BASE + PAGE * number, **rights}
            for number, (name, rights) in enumerate(case.pages.items())
        },
        events=(
            {case.timer: "{ budget = 1, must = true }"} if case.timer else {}
        ),
    )


def _describe(words: Mapping[str, int]) -> str:
    """Write an observation as an outcome."""
    return " and ".join(f"{name} == {value}" for name, value in words.items())


@pytest.mark.parametrize("name", CASES)
def test_qemu_observes_what_the_simulator_says(
    name: str, tmp_path: Path
) -> None:
    rule = CASES[name]
    observed = observe(tmp_path, rule.case)
    assert observed == rule.expected
    outcome = f"at finish and {_describe(observed)}"
    answers = ask(_build_question(rule.case), {"observed": outcome})
    # When the timer's interrupt arrives is free, so QEMU shows one way of it.
    expected = "sometimes" if rule.case.timer else "always"
    assert answers == {"observed": expected}


@pytest.mark.parametrize("clause", KNOWN_WRONG)
def test_where_qemu_is_wrong(clause: str, tmp_path: Path) -> None:
    """The simulator says what the manual says; QEMU does not, yet."""
    rule = KNOWN_WRONG[clause]
    assert observe(tmp_path, rule.case) != rule.expected, f"stale: {clause}"
    outcome = f"at finish and {_describe(rule.expected)}"
    answers = ask(_build_question(rule.case), {"manual": outcome})
    assert answers == {"manual": "always"}


def test_no_interrupt_comes_between_mov_ss_and_the_next(
    tmp_path: Path,
) -> None:
    """SDM vol. 3A, 6.8.3: MOV SS holds interrupts off for one instruction."""
    loop = Case(
        kernel="""
        mov eax, ss
again:  mov ss, eax
        nop
        nop
        jmp again
""",
        timer="irq0",
        interrupts=True,
    )
    expected = {kernel(1), kernel(3), kernel(4)}
    observed: set[int] = set()
    for _ in range(ROUNDS):
        observed |= sample(tmp_path, loop, SAMPLES)
        if observed >= expected:
            break
    reachable = ask(
        Question(
            code={
                "kernel": loop.kernel,
                "irq0": """
        pop dword ptr [saved]
        jmp again
""",
            },
            words={"saved": 0},
            events={"irq0": "1"},
        ),
        {f"at-{number}": f"saved == {kernel(number)}" for number in range(5)},
    )
    assert observed - {kernel(0)} == expected
    assert reachable == {
        "at-0": "sometimes",
        "at-1": "sometimes",
        "at-2": "never",
        "at-3": "sometimes",
        "at-4": "sometimes",
    }


def test_no_nmi_comes_into_the_handler_of_another(tmp_path: Path) -> None:
    """SDM vol. 3A, 6.7.1: a second NMI waits for the IRET of the first."""
    case = Case(
        kernel="""
        nop
again:  cmp dword ptr [count], 2
        jne again
        jmp finish
""",
        handlers={
            "nmi": """
        inc dword ptr [count]
        inc dword ptr [depth]
        mov eax, dword ptr [depth]
        cmp eax, dword ptr [deepest]
        jbe leave
        mov dword ptr [deepest], eax
leave:  dec dword ptr [depth]
        iretd
"""
        },
        words=("count", "depth", "deepest"),
        pending="nmi",
        nmi_again=True,
    )
    observed = observe(tmp_path, case)
    assert observed == {"count": 2, "depth": 0, "deepest": 1}
    question = _build_question(case)
    outcomes = {
        "observed": f"at finish and {_describe(observed)}",
        "nested": "deepest > 1",
    }
    raised = replace(question, events={"nmi": "2"})
    assert ask(raised, outcomes) == {
        "observed": "sometimes",
        "nested": "never",
    }

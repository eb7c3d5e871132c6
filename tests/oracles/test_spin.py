"""Spin and the simulator agree on the flagship litmus, the idle loop.

The model in Promela was written from the architecture manual. The same
states are asked for in both; and on bare hardware the simulator's states,
seen with the model's eyes, are as many as Spin's.
"""

import time
from pathlib import Path
from typing import NamedTuple

import pytest

from app.sim import Limits, parse_scenario
from app.sim.explore import build_initial
from app.sim.machine import IF, ZF, Machine
from app.sim.platforms import build_platform
from app.sim.search import Search
from bench.spin import PROGRAMS, Variant, ask
from tests.oracles import questions
from tests.oracles.binutils import require_program

pytestmark = pytest.mark.oracle

INTERRUPTS = 3

QUESTIONS = {
    "sleeps-with-work": (
        "halted && work > 0 && !pending",
        "halted and work > 0 and not pending",
    ),
    "sleeps": ("halted && !pending", "halted and not pending"),
    "comes-back-to-halt": (
        "pc == HALT && work > 0",
        "at sleep and work > 0",
    ),
    "all-work": ("work == INTERRUPTS", f"work == {INTERRUPTS}"),
    "too-much-work": ("work > INTERRUPTS", f"work > {INTERRUPTS}"),
    "busy-and-open": ("pc == BUSY && interrupts", "at busy and if"),
    "open-handler": ("pc == HANDLER && interrupts", "at handler and if"),
}
"""The same state, in Promela and in the language of outcomes."""

INSTRUCTIONS = {
    "close": "cli",
    "open": "sti",
    "sleep": "sti\nsleep: hlt",
    "return": "iretd",
}
CALLS = {
    "close": "call VMI_DisableInterrupts",
    "open": "call VMI_EnableInterrupts",
    "sleep": "call VMI_EnableInterrupts\nsleep: hlt",
    "return": "call VMI_IRET",
}
SAFE_CALLS = {**CALLS, "sleep": "sleep: call VMI_Halt"}


class Comparison(NamedTuple):
    """An idle loop on a platform, and the model of it."""

    idiom: dict[str, str]
    platform: str
    policies: dict[str, str]
    variant: Variant


SHADOW = Variant(INTERRUPTS)
NO_SHADOW = Variant(INTERRUPTS, shadow=False)
ONE_STEP = Variant(INTERRUPTS, shadow=False, safe_halt=True)

COMPARISONS = {
    "native, STI; HLT": Comparison(INSTRUCTIONS, "native", {}, SHADOW),
    "native, calls in place": Comparison(CALLS, "native", {}, SHADOW),
    "hardware, STI; HLT": Comparison(INSTRUCTIONS, "hardware", {}, SHADOW),
    "hardware, calls in place": Comparison(CALLS, "hardware", {}, SHADOW),
    "hardware, calls to the ROM": Comparison(
        CALLS, "hardware", {"translation": "rom"}, NO_SHADOW
    ),
    "software, calls": Comparison(CALLS, "software", {}, NO_SHADOW),
    "software, VMI_Halt": Comparison(SAFE_CALLS, "software", {}, ONE_STEP),
}


@pytest.fixture(autouse=True)
def _need_spin() -> None:
    for program, package in PROGRAMS:
        require_program(program, package)


@pytest.fixture(scope="module")
def verdicts() -> dict[tuple[Variant, str], bool]:
    """Keep what Spin has answered: each question costs it a second."""
    return {}


def _write(idiom: dict[str, str], interrupts: int) -> questions.Question:
    """Write the idle loop in one idiom."""
    return questions.Question(
        code={
            "kernel": f"""
idle:   {idiom["close"]}
        cmp dword ptr [work], 0
        jne busy
        {idiom["sleep"]}
        jmp idle
busy:   dec dword ptr [work]
        {idiom["open"]}
        jmp idle
""",
            "irq0": f"""
handler:
        inc dword ptr [work]
        {idiom["return"]}
""",
        },
        words={"work": 0},
        events={"irq0": str(interrupts)},
    )


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_same_states_are_reachable(
    name: str, tmp_path: Path, verdicts: dict[tuple[Variant, str], bool]
) -> None:
    comparison = COMPARISONS[name]
    variant = comparison.variant
    for promela, _ in QUESTIONS.values():
        if (variant, promela) not in verdicts:
            verdict = ask(tmp_path, variant, promela)
            verdicts[variant, promela] = verdict.reachable
    answers = questions.ask(
        _write(comparison.idiom, INTERRUPTS),
        {name: outcome for name, (_, outcome) in QUESTIONS.items()},
        platform=comparison.platform,
        policies=comparison.policies,
    )
    assert {name: said != "never" for name, said in answers.items()} == {
        name: verdicts[variant, promela]
        for name, (promela, _) in QUESTIONS.items()
    }


def _project(machine: Machine, budget: int) -> tuple[object, ...]:
    """See a state of the simulator as the model does: only ZF of the flags."""
    vcpu = machine.vcpus[0]
    frame: tuple[int, ...] = ()
    if vcpu.stack:
        flags, _, eip = vcpu.stack
        frame = (eip, flags & ZF)
    return (
        *(vcpu.eip, vcpu.flags & IF, vcpu.flags & ZF, vcpu.shadow),
        *(vcpu.halted, machine.irqs, machine.data, frame, budget),
    )


@pytest.mark.parametrize("interrupts", [1, 7, 20])
def test_there_are_as_many_states(interrupts: int, tmp_path: Path) -> None:
    verdict = ask(tmp_path, Variant(interrupts), every_state=True)
    question = _write(INSTRUCTIONS, interrupts)
    text = questions.write(question, {"work": "work > 0"}, "reached")
    scenario = parse_scenario(text, slug="oracle")
    host = build_platform("native", {})
    machines = build_initial(scenario, scenario.start, host)
    search = Search(host, machines, scenario.events)
    search.run(Limits(), time.monotonic() + questions.LIMITS.seconds, None)
    assert search.limit is None
    states = {
        _project(search.machines[key // search.budgets], key % search.budgets)
        for key in search.keys
    }
    assert len(states) == verdict.states

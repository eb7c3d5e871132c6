"""Folding: what the outcome may depend on stays."""

from typing import Any

import pytest

from app.services.folding import find_essential
from app.services.witnesses import Step, read_steps
from app.sim import Scenario, explore, parse_scenario

TEXT = """\
question = "?"
[code]
kernel = '''
begin:
{code}
stop:   jmp     stop
'''
[data]
work = 0
other = 0
done = 0
[outcomes]
done = {{ is = "{outcome}", text = "it is done" }}
"""


def fold(code: str, outcome: str = "done == 1") -> list[str]:
    """Return the texts of the steps that stay."""
    scenario = parse_scenario(
        TEXT.format(code=code, outcome=outcome), slug="fold"
    )
    steps = get_steps(scenario)
    kept = find_essential(steps, scenario, "done")
    return [step.text for step in steps if step.number in kept]


def get_steps(scenario: Scenario) -> tuple[Step, ...]:
    """Return the witness of the only outcome on native hardware."""
    report: dict[str, Any] = explore(scenario, platforms=["native"]).to_dict()
    answer = report["platforms"][0]["answers"]["done"]
    return read_steps(answer["witness"])


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        # a word that nobody asks for
        (
            "mov dword ptr [other], 1\nmov dword ptr [done], 1",
            ["mov dword ptr [done], 1"],
        ),
        # a register that the outcome comes from, and one that it does not
        (
            "mov eax, 1\nmov ecx, 2\nmov dword ptr [done], eax",
            ["mov eax, 1", "mov dword ptr [done], eax"],
        ),
        # a part of the register counts as the whole
        (
            "mov al, 1\nnop\nmov dword ptr [done], eax",
            ["mov al, 1", "mov dword ptr [done], eax"],
        ),
        # what decides a branch stays, with the branch
        (
            (
                "mov ecx, 1\nmov edx, 5\ncmp ecx, 1\njne begin\n"
                "mov dword ptr [done], 1"
            ),
            [
                "mov ecx, 1",
                "cmp ecx, 1",
                "jne begin",
                "mov dword ptr [done], 1",
            ],
        ),
        # a word by way of the stack
        (
            "mov eax, 1\npush eax\npop edx\nmov dword ptr [done], edx",
            [
                "mov eax, 1",
                "push eax",
                "pop edx",
                "mov dword ptr [done], edx",
            ],
        ),
        # a word by way of an address
        (
            (
                "mov eax, offset other\nmov dword ptr [other], 1\n"
                "mov edx, dword ptr [eax]\nmov dword ptr [done], edx"
            ),
            [
                "mov eax, offset other",
                "mov dword ptr [other], 1",
                "mov edx, dword ptr [eax]",
                "mov dword ptr [done], edx",
            ],
        ),
        # a jump that decides nothing
        (
            "jmp next\nnext: mov dword ptr [done], 1",
            ["mov dword ptr [done], 1"],
        ),
        # system instructions stay
        (
            "cli\nmov dword ptr [done], 1",
            ["cli", "mov dword ptr [done], 1"],
        ),
    ],
)
def test_a_step_stays_if_the_outcome_may_depend_on_it(
    code: str, kept: list[str]
) -> None:
    assert fold(code) == kept


def test_the_last_step_stays_whatever_it_is() -> None:
    assert fold("nop\nnop", "at stop") == ["nop"]


def test_events_and_calls_stay() -> None:
    """An arrival, a delivery and a call are what a reader looks for."""
    steps: list[dict[str, Any]] = [
        {
            "cpu": 0,
            "at": "begin",
            "text": text,
            "clause": "",
            "kind": kind,
            "lane": "kernel",
            "way": way,
            "line": None,
            "changes": {},
        }
        for text, kind, way in (
            ("arrival of irq0", "arrival", "arrival"),
            ("nop", "step", "instruction"),
            ("delivery of irq0", "delivery", "delivery"),
            ("call VMI_Halt", "step", "hypercall"),
            ("(9 transitions)", "step", ""),
            ("nop", "step", "instruction"),
        )
    ]
    scenario = parse_scenario(
        TEXT.format(code="nop", outcome="done == 1"), slug="fold"
    )
    kept = find_essential(read_steps(steps), scenario, "done")
    assert kept == {1, 3, 4, 5, 6}


def test_a_register_belongs_to_its_processor() -> None:
    """What processor 1 does to its own register does not touch that of 0."""
    steps = read_steps(
        [
            {
                "cpu": cpu,
                "at": "begin",
                "text": text,
                "clause": "",
                "kind": "step",
                "lane": "kernel",
                "way": "instruction",
                "line": None,
                "changes": changes,
            }
            for cpu, text, changes in (
                (0, "mov eax, 1", {"eax": [0, 1]}),
                (1, "mov eax, 2", {"cpu1.eax": [0, 2]}),
                (0, "mov dword ptr [done], eax", {"done": [0, 1]}),
            )
        ]
    )
    scenario = parse_scenario(
        TEXT.format(code="nop", outcome="done == 1"), slug="fold"
    )
    assert find_essential(steps, scenario, "done") == {1, 3}

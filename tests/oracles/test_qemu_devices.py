"""QEMU and the simulator agree on real devices: 8259A, 8254, UART, APIC.

The guest sets the devices up through their ports and registers, and notes
what it reads there and which handlers ran in which order. QEMU has to observe
just what the manuals say, and the simulator has to find that it happens. When
a timer expires is free in the simulator, so a case with a timer is one way of
several.
"""

from pathlib import Path

import pytest

from tests.oracles.device_rules import RULES, build_case
from tests.oracles.qemu import observe
from tests.oracles.questions import Question, ask

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("name", RULES)
def test_qemu_observes_what_the_simulator_says(
    name: str, tmp_path: Path
) -> None:
    """Words that the guest leaves behind are the same on both."""
    rule = RULES[name]
    case = build_case(rule)
    observed = observe(tmp_path, case)
    assert {word: observed[word] for word in rule.expected} == rule.expected
    code = {"kernel": f"{rule.kernel}finish: jmp finish\n"}
    code |= {"user": rule.user} if rule.user else {}
    answers = ask(
        Question(
            code=code | dict(rule.handlers),
            words=dict.fromkeys(case.words, 0),
            start={"interrupts": "false", "devices": "true", "apic": "true"},
            events={"timer": str(rule.expiries)} if rule.expiries else {},
        ),
        {
            "observed": "at finish and "
            + " and ".join(f"{n} == {v}" for n, v in rule.expected.items())
        },
    )
    expected = "sometimes" if rule.expiries else "always"
    assert answers == {"observed": expected}

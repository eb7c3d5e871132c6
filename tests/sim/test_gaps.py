"""The words that the RFC lacks: declared once, asked for, never guessed."""

import ast
from pathlib import Path

import pytest

from app import sim
from app.sim import CALLS
from app.sim.errors import Unspecified
from app.sim.gaps import GAPS, UNSPECIFIED, Gap, choose_or_raise
from app.sim.policies import POLICIES
from app.sim.rom import NUMBERS
from tests.sim.guest import build

SIM = Path(sim.__file__).parent


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
def test_a_gap_is_complete(gap: Gap) -> None:
    """It has a clause, a case, sentences, and names calls that there are."""
    assert gap.section.startswith("RFC ")
    assert gap.text.endswith(".")
    assert not gap.case.endswith(".")
    assert len(gap.readings) >= 2
    assert all(text.endswith(".") for text in gap.readings.values())
    assert UNSPECIFIED not in gap.readings
    assert set(gap.calls) <= {*CALLS, *NUMBERS, "VMI_WRMSR_SPLIT"}


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
def test_a_gap_is_a_policy(gap: Gap) -> None:
    """Its default is silence, its values are the readings."""
    policy = POLICIES[gap.name]
    assert policy.default == UNSPECIFIED
    assert policy.readings == tuple(gap.readings)


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
def test_silence_is_raised_and_a_reading_answered(gap: Gap) -> None:
    """Unspecified names clause and readings; a choice is given back."""
    with pytest.raises(Unspecified) as caught:
        choose_or_raise(build(platform="software"), gap.name)
    assert caught.value.policy == gap.name
    assert caught.value.section == gap.clause
    assert caught.value.readings == tuple(gap.readings)
    for reading in gap.readings:
        machine = build(platform="software", policies={gap.name: reading})
        assert choose_or_raise(machine, gap.name) == reading


def test_nothing_else_raises_unspecified() -> None:
    """Silence has one door, so that the list of gaps is whole."""
    raisers = [
        str(path.relative_to(SIM))
        for path in SIM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "Unspecified"
    ]
    assert raisers == ["gaps/__init__.py"]


def test_policies_that_may_be_silent_are_gaps() -> None:
    """A policy has the value unspecified only where it is a gap."""
    silent = {p.name for p in POLICIES.values() if UNSPECIFIED in p.values}
    assert silent == set(GAPS)

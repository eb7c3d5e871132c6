"""Every gap has a question that comes to it, and hangs on it."""

from pathlib import Path

import pytest

from app.sim import GAPS, Limits, parse_scenario
from app.sim.gaps import Gap
from app.sim.readings import find_consequences
from app.sim.report import NOT_MODELLED

FOLDER = Path(__file__).parents[2] / "app" / "corpus" / "vmi" / "scenarios"
SCENARIOS = [
    parse_scenario(path.read_text("utf-8"), slug=path.stem)
    for path in sorted(FOLDER.glob("*.toml"))
]

Hanging = dict[str, list[set[str]]]


@pytest.fixture(scope="module")
def hanging() -> Hanging:
    """Return the answers of each outcome that hangs on a gap."""
    found: Hanging = {}
    for scenario in SCENARIOS:
        for each in find_consequences(scenario, Limits(seconds=60)):
            if each.matters:
                answers = set(each.answers.values())
                found.setdefault(each.gap, []).append(answers)
    return found


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
def test_an_answer_hangs_on_each_gap(gap: Gap, hanging: Hanging) -> None:
    """If none did, nobody would miss the word.

    One at least is told by what a guest sees, not by what is not modelled.
    """
    assert gap.name in hanging
    assert any(NOT_MODELLED not in answers for answers in hanging[gap.name])

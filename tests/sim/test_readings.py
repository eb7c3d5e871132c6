"""Each reading of a missing word is explored wherever it matters."""

from pathlib import Path

import pytest

from app.sim import GAPS, Limits, Scenario, explore, parse_scenario
from app.sim.readings import find_consequences

FOLDER = Path(__file__).parents[2] / "app" / "corpus" / "vmi" / "scenarios"
LIMITS = Limits(seconds=60)
SCENARIOS = [
    parse_scenario(path.read_text("utf-8"), slug=path.stem)
    for path in sorted(FOLDER.glob("*.toml"))
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.slug)
def test_consequences_are_the_answers_under_each_reading(
    scenario: Scenario,
) -> None:
    """They are those of a report that chooses the reading."""
    for gap, name, variant, outcome, answers in find_consequences(
        scenario, LIMITS
    ):
        assert list(answers) == list(GAPS[gap].readings)
        for reading, answer in answers.items():
            report = explore(scenario, policies={gap: reading})
            (run,) = (
                each
                for each in report.platforms
                if (each.platform, each.variant) == (name, variant)
            )
            assert run.answers[outcome].answer == answer


def test_a_reading_may_not_matter() -> None:
    """A question may come to a gap and not hang on it."""
    (scenario,) = (s for s in SCENARIOS if s.slug == "kleen-unimplemented-msr")
    found = find_consequences(scenario, LIMITS)
    assert {each.matters for each in found} == {True, False}
    assert found[0].to_dict() == {
        "gap": "unimplemented_msr",
        "platform": "software",
        "variant": None,
        "outcome": "trapped-read-faults-and-recovers",
        "answers": dict.fromkeys(GAPS["unimplemented_msr"].readings, "always"),
    }

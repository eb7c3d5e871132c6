"""The questions of the corpus: they parse, and the answers are the expected.

The expected answers are those of the objections where the facts state one;
the search must not know them.
"""

import tomllib
from pathlib import Path

import pytest
import yaml

from app.sim import Report, Scenario, explore, parse_scenario

FOLDER = Path(__file__).parents[2] / "app" / "corpus" / "vmi" / "scenarios"
FILES = sorted(FOLDER.glob("*.toml"))
OBJECTIONS = FOLDER.parent / "objections.yaml"


def read(path: Path) -> Scenario:
    return parse_scenario(path.read_text("utf-8"), slug=path.stem)


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return {path.stem: explore(read(path)) for path in FILES}


def expected_answers(
    scenario: Scenario,
) -> dict[tuple[str, str | None], dict[str, str]]:
    expected: dict[tuple[str, str | None], dict[str, str]] = {
        (platform, None): dict(answers)
        for platform, answers in scenario.expect.items()
    }
    for variant in scenario.variants:
        expected[variant.platform, variant.name] = dict(variant.expect)
    return expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_answers_are_the_expected_ones(
    path: Path, reports: dict[str, Report]
) -> None:
    """Every expected answer is what the search finds."""
    answers = {
        (run.platform, run.variant): run.answers
        for run in reports[path.stem].platforms
    }
    wrong = [
        (run, name, expected, answers[run][name].answer)
        for run, outcomes in expected_answers(read(path)).items()
        for name, expected in outcomes.items()
        if answers[run][name].answer != expected
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_limit_is_hit_and_nothing_is_missing(
    path: Path, reports: dict[str, Report]
) -> None:
    """Each question is small enough to be settled, and wholly modelled."""
    for run in reports[path.stem].platforms:
        assert run.limit is None
        for answer in run.answers.values():
            assert answer.answer not in {"limit", "not-modelled"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_platform_and_variant_has_an_expectation(path: Path) -> None:
    """What is asked is compared with something."""
    scenario = read(path)
    assert set(scenario.expect) == set(scenario.platforms)
    assert all(variant.expect for variant in scenario.variants)
    assert scenario.notes
    objection = scenario.objection
    assert objection is None or path.stem.startswith(objection)


def strip_expectations(text: str) -> str:
    """Drop every expected answer, and nothing else."""
    kept = []
    skipping = False
    for line in text.splitlines():
        if line.startswith("["):
            skipping = line.startswith(("[expect]", "[expect."))
        if not skipping and not line.startswith("expect = "):
            kept.append(line)
    return "\n".join(kept)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_expectations_do_not_reach_the_search(
    path: Path, reports: dict[str, Report]
) -> None:
    """Without [expect] the report is the same but for its id."""
    text = strip_expectations(path.read_text("utf-8"))
    assert "expect" not in tomllib.loads(text)
    bare = explore(parse_scenario(text, slug=path.stem)).to_dict()
    full = reports[path.stem].to_dict()
    assert bare.pop("id") != full.pop("id")
    assert bare == full


FACTS: dict[str, str] = {}
"""Questions whose answer nothing can change, and why they are asked."""


def test_only_facts_are_the_same_everywhere(
    reports: dict[str, Report],
) -> None:
    """Each question has an outcome that tells two of its runs apart.

    A question whose answers nothing can change shows nothing, unless it asks
    for a fact.
    """
    constant = {
        slug
        for slug, report in reports.items()
        if all(
            len({run.answers[name].answer for run in report.platforms}) == 1
            for name in report.platforms[0].answers
        )
    }
    assert constant == set(FACTS)


def test_every_question_is_that_of_its_objection() -> None:
    """Each objection that asks what would happen is asked word for word."""
    entries = yaml.safe_load(OBJECTIONS.read_text("utf-8"))["objections"]
    asked = {
        entry["id"]: entry["what_if"]["question"]
        for entry in entries
        if entry.get("what_if")
    }
    files = {path.stem: path for path in FILES}
    assert len(asked) == 43
    for objection, question in asked.items():
        assert read(files[objection]).question == question


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_questions_are_cut_to_what_they_ask(
    path: Path, reports: dict[str, Report]
) -> None:
    """No run has more than ten thousand states."""
    assert all(run.states < 10_000 for run in reports[path.stem].platforms)

"""The product of policies is what running every combination gives."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from app.sim import POLICIES, Limits, Scenario, parse_scenario
from app.sim.explore import list_verdicts
from app.sim.product import (
    PlatformProduct,
    Row,
    explore_product,
    list_values,
)

FOLDER = Path(__file__).parents[2] / "app" / "corpus" / "vmi" / "scenarios"
LIMITS = Limits(seconds=60)
SLUGS = (
    "kleen-cpuid-call-useless",
    "kleen-msr-passwords",
    "kleen-rdtsc-userspace",
    "kleen-unimplemented-msr",
)


def read(slug: str) -> Scenario:
    text = (FOLDER / f"{slug}.toml").read_text("utf-8")
    return parse_scenario(text, slug=slug)


def run_all(
    scenario: Scenario, found: PlatformProduct
) -> dict[tuple[str, ...], dict[str, str]]:
    """Run every combination of what was asked, one by one."""
    answers = {}
    for point in product(*found.consulted.values()):
        policies = dict(zip(found.consulted, point, strict=True))
        (verdict,) = list_verdicts(
            replace(scenario, variants=()),
            platforms=(found.platform,),
            policies=policies,
        )
        assert verdict.consulted <= set(policies)
        answers[point] = dict(verdict.answers)
    return answers


def answer_by_rows(rows: tuple[Row, ...], point: dict[str, str]) -> str:
    (fitting,) = (
        row
        for row in rows
        if all(point[name] in values for name, values in row.choices.items())
    )
    return fitting.answer


@pytest.mark.parametrize("slug", SLUGS)
def test_the_tables_are_what_every_combination_gives(slug: str) -> None:
    """Each point of the product has one row, and that has its answer."""
    scenario = read(slug)
    for found in explore_product(scenario, limits=LIMITS):
        assert found.complete
        every = run_all(scenario, found)
        assert len(every) == found.combinations >= found.runs
        for values, answers in every.items():
            point = dict(zip(found.consulted, values, strict=True))
            for name, answer in answers.items():
                rows = found.outcomes[name].rows
                assert answer_by_rows(rows, point) == answer


@pytest.mark.parametrize("slug", SLUGS)
def test_what_matters_changes_the_answer_alone(slug: str) -> None:
    """A policy matters if two combinations differ in it and the answer."""
    scenario = read(slug)
    for found in explore_product(scenario, limits=LIMITS):
        every = run_all(scenario, found)
        names = list(found.consulted)
        for outcome, dependence in found.outcomes.items():
            mattering = {
                names[place]
                for one, here in every.items()
                for place in range(len(names))
                for value in found.consulted[names[place]]
                if here[outcome]
                != every[(*one[:place], value, *one[place + 1 :])][outcome]
            }
            assert set(dependence.matters) == mattering


def test_a_policy_that_was_asked_may_be_idle() -> None:
    """Whether VMI_Init works changes nothing on bare hardware."""
    native, *_ = explore_product(
        read("kleen-cpuid-call-useless"), limits=LIMITS
    )
    assert native.platform == "native"
    assert native.idle == ("init",)
    rows = native.outcomes["cache-is-wrong"].rows
    assert rows == (Row({}, "never"),)


def test_a_choice_may_lead_to_another() -> None:
    """With the call in the ROM its own policy is asked, else the trap's."""
    (found,) = explore_product(
        read("kleen-unimplemented-msr"), platforms=["hardware"], limits=LIMITS
    )
    dependence = found.outcomes["call-faults"]
    assert dependence.matters == (
        "trapped_msr",
        "translation",
        "unimplemented_msr",
    )
    by_translation = [row.choices["translation"] for row in dependence.rows]
    assert by_translation == [("identity",)] * 2 + [("rom",)] * 2
    assert "unimplemented_msr" not in dependence.rows[0].choices


def test_silence_is_not_a_value_to_choose() -> None:
    """A gap takes part by its readings."""
    assert "unspecified" not in list_values("unimplemented_msr")
    assert list_values("nmi") == POLICIES["nmi"].values


def test_few_runs_are_no_answer() -> None:
    """What was not run is said to be unknown, and what matters stays."""
    scenario = read("kleen-mce-ecc-nmi")
    (found,) = explore_product(
        scenario, platforms=["software"], limits=LIMITS, most_runs=2
    )
    assert not found.complete
    assert found.runs == 2
    dependence = found.outcomes["whole-machine-stops"]
    assert dependence.matters == ("machine_check",)
    assert {row.answer for row in dependence.rows} == {
        "always",
        "never",
        "limit",
    }


def test_whoever_waits_can_stop_it() -> None:
    """It is told how many runs are done, over all platforms."""
    told: list[int] = []

    def stop(done: int) -> bool:
        told.append(done)
        return done >= 3

    products = explore_product(
        read("kleen-unimplemented-msr"), limits=LIMITS, should_stop=stop
    )
    assert sum(each.runs for each in products) == 3
    assert told == sorted(told)
    assert not products[-1].complete


def test_a_product_as_json() -> None:
    """The parts have the names of the interface."""
    (found,) = explore_product(
        read("kleen-watchdog-nmi"), platforms=["software"], limits=LIMITS
    )
    content: Any = found.to_dict()
    assert list(content) == [
        "platform",
        "consulted",
        "combinations",
        "runs",
        "complete",
        "idle",
        "outcomes",
    ]
    assert content["outcomes"]["nmi-gets-through"] == {
        "matters": ["nmi"],
        "rows": [
            {"choices": {"nmi": ["not-delivered"]}, "answer": "never"},
            {"choices": {"nmi": ["delivered"]}, "answer": "always"},
        ],
    }

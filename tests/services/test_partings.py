"""Partings: where other platforms leave an execution, in words."""

import pytest

from app.config import ROOT
from app.services.executions import find_part
from app.services.partings import PartingLine, list_partings
from app.services.witnesses import read_steps
from app.sim import parse_scenario
from tests.services.test_witnesses import get_report

SCENARIOS = ROOT / "app/corpus/vmi/scenarios"


def part(
    slug: str, platform: str, outcome: str, variant: str | None = None
) -> dict[str, PartingLine]:
    """Return where the other platforms part from a witness."""
    report = get_report(slug)
    scenario = parse_scenario(
        (SCENARIOS / f"{slug}.toml").read_text(), slug=slug
    )
    here = find_part(report, platform, variant)
    answer = here["answers"][outcome]
    steps = read_steps(answer["witness"])
    lines = list_partings(report, scenario, here, steps, answer["settled"])
    return {line.platform: line for line in lines}


def test_places_are_named_and_not_numbered() -> None:
    """The reader sees labels of the listing where control goes."""
    lines = part("kleen-sti-shadow", "software", "sleeps-with-work")
    native = lines["native"]
    assert native.number == 5
    assert native.told == "sti (call VMI_EnableInterrupts)"
    assert ("next", "irq0", "sleep") in native.contrasts


def test_platforms_that_go_the_same_way_do_not_part() -> None:
    lines = part("kleen-sti-shadow", "native", "work-gets-done")
    assert lines["hardware"].number is None


def test_a_variant_is_repeated_from_its_own_start() -> None:
    """It may start elsewhere; the other platforms start there too."""
    lines = part(
        "kleen-sti-shadow", "native", "sleeps-with-work", "sti-sti-hlt"
    )
    assert "native" not in lines
    assert lines["hardware"].number is None
    assert lines["software"].number != 0


@pytest.mark.parametrize("outcome", ["sleeps-with-work", "work-gets-done"])
def test_what_follows_steps_told_as_one_is_left_out(outcome: str) -> None:
    """Nobody can repeat what is not told, so nothing parts there."""
    report = get_report("kleen-sti-shadow")
    text = (SCENARIOS / "kleen-sti-shadow.toml").read_text()
    scenario = parse_scenario(text, slug="kleen-sti-shadow")
    here = find_part(report, "software", None)
    witness = here["answers"][outcome]["witness"]
    folded = {**witness[0], "text": "(9 transitions)", "way": ""}
    lines = list_partings(
        report, scenario, here, read_steps([folded, *witness]), {}
    )
    assert {line.number for line in lines} <= {None, 0}

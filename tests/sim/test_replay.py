"""Replays: the same events elsewhere, and where the two ways part."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from app.config import ROOT
from app.sim import Scenario, WitnessStep, explore, parse_scenario
from app.sim.explore import build_initial
from app.sim.observables import observe
from app.sim.platforms import build_platform
from app.sim.replay import (
    Act,
    Difference,
    Parting,
    _do,
    find_parting,
    list_names,
)

SCENARIOS = sorted((ROOT / "app/corpus/vmi/scenarios").glob("*.toml"))


def read(slug: str) -> Scenario:
    """Return a question of the corpus."""
    (path,) = (path for path in SCENARIOS if path.stem == slug)
    return parse_scenario(path.read_text(), slug=slug)


def follow(
    initial: Mapping[str, int], steps: tuple[WitnessStep, ...]
) -> tuple[list[Act], list[dict[str, int]]]:
    """Return a witness as acts, and the states between them."""
    acts = [Act(step.kind, step.cpu, step.text) for step in steps]
    states = [dict(initial)]
    for step in steps:
        after = {
            name: 0 if pair[1] is None else pair[1]
            for name, pair in step.changes.items()
        }
        states.append(states[-1] | after)
    return acts, states


def part(slug: str, here: str, outcome: str, there: str) -> Parting:
    """Replay the witness of an outcome on another platform."""
    scenario = read(slug)
    report = explore(scenario, platforms=[here])
    (found,) = (p for p in report.platforms if p.variant is None)
    steps = found.answers[outcome].witness
    assert steps is not None
    acts, states = follow(found.initial, steps)
    host = build_platform(there, dict(scenario.policies))
    return find_parting(scenario, scenario.start, host, acts, states)


def test_the_lost_wakeup_parts_where_the_call_has_no_shadow() -> None:
    """The handler runs within the call there and after STI's shadow here."""
    parting = part(
        "kleen-sti-shadow", "software", "sleeps-with-work", "native"
    )
    assert parting.number == 5
    assert parting.told == "sti (call VMI_EnableInterrupts)"
    assert not parting.reason
    assert {each.name for each in parting.differences} >= {"eip"}


def test_native_code_goes_the_same_way_on_hardware_that_keeps_it() -> None:
    """Calls left native behave alike, so the two never part."""
    parting = part("kleen-sti-shadow", "native", "work-gets-done", "hardware")
    assert parting == Parting(None)


def test_an_nmi_that_is_not_delivered_parts_with_its_reason() -> None:
    """Where the hypervisor keeps the NMI, its delivery cannot be repeated."""
    parting = part(
        "kleen-watchdog-nmi", "native", next(iter(_outcomes())), "software"
    )
    assert parting.number is not None


def _outcomes() -> list[str]:
    scenario = read("kleen-watchdog-nmi")
    report = explore(scenario, platforms=["native"])
    return [
        name
        for name, answer in report.platforms[0].answers.items()
        if answer.witness
    ]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_an_execution_goes_its_own_way_again(path: Path) -> None:
    """On the platform it was told of, no execution parts from itself."""
    scenario = read(path.stem)
    variants = {each.name: each for each in scenario.variants}
    for found in explore(scenario).platforms:
        variant = variants.get(found.variant or "")
        start = (variant and variant.start) or scenario.start
        for answer in found.answers.values():
            if answer.answer == "unspecified":
                continue
            policies = {**found.policies, **answer.settled}
            for steps in (answer.witness, answer.counter):
                if not steps or any(not step.way for step in steps):
                    continue
                acts, states = follow(found.initial, steps)
                host = build_platform(found.platform, policies)
                parting = find_parting(scenario, start, host, acts, states)
                assert parting == Parting(None), (found.platform, variant)


def test_another_beginning_parts_at_once() -> None:
    """Where a word begins otherwise, no act is needed to part."""
    scenario = read("kleen-sti-shadow")
    host = build_platform("native", {})
    machine = build_initial(scenario, scenario.start, host)[0]
    state = observe(machine) | {"work": 7}
    parting = find_parting(scenario, scenario.start, host, [], [state])
    assert parting == Parting(0, differences=(Difference("work", 7, 0),))


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (Act("arrival", 0, "arrival of nothing"), "cannot arrive"),
        (Act("delivery", 0, "delivery of irq0"), "nothing is delivered"),
    ],
)
def test_an_act_that_cannot_be_done_says_why(act: Act, reason: str) -> None:
    """What has no place here ends the replay with its reason."""
    scenario = read("kleen-sti-shadow")
    host = build_platform("native", {})
    machine = build_initial(scenario, scenario.start, host)[0]
    state = observe(machine)
    parting = find_parting(
        scenario, scenario.start, host, [act], [state, state]
    )
    assert parting.number == 1
    assert reason in parting.reason


def test_another_interrupt_is_due_first() -> None:
    """An act that names another interrupt than the one due cannot be."""
    scenario = read("kleen-sti-shadow")
    host = build_platform("native", {})
    machine = build_initial(scenario, scenario.start, host)[0]
    (waiting,) = _do(host, machine, Act("arrival", 0, "arrival of irq0"))
    with pytest.raises(Exception, match="irq0 is delivered first"):
        _do(host, waiting, Act("delivery", 0, "delivery of nmi"))


def test_the_names_of_an_outcome_are_found_at_any_depth() -> None:
    """Every observable that an outcome names counts, labels do not."""
    scenario = read("kleen-sti-shadow")
    named = [list_names(each.expression) for each in scenario.outcomes]
    assert named == [
        {"halted", "work", "pending"},
        {"work"},
        {"done"},
    ]

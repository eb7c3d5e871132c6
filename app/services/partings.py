"""Partings: where the execution looked at leaves that of another platform."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from app.services.witnesses import Step, compute_state, format_value
from app.sim import PLATFORMS, Scenario
from app.sim.platforms import build_platform
from app.sim.replay import Act, Parting, find_parting
from app.sim.start import Start


class Contrast(NamedTuple):
    """Something that is one thing here and another there."""

    name: str
    here: str
    there: str


class PartingLine(NamedTuple):
    """Where another platform parts, in words that a page shows.

    `number` is None where it goes the same way to the end, 0 where it begins
    otherwise.
    """

    platform: str
    number: int | None
    told: str
    reason: str
    contrasts: tuple[Contrast, ...]


def list_partings(
    report: Mapping[str, Any],
    scenario: Scenario,
    part: Mapping[str, Any],
    steps: Sequence[Step],
    settled: Mapping[str, str],
) -> tuple[PartingLine, ...]:
    """Repeat an execution on each other platform of a report.

    What the RFC does not say is read there as it was here: so `settled` has
    it. Steps that are told as one cannot be repeated: what follows them is
    left out.
    """
    told = _list_told(steps)
    states = list(_list_states(part["initial"], told))
    acts = [Act(step.kind, step.cpu, step.text) for step in told]
    start = _find_start(scenario, part["variant"])
    return tuple(
        _describe(
            other["platform"],
            find_parting(
                scenario,
                start,
                build_platform(
                    other["platform"], {**other["policies"], **settled}
                ),
                acts,
                states,
            ),
            scenario,
        )
        for other in report["platforms"]
        if other["variant"] is None
        and other["platform"] != part["platform"]
        and other["platform"] in PLATFORMS
    )


def _list_told(steps: Sequence[Step]) -> list[Step]:
    told: list[Step] = []
    for step in steps:
        if not step.way:
            break
        told.append(step)
    return told


def _list_states(
    initial: Mapping[str, int], steps: Sequence[Step]
) -> Iterator[dict[str, int]]:
    state = dict(initial)
    yield state
    for step in steps:
        state = {
            name: value or 0
            for name, value in compute_state(state, [step], 1).items()
        }
        yield state


def _find_start(scenario: Scenario, variant: str | None) -> Start:
    for each in scenario.variants:
        if each.name == variant and each.start is not None:
            return each.start
    return scenario.start


def _describe(
    platform: str, parting: Parting, scenario: Scenario
) -> PartingLine:
    places = {
        statement.address: statement.at
        for listing in scenario.code
        for statement in listing.statements
    }
    return PartingLine(
        platform=platform,
        number=parting.number,
        told=parting.told,
        reason=parting.reason,
        contrasts=tuple(
            Contrast(
                "next" if each.name == "eip" else each.name,
                _format(each.name, each.here, places),
                _format(each.name, each.there, places),
            )
            for each in parting.differences
        ),
    )


def _format(name: str, value: int, places: Mapping[int, str]) -> str:
    if name.rpartition(".")[2] == "eip" and value in places:
        return places[value]
    return format_value(name, value)

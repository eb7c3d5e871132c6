"""Executions: one path of a report, with all that a page tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.errors import NotFoundError
from app.services.costs import Bill, build_bill
from app.services.folding import find_essential
from app.services.partings import PartingLine, list_partings
from app.services.timeline import Score, build_score, list_interrupts
from app.services.witnesses import Moment, build_moment, read_steps
from app.sim import Scenario
from app.sim.cost import CostTable


class Asked(NamedTuple):
    """Which execution of a part is looked at, and at which step."""

    outcome: str
    way: str
    step: int
    fold: bool


@dataclass(frozen=True, slots=True)
class Execution:
    """The execution looked at, at one of its steps.

    `interrupts` says of each step whether they are on after it; `folded`
    counts the steps that the outcome does not depend on, None where nobody
    can tell; `partings` are where other platforms leave it.
    """

    moment: Moment
    score: Score
    bill: Bill
    interrupts: tuple[str, ...]
    partings: tuple[PartingLine, ...]
    folded: int | None


def build_execution(
    report: Mapping[str, Any],
    scenario: Scenario | None,
    part: Mapping[str, Any],
    asked: Asked,
    table: CostTable,
) -> Execution:
    """Return an execution of a report's part at a step.

    Without the scenario nobody can tell which steps matter, nor where other
    platforms part.
    """
    initial = part["initial"]
    answer = part["answers"][asked.outcome]
    steps = read_steps(answer[asked.way])
    essential = kept = None
    partings: tuple[PartingLine, ...] = ()
    if scenario is not None:
        essential = find_essential(steps, scenario, asked.outcome)
        settled = answer.get("settled", {})
        partings = list_partings(report, scenario, part, steps, settled)
    if asked.fold:
        kept = essential
    moment = build_moment(initial, steps, asked.step, kept)
    bill = build_bill(table, part["platform"], steps)
    return Execution(
        moment=moment,
        score=build_score(
            initial, steps, moment.window, moment.number, kept=kept, bill=bill
        ),
        bill=bill,
        interrupts=list_interrupts(initial, steps),
        partings=partings,
        folded=None if essential is None else len(steps) - len(essential),
    )


def find_part(
    report: Mapping[str, Any], platform: str, variant: str | None
) -> Mapping[str, Any]:
    """Return a report's part for a platform, or a variant of it."""
    for part in report["platforms"]:
        if (part["platform"], part["variant"]) == (platform, variant):
            found: Mapping[str, Any] = part
            return found
    raise NotFoundError("platform", platform)

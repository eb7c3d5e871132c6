"""What each reading of a missing word leads to, question by question."""

from collections.abc import Mapping
from typing import NamedTuple

from app.sim.explore import Verdict, list_verdicts
from app.sim.gaps import GAPS
from app.sim.report import Json
from app.sim.scenario import Scenario
from app.sim.search import Limits


class Consequence(NamedTuple):
    """The answers to one outcome of a run, by reading of one gap."""

    gap: str
    platform: str
    variant: str | None
    outcome: str
    answers: Mapping[str, str]

    @property
    def matters(self) -> bool:
        """Whether the readings lead to different answers."""
        return len(set(self.answers.values())) > 1

    def to_dict(self) -> dict[str, Json]:
        """Give the consequence as JSON."""
        return {
            "gap": self.gap,
            "platform": self.platform,
            "variant": self.variant,
            "outcome": self.outcome,
            "answers": dict(self.answers),
        }


def find_consequences(
    scenario: Scenario, limits: Limits
) -> tuple[Consequence, ...]:
    """Explore each reading of each gap that a question comes to.

    The other gaps stay open, so an answer may be ``unspecified`` still.
    """
    asked = list_verdicts(scenario, limits=limits)
    return tuple(
        consequence
        for gap in GAPS
        if any(gap in each.consulted for each in asked)
        for consequence in _read(scenario, gap, asked, limits)
    )


def _read(
    scenario: Scenario,
    gap: str,
    asked: tuple[Verdict, ...],
    limits: Limits,
) -> list[Consequence]:
    """Explore the readings of one gap, for the runs that come to it."""
    read = {
        reading: list_verdicts(
            scenario, policies={gap: reading}, limits=limits
        )
        for reading in GAPS[gap].readings
    }
    return [
        Consequence(
            gap,
            verdict.platform,
            verdict.variant,
            outcome,
            {r: found[place].answers[outcome] for r, found in read.items()},
        )
        for place, verdict in enumerate(asked)
        if gap in verdict.consulted
        for outcome in verdict.answers
    ]

"""Surveying: what a worker makes of many questions.

All that a worker process loads: no database, no web. A survey is named by
the hash of what it is made of, so that the same is never made twice.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from app.services.workers import step_back, tell
from app.sim import (
    GAPS,
    MODEL,
    Limits,
    Scenario,
    ScenarioError,
    compute_diet,
    explore_product,
    find_consequences,
    parse_scenario,
)
from app.sim.report import Json, compute_id

SECONDS = 60.0
"""The longest that all runs of one question may take."""


class Kind(StrEnum):
    """What a survey looks for."""

    diet = "diet"
    readings = "readings"
    product = "product"


class Item(NamedTuple):
    """A question as it is stored."""

    slug: str
    text: str


class Inquiry(NamedTuple):
    """What is to be surveyed: of which platform or question, over which."""

    kind: Kind
    subject: str
    items: tuple[Item, ...]

    @property
    def id(self) -> str:
        """Return the hash of all that the result depends on."""
        readings: dict[str, Json] = {
            name: list(gap.readings) for name, gap in GAPS.items()
        }
        return compute_id(
            {
                "model": MODEL,
                "kind": self.kind.value,
                "subject": self.subject,
                "items": [list(item) for item in self.items],
                "readings": readings,
            }
        )


class Told(NamedTuple):
    """How far a survey is."""

    done: int
    total: int


Content = Mapping[str, Any]


def survey(inquiry: Inquiry) -> Content:
    """Make a survey, telling how far it is."""
    step_back()
    makers = {
        Kind.diet: survey_diet,
        Kind.readings: survey_readings,
        Kind.product: survey_product,
    }
    return makers[inquiry.kind](inquiry)


def survey_diet(inquiry: Inquiry) -> Content:
    """Weigh each call of a platform by all questions."""
    diet = compute_diet(
        _parse(inquiry),
        inquiry.subject,
        Limits(seconds=SECONDS),
        tell=lambda done, total: tell(Told(done, total)),
    )
    return diet.to_dict()


def survey_readings(inquiry: Inquiry) -> Content:
    """Explore each reading of each missing word, in all questions."""
    scenarios = _parse(inquiry)
    found: dict[str, Any] = {}
    for place, scenario in enumerate(scenarios):
        tell(Told(place, len(scenarios)))
        found[scenario.slug] = [
            consequence.to_dict()
            for consequence in find_consequences(
                scenario, Limits(seconds=SECONDS)
            )
        ]
    return found


def survey_product(inquiry: Inquiry) -> Content:
    """Find which policies the answers to one question depend on."""

    def tell_runs(done: int) -> bool:
        tell(Told(done, 0))
        return False

    (scenario,) = _parse(inquiry)
    products = explore_product(
        scenario, limits=Limits(seconds=SECONDS), should_stop=tell_runs
    )
    return {"platforms": [each.to_dict() for each in products]}


def _parse(inquiry: Inquiry) -> list[Scenario]:
    """Return the questions; those of another version are left out."""
    scenarios = []
    for slug, text in inquiry.items:
        try:
            scenarios.append(parse_scenario(text, slug=slug))
        except ScenarioError:
            continue
    return scenarios

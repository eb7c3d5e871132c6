"""Platforms and policies: how a guest is treated, and who asks for what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Run, Scenario
from app.sim import (
    GAPS,
    PLATFORMS,
    POLICIES,
    InstructionSpec,
    Platform,
    Policy,
)
from app.sim.treatment import Treatment, get_treatment, list_sensitive


class InstructionRow(NamedTuple):
    """An instruction, and what becomes of it on each platform."""

    spec: InstructionSpec
    treatments: tuple[Treatment, ...]


class Asking(NamedTuple):
    """A question whose runs ask a policy, and where."""

    slug: str
    question: str
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy, its value by platform, and the questions that ask it."""

    policy: Policy
    is_gap: bool
    defaults: Mapping[str, str]
    asking: tuple[Asking, ...]

    @property
    def own(self) -> Mapping[str, str]:
        """Return the platforms with a default of their own."""
        return {
            name: value
            for name, value in self.defaults.items()
            if value != self.policy.default
        }


@dataclass(frozen=True, slots=True)
class Overview:
    """All platforms, instructions and policies."""

    platforms: tuple[Platform, ...]
    instructions: tuple[InstructionRow, ...]
    policies: tuple[PolicyRow, ...]


def read_overview(session: Session) -> Overview:
    """Return how guests are treated, and what the questions ask."""
    platforms = tuple(PLATFORMS.values())
    asking = _list_asking(session)
    return Overview(
        platforms=platforms,
        instructions=tuple(
            InstructionRow(
                spec, tuple(get_treatment(each, spec) for each in platforms)
            )
            for spec in list_sensitive()
        ),
        policies=tuple(
            PolicyRow(
                policy,
                policy.name in GAPS,
                {each.name: each.policies[policy.name] for each in platforms},
                tuple(asking.get(policy.name, ())),
            )
            for policy in POLICIES.values()
        ),
    )


def _list_asking(session: Session) -> Mapping[str, list[Asking]]:
    """Return by policy the questions whose last run asked it."""
    rows = session.execute(
        select(col(Scenario.slug), col(Scenario.question), col(Run.answers))
        .join(Run, col(Run.id) == col(Scenario.run_id))
        .order_by(col(Scenario.position))
    )
    asking: dict[str, list[Asking]] = {}
    for slug, question, report in rows:
        places: dict[str, dict[str, None]] = {}
        for part in report["platforms"]:
            for name in part["relevant"]:
                places.setdefault(name, {})[part["platform"]] = None
        for name, platforms in places.items():
            line = Asking(slug, question, tuple(platforms))
            asking.setdefault(name, []).append(line)
    return asking

"""The report of a run: plain data, the same for the same input."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

Json = str | int | float | bool | None | list["Json"] | Mapping[str, "Json"]

UNSPECIFIED = "unspecified"
NOT_MODELLED = "not-modelled"
LIMIT = "limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessStep:
    """One transition of a witness.

    ``at`` is where the processor stands before it, ``line`` the listing and
    its line, ``changes`` each observable that it changes, before and after.
    ``way`` is how it was carried out, as `app.sim.platforms.WAYS` says;
    empty where several steps are told as one and where a step is missing.
    """

    cpu: int
    at: str
    text: str
    clause: str
    kind: str
    lane: str
    way: str
    line: tuple[str, int] | None
    changes: Mapping[str, tuple[int | None, int | None]]

    def to_dict(self) -> dict[str, Json]:
        """Give the step as JSON."""
        line: Json = None
        if self.line is not None:
            line = {"listing": self.line[0], "line": self.line[1]}
        return {
            "cpu": self.cpu,
            "at": self.at,
            "text": self.text,
            "clause": self.clause,
            "kind": self.kind,
            "lane": self.lane,
            "way": self.way,
            "line": line,
            "changes": {
                name: [before, after]
                for name, (before, after) in self.changes.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run says of one outcome.

    ``counter`` is an execution that does not have an outcome that others
    have. ``readings`` is, for each reading of a word that the RFC lacks, what
    the answer would be. Where all of them agree, ``settled`` names those with
    which the executions told here were found.
    """

    answer: str
    clauses: tuple[str, ...]
    witness: tuple[WitnessStep, ...] | None
    counter: tuple[WitnessStep, ...] | None
    readings: Mapping[str, str]
    settled: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Json]:
        """Give the answer as JSON."""
        return {
            "answer": self.answer,
            "clauses": list(self.clauses),
            "witness": _list_steps(self.witness),
            "counter": _list_steps(self.counter),
            "readings": dict(self.readings),
            "settled": dict(self.settled),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformReport:
    """What a run says on one platform, or on a variant of it."""

    platform: str
    variant: str | None
    policies: Mapping[str, str]
    relevant: tuple[str, ...]
    states: int
    transitions: int
    limit: str | None
    initial: Mapping[str, int]
    answers: Mapping[str, Answer]

    def to_dict(self) -> dict[str, Json]:
        """Give the platform's part as JSON."""
        return {
            "platform": self.platform,
            "variant": self.variant,
            "policies": dict(self.policies),
            "relevant": list(self.relevant),
            "states": self.states,
            "transitions": self.transitions,
            "limit": self.limit,
            "initial": dict(self.initial),
            "answers": {
                name: answer.to_dict() for name, answer in self.answers.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The answer of the simulator to a question.

    ``limits`` is how far each search might go.
    """

    id: str
    model: str
    scenario: str
    question: str
    limits: Mapping[str, float]
    platforms: tuple[PlatformReport, ...]

    def to_dict(self) -> dict[str, Json]:
        """Give the report as JSON."""
        return {
            "id": self.id,
            "model": self.model,
            "scenario": self.scenario,
            "question": self.question,
            "limits": dict(self.limits),
            "platforms": [each.to_dict() for each in self.platforms],
        }


def compute_id(parts: Mapping[str, Json]) -> str:
    """Compute the id of what was asked: SHA-256 over canonical JSON."""
    text = json.dumps(
        parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _list_steps(steps: tuple[WitnessStep, ...] | None) -> Json:
    """Give the steps of a path as JSON."""
    return None if steps is None else [step.to_dict() for step in steps]

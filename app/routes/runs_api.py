"""Runs for programs: ask a question without a sign-in, read a report."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Body, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.db import DatabaseDep, SessionDep
from app.forms import Line, Slug
from app.models import Answer
from app.routes.follow import get_client
from app.routes.runs import ExplorerDep, ScenarioText
from app.services import runs, scenarios
from app.services.asking import Question
from app.sim import Limits

api = APIRouter(prefix="/api", tags=["runs"])

MOST_PLATFORMS = 8
MOST_POLICIES = 64
LARGEST = Limits()

SCENARIO = """\
question = "Does the processor sleep for good with interrupts off?"

[code]
kernel = \"\"\"
        cli
        hlt
\"\"\"
irq0 = "call VMI_IRET"

[events]
irq0 = 1

[outcomes]
sleeps = { when = "end", is = "halted", text = "the processor sleeps" }
"""


class LimitsIn(BaseModel):
    """How far each search may go."""

    model_config = ConfigDict(extra="forbid")

    states: int = Field(LARGEST.states, ge=1, le=LARGEST.states)
    transitions: int = Field(LARGEST.transitions, ge=1, le=LARGEST.transitions)
    seconds: float = Field(
        LARGEST.seconds, gt=0, le=LARGEST.seconds, allow_inf_nan=False
    )


class RunIn(BaseModel):
    """A question: a scenario of the list, or the text of another."""

    model_config = ConfigDict(extra="forbid")

    scenario: Slug | None = Field(None, examples=["kleen-sti-shadow"])
    scenario_text: ScenarioText | None = Field(
        None, description="TOML, 64 KiB at most."
    )
    platforms: list[Line] | None = Field(
        None,
        max_length=MOST_PLATFORMS,
        description="Those that the scenario names, if left out.",
    )
    policies: dict[Line, Line] = Field(
        default_factory=dict,
        max_length=MOST_POLICIES,
        description="Values that go over those of the scenario.",
    )
    limits: LimitsIn = LimitsIn()

    @model_validator(mode="after")
    def require_one_scenario(self) -> Self:
        """Refuse none and both."""
        if (self.scenario is None) == (self.scenario_text is None):
            raise ValueError("expected either scenario or scenario_text")
        return self


class StepOut(BaseModel):
    """One step of an execution."""

    cpu: int
    at: str = Field(examples=["idle+2"])
    text: str = Field(examples=["call VMI_EnableInterrupts"])
    clause: str = Field(examples=["RFC A / VMI_EnableInterrupts"])
    kind: str = Field(examples=["step"])
    lane: str = Field(examples=["kernel"])
    way: str = Field("", examples=["instruction"])
    line: dict[str, str | int] | None = Field(
        examples=[{"listing": "kernel", "line": 4}]
    )
    changes: dict[str, list[int | None]] = Field(examples=[{"if": [0, 1]}])


class AnswerOut(BaseModel):
    """The answer to one outcome, with an execution that shows it."""

    answer: Answer
    clauses: list[str]
    witness: list[StepOut] | None
    counter: list[StepOut] | None
    readings: dict[str, Answer]


class PlatformOut(BaseModel):
    """What was found on one platform, or a variant of one."""

    platform: str = Field(examples=["native"])
    variant: str | None
    policies: dict[str, str]
    relevant: list[str]
    states: int = Field(examples=[43])
    transitions: int = Field(examples=[46])
    limit: str | None
    initial: dict[str, int]
    answers: dict[str, AnswerOut]


class ReportOut(BaseModel):
    """A report; its id is the hash of what was asked."""

    id: str
    model: str
    scenario: str = Field(examples=["kleen-sti-shadow"])
    question: str
    limits: dict[str, float] | None = Field(
        None,
        description="How far each search might go.",
        examples=[{"states": 100000, "transitions": 1000000, "seconds": 10}],
    )
    platforms: list[PlatformOut]


Asked = Annotated[
    RunIn,
    Body(
        openapi_examples={
            "of the list": {"value": {"scenario": "kleen-sti-shadow"}},
            "on one platform, with a policy": {
                "value": {
                    "scenario": "kleen-watchdog-nmi",
                    "platforms": ["software"],
                    "policies": {"nmi": "delivered"},
                }
            },
            "a text of one's own": {"value": {"scenario_text": SCENARIO}},
        }
    ),
]


@api.post(
    "/runs",
    summary="Ask a question",
    status_code=201,
    response_model=ReportOut,
    responses={
        200: {
            "model": ReportOut,
            "description": "This very question has been asked before.",
        },
        503: {"description": "All workers are taken; see `Retry-After`."},
    },
)
def create_report(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    asked: Asked,
) -> JSONResponse:
    """Explore a scenario and return the report; no sign-in is needed.

    A scenario that is refused gets 422; `errors` names line, column and what
    was expected.
    """
    with database.read() as session:
        if asked.scenario is not None:
            slug = asked.scenario
            text = scenarios.read_question(session, slug).text
        else:
            text = asked.scenario_text or ""
            slug = runs.find_slug(session, text)
    run = runs.run_question(
        database,
        explorer,
        Question(
            slug,
            text,
            None if asked.platforms is None else tuple(asked.platforms),
            asked.policies,
            Limits(**asked.limits.model_dump()),
        ),
        get_client(request),
    )
    return JSONResponse(
        dict(run.report),
        status_code=201 if run.created else 200,
        headers={"Location": request.url_for("read_report", id=run.id).path},
    )


@api.get("/runs/{id}", summary="A report", response_model=ReportOut)
def read_report(
    session: SessionDep,
    id: Annotated[  # noqa: A002 - the word in the address
        str, Path(description="As POST /api/runs gave it.")
    ],
) -> JSONResponse:
    """Return a stored report, as it was first returned."""
    report: dict[str, Any] = runs.read_run(session, id).report
    return JSONResponse(report)

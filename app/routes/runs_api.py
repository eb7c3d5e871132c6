"""Runs for programs: ask a question without a sign-in, read a report."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import (
    APIRouter,
    Body,
    Header,
    Path,
    Query,
    Request,
    Response,
)
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.dependencies import DatabaseDep, SessionDep
from app.forms import Line, Slug
from app.models import Answer
from app.routes.etags import hash_content
from app.routes.follow import describe, get_client
from app.routes.paging import (
    DEFAULT_LIMIT,
    Ends,
    Limit,
    cut_page,
    link_self,
)
from app.routes.runs import ExplorerDep, ScenarioText
from app.services import runs, scenarios
from app.services.asking import Question
from app.services.runs import RunPlace, RunProgress, RunRow
from app.services.search_records import EPOCH
from app.sim import Limits

api = APIRouter(prefix="/api", tags=["runs"])

MOST_PLATFORMS = 8
MOST_POLICIES = 64
LARGEST = Limits()
MICRO = 1_000_000
PLACE_DIGITS = 12

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
    settled: dict[str, str] = Field(
        {}, description="The readings with which the executions were found."
    )


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


class ProgressOut(BaseModel):
    """How far a run is."""

    id: str
    state: Literal["waiting", "exploring", "done", "failed"]
    platform: str | None = Field(description="Where it searches just now.")
    variant: str | None
    states: int = Field(description="Found so far, in all searches.")
    seconds: float
    detail: str | None = Field(description="Why it came to no answer.")


class RunAnswer(BaseModel):
    """An answer of a run."""

    platform: str = Field(examples=["software"])
    variant: str | None
    outcome: str = Field(examples=["sleeps-with-work"])
    answer: Answer


class RunItem(BaseModel):
    """A run of the list."""

    id: str
    scenario: str | None = Field(examples=["kleen-sti-shadow"])
    question: str
    model: str
    created: datetime
    answers: list[RunAnswer]
    url: str


class RunList(BaseModel):
    """Runs, newest first."""

    items: list[RunItem]


CURSOR = r"^\d{1,17}\.[0-9a-f]{12}$"
END = "0.000000000000"
"""Cursor of what all runs come before."""

RunCursor = Annotated[
    str | None,
    Query(
        pattern=CURSOR,
        description="Where the page before ended; taken from its "
        "next link, not made up.",
    ),
]
RunBackCursor = Annotated[
    str | None,
    Query(
        pattern=CURSOR,
        description="Where the page after began; taken from its "
        "prev link, or from last, not made up.",
    ),
]
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
        202: {
            "model": ProgressOut,
            "description": "It is on its way; `Location` tells how far.",
        },
        429: {"description": "Too many questions of yours are on their way."},
        503: {"description": "All workers are taken; see `Retry-After`."},
    },
)
def create_report(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    asked: Asked,
    prefer: Annotated[
        str | None,
        Header(description="`respond-async`: do not wait for the report."),
    ] = None,
) -> JSONResponse:
    """Explore a scenario and return the report; no sign-in is needed.

    A scenario that is refused gets 422; `errors` names line, column and what
    was expected. Who prefers not to wait gets 202 and an address to follow.
    """
    with database.read() as session:
        if asked.scenario is not None:
            slug = asked.scenario
            text = scenarios.read_question(session, slug).text
        else:
            text = asked.scenario_text or ""
            slug = runs.find_slug(session, text)
    question = Question(
        slug,
        text,
        None if asked.platforms is None else tuple(asked.platforms),
        asked.policies,
        Limits(**asked.limits.model_dump()),
    )
    client = get_client(request)
    if prefer is not None and "respond-async" in prefer.lower():
        begun = runs.begin_run(database, explorer, question, client)
        url = request.url_for("read_progress", id=begun.id).path
        progress = runs.read_progress(database, explorer, begun.id)
        return JSONResponse(
            _describe(progress).model_dump(),
            status_code=202,
            headers={"Location": url, "Preference-Applied": "respond-async"},
        )
    run = runs.run_question(database, explorer, question, client)
    return JSONResponse(
        dict(run.report),
        status_code=201 if run.created else 200,
        headers={"Location": request.url_for("read_report", id=run.id).path},
    )


@api.get("/runs", summary="Runs that are kept, newest first")
def list_runs(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    session: SessionDep,
    scenario: Annotated[
        Slug | None,
        Query(
            description="Only those of this question.",
            examples=["kleen-sti-shadow"],
        ),
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: RunCursor = None,
    before: RunBackCursor = None,
) -> RunList:
    """Return runs without their executions.

    What no question and no evidence refers to is dropped in time.
    """
    rows = runs.list_runs(
        session,
        scenario=scenario,
        after=None if after is None else _read_place(after),
        before=None if before is None else _read_place(before),
        limit=limit + 1,
    )
    page = cut_page(
        request,
        response,
        rows,
        Ends(after, before, END),
        limit=limit,
        get_cursor=_write_place,
    )
    return RunList(items=[_make_item(request, row) for row in page])


def _write_place(row: RunRow) -> str:
    micro = round(row.created_at.timestamp() * MICRO)
    return f"{micro}.{row.id[:PLACE_DIGITS]}"


def _read_place(cursor: str) -> RunPlace:
    micro, _, start = cursor.partition(".")
    at = EPOCH + timedelta(microseconds=int(micro))
    return RunPlace(at, start)


def _make_item(request: Request, row: RunRow) -> RunItem:
    return RunItem(
        id=row.id,
        scenario=row.scenario_slug,
        question=row.question,
        model=row.model,
        created=row.created_at,
        answers=[
            RunAnswer(
                platform=part["platform"],
                variant=part["variant"],
                outcome=name,
                answer=answer["answer"],
            )
            for part in row.answers["platforms"]
            for name, answer in part["answers"].items()
        ],
        url=request.app.url_path_for("show_run", id=row.id),
    )


@api.get("/runs/{id}/progress", summary="How far a run is")
def read_progress(
    database: DatabaseDep,
    explorer: ExplorerDep,
    id: Annotated[  # noqa: A002 - the word in the address
        str, Path(description="As POST /api/runs gives it.")
    ],
) -> ProgressOut:
    """Return the progress of a run that was asked for."""
    return _describe(runs.read_progress(database, explorer, id))


def _describe(found: RunProgress) -> ProgressOut:
    return ProgressOut(
        id=found.id,
        state=found.state,
        platform=found.platform,
        variant=found.variant,
        states=found.states,
        seconds=found.seconds,
        detail=describe(found.error) if found.error else None,
    )


@api.delete(
    "/runs/{id}/progress",
    summary="Cancel a run",
    status_code=204,
    responses={403: {"description": "Others asked it, and you did not."}},
)
def cancel_report(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    id: Annotated[  # noqa: A002 - the word in the address
        str, Path(description="As POST /api/runs gives it.")
    ],
) -> None:
    """Give a run up that you asked; it goes on if others ask it, too.

    An editor gives up what anybody asked.
    """
    runs.give_up_run(database, explorer, id, get_client(request))


@api.get("/runs/{id}", summary="A report", response_model=ReportOut)
def read_report(
    request: Request,
    session: SessionDep,
    id: Annotated[  # noqa: A002 - the word in the address
        str, Path(description="As POST /api/runs gave it.")
    ],
) -> JSONResponse:
    """Return a stored report, as it was first returned."""
    report: dict[str, Any] = runs.read_run(session, id).report
    answer = JSONResponse(report)
    answer.headers["ETag"] = hash_content(bytes(answer.body))
    link_self(request, answer)
    return answer

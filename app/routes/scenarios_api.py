"""Scenarios for programs: the questions of the list, and their answers."""

from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.db import DatabaseDep, SessionDep
from app.errors import InvalidError
from app.forms import Line
from app.identity import SignedIn
from app.models import Answer
from app.routes.paging import PagingDep, take_page
from app.routes.runs import ExplorerDep, ScenarioText
from app.services import saving, scenarios
from app.services.scenarios import QuestionRecord

api = APIRouter(prefix="/api", tags=["scenarios"])


class OutcomeOut(BaseModel):
    """What a question asks for: a condition on states of the machine."""

    name: str = Field(examples=["sleeps-with-work"])
    when: str = Field(examples=["end"])
    expression: str = Field(examples=["halted and work == 1"])
    text: str = Field(examples=["the processor sleeps with work pending"])


class LastAnswerOut(BaseModel):
    """An answer of the last run, and the expected one where there is one."""

    platform: str = Field(examples=["software"])
    variant: str | None
    outcome: str = Field(examples=["sleeps-with-work"])
    answer: Answer
    expected: Answer | None


class ScenarioOut(BaseModel):
    """A question of the list."""

    slug: str = Field(examples=["kleen-sti-shadow"])
    question: str
    objection: str | None = Field(
        description="The thread that it comes from.",
        examples=["kleen-sti-shadow"],
    )
    about: list[str] = Field(examples=[["VMI_EnableInterrupts", "VMI_Halt"]])
    author: str | None = Field(
        description="Who saved it; none for a question of the corpus."
    )
    platforms: list[str] = Field(examples=[["native", "software"]])
    variants: list[str]
    run: str | None = Field(description="The id of its last run.")
    answers: list[LastAnswerOut]
    url: str


class ScenarioTextOut(ScenarioOut):
    """A question of the list with all that it says."""

    text: str = Field(description="The TOML.")
    notes: str
    outcomes: list[OutcomeOut]
    expect: dict[str, dict[str, Answer]]


class ScenarioList(BaseModel):
    """Questions in the order of the list."""

    items: list[ScenarioOut]


class ScenarioIn(BaseModel):
    """A question to be saved on the list."""

    model_config = ConfigDict(extra="forbid")

    name: Line = Field(
        description="Lower-case letters, digits and single hyphens; it is "
        "put after `asked-`.",
        examples=["lost-wake-up"],
    )
    text: ScenarioText = Field(description="TOML, 64 KiB at most.")


@api.post(
    "/scenarios",
    summary="Save a question on the list",
    status_code=201,
    responses={
        401: {"description": "A token is needed."},
        403: {"description": "A reader may not save."},
        409: {"description": "Somebody else has a question of this name."},
        503: {"description": "Too many texts are read; see `Retry-After`."},
    },
)
def create_scenario(  # noqa: PLR0913, PLR0917 - what the route depends on
    request: Request,
    response: Response,
    database: DatabaseDep,
    explorer: ExplorerDep,
    visitor: SignedIn,
    asked: ScenarioIn,
) -> ScenarioOut:
    """Save a question; the name of one's own question replaces it.

    It is explored in the background, so `answers` may be empty at first.
    """
    faults = explorer.check(asked.text)
    if faults:
        raise InvalidError("the text is no scenario", *faults)
    slug = saving.save_question(
        database, explorer, visitor, asked.name, asked.text
    )
    with database.read() as session:
        row = scenarios.read_question(session, slug)
    response.headers["Location"] = request.url_for(
        "read_scenario", slug=slug
    ).path
    return _describe(request, row)


@api.get("/scenarios", summary="The questions that can be run")
def list_scenarios(
    request: Request,
    response: Response,
    session: SessionDep,
    paging: PagingDep,
) -> ScenarioList:
    """Return the questions with the answers of their last runs."""
    rows = scenarios.list_questions(
        session, limit=paging.fetch, after=paging.position
    )
    page = take_page(request, response, paging, rows, lambda row: row.position)
    return ScenarioList(items=[_describe(request, row) for row in page])


@api.get("/scenarios/{slug}", summary="One question")
def read_scenario(
    request: Request, session: SessionDep, slug: str
) -> ScenarioTextOut:
    """Return a question with its text, notes and expected answers."""
    row = scenarios.read_question(session, slug)
    scenario = row.scenario
    return ScenarioTextOut(
        **_describe(request, row).model_dump(),
        text=row.text,
        notes=scenario.notes,
        outcomes=[
            OutcomeOut(
                name=each.name,
                when=each.when,
                expression=each.text,
                text=each.phrase,
            )
            for each in scenario.outcomes
        ],
        expect={
            name: {key: Answer(value) for key, value in answers.items()}
            for name, answers in scenario.expect.items()
        },
    )


def _describe(request: Request, row: QuestionRecord) -> ScenarioOut:
    scenario = row.parsed
    return ScenarioOut(
        slug=row.slug,
        question=row.question,
        objection=row.thread.slug if row.thread else None,
        about=list(row.calls),
        platforms=list(scenario.platforms) if scenario else [],
        variants=[each.name for each in scenario.variants] if scenario else [],
        author=row.author.name if row.author else None,
        run=row.run_id,
        answers=list(_list_answers(row)),
        url=request.url_for("show_question", slug=row.slug).path,
    )


def _list_answers(row: QuestionRecord) -> Iterator[LastAnswerOut]:
    for line in row.lines:
        for cell in line.answered:
            yield LastAnswerOut(
                platform=cell.platform,
                variant=cell.variant,
                outcome=cell.outcome,
                answer=Answer(cell.answer),
                expected=Answer(cell.expected) if cell.expected else None,
            )

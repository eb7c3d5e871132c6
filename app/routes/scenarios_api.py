"""Scenarios for programs: the questions of the list, and their answers."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.dependencies import DatabaseDep, SessionDep
from app.errors import InvalidError
from app.forms import Line
from app.identity import SignedIn
from app.models import Answer
from app.routes.comments_api import Reason
from app.routes.etags import answer_tagged, require_match
from app.routes.paging import PagingDep, take_page
from app.routes.runs import ExplorerDep, ScenarioText
from app.services import saving, scenarios
from app.services.entries import take_turn
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


class ScenarioChange(BaseModel):
    """Another text for a question."""

    model_config = ConfigDict(extra="forbid")

    text: ScenarioText = Field(description="TOML, 64 KiB at most.")


ScenarioSlug = Annotated[str, Path(examples=["kleen-sti-shadow"])]


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


@api.put(
    "/scenarios/{slug}",
    summary="Replace a question of one's own",
    responses={
        403: {"description": "Somebody else has saved it."},
        409: {"description": "It is of the corpus."},
        412: {"description": "It was changed since; `draft` is your text."},
        428: {"description": "`If-Match` is required here."},
        503: {"description": "Too many texts are read; see `Retry-After`."},
    },
)
def replace_scenario(  # noqa: PLR0913, PLR0917 - what the route depends on
    request: Request,
    response: Response,
    database: DatabaseDep,
    explorer: ExplorerDep,
    visitor: SignedIn,
    slug: ScenarioSlug,
    sent: ScenarioChange,
) -> ScenarioTextOut:
    """Put another text in the place of a question that one has saved.

    It is explored in the background, so `answers` may be empty at first;
    evidence that rested on the text before is stale.
    """

    def require(session: Session) -> None:
        row = scenarios.read_question(session, slug)
        saving.require_saved(session, visitor, slug)
        require_match(request, _describe_whole(request, row), sent.text)

    with database.read() as session:
        require(session)
    faults = explorer.check(sent.text)
    if faults:
        raise InvalidError("the text is no scenario", *faults)
    saving.save_question(
        database, explorer, visitor, slug, sent.text, require=require
    )
    with database.read() as session:
        row = scenarios.read_question(session, slug)
    return answer_tagged(request, response, _describe_whole(request, row))


@api.delete(
    "/scenarios/{slug}",
    status_code=204,
    summary="Remove a question of one's own",
    responses={
        403: {"description": "Somebody else has saved it."},
        409: {"description": "It is of the corpus, or evidence rests on it."},
        412: {"description": "It was changed since it was read."},
        428: {"description": "`If-Match` is required here."},
    },
)
def remove_scenario(
    request: Request,
    *,
    visitor: SignedIn,
    session: SessionDep,
    slug: ScenarioSlug,
    reason: Reason = "",
) -> None:
    """Take a saved question off the list; an editor others', with a reason."""
    take_turn(session)
    row = scenarios.read_question(session, slug)
    saving.require_removable(session, visitor, slug)
    require_match(request, _describe_whole(request, row))
    saving.remove_scenario(session, visitor, slug, reason=reason)


@api.get("/scenarios", summary="The questions that can be run")
def list_scenarios(
    request: Request,
    response: Response,
    session: SessionDep,
    paging: PagingDep,
) -> ScenarioList:
    """Return the questions with the answers of their last runs."""
    rows = scenarios.list_questions(session, window=paging.window)
    page = take_page(request, response, paging, rows, lambda row: row.position)
    return ScenarioList(items=[_describe(request, row) for row in page])


@api.get("/scenarios/{slug}", summary="One question")
def read_scenario(
    request: Request,
    response: Response,
    session: SessionDep,
    slug: ScenarioSlug,
) -> ScenarioTextOut:
    """Return a question with its text, notes and expected answers."""
    row = scenarios.read_question(session, slug)
    return answer_tagged(request, response, _describe_whole(request, row))


def _describe_whole(request: Request, row: QuestionRecord) -> ScenarioTextOut:
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

"""The diet: what an interface can do without, as a page and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import SessionDep
from app.models import Answer
from app.pages import Page, ShellDep, render
from app.routes.paging import SELF
from app.routes.surveys import (
    ProgressOut,
    SurveyorDep,
    make_progress,
    mark_unfinished,
)
from app.services import diet
from app.services.diet import ChangeView, DietView
from app.sim import PLATFORMS, Platform
from app.sim.diet import STANDS, Stand

FIRST = "software"
"""The platform whose calls are all made through the ROM."""

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api", tags=["diet"])

PlatformName = Annotated[
    str,
    Query(
        max_length=40,
        description="The platform to weigh the calls on.",
        examples=[FIRST],
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DietPage(Page):
    """Which calls a platform can do without, and which questions decide."""

    template: ClassVar[str] = "diet/show.html"
    title: str = "The diet"
    platforms: ClassVar[Mapping[str, Platform]] = PLATFORMS
    meanings: ClassVar[Mapping[Stand, str]] = STANDS
    view: DietView
    platform: Platform


class ChangeOut(BaseModel):
    """An answer that is another one without some calls."""

    scenario: str = Field(examples=["kleen-sti-shadow"])
    variant: str | None
    outcome: str = Field(examples=["sleeps-with-work"])
    before: Answer = Field(examples=["sometimes"])
    after: Answer = Field(examples=["never"])
    native: Answer | None = Field(
        description="The answer on bare hardware, if it is asked there."
    )


class CallDietOut(BaseModel):
    """A call, and what becomes of the answers without it."""

    name: str = Field(examples=["VMI_EnableInterrupts"])
    stand: Stand = Field(examples=["needed"])
    native: list[str] = Field(
        description="What stands in its place without it.",
        examples=[["sti"]],
    )
    traps: bool | None = Field(
        description="Whether all of that traps or is harmless; the rule of "
        "thumb of the review."
    )
    deciding: list[str] = Field(
        description="The questions in which its native form ran."
    )
    changes: list[ChangeOut]


class DietOut(BaseModel):
    """What a platform can do without; `progress` until it is known."""

    platform: str = Field(examples=[FIRST])
    progress: ProgressOut | None
    questions: int
    runs: int
    dropped: list[str] = Field(
        description="What can be dropped, all of it together."
    )
    kept: list[str] = Field(description="The smallest interface.")
    restored: list[str] = Field(
        description="What could be dropped alone, but not with the rest."
    )
    traded: list[str] = Field(
        description="What can only be dropped with others."
    )
    calls: list[CallDietOut]


@router.get("/diet/")
def show_diet(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    surveyor: SurveyorDep,
    platform: PlatformName = FIRST,
) -> Response:
    """Show which calls a platform can do without."""
    view = diet.read_diet(session, surveyor, platform)
    page = DietPage(view=view, platform=PLATFORMS[platform])
    response = render(request, shell, page)
    if view.told is not None:
        mark_unfinished(response)
    return response


@api.get(
    "/diet",
    summary="Which calls a platform can do without",
    dependencies=SELF,
    responses={
        202: {"model": DietOut, "description": "It is still computed."},
        404: {"description": "There is no such platform."},
    },
)
def show_diet_json(
    response: Response,
    session: SessionDep,
    surveyor: SurveyorDep,
    platform: PlatformName = FIRST,
) -> DietOut:
    """Return each call with what changes without it, and what can go."""
    view = diet.read_diet(session, surveyor, platform)
    if view.told is not None:
        response.status_code = HTTPStatus.ACCEPTED
        mark_unfinished(response)
    return DietOut(
        platform=view.platform,
        progress=make_progress(view.told),
        questions=view.questions,
        runs=view.runs,
        dropped=list(view.dropped),
        kept=list(view.kept),
        restored=list(view.restored),
        traded=list(view.traded),
        calls=[
            CallDietOut(
                name=call.name,
                stand=call.stand,
                native=list(call.native),
                traps=call.traps,
                deciding=[each.slug for each in call.deciding],
                changes=[_describe(change) for change in call.changes],
            )
            for call in view.calls
        ],
    )


def _describe(change: ChangeView) -> ChangeOut:
    return ChangeOut(
        scenario=change.question.slug,
        variant=change.variant,
        outcome=change.outcome,
        before=Answer(change.before),
        after=Answer(change.after),
        native=None if change.native is None else Answer(change.native),
    )

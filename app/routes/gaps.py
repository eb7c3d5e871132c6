"""Gaps: the words that the text under review lacks, as a page and as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from fastapi import APIRouter, Request, Response
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
from app.services import gaps
from app.services.gaps import GapReport, GapView

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api", tags=["gaps"])


@dataclass(frozen=True, slots=True, kw_only=True)
class GapsPage(Page):
    """All gaps, and the slips that the document lists itself."""

    template: ClassVar[str] = "gaps/list.html"
    title: str = "Gaps"
    report: GapReport


class ConsequenceOut(BaseModel):
    """What each reading makes of one outcome."""

    scenario: str = Field(examples=["kleen-unimplemented-msr"])
    outcome: str = Field(examples=["the call faults"])
    places: list[str] = Field(examples=[["Software hypervisor"]])
    answers: dict[str, Answer] = Field(
        examples=[{"fault": "always", "zero": "never"}]
    )


class GapOut(BaseModel):
    """A case on which the document is silent."""

    name: str = Field(
        description="The name of the policy that chooses a reading.",
        examples=["unimplemented_msr"],
    )
    clause: str = Field(examples=["RFC Appendix A / CPU control calls"])
    section: str | None = Field(
        description="The anchor of the clause in the document.",
        examples=["cpu-control-calls"],
    )
    case: str = Field(examples=["an unimplemented MSR"])
    text: str
    calls: list[str] = Field(examples=[["VMI_WRMSR", "VMI_RDMSR"]])
    readings: dict[str, str] = Field(
        description="Each reading, with the sentence that is missing."
    )
    threads: list[str] = Field(
        description="Slugs of the threads that ask what hangs on it."
    )
    consequences: list[ConsequenceOut] | None = Field(
        description="None as long as the readings are not explored."
    )
    url: str = Field(examples=["/gaps/#unimplemented_msr"])


class GapList(BaseModel):
    """All gaps in the document's order."""

    items: list[GapOut]
    progress: ProgressOut | None = Field(
        description="How far the exploration is; null when it is done."
    )


@router.get("/gaps/")
def list_gaps(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    surveyor: SurveyorDep,
) -> Response:
    """Show each place where the document must say a word."""
    report = gaps.read_gaps(session, surveyor)
    response = render(request, shell, GapsPage(report=report))
    if report.told is not None:
        mark_unfinished(response)
    return response


@api.get(
    "/gaps",
    summary="The words that the document lacks",
    dependencies=SELF,
    responses={202: {"model": GapList, "description": "Not all explored."}},
)
def list_gaps_json(
    request: Request,
    response: Response,
    session: SessionDep,
    surveyor: SurveyorDep,
) -> GapList:
    """Return each gap with its readings and what each leads to."""
    report = gaps.read_gaps(session, surveyor)
    if report.told is not None:
        response.status_code = HTTPStatus.ACCEPTED
        mark_unfinished(response)
    page = request.url_for("list_gaps").path
    return GapList(
        items=[_describe(page, view) for view in report.gaps],
        progress=make_progress(report.told),
    )


def _describe(page: str, view: GapView) -> GapOut:
    gap = view.gap
    known = view.dependents is not None
    return GapOut(
        name=gap.name,
        clause=gap.section,
        section=view.clause.anchor if view.clause else None,
        case=gap.case,
        text=gap.text,
        calls=list(gap.calls),
        readings=dict(gap.readings),
        threads=[thread.slug for thread in view.askers],
        consequences=list(_list_consequences(view)) if known else None,
        url=f"{page}#{gap.name}",
    )


def _list_consequences(view: GapView) -> Iterator[ConsequenceOut]:
    for dependent in view.dependents or ():
        for each in dependent.consequences:
            yield ConsequenceOut(
                scenario=dependent.question.slug,
                outcome=each.outcome,
                places=list(each.places),
                answers={
                    reading: Answer(answer)
                    for reading, answer in each.answers.items()
                },
            )

"""The decision log for programs: read it, and decide with a token."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import SessionDep
from app.forms import Slug
from app.identity import SignedIn
from app.models import Answer, Disposition, EvidenceState
from app.routes.decisions import DecisionForm, Number
from app.routes.etags import answer_tagged, make_tag
from app.routes.paging import PagingDep, take_page
from app.services import decision_rows, decisions, exports
from app.services.decision_rows import DecisionRow, Standing, Wanted

api = APIRouter(prefix="/api", tags=["decisions"])


class DecisionIn(DecisionForm):
    """A decision that a program sends, with the thread it is on."""

    model_config = ConfigDict(extra="forbid")

    thread: Slug = Field(examples=["kleen-sti-pairs-belong-in-spec"])


class ThreadOut(BaseModel):
    """The thread that was decided on."""

    slug: str
    title: str
    kind: str
    severity: str
    url: str


class CitedOut(BaseModel):
    """A piece of evidence that a decision stands on."""

    id: int
    scenario: str | None
    question: str
    platform: str = Field(examples=["software"])
    variant: str | None
    outcome: str = Field(examples=["sleeps-with-work"])
    answer: Answer
    expected: Answer
    state: EvidenceState
    run: str
    url: str


class LineOut(BaseModel):
    """Where the event log tells of it."""

    seq: int
    hash: str


class DecisionOut(BaseModel):
    """A decision, as the exports tell it."""

    number: int
    date: str = Field(examples=["2026-11-22T16:20:00.000000Z"])
    disposition: Disposition
    thread: ThreadOut
    calls: list[str] = Field(examples=[["VMI_EnableInterrupts", "VMI_Halt"]])
    reason: str
    evidence: list[CitedOut]
    dissent: str
    actor: str = Field(examples=["reviewer:ada"])
    supersedes: int | None
    superseded_by: int | None
    log: LineOut
    url: str


class DecisionList(BaseModel):
    """Decisions by number."""

    items: list[DecisionOut]


@api.get("/decisions", summary="Decisions, by number")
def list_decision_items(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    session: SessionDep,
    paging: PagingDep,
    thread: Annotated[
        Slug | None, Query(description="Only those on this thread.")
    ] = None,
    call: Annotated[
        Slug | None, Query(description="Only on threads on this call.")
    ] = None,
    standing: Annotated[
        Standing | None, Query(description="Only those that stand so.")
    ] = None,
) -> DecisionList:
    """List decisions, each with all that it stands on."""
    wanted = Wanted(
        thread=thread,
        call=call,
        standing=standing,
        window=paging.window,
    )
    rows = decision_rows.list_decisions(session, wanted)
    page = take_page(request, response, paging, rows, lambda row: row.number)
    return DecisionList(items=[_make_out(request, row) for row in page])


@api.get(
    "/decisions/{number}",
    summary="One decision",
    responses={404: {"description": "There is no such decision."}},
)
def get_decision(
    request: Request,
    response: Response,
    session: SessionDep,
    number: Number,
) -> DecisionOut:
    """Return a decision with all that it stands on."""
    row = decision_rows.get_decision(session, number)
    return answer_tagged(request, response, _make_out(request, row))


@api.post(
    "/decisions",
    summary="Decide on a thread",
    status_code=201,
    responses={
        401: {"description": "There is no token, or it is not good."},
        403: {"description": "This reviewer's role may not decide."},
        404: {"description": "There is no such thread."},
        409: {
            "description": "Another decision is in force on the thread "
            "than `supersedes` names."
        },
    },
)
def create_decision_item(
    request: Request,
    response: Response,
    visitor: SignedIn,
    session: SessionDep,
    sent: DecisionIn,
) -> DecisionOut:
    """Record a decision; to replace one, `supersedes` names it."""
    row = decisions.record_decision(session, visitor, sent.thread, sent.make())
    address = request.app.url_path_for("get_decision", number=row.number)
    response.headers["Location"] = str(address)
    made = _make_out(request, row)
    response.headers["ETag"] = make_tag(made)
    return made


def _make_out(request: Request, row: DecisionRow) -> DecisionOut:
    base_url = request.app.state.settings.base_url.rstrip("/")
    return DecisionOut.model_validate(exports.describe(row, base_url))

"""Evidence for programs: put a run's answer forward, or withdraw it."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import SessionDep
from app.forms import LARGEST, Slug
from app.identity import SignedIn
from app.models import Answer, EvidenceState
from app.routes.comments_api import Reason, ThreadSlug
from app.routes.etags import answer_tagged, require_match
from app.routes.paging import PagingDep, take_page
from app.services import decisions, evidence
from app.services.entries import take_turn
from app.services.evidence import Claim, EvidenceRow

api = APIRouter(prefix="/api", tags=["evidence"])

EvidenceNumber = Annotated[int, Path(ge=1, le=LARGEST, examples=[1])]


class EvidenceOut(BaseModel):
    """A run's answer, put forward on a thread beside the one expected."""

    id: int = Field(examples=[1])
    thread: str = Field(examples=["kleen-sti-shadow"])
    run: str
    scenario: str | None = Field(examples=["kleen-sti-shadow"])
    question: str
    platform: str = Field(examples=["software"])
    variant: str | None
    outcome: str = Field(examples=["sleeps-with-work"])
    expected: Answer
    answer: Answer
    state: EvidenceState
    reviewer: str = Field(examples=["ada"])
    created: datetime
    cited_by: int | None = Field(
        description="The first decision that stands on it."
    )


class EvidenceList(BaseModel):
    """Evidence on a thread, oldest first."""

    items: list[EvidenceOut]


class EvidenceIn(BaseModel):
    """Which answer of a run is put forward, and what is expected."""

    model_config = ConfigDict(extra="forbid")

    run: Slug
    platform: Slug = Field(examples=["software"])
    variant: Slug | None = None
    outcome: Slug = Field(examples=["sleeps-with-work"])
    expected: Answer


def _make_out(row: EvidenceRow) -> EvidenceOut:
    return EvidenceOut(
        id=row.id,
        thread=row.thread,
        run=row.run_id,
        scenario=row.scenario,
        question=row.question,
        platform=row.platform,
        variant=row.variant,
        outcome=row.outcome,
        expected=row.expected,
        answer=row.answer,
        state=row.state,
        reviewer=row.account,
        created=row.created_at,
        cited_by=row.cited_by,
    )


@api.get("/threads/{slug}/evidence", summary="Evidence on a thread")
def list_evidence(
    request: Request,
    response: Response,
    session: SessionDep,
    slug: ThreadSlug,
    paging: PagingDep,
) -> EvidenceList:
    """Return what was put forward on a thread."""
    decisions.require_thread(session, slug)
    rows = evidence.list_evidence(session, slug, paging.window)
    page = take_page(request, response, paging, rows, lambda row: row.id)
    return EvidenceList(items=[_make_out(row) for row in page])


@api.post(
    "/threads/{slug}/evidence",
    status_code=HTTPStatus.CREATED,
    summary="Put a run's answer forward",
    responses={
        200: {
            "model": EvidenceOut,
            "description": "You have put this very answer forward before.",
        },
        409: {"description": "The text or the model is another by now."},
    },
)
def create_evidence(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    visitor: SignedIn,
    session: SessionDep,
    slug: ThreadSlug,
    sent: EvidenceIn,
) -> EvidenceOut:
    """Put the answer of a stored run forward on a thread."""
    claim = Claim(
        run_id=sent.run,
        platform=sent.platform,
        variant=sent.variant,
        outcome=sent.outcome,
        expected=sent.expected,
    )
    put = evidence.put_forward(session, visitor, slug, claim)
    if not put.created:
        response.status_code = HTTPStatus.OK
    response.headers["Location"] = request.app.url_path_for(
        "read_evidence", number=put.id
    )
    made = _make_out(evidence.get_evidence(session, put.id))
    return answer_tagged(request, response, made)


@api.get("/evidence/{number}", summary="One piece of evidence")
def read_evidence(
    request: Request,
    response: Response,
    session: SessionDep,
    number: EvidenceNumber,
) -> EvidenceOut:
    """Return a piece of evidence."""
    row = evidence.get_evidence(session, number)
    return answer_tagged(request, response, _make_out(row))


@api.delete(
    "/evidence/{number}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Withdraw evidence",
    responses={
        403: {"description": "Somebody else put it forward."},
        409: {"description": "A decision stands on it."},
        412: {"description": "It is another than was read."},
        428: {"description": "`If-Match` is required here."},
    },
)
def withdraw_evidence(
    request: Request,
    *,
    visitor: SignedIn,
    session: SessionDep,
    number: EvidenceNumber,
    reason: Reason = "",
) -> None:
    """Withdraw one's own evidence; an editor others', with a reason."""
    take_turn(session)
    row = evidence.get_evidence(session, number)
    evidence.require_withdrawable(visitor, row)
    require_match(request, _make_out(row))
    evidence.withdraw(session, visitor, number, reason=reason)

"""Stances on threads for programs: one each, under one's own name."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import SessionDep
from app.errors import ForbiddenError
from app.forms import SLUG_LENGTH, Text
from app.identity import SignedIn
from app.models import StanceValue
from app.routes.comments_api import Reason, ThreadSlug
from app.routes.etags import answer_tagged, require_match
from app.routes.paging import PagingDep, take_page
from app.services import decisions, stances
from app.services.entries import take_turn
from app.services.stances import StanceRow

api = APIRouter(prefix="/api", tags=["stances"])

ReviewerName = Annotated[
    str,
    Path(
        max_length=SLUG_LENGTH,
        description="The name of an account.",
        examples=["ada"],
    ),
]


class StanceOut(BaseModel):
    """How a reviewer stands to a thread now.

    `blocking` and `working` keep it from being resolved.
    """

    reviewer: str = Field(examples=["ada"])
    author: str = Field(examples=["Ada"])
    stance: StanceValue
    text: str = Field(examples=["The window is still there."])
    html: str
    post: str = Field(
        description="The comment that says so, which may be answered.",
        examples=["019ac5b2-6f2e-7c31-9c39-0c1a4ad5c7aa"],
    )
    version: int = Field(examples=[1])
    taken: datetime


class StanceList(BaseModel):
    """Stances in the order in which they were first taken."""

    items: list[StanceOut]


class StanceIn(BaseModel):
    """The stance to take."""

    model_config = ConfigDict(extra="forbid")

    stance: StanceValue
    text: Annotated[
        Text,
        Field(
            description="Markdown. Who blocks says what is wrong, and what "
            "would clear it.",
            examples=["The window is still there."],
        ),
    ] = ""


def _make_out(row: StanceRow) -> StanceOut:
    return StanceOut(
        reviewer=row.reviewer,
        author=row.author,
        stance=row.value,
        text=row.text,
        html=row.html,
        post=row.post,
        version=row.version,
        taken=row.taken_at,
    )


@api.get("/threads/{slug}/stances", summary="Stances on a thread")
def list_stances(
    request: Request,
    response: Response,
    session: SessionDep,
    slug: ThreadSlug,
    paging: PagingDep,
) -> StanceList:
    """Return how reviewers stand to a thread, one each."""
    decisions.require_thread(session, slug)
    rows = stances.list_stances(session, slug, paging.window)
    page = take_page(request, response, paging, rows, lambda row: row.id)
    return StanceList(items=[_make_out(row) for row in page])


@api.get(
    "/threads/{slug}/stances/{reviewer}", summary="The stance of a reviewer"
)
def read_stance(
    request: Request,
    response: Response,
    session: SessionDep,
    slug: ThreadSlug,
    reviewer: ReviewerName,
) -> StanceOut:
    """Return how a reviewer stands to a thread."""
    row = stances.get_stance(session, slug, reviewer)
    return answer_tagged(request, response, _make_out(row))


@api.put(
    "/threads/{slug}/stances/{reviewer}",
    summary="Take a stance",
    responses={
        201: {"model": StanceOut, "description": "It is the first of yours."},
        403: {"description": "It is another's."},
        412: {"description": "It was changed since; `draft` is your text."},
        428: {"description": "`If-Match` is required here."},
    },
)
def take_stance(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    visitor: SignedIn,
    session: SessionDep,
    slug: ThreadSlug,
    reviewer: ReviewerName,
    sent: StanceIn,
) -> StanceOut:
    """Take a stance on a thread, in place of the one before."""
    if reviewer != visitor.name:
        raise ForbiddenError("everybody takes their own stance")
    take_turn(session)
    known = stances.find_stance(session, slug, reviewer)
    require_match(request, _make_out(known) if known else None, sent.text)
    row = stances.take_stance(session, visitor, slug, sent.stance, sent.text)
    if known is None:
        response.status_code = HTTPStatus.CREATED
        response.headers["Location"] = request.app.url_path_for(
            "read_stance", slug=slug, reviewer=reviewer
        )
    return answer_tagged(request, response, _make_out(row))


@api.delete(
    "/threads/{slug}/stances/{reviewer}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Withdraw a stance",
    responses={
        403: {"description": "It is another's."},
        412: {"description": "It was changed since it was read."},
        428: {"description": "`If-Match` is required here."},
    },
)
def withdraw_stance(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    visitor: SignedIn,
    session: SessionDep,
    slug: ThreadSlug,
    reviewer: ReviewerName,
    reason: Reason = "",
) -> None:
    """Withdraw one's own stance; an editor another's, with a reason."""
    take_turn(session)
    known = stances.require_withdrawable(session, visitor, slug, reviewer)
    require_match(request, _make_out(known))
    stances.withdraw_stance(session, visitor, slug, reviewer, reason=reason)

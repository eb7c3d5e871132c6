"""The event log, as it is, for whoever wants to check or follow it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import SessionDep
from app.identity import CurrentReviewer
from app.routes.paging import (
    DEFAULT_LIMIT,
    LARGEST,
    Ends,
    Limit,
    cut_page,
)
from app.services import entries, events
from app.services.entries import Line
from app.services.reviewers import Visitor

api = APIRouter(prefix="/api", tags=["log"])


class EntryOut(BaseModel):
    """One line of the log; `hash` is over all the rest (RFC 8785).

    What a line tells of accounts is for administrators; to others it is null,
    and the chain can still be followed over it.
    """

    seq: int = Field(examples=[17])
    id: str | None = Field(examples=["019ac5b2-6f2e-7c31-9c39-0c1a4ad5c7aa"])
    at: str | None = Field(examples=["2026-11-22T16:20:00.000000Z"])
    actor: str | None = Field(examples=["reviewer:ada"])
    type: str | None = Field(examples=["decision.recorded"])
    subject: str | None = Field(examples=["decision:3"])
    data: dict[str, Any] | None = Field(examples=[{"disposition": "accepted"}])
    previous: str = Field(examples=["0" * 64])
    hash: str = Field(examples=["4f" * 32])


class EntryList(BaseModel):
    """Lines of the log in their order."""

    items: list[EntryOut]


def _make_out(line: Line, visitor: Visitor | None) -> EntryOut:
    known = line._asdict()
    if not events.is_told(line.type, visitor):
        kept = {"seq", "previous", "hash"}
        known = {k: v if k in kept else None for k, v in known.items()}
    return EntryOut(**known)


@api.get("/log", summary="Lines of the event log, oldest first")
def list_entries(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    session: SessionDep,
    visitor: CurrentReviewer,
    limit: Limit = DEFAULT_LIMIT,
    after: Annotated[
        int | None,
        Query(
            ge=0,
            le=LARGEST,
            description="Only lines with a greater `seq`.",
            examples=[16],
        ),
    ] = None,
    before: Annotated[
        int | None,
        Query(
            ge=0,
            le=LARGEST,
            description="Only lines with a smaller `seq`; alone, the last "
            "of them.",
            examples=[16],
        ),
    ] = None,
) -> EntryList:
    """Return the lines after `after`; follow `next` for those after them."""
    after = after or None
    rows = entries.list_entries(
        session, after=after, before=before, limit=limit + 1
    )
    page = cut_page(
        request,
        response,
        rows,
        Ends(
            None if after is None else str(after),
            None if before is None else str(before),
            str(LARGEST),
        ),
        limit=limit,
        get_cursor=lambda row: str(row.seq),
    )
    return EntryList(items=[_make_out(row, visitor) for row in page])

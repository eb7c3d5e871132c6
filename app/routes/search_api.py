"""Search for programs: the same language, the same answers."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import SessionDep
from app.identity import CurrentReviewer
from app.models import SearchKind
from app.routes.paging import add_link, link_self
from app.routes.search import Asked, MaybeKind, MaybeOrder
from app.routes.search_results import get_url
from app.services import search
from app.services.entries import format_time
from app.services.search import MOST_FOUND, Order, ShownHit, Wanted
from app.services.snippets import Part

MOST = 100

api = APIRouter(prefix="/api", tags=["search"])

Limit = Annotated[
    int, Query(ge=1, le=MOST, description="How many items at most.")
]
PageNumber = Annotated[
    int, Query(ge=1, le=MOST_FOUND, description="Which page of them.")
]


class MarkedOut(BaseModel):
    """A text, and which parts of it were looked for."""

    text: str
    marks: list[tuple[int, int]] = Field(
        description="From and up to which character, counted from 0.",
        examples=[[(4, 10)]],
    )


class HitOut(BaseModel):
    """Something that was found."""

    kind: SearchKind
    name: str = Field(
        description="What its kind calls it: a Message-ID, a slug, a name, "
        "a number.",
        examples=["kleen-sti-shadow"],
    )
    url: str = Field(examples=["/threads/kleen-sti-shadow"])
    title: MarkedOut
    snippet: MarkedOut
    who: str
    date: str | None = Field(examples=["2006-03-22T20:05:58.000000Z"])
    note: str = Field(description="How it stands, in a word or two.")


class HitList(BaseModel):
    """What a query finds; counts end at a thousand."""

    total: int
    order: Order
    counts: dict[SearchKind, int]
    items: list[HitOut]


@api.get("/search", summary="What a query finds")
def find(  # noqa: PLR0913, PLR0917 - a part of the address each
    request: Request,
    response: Response,
    session: SessionDep,
    visitor: CurrentReviewer,
    q: Asked,
    kind: MaybeKind = None,
    order: MaybeOrder = None,
    limit: Limit = search.PAGE_LENGTH,
    page: PageNumber = 1,
) -> HitList:
    """Search everything, as the page does.

    What of the query is not understood is answered with its column. A list
    ends after a thousand items.
    """
    wanted = Wanted(text=q, kind=kind, order=order, page=page, limit=limit)
    found = search.search(
        session,
        wanted,
        account=visitor.name if visitor else None,
        is_masked=visitor is None,
    )
    last = max(1, -(-min(found.total, MOST_FOUND) // limit))
    links = [(1, "first"), (last, "last")]
    links += [(page - 1, "prev")] * (page > 1)
    links += [(page + 1, "next")] * found.has_more
    link_self(request, response)
    for number, name in links:
        add_link(response, _get_page(request, number), name)
    return HitList(
        total=found.total,
        order=found.order,
        counts=dict(found.counts),
        items=[_describe(request, one) for one in found.hits],
    )


def _get_page(request: Request, page: int) -> str:
    query = dict(request.query_params) | {"page": str(page)}
    return f"{request.url.path}?{urlencode(query)}"


def _describe(request: Request, one: ShownHit) -> HitOut:
    hit = one.hit
    return HitOut(
        kind=hit.kind,
        name=hit.name,
        url=get_url(request, hit),
        title=_mark(one.title),
        snippet=_mark(one.snippet),
        who=one.who,
        date=format_time(hit.at) if hit.at else None,
        note=hit.note,
    )


def _mark(parts: Sequence[Part]) -> MarkedOut:
    text, marks = "", []
    for part in parts:
        if part.is_marked:
            marks.append((len(text), len(text) + len(part.text)))
        text += part.text
    return MarkedOut(text=text, marks=marks)

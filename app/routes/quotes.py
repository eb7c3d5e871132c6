"""Quotes of mails: an editor's word on what was not sure.

They are listed with the anchors that wait; here is what their forms do.
"""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask

from app.dependencies import SessionDep
from app.errors import InvalidError
from app.forms import LARGEST, FormDep, MaybeSlug, check_form
from app.identity import SignedIn
from app.services import quotes

router = APIRouter(include_in_schema=False)

QuoteId = Annotated[int, Path(ge=1, le=LARGEST)]


class DecisionForm(BaseModel):
    """The clause that a quote is from, as one word: `apic-calls.VMI_INB`.

    An empty one goes with the section and the call that were chosen.
    """

    place: MaybeSlug = None
    section: MaybeSlug = None
    call: MaybeSlug = None


@router.post("/review/quotes/{quote_id}/decide")
def decide_quote(
    request: Request,
    session: SessionDep,
    visitor: SignedIn,
    typed: FormDep,
    quote_id: QuoteId,
) -> Response:
    """Bind a quote to the clause it is from."""
    form, errors = check_form(DecisionForm, typed)
    if form is None:
        raise InvalidError("this is no clause: " + "; ".join(errors.values()))
    section, _, call = (form.place or "").partition(".")
    section = section or form.section or ""
    if not section:
        raise InvalidError("choose the clause that the quote is from")
    chosen = call if form.place else form.call
    quotes.decide_quote(
        session, visitor, quote_id, section=section, call=chosen or None
    )
    return _go_back(request)


@router.post("/review/quotes/{quote_id}/dismiss")
def dismiss_quote(
    request: Request,
    session: SessionDep,
    visitor: SignedIn,
    quote_id: QuoteId,
) -> Response:
    """Say that a quote is from no clause."""
    quotes.dismiss_quote(session, visitor, quote_id)
    return _go_back(request)


def _go_back(request: Request) -> Response:
    return RedirectResponse(
        f"{request.url_for('list_anchors').path}#quotes",
        status_code=HTTPStatus.SEE_OTHER,
        # what answers this mail may be sure now
        background=BackgroundTask(request.app.state.quote_worker.begin),
    )

"""Suggesting other words for a passage of the document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.dependencies import SessionDep
from app.errors import InvalidError
from app.forms import EditForm, FormDep, Quote, Typed, check_form
from app.identity import SignedIn
from app.pages import Page, ShellDep, render
from app.services import suggesting
from app.services.suggesting import NewEdit

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSuggestionPage(Page):
    """The form for other words."""

    template: ClassVar[str] = "anchors/suggest.html"
    title: str = "Suggest an edit"
    typed: Typed
    errors: Mapping[str, str] = field(default_factory=dict)


@router.get("/document/suggestions/new")
def new_suggestion(
    request: Request,
    visitor: SignedIn,  # noqa: ARG001 - only who may write sees the form
    shell: ShellDep,
    quote: Quote = "",
) -> Response:
    """Show the form; the address names the passage."""
    asked = request.query_params
    typed = {name: asked.get(name, "") for name in ("section", "start")}
    page = NewSuggestionPage(typed=typed | {"quote": quote, "text": quote})
    return render(request, shell, page)


@router.post("/document/suggestions/")
def create_suggestion(
    request: Request,
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    typed: FormDep,
) -> Response:
    """Store the words, or show the form again with what is wrong."""
    form, wrong = check_form(EditForm, typed)
    if form is not None:
        new = NewEdit(form.section, form.quote, form.text, form.start)
        try:
            suggesting.suggest_edit(session, visitor, new)
        except InvalidError as error:
            wrong = {f.pointer.strip("/"): f.message for f in error.faults}
        else:
            path = request.app.url_path_for(
                "show_section", anchor=form.section
            )
            return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER)
    page = NewSuggestionPage(typed=typed, errors=wrong)
    return render(request, shell, page, status=HTTPStatus.UNPROCESSABLE_ENTITY)

"""Suggested edits: the list, accepting one, declining one."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.dependencies import DatabaseDep, SessionDep
from app.errors import ConflictError, InvalidError
from app.forms import SLUG_LENGTH, FilledLine, FormDep, check_form
from app.identity import SignedIn
from app.pages import Page, Shell, ShellDep, render
from app.routes.revisions import may_edit
from app.services import suggestions
from app.services.carrier import Foreseen
from app.services.suggestions import Suggestion

router = APIRouter(include_in_schema=False)

AnnotationId = Annotated[str, Path(max_length=SLUG_LENGTH)]


class ReasonForm(BaseModel):
    """Why a suggestion is not taken."""

    reason: FilledLine


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionsPage(Page):
    """The suggested edits, to be accepted or declined."""

    template: ClassVar[str] = "revisions/suggestions.html"
    title: str = "Suggested edits"
    suggestions: Sequence[Suggestion]
    may_edit: bool
    refused: str = ""
    refused_id: str = ""


@router.get("/document/suggestions/")
def list_suggestions(
    request: Request, shell: ShellDep, session: SessionDep
) -> Response:
    """Show the suggested edits."""
    page = SuggestionsPage(
        suggestions=suggestions.list_suggestions(session),
        may_edit=may_edit(shell),
    )
    return render(request, shell, page)


def foresee_accepted(
    editor: SignedIn,  # noqa: ARG001 - before the texts are compared
    database: DatabaseDep,
    annotation: AnnotationId,
) -> Foreseen | None:
    """Find where anchors go if it is accepted, before anything is locked."""
    with database.read() as session:
        return suggestions.foresee(session, annotation)


# it stands before whatever opens the session that writes
ForeseenDep = Annotated[Foreseen | None, Depends(foresee_accepted)]


@router.post("/document/suggestions/{annotation}/accept")
def accept_suggestion(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    editor: SignedIn,
    foreseen: ForeseenDep,
    shell: ShellDep,
    session: SessionDep,
    annotation: AnnotationId,
) -> Response:
    """Make the next revision with the suggested words in it."""
    try:
        made = suggestions.accept(session, editor, annotation, foreseen)
    except ConflictError as error:
        return _render_refused(request, shell, session, annotation, error)
    request.app.state.quote_worker.begin()
    return RedirectResponse(
        request.app.url_path_for("show_changes", number=made.number),
        status_code=HTTPStatus.SEE_OTHER,
    )


@router.post("/document/suggestions/{annotation}/decline")
def decline_suggestion(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    editor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    annotation: AnnotationId,
    typed: FormDep,
) -> Response:
    """Note why the suggested words are not taken."""
    form, wrong = check_form(ReasonForm, typed)
    if form is None:
        reason = InvalidError(f"the reason: {wrong['reason']}")
        return _render_refused(request, shell, session, annotation, reason)
    try:
        suggestions.decline(session, editor, annotation, form.reason)
    except ConflictError as error:
        return _render_refused(request, shell, session, annotation, error)
    return RedirectResponse(
        request.app.url_path_for("list_suggestions"),
        status_code=HTTPStatus.SEE_OTHER,
    )


def _render_refused(
    request: Request,
    shell: Shell,
    session: Session,
    annotation: str,
    error: ConflictError | InvalidError,
) -> Response:
    page = SuggestionsPage(
        suggestions=suggestions.list_suggestions(session),
        may_edit=may_edit(shell),
        refused=str(error),
        refused_id=annotation,
    )
    is_conflict = isinstance(error, ConflictError)
    return render(
        request,
        shell,
        page,
        status=HTTPStatus.CONFLICT
        if is_conflict
        else HTTPStatus.UNPROCESSABLE_ENTITY,
    )

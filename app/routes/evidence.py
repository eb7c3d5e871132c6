"""Evidence: putting a run's answer forward on a thread."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from app.dependencies import SessionDep
from app.errors import InvalidError
from app.forms import FormDep, MaybeSlug, Slug, check_form
from app.identity import SignedIn
from app.models import Answer
from app.pages import Page, get_shell, render
from app.routes.runs import EvidenceDraft, build_draft
from app.services import evidence, run_views, runs
from app.services.evidence import Claim
from app.services.run_views import Place, Selection

router = APIRouter(include_in_schema=False)


class EvidenceForm(BaseModel):
    """The answer of a run, and what was expected of it.

    `thread` goes over the thread in the address, so that one form offers
    all threads.
    """

    run: Slug
    platform: Slug
    variant: MaybeSlug = None
    outcome: Slug
    expected: Answer
    thread: MaybeSlug = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvidencePage(Page):
    """The form alone, shown again with what is wrong in it."""

    template: ClassVar[str] = "evidence/new.html"
    title: str = "Put a run forward as evidence"
    question: str
    draft: EvidenceDraft


@router.post("/threads/{slug}/evidence")
def attach_evidence(
    request: Request,
    session: SessionDep,
    visitor: SignedIn,
    typed: FormDep,
    slug: Annotated[Slug, Path()],
) -> Response:
    """Put an answer forward, and show it on the thread."""
    form, errors = check_form(EvidenceForm, typed)
    if form is None:
        return _show_again(request, session, visitor, slug, typed, errors)
    thread = form.thread or slug
    claim = Claim(
        run_id=form.run,
        platform=form.platform,
        variant=form.variant,
        outcome=form.outcome,
        expected=form.expected,
    )
    evidence.attach(session, visitor, thread, claim)
    url = request.url_for("show_thread", slug=thread).path
    return RedirectResponse(
        f"{url}#evidence-head", status_code=HTTPStatus.SEE_OTHER
    )


def _show_again(  # noqa: PLR0913, PLR0917 - what the form is built from
    request: Request,
    session: SessionDep,
    visitor: SignedIn,
    slug: str,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
) -> Response:
    run = runs.read_run(session, typed.get("run", ""))
    asked = Selection(
        typed.get("platform"),
        typed.get("variant") or None,
        typed.get("outcome"),
    )
    view = run_views.build_view(run, Place(""), asked)
    shell = get_shell(session, visitor)
    draft = build_draft(shell, session, view)
    if draft is None:
        raise InvalidError("this run has no answer to put forward")
    draft = replace(
        draft,
        thread=typed.get("thread") or slug,
        expected=typed.get("expected", ""),
        errors=errors,
    )
    page = NewEvidencePage(question=run.question, draft=draft)
    return render(request, shell, page, status=422)

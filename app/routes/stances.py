"""Taking a stance on a thread, or withdrawing it, on the thread's page."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from app.dependencies import SessionDep
from app.errors import InvalidError
from app.forms import FormDep, Slug, Text, check_form
from app.identity import SignedIn
from app.models import StanceValue
from app.pages import (
    Page,
    Shell,
    ShellDep,
    is_fragment,
    render,
    render_template,
)
from app.routes.live import name_own_entries
from app.routes.threads import StanceDraft
from app.services import annotations, stances, thread_rows
from app.services.annotations import PostRow

ThreadPath = Annotated[Slug, Path()]
TEXT = "stance-text"
WITHDRAW = "withdraw"

router = APIRouter(include_in_schema=False)


class StanceForm(BaseModel):
    """A stance, and why."""

    stance: StanceValue
    text: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StancesPage(Page):
    """The stances on a thread, and the form to take one."""

    template: ClassVar[str] = "threads/stances.html"
    title: str = "Stances"
    slug: str
    thread: str
    stances: Sequence[PostRow]
    stand: StanceDraft
    may_write: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken(StancesPage):
    # with the post that tells of the stance just taken
    authors: Sequence[str]
    said: PostRow
    is_first: bool


@router.get("/threads/{slug}/stance")
def show_stances(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    slug: ThreadPath,
) -> Response:
    """Show the stances on a thread."""
    page = _build_page(shell, session, slug)
    if is_fragment(request):
        return render_template(request, shell, "threads/_stances.html", page)
    return render(request, shell, page)


@router.post("/threads/{slug}/stance")
def create_stance(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    slug: ThreadPath,
    typed: FormDep,
) -> Response:
    """Take a stance, or show the form again with what is wrong."""
    known = stances.find_stance(session, slug, visitor.name)
    if typed.get("act") == WITHDRAW and known is not None:
        stances.withdraw_stance(session, visitor, slug, visitor.name)
        return _follow(request, shell, session, slug, known.post)
    sent = {**typed, "text": typed.get(TEXT, "")}
    form, wrong = check_form(StanceForm, sent)
    if form is not None:
        try:
            taken = stances.take_stance(
                session, visitor, slug, form.stance, form.text
            )
        except InvalidError as error:
            wrong = {f.pointer.strip("/"): f.message for f in error.faults}
        else:
            return _follow(
                request,
                shell,
                session,
                slug,
                taken.post,
                is_first=known is None,
            )
    page = _build_page(shell, session, slug)
    stand = replace(
        page.stand,
        value=typed.get("stance", ""),
        text=sent["text"],
        is_answer=is_fragment(request),
        errors=wrong,
    )
    template = (
        "threads/_stances.html" if is_fragment(request) else page.template
    )
    return render_template(
        request,
        shell,
        template,
        replace(page, stand=stand),
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
    )


def _follow(  # noqa: PLR0913 - each is a part of the answer
    request: Request,
    shell: Shell,
    session: SessionDep,
    slug: str,
    post_id: str,
    *,
    is_first: bool = False,
) -> Response:
    """Answer a change: htmx gets the list and the post, others the thread."""
    if not is_fragment(request):
        path = request.app.url_path_for("show_thread", slug=slug)
        return RedirectResponse(
            f"{path}#stances", status_code=HTTPStatus.SEE_OTHER
        )
    known = _build_page(shell, session, slug)
    known = replace(known, stand=replace(known.stand, is_answer=True))
    page = _Taken(
        **{part.name: getattr(known, part.name) for part in fields(known)},
        authors=shell.proposal.authors if shell.proposal else (),
        said=annotations.get_post(session, slug, post_id),
        is_first=is_first,
    )
    answer = render_template(
        request, shell, "threads/_stance_taken.html", page
    )
    return name_own_entries(answer, shell, session)


def _build_page(shell: Shell, session: SessionDep, slug: str) -> StancesPage:
    thread = thread_rows.get_thread(session, slug)
    rows = annotations.read_spoken(session, thread.id).rows
    return StancesPage(
        slug=slug,
        thread=thread.title,
        stances=stances.list_taken(rows),
        stand=StanceDraft.make(rows, shell),
        may_write=shell.may_write,
    )

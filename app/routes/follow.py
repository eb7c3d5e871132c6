"""Following a run: how far it is, until there is something to show."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.dependencies import DatabaseDep
from app.errors import ReviewError
from app.forms import FormDep, MaybeSlug
from app.identity import get_access
from app.models import Role
from app.pages import (
    Page,
    get_shell,
    is_fragment,
    render,
    render_template,
)
from app.routes.runs import ExplorerDep
from app.services import drafts, runs
from app.services.explorer import Client, Explorer
from app.services.rate_limits import get_origin
from app.services.runs import Begun, RunProgress

router = APIRouter(include_in_schema=False)

PATIENCE = 0.8
"""Seconds that a form waits before it shows how far the run is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressPage(Page):
    """A run on its way; `address` is the page's own address.

    `may_cancel` says whether who looks asked it, or is an editor.
    """

    template: ClassVar[str] = "whatif/progress.html"
    progress: RunProgress
    reason: str | None
    platform: str
    edit: str
    address: str
    may_cancel: bool


def get_client(request: Request) -> Client:
    """Return who asks: to share the workers, and to cancel what is theirs."""
    visitor = get_access(request).visitor
    return Client(
        get_origin(request.client.host) if request.client else "",
        visitor.name if visitor is not None else None,
        is_editor=visitor is not None and visitor.may(Role.editor),
    )


def follow(
    request: Request, explorer: Explorer, begun: Begun, platform: str = ""
) -> Response:
    """Send on to the run, or to its progress if it takes longer."""
    is_there = begun.job is None or explorer.wait(begun.job, PATIENCE)
    route = "show_run" if is_there else "show_progress"
    url = request.url_for(route, id=begun.id).path
    if platform:
        url = f"{url}?platform={platform}"
    return RedirectResponse(url, status_code=HTTPStatus.SEE_OTHER)


@router.get("/runs/{id}/progress")
def show_progress(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    id: str,  # noqa: A002 - the word in the address
    platform: Annotated[MaybeSlug, Query()] = None,
) -> Response:
    """Show how far a run is; once it is there, send on to it."""
    progress = runs.read_progress(database, explorer, id)
    job = explorer.find(id)
    query = f"?platform={platform}" if platform else ""
    if progress.state == "done":
        url = request.url_for("show_run", id=id).path + query
        if is_fragment(request):
            return Response(headers={"HX-Redirect": url})
        return RedirectResponse(url, status_code=HTTPStatus.SEE_OTHER)
    error = progress.error
    packed = drafts.pack(progress.text)
    edit = request.url_for("new_question").path
    with database.read() as session:
        shell = get_shell(session, get_access(request).visitor)
    page = ProgressPage(
        title="The question has no answer"
        if error
        else "The question is being explored",
        progress=progress,
        reason=describe(error) if error else None,
        platform=platform or "",
        edit=f"{edit}?q={packed}" if packed else edit,
        address=request.url_for("show_progress", id=id).path + query,
        may_cancel=job is not None and job.may_stop(get_client(request)),
    )
    if is_fragment(request):
        return render_template(request, shell, "whatif/_progress.html", page)
    return render(request, shell, page)


def describe(error: Exception) -> str:
    """Say why a run came to no answer, as far as it is a reader's affair."""
    if isinstance(error, ReviewError):
        return str(error)
    return "the program failed; its log holds the cause"


@router.post("/runs/{id}/cancel")
def cancel_run(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    typed: FormDep,
    id: str,  # noqa: A002 - the word in the address
) -> Response:
    """Give a run up that one asked, an editor any; show that it is."""
    runs.give_up_run(database, explorer, id, get_client(request))
    url = request.url_for("show_progress", id=id).path
    if typed.get("platform"):
        url = f"{url}?platform={typed['platform'][:20]}"
    return RedirectResponse(url, status_code=HTTPStatus.SEE_OTHER)

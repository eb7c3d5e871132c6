"""Runs: asking a question of one's own, and looking at what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, Field

from app.db import DatabaseDep, SessionDep
from app.errors import Fault, InvalidError
from app.forms import FormDep, MaybeSlug, check_form, clean_text
from app.identity import find_cookie_holder
from app.models import Role
from app.pages import (
    Page,
    Shell,
    ShellDep,
    get_shell,
    is_fragment,
    render,
    render_template,
)
from app.services import run_views, runs, scenarios
from app.services.evidence import EXPECTABLE
from app.services.explorer import Explorer, Question
from app.services.run_views import Place, RunView, Selection
from app.services.scenarios import ThreadChoice

router = APIRouter(include_in_schema=False)

SCENARIO_LENGTH = 64 * 1024
MOST_STEPS = 1_000_000

ScenarioText = Annotated[
    str, Field(max_length=SCENARIO_LENGTH), AfterValidator(clean_text)
]


def get_explorer(request: Request) -> Explorer:
    """Return the application's explorer."""
    explorer: Explorer = request.app.state.explorer
    return explorer


ExplorerDep = Annotated[Explorer, Depends(get_explorer)]


def get_selection(
    platform: Annotated[MaybeSlug, Query()] = None,
    variant: Annotated[MaybeSlug, Query()] = None,
    outcome: Annotated[MaybeSlug, Query()] = None,
    way: Literal["witness", "counter"] | None = None,
    step: Annotated[int, Query(ge=0, le=MOST_STEPS)] = 0,
) -> Selection:
    """Read which answer of a run is looked at, and at which step."""
    return Selection(platform, variant, outcome, way, step)


SelectionDep = Annotated[Selection, Depends(get_selection)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceDraft:
    """The form that puts an answer forward on a thread."""

    run_id: str
    platform: str
    variant: str | None
    outcome: str
    answer: str
    phrase: str
    threads: Sequence[ThreadChoice]
    thread: str
    expected: str
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> Sequence[tuple[str, str]]:
        """Return what may be expected, nothing being chosen for anybody."""
        return [("", "choose"), *((each, each) for each in EXPECTABLE)]

    @property
    def choices(self) -> Sequence[tuple[str, str]]:
        """Return the threads as the options of a field."""
        return [(each.slug, each.title) for each in self.threads]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage(Page):
    """A stored run, whatever asked for it."""

    template: ClassVar[str] = "runs/show.html"
    view: RunView
    draft: EvidenceDraft | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRunPage(Page):
    """The form for a question of one's own; `excerpt` is the wrong line."""

    template: ClassVar[str] = "runs/new.html"
    title: str = "Ask a question"
    text: str
    error: str | None = None
    excerpt: str | None = None


class NewRunForm(BaseModel):
    """A scenario as somebody typed it."""

    scenario_text: ScenarioText


@router.get("/runs/new")
def new_run(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    scenario: Annotated[MaybeSlug, Query()] = None,
) -> Response:
    """Show the form, with a question of the list to start from."""
    text = ""
    if scenario is not None:
        text = scenarios.read_question(session, scenario).text
    else:
        for question in scenarios.list_questions(session, limit=1):
            text = question.text
    return render(request, shell, NewRunPage(text=text))


@router.post("/runs/")
def create_run(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    typed: FormDep,
) -> Response:
    """Run what was typed, and show the run; or say what is wrong where."""
    form, errors = check_form(NewRunForm, typed)
    text = typed.get("scenario_text", "")
    if form is None:
        fault = Fault("/scenario_text", errors.get("scenario_text", ""))
        return _show_again(request, text, fault)
    with database.read() as session:
        slug = runs.find_slug(session, form.scenario_text)
    try:
        run = runs.run_question(
            database, explorer, Question(slug, form.scenario_text)
        )
    except InvalidError as error:
        fault = next(iter(error.faults), Fault("", str(error)))
        return _show_again(request, form.scenario_text, fault)
    return RedirectResponse(
        request.url_for("show_run", id=run.id).path, status_code=303
    )


def _show_again(request: Request, text: str, fault: Fault) -> Response:
    message = fault.message
    if fault.line is not None:
        message = (
            f"line {fault.line}, column {fault.column}: {fault.message}; "
            f"expected {fault.expected}"
        )
    with request.app.state.database.read() as session:
        shell = get_shell(session, find_cookie_holder(request, session))
    page = NewRunPage(
        text=text, error=message, excerpt=build_excerpt(text, fault)
    )
    return render(request, shell, page, status=422)


def build_excerpt(text: str, fault: Fault) -> str | None:
    """Return the wrong line with a mark under the column, if there is one."""
    lines = text.split("\n")
    if fault.line is None or not 0 < fault.line <= len(lines):
        return None
    line = lines[fault.line - 1]
    before = line[: (fault.column or 1) - 1]
    space = "".join("\t" if each == "\t" else " " for each in before)
    return f"{line}\n{space}^"


@router.get("/runs/{id}")
def show_run(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    selection: SelectionDep,
    id: str,  # noqa: A002 - the word in the address
) -> Response:
    """Show a run: its answers, and an execution step by step."""
    run = runs.read_run(session, id)
    path = request.url_for("show_run", id=run.id).path
    view = run_views.build_view(run, Place(path), selection)
    draft = build_draft(shell, session, view)
    page = RunPage(title=run.question, view=view, draft=draft)
    if is_fragment(request):
        return render_template(request, shell, "runs/_view.html", page)
    return render(request, shell, page)


def build_draft(
    shell: Shell, session: SessionDep, view: RunView
) -> EvidenceDraft | None:
    """Return the evidence form, for a reviewer who may use it."""
    if shell.reviewer is None or not shell.reviewer.may(Role.reviewer):
        return None
    threads = scenarios.list_thread_choices(session)
    objection = view.scenario.objection if view.scenario else None
    known = {choice.slug for choice in threads}
    if not threads or view.cell.answer == "limit":
        return None
    return EvidenceDraft(
        run_id=view.run.id,
        platform=view.cell.platform,
        variant=view.cell.variant,
        outcome=view.cell.outcome,
        answer=view.cell.answer,
        phrase=view.phrase,
        threads=threads,
        thread=objection
        if objection is not None and objection in known
        else threads[0].slug,
        expected=view.cell.expected or "",
    )

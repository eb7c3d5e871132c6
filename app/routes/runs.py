"""Runs: looking at what came out of a question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, Field

from app.dependencies import SessionDep
from app.forms import MaybeSlug
from app.models import Role
from app.pages import (
    Page,
    Shell,
    ShellDep,
    is_fragment,
    render,
    render_template,
)
from app.services import evidence, run_views, runs, scenarios
from app.services.costs import MOST_TEXT
from app.services.evidence import EXPECTABLE
from app.services.explorer import Explorer
from app.services.lines import clean_text
from app.services.run_remarks import RunRemark, list_run_remarks
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


CostsText = Annotated[
    str,
    Query(
        max_length=MOST_TEXT,
        description="Cycles that go over those of the table: class, "
        "platform, cycles.",
        examples=["trap.software:3000,rom.software:20"],
    ),
    AfterValidator(clean_text),
]
ExplorerDep = Annotated[Explorer, Depends(get_explorer)]


def get_selection(  # noqa: PLR0913, PLR0917 - the names of an address
    platform: Annotated[MaybeSlug, Query()] = None,
    variant: Annotated[MaybeSlug, Query()] = None,
    outcome: Annotated[MaybeSlug, Query()] = None,
    way: Literal["witness", "counter"] | None = None,
    step: Annotated[int, Query(ge=0, le=MOST_STEPS)] = 0,
    fold: Annotated[int, Query(ge=0, le=1)] = 0,
    costs: CostsText = "",
) -> Selection:
    """Read which answer of a run is looked at, how, and at which step."""
    return Selection(
        platform, variant, outcome, way, step, fold, costs or None
    )


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
    stale: bool
    remarks: Sequence[RunRemark]


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
    stale = evidence.is_stale(session, run.id)
    page = RunPage(
        title=run.question,
        view=view,
        # what has become stale can be put forward no more
        draft=None if stale else build_draft(shell, session, view),
        stale=stale,
        remarks=list_run_remarks(session, run.id),
    )
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

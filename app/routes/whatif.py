"""Questions: what happens if, on which platform, by which policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

from fastapi import APIRouter, Query, Request, Response

from app.dependencies import DatabaseDep, SessionDep
from app.forms import FormDep, MaybeSlug
from app.pages import (
    Page,
    ShellDep,
    is_fragment,
    render,
    render_template,
)
from app.routes.follow import follow, get_client
from app.routes.runs import (
    EvidenceDraft,
    ExplorerDep,
    SelectionDep,
    build_draft,
    get_explorer,
)
from app.services import run_views, runs, scenarios
from app.services.asking import Question, compute_run_id, require_asked
from app.services.markdown import render_markdown
from app.services.run_views import Place, RunView
from app.services.runs import RunRecord
from app.services.scenarios import QuestionRecord
from app.sim import PLATFORMS, POLICIES, Policy

router = APIRouter(include_in_schema=False)


class Column(NamedTuple):
    """A platform as a column of the matrix."""

    name: str
    title: str


COLUMNS = tuple(Column(each.name, each.title) for each in PLATFORMS.values())


class Switch(NamedTuple):
    """A policy that a reader may choose; `chosen` empty: as it was asked."""

    policy: Policy
    chosen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionsPage(Page):
    """All questions and their answers, platform by platform."""

    template: ClassVar[str] = "whatif/list.html"
    title: str = "What happens if"
    columns: Sequence[Column] = COLUMNS
    questions: Sequence[QuestionRecord]
    calls: Sequence[str]
    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionPage(Page):
    """One question; `view` is None if nobody has asked it like this."""

    template: ClassVar[str] = "whatif/show.html"
    question: QuestionRecord
    notes: str
    view: RunView | None
    switches: Sequence[Switch]
    columns: Sequence[Column]
    platform: str
    draft: EvidenceDraft | None


@router.get("/whatif/")
def list_questions(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    call: Annotated[MaybeSlug, Query()] = None,
) -> Response:
    """Show all questions with their answers, or those about a call."""
    questions = scenarios.list_questions(session)
    calls = sorted({name for each in questions for name in each.calls})
    shown = [each for each in questions if call in {None, *each.calls}]
    page = QuestionsPage(questions=shown, calls=calls, call=call or "")
    if is_fragment(request):
        return render_template(request, shell, "whatif/_matrix.html", page)
    return render(request, shell, page)


@router.get("/whatif/{slug}")
def show_question(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    selection: SelectionDep,
    slug: str,
) -> Response:
    """Show a question with its answers; what was never run can be run."""
    question = scenarios.read_question(session, slug)
    policies = read_policies(request.query_params)
    run = _find_run(request, session, question, policies)
    path = request.url_for("show_question", slug=question.slug).path
    place = Place(path, tuple(policies.items()))
    view = run_views.build_view(run, place, selection) if run else None
    asked = question.scenario.platforms
    page = QuestionPage(
        title=question.question,
        question=question,
        notes=render_markdown(question.scenario.notes),
        view=view,
        switches=_list_switches(question, policies),
        columns=[each for each in COLUMNS if each.name in asked],
        platform=selection.platform or "",
        draft=build_draft(shell, session, view) if view else None,
    )
    if view is not None and is_fragment(request):
        return render_template(request, shell, "runs/_view.html", page)
    return render(request, shell, page)


@router.post("/whatif/{slug}/runs")
def run_question(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    typed: FormDep,
    slug: str,
) -> Response:
    """Run a question with the policies chosen, and show the run."""
    with database.read() as session:
        question = scenarios.read_question(session, slug)
    asked = Question(
        question.slug, question.text, policies=read_policies(typed)
    )
    begun = runs.begin_run(database, explorer, asked, get_client(request))
    platform = typed.get("platform", "")
    if platform not in PLATFORMS:
        platform = ""
    return follow(request, explorer, begun, platform)


def read_policies(typed: Mapping[str, str]) -> dict[str, str]:
    """Return the policies that an address or a form chooses."""
    return {name: typed[name] for name in POLICIES if typed.get(name)}


def _find_run(
    request: Request,
    session: SessionDep,
    question: QuestionRecord,
    policies: Mapping[str, str],
) -> RunRecord | None:
    run_id = question.run_id
    if policies:
        asked = Question(question.slug, question.text, policies=policies)
        require_asked(asked)
        run_id = compute_run_id(get_explorer(request).bound(asked))
    return runs.find_run(session, run_id) if run_id else None


def _list_switches(
    question: QuestionRecord, policies: Mapping[str, str]
) -> tuple[Switch, ...]:
    """Return the policies that the answers depend on, or that are chosen."""
    relevant = run_views.list_relevant(question.answers or {"platforms": []})
    return tuple(
        Switch(POLICIES[name], policies.get(name, ""))
        for name in POLICIES
        if name in relevant or name in policies
    )

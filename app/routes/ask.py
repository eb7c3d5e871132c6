"""Asking: a question of one's own, written in the browser and run."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from app.db import DatabaseDep, SessionDep
from app.errors import Fault, InvalidError
from app.forms import FormDep, MaybeSlug, check_form
from app.identity import find_cookie_holder
from app.pages import Page, ShellDep, get_shell, render
from app.routes.runs import ExplorerDep, ScenarioText
from app.services import runs, scenarios
from app.services.asking import Question

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuestionPage(Page):
    """The form for a question of one's own; `excerpt` is the wrong line."""

    template: ClassVar[str] = "whatif/new.html"
    title: str = "Ask a question"
    text: str
    error: str | None = None
    excerpt: str | None = None


class QuestionForm(BaseModel):
    """A scenario as somebody typed it."""

    scenario_text: ScenarioText


@router.get("/whatif/new")
def new_question(
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
    return render(request, shell, NewQuestionPage(text=text))


@router.post("/runs/")
def create_run(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    typed: FormDep,
) -> Response:
    """Run what was typed, and show the run; or say what is wrong where."""
    form, errors = check_form(QuestionForm, typed)
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
    page = NewQuestionPage(
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

"""Asking: a question of one's own, written in the browser and run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel

from app.db import Database
from app.dependencies import DatabaseDep
from app.errors import (
    ConflictError,
    Fault,
    InvalidError,
    ReviewError,
)
from app.forms import FormDep, MaybeSlug, check_form
from app.identity import get_access
from app.models import Role
from app.pages import Page, get_shell, render
from app.routes.follow import follow, get_client
from app.routes.runs import ExplorerDep, ScenarioText
from app.services import drafts, runs, saving, scenarios, words
from app.services.asking import Question, compute_run_id, require_asked
from app.services.corpus_scenarios import SAVED
from app.services.drafts import Starter
from app.services.explorer import Explorer
from app.services.lines import clean_text
from app.services.scenarios import QuestionChoice
from app.sim import PLATFORMS, POLICIES, Platform, Policy

router = APIRouter(include_in_schema=False)

ON = "on_"
"""How the fields begin that choose a platform."""

SHOWN = 20
"""How many refusals stand above the text."""


class PlatformChoice(NamedTuple):
    """A platform that may be asked."""

    platform: Platform
    chosen: bool


class PolicyChoice(NamedTuple):
    """A policy that may be set; `chosen` empty: as the question says."""

    policy: Policy
    chosen: str


class Refusal(NamedTuple):
    """What is wrong in a line, and the line with a mark under the place."""

    fault: Fault
    excerpt: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A question as it is being written: its text and what is chosen."""

    text: str
    platforms: tuple[str, ...]
    policies: Mapping[str, str]

    @property
    def question(self) -> Question:
        """Return it as it would be asked."""
        return Question(
            "posted", self.text, self.platforms or None, self.policies
        )

    @property
    def query(self) -> str | None:
        """Return what names it in an address; None if it is too long."""
        packed = drafts.pack(self.text)
        if packed is None:
            return None
        chosen = [(ON + name, "yes") for name in self.platforms]
        return urlencode([("q", packed), *chosen, *self.policies.items()])


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuestionPage(Page):
    """The editor; `run` is the answer, if it was asked like this before."""

    template: ClassVar[str] = "whatif/new.html"
    title: str = "Ask a question"
    text: str
    link: str | None
    run: str | None = None
    platforms: Sequence[PlatformChoice]
    policies: Sequence[PolicyChoice]
    starters: Sequence[Starter]
    questions: Sequence[QuestionChoice]
    refusals: Sequence[Refusal] = ()
    more: int = 0
    name: str
    name_error: str | None = None
    can_save: bool


class QuestionForm(BaseModel):
    """A scenario as somebody typed it."""

    scenario_text: ScenarioText


class Trouble(NamedTuple):
    """Why a form comes back."""

    faults: Sequence[Fault]
    status: int = HTTPStatus.UNPROCESSABLE_ENTITY


class Start(NamedTuple):
    """What an address says to begin with; the first of them counts."""

    packed: str | None
    run: str | None
    scenario: str | None
    starter: str | None


def get_start(
    q: Annotated[str | None, Query(max_length=drafts.LONGEST)] = None,
    run: Annotated[MaybeSlug, Query()] = None,
    scenario: Annotated[MaybeSlug, Query()] = None,
    starter: Annotated[MaybeSlug, Query()] = None,
) -> Start:
    """Read what to begin with from the address."""
    return Start(q, run, scenario, starter)


@router.get("/whatif/new")
def new_question(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    start: Annotated[Start, Depends(get_start)],
) -> Response:
    """Show the editor, with a question to start from."""
    draft = read_draft(read_text(database, start), request.query_params)
    require_asked(draft.question)
    name = start.scenario or ""
    if not name.startswith(SAVED):
        name = ""
    return _show(request, database, explorer, draft, name=name)


def read_text(database: Database, start: Start) -> str:
    """Return the text to begin with."""
    if start.packed is not None:
        return read_packed(start.packed)
    if start.run or start.scenario:
        with database.read() as session:
            if start.run:
                return runs.read_run(session, start.run).text
            return scenarios.read_question(session, start.scenario or "").text
    if start.starter:
        return drafts.read_starter(start.starter).text
    return drafts.list_starters()[0].text


def read_packed(packed: str) -> str:
    """Return the text that an address holds, or refuse what is none."""
    try:
        return clean_text(drafts.unpack(packed))
    except ValueError as error:
        raise InvalidError(
            "the address holds no question", Fault("/q", str(error))
        ) from None


def read_draft(text: str, typed: Mapping[str, str]) -> Draft:
    """Return a text with what an address or a form chooses beside it."""
    return Draft(
        text,
        tuple(name for name in PLATFORMS if typed.get(ON + name)),
        {name: typed[name] for name in POLICIES if typed.get(name)},
    )


@router.post("/runs/")
def create_run(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    typed: FormDep,
) -> Response:
    """Run what was typed, and show the run; or say what is wrong where."""
    draft, faults = _check(explorer, typed)
    if faults:
        return _show(request, database, explorer, draft, Trouble(faults))
    with database.read() as session:
        slug = runs.find_slug(session, draft.text)
    question = Question(
        slug, draft.text, draft.platforms or None, draft.policies
    )
    try:
        begun = runs.begin_run(
            database, explorer, question, get_client(request)
        )
        return follow(request, explorer, begun)
    except InvalidError as error:
        found = error.faults or (Fault("", str(error)),)
        return _show(request, database, explorer, draft, Trouble(found))


@router.post("/whatif/links")
def create_link(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    typed: FormDep,
) -> Response:
    """Answer with the address that holds all that was typed."""
    form, errors = check_form(QuestionForm, typed)
    draft = read_draft(
        form.scenario_text if form else typed.get("scenario_text", ""), typed
    )
    query = draft.query if form else None
    if query is None:
        message = errors.get(
            "scenario_text", "the text is too long for an address"
        )
        trouble = Trouble([Fault("/scenario_text", message)])
        return _show(request, database, explorer, draft, trouble)
    url = request.url_for("new_question").path
    return RedirectResponse(f"{url}?{query}", status_code=HTTPStatus.SEE_OTHER)


@router.post("/whatif/check")
def check_question(
    request: Request, explorer: ExplorerDep, typed: FormDep
) -> JSONResponse:
    """Tell the editor what is wrong where, and the question's address."""
    draft, faults = _check(explorer, typed)
    url = request.url_for("new_question").path
    query = draft.query
    return JSONResponse(
        {
            "errors": [
                {
                    "line": fault.line or 1,
                    "column": fault.column or 1,
                    "message": fault.message,
                    "expected": fault.expected,
                }
                for fault in faults
            ],
            "link": f"{url}?{query}" if query else None,
        }
    )


@router.get("/whatif/words")
def list_words() -> JSONResponse:
    """Tell the editor the words that it may complete."""
    return JSONResponse(words.list_words())


@router.post("/whatif/")
def create_question(
    request: Request,
    database: DatabaseDep,
    explorer: ExplorerDep,
    typed: FormDep,
) -> Response:
    """Save what was typed as a question of the list, and show it."""
    draft, faults = _check(explorer, typed)
    trouble = Trouble(faults)
    if not faults:
        visitor = get_access(request).visitor
        if visitor is None or not visitor.may(Role.reviewer):
            fault = Fault("/name", "sign in as a reviewer to save a question")
            trouble = Trouble([fault], HTTPStatus.FORBIDDEN)
        else:
            try:
                slug = saving.save_question(
                    database,
                    explorer,
                    visitor,
                    typed.get("name", ""),
                    draft.text,
                )
            except (InvalidError, ConflictError) as error:
                trouble = _explain(error)
            else:
                url = request.url_for("show_question", slug=slug).path
                return RedirectResponse(url, status_code=HTTPStatus.SEE_OTHER)
    name = typed.get("name", "")
    return _show(request, database, explorer, draft, trouble, name=name)


def _explain(error: ReviewError) -> Trouble:
    if isinstance(error, InvalidError):
        return Trouble(error.faults)
    return Trouble([Fault("/name", str(error))], HTTPStatus.CONFLICT)


def _check(
    explorer: Explorer, typed: Mapping[str, str]
) -> tuple[Draft, Sequence[Fault]]:
    """Return what was typed, and what is wrong with it."""
    form, errors = check_form(QuestionForm, typed)
    if form is None:
        draft = read_draft(typed.get("scenario_text", ""), typed)
        return draft, [Fault("/scenario_text", errors["scenario_text"])]
    draft = read_draft(form.scenario_text, typed)
    try:
        require_asked(draft.question)
    except InvalidError as error:
        return draft, error.faults
    return draft, explorer.check(form.scenario_text)


def _show(  # noqa: PLR0913 - what the page is built from
    request: Request,
    database: Database,
    explorer: Explorer,
    draft: Draft,
    trouble: Trouble | None = None,
    *,
    name: str = "",
) -> Response:
    faults = trouble.faults if trouble else ()
    of_name = [each.message for each in faults if each.pointer == "/name"]
    others = [each for each in faults if each.pointer != "/name"]
    query = draft.query
    url = request.url_for("new_question").path
    visitor = get_access(request).visitor
    with database.read() as session:
        shell = get_shell(session, visitor)
        run_id = None if trouble else _find_run(explorer, draft)
        run = runs.find_run(session, run_id) if run_id else None
        page = NewQuestionPage(
            text=draft.text,
            link=f"{url}?{query}" if query else None,
            run=run.id if run else None,
            platforms=[
                PlatformChoice(each, each.name in draft.platforms)
                for each in PLATFORMS.values()
            ],
            policies=[
                PolicyChoice(each, draft.policies.get(each.name, ""))
                for each in POLICIES.values()
            ],
            starters=drafts.list_starters(),
            questions=scenarios.list_choices(session),
            refusals=list(list_refusals(draft.text, others[:SHOWN])),
            more=len(others[SHOWN:]),
            name=name.removeprefix(SAVED),
            name_error=of_name[0] if of_name else None,
            can_save=visitor is not None and visitor.may(Role.reviewer),
        )
    status = trouble.status if trouble else HTTPStatus.OK
    return render(request, shell, page, status=status)


def _find_run(explorer: Explorer, draft: Draft) -> str:
    return compute_run_id(explorer.bound(draft.question))


def list_refusals(text: str, faults: Sequence[Fault]) -> Iterator[Refusal]:
    """Yield what is wrong, each with its line as it was typed."""
    for fault in faults:
        yield Refusal(fault, build_excerpt(text, fault))


def build_excerpt(text: str, fault: Fault) -> str | None:
    """Return the wrong line with a mark under the column, if there is one."""
    lines = text.split("\n")
    if fault.line is None or not 0 < fault.line <= len(lines):
        return None
    line = lines[fault.line - 1]
    before = line[: (fault.column or 1) - 1]
    space = "".join("\t" if each == "\t" else " " for each in before)
    return f"{line}\n{space}^"

"""The decision log: its pages and exports, and how to decide."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, BeforeValidator, Field

from app.dependencies import SessionDep
from app.errors import ConflictError, InvalidError
from app.forms import (
    FIELDS,
    LARGEST,
    FilledText,
    FormDep,
    Text,
    check_form,
    make_none,
)
from app.identity import SignedIn
from app.models import Disposition
from app.pages import Page, Shell, ShellDep, render
from app.services import decision_rows, decisions, exports
from app.services.decision_rows import (
    WORDS,
    Cited,
    DecisionRow,
    Standing,
    Wanted,
)
from app.services.decisions import NewDecision
from app.services.windows import Window

EVIDENCE_MOST = 50
PAGE_LENGTH = 200

router = APIRouter(include_in_schema=False)


Number = Annotated[int, Field(ge=1, le=LARGEST)]
Dissent = Annotated[
    Text,
    Field(
        description="Who disagrees and why.",
        examples=["Andi Kleen: the pair stays a trap for its callers."],
    ),
]
Supersedes = Annotated[
    Number | None,
    BeforeValidator(make_none),
    Field(
        description="The number of the decision in force on the thread, "
        "if there is one.",
        examples=[None],
    ),
]


class DecisionForm(BaseModel):
    """What is decided on a thread."""

    disposition: Disposition = Field(examples=["accepted"])
    reason: Annotated[
        FilledText,
        Field(
            description="Why; Markdown.",
            examples=["The pair of calls leaves a **window** of one step."],
        ),
    ]
    evidence: list[Number] = Field(
        default=[],
        max_length=EVIDENCE_MOST,
        description="Numbers of the thread's evidence that it stands on.",
        examples=[[]],
    )
    dissent: Dissent = ""
    supersedes: Supersedes = None

    def make(self) -> NewDecision:
        """Return it as the service takes it."""
        return NewDecision(
            disposition=self.disposition,
            reason=self.reason,
            dissent=self.dissent,
            evidence=tuple(self.evidence),
            supersedes=self.supersedes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the form shows: what was typed, what may be chosen, what is wrong.

    `in_force` is the number of the decision that a new one supersedes.
    """

    slug: str
    choices: Sequence[Cited]
    in_force: int | None
    disposition: str = ""
    reason: str = ""
    dissent: str = ""
    evidence: Sequence[int] = ()
    errors: dict[str, str] = field(default_factory=dict)
    words: ClassVar[Sequence[tuple[str, str]]] = [
        (value.value, word) for value, word in WORDS.items()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionListPage(Page):
    """The decision log."""

    template: ClassVar[str] = "decisions/list.html"
    decisions: Sequence[DecisionRow]
    counts: dict[Standing, int]
    standing: Standing | None
    following: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPage(Page):
    """One decision."""

    template: ClassVar[str] = "decisions/show.html"
    decision: DecisionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecisionPage(Page):
    """The form that decides on a thread."""

    template: ClassVar[str] = "decisions/new.html"
    draft: Draft


@router.get("/decisions/")
def list_decisions(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    show: Literal["", "in-force", "superseded"] = "",
    after: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
) -> Response:
    """Show the decisions by number, as minutes."""
    standing: Standing | None = show or None
    wanted = Wanted(
        standing=standing, window=Window(above=after, limit=PAGE_LENGTH + 1)
    )
    rows = decision_rows.list_decisions(session, wanted)
    page = DecisionListPage(
        title="Decisions",
        decisions=rows[:PAGE_LENGTH],
        counts=decision_rows.count_decisions(session),
        standing=standing,
        following=rows[PAGE_LENGTH - 1].number
        if len(rows) > PAGE_LENGTH
        else None,
    )
    return render(request, shell, page)


@router.get("/decisions.{format_}", name="export")
def export_decisions(
    request: Request, session: SessionDep, format_: str
) -> Response:
    """Answer with the whole decision log as a file."""
    form = exports.get_format(format_)
    content = exports.export_decisions(
        session, form.name, request.app.state.settings.base_url
    )
    headers = {
        "Content-Disposition": f'inline; filename="decisions.{form.name}"'
    }
    return Response(content, media_type=form.media_type, headers=headers)


@router.get("/decisions/{number}")
def show_decision(
    request: Request, shell: ShellDep, session: SessionDep, number: Number
) -> Response:
    """Show one decision."""
    page = DecisionPage(
        title=f"Decision {number}",
        decision=decision_rows.get_decision(session, number),
    )
    return render(request, shell, page)


@router.get("/threads/{slug}/decisions")
def new_decision(
    request: Request,
    visitor: SignedIn,  # noqa: ARG001 - only who may decide sees the form
    shell: ShellDep,
    session: SessionDep,
    slug: str,
) -> Response:
    """Show the form that decides on a thread."""
    return _render_form(request, shell, read_draft(session, slug))


async def read_evidence(request: Request) -> list[str]:
    """Return the pieces of evidence that were ticked."""
    form = await request.form(max_files=0, max_fields=FIELDS)
    return [v for v in form.getlist("evidence") if isinstance(v, str)]


@router.post("/threads/{slug}/decisions")
def create_decision(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    typed: FormDep,
    ticked: Annotated[list[str], Depends(read_evidence)],
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    slug: str,
) -> Response:
    """Decide on a thread, or show the form again with what is wrong."""
    sent: dict[str, Any] = {**typed, "evidence": ticked}
    form, wrong = check_form(DecisionForm, sent)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if form is not None:
        try:
            decisions.record_decision(session, visitor, slug, form.make())
        except ConflictError as error:
            wrong, status = {"": str(error)}, HTTPStatus.CONFLICT
        except InvalidError as error:
            wrong = {"evidence": str(error)}
    if wrong:
        draft = read_draft(session, slug, sent, wrong)
        return _render_form(request, shell, draft, status)
    address = request.url_for("show_thread", slug=slug)
    return RedirectResponse(
        f"{address.path}#decision", status_code=HTTPStatus.SEE_OTHER
    )


def read_draft(
    session: SessionDep,
    slug: str,
    sent: dict[str, Any] | None = None,
    wrong: dict[str, str] | None = None,
) -> Draft:
    """Return what the form shows on this thread, with what was typed."""
    decisions.require_thread(session, slug)
    wanted = Wanted(thread=slug, standing="in-force")
    rows = decision_rows.list_decisions(session, wanted)
    return make_draft(
        slug,
        decision_rows.list_choices(session, slug),
        rows,
        sent or {},
        wrong or {},
    )


def make_draft(
    slug: str,
    choices: Sequence[Cited],
    rows: Sequence[DecisionRow],
    sent: dict[str, Any],
    wrong: dict[str, str],
) -> Draft:
    """Return what the form shows, over what the thread's page has read."""
    in_force = decision_rows.find_in_force(rows)
    ticked = sent.get("evidence", ())
    return Draft(
        slug=slug,
        choices=choices,
        in_force=in_force.number if in_force else None,
        disposition=sent.get("disposition", ""),
        reason=sent.get("reason", ""),
        dissent=sent.get("dissent", ""),
        evidence=[c.id for c in choices if str(c.id) in ticked],
        errors=wrong,
    )


def _render_form(
    request: Request,
    shell: Shell,
    draft: Draft,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    page = NewDecisionPage(title=f"Decide on {draft.slug}", draft=draft)
    return render(request, shell, page, status=status)

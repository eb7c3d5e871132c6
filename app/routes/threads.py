"""Threads: the list, one thread, opening one, replying."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, ClassVar, Self
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BeforeValidator, Field

from app.dependencies import SessionDep
from app.errors import InvalidError
from app.forms import (
    FormDep,
    MaybeLine,
    MaybeSlug,
    Quote,
    ReplyForm,
    ThreadForm,
    Typed,
    check_form,
    make_none,
    split_names,
)
from app.identity import SignedIn
from app.models import Severity, ThreadKind, ThreadState
from app.pages import (
    Page,
    Shell,
    ShellDep,
    is_fragment,
    render,
    render_template,
)
from app.routes.decisions import Draft, make_draft
from app.services import (
    annotations,
    decision_rows,
    evidence,
    stances,
    thread_rows,
    threads,
)
from app.services.annotations import Post, PostRow
from app.services.decision_rows import DecisionRow
from app.services.evidence import EvidenceRow
from app.services.markdown import render_markdown
from app.services.thread_rows import Facets, ThreadDetail, ThreadRow, Wanted
from app.services.threads import Choices, NewThread

PAGE_LENGTH = 100
MOST_PAGES = 10_000
PREVIEW = "preview"

router = APIRouter(include_in_schema=False)


MaybeKind = Annotated[ThreadKind | None, BeforeValidator(make_none)]
MaybeState = Annotated[ThreadState | None, BeforeValidator(make_none)]
MaybeSeverity = Annotated[Severity | None, BeforeValidator(make_none)]
PageNumber = Annotated[int, Field(ge=1, le=MOST_PAGES)]


def get_wanted(  # noqa: PLR0913 - one argument a filter
    *,
    reviewer: Annotated[MaybeLine, Query()] = None,
    kind: Annotated[MaybeKind, Query()] = None,
    state: Annotated[MaybeState, Query()] = None,
    severity: Annotated[MaybeSeverity, Query()] = None,
    call: Annotated[MaybeLine, Query()] = None,
    section: Annotated[MaybeLine, Query()] = None,
) -> Wanted:
    """Read from the address which threads are wanted."""
    return Wanted(
        reviewer=reviewer,
        kind=kind,
        state=state,
        severity=severity,
        call=call,
        section=section,
    )


WantedDep = Annotated[Wanted, Depends(get_wanted)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadListPage(Page):
    """Threads, by weight."""

    template: ClassVar[str] = "threads/list.html"
    title: str = "Threads"
    threads: Sequence[ThreadRow]
    wanted: Wanted
    facets: Facets
    total: int
    first: int
    previous: str | None
    following: str | None

    @property
    def is_narrowed(self) -> bool:
        """Tell whether a filter leaves some threads out."""
        return self.wanted != Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDraft:
    """What the reply form shows: what was typed, and what is wrong.

    `answered` is the post that the reply is to, or None for the thread.
    """

    text: str = ""
    parent: str = ""
    answered: str | None = None
    preview: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StanceDraft:
    """What the form of a stance shows; `is_taken` if one was taken before.

    `is_answer` tells htmx to put the focus there.
    """

    value: str = ""
    text: str = ""
    is_taken: bool = False
    is_answer: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)
    words: ClassVar[Sequence[tuple[str, str]]] = [
        (value.value, f"{value.value}: {meaning}")
        for value, meaning in stances.MEANINGS.items()
    ]

    @classmethod
    def make(cls, rows: Sequence[PostRow], shell: Shell) -> Self:
        """Return what it shows to who looks, by the posts of the thread."""
        name = shell.reviewer.name if shell.reviewer else None
        for row in rows:
            if row.stance and row.account == name:
                return cls(value=row.stance, text=row.text, is_taken=True)
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadPage(Page):
    """One thread with all that was said on it."""

    template: ClassVar[str] = "threads/show.html"
    slug: str
    thread: ThreadDetail
    opener: PostRow | None
    posts: Sequence[Post]
    stances: Sequence[PostRow]
    stand: StanceDraft
    authors: Sequence[str]
    evidence: Sequence[EvidenceRow]
    decisions: Sequence[DecisionRow]
    may_write: bool
    reply: ReplyDraft
    draft: Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class NewThreadPage(Page):
    """The form that opens a thread."""

    template: ClassVar[str] = "threads/new.html"
    title: str = "Open a thread"
    typed: Mapping[str, str]
    choices: Choices
    preview: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    kinds: ClassVar[Sequence[tuple[str, str]]] = [
        (kind.value, kind.value) for kind in ThreadKind
    ]
    severities: ClassVar[Sequence[tuple[str, str]]] = [
        (severity.value, severity.value) for severity in Severity
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPage(Page):
    """How a text will look."""

    template: ClassVar[str] = "threads/preview.html"
    title: str = "Preview"
    preview: str


@router.get("/threads/")
def list_threads(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    wanted: WantedDep,
    page: PageNumber = 1,
) -> Response:
    """Show the threads that are wanted, by weight."""
    offset = (page - 1) * PAGE_LENGTH
    rows = thread_rows.list_by_weight(
        session, wanted, limit=PAGE_LENGTH + 1, offset=offset
    )
    is_whole = page == 1 and len(rows) <= PAGE_LENGTH
    shown = ThreadListPage(
        threads=rows[:PAGE_LENGTH],
        wanted=wanted,
        facets=thread_rows.count_facets(session),
        total=len(rows)
        if is_whole
        else thread_rows.count_threads(session, wanted),
        first=offset + 1,
        previous=_get_page(request, page - 1) if page > 1 else None,
        following=_get_page(request, page + 1)
        if len(rows) > PAGE_LENGTH
        else None,
    )
    if is_fragment(request):
        return render_template(request, shell, "threads/_list.html", shown)
    return render(request, shell, shown)


def _get_page(request: Request, number: int) -> str:
    query = dict(request.query_params) | {"page": str(number)}
    return f"{request.url.path}?{urlencode(query)}"


@router.get("/threads/new")
def new_thread(
    request: Request,
    visitor: SignedIn,  # noqa: ARG001 - only who may write sees the form
    shell: ShellDep,
    session: SessionDep,
    quote: Quote = "",
) -> Response:
    """Show the form; the address says what the thread is to speak of."""
    asked = request.query_params
    names = ("call", "section", "start", "kind", "severity", "title")
    typed = {name: asked.get(name, "") for name in names} | {
        "calls": asked.get("call", ""),
        "quote": quote,
    }
    return _render_new(request, shell, session, typed)


@router.post("/threads/")
def create_thread(
    request: Request,
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    typed: FormDep,
) -> Response:
    """Open a thread, or show the form again with what is wrong."""
    if typed.get("act") == PREVIEW:
        return _preview_new(request, shell, session, typed)
    form, wrong = check_form(ThreadForm, typed)
    if form is not None:
        new = NewThread(
            title=form.title,
            kind=form.kind,
            severity=form.severity,
            text=form.text,
            calls=split_names(form.calls),
            section=form.section,
            quote=form.quote,
            start=form.start,
        )
        try:
            slug = threads.open_thread(session, visitor, new)
        except InvalidError as error:
            wrong = {f.pointer.strip("/"): f.message for f in error.faults}
        else:
            return _go_to(request, slug)
    return _render_new(request, shell, session, typed, wrong)


def _preview_new(
    request: Request, shell: Shell, session: SessionDep, typed: Typed
) -> Response:
    preview = render_markdown(typed.get("text", ""))
    if is_fragment(request):
        return _render_preview(request, shell, preview)
    page = NewThreadPage(
        typed=typed,
        choices=threads.list_choices(session),
        preview=preview,
    )
    return render(request, shell, page)


def _render_preview(request: Request, shell: Shell, preview: str) -> Response:
    page = PreviewPage(preview=preview)
    return render_template(request, shell, "threads/_preview.html", page)


def _render_new(
    request: Request,
    shell: Shell,
    session: SessionDep,
    typed: Typed,
    wrong: Mapping[str, str] | None = None,
) -> Response:
    page = NewThreadPage(
        typed=typed,
        choices=threads.list_choices(session),
        errors=wrong or {},
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return render(request, shell, page, status=status)


@router.get("/threads/{slug}")
def show_thread(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    slug: str,
    reply: Annotated[MaybeSlug, Query()] = None,
) -> Response:
    """Show a thread; `reply` names the post that the form answers."""
    draft = ReplyDraft(parent=reply or "")
    return _render_thread(request, shell, session, slug, draft)


@router.post("/threads/{slug}/replies")
def create_reply(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    slug: str,
    typed: FormDep,
) -> Response:
    """Reply to a thread, or show it again with what is wrong."""
    form, wrong = check_form(ReplyForm, typed)
    previewed = typed.get("act") == PREVIEW
    preview = render_markdown(form.text) if form and previewed else ""
    if previewed and is_fragment(request):
        return _render_preview(request, shell, preview)
    if form is not None and not previewed:
        try:
            post = annotations.reply(
                session, visitor, slug, form.text, form.parent
            )
        except InvalidError as error:
            wrong = {"text": str(error)}
        else:
            return _go_to(request, slug, f"post-{post.id}")
    draft = ReplyDraft(
        text=typed.get("text", ""),
        parent=typed.get("parent", ""),
        preview=preview,
        errors=wrong,
    )
    return _render_thread(request, shell, session, slug, draft)


def _go_to(request: Request, slug: str, fragment: str = "") -> Response:
    path = request.app.url_path_for("show_thread", slug=slug)
    return RedirectResponse(
        f"{path}#{fragment}" if fragment else path,
        status_code=HTTPStatus.SEE_OTHER,
    )


def _render_thread(
    request: Request,
    shell: Shell,
    session: SessionDep,
    slug: str,
    reply: ReplyDraft,
) -> Response:
    thread = thread_rows.get_thread(session, slug)
    opener, rows = spoken = annotations.read_spoken(session, thread.id)
    answered = [row.author for row in rows if row.id == reply.parent]
    decided = decision_rows.list_decisions(
        session, decision_rows.Wanted(thread=slug)
    )
    choices = (
        decision_rows.list_choices(session, slug) if shell.may_write else ()
    )
    page = ThreadPage(
        title=thread.title,
        slug=slug,
        thread=thread,
        opener=opener,
        posts=annotations.nest_posts(rows),
        stances=stances.list_taken(spoken.rows),
        stand=StanceDraft.make(spoken.rows, shell),
        authors=shell.proposal.authors if shell.proposal else (),
        evidence=evidence.list_evidence(session, slug),
        decisions=decided,
        may_write=shell.may_write,
        reply=replace(
            reply,
            parent=reply.parent if answered else "",
            answered=answered[0] if answered else None,
        ),
        draft=make_draft(slug, choices, decided, {}, {}),
    )
    refused = bool(reply.errors)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK
    return render(request, shell, page, status=status)

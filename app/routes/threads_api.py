"""Threads for programs: what the pages show, as JSON, and comments."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from app.dependencies import SessionDep
from app.forms import (
    LARGEST,
    FilledLine,
    FilledText,
    Line,
    Quote,
    Slug,
)
from app.identity import SignedIn
from app.models import Severity, ThreadKind, ThreadState
from app.routes.comments_api import PostOut, ThreadSlug, make_post
from app.routes.etags import answer_tagged, make_tag, require_match
from app.routes.paging import PagingDep, take_page
from app.routes.threads import WantedDep
from app.services import annotations, thread_changes, thread_rows, threads
from app.services.entries import take_turn
from app.services.thread_changes import Heading
from app.services.thread_rows import ThreadRow
from app.services.threads import MOST_CALLS, NewThread

api = APIRouter(prefix="/api", tags=["threads"])


class ThreadOut(BaseModel):
    """A thread as a list shows it."""

    model_config = ConfigDict(from_attributes=True)

    slug: str = Field(examples=["kleen-watchdog-nmi"])
    title: str = Field(examples=["A kernel hung with interrupts off"])
    kind: ThreadKind
    severity: Severity
    state: ThreadState
    outcome: ThreadState | None = Field(
        description="What the mails show; null for a thread opened here."
    )
    reviewer: str = Field(validation_alias="opener", examples=["Andi Kleen"])
    opened_at: datetime
    calls: list[str] = Field(examples=[["VMI_CPUID"]])


class ThreadListItem(ThreadOut):
    """A thread of the list."""

    replies: int = Field(examples=[1])


class ThreadList(BaseModel):
    """Threads in the order they came in."""

    items: list[ThreadListItem]


class SectionOut(BaseModel):
    """A section that a thread speaks of."""

    model_config = ConfigDict(from_attributes=True)

    anchor: str = Field(examples=["local-apic-support"])
    number: str = Field(examples=["2.11"])
    title: str = Field(examples=["Local APIC support"])
    note: str | None = Field(examples=["item 6"])


class ThreadDetailOut(ThreadOut):
    """A thread with all that was said on it."""

    summary: str
    summary_html: str
    passage: str | None
    quote: str | None
    message_id: str | None
    in_reply_to: str | None
    notes: list[str]
    what_if: dict[str, Any] | None
    sections: list[SectionOut]
    scenarios: list[str]
    posts: list[PostOut]


class ThreadIn(BaseModel):
    """What a thread is opened with: on a section, on calls, or on both."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[FilledLine, Field(examples=["A window before the halt"])]
    kind: ThreadKind
    severity: Severity
    text: Annotated[
        FilledText,
        Field(
            description="Markdown.",
            examples=["An interrupt can arrive **between** the two calls."],
        ),
    ]
    calls: list[Slug] = Field(
        default=[], max_length=MOST_CALLS, examples=[["VMI_Halt"]]
    )
    section: Annotated[
        Slug | None,
        Field(
            description="The anchor of a section of the document.",
            examples=["local-apic-support"],
        ),
    ] = None
    quote: Annotated[
        Quote, Field(description="Text of that section, if it is about it.")
    ] = ""
    start: Annotated[
        int | None,
        Field(
            ge=0,
            le=LARGEST,
            description="Where the quote stands in the section, in code "
            "points; it tells equal passages apart.",
        ),
    ] = None

    def make(self) -> NewThread:
        """Return it as the service takes it."""
        return NewThread(
            title=self.title,
            kind=self.kind,
            severity=self.severity,
            text=self.text,
            calls=tuple(dict.fromkeys(self.calls)),
            section=self.section,
            quote=self.quote,
            start=self.start,
        )


class ThreadPatch(BaseModel):
    """What shall change of a thread; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: FilledLine | None = None
    kind: ThreadKind | None = None
    severity: Severity | None = None
    state: Annotated[
        ThreadState | None,
        Field(description="Not `decided`: that is said by a decision."),
    ] = None
    text: Annotated[
        FilledText | None,
        Field(description="Markdown; only who opened it may."),
    ] = None
    reason: Annotated[Line, Field(description="Why; an editor must say.")] = ""

    @model_validator(mode="after")
    def require_change(self) -> Self:
        """Refuse what changes nothing."""
        if self.make() == Heading() and self.text is None:
            raise ValueError("expected something to change")
        return self

    def make(self) -> Heading:
        """Return it as the service takes it, but for the text."""
        return Heading(
            title=self.title,
            kind=self.kind,
            severity=self.severity,
            state=self.state,
        )


@api.get("/threads", summary="Threads, oldest first")
def read_threads(
    request: Request,
    response: Response,
    session: SessionDep,
    wanted: WantedDep,
    paging: PagingDep,
) -> ThreadList:
    """Return threads by what they are about; every filter narrows."""
    rows = thread_rows.list_by_position(session, wanted, paging.window)
    page = take_page(request, response, paging, rows, lambda row: row.position)
    return ThreadList(items=[_make_item(row) for row in page])


def _make_item(row: ThreadRow) -> ThreadListItem:
    return ThreadListItem.model_validate(row)


@api.post(
    "/threads",
    status_code=HTTPStatus.CREATED,
    summary="Open a thread",
)
def create_thread_item(
    request: Request,
    response: Response,
    *,
    visitor: SignedIn,
    session: SessionDep,
    sent: ThreadIn,
) -> ThreadDetailOut:
    """Open a thread on a call, a section, or a passage of one."""
    slug = threads.open_thread(session, visitor, sent.make())
    response.headers["Location"] = request.app.url_path_for(
        "read_thread", slug=slug
    )
    made = describe_thread(session, slug)
    response.headers["ETag"] = make_tag(made)
    return made


@api.get("/threads/{slug}", summary="A thread with its posts")
def read_thread(
    request: Request,
    response: Response,
    session: SessionDep,
    slug: ThreadSlug,
) -> ThreadDetailOut:
    """Return one thread with all that it speaks of and that was said."""
    return answer_tagged(request, response, describe_thread(session, slug))


@api.patch(
    "/threads/{slug}",
    summary="Change a thread",
    responses={
        403: {"description": "Somebody else opened it."},
        409: {"description": "It is of the corpus, or it is decided."},
        412: {"description": "It was changed since; `draft` is your text."},
        428: {"description": "`If-Match` is required here."},
    },
)
def update_thread(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    visitor: SignedIn,
    session: SessionDep,
    slug: ThreadSlug,
    sent: ThreadPatch,
) -> ThreadDetailOut:
    """Change what one has opened; an editor changes others', with a reason.

    Nobody changes another's text. Of a thread of the corpus only the state
    is changed.
    """
    take_turn(session)
    thread_changes.require_changeable(session, visitor, slug)
    require_match(request, describe_thread(session, slug), sent.text or "")
    thread_changes.change_thread(
        session,
        visitor,
        slug,
        sent.make(),
        text=sent.text,
        reason=sent.reason,
    )
    return answer_tagged(request, response, describe_thread(session, slug))


def describe_thread(session: Session, slug: str) -> ThreadDetailOut:
    """Return a thread as programs see it."""
    thread = thread_rows.get_thread(session, slug)
    posts = annotations.list_posts(session, thread.id)
    return ThreadDetailOut(
        slug=thread.slug,
        title=thread.title,
        kind=thread.kind,
        severity=thread.severity,
        state=thread.state,
        outcome=thread.outcome,
        opener=thread.opener,
        opened_at=thread.opened_at,
        calls=list(thread.calls),
        summary=thread.summary,
        summary_html=thread.summary_html,
        passage=thread.passage,
        quote=thread.quote,
        message_id=thread.message_id,
        in_reply_to=thread.in_reply_to,
        notes=thread.notes,
        what_if=dict(thread.what_if) if thread.what_if else None,
        sections=[SectionOut.model_validate(s) for s in thread.sections],
        scenarios=[scenario.slug for scenario in thread.scenarios],
        posts=[make_post(post) for post in posts],
    )

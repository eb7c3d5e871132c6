"""Threads for programs: what the pages show, as JSON, and comments."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.db import SessionDep
from app.forms import SLUG_LENGTH, CommentIn
from app.identity import SignedIn
from app.models import Severity, ThreadKind, ThreadState
from app.routes.paging import PagingDep, take_page
from app.routes.threads import WantedDep
from app.services import annotations, thread_rows
from app.services.annotations import PostRow
from app.services.thread_rows import ThreadDetail, ThreadRow

api = APIRouter(prefix="/api", tags=["threads"])

ThreadSlug = Annotated[
    str, Path(max_length=SLUG_LENGTH, examples=["kleen-watchdog-nmi"])
]


class PostOut(BaseModel):
    """One reply: `parent` is the post it answers, null for the thread."""

    id: str = Field(examples=["019ac5b2-6f2e-7c31-9c39-0c1a4ad5c7aa"])
    parent: str | None = Field(examples=[None])
    author: str = Field(examples=["Zachary Amsden"])
    created: datetime
    text: str = Field(examples=["The hypervisor can notice it."])
    html: str = Field(examples=["<p>The hypervisor can notice it.</p>"])
    message_id: str | None = Field(examples=["4421C9D4.3050806@vmware.com"])


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


@api.get("/threads", summary="Threads, oldest first")
def read_threads(
    request: Request,
    response: Response,
    session: SessionDep,
    wanted: WantedDep,
    paging: PagingDep,
) -> ThreadList:
    """Return threads by what they are about; every filter narrows."""
    rows = thread_rows.list_by_position(
        session, wanted, after=paging.position or 0, limit=paging.fetch
    )
    page = take_page(request, response, paging, rows, lambda row: row.position)
    return ThreadList(items=[_make_item(row) for row in page])


def _make_item(row: ThreadRow) -> ThreadListItem:
    return ThreadListItem.model_validate(row)


@api.get("/threads/{slug}", summary="A thread with its posts")
def read_thread(session: SessionDep, slug: ThreadSlug) -> ThreadDetailOut:
    """Return one thread with all that it speaks of and that was said."""
    thread = thread_rows.get_thread(session, slug)
    posts = annotations.list_posts(session, thread.id)
    return _make_detail(thread, posts)


def _make_detail(
    thread: ThreadDetail, posts: Sequence[PostRow]
) -> ThreadDetailOut:
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
        posts=[_make_post(post) for post in posts],
    )


def _make_post(row: PostRow) -> PostOut:
    return PostOut(
        id=row.id,
        parent=row.parent,
        author=row.author,
        created=row.created_at,
        text=row.text,
        html=row.html,
        message_id=row.message_id,
    )


@api.post(
    "/threads/{slug}/comments",
    status_code=HTTPStatus.CREATED,
    summary="Comment on a thread",
)
def create_comment(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    visitor: SignedIn,
    session: SessionDep,
    slug: ThreadSlug,
    comment: CommentIn,
) -> PostOut:
    """Add a reply in Markdown; needs a token of a reviewer."""
    post = annotations.reply(
        session, visitor, slug, comment.text, comment.parent
    )
    response.headers["Location"] = request.app.url_path_for(
        "read_comment", slug=slug, comment=post.id
    )
    return _make_post(post)


@api.get("/threads/{slug}/comments/{comment}", summary="One comment")
def read_comment(
    session: SessionDep,
    slug: ThreadSlug,
    comment: Annotated[str, Path(max_length=SLUG_LENGTH)],
) -> PostOut:
    """Return one reply of a thread."""
    return _make_post(annotations.get_post(session, slug, comment))

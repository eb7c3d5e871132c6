"""Posts of one's own: changing one, deleting one.

The form names the version that it was made from. Whoever was slower than
somebody else sees both texts, and keeps what they typed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from app.dependencies import SessionDep
from app.errors import (
    InvalidError,
    PreconditionError,
)
from app.forms import LARGEST, FilledText, FormDep, Line, Slug, check_form
from app.identity import SignedIn
from app.pages import (
    Page,
    Shell,
    ShellDep,
    is_fragment,
    render,
    render_template,
)
from app.routes.live import name_own_entries
from app.services import annotations, posts, thread_rows
from app.services.annotations import PostRow

router = APIRouter(include_in_schema=False)

ThreadPath = Annotated[Slug, Path()]
PostPath = Annotated[Slug, Path()]
Version = Annotated[int, Field(ge=1, le=LARGEST)]


class PostForm(BaseModel):
    """Other words for a post, and the version they were made from."""

    text: FilledText
    version: Version


class RemovalForm(BaseModel):
    """Which version of a post is deleted; an editor says why."""

    version: Version
    reason: Line = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostDraft:
    """What the form shows; `is_late` if somebody else was faster."""

    text: str = ""
    reason: str = ""
    is_late: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPostPage(Page):
    """The form that changes or deletes a post."""

    template: ClassVar[str] = "threads/edit.html"
    slug: str
    thread: str
    row: PostRow
    is_own: bool
    draft: PostDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class PostPage(Page):
    """What one post says, alone."""

    template: ClassVar[str] = "threads/post.html"
    slug: str
    thread: str
    row: PostRow
    authors: Sequence[str]
    may_write: bool
    is_answer: bool


@router.get("/threads/{slug}/posts/{post_id}")
def show_post(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    slug: ThreadPath,
    post_id: PostPath,
) -> Response:
    """Show one post of a thread."""
    row = annotations.get_post(session, slug, post_id)
    return _show(request, shell, session, slug, row)


@router.get("/threads/{slug}/posts/{post_id}/edit")
def edit_post(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    slug: ThreadPath,
    post_id: PostPath,
) -> Response:
    """Show the form that changes a post of one's own, or removes another's."""
    row = posts.require_removable(session, visitor, slug, post_id)
    draft = PostDraft(text=row.text)
    return _show_form(request, shell, session, slug, row, draft)


@router.post("/threads/{slug}/posts/{post_id}")
def update_post(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    slug: ThreadPath,
    post_id: PostPath,
    typed: FormDep,
) -> Response:
    """Give a post other words, or show both texts if it changed meanwhile."""
    row = posts.require_own(session, visitor, slug, post_id)
    form, wrong = check_form(PostForm, typed)
    draft = PostDraft(text=typed.get("text", ""), errors=wrong)
    if form is None:
        return _show_form(request, shell, session, slug, row, draft)
    try:
        posts.change_post(
            session, visitor, slug, post_id, form.text, version=form.version
        )
    except PreconditionError:
        draft = PostDraft(text=form.text, is_late=True, errors=_LATE)
        row = annotations.get_post(session, slug, post_id)
        return _show_form(request, shell, session, slug, row, draft)
    return _follow(request, shell, session, slug, post_id)


@router.post("/threads/{slug}/posts/{post_id}/removal")
def remove_post(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    visitor: SignedIn,
    shell: ShellDep,
    session: SessionDep,
    slug: ThreadPath,
    post_id: PostPath,
    typed: FormDep,
) -> Response:
    """Delete a post; an editor another's, with a reason."""
    row = posts.require_removable(session, visitor, slug, post_id)
    form, wrong = check_form(RemovalForm, typed)
    draft = PostDraft(
        text=row.text, reason=typed.get("reason", ""), errors=wrong
    )
    if form is None:
        return _show_form(request, shell, session, slug, row, draft)
    try:
        posts.remove_post(
            session,
            visitor,
            slug,
            post_id,
            reason=form.reason,
            version=form.version,
        )
    except PreconditionError:
        draft = PostDraft(
            text=row.text, reason=form.reason, is_late=True, errors=_LATE
        )
        row = annotations.get_post(session, slug, post_id)
        return _show_form(request, shell, session, slug, row, draft)
    except InvalidError:
        draft = PostDraft(text=row.text, errors={"reason": "say why"})
        return _show_form(request, shell, session, slug, row, draft)
    return _follow(request, shell, session, slug, post_id)


_LATE = {"": "It was changed while you wrote. Nothing of yours is lost."}


def _follow(
    request: Request,
    shell: Shell,
    session: SessionDep,
    slug: str,
    post_id: str,
) -> Response:
    """Answer a change: htmx gets the post, others go to it."""
    row = annotations.get_post(session, slug, post_id)
    if is_fragment(request):
        answer = _show(request, shell, session, slug, row)
        return name_own_entries(answer, shell, session)
    path = request.app.url_path_for("show_thread", slug=slug)
    place = f"post-{row.id}" if row.position else "opener"
    return RedirectResponse(
        f"{path}#{place}", status_code=HTTPStatus.SEE_OTHER
    )


def _show(
    request: Request,
    shell: Shell,
    session: SessionDep,
    slug: str,
    row: PostRow,
) -> Response:
    page = PostPage(
        title="A post",
        slug=slug,
        thread=thread_rows.get_thread(session, slug).title,
        row=row,
        authors=shell.proposal.authors if shell.proposal else (),
        may_write=shell.may_write,
        is_answer=is_fragment(request),
    )
    if page.is_answer:
        return render_template(request, shell, "threads/_said.html", page)
    return render(request, shell, page)


def _show_form(  # noqa: PLR0913, PLR0917 - each is a part of the answer
    request: Request,
    shell: Shell,
    session: SessionDep,
    slug: str,
    row: PostRow,
    draft: PostDraft,
) -> Response:
    is_own = shell.reviewer is not None and row.account == shell.reviewer.name
    page = EditPostPage(
        title="Edit a post" if is_own else "Remove a post",
        slug=slug,
        thread=thread_rows.get_thread(session, slug).title,
        row=row,
        is_own=is_own,
        draft=draft,
    )
    status = HTTPStatus.OK
    if draft.errors:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    if draft.is_late:
        status = HTTPStatus.CONFLICT
    if is_fragment(request):
        return render_template(
            request, shell, "threads/_edit.html", page, status=status
        )
    return render(request, shell, page, status=status)

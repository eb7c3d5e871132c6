"""Comments of threads for programs: read, say, change, take back."""

from datetime import datetime
from http import HTTPStatus
from operator import attrgetter
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import SessionDep
from app.errors import GoneError
from app.forms import SLUG_LENGTH, CommentIn, FilledText, Line
from app.identity import SignedIn
from app.models import StanceValue
from app.routes.etags import answer_tagged, make_tag, require_match
from app.routes.paging import PagingDep, take_page
from app.services import annotations, posts, thread_rows
from app.services.annotations import PostRow
from app.services.entries import take_turn

api = APIRouter(prefix="/api", tags=["threads"])

get_position = attrgetter("position")

ThreadSlug = Annotated[
    str, Path(max_length=SLUG_LENGTH, examples=["kleen-watchdog-nmi"])
]
CommentId = Annotated[str, Path(max_length=SLUG_LENGTH)]
Reason = Annotated[
    Line,
    Query(
        description="Why; an editor must say what another's is removed for.",
        examples=["off topic"],
    ),
]


class PostOut(BaseModel):
    """One post: `parent` is the post it answers, null for the thread.

    A deleted one is shown where it was answered, without its words.
    """

    id: str = Field(examples=["019ac5b2-6f2e-7c31-9c39-0c1a4ad5c7aa"])
    parent: str | None = Field(examples=[None])
    author: str = Field(examples=["Zachary Amsden"])
    reviewer: str | None = Field(
        description="The account; null for what came by mail.",
        examples=["ada"],
    )
    created: datetime
    modified: datetime | None
    version: int = Field(description="Counts its texts.", examples=[1])
    deleted: bool
    stance: StanceValue | None = Field(
        description="The stance on the thread that its author takes by it."
    )
    text: str = Field(examples=["The hypervisor can notice it."])
    html: str = Field(examples=["<p>The hypervisor can notice it.</p>"])
    message_id: str | None = Field(examples=["4421C9D4.3050806@vmware.com"])


class PostList(BaseModel):
    """Comments in the order in which a page shows them."""

    items: list[PostOut]


class CommentPatch(BaseModel):
    """Other words for a comment."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[
        FilledText,
        Field(
            description="Markdown.",
            examples=["An NMI can arrive *between* the two steps."],
        ),
    ]


def make_post(row: PostRow) -> PostOut:
    """Return a post as programs see it."""
    return PostOut(
        id=row.id,
        parent=row.parent,
        author=row.author,
        reviewer=row.account,
        created=row.created_at,
        modified=row.modified_at,
        version=row.version,
        deleted=row.is_deleted,
        stance=row.stance,
        text=row.text,
        html=row.html,
        message_id=row.message_id,
    )


@api.get("/threads/{slug}/comments", summary="Comments on a thread")
def list_comments(
    request: Request,
    response: Response,
    session: SessionDep,
    slug: ThreadSlug,
    paging: PagingDep,
) -> PostList:
    """Return what was said on a thread after it was opened."""
    thread = thread_rows.get_thread(session, slug)
    rows = paging.window.pick(
        annotations.list_posts(session, thread.id), get_position
    )
    page = take_page(request, response, paging, rows, get_position)
    return PostList(items=[make_post(row) for row in page])


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
    made = make_post(
        annotations.reply(session, visitor, slug, comment.text, comment.parent)
    )
    response.headers["Location"] = request.app.url_path_for(
        "read_comment", slug=slug, comment=made.id
    )
    response.headers["ETag"] = make_tag(made)
    return made


@api.get(
    "/threads/{slug}/comments/{comment}",
    summary="One comment",
    responses={410: {"description": "It was deleted."}},
)
def read_comment(
    request: Request,
    response: Response,
    session: SessionDep,
    slug: ThreadSlug,
    comment: CommentId,
) -> PostOut:
    """Return one post of a thread."""
    return answer_tagged(request, response, _read(session, slug, comment))


def _read(session: SessionDep, slug: str, comment: str) -> PostOut:
    row = annotations.get_post(session, slug, comment)
    if row.is_deleted:
        raise GoneError("comment", comment)
    return make_post(row)


@api.patch(
    "/threads/{slug}/comments/{comment}",
    summary="Change one's own comment",
    responses={
        403: {"description": "Somebody else wrote it."},
        410: {"description": "It was deleted."},
        412: {"description": "It was changed since; `draft` is your text."},
        428: {"description": "`If-Match` is required here."},
    },
)
def update_comment(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    visitor: SignedIn,
    session: SessionDep,
    slug: ThreadSlug,
    comment: CommentId,
    sent: CommentPatch,
) -> PostOut:
    """Give one's own comment other words; nobody changes another's."""
    take_turn(session)
    posts.require_own(session, visitor, slug, comment)
    require_match(request, _read(session, slug, comment), sent.text)
    row = posts.change_post(session, visitor, slug, comment, sent.text)
    return answer_tagged(request, response, make_post(row))


@api.delete(
    "/threads/{slug}/comments/{comment}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a comment",
    responses={
        403: {"description": "Somebody else wrote it."},
        409: {"description": "It came by mail, or what it opened is decided."},
        410: {"description": "It is deleted already."},
        412: {"description": "It was changed since it was read."},
        428: {"description": "`If-Match` is required here."},
    },
)
def delete_comment(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    *,
    visitor: SignedIn,
    session: SessionDep,
    slug: ThreadSlug,
    comment: CommentId,
    reason: Reason = "",
) -> None:
    """Delete one's own comment; an editor deletes others', with a reason."""
    take_turn(session)
    posts.require_removable(session, visitor, slug, comment)
    require_match(request, _read(session, slug, comment))
    posts.remove_post(session, visitor, slug, comment, reason=reason)

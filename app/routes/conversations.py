"""Conversations: their list, and an editor's word on what is guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.dependencies import SessionDep
from app.identity import SignedIn
from app.pages import Page, ShellDep, format_path, render
from app.services import conversations
from app.services.conversations import ConversationRow, Mark, Totals
from app.services.masking import mask_addresses

PAGE_LENGTH = 100
MARK_LENGTH = 40

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationListPage(Page):
    """Conversations, those with the newest mails first."""

    template: ClassVar[str] = "conversations/list.html"
    title: str = "Mail"
    conversations: Sequence[ConversationRow]
    totals: Totals
    is_first: bool
    following: str | None
    is_masked: bool

    def show(self, text: str) -> str:
        """Return a text as this reader may see it."""
        return mask_addresses(text) if self.is_masked else text


@router.get("/m/")
def list_conversations(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    after: Annotated[str | None, Query(max_length=MARK_LENGTH)] = None,
) -> Response:
    """Show the conversations, or those that are older than a place."""
    rows = conversations.list_conversations(
        session,
        limit=PAGE_LENGTH + 1,
        after=Mark.read(after) if after else None,
    )
    shown = rows[:PAGE_LENGTH]
    following = None
    if len(rows) > PAGE_LENGTH:
        query = urlencode({"after": str(shown[-1].mark)})
        following = f"{request.url.path}?{query}"
    page = ConversationListPage(
        conversations=shown,
        totals=conversations.count_conversations(session),
        is_first=not after,
        following=following,
        is_masked=shell.reviewer is None,
    )
    return render(request, shell, page)


@router.post("/m/{message_id:path}/cut")
def cut_message(
    request: Request,
    visitor: SignedIn,
    session: SessionDep,
    message_id: str,
) -> Response:
    """Cut a mail off from what its subject alone joined it to."""
    conversations.cut(session, visitor, message_id)
    return _go_to(request, message_id)


@router.post("/m/{message_id:path}/join")
def join_message(
    request: Request,
    visitor: SignedIn,
    session: SessionDep,
    message_id: str,
) -> Response:
    """Take a cut back."""
    conversations.join(session, visitor, message_id)
    return _go_to(request, message_id)


def _go_to(request: Request, message_id: str) -> Response:
    path = request.app.url_path_for(
        "show_message", message_id=format_path(message_id)
    )
    return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER)

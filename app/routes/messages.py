"""Mails: one as sent, with its quotation levels, and its bytes."""

import re
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request, Response

from app.db import SessionDep
from app.identity import CurrentReviewer
from app.pages import Page, ShellDep, render
from app.services import messages
from app.services.messages import ID_HEADERS, MessageDetail
from app.services.quotation import mask_addresses

router = APIRouter(include_in_schema=False)

RAW_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage(Page):
    """A mail as sent; addresses are hidden from readers without a name."""

    template: ClassVar[str] = "messages/show.html"
    message: MessageDetail
    is_masked: bool

    def show(self, text: str) -> str:
        """Return a text as this reader may see it."""
        return mask_addresses(text) if self.is_masked else text

    def show_header(self, name: str, value: str) -> str:
        """Return a header as this reader may see it; an id is no address."""
        return value if name.lower() in ID_HEADERS else self.show(value)


# an id may hold a slash: it is quoted in links, and comes here unquoted
@router.get("/m/{message_id:path}/raw")
def show_raw_message(
    session: SessionDep, visitor: CurrentReviewer, message_id: str
) -> Response:
    """Answer with the mail's bytes, addresses hidden as on the page."""
    raw = messages.read_raw(session, message_id)
    if visitor is None:
        raw = mask_raw(raw)
    return Response(raw, media_type=RAW_TYPE)


@router.get("/m/{message_id:path}/")
def show_message(
    request: Request, shell: ShellDep, session: SessionDep, message_id: str
) -> Response:
    """Show a mail as sent."""
    message = messages.get_message(session, message_id)
    page = MessagePage(
        title=message.subject or "A mail without subject",
        message=message,
        is_masked=shell.reviewer is None,
    )
    return render(request, shell, page)


def mask_raw(raw: bytes) -> bytes:
    """Return a mail's bytes with every address hidden, ids kept."""
    text = raw.decode("latin-1")  # each byte is a character and comes back
    head, gap, body = re.split(r"(\r?\n\r?\n|\Z)", text, maxsplit=1)
    fields = re.split(r"(?m)^(?=[!-9;-~]+:)", head)
    shown = "".join(
        field
        if field.partition(":")[0].lower() in ID_HEADERS
        else mask_addresses(field)
        for field in fields
    )
    return (shown + gap + mask_addresses(body)).encode("latin-1")

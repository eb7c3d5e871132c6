"""Mails: one as sent, and its bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.orm import Session

from app.dependencies import SessionDep
from app.errors import NotFoundError, SignInError
from app.identity import CurrentReviewer
from app.pages import Page, Shell, ShellDep, format_path, render
from app.services import message_bytes, message_rows
from app.services.conversation_rows import TreeRow, list_stances
from app.services.masked_mail import ID_HEADERS, mask_mail, mask_part
from app.services.masking import find_ids, link_ids, mask_addresses
from app.services.message_bytes import Sent
from app.services.message_rows import MessageDetail, MessageLink
from app.services.trailers import Stance

router = APIRouter(include_in_schema=False)

RAW_TYPE = "text/plain; charset=utf-8"
TREE_ROWS = 150
LONGEST_NAME = 300
# should a browser take a mail's bytes for a page, that page can do nothing
CAGED = {"Content-Security-Policy": "sandbox; default-src 'none'"}
DIGEST = r"^[0-9a-f]{64}$"
MASKED_TYPES = ("text/", "message/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """The part of a conversation's tree that a page has room for.

    `earlier` and `later` count the mails above and below it.
    """

    rows: Sequence[TreeRow]
    earlier: int
    later: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPage(Page):
    """Base of the pages that show mails to this reader.

    `link` returns the path of a mail's page; finding the route anew for each
    mail would take longer than all else of a long conversation.
    """

    is_masked: bool
    link: Callable[[str], str]

    def show(self, text: str) -> str:
        """Return a text as this reader may see it."""
        return mask_addresses(text) if self.is_masked else text

    def show_header(self, name: str, value: str) -> str:
        """Return a header as this reader may see it; an id is no address."""
        return value if name.lower() in ID_HEADERS else self.show(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage(MailPage):
    """A mail as sent; addresses are hidden from readers without a name."""

    template: ClassVar[str] = "messages/show.html"
    message: MessageDetail
    html: str
    branch: Branch | None
    parent: TreeRow | None
    previous: TreeRow | None
    following: TreeRow | None
    stances: Sequence[Stance]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownMessagePage(MailPage):
    """No mail has this id; these look like it, or answer it."""

    template: ClassVar[str] = "messages/unknown.html"
    name: str
    nearest: Sequence[MessageLink]
    answers: Sequence[MessageLink]


# an id may hold a slash: it is quoted in links, and comes here unquoted
@router.get("/m/{message_id:path}/raw")
def show_raw_message(
    session: SessionDep, visitor: CurrentReviewer, message_id: str
) -> Response:
    """Answer with the mail's bytes; without a name, no address in them."""
    sent = message_bytes.read_sent(session, message_id)
    return answer_raw(sent, is_masked=visitor is None)


@router.get("/m/{message_id:path}/deliveries/{digest}")
def show_delivery(
    session: SessionDep,
    visitor: CurrentReviewer,
    message_id: str,
    digest: Annotated[str, Path(pattern=DIGEST)],
) -> Response:
    """Answer with the bytes of one copy of a mail."""
    sent = message_bytes.read_sent(session, message_id, digest)
    return answer_raw(sent, is_masked=visitor is None)


def answer_raw(sent: Sent, *, is_masked: bool) -> Response:
    """Answer with a mail as this reader may have it."""
    raw = mask_mail(sent.raw, sent.body) if is_masked else sent.raw
    return Response(raw, media_type=RAW_TYPE, headers=CAGED)


@router.get("/m/{message_id:path}/attachments/{position}")
def download_attachment(
    session: SessionDep,
    visitor: CurrentReviewer,
    message_id: str,
    position: Annotated[int, Path(ge=0, le=10_000)],
) -> Response:
    """Answer with an attachment, to be saved and never shown.

    Addresses in what is no plain text cannot be hidden, so it needs a name.
    """
    part = message_bytes.read_attachment(session, message_id, position)
    content: bytes | None = part.content
    if visitor is None:
        is_text = part.row.media_type.lower().startswith(MASKED_TYPES)
        content = mask_part(part.content) if is_text else None
        if content is None:
            raise SignInError("sign in to get an attachment that is no text")
    name = quote(part.row.name or f"attachment-{position}", safe="")
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            **CAGED,
            "Content-Disposition": f"attachment; filename*=utf-8''{name}",
        },
    )


@router.get("/m/{message_id:path}/")
def show_message(
    request: Request, shell: ShellDep, session: SessionDep, message_id: str
) -> Response:
    """Show a mail as sent, or which mails have an id like it."""
    try:
        message = message_rows.get_message(session, message_id)
    except NotFoundError:
        return show_unknown(request, shell, session, message_id)
    tree = message.tree
    rows = tree.rows if tree else ()
    place = next((n for n, r in enumerate(rows) if r.id == message.id), None)
    here = None if place is None else rows[place]
    around = [] if place is None else [place - 1, place + 1]
    near = [rows[n] if 0 <= n < len(rows) else None for n in around]
    is_masked = shell.reviewer is None
    link = make_linker(request)
    (html,) = show_texts(session, [message.html], link, is_masked=is_masked)
    page = MessagePage(
        title=show_subject(message.subject, is_masked=is_masked),
        is_masked=is_masked,
        message=message,
        link=link,
        html=html,
        branch=None if place is None else cut_branch(rows, place),
        parent=next(
            (r for r in rows if here is not None and r.id == here.parent_id),
            None,
        ),
        previous=near[0] if near else None,
        following=near[1] if near else None,
        stances=list_stances(rows),
    )
    return render(request, shell, page)


def cut_branch(rows: Sequence[TreeRow], place: int) -> Branch:
    """Return the rows around a place."""
    start = max(0, min(place - TREE_ROWS // 2, len(rows) - TREE_ROWS))
    shown = rows[start : start + TREE_ROWS]
    return Branch(
        rows=shown, earlier=start, later=len(rows) - start - len(shown)
    )


def show_texts(
    session: Session,
    texts: Sequence[str],
    link: Callable[[str], str],
    *,
    is_masked: bool,
) -> list[str]:
    """Return mails' HTML as a reader may see it, stored ids linked."""
    ids = {name for text in texts for name in find_ids(text)}
    addresses = {
        name: link(name) for name in message_rows.list_stored_ids(session, ids)
    }
    linked = [link_ids(text, addresses) for text in texts]
    return [mask_addresses(text) for text in linked] if is_masked else linked


def make_linker(request: Request) -> Callable[[str], str]:
    """Return what gives the path of a mail's page."""
    path = str(request.app.url_path_for("show_message", message_id="*"))
    start, _, end = path.partition("*")
    return lambda message_id: f"{start}{format_path(message_id)}{end}"


def show_subject(subject: str, *, is_masked: bool) -> str:
    """Return a subject as a reader may see it."""
    if not subject:
        return "A mail without subject"
    return mask_addresses(subject) if is_masked else subject


def show_unknown(
    request: Request, shell: Shell, session: Session, message_id: str
) -> Response:
    """Say that no mail has this id, and which ones are near."""
    name = message_id[:LONGEST_NAME]
    page = UnknownMessagePage(
        title="Unknown mail",
        is_masked=shell.reviewer is None,
        link=make_linker(request),
        name=name,
        nearest=message_rows.find_near(session, name),
        answers=message_rows.list_answers(session, name),
    )
    return render(request, shell, page, status=HTTPStatus.NOT_FOUND)

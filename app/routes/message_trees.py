"""A mail's conversation: nested, flat, as an mbox, as a feed."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from sqlalchemy.orm import Session

from app.db import Database
from app.dependencies import DatabaseDep, SessionDep
from app.errors import NotFoundError
from app.identity import CurrentReviewer
from app.pages import Shell, ShellDep, format_path, render
from app.routes.messages import (
    Branch,
    MailPage,
    cut_branch,
    make_linker,
    show_message,
    show_subject,
    show_texts,
    show_unknown,
)
from app.services import conversation_rows, feeds, message_bytes, message_rows
from app.services.conversation_rows import Shown, Tree, TreeRow
from app.services.feeds import Feed, Story
from app.services.mail_export import Copy, write_mboxrd
from app.services.masked_mail import mask_mail
from app.services.quotation import ANSWER
from app.services.trailers import Stance

router = APIRouter(include_in_schema=False)

STORIES = 50
GZIP = 16 + zlib.MAX_WBITS
PACKING = 6


class Order(StrEnum):
    """The two ways to read a conversation, by their letter."""

    nested = "t"
    flat = "T"


class Asked(NamedTuple):
    """Which part of which mail's conversation is asked for, and how."""

    message_id: str
    order: Order
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePage(MailPage):
    """A conversation with its texts, or a part of a long one.

    `names` are those of all senders, by the mail; `start`, `earlier` and
    `later` are the places of this part and of those around it.
    """

    template: ClassVar[str] = "messages/tree.html"
    orders: ClassVar[type[Order]] = Order
    order: Order
    message_id: str
    tree: Tree
    branch: Branch
    mails: Sequence[Shown]
    names: dict[int, str]
    stances: Sequence[Stance]
    start: int
    earlier: int | None
    later: int | None

    @property
    def shown(self) -> frozenset[int]:
        """Return the mails that this page shows."""
        return frozenset(mail.row.id for mail in self.mails)


Start = Annotated[int, Query(ge=0, le=1_000_000, alias="from")]


@router.get("/m/{message_id:path}/t/")
def show_nested(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    message_id: str,
    start: Start = 0,
) -> Response:
    """Show a conversation, each mail below the one it answers."""
    return _show(
        request, shell, session, Asked(message_id, Order.nested, start)
    )


@router.get("/m/{message_id:path}/T/")
def show_flat(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    message_id: str,
    start: Start = 0,
) -> Response:
    """Show a conversation in the order in which it was written."""
    return _show(request, shell, session, Asked(message_id, Order.flat, start))


def _show(
    request: Request, shell: Shell, session: Session, asked: Asked
) -> Response:
    message_id = asked.message_id
    try:
        number = message_rows.find_conversation(session, message_id)
    except NotFoundError:
        longer = f"{message_id}/{asked.order}"
        if message_rows.list_stored_ids(session, [longer]):
            return show_message(request, shell, session, longer)
        return show_unknown(request, shell, session, message_id)
    if number is None:
        return RedirectResponse(make_linker(request)(message_id))
    tree = conversation_rows.read_tree(session, number)
    page = _make_page(request, shell, session, asked, tree)
    return render(request, shell, page)


def _make_page(
    request: Request, shell: Shell, session: Session, asked: Asked, tree: Tree
) -> TreePage:
    rows = tree.rows
    if asked.order is Order.flat:
        rows = conversation_rows.order_by_time(rows)
    start = min(asked.start, max(0, len(rows) - 1))
    part = conversation_rows.take_part(rows, start)
    mails = conversation_rows.read_texts(session, tree, part)
    is_masked = shell.reviewer is None
    link = make_linker(request)
    texts = show_texts(
        session, [mail.html for mail in mails], link, is_masked=is_masked
    )
    end = start + len(part)
    return TreePage(
        title=show_subject(tree.subject, is_masked=is_masked),
        is_masked=is_masked,
        link=link,
        order=asked.order,
        message_id=asked.message_id,
        tree=tree,
        branch=cut_branch(rows, start),
        mails=[
            Shown(mail.row, _name_answers(mail.row.id, text))
            for mail, text in zip(mails, texts, strict=True)
        ],
        names={row.id: row.name for row in rows},
        stances=conversation_rows.list_stances(tree.rows),
        start=start,
        earlier=max(0, start - conversation_rows.PART) if start else None,
        later=end if end < len(rows) else None,
    )


def _name_answers(mail: int, html: str) -> str:
    """Return a mail's HTML with names that no other mail's answers have."""
    return html.replace(f'<pre id="{ANSWER}', f'<pre id="m{mail}-{ANSWER}')


@router.get("/m/{message_id:path}/t.mbox.gz")
def download_mbox(
    database: DatabaseDep,
    session: SessionDep,
    visitor: CurrentReviewer,
    message_id: str,
) -> Response:
    """Answer with a conversation as a packed mbox, piece after piece."""
    number = message_rows.find_conversation(session, message_id)
    name = format_path(message_id).replace("/", "-")
    return StreamingResponse(
        _pack(_write_mbox(database, number, is_masked=visitor is None)),
        media_type="application/gzip",
        headers={
            "Content-Disposition": "attachment; "
            f"filename*=utf-8''{name}.mbox.gz"
        },
    )


def _write_mbox(
    database: Database, number: int | None, *, is_masked: bool
) -> Iterator[bytes]:
    position: int | None = -1
    while position is not None and number is not None:
        # a slow reader holds no connection
        with database.read() as session:
            mails = message_bytes.list_sent(session, number, position)
        position = mails[-1].position if mails else None
        yield from write_mboxrd(
            Copy(
                mask_mail(mail.raw, mail.body) if is_masked else mail.raw,
                "",
                mail.sent_at,
            )
            for mail in mails
        )


def _pack(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(PACKING, zlib.DEFLATED, GZIP)
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()


@router.get("/m/{message_id:path}/t.atom")
def show_feed(
    request: Request,
    session: SessionDep,
    visitor: CurrentReviewer,
    message_id: str,
) -> Response:
    """Answer with the newest mails of a conversation as a feed."""
    number = message_rows.find_conversation(session, message_id)
    if number is None:
        raise NotFoundError("conversation of mail", message_id)
    tree = conversation_rows.read_tree(session, number)
    newest = sorted(tree.rows, key=_get_time, reverse=True)[:STORIES]
    mails = conversation_rows.read_texts(session, tree, newest)
    is_masked = visitor is None
    link = make_linker(request)
    texts = show_texts(
        session, [mail.html for mail in mails], link, is_masked=is_masked
    )
    base = request.app.state.settings.base_url or str(request.base_url)
    base = base.rstrip("/")
    page = f"{base}{link(message_id)}"
    feed = Feed(
        title=show_subject(tree.subject, is_masked=is_masked),
        url=f"{page}t.atom",
        page=f"{page}t/",
    )
    stories = [
        Story(
            id=f"mid:{format_path(mail.row.message_id)}",
            url=f"{base}{link(mail.row.message_id)}",
            title=show_subject(mail.row.subject, is_masked=is_masked),
            author=mail.row.name,
            updated=mail.row.sent_at,
            html=text,
        )
        for mail, text in zip(mails, texts, strict=True)
    ]
    return Response(
        feeds.write_feed(feed, stories), media_type=feeds.MEDIA_TYPE
    )


def _get_time(row: TreeRow) -> tuple[bool, float]:
    at = row.sent_at
    return at is not None, at.timestamp() if at else 0.0

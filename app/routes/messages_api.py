"""Mails for programs: lists, and one with all that it quotes."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.dependencies import SessionDep
from app.errors import Fault, InvalidError, NotFoundError
from app.forms import MaybeLine
from app.identity import CurrentReviewer
from app.pages import format_path
from app.routes.paging import PagingDep, take_page
from app.services import message_list, message_rows, quotes
from app.services.masking import mask_addresses
from app.services.message_list import MessageRow, Wanted
from app.services.quotes import QuoteRow

api = APIRouter(prefix="/api", tags=["messages"])

THOUSAND = 1000
LONGEST_ID = 1000
DATED = re.compile(r"\d{4}-\d")

MessageId = Annotated[
    str,
    Path(
        max_length=LONGEST_ID,
        description="A Message-ID without its brackets.",
        examples=["4421C9D4.3050806@vmware.com"],
    ),
]


def _require_date(value: object) -> object:
    # a mere number is a time to Pydantic, and a mistake here
    if isinstance(value, str) and not DATED.match(value):
        raise ValueError("expected a date, as 2006-03-22, and maybe a time")
    return value


Moment = Annotated[datetime, BeforeValidator(_require_date)]


class AttachmentOut(BaseModel):
    """A part that is kept and not shown."""

    name: str = Field(examples=["vmi.patch"])
    media_type: str = Field(examples=["text/x-patch"])
    size: int = Field(description="In bytes.", examples=[8120])
    url: str = Field(examples=["/m/1@example.org/attachments/1"])


class MessageOut(BaseModel):
    """A mail as a list shows it.

    Who is not signed in gets no address in full.
    """

    model_config = ConfigDict(populate_by_name=True)

    message_id: str = Field(examples=["4421C9D4.3050806@vmware.com"])
    parent: str | None = Field(
        description="The mail above it in its conversation, or one that it "
        "names and that never came.",
        examples=["200603222105.58912.ak@suse.de"],
    )
    parent_guessed: bool = Field(
        description="Whether only the subject says so."
    )
    root: str | None = Field(
        description="The first mail of its conversation, which may never "
        "have come; null if it is not known.",
        examples=["200603222105.58912.ak@suse.de"],
    )
    from_: str = Field(
        alias="from", examples=["Zachary Amsden <zach@xxxxxxxxxx>"]
    )
    date: datetime | None = Field(description="By the sender's clock.")
    subject: str = Field(examples=["Re: [RFC, PATCH 1/24] Documentation"])
    lists: list[str] = Field(examples=[["linux-kernel.vger.kernel.org"]])
    attachments: list[AttachmentOut]


class MessageList(BaseModel):
    """Mails in the order they were imported."""

    items: list[MessageOut]


class QuotedSectionOut(BaseModel):
    """A section that a quote is from, or may be from."""

    model_config = ConfigDict(from_attributes=True)

    anchor: str = Field(examples=["local-apic-support"])
    number: str = Field(examples=["2.11"])
    title: str = Field(examples=["Local APIC support"])


class CandidateOut(BaseModel):
    """A place that a quote may be from."""

    section: QuotedSectionOut
    call: str | None = Field(examples=["VMI_CPUID"])
    score: float = Field(description="From 0 to 1.", examples=[0.934])
    method: str = Field(
        description="The evidence; `overlap` is a few words in common.",
        examples=["parent"],
    )


class QuoteOut(BaseModel):
    """A quoted block, the answer below it, and where it is from."""

    text: str = Field(examples=["Watchdog NMIs are of limited use"])
    depth: int = Field(description="How many marks it has.", examples=[1])
    reply: str = Field(examples=["So who detects a hung kernel?"])
    candidates: list[CandidateOut] = Field(
        description="All places it may be from, the best first."
    )
    section: QuotedSectionOut | None = Field(
        description="The one that was decided on."
    )
    call: str | None = Field(examples=["VMI_CPUID"])


class MessageDetailOut(MessageOut):
    """A mail with all that it quotes."""

    quotes: list[QuoteOut]


def get_wanted(  # noqa: PLR0913 - each is a filter
    session: SessionDep,
    visitor: CurrentReviewer,
    *,
    list_: Annotated[MaybeLine, Query(alias="list")] = None,
    sender: MaybeLine = None,
    since: Moment | None = None,
    until: Moment | None = None,
    conversation: Annotated[
        str | None,
        Query(
            max_length=LONGEST_ID,
            description="The Message-ID of any of its mails.",
        ),
    ] = None,
    attachments: bool | None = None,
) -> Wanted:
    """Read the filters of a list from the address."""
    return Wanted(
        list_id=list_,
        sender=sender,
        by_address=visitor is not None,
        since=_add_zone(since),
        until=_add_zone(until),
        conversation_id=_find_conversation(session, conversation),
        has_attachments=attachments,
    )


def _add_zone(at: datetime | None) -> datetime | None:
    if at is None or at.tzinfo is not None:
        return at
    return at.replace(tzinfo=UTC)


def _find_conversation(
    session: SessionDep, message_id: str | None
) -> int | None:
    if message_id is None:
        return None
    try:
        return message_rows.find_conversation(session, message_id)
    except NotFoundError as error:
        raise InvalidError(
            str(error), Fault("/conversation", "no stored mail has this id")
        ) from error


WantedDep = Annotated[Wanted, Depends(get_wanted)]


@api.get("/messages", summary="Mails, in the order they were imported")
def read_messages(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    session: SessionDep,
    visitor: CurrentReviewer,
    wanted: WantedDep,
    paging: PagingDep,
) -> MessageList:
    """Return mails by list, sender, time or conversation."""
    rows = message_list.list_messages(session, wanted, paging.window)
    page = take_page(request, response, paging, rows, lambda row: row.id)
    return MessageList(
        items=[
            _make_item(request, row, is_masked=visitor is None) for row in page
        ]
    )


def _make_item(
    request: Request, row: MessageRow, *, is_masked: bool
) -> MessageOut:
    return MessageOut(
        message_id=row.message_id,
        parent=row.parent,
        parent_guessed=row.parent_guessed,
        root=row.root,
        from_=mask_addresses(row.sender) if is_masked else row.sender,
        date=row.sent_at,
        subject=mask_addresses(row.subject) if is_masked else row.subject,
        lists=[mask_addresses(one) if is_masked else one for one in row.lists],
        attachments=[
            AttachmentOut(
                name=mask_addresses(part.name) if is_masked else part.name,
                media_type=part.media_type,
                size=part.size,
                url=request.app.url_path_for(
                    "download_attachment",
                    message_id=format_path(row.message_id),
                    position=part.position,
                ),
            )
            for part in row.attachments
        ],
    )


@api.get("/messages/{message_id:path}", summary="A mail with its quotes")
def read_message(
    request: Request,
    session: SessionDep,
    visitor: CurrentReviewer,
    message_id: MessageId,
) -> MessageDetailOut:
    """Return one mail with each quoted block and where it is from."""
    row = message_list.get_row(session, message_id)
    body = message_list.read_body(session, row.id)
    is_masked = visitor is None
    item = _make_item(request, row, is_masked=is_masked)
    found = quotes.list_quotes(session, row.id, body)
    return MessageDetailOut(
        **item.model_dump(),
        quotes=_make_quotes(found, is_masked=is_masked),
    )


def _make_quotes(
    rows: Sequence[QuoteRow], *, is_masked: bool
) -> list[QuoteOut]:
    def show(text: str) -> str:
        return mask_addresses(text) if is_masked else text

    return [
        QuoteOut(
            text=show(row.block.text),
            depth=row.block.depth,
            reply=show(row.block.reply),
            candidates=[
                CandidateOut(
                    section=QuotedSectionOut.model_validate(each.section),
                    call=each.call,
                    score=each.score / THOUSAND,
                    method=each.method,
                )
                for each in row.candidates
            ],
            section=None
            if row.section is None
            else QuotedSectionOut.model_validate(row.section),
            call=row.call,
        )
        for row in rows
    ]

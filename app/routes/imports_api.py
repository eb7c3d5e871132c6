"""Mails that programs send: one, or an mbox."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.dependencies import DatabaseDep
from app.errors import Fault, InvalidError
from app.identity import SignedIn
from app.pages import format_path
from app.routes.imports import MOST_UNPACKED, take_import_turn
from app.services.importing import ImportReport, import_mails
from app.services.mail import MOST_BYTES
from app.services.mailbox import RawMail, read_stream

api = APIRouter(prefix="/api", tags=["messages"])

MAIL = "message/rfc822"
MBOX = "application/mbox"
IN_MEMORY = 1024 * 1024
"""How many bytes of a body are held before it goes to the disk."""

BODY = {
    "required": True,
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in (MAIL, MBOX)
    },
}


class RefusalOut(BaseModel):
    """A mail that was not taken."""

    place: str = Field(
        description="Where it stands in the body; empty for the only one.",
        examples=["message 3, byte 8120, line 214"],
    )
    reason: str = Field(examples=["this mail is not taken: no From header"])


class MessageLinkOut(BaseModel):
    """A mail that is stored."""

    message_id: str = Field(examples=["4415CE76.9030006@vmware.com"])
    url: str = Field(examples=["/m/4415CE76.9030006@vmware.com/"])


class ImportOut(BaseModel):
    """What came of an import."""

    imported: int = Field(description="Mails that are new.")
    deliveries: int = Field(description="Other copies of known mails.")
    known: int = Field(description="Mails that were there byte for byte.")
    refusals: int = Field(description="Mails that were not taken.")
    refused: list[RefusalOut] = Field(
        description="Which and why, the first thousand."
    )
    messages: list[MessageLinkOut] = Field(
        description="The mails that are there now, the first hundred."
    )


def read_media_type(request: Request) -> str:
    """Return which form the body has, of those that are taken."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    kind = kind.strip().lower()
    if kind not in {MAIL, MBOX}:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body is to be {MAIL} or {MBOX}",
        )
    return kind


MediaType = Annotated[str, Depends(read_media_type)]


async def read_body(
    request: Request, _kind: MediaType
) -> AsyncIterator[IO[bytes]]:
    """Give the body as a file."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        async for piece in request.stream():
            file.write(piece)
        file.seek(0)
        yield file


BodyDep = Annotated[IO[bytes], Depends(read_body)]


@api.post(
    "/messages",
    summary="Import a mail, or an mbox",
    status_code=HTTPStatus.CREATED,
    openapi_extra={"requestBody": BODY},
    responses={
        200: {"description": "All was there already.", "model": ImportOut},
        403: {"description": "Only an editor imports."},
        415: {"description": f"The body is neither {MAIL} nor {MBOX}."},
        503: {"description": "Another import is running."},
    },
)
def create_messages(  # noqa: PLR0913 - each is a part of the request
    request: Request,
    response: Response,
    *,
    database: DatabaseDep,
    editor: SignedIn,
    kind: MediaType,
    body: BodyDep,
) -> ImportOut:
    """Store mails as they were received; needs a token of an editor.

    What is refused of an mbox is told, and the rest goes in.
    """
    with take_import_turn(request):
        report = import_mails(
            database, read_mails(body, kind), actor=editor.actor
        )
    if report.total == report.refusals:
        raise InvalidError(
            "no mail was taken",
            *(Fault("", str(each)) for each in report.refused),
        )
    if report.known == report.total:
        response.status_code = HTTPStatus.OK
    messages = list(_list_messages(request, report))
    if len(messages) == 1:
        response.headers["Location"] = messages[0].url
    return ImportOut(
        imported=report.imported,
        deliveries=report.deliveries,
        known=report.known,
        refusals=report.refusals,
        refused=[
            RefusalOut(place=each.place, reason=each.reason)
            for each in report.refused
        ],
        messages=messages,
    )


def read_mails(body: IO[bytes], kind: str) -> Iterator[RawMail]:
    """Yield the mails of a body."""
    if kind == MBOX:
        yield from read_stream(body, "", most=MOST_UNPACKED)
        return
    raw = body.read(MOST_BYTES + 1)
    yield RawMail(raw)


def _list_messages(
    request: Request, report: ImportReport
) -> Iterator[MessageLinkOut]:
    for name in report.message_ids:
        url = request.app.url_path_for(
            "show_message", message_id=format_path(name)
        )
        yield MessageLinkOut(message_id=name, url=url)

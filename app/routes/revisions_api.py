"""Revisions for programs: the texts of the document, and making one."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.dependencies import DatabaseDep, SessionDep
from app.forms import LARGEST, FilledLine
from app.identity import SignedIn
from app.models import RevisionSource
from app.routes.etags import answer_tagged, make_tag
from app.routes.paging import NewestPagingDep, add_link, take_page
from app.routes.revision_drafts import Day, DocumentText
from app.services import revising, revisions
from app.services.carrier import Foreseen
from app.services.revising import NewRevision
from app.services.revisions import RevisionRow

MOST_MESSAGES = 50
LONGEST_ID = 1000

api = APIRouter(prefix="/api", tags=["revisions"])

Number = Annotated[int, Path(ge=1, le=LARGEST, examples=[1])]
MessageId = Annotated[
    str,
    Field(max_length=LONGEST_ID),
    AfterValidator(lambda value: value.strip().strip("<>")),
]


class RevisionOut(BaseModel):
    """A text of the document, as a list shows it."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(examples=[1])
    dated_on: str = Field(examples=["2006-03-13"])
    change: str = Field(examples=["As posted to the linux-kernel list."])
    source: RevisionSource
    is_reference: bool = Field(
        description="Kept because mails quote it; never under review."
    )
    message_ids: list[str] = Field(
        description="The mails that the text was made of.",
        examples=[["4415CE76.9030006@vmware.com"]],
    )
    created: datetime | None = Field(validation_alias="created_at")
    by: str | None = Field(examples=["Ada"])


class RevisionList(BaseModel):
    """Texts of the document, newest first."""

    items: list[RevisionOut]


class SectionOfRevision(BaseModel):
    """A heading of a text, and where its own text ends in the Markdown."""

    model_config = ConfigDict(from_attributes=True)

    anchor: str = Field(examples=["local-apic-support"])
    number: str = Field(examples=["2.11"])
    title: str = Field(examples=["Local APIC support"])
    level: int = Field(examples=[3])


class RevisionDetailOut(RevisionOut):
    """A text of the document with its sections and its Markdown."""

    sections: list[SectionOfRevision]
    text: str = Field(examples=["# The RFC\n"])


class RevisionIn(BaseModel):
    """A text that shall be a revision."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[
        DocumentText,
        Field(description="Markdown.", examples=["# The RFC\n\nWords.\n"]),
    ]
    change: Annotated[
        FilledLine,
        Field(
            description="What changed, in a line.",
            examples=["The timer calls are spelt out."],
        ),
    ]
    dated_on: Annotated[Day, Field(examples=["2006-03-22"])]
    basis: Annotated[
        int | None,
        Field(
            ge=1,
            le=LARGEST,
            description="The revision it was written on; a newer one refuses "
            "it. Null takes whatever is newest.",
            examples=[1],
        ),
    ] = None
    is_reference: Annotated[
        bool,
        Field(description="Keep it for mails that quote it, only."),
    ] = False
    message_ids: Annotated[
        list[MessageId],
        Field(
            max_length=MOST_MESSAGES,
            description="The mails that it was made of, if any.",
            examples=[[]],
        ),
    ] = []


@api.get("/revisions", summary="Texts of the document, newest first")
def read_revisions(
    request: Request,
    response: Response,
    session: SessionDep,
    paging: NewestPagingDep,
) -> RevisionList:
    """Return the texts there are, without their Markdown."""
    rows: Sequence[RevisionRow] = revisions.list_revisions(
        session, paging.window
    )
    page = take_page(request, response, paging, rows, lambda row: row.number)
    return RevisionList(items=[RevisionOut.model_validate(r) for r in page])


@api.get("/revisions/{number}", summary="One text of the document")
def read_revision(
    request: Request,
    response: Response,
    session: SessionDep,
    number: Number,
) -> RevisionDetailOut:
    """Return a text with its sections and its Markdown."""
    row = revisions.get_revision(session, number)
    return answer_text(request, response, session, row)


def answer_text(
    request: Request, response: Response, session: Session, row: RevisionRow
) -> RevisionDetailOut:
    """Answer with a text, linked to the newest and to all there are."""
    detail = answer_tagged(request, response, make_detail(session, row))
    path = request.app.url_path_for
    add_link(response, path("read_document"), "latest-version")
    add_link(response, path("read_revisions"), "version-history")
    return detail


def make_detail(session: Session, row: RevisionRow) -> RevisionDetailOut:
    """Return a text of the document as it is answered, whole."""
    known = RevisionOut.model_validate(row)
    return RevisionDetailOut(
        **known.model_dump(exclude={"created"}),
        created_at=row.created_at,
        sections=[
            SectionOfRevision.model_validate(section)
            for section in revisions.load_sections(session, row.id)
        ],
        text=revisions.read_markdown(session, row.id),
    )


class Sent(NamedTuple):
    """A text that was sent, and where anchors will be in it."""

    revision: NewRevision
    foreseen: Foreseen | None


def read_sent(
    editor: SignedIn,  # noqa: ARG001 - before the text is compared
    database: DatabaseDep,
    sent: RevisionIn,
) -> Sent:
    """Find where anchors go in what was sent, before anything is locked."""
    new = NewRevision(
        text=sent.text,
        change=sent.change,
        dated_on=sent.dated_on,
        source=RevisionSource.mail
        if sent.message_ids
        else RevisionSource.upload,
        message_ids=sent.message_ids,
        is_reference=sent.is_reference,
        basis=sent.basis,
    )
    if new.is_reference:
        return Sent(new, None)
    with database.read() as session:
        return Sent(new, revising.foresee(session, new.text))


# it stands before whatever opens the session that writes
SentDep = Annotated[Sent, Depends(read_sent)]


@api.post(
    "/revisions",
    status_code=HTTPStatus.CREATED,
    summary="Make a revision",
    responses={409: {"description": ""}},
)
def create_revision(
    request: Request,
    response: Response,
    *,
    editor: SignedIn,
    sent: SentDep,
    session: SessionDep,
) -> RevisionDetailOut:
    """Store a text as the next revision; needs a token of an editor."""
    made = revising.create_revision(
        session, editor, sent.revision, sent.foreseen
    )
    request.app.state.quote_worker.begin()
    response.headers["Location"] = request.app.url_path_for(
        "read_revision", number=made.number
    )
    detail = make_detail(session, made)
    response.headers["ETag"] = make_tag(detail)
    return detail

"""Many things at once: NDJSON out and in, a line each.

What goes out is read a few hundred rows at a time, each in a session of its
own, so that a slow reader holds nothing up. What comes in is carried out line
by line, each in a transaction of its own that is committed before its result
is sent: a refused line changes nothing and stops nothing.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.db import Database
from app.dependencies import DatabaseDep
from app.errors import InvalidError, MediaTypeError, ReviewError
from app.forms import CommentIn, Slug
from app.identity import SignedIn
from app.routes.annotation_forms import get_base
from app.routes.errors import describe_problem, make_invalid, make_problem
from app.routes.threads_api import ThreadIn, ThreadListItem
from app.services import (
    annotation_changes,
    annotation_rows,
    annotations,
    thread_rows,
    threads,
)
from app.services.annotation_model import parse_document
from app.services.annotation_rows import absolutize, relativize
from app.services.reviewers import Visitor
from app.services.windows import Window

NDJSON = "application/x-ndjson"
TAKEN = frozenset({NDJSON, "application/ndjson", "application/jsonl"})
LINES: dict[str, Any] = {"description": "JSON, an object a line."}
LINES_MOST = 1000
ROWS = 200

api = APIRouter(prefix="/api", tags=["bulk"])

Line = Mapping[str, Any]


class Noun(StrEnum):
    """What is read or written in bulk."""

    threads = "threads"
    comments = "comments"
    annotations = "annotations"


BulkNoun = Annotated[
    Noun, Path(description="What the lines are.", examples=["threads"])
]


class CommentLine(CommentIn):
    """A comment, with the thread that it is on."""

    thread: Slug


class CommentOut(BaseModel):
    """A comment, as a line gives it."""

    id: str
    thread: str
    parent: str | None
    author: str
    created: str
    text: str
    message_id: str | None


class Sender(NamedTuple):
    """Who sends lines, and how this site is called."""

    visitor: Visitor
    base: str


class Result(BaseModel):
    """What became of a line: a location, or the problem."""

    line: int = Field(examples=[1])
    status: int = Field(examples=[201])
    location: str | None = Field(
        default=None, examples=["/threads/a-window-before-the-halt"]
    )
    problem: Mapping[str, Any] | None = None


@api.get(
    "/bulk/{noun}",
    summary="All threads, comments or annotations, a line each",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "JSON, an object a line, in the order of their "
            "creation.",
            "content": {
                NDJSON: {
                    "schema": LINES,
                    "example": '{"slug": "kleen-watchdog-nmi"}\n',
                }
            },
        }
    },
)
def export_lines(
    request: Request, database: DatabaseDep, noun: BulkNoun
) -> Response:
    """Stream everything of a kind; what is deleted is left out."""
    return StreamingResponse(
        _write_lines(database, READERS[noun], get_base(request)),
        media_type=NDJSON,
        headers={"Cache-Control": "no-store"},
    )


async def _write_lines(
    database: Database, read: "Reader", base: str
) -> AsyncIterator[bytes]:
    place: Any = None
    while True:
        async with database.enter(reads=True) as session:
            lines, place = await run_in_threadpool(read, session, place, base)
        if lines:
            yield b"".join(map(_write, lines))
        if place is None:
            return


def _write(line: Line) -> bytes:
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    return f"{text}\n".encode()


Reader = Callable[[Session, Any, str], tuple[Sequence[Line], Any]]
"""Reads some lines past a place; returns them, and where to go on."""


def _read_threads(
    session: Session, place: int | None, _base: str
) -> tuple[Sequence[Line], int | None]:
    rows = thread_rows.list_by_position(
        session, thread_rows.Wanted(), Window(above=place, limit=ROWS)
    )
    lines = [
        ThreadListItem.model_validate(row).model_dump(mode="json")
        for row in rows
    ]
    return lines, rows[-1].position if len(rows) == ROWS else None


def _read_comments(
    session: Session, place: annotation_rows.Place | None, _base: str
) -> tuple[Sequence[Line], annotation_rows.Place | None]:
    rows = annotation_rows.list_annotations(session, after=place, limit=ROWS)
    lines = [
        CommentOut(
            id=row.id,
            thread=row.thread,
            parent=row.parent,
            author=row.author,
            created=row.created_at.isoformat().replace("+00:00", "Z"),
            text=row.text,
            message_id=row.message_id,
        ).model_dump()
        for row in rows
        if row.thread and row.position != annotations.OPENER
    ]
    return lines, _get_next(rows)


def _read_annotations(
    session: Session, place: annotation_rows.Place | None, base: str
) -> tuple[Sequence[Line], annotation_rows.Place | None]:
    rows = annotation_rows.list_annotations(session, after=place, limit=ROWS)
    return [absolutize(row.document, base) for row in rows], _get_next(rows)


def _get_next(
    rows: Sequence[annotation_rows.AnnotationRow],
) -> annotation_rows.Place | None:
    is_full = len(rows) == ROWS
    return annotation_rows.get_place(rows[-1]) if is_full else None


READERS: Mapping[Noun, Reader] = {
    Noun.threads: _read_threads,
    Noun.comments: _read_comments,
    Noun.annotations: _read_annotations,
}


@api.post(
    "/bulk/{noun}",
    summary="Make many threads, comments or annotations",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A result a line: status, and location or problem.",
            "content": {
                NDJSON: {
                    "schema": LINES,
                    "example": '{"line": 1, "status": 201, '
                    '"location": "/threads/a-window"}\n',
                }
            },
        },
        415: {"description": "The body is no NDJSON."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                NDJSON: {
                    "schema": LINES,
                    "example": '{"thread": "kleen-sti-shadow", '
                    '"text": "It holds."}\n',
                }
            },
        }
    },
)
async def import_lines(
    request: Request,
    database: DatabaseDep,
    visitor: SignedIn,
    noun: BulkNoun,
) -> Response:
    """Carry lines out one by one; each has its result, in their order.

    A line is what the address of one takes, a comment with its `thread`
    besides. A line that is refused changes nothing, and the others go on;
    1000 lines are taken at a time.
    """
    sent = request.headers.get("content-type", "")
    if sent.partition(";")[0].strip().lower() not in TAKEN:
        raise MediaTypeError(sent, NDJSON)
    lines = (await request.body()).split(b"\n")
    if sum(1 for line in lines if line.strip()) > LINES_MOST:
        raise InvalidError(f"at most {LINES_MOST} lines are taken at a time")
    sender = Sender(visitor, get_base(request))
    return StreamingResponse(
        _carry_out(request, database, partial(TAKERS[noun], sender), lines),
        media_type=NDJSON,
    )


async def _carry_out(
    request: Request,
    database: Database,
    take: "Callable[[Session, bytes], str]",
    lines: Sequence[bytes],
) -> AsyncIterator[bytes]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            async with database.enter(reads=False) as session:
                location = await run_in_threadpool(take, session, line)
        except ReviewError as error:
            problem = make_problem(error)
        except ValidationError as error:
            problem = make_invalid(
                [
                    {**one, "loc": ("body", *one["loc"])}
                    for one in error.errors()
                ]
            )
        else:
            result = Result(
                line=number, status=HTTPStatus.CREATED, location=location
            )
            yield _write(result.model_dump(exclude_none=True))
            continue
        told = Result(
            line=number,
            status=problem.status,
            problem=describe_problem(request, problem),
        )
        yield _write(told.model_dump(mode="json", exclude_none=True))


def _take_thread(sender: Sender, session: Session, line: bytes) -> str:
    sent = ThreadIn.model_validate(parse_document(line))
    slug = threads.open_thread(session, sender.visitor, sent.make())
    return f"/threads/{slug}"


def _take_comment(sender: Sender, session: Session, line: bytes) -> str:
    sent = CommentLine.model_validate(parse_document(line))
    row = annotations.reply(
        session, sender.visitor, sent.thread, sent.text, sent.parent
    )
    return f"/api/threads/{sent.thread}/comments/{row.id}"


def _take_annotation(sender: Sender, session: Session, line: bytes) -> str:
    document = relativize(parse_document(line), sender.base)
    row = annotation_changes.create_annotation(
        session, sender.visitor, document
    )
    return annotation_rows.make_path(row)


TAKERS: Mapping[Noun, Callable[[Sender, Session, bytes], str]] = {
    Noun.threads: _take_thread,
    Noun.comments: _take_comment,
    Noun.annotations: _take_annotation,
}

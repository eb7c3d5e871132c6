"""The W3C Web Annotation Protocol: containers, their pages, annotations.

There is a container for all, `/annotations/`, and one a proposal. What every
answer of a container bears is added by `app.cors`, and so are the answers to
OPTIONS and to methods that an address does not know. HEAD is answered for
every GET.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.dependencies import SessionDep, get_database
from app.identity import get_access, require_visitor
from app.routes.annotation_collections import (
    AskedDep,
    answer_collection,
    require_container,
)
from app.routes.annotation_forms import (
    Document,
    Form,
    FormDep,
    answer_form,
    choose_form,
    complete,
    get_base,
    read_document,
    require_state,
    write_json,
)
from app.services import annotation_changes
from app.services.annotation_pages import Stored, read_stored
from app.services.annotation_rows import (
    AnnotationRow,
    absolutize,
    make_address,
    make_path,
)
from app.services.entries import take_turn
from app.services.reviewers import Visitor

REASON_MOST = 2000
HEADERS = {
    "Link": '<http://www.w3.org/ns/ldp#Resource>; rel="type", '
    '<http://www.w3.org/ns/oa#Annotation>; rel="type"',
    "Vary": "Accept",
    "Allow": "GET, HEAD, OPTIONS, PUT, DELETE",
}

LINKED: dict[str, Any] = {
    "application/ld+json": {"schema": {"type": "object"}},
    "text/turtle": {"schema": {"type": "string"}},
}
ANNOTATION: dict[str, Any] = {
    "type": "object",
    "description": "An annotation of the W3C Web Annotation Data Model.",
    "required": ["@context", "type", "target"],
    "properties": {
        # what each may hold is the model's matter, and beyond a schema
        "@context": {"type": ["string", "array"]},
        "type": {"type": ["string", "array"]},
        "motivation": {"type": ["string", "array"]},
        "body": {"type": ["object", "string", "array"]},
        "target": {"type": ["object", "string", "array"]},
    },
    "examples": [
        {
            "@context": "http://www.w3.org/ns/anno.jsonld",
            "type": "Annotation",
            "motivation": "commenting",
            "body": {
                "type": "TextualBody",
                "value": "What if an NMI arrives here?",
                "format": "text/markdown",
            },
            "target": "/calls/VMI_Halt",
        }
    ],
}
SENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/ld+json": {"schema": ANNOTATION}},
    }
}
READS: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"content": LINKED}},
}
CREATES: dict[str, Any] = {
    "response_class": Response,
    "status_code": HTTPStatus.CREATED,
    "responses": {201: {"content": LINKED}},
    "openapi_extra": SENT,
}
CHANGES: dict[str, Any] = {**READS, "openapi_extra": SENT}
DELETES: dict[str, Any] = {
    "response_class": Response,
    "status_code": HTTPStatus.NO_CONTENT,
}

router = APIRouter(tags=["annotations"])

ProposalSlug = Annotated[str, Path(examples=["vmi"])]
Name = Annotated[str, Path(examples=["94bfe1bc-edbc-549a-a64f-ea5f747bf332"])]
Reason = Annotated[
    str,
    Query(
        max_length=REASON_MOST,
        description="Why; an editor must say who deletes another's words.",
    ),
]


@dataclass(frozen=True, slots=True)
class Sent:
    """An annotation that was sent: by whom, and how they want the answer."""

    form: Form
    visitor: Visitor
    document: Document


async def read_sent(request: Request) -> Sent:
    """Return what was sent, before a transaction waits for it.

    As one dependency: each that FastAPI solves costs as much as a query.
    """
    return Sent(
        await choose_form(request),
        require_visitor(get_access(request).visitor),
        await read_document(request),
    )


SentDep = Annotated[Sent, Depends(read_sent)]


@router.get("/annotations/", summary="The container of all", **READS)
def show_container(
    request: Request, asked: AskedDep, session: SessionDep
) -> Response:
    """Describe the container of all annotations, or one page of it."""
    return answer_collection(request, session, "", asked)


@router.get(
    "/annotations/{proposal}/", summary="A proposal's container", **READS
)
def show_proposal_container(
    request: Request,
    asked: AskedDep,
    session: SessionDep,
    proposal: ProposalSlug,
) -> Response:
    """Describe the container of a proposal, or one page of it."""
    return answer_collection(request, session, proposal, asked)


@router.post("/annotations/", summary="Annotate", **CREATES)
async def create_annotation(request: Request, sent: SentDep) -> Response:
    """Store an annotation; its address is under this one.

    It is sent as JSON-LD or as Turtle. `Slug` suggests the last part of its
    address. An `id` that it has already is kept in `via`.
    """
    return await _create(request, sent, "")


@router.post(
    "/annotations/{proposal}/", summary="Annotate a proposal", **CREATES
)
async def create_proposal_annotation(
    request: Request, sent: SentDep, proposal: ProposalSlug
) -> Response:
    """Store an annotation in the container of a proposal."""
    return await _create(request, sent, proposal)


async def _create(request: Request, sent: Sent, container: str) -> Response:
    slug = request.headers.get("slug")

    def store(session: Session) -> AnnotationRow:
        require_container(session, container)
        return annotation_changes.create_annotation(
            session,
            sent.visitor,
            sent.document,
            container=container,
            slug=slug,
        )

    row = await get_database(request).change(store)
    return await _answer(
        request,
        row,
        sent.form,
        status=HTTPStatus.CREATED,
        headers={"Location": get_base(request) + make_path(row)},
    )


@router.get("/annotations/{name}", summary="An annotation", **READS)
def show_annotation(
    request: Request, form: FormDep, session: SessionDep, name: Name
) -> Response:
    """Return one annotation."""
    return _show(request, session, form, ("", name))


@router.get(
    "/annotations/{proposal}/{name}",
    summary="An annotation of a proposal's container",
    **READS,
)
def show_proposal_annotation(
    request: Request,
    form: FormDep,
    session: SessionDep,
    proposal: ProposalSlug,
    name: Name,
) -> Response:
    """Return one annotation that was posted to a proposal's container."""
    return _show(request, session, form, (proposal, name))


def _show(
    request: Request, session: Session, form: Form, place: tuple[str, str]
) -> Response:
    container, name = place
    stored = read_stored(session, name)
    if stored.container != container:
        return _redirect(stored, name)
    return answer_form(form, _complete(request, stored), HEADERS)


@router.put("/annotations/{name}", summary="Replace an annotation", **CHANGES)
async def replace_annotation(
    request: Request, sent: SentDep, name: Name
) -> Response:
    """Put another annotation in the place of one's own."""
    return await _replace(request, sent, ("", name))


@router.put(
    "/annotations/{proposal}/{name}",
    summary="Replace an annotation of a proposal's container",
    **CHANGES,
)
async def replace_proposal_annotation(
    request: Request, sent: SentDep, proposal: ProposalSlug, name: Name
) -> Response:
    """Put another annotation in the place of one's own."""
    return await _replace(request, sent, (proposal, name))


async def _replace(
    request: Request, sent: Sent, place: tuple[str, str]
) -> Response:
    container, name = place

    def store(session: Session) -> AnnotationRow | Stored:
        take_turn(session)
        stored = read_stored(session, name)
        if stored.container != container:
            return stored
        require_state(request, _complete(request, stored), sent.document)
        return annotation_changes.replace_annotation(
            session, sent.visitor, name, sent.document, version=stored.version
        )

    changed = await get_database(request).change(store)
    if isinstance(changed, Stored):
        return _redirect(changed, name)
    return await _answer(request, changed, sent.form)


@router.delete(
    "/annotations/{name}", summary="Delete an annotation", **DELETES
)
async def delete_annotation(
    request: Request, name: Name, reason: Reason = ""
) -> Response:
    """Delete an annotation; nothing is ever found at its address again."""
    return await _delete(request, ("", name), reason)


@router.delete(
    "/annotations/{proposal}/{name}",
    summary="Delete an annotation of a proposal's container",
    **DELETES,
)
async def delete_proposal_annotation(
    request: Request, proposal: ProposalSlug, name: Name, reason: Reason = ""
) -> Response:
    """Delete an annotation; nothing is ever found at its address again."""
    return await _delete(request, (proposal, name), reason)


async def _delete(
    request: Request, place: tuple[str, str], reason: str
) -> Response:
    container, name = place
    visitor = require_visitor(get_access(request).visitor)

    def bury(session: Session) -> Stored | None:
        take_turn(session)
        stored = read_stored(session, name)
        if stored.container != container:
            return stored
        require_state(request, _complete(request, stored), {})
        annotation_changes.delete_annotation(
            session, visitor, name, reason=reason, version=stored.version
        )
        return None

    elsewhere = await get_database(request).change(bury)
    if elsewhere is not None:
        return _redirect(elsewhere, name)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _redirect(stored: Stored, name: str) -> Response:
    return RedirectResponse(
        make_address(stored.container, name),
        status_code=HTTPStatus.PERMANENT_REDIRECT,
    )


def _complete(request: Request, stored: Stored) -> str:
    return complete(stored.document, get_base(request))


async def _answer(
    request: Request,
    row: AnnotationRow,
    form: Form,
    *,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    content = write_json(absolutize(row.document, get_base(request)))
    answer = partial(
        answer_form, form, content, {**HEADERS, **headers}, status=status
    )
    # Turtle takes its time
    if form is Form.turtle:
        return await run_in_threadpool(answer)
    return answer()

"""Other forms of what has a page: Markdown, and annotations as JSON-LD.

Each has its own address, the page's with an ending; `NegotiationMiddleware`
leads there by `Accept` too.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from app.dependencies import SessionDep
from app.forms import SLUG_LENGTH
from app.routes.annotation_forms import get_base
from app.routes.decisions import Number
from app.routes.etags import hash_content
from app.routes.revisions_api import RevisionDetailOut, answer_text
from app.services import (
    annotation_rows,
    annotations,
    calls,
    decision_rows,
    markdown_forms,
    revisions,
    thread_rows,
)
from app.services.annotation_rows import Wanted, absolutize

MARKDOWN = "text/markdown; charset=utf-8"
LINKED = 'application/ld+json; profile="http://www.w3.org/ns/anno.jsonld"'
CONTEXT = "http://www.w3.org/ns/anno.jsonld"

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api", tags=["revisions"])

Slug = Annotated[str, Path(max_length=SLUG_LENGTH)]


class LinkedResponse(JSONResponse):
    """An answer in JSON-LD with the profile of annotations."""

    media_type = LINKED


@api.get("/document", summary="The text under review")
def read_document(
    request: Request, response: Response, session: SessionDep
) -> RevisionDetailOut:
    """Return the newest text with its sections and its Markdown."""
    newest = revisions.get_newest(session)
    return answer_text(request, response, session, newest)


@router.get("/document.md")
def show_document_markdown(session: SessionDep) -> Response:
    """Answer with the text under review as it was written."""
    newest = revisions.get_newest(session)
    return _answer(revisions.read_markdown(session, newest.id))


@router.get("/calls/{name}.md")
def show_call_markdown(
    request: Request, session: SessionDep, name: Slug
) -> Response:
    """Answer with a call as Markdown."""
    call = calls.read_call(session, name)
    scenarios = calls.list_scenarios(session, call.facts.id)
    return _answer(
        markdown_forms.write_call(call, scenarios, get_base(request))
    )


@router.get("/threads/{slug}.md")
def show_thread_markdown(
    request: Request, session: SessionDep, slug: Slug
) -> Response:
    """Answer with a thread as Markdown."""
    thread = thread_rows.get_thread(session, slug)
    posts = annotations.list_posts(session, thread.id)
    return _answer(
        markdown_forms.write_thread(thread, posts, get_base(request))
    )


@router.get("/threads/{slug}.jsonld")
def show_thread_annotations(
    request: Request, session: SessionDep, slug: Slug
) -> Response:
    """Answer with what was said on a thread, as a collection."""
    thread = thread_rows.get_thread(session, slug)
    rows = annotation_rows.list_annotations(session, Wanted(thread=slug))
    base = get_base(request)
    address = f"{base}{request.url.path}"
    collection: dict[str, Any] = {
        "@context": CONTEXT,
        "id": address,
        "type": "AnnotationCollection",
        "label": thread.title,
        "total": len(rows),
    }
    if rows:
        collection["first"] = {
            "id": f"{address}#all",
            "type": "AnnotationPage",
            "partOf": address,
            "startIndex": 0,
            "items": [absolutize(row.document, base) for row in rows],
        }
    response = LinkedResponse(collection)
    response.headers["ETag"] = hash_content(bytes(response.body))
    return response


@router.get("/decisions/{number}.md")
def show_decision_markdown(
    request: Request, session: SessionDep, number: Number
) -> Response:
    """Answer with a decision as Markdown."""
    decision = decision_rows.get_decision(session, number)
    return _answer(
        markdown_forms.write_one_decision(decision, get_base(request))
    )


def _answer(text: str) -> Response:
    response = Response(text, media_type=MARKDOWN)
    response.headers["ETag"] = hash_content(bytes(response.body))
    return response

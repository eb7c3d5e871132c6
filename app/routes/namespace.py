"""The vocabulary of our own terms, as context and as their description."""

from fastapi import APIRouter, Request, Response

from app.routes.annotation_forms import get_base, write_json
from app.services.vocabulary import build_context

router = APIRouter(include_in_schema=False)


@router.get("/ns/review.jsonld")
@router.get("/ns/review", name="show_terms")
def show_context(request: Request) -> Response:
    """Answer with the context; the address of each term leads here too."""
    return Response(
        write_json(build_context(get_base(request))),
        media_type="application/ld+json",
    )

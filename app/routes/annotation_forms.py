"""Annotations on the wire: the forms they are sent and taken in.

JSON-LD is what is stored and what is sent unless something else is wanted;
Turtle is made from it. All forms of one state share its tag, with the form's
name at the end of it.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from importlib import import_module
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from app.errors import MalformedError, MediaTypeError, UnacceptableError
from app.routes.accept import choose_type, split_list
from app.routes.etags import hash_content, is_match, require_tag
from app.services.annotation_model import parse_document
from app.services.annotation_rows import absolutize, relativize

JSON_TYPES = frozenset({"application/ld+json", "application/json"})
PROFILE = "http://www.w3.org/ns/anno.jsonld"
TURTLE_MOST = 64 * 1024
KEPT = 2048
KEPT_LENGTH = 4096

Document = Mapping[str, Any]


class Form(StrEnum):
    """A form of an answer, the preferred one first."""

    linked = "application/ld+json"
    plain = "application/json"
    turtle = "text/turtle"


CONTENT_TYPES = {
    Form.linked: f'{Form.linked}; profile="{PROFILE}"',
    Form.plain: str(Form.plain),
    Form.turtle: f"{Form.turtle}; charset=utf-8",
}
ENDINGS = {Form.linked: "", Form.plain: "-json", Form.turtle: "-ttl"}


async def choose_form(request: Request) -> Form:
    """Return in which form the answer is wanted.

    Raises
    ------
    UnacceptableError
        When it is none of ours.
    """
    wanted = choose_type(request.headers.get("accept"), tuple(Form))
    if wanted is None:
        raise UnacceptableError(*Form)
    return Form(wanted)


FormDep = Annotated[Form, Depends(choose_form)]


async def read_document(request: Request) -> Document:
    """Return the annotation that was sent.

    It names this site by references. What it says is for the service to
    check.

    Raises
    ------
    MediaTypeError
        When it is neither JSON-LD nor Turtle.
    MalformedError
        When it cannot be read as that.
    """
    sent = request.headers.get("content-type", "")
    kind = _read_kind(sent)
    if kind not in JSON_TYPES | {Form.turtle}:
        raise MediaTypeError(sent, Form.linked, Form.turtle)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise MediaTypeError(
            request.headers["content-encoding"], "a body that is not packed"
        )
    body = await request.body()
    base = get_base(request)
    if kind == Form.turtle:
        document = await run_in_threadpool(
            _read_turtle, body, f"{base}{request.url.path}"
        )
    else:
        document = parse_document(body)
    return relativize(document, base)


def _read_kind(sent: str) -> str:
    kind, *parameters = next(split_list(sent), ("",))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            utf8 = value.strip().strip('"').lower() in {"utf-8", "us-ascii"}
            return kind.lower() if utf8 else sent
    return kind.lower()


def _read_turtle(body: bytes, address: str) -> Document:
    if len(body) > TURTLE_MOST:
        raise MalformedError(f"Turtle is read up to {TURTLE_MOST} bytes")
    document: Document = _load("turtle_reading").read_turtle(body, address)
    return document


def _load(name: str) -> Any:  # noqa: ANN401 - a module
    # only when it is needed: rdflib takes a quarter of a second
    return import_module(f"app.services.{name}")


def get_base(request: Request) -> str:
    """Return the address of this site, as readers type it."""
    base: str = request.app.state.settings.base_url
    return (base or str(request.base_url)).rstrip("/")


def write_json(document: Document) -> str:
    """Return JSON without spaces."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def complete(stored: str, base: str) -> str:
    """Return a stored document as it is sent; short ones are kept."""
    short = len(stored) <= KEPT_LENGTH
    return _complete_short(stored, base) if short else _complete(stored, base)


def _complete(stored: str, base: str) -> str:
    return write_json(absolutize(json.loads(stored), base))


_complete_short = lru_cache(maxsize=KEPT)(_complete)


def answer_form(
    form: Form,
    content: str,
    headers: Mapping[str, str],
    *,
    status: int = HTTPStatus.OK,
) -> Response:
    """Answer with JSON-LD, in the form that is wanted."""
    body = content.encode()
    tag = end_tag(hash_content(body), form)
    if form is Form.turtle:
        body = _load("turtle").write_turtle(json.loads(content))
    return Response(
        body,
        status_code=status,
        headers={**headers, "ETag": tag, "Content-Type": CONTENT_TYPES[form]},
    )


def end_tag(tag: str, form: Form) -> str:
    """Return the tag of a form of what has this tag in JSON-LD."""
    return f'{tag[:-1]}{ENDINGS[form]}"'


def require_state(request: Request, content: str, draft: Document) -> None:
    """Refuse a change that was made from another state than this one.

    Whoever read any form of it may name that one's tag.
    """
    tag = hash_content(content.encode())
    tags = [end_tag(tag, form) for form in Form]
    wanted = request.headers.get("if-match", "")
    tag = next((one for one in tags if is_match(one, wanted)), tag)
    require_tag(request, tag, write_json(draft) if draft else "")

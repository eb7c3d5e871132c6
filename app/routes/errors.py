"""What is refused, as problem+json (RFC 9457) or as a page.

A program is whoever asks for JSON and not for HTML, or does not say and asks
where programs ask. The status and the `type`, and not a text alone, tell what
happened (`problem_types`).
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

from app.dependencies import SAFE_METHODS, get_database
from app.errors import (
    BusyError,
    ConflictError,
    Fault,
    ForbiddenError,
    GoneError,
    InvalidError,
    MalformedError,
    MediaTypeError,
    MissingConditionError,
    NotFoundError,
    PreconditionError,
    ReviewError,
    SignInError,
    ThrottleError,
    UnacceptableError,
    WaitError,
)
from app.forms import describe_error
from app.identity import HYPOTHESIS, get_access
from app.pages import Page, get_shell, render
from app.routes.problem_types import BLANK, ProblemType, find_type

MEDIA_TYPE = "application/problem+json"
PROGRAMS = ("/api/", "/annotations/", "/h/", "/ns/", "/events")
"""Where programs ask."""

FILE_METHODS = ("GET", "HEAD", "OPTIONS")
"""How files are asked that are served as they are."""

DATA = (".json", ".jsonld", ".jsonl", ".ndjson")
STATUSES: Mapping[type[ReviewError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    SignInError: HTTPStatus.UNAUTHORIZED,
    ThrottleError: HTTPStatus.TOO_MANY_REQUESTS,
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    MalformedError: HTTPStatus.BAD_REQUEST,
    GoneError: HTTPStatus.GONE,
    PreconditionError: HTTPStatus.PRECONDITION_FAILED,
    MissingConditionError: HTTPStatus.PRECONDITION_REQUIRED,
    UnacceptableError: HTTPStatus.NOT_ACCEPTABLE,
    MediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
logger = structlog.get_logger()

Item = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One refusal.

    `errors` name each refused part by its place, `kind` is the slug of its
    type where the status has several, `extra` are members of this kind only.
    """

    status: int
    detail: str
    errors: Sequence[Item] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    extra: Item = field(default_factory=dict)

    @property
    def type(self) -> ProblemType | None:
        """Return the kind: the one named, else the status's first."""
        return find_type(self.status, self.kind)

    @property
    def title(self) -> str:
        """Return what the kind, else the status, means."""
        kind = self.type
        return kind.title if kind else HTTPStatus(self.status).phrase


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage(Page):
    """The page of a refusal; `back` is where one was."""

    template: ClassVar[str] = "errors/show.html"
    status: int
    detail: str
    problems: Sequence[tuple[str, str]]
    back: str
    draft: str


def add_error_handlers(app: FastAPI) -> None:
    """Let the application answer what routes and services raise."""
    app.add_exception_handler(ReviewError, show_refusal)
    app.add_exception_handler(HTTPException, show_http_error)
    app.add_exception_handler(RequestValidationError, show_invalid_request)


def show_refusal(request: Request, error: Exception) -> Response:
    """Answer what a service raised."""
    return answer(request, make_problem(error))


def make_problem(error: Exception) -> Problem:
    """Return the problem that an error of a service is."""
    status = find_status(error)
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, WaitError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MediaTypeError):
        headers["Accept"] = ", ".join(error.understood)
    faults = error.faults if isinstance(error, InvalidError) else ()
    return Problem(
        status=status,
        detail=str(error),
        errors=[describe_fault(fault) for fault in faults],
        headers=headers,
        extra=_list_extra(error),
    )


def _list_extra(error: Exception) -> Item:
    if not isinstance(error, PreconditionError):
        return {}
    told = {"draft": error.draft, "tag": error.tag}
    return {name: value for name, value in told.items() if value}


def find_status(error: Exception) -> HTTPStatus:
    """Return the status that tells of an error."""
    for kind in type(error).__mro__:
        if issubclass(kind, ReviewError) and kind in STATUSES:
            return STATUSES[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def describe_fault(fault: Fault) -> Item:
    """Return a fault as JSON, with whatever else its class tells."""
    told = dataclasses.asdict(fault)
    item = {"pointer": told.pop("pointer"), "detail": told.pop("message")}
    return item | {k: v for k, v in told.items() if v is not None}


def show_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refused: no such page, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"nothing is at {request.url.path}"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(get_allowed(request))
        detail = f"{request.method} is not one of {headers['Allow']}"
    problem = Problem(status=error.status_code, detail=detail, headers=headers)
    return answer(request, problem)


def get_allowed(request: Request) -> Sequence[str]:
    """Return the methods that some route takes at this address."""
    asked = ("GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
    scope = dict(request.scope)
    # within files the address is theirs alone
    scope["root_path"] = scope.get("app_root_path", scope["root_path"])
    found = []
    for method in asked:
        scope["method"] = method
        if any(_takes(route, scope) for route in request.app.routes):
            found.append(method)
    if "GET" in found:
        found.insert(1, "HEAD")  # answered for every GET
    return found


def _takes(route: BaseRoute, scope: Scope) -> bool:
    # files are asked by any method, if only to refuse it
    if isinstance(route, Mount) and scope["method"] not in FILE_METHODS:
        return False
    return route.matches(scope)[0] == Match.FULL


def show_invalid_request(request: Request, error: Exception) -> Response:
    """Answer a request whose parts are not what the route takes."""
    if not isinstance(error, RequestValidationError):
        raise error
    problem = make_invalid(error.errors())
    in_path = any(one["loc"][0] == "path" for one in error.errors())
    if in_path and not is_program(request):
        # to a reader an address that cannot be is one that is not there
        problem = Problem(
            status=HTTPStatus.NOT_FOUND, detail="nothing is at this address"
        )
    return answer(request, problem)


def make_invalid(errors: Sequence[Any]) -> Problem:
    """Return the problem that Pydantic's errors are."""
    return Problem(
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        detail="part of the request was not understood",
        errors=[
            describe_part(
                one["loc"], one["type"], one["msg"], one.get("ctx", {})
            )
            for one in errors
        ],
    )


def describe_part(
    place: Sequence[str | int],
    type_: str,
    message: str,
    context: Mapping[str, object],
) -> Item:
    """Return one refused part: a pointer into the body, or a parameter."""
    origin, *path = place
    if type_ == "json_invalid":
        return {
            "pointer": "",
            "detail": f"not JSON: {context.get('error')} at character "
            f"{path[0] if path else 0}",
        }
    detail = describe_error(type_, message)
    if origin == "body":
        return {"pointer": build_pointer(path), "detail": detail}
    return {"parameter": ".".join(map(str, path)), "detail": detail}


def build_pointer(path: Sequence[str | int]) -> str:
    """Return a JSON Pointer (RFC 6901)."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in steps)


def answer(request: Request, problem: Problem) -> Response:
    """Answer with the problem, in the form that the asker understands."""
    if request.url.path.startswith(HYPOTHESIS):
        # its clients know another form
        response = build_failure(problem)
    elif is_program(request):
        response = build_json(request, problem)
    else:
        response = build_page(request, problem)
    response.headers.update(problem.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def answer_failure(request: Request) -> Response:
    """Answer when the program itself is at fault, whatever is broken."""
    problem = Problem(
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        detail="the cause stands in the program's log",
    )
    try:
        return answer(request, problem)
    except Exception:
        # the page needs the database, which may be what failed
        logger.exception("error_page_failed")
        return PlainTextResponse(problem.detail, status_code=problem.status)


def is_program(request: Request) -> bool:
    """Tell whether JSON is wanted rather than a page."""
    accepted = request.headers.get("accept", "")
    path = request.url.path
    if "text/html" in accepted:
        return False
    return (
        "json" in accepted
        or path.startswith(PROGRAMS)
        or (path.endswith(DATA))
    )


def build_failure(problem: Problem) -> Response:
    """Return the problem as the Hypothesis API tells it.

    It knows no 422: what is not understood is a bad request there.
    """
    faults = (
        f"{item.get('pointer', item.get('parameter', ''))}: {item['detail']}"
        for item in problem.errors
    )
    content = {
        "status": "failure",
        "reason": "; ".join([problem.detail, *faults]),
        **problem.extra,
    }
    is_invalid = problem.status == HTTPStatus.UNPROCESSABLE_ENTITY
    return Response(
        json.dumps(content),
        status_code=HTTPStatus.BAD_REQUEST if is_invalid else problem.status,
        media_type="application/json",
    )


def build_json(request: Request, problem: Problem) -> Response:
    """Return the problem as an answer; ASCII takes any text."""
    return Response(
        json.dumps(describe_problem(request, problem)),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
    )


def describe_problem(request: Request, problem: Problem) -> Item:
    """Return the problem as RFC 9457 writes it."""
    content: dict[str, object] = {
        "type": find_address(request, problem),
        "title": problem.title,
        "status": int(problem.status),
        "detail": problem.detail,
        "instance": request.url.path,
    }
    content |= problem.extra
    if problem.errors:
        content["errors"] = list(problem.errors)
    return content


def find_address(request: Request, problem: Problem) -> str:
    """Return the problem's `type`: where its kind is explained."""
    if problem.type is None:
        return BLANK
    path = request.app.url_path_for("show_problem", slug=problem.type.slug)
    base = request.app.state.settings.base_url or str(request.base_url)
    return f"{base.rstrip('/')}{path}"


def build_page(request: Request, problem: Problem) -> Response:
    """Return the problem as a page."""
    with get_database(request).read() as session:
        shell = get_shell(session, get_access(request).visitor)
    detail = problem.detail[:1].upper() + problem.detail[1:]
    page = ErrorPage(
        title=problem.title,
        status=problem.status,
        detail=detail if detail.endswith((".", "?")) else f"{detail}.",
        problems=[
            (
                str(item.get("pointer", item.get("parameter", ""))),
                str(item["detail"]),
            )
            for item in problem.errors
        ],
        back=get_place(request, problem.status),
        draft=str(problem.extra.get("draft", "")),
    )
    return render(request, shell, page, status=problem.status)


def get_place(request: Request, status: int) -> str:
    """Return where to go on from a refusal, as a path of this site.

    Who has to sign in comes back to what they asked for; everybody else to
    the page they came from.
    """
    place = urlsplit(request.headers.get("referer", ""))
    if place.netloc != request.url.netloc:
        place = urlsplit("/")
    if status == HTTPStatus.UNAUTHORIZED and request.method in SAFE_METHODS:
        place = urlsplit(str(request.url))
    path = f"/{place.path.lstrip('/')}"  # two slashes would name a host
    return f"{path}?{place.query}" if place.query else path

"""The API's description: our errors as they are, stable names, the version.

FastAPI describes refusals in its own shape; here each is a problem (RFC
9457), with the statuses that any operation of its kind can answer.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.datastructures import URLPath
from starlette.routing import NoMatchFound

VERSION = "0.1.0"
DESCRIPTION = """\
Read the review, run its questions, and, with a token, take part in it.

Lists answer `{"items": […]}`, take `limit` (500 at most) and are followed by
their `Link` headers (RFC 8288). Refusals are `application/problem+json` (RFC
9457); `errors` names each refused part by a JSON Pointer. A token is made by
`vmi-review token create NAME` and sent as `Authorization: Bearer TOKEN`.
Running a question needs none.
"""
REFUSED = 400
UNTOLD = "Successful Response"
REASONS = {
    "400": "The request cannot be read.",
    "401": "No token was sent, or it is not good.",
    "403": "This may not be done, by this reviewer or from another site.",
    "404": "There is nothing of this name.",
    "409": "It does not fit what is there now.",
    "413": "The body is too long.",
    "422": "A part is refused; `errors` says which and why.",
    "503": "Too much is asked at once; `Retry-After` says when to come back.",
}
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Unprocessable Content"]},
        "status": {"type": "integer", "examples": [422]},
        "detail": {
            "type": "string",
            "description": "What is wrong, for a person.",
            "examples": ["the request was not understood"],
        },
        "instance": {"type": "string", "examples": ["/api/runs"]},
        "errors": {
            "type": "array",
            "description": "Each refused part.",
            "items": {"$ref": "#/components/schemas/ProblemPart"},
        },
    },
}
PART = {
    "type": "object",
    "title": "ProblemPart",
    "description": "One refused part; its place is a pointer or a parameter.",
    "required": ["detail"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "JSON Pointer into the body.",
            "examples": ["/scenario_text"],
        },
        "parameter": {
            "type": "string",
            "description": "Name of a parameter of the address.",
            "examples": ["limit"],
        },
        "detail": {"type": "string", "examples": ["this is required"]},
        "line": {"type": "integer", "examples": [12]},
        "column": {"type": "integer", "examples": [7]},
        "expected": {"type": "string", "examples": ["a label"]},
    },
}

Json = dict[str, Any]


class ReviewAPI(FastAPI):
    """FastAPI with our description, and no page that needs a script host."""

    settled: ClassVar[Json] = {
        "title": "vmi-review",
        "version": VERSION,
        "description": DESCRIPTION,
        "docs_url": None,
        "redoc_url": None,
    }

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(
            **self.settled, generate_unique_id_function=get_name, **given
        )
        self._named: dict[str, list[RouteContext]] = {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:  # noqa: ANN401 - Starlette's own
        """Return the path of a route, whose name is looked up once.

        Asking all routers takes longer than the rest of a link, and pages
        have hundreds. What is no route of a router, such as what is mounted,
        is asked for as ever.
        """
        if name not in self._named:
            self._named[name] = [
                route
                for route in iter_route_contexts(self.routes)
                if route.name == name
            ]
        for route in self._named[name]:
            try:
                found: URLPath = route.url_path_for(name, **path_params)
            except NoMatchFound:
                continue
            return found
        return super().url_path_for(name, **path_params)

    def openapi(self) -> Json:
        """Return the description, which is made once."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(self)
        return self.openapi_schema


def get_name(route: APIRoute) -> str:
    """Return an operation's id: the name of its function."""
    return route.name


def describe(app: FastAPI) -> Json:
    """Return the OpenAPI document of an application."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    schemas["ProblemPart"] = PART
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _add_refusals(operation, set(_list_refusals(path, method)))
            if method == "get" and "security" in operation:
                # who is known sees addresses; everybody reads
                operation["security"].insert(0, {})
    return document


def _list_refusals(path: str, method: str) -> Iterator[str]:
    yield from ("400", "401", "422")
    if "{" in path or method != "get":
        # a body names things too
        yield "404"
    if method != "get":
        yield from ("403", "413")


def _add_refusals(operation: Json, statuses: set[str]) -> None:
    responses: Json = operation["responses"]
    for status, response in responses.items():
        if response.get("description") == UNTOLD:
            response["description"] = HTTPStatus(int(status)).phrase
    refusals = {s for s in responses if int(s) >= REFUSED} | statuses
    for status in sorted(refusals):
        told = responses.get(status, {}).get("description", "")
        if not told or told == "Validation Error":
            told = REASONS.get(status, "It is refused.")
        responses[status] = {
            "description": told,
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"}
                }
            },
        }

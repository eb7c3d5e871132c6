"""The API's description: our errors as they are, stable names, the version.

FastAPI describes refusals in its own shape; here each is a problem (RFC
9457), with the statuses that any operation of its kind can answer.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.datastructures import URLPath
from starlette.routing import NoMatchFound

from app.openapi_parts import (
    BODIES,
    DESCRIPTION,
    EXAMPLES,
    FAILURE,
    FILTERS,
    KEY_HEADER,
    MATCH_HEADER,
    PART,
    PLACES,
    PROBLEM,
    REASONS,
    TAGS,
    Json,
)
from app.policies import POLICIES

VERSION = "0.1.0"
REFUSED = 400
UNTOLD = "Successful Response"
PROBLEM_TYPE = "application/problem+json"
FAILING = "/h/"
"""Where a refusal has the form that clients of Hypothesis know."""

SUMMARY = "The API of a review that can be run."
LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
CHANGES = frozenset({"put", "patch", "delete"})
CHANGED = "412"
BEARER: dict[str, list[str]] = {"HTTPBearer": []}


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
        super().__init__(**self.settled, **given)
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


def describe(app: FastAPI) -> Json:
    """Return the OpenAPI document of an application."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=SUMMARY,
        description=app.description,
        license_info=LICENSE,
        servers=[{"url": "/"}],
        routes=app.routes,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    schemas["ProblemPart"] = PART
    schemas["Failure"] = FAILURE
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _describe_operation(path, method, operation)
    used = {
        tag
        for operations in document["paths"].values()
        for operation in operations.values()
        for tag in operation["tags"]
    }
    document["tags"] = [
        {"name": name, "description": told}
        for name, told in TAGS.items()
        if name in used
    ]
    return document


def _describe_operation(path: str, method: str, operation: Json) -> None:
    media, name = PROBLEM_TYPE, "Problem"
    if path.startswith(FAILING):
        media, name = "application/json", "Failure"
    refusal = {media: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    statuses = set(_list_refusals(path, method, operation))
    _add_refusals(operation, statuses, refusal)
    has_versions = CHANGED in operation["responses"]
    word = path.removeprefix("/api").split("/")[1]
    given: list[Json] = operation.setdefault("parameters", [])
    for parameter in given:
        _describe_parameter(word, parameter)
        own = EXAMPLES.get(operation["operationId"], {})
        if parameter["name"] in own:
            parameter["example"] = own[parameter["name"]]
    body = BODIES.get(operation["operationId"])
    for content in (
        operation.get("requestBody", {}).get("content", {}).values()
    ):
        if body is not None:
            content["example"] = body
    if method == "post" and not path.startswith(FAILING):
        given.append(KEY_HEADER)
    if has_versions:
        given.append(MATCH_HEADER)
    if not given:
        del operation["parameters"]
    needs_token = POLICIES[operation["operationId"]].role is not None
    # who may read a private review sends a token for reading, too
    operation["security"] = [BEARER] if needs_token else [{}, BEARER]


def _describe_parameter(word: str, parameter: Json) -> None:
    filter_ = FILTERS.get((word, parameter["name"]))
    if parameter["in"] == "query" and filter_ is not None:
        parameter.setdefault("description", filter_)
    place = PLACES.get((word, parameter["name"]))
    if parameter["in"] == "path" and place is not None:
        parameter.setdefault("description", place.description)
        parameter["example"] = place.example
        parameter.pop("examples", None)
        parameter["schema"].pop("examples", None)


def _list_refusals(path: str, method: str, operation: Json) -> Iterator[str]:
    yield from ("400", "401", "404", "422", "429")
    if "requestBody" in operation:
        yield from ("408", "413", "415")
    if path.startswith(("/annotations/", FAILING)):
        yield from ("406", "410")
    if path.startswith("/annotations/") and method in CHANGES:
        yield CHANGED
    if method != "get":
        yield from ("403", "409")
    if CHANGED in operation["responses"]:
        yield "428"


def _add_refusals(operation: Json, statuses: set[str], content: Json) -> None:
    responses: Json = operation["responses"]
    for status, response in responses.items():
        if response.get("description") == UNTOLD:
            response["description"] = HTTPStatus(int(status)).phrase
    refusals = {s for s in responses if int(s) >= REFUSED} | statuses
    for status in sorted(refusals):
        told = responses.get(status, {}).get("description", "")
        if not told or told == "Validation Error":
            told = REASONS.get(status, "It is refused.")
        responses[status] = {"description": told, "content": content}

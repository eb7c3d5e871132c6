"""The reference of the API, made of its OpenAPI document; needs no script."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from app.pages import Page, ShellDep, render
from app.services.markdown import render_markdown

DEEPEST = 6
METHODS = ("get", "post", "put", "patch", "delete")
SAMPLES: Mapping[str, object] = {
    "string": "…",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
}

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A parameter, or a field of a shape; `shape` names what it holds."""

    name: str
    place: str
    kind: str
    shape: str
    required: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of an operation; `example` is JSON, or empty."""

    status: str
    phrase: str
    text: str
    media: str
    shape: str
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method at one address."""

    id: str
    method: str
    path: str
    summary: str
    html: str
    needs_token: bool
    parameters: Sequence[Part]
    shape: str
    command: str
    replies: Sequence[Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A JSON object that requests or answers hold."""

    name: str
    text: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePage(Page):
    """The reference: operations by group, then the shapes they speak of."""

    template: ClassVar[str] = "reference/show.html"
    html: str
    version: str
    base: str
    groups: Mapping[str, Sequence[Operation]]
    shapes: Sequence[Shape]


@router.get("/docs")
def show_reference(request: Request, shell: ShellDep) -> Response:
    """Show what the API takes and answers, with examples."""
    document = request.app.openapi()
    page = ReferencePage(
        title="API",
        html=render_markdown(document["info"]["description"]),
        version=document["info"]["version"],
        base=str(request.base_url).rstrip("/"),
        groups=read_groups(document),
        shapes=[read_shape(document, name) for name in list_shapes(document)],
    )
    return render(request, shell, page)


def read_groups(document: Json) -> Mapping[str, Sequence[Operation]]:
    """Return the operations by their tag, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                operation = methods[method]
                tag = operation.get("tags", ["other"])[0]
                found = read_operation(document, method, path, operation)
                groups.setdefault(tag, []).append(found)
    return groups


def read_operation(
    document: Json, method: str, path: str, operation: Json
) -> Operation:
    """Return one operation as the page shows it."""
    content = operation.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {})
    needs_token = {} not in operation.get("security", ())
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        html=render_markdown(operation.get("description", "")),
        needs_token=needs_token,
        parameters=[
            read_part(
                document,
                one["name"],
                one,
                place=one["in"],
                required=one.get("required", False),
            )
            for one in operation.get("parameters", [])
        ],
        shape=find_shape(document, body.get("schema", {})),
        command=write_command(document, method, path, operation),
        replies=list(read_replies(document, operation["responses"])),
    )


def write_command(
    document: Json, method: str, path: str, operation: Json
) -> str:
    """Return a line of curl that does the operation's example.

    The shell knows `REVIEW`, where this site is, and `TOKEN`.
    """
    filled, query = path, []
    for one in operation.get("parameters", ()):
        value = find_example(document, one)
        if one["in"] == "path":
            filled = filled.replace(
                f"{{{one['name']}}}", quote(str(value), safe="@")
            )
        elif one.get("required"):
            pair = shlex.quote(f"{one['name']}={value}")
            query.append(f"--get --data-urlencode {pair}")
    verb = "" if method == "get" else f" -X {method.upper()}"
    parts = [f'curl -fsS{verb} "$REVIEW{filled}"', *query]
    if {} not in operation.get("security", ()):
        parts.append('-H "Authorization: Bearer $TOKEN"')
    contents = operation.get("requestBody", {}).get("content", {})
    for media, content in list(contents.items())[:1]:
        parts.append(f"-H 'Content-Type: {media}' --data-binary @- <<'END'")
        parts[-1] += f"\n{write_example(document, content).rstrip()}\nEND"
    return " \\\n  ".join(parts)


def find_example(document: Json, parameter: Json) -> object:
    """Return a value that a parameter takes."""
    if "example" in parameter:
        return parameter["example"]
    for value in (*parameter.get("examples", {}).values(),):
        return value["value"]
    return make_example(document, parameter["schema"])


def read_replies(document: Json, responses: Json) -> Iterator[Reply]:
    """Yield the answers by status; refusals have no example of their own."""
    for status, reply in sorted(responses.items()):
        contents: dict[str, dict[str, Any]] = reply.get("content", {})
        media, content = next(iter(contents.items()), ("", {}))
        good = int(status) < HTTPStatus.BAD_REQUEST
        schema: Json = content.get("schema", {})
        yield Reply(
            status=status,
            phrase=HTTPStatus(int(status)).phrase,
            text=reply["description"],
            media=media,
            shape=find_shape(document, schema),
            example=write_example(document, content)
            if good and content
            else "",
        )


def read_part(
    document: Json, name: str, part: Json, *, place: str, required: bool
) -> Part:
    """Return a parameter or a field as the page shows it."""
    schema = part.get("schema", part)
    kind = name_kind(document, schema)
    return Part(
        name=name,
        place=place,
        # in an address, what is left out is null
        kind=kind.removesuffix(" or null") if place else kind,
        shape=find_shape(document, schema),
        required=required,
        text=part.get("description", schema.get("description", "")),
    )


def list_shapes(document: Json) -> Sequence[str]:
    """Return the names of the objects, by alphabet."""
    schemas = document["components"]["schemas"]
    return sorted(n for n, s in schemas.items() if "properties" in s)


def read_shape(document: Json, name: str) -> Shape:
    """Return an object as the page shows it."""
    schema = document["components"]["schemas"][name]
    required = schema.get("required", ())
    return Shape(
        name=name,
        text=schema.get("description", ""),
        parts=[
            read_part(document, n, part, place="", required=n in required)
            for n, part in schema["properties"].items()
        ],
    )


def resolve(document: Json, schema: Json) -> Json:
    """Return what a reference names, or the schema itself."""
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
    return schema


def find_shape(document: Json, schema: Json) -> str:
    """Return the name of the object that a schema holds, or nothing."""
    if "$ref" in schema:
        full = resolve(document, schema)
        return (
            schema["$ref"].rpartition("/")[2] if "properties" in full else ""
        )
    inside = [schema["items"]] if "items" in schema else []
    for inner in (*schema.get("anyOf", ()), *inside):
        if found := find_shape(document, inner):
            return found
    return ""


def name_kind(document: Json, schema: Json) -> str:
    """Return in words what values a schema takes."""
    full = resolve(document, schema)
    if "enum" in full:
        return "one of " + ", ".join(str(value) for value in full["enum"])
    if "const" in full:
        return str(full["const"])
    if "anyOf" in full:
        return " or ".join(name_kind(document, one) for one in full["anyOf"])
    if full.get("type") == "array":
        return f"list of {name_kind(document, full.get('items', {}))}"
    if "$ref" in schema:
        return find_shape(document, schema)
    return str(full.get("type", "anything")) + _name_bounds(full)


def _name_bounds(schema: Json) -> str:
    bounds = {
        "minimum": "from {}",
        "maximum": "to {}",
        "maxLength": "of {} characters at most",
    }
    told = [
        text.format(schema[n]) for n, text in bounds.items() if n in schema
    ]
    return f", {' '.join(told)}" if told else ""


def write_example(document: Json, content: Json) -> str:
    """Return an example of a body as JSON, indented."""
    given = content.get("examples", {})
    first = next(iter(given.values()), None)
    if first is not None:
        value = first["value"]
    else:
        value = content.get("example") or make_example(
            document, content.get("schema", {})
        )
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2)


def make_example(document: Json, schema: Json, depth: int = 0) -> object:
    """Return a value that fits a schema, of the examples it has."""
    full = resolve(document, schema)
    for where in (schema, full):
        for value in (*where.get("examples", ())[:1], *_get_fixed(where)):
            return value
    if "anyOf" in full:
        return make_example(document, full["anyOf"][0], depth)
    if full.get("type") == "array":
        inner = full.get("items", {})
        return [make_example(document, inner, depth + 1)]
    if "properties" in full and depth <= DEEPEST:
        return {
            name: make_example(document, part, depth + 1)
            for name, part in full["properties"].items()
        }
    return SAMPLES.get(full.get("type", ""), {})


def _get_fixed(schema: Json) -> Sequence[object]:
    found = [schema[n] for n in ("default", "const") if n in schema]
    return [*found, *schema.get("enum", ())]

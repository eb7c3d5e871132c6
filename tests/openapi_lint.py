"""Rules that an OpenAPI document keeps beside being valid.

They are those of the common rule sets that apply to a document of one server;
each yields what breaks it, by its place.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

Json = Mapping[str, Any]

METHODS = frozenset({"get", "put", "post", "delete", "patch"})
NAME = re.compile(r"[a-z][a-z0-9_]*")
PROBLEM = "application/problem+json"
FAILURE = "application/json"
"""What refuses clients of Hypothesis, who know no problems."""

SLASHED = ("/annotations/", "/h/api/")
NO_BODY = frozenset({"202", "204", "304"})


def lint(document: Json) -> list[str]:
    """Return all that breaks a rule."""
    return [
        *_lint_head(document),
        *_lint_paths(document),
        *_lint_components(document),
        *(
            f"{method} {path}: {fault}"
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            for fault in _lint_operation(document, path, method, operation)
        ),
    ]


def _lint_head(document: Json) -> Iterator[str]:
    for name in ("title", "version", "summary", "description", "license"):
        if not document["info"].get(name):
            yield f"info: no {name}"
    if not document.get("servers"):
        yield "no servers"
    told = [tag["name"] for tag in document.get("tags", ())]
    used = {
        tag
        for methods in document["paths"].values()
        for operation in methods.values()
        for tag in operation.get("tags", ())
    }
    if set(told) != used or len(told) != len(used):
        yield f"tags told {told}, used {sorted(used)}"
    ids = [
        operation.get("operationId")
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    yield from (
        f"{id_} is no single name" for id_ in ids if ids.count(id_) > 1
    )


def _lint_paths(document: Json) -> Iterator[str]:
    shapes = [re.sub(r"{\w+}", "{}", path) for path in document["paths"]]
    for path in document["paths"]:
        if path.endswith("/") and not path.startswith(SLASHED):
            yield f"{path} ends with a slash"
        if "?" in path or shapes.count(re.sub(r"{\w+}", "{}", path)) > 1:
            yield f"{path} has a query, or is there twice"


def _lint_components(document: Json) -> Iterator[str]:
    text = str(document)
    for kind, components in document["components"].items():
        for name, component in components.items():
            place = f"#/components/{kind}/{name}"
            if kind == "schemas" and f"'{place}'" not in text:
                yield f"{place} is not used"
            if not component.get("description") and "enum" not in component:
                yield f"{place} has no description"


def _lint_operation(
    document: Json, path: str, method: str, operation: Json
) -> Iterator[str]:
    if method not in METHODS:
        yield "unknown method"
    for name in ("summary", "description", "tags", "security"):
        if not operation.get(name):
            yield f"no {name}"
    if not NAME.fullmatch(operation.get("operationId", "")):
        yield "operationId is no name"
    if operation.get("summary", "").endswith("."):
        yield "the summary is a sentence"
    if method in {"get", "delete"} and "requestBody" in operation:
        yield "a body where there is none"
    yield from _lint_parameters(document, path, operation)
    refusal = FAILURE if path.startswith("/h/") else PROBLEM
    yield from _lint_responses(document, operation, refusal)
    contents = operation.get("requestBody", {}).get("content", {})
    for media, content in contents.items():
        for fault in _lint_content(document, content):
            yield f"body {media}: {fault}"


def _lint_parameters(
    document: Json, path: str, operation: Json
) -> Iterator[str]:
    parameters = operation.get("parameters", ())
    named = [p["name"] for p in parameters if p["in"] == "path"]
    if sorted(named) != sorted(re.findall(r"{(\w+)}", path)):
        yield f"the path's parameters are not {named}"
    for parameter in parameters:
        name = parameter["name"]
        if not parameter.get("description"):
            yield f"{name} has no description"
        if parameter["in"] == "path" and "example" not in parameter:
            yield f"{name} has no example"
        if "example" in parameter:
            yield from _validate(
                document, parameter["schema"], parameter["example"], name
            )


def _lint_responses(
    document: Json, operation: Json, refusal: str
) -> Iterator[str]:
    responses = operation["responses"]
    if not any(status.startswith("2") for status in responses):
        yield "nothing succeeds"
    for status, response in responses.items():
        content = response.get("content", {})
        if not response.get("description"):
            yield f"{status} has no description"
        if status >= "400" and list(content) != [refusal]:
            yield f"{status} is no problem"
        if status < "300" and status not in NO_BODY and not content:
            yield f"{status} has no content"
        if status < "300":
            for media, inner in content.items():
                for fault in _lint_content(document, inner):
                    yield f"{status} {media}: {fault}"


def _lint_content(document: Json, content: Json) -> Iterator[str]:
    if not content.get("schema"):
        yield "no schema"
        return
    given = [e["value"] for e in content.get("examples", {}).values()]
    if "example" in content:
        given.append(content["example"])
    for example in given:
        yield from _validate(document, content["schema"], example, "example")
    schema = content["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    full = document["components"]["schemas"].get(name, schema)
    for field, part in full.get("properties", {}).items():
        for example in part.get("examples", ()):
            yield from _validate(document, part, example, f"{name}.{field}")


def _validate(
    document: Json, schema: Json, example: object, name: str
) -> Iterator[str]:
    whole = {**schema, "components": document["components"]}
    for error in Draft202012Validator(whole).iter_errors(example):
        yield f"{name}: {error.message[:200]}"

"""What clients of Hypothesis are answered, as the description has it."""

from typing import Any

from fastapi import Response

Json = dict[str, Any]


def describe(media: str, schema: Json) -> Json:
    """Return what the description says of an answer of this kind."""
    return {
        "response_class": Response,
        "responses": {200: {"content": {media: {"schema": schema}}}},
    }


TEXT: Json = {"type": "string"}
TEXTS: Json = {"type": "array", "items": TEXT}
OBJECT: Json = {"type": "object"}
OBJECTS: Json = {"type": "array", "items": OBJECT}
ANNOTATION: Json = {
    "type": "object",
    "required": ["id", "created", "updated", "user", "uri", "text", "tags"],
    "properties": {
        "id": TEXT,
        "created": TEXT,
        "updated": TEXT,
        "user": TEXT,
        "uri": TEXT,
        "text": TEXT,
        "tags": TEXTS,
        "group": TEXT,
        "references": TEXTS,
        "target": OBJECTS,
        "permissions": OBJECT,
        "document": OBJECT,
        "links": OBJECT,
    },
}
ANNOTATIONS: Json = {"type": "array", "items": ANNOTATION}
PAGE: Json = {
    "type": "object",
    "required": ["rows", "total"],
    "properties": {
        "rows": ANNOTATIONS,
        "replies": ANNOTATIONS,
        "total": {"type": "integer", "minimum": 0},
    },
}

NAMED = describe("application/json", OBJECT)
LISTED = describe("application/json", OBJECTS)
SHOWN = describe("application/json", ANNOTATION)
FOUND = describe("application/json", PAGE)

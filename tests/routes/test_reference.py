"""The reference of the API says all that its description says."""

import json
import re

from fastapi.testclient import TestClient

from app.routes.reference import make_example, name_kind, write_example


def test_each_operation_and_shape_has_its_place(client: TestClient) -> None:
    page = client.get("/docs").text
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f"<code>{method.upper()} {path}</code>" in page
            assert f'id="{operation["operationId"]}"' in page
    ids = set(re.findall(r' id="([^"]+)"', page))
    for target in re.findall(r'href="#([^"]+)"', page):
        assert target in ids


def test_the_page_needs_no_script_and_no_other_host(
    client: TestClient,
) -> None:
    answer = client.get("/docs")
    assert "script" not in answer.headers["content-security-policy"]
    assert "cdn" not in answer.text
    assert not re.search(r"<script(?! src=\"/static/)", answer.text)


def test_examples_of_requests_are_json_that_is_taken(
    client: TestClient,
) -> None:
    document = client.get("/openapi.json").json()
    body = document["paths"]["/api/runs"]["post"]["requestBody"]
    content = body["content"]["application/json"]
    sent = json.loads(write_example(document, content))
    answer = client.post("/api/runs", json=sent)
    assert answer.status_code in {200, 201}, answer.text


def test_an_example_is_made_of_what_a_schema_has() -> None:
    schema = {
        "properties": {
            "name": {"type": "string", "examples": ["VMI_Halt"]},
            "kind": {"enum": ["a", "b"]},
            "many": {"type": "array", "items": {"type": "integer"}},
            "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            "count": {"type": "integer", "default": 100},
            "loop": {"$ref": "#/components/schemas/Leaf"},
        }
    }
    document = {"components": {"schemas": {"Leaf": {"const": "x"}}}}
    assert make_example(document, schema) == {
        "name": "VMI_Halt",
        "kind": "a",
        "many": [1],
        "maybe": True,
        "count": 100,
        "loop": "x",
    }


def test_a_shape_that_holds_itself_ends() -> None:
    tree = {"properties": {"below": {"$ref": "#/components/schemas/Tree"}}}
    document = {"components": {"schemas": {"Tree": tree}}}
    assert "below" in json.dumps(make_example(document, tree))


def test_kinds_are_named_in_words() -> None:
    kind = {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "null"}]}
    assert name_kind({}, kind) == "integer, to 9 or null"
    assert name_kind({}, {"enum": ["a", "b"]}) == "one of a, b"
    listed = {"type": "array", "items": {"type": "string"}}
    assert name_kind({}, listed) == "list of string"

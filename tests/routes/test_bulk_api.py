"""Lines out and in: all of a kind, and each line's own fate."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.routes import bulk_api
from tests import factories

NDJSON = "application/x-ndjson"
THREAD = "kleen-sti-shadow"
COMMENT = {"thread": THREAD, "text": "One of many."}
OPENED = {
    "title": "One of many",
    "kind": "question",
    "severity": "concern",
    "text": "Why?",
    "calls": ["VMI_Halt"],
}
NOTE = {
    "@context": "http://www.w3.org/ns/anno.jsonld",
    "type": "Annotation",
    "bodyValue": "One of many.",
    "target": f"http://testserver/threads/{THREAD}",
}


@pytest.fixture(scope="module")
def token(site: TestClient) -> dict[str, str]:
    """Return the header of a reviewer's program."""
    database: Database = site.app.state.database  # type: ignore[attr-defined]
    with database.write() as session:
        factories.make_visitor(session)
        return factories.make_token(session)


def _read(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == NDJSON
    return [json.loads(line) for line in answer.text.splitlines()]


def _send(
    site: TestClient, token: dict[str, str], noun: str, *lines: Any
) -> Any:
    content = "\n".join(
        line if isinstance(line, str) else json.dumps(line) for line in lines
    )
    headers = token | {"Content-Type": NDJSON}
    return site.post(f"/api/bulk/{noun}", content=content, headers=headers)


@pytest.mark.parametrize("rows", [7, 200])
def test_every_thread_is_a_line(
    site: TestClient, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(bulk_api, "ROWS", rows)
    lines = _read(site.get("/api/bulk/threads"))
    listed = site.get("/api/threads?limit=500").json()["items"]
    assert lines == listed
    assert len(lines) >= 88


def test_every_annotation_is_a_line_with_an_address(
    site: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _read(site.get("/api/bulk/annotations"))
    monkeypatch.setattr(bulk_api, "ROWS", 10)
    assert _read(site.get("/api/bulk/annotations")) == whole
    assert len({line["id"] for line in whole}) == len(whole) > 10
    assert all(line["id"].startswith("http://testserver/") for line in whole)


@pytest.mark.parametrize(
    ("noun", "good", "wrong", "pointer"),
    [
        ("threads", OPENED, OPENED | {"kind": "gripe"}, "/kind"),
        ("comments", COMMENT, COMMENT | {"text": " "}, "/text"),
        ("annotations", NOTE, NOTE | {"target": []}, "/target"),
    ],
)
def test_each_line_has_its_own_fate(
    site: TestClient,
    *,
    token: dict[str, str],
    noun: str,
    good: Any,
    wrong: Any,
    pointer: str,
) -> None:
    before = len(_read(site.get(f"/api/bulk/{noun}")))
    first, second, third, last = _read(
        _send(site, token, noun, good, wrong, "", "{", good)
    )
    assert (first["line"], first["status"]) == (1, 201)
    assert (last["line"], last["status"]) == (5, 201)
    assert site.get(first["location"]).status_code == 200
    assert second["status"] in {400, 422}
    assert second["problem"]["errors"][0]["pointer"] == pointer
    assert (third["line"], third["status"]) == (4, 400)
    assert third["problem"]["type"].endswith("/problems/malformed")
    # a thread has an opener, which is no comment
    after = len(_read(site.get(f"/api/bulk/{noun}")))
    assert after == before + 2


def test_what_is_named_and_not_there_is_the_lines_fault(
    site: TestClient, token: dict[str, str]
) -> None:
    (result,) = _read(
        _send(site, token, "comments", COMMENT | {"thread": "nothing"})
    )
    assert result["status"] == 404
    assert "nothing" in result["problem"]["detail"]


@pytest.mark.parametrize(
    "line",
    ["[" * 5000, '{"text": "\\ud800"}', '{"a": 1, "a": 2}', "null", "\x00"],
)
def test_no_line_brings_the_program_down(
    site: TestClient, token: dict[str, str], line: str
) -> None:
    for noun in bulk_api.Noun:
        (result,) = _read(_send(site, token, noun, line))
        assert 400 <= result["status"] < 500


def test_lines_are_bounded_and_are_lines(
    site: TestClient, token: dict[str, str]
) -> None:
    many = ["{}"] * (bulk_api.LINES_MOST + 1)
    assert _send(site, token, "comments", *many).status_code == 422
    other = site.post("/api/bulk/comments", json=COMMENT, headers=token)
    assert other.status_code == 415
    assert other.headers["Accept"] == NDJSON
    nobody = _send(site, {}, "comments", COMMENT)
    assert nobody.status_code == 401
    assert site.get("/api/bulk/nothing").status_code == 422


def test_lines_sent_twice_with_a_key_are_carried_out_once(
    site: TestClient, token: dict[str, str]
) -> None:
    keyed = token | {"Idempotency-Key": "bulk"}
    before = len(_read(site.get("/api/bulk/comments")))
    results = [
        _read(_send(site, keyed, "comments", COMMENT)) for _ in range(2)
    ]
    assert results[0] == results[1]
    assert len(_read(site.get("/api/bulk/comments"))) == before + 1

"""Annotations in Turtle and back, and what hostile Turtle comes to."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyld import jsonld
from rdflib import Graph
from rdflib.compare import isomorphic, to_isomorphic
from sqlalchemy.orm import Session

from app.errors import MalformedError, UnacceptableError
from app.services import annotation_rows
from app.services.turtle import make_graph, write_turtle
from app.services.turtle_reading import read_turtle
from app.services.turtle_terms import ANNO, TERMS

HERE = "http://testserver/annotations/"
PREFIXES = """\
@prefix oa: <http://www.w3.org/ns/oa#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix dcterms: <http://purl.org/dc/terms/> .
@prefix as: <http://www.w3.org/ns/activitystreams#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""
RICH: dict[str, Any] = {
    "@context": ANNO,
    "id": f"{HERE}1",
    "type": "Annotation",
    "motivation": ["commenting", "tagging"],
    "created": "2026-11-22T09:58:00Z",
    "canonical": "urn:uuid:dbfb1861-0ecf-41ad-be94-a584e5c4f1df",
    "creator": {"id": "http://example.org/ada", "type": "Person", "name": "A"},
    "body": [
        {
            "type": "TextualBody",
            "value": 'Say "no",\n\\ \U0001f600 e\u0301',
            "format": "text/plain",
            "language": "en",
            "purpose": "commenting",
            "textDirection": "ltr",
        },
        {
            "type": "Choice",
            "items": ["http://example.org/b", "http://example.org/a"],
        },
        "http://example.org/a",
    ],
    "target": {
        "type": "SpecificResource",
        "source": "http://example.org/page",
        "state": {"type": "TimeState", "sourceDate": "2006-03-13T17:59:40Z"},
        "selector": [
            {
                "type": "RangeSelector",
                "startSelector": {"type": "XPathSelector", "value": "/p[1]"},
                "endSelector": {"type": "XPathSelector", "value": "/p[2]"},
            },
            {
                "type": "FragmentSelector",
                "value": "a",
                "conformsTo": "http://tools.ietf.org/rfc/rfc3236",
                "refinedBy": {
                    "type": "TextPositionSelector",
                    "start": 0,
                    "end": 7,
                },
            },
        ],
    },
    "http://example.org/key": ["b", 7, True, {"id": "http://example.org/x"}],
    "review:stance": "blocking",
}


def load(turtle: bytes) -> Graph:
    """Return the graph of a Turtle text."""
    return Graph().parse(data=turtle, format="turtle")


def expand_with_pyld(document: dict[str, Any]) -> Graph:
    """Return the graph of a document as another program has it."""
    quads = jsonld.to_rdf(
        {**document, "@context": dict(TERMS)},
        {"format": "application/n-quads"},
    )
    return Graph().parse(data=quads, format="nt")


@pytest.fixture(autouse=True)
def closed_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nothing open a connection."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        yield


def test_turtle_says_what_another_program_reads_in_the_json() -> None:
    assert isomorphic(load(write_turtle(RICH)), expand_with_pyld(RICH))


def test_turtle_and_back_is_the_same_graph() -> None:
    turtle = write_turtle(RICH)
    read = read_turtle(turtle, HERE)
    assert isomorphic(load(write_turtle(read)), load(turtle))


def test_what_is_read_from_turtle_has_the_models_own_form() -> None:
    read = read_turtle(write_turtle(RICH), HERE)
    assert read["@context"] == ANNO
    assert read["type"] == "Annotation"
    assert read["id"] == RICH["id"]
    assert set(read["motivation"]) == {"commenting", "tagging"}
    assert read["created"] == RICH["created"]
    assert read["target"]["state"] == RICH["target"]["state"]
    choice = next(
        body
        for body in read["body"]
        if isinstance(body, dict) and body["type"] == "Choice"
    )
    assert choice["items"] == RICH["body"][1]["items"]
    assert read["review:stance"] == "blocking"
    assert True in read["http://example.org/key"]


def test_what_the_review_holds_is_the_same_in_turtle(session: Session) -> None:
    rows = annotation_rows.list_annotations(session)
    for row in rows[:: max(1, len(rows) // 20)]:
        document = annotation_rows.absolutize(row.document, HERE)
        turtle = write_turtle(document)
        again = write_turtle(read_turtle(turtle, HERE))
        assert to_isomorphic(load(turtle)) == to_isomorphic(load(again))


def test_samples_of_the_w3c_survive_turtle(shared: Path) -> None:
    folder = shared / "w3c" / "tools" / "samples" / "correct"
    met = 0
    for path in sorted(folder.glob("anno*.json")):
        document = {**json.loads(path.read_bytes()), "@context": ANNO}
        turtle = write_turtle(document)
        if document.get("type") != "Annotation":
            continue
        again = write_turtle(read_turtle(turtle, HERE))
        assert isomorphic(load(turtle), load(again)), path.name
        met += 1
    assert met > 20


def test_the_annotation_that_is_sent_has_no_address_yet() -> None:
    sent = f"{PREFIXES} <> a oa:Annotation ; oa:hasTarget <page> ."
    read = read_turtle(sent.encode(), HERE)
    assert "id" not in read
    assert read["target"] == f"{HERE}page"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("this is no Turtle", "no Turtle"),
        ("<a> <b> .", "no Turtle"),
        ("\xff\xfe", "no"),
        ("", "expected one oa:Annotation"),
        ("<a> <b> <c> .", "expected one oa:Annotation"),
        (
            f"{PREFIXES} <a> a oa:Annotation . <b> a oa:Annotation .",
            "found 2",
        ),
        (
            f"{PREFIXES} <a> a oa:Annotation . <b> <c> <d> .",
            "1 statements say nothing",
        ),
        (f"{PREFIXES} [] a oa:Annotation ; <b> " + "[<b> " * 3000, "deep"),
        (
            f"{PREFIXES} [] a oa:Annotation ; <b> "
            + "[<b> " * 40
            + "1"
            + "]" * 40
            + ".",
            "deep",
        ),
        (
            (
                f"{PREFIXES} [] a oa:Annotation ; oa:hasBody [ a oa:Choice ; "
                "as:items _:l ] . _:l rdf:first <a> ; rdf:rest _:l ."
            ),
            "no list",
        ),
        (f"{PREFIXES} [] a oa:Annotation ; <b> {'1' * 9000} .", "no Turtle"),
    ],
)
def test_other_turtle_is_refused_with_the_reason(
    sent: str, reason: str
) -> None:
    with pytest.raises(MalformedError, match=reason) as refused:
        read_turtle(sent.encode("latin-1"), HERE)
    assert len(str(refused.value)) < 300


def test_statements_that_go_round_are_read_once() -> None:
    sent = f"{PREFIXES} _:a a oa:Annotation ; oa:hasTarget _:b . _:b <c> _:a ."
    read = read_turtle(sent.encode(), HERE)
    graph = load(f"@base <{HERE}> . {sent}".encode())
    assert isomorphic(load(write_turtle(read)), graph)


CUT = write_turtle(RICH)


@given(
    st.integers(0, len(CUT)),
    st.integers(0, 40),
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from([b"[", b'"""', b"<", b"^^", b"_:", b"(", b"@", b"."]),
    ),
)
def test_damaged_turtle_is_read_or_refused(
    at: int, length: int, put: bytes
) -> None:
    sent = CUT[:at] + put + CUT[at + length :]
    try:
        read = read_turtle(sent, HERE)
    except MalformedError:
        return
    assert json.loads(json.dumps(read)) == read


@pytest.mark.parametrize(
    "defined",
    [
        "http://example.org/context",
        ["http://example.org/context", ANNO],
        {"@import": "http://example.org/context"},
        {"@base": "http://example.org/", "@vocab": "http://example.org/"},
        {"x": {"@id": "http://x/", "@context": "http://example.org/c"}},
        {"x": {"@id": "http://x/", "@reverse": "http://y/"}},
        {"": "http://x/", "@x": "y", "a:b": "c:d", "y": 5, "z": None},
        {"x": "x:x", "y": {"@id": "y:y", "@type": "http://example.org/t"}},
        7,
        [[["http://example.org/context"]]],
    ],
)
def test_no_context_is_fetched(defined: Any) -> None:
    document = {
        **RICH,
        "@context": [ANNO, defined],
        "x": "1",
        "y": {"@context": defined, "z": 1},
        "body": {"@context": defined, "type": "TextualBody", "value": "v"},
    }
    graph = load(write_turtle(document))
    assert len(graph) > 5


def test_our_own_terms_keep_their_meaning() -> None:
    ours = "http://testserver/ns/review"
    document = {
        **RICH,
        "@context": [ANNO, f"{ours}.jsonld"],
        "review:stance": "blocking",
        "review:call": "http://testserver/calls/VMI_Halt",
        "review:opensThread": False,
    }
    turtle = write_turtle(document)
    assert {str(p) for p in load(turtle).predicates()} >= {
        f"{ours}#stance",
        f"{ours}#call",
        f"{ours}#opensThread",
    }
    assert b'review:stance "blocking"' in turtle
    read = read_turtle(turtle, HERE)
    assert read["@context"] == document["@context"]
    for key in ("review:stance", "review:call", "review:opensThread"):
        assert read[key] == document[key]
    assert isomorphic(load(write_turtle(read)), load(turtle))


def test_a_clients_own_prefix_means_what_it_says() -> None:
    document = {
        **RICH,
        "@context": [ANNO, {"ex": "http://example.org/ns#"}],
        "ex:level": "high",
    }
    assert b"http://example.org/ns#" in write_turtle(document)


def test_a_name_that_turtle_cannot_hold_is_encoded() -> None:
    document = {**RICH, 'http://example.org/a b<c>"{d}\\^`|\n': "x"}
    graph = load(write_turtle(document))
    assert "http://example.org/a%20b%3Cc%3E%22%7Bd%7D%5C%5E%60%7C%0A" in {
        str(node) for node in graph.predicates()
    }


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "@id",
                    "@type",
                    "@value",
                    "@list",
                    "@graph",
                    "@set",
                    "@reverse",
                    "@language",
                    "@included",
                    "@nest",
                    "@index",
                    "@json",
                    "id",
                    "type",
                    "body",
                    "items",
                    "value",
                    "start",
                    "created",
                    "http://example.org/k",
                    "@context",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "body",
                "target",
                "@graph",
                "@reverse",
                "@included",
                "x:y",
                "items",
                "created",
                "@type",
            ]
        ),
        JSON,
        max_size=4,
    )
)
def test_whatever_json_is_told_in_turtle_or_not_at_all(parts: Any) -> None:
    document = {"@context": ANNO, "id": f"{HERE}1", **parts}
    try:
        turtle = write_turtle(document)
    except UnacceptableError:
        return
    load(turtle)


def test_one_annotation_that_makes_no_sense_leaves_a_page_whole() -> None:
    broken = {**RICH, "id": f"{HERE}2", "http://example.org/k": {"@value": []}}
    page = {
        "@context": ANNO,
        "id": f"{HERE}?page=first",
        "type": "AnnotationPage",
        "items": [RICH, broken],
    }
    graph = load(write_turtle(page))
    assert f"{HERE}2" in {str(node) for node in graph.objects()}
    assert len(graph) > len(make_graph(RICH))

"""What is a W3C annotation, and what is refused where; nothing is stored."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import MalformedError
from app.models import Motivation, Severity, ThreadKind
from app.services.annotation_documents import (
    complete_document,
    make_agent,
)
from app.services.annotation_model import check_document, parse_document
from app.services.annotation_rows import absolutize
from tests import w3c

BASE: dict[str, Any] = {
    "@context": "http://www.w3.org/ns/anno.jsonld",
    "type": "Annotation",
    "target": "http://example.org/page",
}
SPECIFIC = {"source": "http://example.org/page"}


def make_document(**parts: object) -> dict[str, Any]:
    """Return an annotation that says nothing but these parts."""
    return BASE | parts


def refuse(document: dict[str, Any]) -> dict[str, str]:
    """Return the faults of a document, by their pointers."""
    with pytest.raises(MalformedError) as caught:
        check_document(document)
    return {fault.pointer: fault.message for fault in caught.value.faults}


def select_by(*selectors: object) -> dict[str, Any]:
    """Return an annotation of a page with these selectors."""
    return make_document(target=SPECIFIC | {"selector": list(selectors)})


def test_every_correct_sample_is_taken_and_keeps_the_rules() -> None:
    """But those of sets, which the Recommendation dropped."""
    w3c.need_samples()
    for name, body in w3c.list_samples("correct"):
        document = parse_document(body)
        if name in w3c.DROPPED:
            assert "/target/type" in refuse(document)
        else:
            check_document(document)
            assert w3c.list_broken_rules(document) == []


def test_every_incorrect_sample_is_refused_with_a_reason() -> None:
    """And still is when its first fault is mended: its own is found."""
    w3c.need_samples()
    for name, body in w3c.list_samples("incorrect"):
        with pytest.raises(MalformedError) as caught:
            check_document(parse_document(body))
        assert caught.value.faults, name
        # two ids and commas too many hide what a sample is there for
        text = body.decode().replace(
            '["http://example.org/1", "http://example.org/2"]',
            '"http://example.org/1"',
        )
        text = text.replace(",\n}", "\n}").replace(",\n  }", "\n  }")
        if name not in {"anno15.json", "anno7.json"}:  # a typo; the ids
            with pytest.raises(MalformedError):
                check_document(parse_document(text.encode()))


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ({"@context": "http://example.org/other"}, "/@context"),
        ({"type": ["Thing"]}, "/type"),
        ({"target": []}, "/target"),
        ({"target": None}, "/target"),
        ({"target": "two words"}, "/target"),
        ({"target": {"type": "Text"}}, "/target"),
        ({"target": {"value": "x", "type": "TextualBody"}}, "/target"),
        ({"target": SPECIFIC}, "/target"),
        ({"target": SPECIFIC | {"items": []}}, "/target/type"),
        ({"target": SPECIFIC | {"selector": []}}, "/target/selector"),
        ({"body": {"type": "TextualBody"}}, "/body/value"),
        ({"body": {"type": "TextualBody", "value": 3}}, "/body/value"),
        ({"body": {"value": "x", "source": "a:b"}}, "/body/value"),
        ({"body": {"id": "a:b", "purpose": "tagging"}}, "/body/purpose"),
        ({"body": [{"value": "x"}, 7]}, "/body/1"),
        ({"body": "a:b", "bodyValue": "x"}, "/bodyValue"),
        ({"bodyValue": ["a", "b"]}, "/bodyValue"),
        ({"created": "2026-11-23T10:00:00+01:00"}, "/created"),
        ({"created": "2026-02-30T10:00:00Z"}, "/created"),
        ({"modified": ["2026-11-23T10:00:00Z"] * 2}, "/modified"),
        ({"rights": ["a:b", "none"]}, "/rights/1"),
        ({"canonical": ["a:b", "a:c"]}, "/canonical"),
        ({"creator": {"id": ["a:b", "a:c"]}}, "/creator/id"),
        ({"motivation": 5}, "/motivation"),
        (
            {"body": {"value": "", "textDirection": "up"}},
            "/body/textDirection",
        ),
        ({"body": {"value": "", "language": "e n"}}, "/body/language"),
        ({"body": {"value": "", "format": "text"}}, "/body/format"),
        ({"body": {"value": "", "styleClass": "x"}}, "/body/styleClass"),
        ({"stylesheet": {"id": "a:b", "value": ""}}, "/stylesheet"),
        ({"review:kind": "rant"}, "/review:kind"),
        ({"review:opensThread": "yes"}, "/review:opensThread"),
        ({"review:title": "two\nlines"}, "/review:title"),
    ],
)
def test_a_fault_is_named_by_its_pointer(
    parts: dict[str, Any], pointer: str
) -> None:
    assert pointer in refuse(make_document(**parts))


@pytest.mark.parametrize(
    ("selector", "part"),
    [
        ({"type": "GuessSelector"}, "type"),
        ({"type": ["CssSelector"], "value": "p"}, "type"),
        ({"type": "FragmentSelector"}, "value"),
        ({"type": "FragmentSelector", "value": ["a", "b"]}, "value"),
        ({"type": "TextQuoteSelector"}, "exact"),
        ({"type": "TextQuoteSelector", "exact": "a", "prefix": 1}, "prefix"),
        ({"type": "TextPositionSelector", "start": -1, "end": 2}, "start"),
        ({"type": "TextPositionSelector", "start": 1.5, "end": 2}, "start"),
        ({"type": "DataPositionSelector", "start": 3, "end": 2}, "end"),
        ({"type": "SvgSelector", "value": "<svg>"}, "value"),
        (
            {"type": "SvgSelector", "value": '<!DOCTYPE s [<!ENTITY a "b">]>'},
            "value",
        ),
        (
            {
                "type": "RangeSelector",
                "startSelector": {"type": "XPathSelector", "value": "//p"},
            },
            "endSelector",
        ),
        (
            {
                "type": "CssSelector",
                "value": "p",
                "refinedBy": {"type": "TextQuoteSelector"},
            },
            "refinedBy/exact",
        ),
    ],
)
def test_a_selector_is_checked(selector: object, part: str) -> None:
    assert f"/target/selector/0/{part}" in refuse(select_by(selector))


def test_a_state_is_checked() -> None:
    time = "2006-03-13T17:59:40Z"
    for state in (
        {"type": "TimeState"},
        {"type": "TimeState", "sourceDate": time, "sourceDateStart": time},
        {"type": "HttpRequestState"},
        {"type": "Mood"},
    ):
        assert refuse(make_document(target=SPECIFIC | {"state": state}))


def test_what_a_stranger_can_send_is_bounded() -> None:
    deep: object = "x"
    for _ in range(30):
        deep = {"more": deep}
    assert any("levels" in m for m in refuse(make_document(own=deep)).values())
    chain: dict[str, Any] = {"type": "CssSelector", "value": "p"}
    for _ in range(10):
        chain = {"type": "CssSelector", "value": "p", "refinedBy": chain}
    assert any("refine" in m for m in refuse(select_by(chain)).values())
    many = refuse(make_document(target=["http://example.org/"] * 51))
    assert many == {"/target": "expected 50 at most"}
    assert "/body/value" in refuse(make_document(body={"value": "x" * 40_001}))
    assert refuse(make_document(own=["x"] * 6000))
    assert refuse(make_document(own="x" * 100_001))
    assert refuse(make_document(own=10**400))


@pytest.mark.parametrize("value", ["\0", "\ud800", float("inf")])
def test_what_no_database_keeps_is_refused(value: object) -> None:
    assert "/own/0" in refuse(make_document(own=[value]))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "deep"),
        (b'"text"', "object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": ' + b"1" * 5000 + b"}", "digits"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    body: bytes, said: str
) -> None:
    with pytest.raises(MalformedError, match=said):
        parse_document(body)


def test_what_an_annotation_says_is_read() -> None:
    checked = check_document(
        make_document(
            motivation=["oa:questioning", "tagging"],
            body=[
                {"value": "Why?", "format": "text/markdown; charset=utf-8"},
                {"value": "smp  race", "purpose": "tagging"},
                {"type": "Choice", "items": [{"value": "un"}, "a:b"]},
                "http://example.org/elsewhere",
            ],
            **{
                "review:title": "Why so",
                "review:kind": "objection",
                "review:severity": "nit",
            },
        )
    )
    assert checked.motivation is Motivation.questioning
    assert [words.value for words in checked.words] == ["Why?", "un"]
    assert checked.words[0].format == "text/markdown"
    assert checked.tags == ["smp race"]
    assert [link.source for link in checked.links] == [
        "http://example.org/elsewhere"
    ]
    assert checked.opening.title == "Why so"
    assert checked.opening.kind is ThreadKind.objection
    assert checked.opening.severity is Severity.nit


def test_of_selectors_the_quote_the_fragment_and_the_position_are_read() -> (
    None
):
    checked = check_document(
        make_document(
            target={
                "source": "/document/",
                "state": {
                    "type": "TimeState",
                    "sourceDate": "2006-03-13T17:59:40Z",
                },
                "selector": [
                    {"type": "XPathSelector", "value": "/html/body"},
                    {
                        "type": "FragmentSelector",
                        "value": "apic",
                        "refinedBy": {
                            "type": "TextPositionSelector",
                            "start": 3,
                            "end": 9,
                        },
                    },
                    {"type": "TextQuoteSelector", "exact": "a b"},
                ],
            }
        )
    )
    found = checked.targets[0].selection
    assert (found.fragment, found.exact) == ("apic", "a b")
    assert (found.start, found.end, found.is_inside) == (3, 9, True)
    assert found.at is not None
    assert found.at.year == 2006


@pytest.mark.parametrize(
    ("kind", "value", "fragment", "has_position"),
    [
        ("CssSelector", "#apic", "apic", True),
        ("CssSelector", "section[id='apic']", "apic", True),
        ("CssSelector", "#apic > p:nth-of-type(2)", "apic", False),
        ("CssSelector", "main p.apic", None, False),
        ("CssSelector", "#apic, #timer", None, False),
        ("XPathSelector", "//*[@id='apic']", "apic", True),
        ("XPathSelector", 'id("apic")/p[2]', "apic", False),
        ("XPathSelector", "/html/body/p[2]", None, False),
        ("FragmentSelector", "apic", "apic", True),
    ],
)
def test_of_an_element_the_id_is_read_and_what_counts_from_it(
    kind: str, value: str, fragment: str | None, has_position: bool
) -> None:
    """A position counts in what has a name; a quote wherever it is."""
    refined = [
        {"type": "TextPositionSelector", "start": 3, "end": 9},
        {"type": "TextQuoteSelector", "exact": "a b"},
    ]
    selector = {"type": kind, "value": value, "refinedBy": refined}
    checked = check_document(
        make_document(target={"source": "/document/", "selector": selector})
    )
    found = checked.targets[0].selection
    assert (found.fragment, found.exact) == (fragment, "a b")
    assert (found.start, found.is_inside) == (
        (3, True) if has_position else (None, False)
    )


IRI = st.sampled_from(["http://example.org/a", "urn:x:y", "/calls/X"])
WRONG: st.SearchStrategy[object] = st.sampled_from(
    [None, 3, [], {}, "no iri", ["a:b", "a:c"]]
)
VALUE = st.one_of(IRI, WRONG, st.just("text"))
KEYS = ("id", "source", "value", "items", "type", "purpose", "selector")
MORE = ("state", "styleClass", "created", "rights", "via", "textDirection")
TYPES = ("Choice", "TextualBody", "SpecificResource", "TextQuoteSelector")
RESOURCE = st.recursive(
    st.one_of(VALUE, st.sampled_from(TYPES)),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(KEYS + MORE), inner, max_size=4),
        st.lists(inner, max_size=2),
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries({"target": RESOURCE, "body": RESOURCE}))
@settings(max_examples=300, deadline=None)
def test_what_is_taken_keeps_every_rule_of_the_suite(
    parts: dict[str, Any],
) -> None:
    """Whatever passes our check passes the MUST schemas too."""
    w3c.need_samples()
    document = make_document(**parts)
    try:
        check_document(document)
    except MalformedError:
        return
    made = complete_document(
        document, "/annotations/1", make_agent("Ada", "ada"), datetime.now(UTC)
    )
    assert w3c.list_broken_rules(absolutize(made, "http://a.example")) == []

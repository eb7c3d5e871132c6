"""Selectors of Hypothesis become W3C's, and come back as they were."""

from typing import Any

import pytest

from app.errors import InvalidError
from app.services.hypothesis_selectors import (
    find_quote,
    flatten,
    read_selectors,
    write_selectors,
)

RANGE: dict[str, Any] = {
    "type": "RangeSelector",
    "startContainer": "/main[1]/div[2]/p[3]",
    "startOffset": 4,
    "endContainer": "/main[1]/div[2]/p[3]/em[1]",
    "endOffset": 7,
}
POSITION: dict[str, Any] = {
    "type": "TextPositionSelector",
    "start": 104,
    "end": 107,
}
QUOTE: dict[str, Any] = {
    "type": "TextQuoteSelector",
    "exact": "𝄞b",
    "prefix": "ab𝄞",
    "suffix": "c",
}


def test_a_range_is_two_paths_that_are_refined_by_positions() -> None:
    """The start counts what is before the quote, the end the quote too."""
    made = read_selectors([RANGE, POSITION, QUOTE], "ab𝄞")
    assert made[0] == {
        "type": "RangeSelector",
        "startSelector": {
            "type": "XPathSelector",
            "value": "/main[1]/div[2]/p[3]",
            "refinedBy": {
                "type": "TextPositionSelector",
                "start": 3,
                "end": 3,
            },
        },
        "endSelector": {
            "type": "XPathSelector",
            "value": "/main[1]/div[2]/p[3]/em[1]",
            "refinedBy": {
                "type": "TextPositionSelector",
                "start": 5,
                "end": 5,
            },
        },
    }


def test_a_position_counts_code_points() -> None:
    made = read_selectors([POSITION, QUOTE], "ab𝄞")
    assert made[0] == {
        "type": "TextPositionSelector",
        "start": 103,
        "end": 105,
    }


@pytest.mark.parametrize("before", ["", "ab𝄞", "𝄞" * 300, "plain " * 90])
def test_selectors_come_back_as_they_were_sent(before: str) -> None:
    sent = [RANGE, POSITION, QUOTE]
    stored = read_selectors(sent, before)
    assert write_selectors(stored, before, {}) == sent


def test_the_root_has_a_path_in_w3c_and_none_in_hypothesis() -> None:
    sent = [{**RANGE, "startContainer": "", "endContainer": ""}]
    stored = read_selectors(sent, "")
    assert stored[0]["startSelector"]["value"] == "."
    assert write_selectors(stored, "", {}) == sent


def test_a_quote_within_a_section_is_told_with_where_that_begins() -> None:
    """Our own remarks nest: the client wants a flat list, in page order."""
    stored = {
        "type": "FragmentSelector",
        "conformsTo": "http://tools.ietf.org/rfc/rfc3236",
        "value": "alarms",
        "refinedBy": [
            {"type": "TextQuoteSelector", "exact": "An alarm"},
            {"type": "TextPositionSelector", "start": 12, "end": 20},
        ],
    }
    assert write_selectors(stored, "", {"alarms": 1000}) == [
        {
            "type": "FragmentSelector",
            "value": "alarms",
            "conformsTo": "http://tools.ietf.org/rfc/rfc3236",
        },
        {"type": "TextQuoteSelector", "exact": "An alarm"},
        {"type": "TextPositionSelector", "start": 1012, "end": 1020},
    ]


def test_a_whole_section_is_a_note_on_the_page() -> None:
    """The client could not find a fragment, and would call it an orphan."""
    stored = {"type": "FragmentSelector", "value": "alarms"}
    assert write_selectors(stored, "", {"alarms": 1000}) == []


def test_what_hypothesis_does_not_know_is_left() -> None:
    stored = [
        QUOTE,
        {"type": "SvgSelector", "value": "<svg/>"},
        {
            "type": "RangeSelector",
            "startSelector": {"type": "CssSelector", "value": "p"},
            "endSelector": {"type": "CssSelector", "value": "p"},
        },
        "odd",
    ]
    assert write_selectors(stored, "", {}) == [QUOTE]
    assert write_selectors(None, "", {}) == []


def test_a_quote_is_found_wherever_it_is_nested() -> None:
    nested = {"type": "FragmentSelector", "value": "x", "refinedBy": QUOTE}
    assert find_quote(flatten([nested])) == QUOTE
    assert find_quote([RANGE]) is None


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"type": "EPUBContentSelector"}, "/target/0/selector/0/type"),
        ({}, "/target/0/selector/0/type"),
        ({**RANGE, "startOffset": -1}, "/target/0/selector/0/startOffset"),
        ({**RANGE, "endOffset": "4"}, "/target/0/selector/0/endOffset"),
        ({**RANGE, "endOffset": True}, "/target/0/selector/0/endOffset"),
        (
            {**RANGE, "startContainer": 4},
            "/target/0/selector/0/startContainer",
        ),
        ({**POSITION, "end": 2**31}, "/target/0/selector/0/end"),
        ({"type": "TextPositionSelector"}, "/target/0/selector/0/start"),
        ({**QUOTE, "exact": "x" * 40_001}, "/target/0/selector/0/exact"),
        ({"type": "TextQuoteSelector"}, "/target/0/selector/0/exact"),
        ({"type": "CssSelector"}, "/target/0/selector/0/value"),
        ({**QUOTE, "prefix": ["a"]}, "/target/0/selector/0/prefix"),
    ],
)
def test_a_selector_that_is_not_one_is_refused_with_its_place(
    sent: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        read_selectors([sent], "")
    assert [fault.pointer for fault in caught.value.faults] == [pointer]

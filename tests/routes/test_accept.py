"""Which form of an answer is chosen."""

import time

import pytest

from app.routes.accept import choose_type, split_list

OFFERED = ("application/ld+json", "application/json", "text/turtle")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, OFFERED[0]),
        ("", OFFERED[0]),
        ("*/*", OFFERED[0]),
        ("text/turtle", "text/turtle"),
        ("TEXT/Turtle", "text/turtle"),
        ("text/turtle;q=0.4, application/json;q=0.5", "application/json"),
        ("text/turtle, */*;q=0.1", "text/turtle"),
        ("*/*, application/ld+json;q=0", "application/json"),
        ("application/*;q=0.2, text/*;q=0.3", "text/turtle"),
        ("*/*;q=0", None),
        ("text/turtle;q=0", None),
        ("text/turtle;q=nonsense", None),
        ("text/turtle;q=2", None),
        ("text/turtle;q=1.000;ext=1", "text/turtle"),
        ('application/ld+json;profile="a,b;q=0"', OFFERED[0]),
        ("text/html", None),
        (",;,", None),
    ],
)
def test_the_most_exact_range_decides_and_then_its_weight(
    header: str | None, chosen: str | None
) -> None:
    assert choose_type(header, OFFERED) == chosen


def test_quotes_hold_a_part_together() -> None:
    assert [*split_list('a;b="1,2;3\\"4" , c ;d=e')] == [
        ["a", 'b="1,2;3\\"4"'],
        ["c", "d=e"],
    ]


@pytest.mark.parametrize("part", ['"', ",", ";", '"\\', 'a"', "=", '"a",'])
def test_a_long_header_takes_no_longer_than_it_is_long(part: str) -> None:
    began = time.process_time()
    choose_type(part * 20_000, OFFERED)
    assert time.process_time() - began < 1

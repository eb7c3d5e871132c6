"""Places that are like a quote: all of them, and never for long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.likeness import LEAST, MOST_PLACES, compare, find_hits

QUOTE = "Thehypervisorkeepsthreeclocks"
OTHER = "Aguestsetsalarmsonthefirsttwo"


def test_all_copies_are_found() -> None:
    text = f"{OTHER}{QUOTE}{OTHER}{QUOTE}{OTHER}"
    hits = find_hits(QUOTE, text)
    assert [text[h.start : h.end] for h in hits] == [QUOTE, QUOTE]
    assert [hit.likeness for hit in hits] == [1, 1]


def test_the_next_best_is_found_behind_the_best() -> None:
    worse = QUOTE.replace("three", "four")
    text = f"{worse}{OTHER}{QUOTE}"
    hits = find_hits(QUOTE, text)
    assert [text[h.start : h.end] for h in hits] == [QUOTE, worse]
    assert hits[0].likeness == 1 > hits[1].likeness > LEAST


def test_a_place_is_as_long_as_what_stands_there() -> None:
    changed = QUOTE.replace("keeps", "hasaround")
    hits = find_hits(QUOTE, OTHER + changed + OTHER)
    assert [(h.start, h.end) for h in hits] == [
        (len(OTHER), len(OTHER + changed))
    ]


def test_what_is_too_unlike_is_no_place() -> None:
    assert find_hits(QUOTE, OTHER * 5) == []
    assert find_hits("", OTHER) == []
    assert find_hits(QUOTE, "") == []


def test_a_short_quote_is_found_verbatim_only() -> None:
    text = "haltholthulthalt"
    assert [h.start for h in find_hits("halt", text)] == [0, 12]


def test_of_many_places_the_nearest_are_listed() -> None:
    hits = find_hits("nop", "nop" * 1000, near=1500)
    assert len(hits) == MOST_PLACES
    assert all(abs(hit.start - 1500) <= 3 * MOST_PLACES for hit in hits)


def test_any_number_of_letters_is_taken() -> None:
    """The edit distance knows 256 characters; texts have more."""
    many = "".join(map(chr, range(0x4E00, 0x5200)))
    wanted = many[100:160]
    hits = find_hits(wanted, many)
    assert [many[h.start : h.end] for h in hits] == [wanted]
    [hit] = find_hits(many[:900], many)
    assert (hit.start, hit.end) == (0, 900)


letters = st.text("abc", min_size=1, max_size=60)


@given(letters, letters, letters)
def test_a_quote_is_found_wherever_it_stands(
    before: str, quote: str, after: str
) -> None:
    text = before + quote + after
    hits = find_hits(quote, text, near=len(before))
    assert hits[0].likeness == 1
    assert text[hits[0].start : hits[0].end] == quote
    for hit, following in zip(sorted(hits), sorted(hits)[1:], strict=False):
        assert hit.end <= following.start
    for hit in hits:
        assert compare(quote, text[hit.start : hit.end]) >= LEAST


@pytest.mark.parametrize("size", [50, 2000, 50_000])
def test_a_text_of_one_letter_takes_little_time(size: int) -> None:
    begun = time.process_time()
    find_hits("a" * size, "a" * 200_000)
    assert time.process_time() - begun < 3

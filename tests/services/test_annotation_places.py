"""Where selectors point: quotes decide, code points are counted."""

from collections.abc import Sequence

import pytest

from app.models import AnchorState
from app.services.annotation_places import Clause, Spot, find_spot, make_clause
from app.services.annotation_selectors import Selection

FIRST = "<p>The kernel halts.  The 😀 kernel halts, e\u0301 and on.</p>"
SECOND = "<p>Then the kernel\nhalts &amp; waits for an interrupt to come.</p>"


@pytest.fixture
def clauses() -> Sequence[Clause]:
    """Return a document of two sections."""
    return [
        make_clause(1, "halting", "1", "Halting", FIRST),
        make_clause(2, "waiting", "2", "Waiting", SECOND),
    ]


def read(clauses: Sequence[Clause], spot: Spot) -> str:
    """Return the words at a spot."""
    assert spot.clause is not None
    return clauses[spot.clause].text[spot.start : spot.end]


def test_white_space_and_entities_do_not_matter(
    clauses: Sequence[Clause],
) -> None:
    spot = find_spot(clauses, Selection(exact="kernel halts & waits"), None)
    assert spot.state is AnchorState.exact
    assert read(clauses, spot) == "kernel\nhalts & waits"


def test_offsets_count_code_points_and_part_no_letter(
    clauses: Sequence[Clause],
) -> None:
    spot = find_spot(clauses, Selection(exact="kernel halts, e"), None)
    assert (spot.start, spot.end) == (25, 41)
    assert read(clauses, spot) == "kernel halts, e\u0301"


def test_of_equal_quotes_what_stands_around_decides_first(
    clauses: Sequence[Clause],
) -> None:
    quoted = Selection(exact="kernel halts", prefix="The 😀 ", start=4)
    spot = find_spot(clauses, quoted, 1)
    assert (spot.clause, spot.start) == (0, 25)


def test_of_equal_quotes_the_named_clause_comes_before_the_position(
    clauses: Sequence[Clause],
) -> None:
    spot = find_spot(clauses, Selection(exact="kernel halts", start=4), 1)
    assert spot.clause == 1


@pytest.mark.parametrize(("start", "expected"), [(0, 4), (30, 25), (51, 25)])
def test_of_equal_quotes_the_nearest_is_taken(
    clauses: Sequence[Clause], start: int, expected: int
) -> None:
    """A browser that counts UTF-16 units is not far off."""
    quoted = Selection(exact="kernel halts", start=start, is_inside=True)
    assert find_spot(clauses[:1], quoted, 0).start == expected


def test_a_quote_over_a_heading_stands_on_its_larger_part(
    clauses: Sequence[Clause],
) -> None:
    quoted = Selection(exact="on. 2 Waiting Then the kernel halts")
    spot = find_spot(clauses, quoted, None)
    assert spot.state is AnchorState.moved
    assert read(clauses, spot) == "Then the kernel\nhalts"


def test_what_is_like_the_quote_is_proposed_or_moved(
    clauses: Sequence[Clause],
) -> None:
    near = Selection(exact="waits for an interupt to come")
    spot = find_spot(clauses, near, None)
    assert spot.state is AnchorState.moved
    far = Selection(exact="waited for one interrupt which came")
    spot = find_spot(clauses, far, None)
    assert spot.state is AnchorState.proposed
    assert spot.rivals[0].section == 1


def test_what_is_nowhere_is_an_orphan_of_the_clause_that_was_named(
    clauses: Sequence[Clause],
) -> None:
    for named in (None, 1):
        spot = find_spot(clauses, Selection(exact="zebras graze here"), named)
        assert (spot.state, spot.clause) == (AnchorState.orphan, named)


def test_a_position_alone_is_sure_in_a_clause_only(
    clauses: Sequence[Clause],
) -> None:
    inside = Selection(start=4, end=10, is_inside=True)
    spot = find_spot(clauses, inside, 0)
    assert (spot.state, read(clauses, spot)) == (AnchorState.exact, "kernel")
    beyond = Selection(start=4, end=10_000, is_inside=True)
    assert find_spot(clauses, beyond, 0).state is AnchorState.orphan
    whole = find_spot(clauses, Selection(start=4, end=10), None)
    assert whole.state is AnchorState.proposed


def test_a_clause_without_quote_is_meant_as_a_whole(
    clauses: Sequence[Clause],
) -> None:
    spot = find_spot(clauses, Selection(), 1)
    assert (spot.state, spot.clause, spot.start) == (
        AnchorState.exact,
        1,
        None,
    )
    assert find_spot(clauses, Selection(), None).state is AnchorState.orphan

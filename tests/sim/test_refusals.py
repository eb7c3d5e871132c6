"""Errors in a text go through, or are kept up to a number."""

import pytest

from app.sim.errors import NotModelled, RefusedText
from app.sim.refusals import STRICT, Refusals


def refuse(message: str) -> int:
    raise RefusedText(message, 1, 1, "something else")


def test_a_strict_reader_lets_every_error_through() -> None:
    with pytest.raises(RefusedText, match="first"), STRICT:
        refuse("first")
    assert STRICT.found == []


def test_errors_are_kept_until_there_are_enough() -> None:
    refusals = Refusals(2)
    assert refusals.attempt(lambda: refuse("first"), 7) == 7
    assert refusals.attempt(lambda: 5, 7) == 5
    with refusals:
        refuse("second")
    with pytest.raises(RefusedText, match="third"), refusals:
        refuse("third")
    assert [each.message for each in refusals.found] == ["first", "second"]


@pytest.mark.parametrize("most", [0, 1])
def test_errors_are_translated_where_they_are_found(most: int) -> None:
    refusals = Refusals(most)
    inner = refusals.inside(
        lambda error: RefusedText(error.message, 9, 8, error.expected)
    )
    if most:
        with inner:
            refuse("kept")
        assert [(e.line, e.column) for e in refusals.found] == [(9, 8)]
    else:
        with pytest.raises(RefusedText, match="line 9, column 8"), inner:
            refuse("through")


def test_other_errors_are_nobody_s_to_keep() -> None:
    with pytest.raises(NotModelled), Refusals(9):
        raise NotModelled("that")

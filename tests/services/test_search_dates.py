"""Dates of a search, against a clock that stands still."""

from datetime import UTC, datetime

import pytest

from app.services.search_dates import read_period

NOW = datetime(2006, 3, 31, 15, 30, tzinfo=UTC)


def at(*parts: int) -> datetime:
    """Return a time in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("20060322", at(2006, 3, 22), at(2006, 3, 23)),
        ("2006-03-22", at(2006, 3, 22), at(2006, 3, 23)),
        ("2006-12", at(2006, 12, 1), at(2007, 1, 1)),
        ("200603", at(2006, 3, 1), at(2006, 4, 1)),
        ("2006", at(2006, 1, 1), at(2007, 1, 1)),
        ("2006-03..", at(2006, 3, 1), None),
        ("..2006-03", None, at(2006, 4, 1)),
        ("20060322..20060324", at(2006, 3, 22), at(2006, 3, 25)),
        ("today", at(2006, 3, 31), at(2006, 4, 1)),
        ("yesterday..", at(2006, 3, 30), None),
        ("2.weeks.ago..", at(2006, 3, 17), None),
        ("1.month.ago", at(2006, 2, 28), at(2006, 3, 1)),
        ("last.year", at(2005, 3, 31), at(2005, 4, 1)),
        ("3.hours.ago", at(2006, 3, 31, 12, 30), NOW),
    ],
)
def test_what_is_understood(
    text: str, first: datetime | None, last: datetime | None
) -> None:
    assert read_period(text, NOW) == (first, last)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("..", "a beginning or an end"),
        ("20060231", "no day that there is"),
        ("2006-13", "no day that there is"),
        ("0000", "no day that there is"),
        ("9999", "no time that there is"),
        ("9999.years.ago", "no time that there is"),
        ("20060324..20060322", "ends before it begins"),
        ("soon", "no date"),
        ("1..2..3", "no date"),
        ("10000.days.ago", "no date"),
    ],
)
def test_what_is_not_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_period(text, NOW)

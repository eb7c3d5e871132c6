"""Dates of a search: a day, a month, a range, or so long ago; all in UTC."""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import NamedTuple

MONTHS = 12
EXPECTED = (
    "20060322, 2006-03-22, 2006-03, 2006, today, yesterday or 2.weeks.ago, "
    "and .. between two of them or beside one"
)

_DAY = re.compile(r"(\d{4})(?:-?(\d\d)(?:-?(\d\d))?)?")
_AGO = re.compile(r"(\d{1,4})[. ](minute|hour|day|week|month|year)s?[. ]ago")
_LAST = re.compile(r"last[. ](week|month|year)")


class Period(NamedTuple):
    """From when, up to when; None leaves it open."""

    first: datetime | None
    last: datetime | None


def read_period(text: str, now: datetime) -> Period:
    """Return what `d:` asks for; ValueError says what is wrong."""
    start, dots, end = text.lower().partition("..")
    if not dots:
        return _read_point(start, now)
    if not start and not end:
        raise ValueError("a range has a beginning or an end")
    first = _read_point(start, now).first if start else None
    last = _read_point(end, now).last if end else None
    if first is not None and last is not None and first >= last:
        raise ValueError("the range ends before it begins")
    return Period(first, last)


def _read_point(text: str, now: datetime) -> Period:
    try:
        return _read_day(text) or _read_name(text, now) or _read_ago(text, now)
    except OverflowError as error:
        raise ValueError(f"{text!r} is no time that there is") from error


def _read_day(text: str) -> Period | None:
    found = _DAY.fullmatch(text)
    if found is None:
        return None
    year, month, day = (int(part) if part else 0 for part in found.groups())
    try:
        first = datetime(year, month or 1, day or 1, tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{text!r} is no day that there is") from None
    if day:
        return Period(first, first + timedelta(days=1))
    return Period(first, _add_months(first, 1 if month else MONTHS))


def _add_months(at: datetime, count: int) -> datetime:
    year, month = divmod(at.year * MONTHS + at.month - 1 + count, MONTHS)
    if not MINYEAR <= year <= MAXYEAR:
        raise OverflowError(year)
    last = monthrange(year, month + 1)[1]
    return at.replace(year=year, month=month + 1, day=min(at.day, last))


def _begin_day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _whole_day(at: datetime) -> Period:
    first = _begin_day(at)
    return Period(first, first + timedelta(days=1))


def _read_name(text: str, now: datetime) -> Period | None:
    if text == "today":
        return _whole_day(now)
    if text == "yesterday":
        return _whole_day(now - timedelta(days=1))
    found = _LAST.fullmatch(text)
    return _whole_day(_GO_BACK[found[1]](now, 1)) if found else None


def _read_ago(text: str, now: datetime) -> Period:
    found = _AGO.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no date" if text else "no date")
    count, unit = int(found[1]), found[2]
    at = _GO_BACK[unit](now, count)
    return Period(at, now) if unit in _SHORT else _whole_day(at)


_SHORT = frozenset({"minute", "hour"})
_GO_BACK: Mapping[str, Callable[[datetime, int], datetime]] = {
    "minute": lambda at, count: at - timedelta(minutes=count),
    "hour": lambda at, count: at - timedelta(hours=count),
    "day": lambda at, count: at - timedelta(days=count),
    "week": lambda at, count: at - timedelta(weeks=count),
    "month": lambda at, count: _add_months(at, -count),
    "year": lambda at, count: _add_months(at, -count * MONTHS),
}

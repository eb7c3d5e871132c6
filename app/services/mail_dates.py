"""Dates of mails: those of RFC 5322, its obsolete forms, those of archives.

A comment may stand anywhere. Where forms leave room, Dovecot is followed: a
zone of one letter is the military one, one that nobody knows is Greenwich.
"""

import email.utils
import re
from datetime import UTC, datetime, timedelta

MONTHS = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
HOURS_OF_ZONES = {
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
    "pst": -8,
    "pdt": -7,
    # from here on as soldiers count, and not with the signs of RFC 822
    **{letter: hour for hour, letter in enumerate("abcdefghi", start=1)},
    **{letter: hour for hour, letter in enumerate("klm", start=10)},
    **{letter: -hour for hour, letter in enumerate("nopqrstuvwxy", start=1)},
}
CENTURY = 100
OF_THIS_CENTURY = 70
"""A year of two digits below this is after 2000."""

FIRST_YEAR = 1900
LEAP_SECOND = 60

_COMMENT = re.compile(r"\\.|[()]|[^\\()]+|\\", re.DOTALL)
_DATE = re.compile(
    r"(?:[a-z]+ ?,? ?)?(\d{1,2})[ -]?([a-z]{3})[a-z]*[ -]?(\d{2,4}),? "
    r"(\d{1,2}) ?[:.] ?(\d\d)(?: ?[:.] ?(\d\d))?"
    r"(?: ?([+-]\d{4})(?!\d)| ([a-z]+)|(?![\w.:+-]))",
    re.IGNORECASE | re.ASCII,
)
_ARCHIVE_DATE = re.compile(
    r"\w{3} (\w{3}) +(\d{1,2}) (\d{4}) - (\d\d:\d\d:\d\d) "
    r"([A-Z]{3,4}|[+-]\d{4})"
)


def read_date(value: str) -> datetime | None:
    """Return when a mail was sent, by its own clock; None if it is unclear."""
    text = " ".join(_drop_comments(value).split())
    found = _DATE.match(text)
    try:
        return _read_odd(text) if found is None else _compute(found)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def _drop_comments(value: str) -> str:
    """Return a header without its comments, which may hold others."""
    if "(" not in value:
        return value
    kept: list[str] = []
    depth = 0
    for found in _COMMENT.finditer(value):
        piece = found.group()
        if piece == "(":
            depth += 1
            kept.append(" ")
        elif piece == ")" and depth:
            depth -= 1
        elif not depth:
            kept.append(piece)
    return "".join(kept)


def _compute(found: re.Match[str]) -> datetime:
    day, month, year, hour, minute, second, offset, zone = found.groups()
    is_leap = second is not None and int(second) == LEAP_SECOND
    at = datetime(
        _read_year(year),
        MONTHS.index(month.lower()) + 1,
        int(day),
        int(hour),
        int(minute),
        LEAP_SECOND - 1 if is_leap else int(second or 0),
        tzinfo=UTC,
    )
    if offset is None:
        ahead = timedelta(hours=HOURS_OF_ZONES.get((zone or "").lower(), 0))
    else:
        ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
        ahead = -ahead if offset.startswith("-") else ahead
    return at + timedelta(seconds=is_leap) - ahead


def _read_year(year: str) -> int:
    """Return a year; of two or three digits, it is counted from 1900."""
    number = int(year)
    if number < OF_THIS_CENTURY and len(year) == len("06"):
        return FIRST_YEAR + CENTURY + number
    if len(year) < len("2006"):
        return FIRST_YEAR + number
    if number < FIRST_YEAR:
        raise ValueError(year)
    return number


def _read_odd(text: str) -> datetime:
    """Return a date of another form, as that of C's `ctime`."""
    sent_at = email.utils.parsedate_to_datetime(text)
    if sent_at.tzinfo is None:
        sent_at = sent_at.replace(tzinfo=UTC)
    return sent_at.astimezone(UTC)


def read_archive_date(value: str) -> datetime | None:
    """Return a date as archives write it: `Wed Mar 22 2006 - 15:58:19 EST`."""
    found = _ARCHIVE_DATE.fullmatch(value.strip())
    if not found:
        return read_date(value)
    month, day, year, clock, zone = found.groups()
    return read_date(f"{day} {month} {year} {clock} {zone}")

"""Dates of mails: each form that they come in, and what is none."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.mail_dates import read_archive_date, read_date
from app.services.mail_headers import MOST_HEADER_BYTES

SENT = datetime(2006, 3, 13, 12, 55, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 13 Mar 2006 12:55:25 +0000",
        "Mon, 13 Mar 2006 12:55:25",
        "Mon, 13 Mar 2006 04:55:25 -0800 (PST)",
        "(on) Mon, 13 Mar 2006 04:55:25 -0800",
        "Mon, 13 Mar 2006 04:55:25 (in (the) \\) west) -0800",
        "Mon, 13 (a) Mar (b) 2006 (c) 04:55:25 (d) -0800 (e",
        "13 Mar 2006 04 : 55 : 25 -0800",
        "Mon 13 Mar 2006 12:55:25 GMT",
        "Monday, 13-Mar-06 12:55:25 UT",
        "13 March 106 12:55:25 Z",
        "13 Mar 06 07:55:25 EST",
        "13 Mar 06 05:55:25 pdt",
        "Mon, 13 Mar 2006 12:55:25 -0000",
        "Mon, 13 Mar 2006 13:55:25 A",
        "Tue, 14 Mar 2006 00:55:25 M",
        "Mon, 13 Mar 2006 11:55:25 N",
        "Mon, 13 Mar 2006 00:55:25 y",
        "Mon, 13 Mar 2006 12:55:25 J",
        "Mon, 13 Mar 2006 12:55:25 MEZ",
        "Mon, 13 Mar 2006 22:25:25 +0930",
        "Mon Mar 13 12:55:25 2006",
    ],
)
def test_a_date_of_any_form_is_read(value: str) -> None:
    assert read_date(value) == SENT


def test_a_leap_second_is_the_first_of_the_next_minute() -> None:
    """RFC 5322 3.3 allows 60, which no clock of Python's has."""
    assert read_date("Sat, 31 Dec 2005 23:59:60 +0000") == datetime(
        2006, 1, 1, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "(Mon, 13 Mar 2006 12:55:25 +0000",
        "Mon, 99 Mar 2006 12:55:25 -0800",
        "Mon, 13 Foo 2006 12:55:25 -0800",
        "Mon, 13 Mar 1066 12:55:25 -0800",
        "Mon, 13 Mar 2006 25:55:25 -0800",
        "Mon, 13 Mar 2006 12:55:61 -0800",
        "Fri, 31 Dec 9999 23:00:00 -2300",
    ],
)
def test_a_date_that_is_none_is_none(value: str) -> None:
    assert read_date(value) is None


@given(
    seconds=st.integers(0, 253_000_000_000),
    minutes=st.integers(-1439, 1439),
)
def test_what_programs_write_is_read(seconds: int, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    sent = datetime.fromtimestamp(seconds, zone)
    assert read_date(format_datetime(sent)) == sent


@pytest.mark.parametrize("piece", ["(", ")", "()", "(\\", "1 ", "Mon, "])
def test_a_hostile_date_costs_little(piece: str) -> None:
    value = piece * (MOST_HEADER_BYTES // len(piece))
    started = process_time()
    assert read_date(value) is None
    assert process_time() - started < 0.5


def test_the_date_of_an_archive_is_read() -> None:
    assert read_archive_date("Mon Mar 13 2006 - 04:55:25 PST") == SENT
    assert read_archive_date("Mon Mar 13 2006 - 13:55:25 +0100") == SENT
    assert read_archive_date("Mon, 13 Mar 2006 12:55:25 +0000") == SENT
    assert read_archive_date("some day") is None

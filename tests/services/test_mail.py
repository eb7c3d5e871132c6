"""Reading mails: real ones, broken ones, hostile ones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidError
from app.services import mail
from app.services.mail import (
    MOST_BYTES,
    get_synthetic_id,
    parse_mail,
)
from app.services.mail_headers import MOST_HEADERS, read_id
from app.services.mail_parts import MOST_DEPTH, MOST_PARTS

EML = b"From: A <a@b.example>\nMessage-ID: <1@b.example>\n"
MULTIPART = EML + b'Content-Type: multipart/mixed; boundary="b"\n\n'


def test_every_mail_of_the_review_is_read(shared: Path) -> None:
    files = sorted((shared / "mail").glob("*.eml"))
    assert files
    for file in files:
        read = parse_mail(file.read_bytes())
        assert read.message_id is not None, file.name
        assert "@" in read.message_id
        assert read.sent_at is not None
        assert read.sent_at.year == 2006
        assert read.subject
        assert "\N{REPLACEMENT CHARACTER}" not in read.body
        assert ("Re:" in read.subject) is (read.in_reply_to is not None)


def test_the_page_of_an_archive_is_read(shared: Path) -> None:
    raw = (shared / "mail" / "kleen-review.archived.txt").read_bytes()
    read = parse_mail(raw)
    assert read.is_archived
    assert read.message_id is None
    assert read.subject == "Re: [RFC, PATCH 1/24] i386 Vmi documentation"
    assert read.sender == "Andi Kleen"
    assert read.sent_at == datetime(2006, 3, 22, 20, 58, 19, tzinfo=UTC)
    assert read.body.startswith("On Monday 13 March 2006")


def test_an_archive_may_leave_no_gap_below_the_subject() -> None:
    raw = b"Re: x\nFrom: Ada\nDate: Wed Mar 22 2006 - 15:58:19 EST\n\nhi\n"
    read = parse_mail(raw)
    assert (read.subject, read.sender, read.body) == ("Re: x", "Ada", "hi\n")


def test_the_separator_of_an_mbox_is_no_header() -> None:
    read = parse_mail(b"From a@b Mon Mar 13 2006\n" + EML + b"\nhi\n")
    assert read.message_id == "1@b.example"


def test_raw_bytes_in_headers_are_text() -> None:
    raw = EML + b"Subject: caf\xc3\xa9\n\nx"
    assert parse_mail(raw).subject == "café"


def test_only_plain_text_is_shown() -> None:
    raw = (
        EML + b'Content-Type: multipart/mixed; boundary="b"\n\n'
        b"--b\nContent-Type: text/html\n\n<script>alert(1)</script>\n"
        b"--b\nContent-Type: text/plain\n\nhello\n"
        b"--b\nContent-Type: text/plain\n"
        b"Content-Disposition: attachment\n\nhidden\n--b--\n"
    )
    read = parse_mail(raw)
    assert read.body == "hello\n"
    assert [one.media_type for one in read.attachments] == [
        "text/html",
        "text/plain",
    ]


def test_base64_is_decoded_and_control_characters_are_not_kept() -> None:
    raw = (
        EML + b"Content-Type: text/plain; charset=utf-8\n"
        b"Content-Transfer-Encoding: base64\n\nYQBiG1szMW0K\n"
    )
    assert parse_mail(raw).body == "a\ufffdb\ufffd[31m\n"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b" \n \n", "empty"),
        (b"x" * (MOST_BYTES + 1), "bytes"),
        (b"just some text\n\nand more", "neither the headers"),
        (b"Subject: no sender\n\nx", "no From"),
        (EML + b"X: y\n" * MOST_HEADERS + b"\nx", "headers"),
        (EML + b"X: " + b"y" * 70_000 + b"\n\nx", "headers"),
        (MULTIPART + b"--b\n\nx\n" * (MOST_PARTS + 1), "parts"),
    ],
)
def test_what_is_no_mail_or_too_much_is_refused_with_the_reason(
    raw: bytes, reason: str
) -> None:
    with pytest.raises(InvalidError, match=reason):
        parse_mail(raw)


def test_nesting_is_bounded() -> None:
    nested = b"Content-Type: text/plain\n\nx"
    for number in range(MOST_DEPTH + 2):
        mark = f"b{number}".encode()
        nested = (
            b'Content-Type: multipart/mixed; boundary="%s"\n\n'
            b"--%s\n%s\n--%s--\n" % (mark, mark, nested, mark)
        )
    with pytest.raises(InvalidError, match="nested"):
        parse_mail(EML + nested)


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_mail_or_refused(raw: bytes) -> None:
    for given_bytes in (raw, EML + raw, b"Re: x\nFrom: a\nDate: b\n" + raw):
        try:
            read = parse_mail(given_bytes)
        except InvalidError:
            continue
        for text in (read.subject, read.sender, read.body):
            assert "\0" not in text
            assert text.encode().decode() == text


def test_equal_bytes_have_equal_ids() -> None:
    assert get_synthetic_id(b"a") == get_synthetic_id(b"a")
    assert get_synthetic_id(b"a") != get_synthetic_id(b"b")
    assert read_id(get_synthetic_id(b"a")) == get_synthetic_id(b"a")
    assert mail.get_synthetic_id(b"a").endswith("@archive.invalid")

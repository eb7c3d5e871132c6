"""Mails made ready: deflated, named by their content, or refused."""

import subprocess
import sys
import zlib

from app.services.mail import get_synthetic_id
from app.services.preparing import Prepared, fold_text, prepare_mails

RAW = (
    b"From: a@b.example\nMessage-ID: <1@x>\nSubject: Re: [x] s\n\n"
    b"Acked-by: A <a@b>\n"
)


def test_each_mail_is_read_or_refused_by_itself() -> None:
    first, second, third = prepare_mails([RAW, b"no mail", RAW])
    assert isinstance(first, Prepared)
    assert isinstance(second, str)
    assert "this mail is not taken" in second
    assert first == third
    assert zlib.decompress(first.raw) == RAW
    assert zlib.decompress(first.body).decode() == first.mail.body
    assert b"Acked-by" in zlib.decompress(first.html)
    assert first.mail.trailers == [("Acked-by", "A <a@b>")]
    assert first.subject == ("S", True)


def test_copies_have_one_id_of_their_content() -> None:
    footer = b"-- \nTo unsubscribe from this list: send\n"
    other = RAW.replace(b"A <", b"B <")
    first, copy, another = prepare_mails(
        [RAW, b"Received: x\n" + RAW + footer, other]
    )
    assert isinstance(first, Prepared)
    assert isinstance(copy, Prepared)
    assert isinstance(another, Prepared)
    assert first.content_id == copy.content_id != another.content_id


def test_a_page_of_an_archive_is_named_by_its_bytes() -> None:
    page = b"s\nFrom: A\nDate: Wed Mar 22 2006 - 15:58:19 EST\n\nx\n"
    (prepared,) = prepare_mails([page])
    assert isinstance(prepared, Prepared)
    assert prepared.content_id == get_synthetic_id(page)


def test_a_footer_in_the_midst_is_text() -> None:
    body = "To unsubscribe from this list\n" + "line\n" * 20
    assert fold_text(body).startswith("To unsubscribe")
    assert fold_text("a\n\n b\n") == "a b"
    assert fold_text("") == ""


def test_the_process_that_reads_loads_little() -> None:
    """Neither the database nor the web: it starts in a moment."""
    program = (
        "import sys, app.services.preparing; "
        "print({'sqlalchemy', 'fastapi', 'pydantic'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout == "set()\n"

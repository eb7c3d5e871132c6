"""A mail that goes out is one that any program reads, whatever it says."""

import subprocess
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default
from email.utils import getaddresses
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.services.mail_writing import (
    CONTEXT_LINES,
    LONGEST_LINE,
    Address,
    OutgoingMail,
    Part,
    make_host,
    make_mailto,
    make_subject,
    put_on_line,
    quote_context,
    trim_references,
    write_body,
    write_mail,
)

AT = datetime(2026, 11, 22, 16, 20, 5, tzinfo=UTC)
ADA = Address("Ada Byron", "ada@review.example.org")
NAMES = (
    *("From", "To", "Cc", "Date", "Subject", "Message-ID", "In-Reply-To"),
    *("References", "X-Review-Thread", "X-Unsent", "MIME-Version"),
    *("Content-Type", "Content-Transfer-Encoding"),
)
ANYTHING = st.text(max_size=300)


def make_mail(**changes: object) -> OutgoingMail:
    """Return a mail in which all is plain but what is changed."""
    values: dict[str, object] = {
        "message_id": "1@review.example.org",
        "sender": ADA,
        "to": [Address("Andi Kleen", "ak@example.org")],
        "cc": [Address("", "list@example.org")],
        "subject": "Re: VMI",
        "sent_at": AT,
        "permalink": "http://review.example.org/threads/x",
        "references": ["a@example.org", "b@example.org"],
        "body": "> quoted\n\nanswer\n",
    }
    return OutgoingMail(**(values | changes))  # type: ignore[arg-type]


def test_a_mail_has_the_headers_of_an_answer() -> None:
    """In-Reply-To is the parent, References end with it (RFC 5322, 3.6.4)."""
    mail = message_from_bytes(write_mail(make_mail()), policy=default)
    assert mail["In-Reply-To"] == "<b@example.org>"
    assert mail["References"].split() == ["<a@example.org>", "<b@example.org>"]
    assert mail["Date"] == "Sun, 22 Nov 2026 16:20:05 +0000"
    assert mail["From"] == "Ada Byron <ada@review.example.org>"
    assert mail["To"] == "Andi Kleen <ak@example.org>"
    assert mail["Cc"] == "list@example.org"
    assert mail["X-Review-Thread"] == "http://review.example.org/threads/x"
    assert mail["Content-Type"] == 'text/plain; charset="utf-8"'
    assert mail.get_content() == "> quoted\n\nanswer\n"


def test_a_mail_that_answers_none_names_none() -> None:
    raw = write_mail(make_mail(references=(), to=(), cc=()))
    mail = message_from_bytes(raw)
    for name in ("In-Reply-To", "References", "To", "Cc"):
        assert mail[name] is None


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
@example("x\nBcc: eve@evil.example", "a\r\nTo: b", "e@f>\n\nbody", "\0\n\n")
@example("=?utf-8?q?=0aBcc:_eve@evil.example?=", '"', "(", "x" * 300)
@example("x" * 300, "\ud800", "a b", "\x85Bcc: eve@evil.example")
def test_no_value_makes_a_header(
    subject: str, name: str, id_: str, permalink: str
) -> None:
    """Whatever a title, a name or an id holds, the headers are these."""
    raw = write_mail(
        make_mail(
            subject=subject,
            sender=Address(name, "ada@review.example.org"),
            to=[Address(name, id_), Address(name, "ak@example.org")],
            references=["a@example.org", id_],
            permalink=permalink,
        )
    )
    mail = message_from_bytes(raw)
    assert set(mail.keys()) <= set(NAMES)
    assert len(mail.keys()) == len(set(mail.keys()))
    assert not mail.defects
    assert mail.get_payload() == "> quoted\n\nanswer\n"
    assert max(map(len, raw.split(b"\n"))) <= LONGEST_LINE
    to = getaddresses([mail["To"]])
    assert to[-1][1] == "ak@example.org"
    assert len(to) <= 2
    shown = str(make_header(decode_header(mail["Subject"])))
    assert put_on_line(shown) == put_on_line(subject)


@given(st.text())
@example("From here\n>From there\n")
@example("x" * 2000)
@example("ü" * 999 + "\n=\t \n")
@example("\ud800\0")
def test_a_text_comes_back_as_it_was(text: str) -> None:
    """In UTF-8, whatever its lines' length; what is no text is replaced."""
    raw = write_mail(make_mail(body=text))
    head, _, _ = raw.partition(b"\n\n")
    assert head.isascii()
    mail = message_from_bytes(raw)
    sent = mail.get_payload(decode=True)
    assert isinstance(sent, bytes)
    back = sent.decode()
    assert len(back) == len(text)
    assert all(
        a in {b, "\N{REPLACEMENT CHARACTER}"}
        for a, b in zip(back, text, strict=True)
    )
    assert mail["Content-Transfer-Encoding"] in {
        *("7bit", "8bit", "quoted-printable")
    }
    assert b"flowed" not in head


@pytest.mark.parametrize(
    ("subject", "answer"),
    [
        ("VMI", "Re: VMI"),
        ("Re: VMI", "Re: VMI"),
        ("RE: re: Re[2]: AW: VMI", "Re: VMI"),
        ("more: VMI", "Re: more: VMI"),
        ("[PATCH] x\n y", "Re: [PATCH] x y"),
        ("", "Re:"),
    ],
)
def test_a_subject_says_re_once(subject: str, answer: str) -> None:
    assert make_subject(subject) == answer


def test_references_are_cut_in_the_middle() -> None:
    """The first and the latest ids stay; all fit one unfolded line."""
    ids = [f"{n:04}.{'x' * 40}@example.org" for n in range(200)]
    kept = trim_references(ids)
    assert kept[0] == ids[0]
    assert kept[1:] == ids[-len(kept) + 1 :]
    assert 10 < len(kept) < 30
    assert len("References: " + " ".join(f"<{i}>" for i in kept)) < 998
    assert trim_references([]) == []
    long = ["a" * 250, "b" * 250, "c" * 250, "d" * 250]
    assert trim_references(long) == [long[0], *long[2:]]


def test_a_quotation_is_cut_to_what_reminds_of_it() -> None:
    """At most five lines, and a mark where more was said."""
    text = "\n".join(f"line {n}" for n in range(9))
    quoted = quote_context(text)
    assert quoted == [
        *(f"> line {n}" for n in range(CONTEXT_LINES)),
        "[...]",
    ]
    assert quote_context("> a\n\nb") == ["> > a", ">", "> b"]
    assert quote_context(" \n") == []
    prose = "word " * 60
    folded = quote_context(prose, is_markdown=True)
    assert len(folded) == CONTEXT_LINES
    assert max(map(len, folded)) <= 72


def test_answers_stand_below_what_they_answer_and_trailers_last() -> None:
    body = write_body(
        [
            Part("Ada wrote:", "one", "first\n\nAcked-by: A <a@example.org>"),
            Part("", "two", "second\n\nAcked-by: A <a@example.org>\nmore"),
        ],
        "http://x.example/",
    )
    assert body == (
        "Ada wrote:\n> one\n\nfirst\n\n> two\n\nsecond\n\nmore\n\n"
        "Acked-by: A <a@example.org>\nLink: http://x.example/\n"
    )


def test_code_and_patches_are_not_folded() -> None:
    code = "    " + "x" * 90 + " y\n```\n+" + "z " * 60 + "\n```"
    body = write_body([Part("", "", code)], "l")
    assert body.startswith("    " + "x" * 90 + " y\n```\n")
    assert "+" + ("z " * 60).rstrip() in body


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("review.example.org", "review.example.org"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "vmi-review.invalid"),
        (None, "vmi-review.invalid"),
        ("a>b", "vmi-review.invalid"),
    ],
)
def test_a_host_that_no_id_may_name_is_replaced(
    name: str | None, host: str
) -> None:
    assert make_host(name) == host


def test_a_link_starts_the_answer_in_a_mail_program() -> None:
    """As RFC 6068 writes it: fields quoted, no name beside an address."""
    assert make_mailto(make_mail(subject="Re: a & b?")) == (
        "mailto:ak@example.org?Cc=list%40example.org"
        "&Subject=Re%3A%20a%20%26%20b%3F&In-Reply-To=%3Cb%40example.org%3E"
    )


def test_a_paragraph_in_one_line_is_folded_and_code_is_not() -> None:
    """Flowed text is kept joined; a patch has its lines as they are."""
    flowed = "word " * 30
    lines = quote_context(flowed)
    assert " ".join(line[2:] for line in lines) == flowed.strip()
    assert max(map(len, lines)) <= 76
    for code in (f"+{flowed}", f"\t{flowed}", "x" * 200, "a b " * 20):
        assert quote_context(code) == [f"> {code}".rstrip()]


def test_git_reads_it_as_a_mail(tmp_path: Path) -> None:
    """Name, address, subject, date and text come out of `git mailinfo`."""
    raw = write_mail(
        make_mail(
            sender=Address("Søren Østergård", "s@example.org"),
            subject="Re: [PATCH 1/24] größer " + "word " * 40,
            body="grüße\n",
        )
    )
    done = subprocess.run(
        ["git", "mailinfo", "-b", "-m", "message", "patch"],
        input=raw,
        capture_output=True,
        check=True,
        cwd=tmp_path,
        timeout=30,
    )
    shown = done.stdout.decode()
    assert "Author: Søren Østergård\nEmail: s@example.org\n" in shown
    subject = "größer " + "word " * 40
    assert subject.strip() in shown
    assert "Date: Sun, 22 Nov 2026 16:20:05 +0000" in shown
    text = (tmp_path / "message").read_text(encoding="utf-8")
    assert text.endswith("grüße\n")

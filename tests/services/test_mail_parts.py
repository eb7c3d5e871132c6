"""MIME trees: what is shown, what is listed, what is refused."""

import base64
import email
import email.policy
import quopri
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidError
from app.services.mail import parse_mail, read_leaf
from app.services.mail_headers import read_head
from app.services.mail_parts import (
    CUT,
    MOST_DEPTH,
    MOST_PARTS,
    MOST_TEXT,
    Shown,
    decode_uu,
    list_leaves,
    read_parts,
    split_parts,
)
from bench.mail_generator import generate

HEAD = b"From: A <a@b.example>\n"


def read(raw: bytes, defects: list[str] | None = None) -> Shown:
    """Return what is shown of a mail's bytes."""
    told: list[str] = [] if defects is None else defects
    return read_parts(read_head(raw, told), raw, told)


def make_part(kind: str, body: str, *more: str) -> bytes:
    """Return a part of a MIME tree."""
    lines = [f"Content-Type: {kind}", *more, "", body]
    return "\n".join(lines).encode()


def nest(kind: str, *parts: bytes, boundary: str = "b") -> bytes:
    """Return parts put together in a multipart."""
    mark = f"--{boundary}".encode()
    inside = b"".join(b"%s\n%s\n" % (mark, part) for part in parts)
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n'
    return head.encode() + inside + mark + b"--\n"


PLAIN = make_part("text/plain", "plain")
HTML = make_part("text/html", "<p>html</p>")
IMAGE = make_part(
    "image/png",
    base64.b64encode(b"\x89PNG").decode(),
    "Content-Transfer-Encoding: base64",
    'Content-Disposition: attachment; filename="x.png"',
)
PATCH = make_part(
    "text/x-patch",
    "--- a\n+++ b",
    'Content-Disposition: inline; filename="fix.patch"',
)


@pytest.mark.parametrize(
    ("raw", "text", "attachments"),
    [
        (PLAIN, "plain\n", []),
        (HTML, "html\n", [("", "text/html", 11)]),
        (b"\nno type", "no type\n", []),
        (
            nest("mixed", PLAIN, IMAGE),
            "plain\n",
            [("x.png", "image/png", 4)],
        ),
        (
            nest("alternative", PLAIN, HTML),
            "plain\n",
            [("", "text/html", 11)],
        ),
        (
            nest("alternative", make_part("text/plain", " "), HTML),
            " \nhtml\n",
            [("", "text/html", 11)],
        ),
        (
            nest("mixed", HTML, make_part("text/plain", "footer")),
            "html\nfooter\n",
            [("", "text/html", 11)],
        ),
        (
            nest("mixed", PLAIN, PATCH),
            "plain\n--- a\n+++ b\n",
            [("fix.patch", "text/x-patch", 11)],
        ),
        (
            nest(
                "mixed",
                nest(
                    "alternative",
                    PLAIN,
                    nest("related", HTML, IMAGE, boundary="r"),
                    boundary="i",
                ),
                make_part("message/rfc822", "From: x\n\ninner"),
            ),
            "plain\n",
            [
                ("", "text/html", 11),
                ("x.png", "image/png", 4),
                ("", "message/rfc822", 14),
            ],
        ),
        (
            nest("signed", PLAIN, make_part("application/pgp-signature", "")),
            "plain\n",
            [("", "application/pgp-signature", 0)],
        ),
    ],
)
def test_text_is_shown_and_the_rest_is_listed(
    raw: bytes, text: str, attachments: list[tuple[str, str, int]]
) -> None:
    shown = read(HEAD + raw)
    assert shown.text == text
    listed = [(a.name, a.media_type, a.size) for a in shown.attachments]
    assert listed == attachments


@pytest.mark.parametrize(
    ("encoding", "sent", "text"),
    [
        ("base64", "Z3LDvMOf\r\nZQ==", "grüße\n"),
        ("base64", "Z3LDvMOfZQ", "grüße\n"),
        ("BASE64", "Z3LD*vMOfZQ==\n\n", "grüße\n"),
        ("quoted-printable", "gr=C3=BC=\n=C3=9Fe", "grüße\n"),
        ("quoted-printable", "100% =ZZ =", "100% =ZZ \n"),
        ("8bit", "grüße", "grüße\n"),
        ("binary", "grüße", "grüße\n"),
        ("x-unknown", "grüße", "grüße\n"),
        ("x-uuencode", "begin 644 f\n#86)C\n`\nend", "abc\n"),
    ],
)
def test_transfer_encodings_are_undone(
    encoding: str, sent: str, text: str
) -> None:
    part = make_part(
        "text/plain; charset=utf-8",
        sent,
        f"Content-Transfer-Encoding: {encoding}",
    )
    assert read(HEAD + part).text == text


def test_flowed_text_is_joined() -> None:
    part = make_part("text/plain; format=flowed; delsp=yes", "a \nb")
    assert read(HEAD + part).text == "ab\n"


@pytest.mark.parametrize(
    ("raw", "defect"),
    [
        (make_part("multipart/mixed", "text"), "without a boundary"),
        (make_part("multipart/mixed; boundary=b", "text"), "not found"),
        (nest("mixed", PLAIN)[:-5], "the end of its parts is missing"),
        (HTML, "it came as HTML"),
        (make_part("text/plain; charset=ascii", "é"), "was read as utf-8"),
        (
            make_part("text/plain", "x", "Content-Transfer-Encoding: y"),
            "unknown encoding 'y'",
        ),
    ],
)
def test_what_was_wrong_is_told(raw: bytes, defect: str) -> None:
    defects: list[str] = []
    assert read(HEAD + raw, defects).text
    assert len(defects) == 1
    assert defect in defects[0]


def test_parts_and_depth_and_text_are_bounded() -> None:
    assert read(HEAD + nest("mixed", *[PLAIN] * (MOST_PARTS - 1))).text
    with pytest.raises(InvalidError, match="parts"):
        read(HEAD + nest("mixed", *[PLAIN] * MOST_PARTS))
    nested = PLAIN
    for number in range(MOST_DEPTH):
        nested = nest("mixed", nested, boundary=f"b{number}")
    assert read(HEAD + nested).text == "plain\n"
    with pytest.raises(InvalidError, match="nested"):
        read(HEAD + nest("mixed", nested, boundary="outer"))
    defects: list[str] = []
    long = read(HEAD + b"\n" + b"x" * (MOST_TEXT + 1), defects)
    assert long.text.endswith(f"x\n{CUT}")
    assert defects


def test_only_whole_lines_part() -> None:
    body = b"pre\n--b \nx--b\n--bc\n--b\r\ny\r\n--b--\nafter --b\n"
    assert split_parts(body, b"b") == ([b"x--b\n--bc", b"y"], True)
    assert split_parts(b"--b\nx", b"b") == ([b"x"], False)
    assert split_parts(b"x", b"b") == ([], False)


@given(st.binary(max_size=200))
def test_what_is_uuencoded_comes_back(raw: bytes) -> None:
    lines = [
        base64.binascii.b2a_uu(raw[start : start + 45])  # type: ignore[attr-defined]
        for start in range(0, len(raw), 45)
    ]
    whole = b"begin 644 f\n" + b"".join(lines) + b"`\nend\n"
    assert decode_uu(whole) == raw
    assert isinstance(decode_uu(raw), bytes)


@given(st.text(max_size=200), st.sampled_from(["7bit", "8bit", None]))
def test_text_that_python_writes_is_read_back(
    text: str, encoding: str | None
) -> None:
    clean = "".join(c for c in text if c.isprintable() or c == "\n")
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"] = "a@b.example"
    if encoding == "7bit":
        clean = "".join(filter(str.isascii, clean))
    made.set_content(clean, cte=encoding)
    made.add_attachment(b"\0\1", "a", "b", filename="x")
    raw = bytes(made)
    assert read(raw).text.rstrip("\n") == clean.rstrip("\n")
    assert read_leaf(raw, 1) == b"\0\1"
    assert read_leaf(raw, 2) is None


def test_leaves_are_those_that_python_finds(shared: Path) -> None:
    """The standard parser has the same leaves with the same bytes."""
    raws = [copy.raw for copy in generate(300)]
    raws += [f.read_bytes() for f in (shared / "mail").glob("*.eml")]
    for raw in raws:
        theirs = [
            part.get_payload(decode=True)
            for part in email.message_from_bytes(raw).walk()
            if not part.is_multipart()
        ]
        head = read_head(raw, [])
        ours = [leaf.decode() for leaf in list_leaves(head, raw, [])]
        assert ours == theirs


def test_quoted_printable_of_any_text_is_undone() -> None:
    text = "=?ü \n" * 200
    sent = quopri.encodestring(text.encode()).decode()
    part = make_part(
        "text/plain; charset=utf-8",
        sent,
        "Content-Transfer-Encoding: quoted-printable",
    )
    assert parse_mail(HEAD + part).body == text

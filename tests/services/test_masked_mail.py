"""No address leaves in a mail's bytes, whatever encodes it."""

import base64
import email
import email.policy

import pytest

from app.services.mail import parse_mail
from app.services.masked_mail import mask_mail, mask_part, mask_plain

TOP = b"From: A <a@suse.de>\nMessage-ID: <1@b.example>\nSubject: s\n"
ADDRESS = b"write to ak@suse.de\n"
PARTS = (
    b"Content-Type: multipart/mixed; boundary=x\n\n--x\n"
    b"Content-Type: text/plain\n\nhello ak@suse.de\n--x\n"
    b"Content-Type: application/x-gzip; name=p.gz\n"
    b"Content-Transfer-Encoding: base64\n\nYWtAc3VzZS5kZQ==\n--x--\n"
)


def test_only_ids_keep_their_hosts_in_the_bytes() -> None:
    raw = (
        b"From: A <a@b.example>\r\nReferences: <1@b.example>\r\n"
        b" <2@b.example>\r\nTo: c@d.example\r\n\r\n\xff e@f.example\r\n"
    )
    assert mask_mail(raw, "") == (
        b"From: A <a@xxxxxxxxx>\r\nReferences: <1@b.example>\r\n"
        b" <2@b.example>\r\nTo: c@xxxxxxxxx\r\n\r\n\xff e@xxxxxxxxx\r\n"
    )
    assert mask_plain(b"no body a@b.example") == b"no body a@xxxxxxxxx"


@pytest.mark.parametrize(
    "rest",
    [
        b"\n" + ADDRESS,
        b"Return-Path: <list+ak=40mail.suse.de-S1@vger.example>\n\nhi\n",
        b"Content-Transfer-Encoding: base64\n\n" + base64.b64encode(ADDRESS),
        b"Content-Transfer-Encoding:\n quoted-printable\n\nak=40su=\nse.de\n",
        b"To: =?utf-8?q?ak=40suse=2Ede?=\n\nhi\n",
        b"To: =?utf-8?b?YWtAc3VzZS5kZQ==?=\n\nhi\n",
        b"Content-Type: text/plain; charset=utf-16le\n\n"
        + "ak@suse.de".encode("utf-16le"),
        PARTS,
        b"Content-Type: text/plain; name*=utf-8''ak%40suse.de\n\nhi\n",
    ],
)
def test_what_is_encoded_is_hidden_too(rest: bytes) -> None:
    raw = TOP + rest
    shown = mask_mail(raw, parse_mail(raw).body)
    assert b"suse" not in shown.replace(b"\0", b"")
    assert base64.b64encode(b"ak@suse")[:8] not in shown
    mail = email.message_from_bytes(shown, policy=email.policy.default)
    assert mail["Message-ID"] == "<1@b.example>"
    assert mail["From"] == "A <a@xxxxxxx>"


def test_a_mail_written_anew_is_a_mail_that_says_so() -> None:
    raw = TOP + PARTS
    shown = mask_mail(raw, parse_mail(raw).body)
    mail = email.message_from_bytes(shown, policy=email.policy.default)
    assert "written anew" in mail["X-Review-Masked"]
    assert mail.get_content().startswith("hello ak@xxxxxxx")
    assert mail.get_content_type() == "text/plain"


def test_a_mail_beyond_the_limits_is_its_text() -> None:
    raw = b"X: =?utf-8?q?a?=\n" * 9000 + b"\n"
    assert mask_mail(raw, "a@b.example") == b"a@xxxxxxxxx"


@pytest.mark.parametrize(
    "content",
    [
        "a@secret.example".encode("utf-16"),
        "a@secret.example".encode("utf-32-be"),
        b"a+AEA-secret.example",
        b"Content-Transfer-Encoding: base64\n\nYUBzZWNyZXQuZXhhbXBsZQ==\n",
        b"Subject: =?utf-8?b?YUBzZWNyZXQuZXhhbXBsZQ==?=\n\nhello\n",
    ],
)
def test_a_part_that_may_encode_an_address_is_not_given(
    content: bytes,
) -> None:
    assert mask_part(content) is None
    assert mask_part(b"a@secret.example\n") == b"a@xxxxxxxxxxxxxx\n"

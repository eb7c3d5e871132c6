"""Mail as received: bytes to headers and text, whatever they hold.

Two forms are read: a mail (RFC 5322, as a `.eml` file), and a page of a list
archive saved as text: a subject line, `From:`, `Date:`, the body. All is
bounded, only text is kept, and nothing is believed: a header may be broken,
a charset may be a lie.
"""

import codecs
import email
import email.errors
import email.header
import email.policy
import email.utils
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message as Mail
from typing import NamedTuple

from app.errors import Fault, InvalidError

MOST_BYTES = 1024 * 1024
MOST_HEADERS = 300
MOST_HEADER_BYTES = 64 * 1024
MOST_PARTS = 50
MOST_DEPTH = 8
LONGEST_ID = 250
LONGEST_ENCODED = 4096
TOP_LINES = 12  # where the page of an archive names sender and date
FALLBACKS = ("utf-8", "cp1252")
TEXT_CODECS = re.compile(
    r"utf-8(-sig)?|utf-16(-[bl]e)?|ascii|iso8859-\d+|iso2022_\w+|cp\d+|koi8-\w"
    r"|big5\w*|gb\w+|euc_\w+|shift_jis\w*|mac-\w+|johab|hz|tis-620"
)
UNPRINTED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

_FIELD = re.compile(r"([!-9;-~]+):[ \t]*(.*)", re.DOTALL)
_MAIL_FIELDS = frozenset(
    {"from", "date", "subject", "to", "cc", "message-id", "received"}
    | {"return-path", "delivered-to", "mime-version", "sender", "list-id"}
    | {"content-type", "reply-to", "in-reply-to", "references"}
)
_ARCHIVE_DATE = re.compile(
    r"\w{3} (\w{3}) +(\d{1,2}) (\d{4}) - (\d\d:\d\d:\d\d) "
    r"([A-Z]{3,4}|[+-]\d{4})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMail:
    """What was read from a mail.

    `message_id` is None where the source names none; `charset` is the one
    that the text was decoded by.
    """

    message_id: str | None
    subject: str
    sender: str
    sent_at: datetime | None
    in_reply_to: str | None
    list_id: str | None
    headers: list[tuple[str, str]]
    body: str
    charset: str
    is_archived: bool


class Decoded(NamedTuple):
    """A text, and the charset it was decoded by."""

    text: str
    charset: str


def parse_mail(raw: bytes) -> ParsedMail:
    """Read a mail or a page of an archive, or refuse it."""
    if len(raw) > MOST_BYTES:
        raise _refuse(f"more than {MOST_BYTES} bytes")
    if not raw.strip():
        raise _refuse("the file is empty")
    if raw.startswith(b"From "):  # the separator of an mbox
        raw = raw.partition(b"\n")[2]
    if is_mail(raw):
        return _parse_eml(raw)
    return _parse_archived(raw)


def is_mail(raw: bytes) -> bool:
    """Tell whether the bytes start with the headers of a mail."""
    head = re.split(rb"\r?\n\r?\n", raw.lstrip(b"\r\n"), maxsplit=1)[0]
    names = [
        line.partition(b":")[0].strip().lower().decode("latin-1")
        for line in head.splitlines()[:MOST_HEADERS]
        if b":" in line and not line[:1].isspace()
    ]
    if not names:
        return False
    known = names[0] in _MAIL_FIELDS or names[0].startswith("x-")
    return known or "message-id" in names or "received" in names


def get_synthetic_id(raw: bytes) -> str:
    """Return an id for a mail that names none; the same for equal bytes."""
    return f"{hashlib.sha256(raw).hexdigest()[:40]}@archive.invalid"


def _refuse(reason: str) -> InvalidError:
    return InvalidError(f"this mail is not taken: {reason}", Fault("", reason))


def _parse_eml(raw: bytes) -> ParsedMail:
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
    if len(head) > MOST_HEADER_BYTES:
        raise _refuse(f"more than {MOST_HEADER_BYTES} bytes of headers")
    # each part has such a line, so this bounds what the parser nests
    if len(re.findall(rb"(?im)^content-type:", raw)) > MOST_PARTS:
        raise _refuse(f"more than {MOST_PARTS} parts")
    mail = email.message_from_bytes(raw, policy=email.policy.compat32)
    headers = [(name, read_header(value)) for name, value in mail.raw_items()]
    if len(headers) > MOST_HEADERS:
        raise _refuse(f"more than {MOST_HEADERS} headers")
    body = _read_body(mail)
    fields = {name.lower(): value for name, value in reversed(headers)}
    if not fields.get("from"):
        raise _refuse("no From header")
    return ParsedMail(
        message_id=read_id(fields.get("message-id", "")),
        subject=fields.get("subject", ""),
        sender=fields["from"],
        sent_at=read_date(fields.get("date", "")),
        in_reply_to=read_id(fields.get("in-reply-to", "")),
        list_id=fields.get("list-id") or fields.get("x-mailing-list"),
        headers=headers,
        body=body.text,
        charset=body.charset,
        is_archived=False,
    )


def read_header(value: str) -> str:
    """Return a header's value on one line, its encoded words decoded."""
    sent = str(value).encode("utf-8", "surrogateescape")
    plain = decode_text(sent, "").text
    unfolded = " ".join(plain.split())
    try:
        # its search for encoded words takes the square of the length
        known = len(unfolded) <= LONGEST_ENCODED
        parts = email.header.decode_header(unfolded) if known else []
        words = "".join(
            decode_text(part, charset or "").text
            if isinstance(part, bytes)
            else part
            for part, charset in parts
        )
        words = words or unfolded
    except (email.errors.HeaderParseError, ValueError):
        words = unfolded
    return UNPRINTED.sub("\N{REPLACEMENT CHARACTER}", words.replace("\n", " "))


def decode_text(sent: bytes, charset: str) -> Decoded:
    """Decode by the declared charset, then UTF-8, then Windows-1252."""
    declared = _find_codec(charset)
    for name in (declared, *FALLBACKS):
        if name is None:
            continue
        try:
            return Decoded(sent.decode(name), name)
        except UnicodeError:
            continue
    return Decoded(sent.decode("cp1252", "replace"), "cp1252")


def _find_codec(charset: str) -> str | None:
    # Python has codecs that are no charsets, some of them slow
    try:
        name = codecs.lookup(charset.strip("'\" ")).name
    except (LookupError, ValueError):
        return None
    return name if TEXT_CODECS.fullmatch(name) else None


def read_id(value: str) -> str | None:
    """Return the first message id of a header, without its brackets."""
    found = re.search(r"<([^<>\s]+)>", value)
    name = found.group(1) if found else value.strip()
    good = 0 < len(name) <= LONGEST_ID and not re.search(r"\s", name)
    return name if good else None


def read_date(value: str) -> datetime | None:
    """Return when a mail was sent, by its own clock; None if it is unclear."""
    try:
        sent_at = email.utils.parsedate_to_datetime(value)
        if sent_at.tzinfo is None:
            sent_at = sent_at.replace(tzinfo=UTC)
        return sent_at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def _read_body(mail: Mail) -> Decoded:
    texts: list[str] = []
    charset = "ascii"
    for part in _walk(mail, 0):
        if part.get_content_type() != "text/plain" or _is_attached(part):
            texts.append(f"[a part of type {_get_type(part)} is not shown]")
            continue
        payload = part.get_payload(decode=True)
        sent = payload if isinstance(payload, bytes) else b""
        decoded = decode_text(sent, part.get_content_charset() or "")
        texts.append(decoded.text)
        charset = decoded.charset
    return Decoded(clean_body("\n".join(texts)), charset)


def _walk(mail: Mail, depth: int) -> Iterator[Mail]:
    if depth > MOST_DEPTH:
        raise _refuse(f"parts nested more than {MOST_DEPTH} deep")
    if not mail.is_multipart():
        yield mail
        return
    parts = mail.get_payload()
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, Mail):
            yield from _walk(part, depth + 1)


def _is_attached(part: Mail) -> bool:
    return part.get_content_disposition() == "attachment"


def _get_type(part: Mail) -> str:
    return UNPRINTED.sub("", part.get_content_type())[:80]


def clean_body(text: str) -> str:
    """Return a body's text: lines end in line feeds, no control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return UNPRINTED.sub("\N{REPLACEMENT CHARACTER}", lines)


def _parse_archived(raw: bytes) -> ParsedMail:
    decoded = decode_text(raw, "utf-8")
    lines = clean_body(decoded.text).strip("\n").split("\n")
    subject = lines[0].strip()
    fields, after = _read_top(lines)
    if not subject or "from" not in fields or "date" not in fields:
        raise _refuse(
            "neither the headers of a mail, nor a subject line followed by "
            "From: and Date: within the first lines"
        )
    return ParsedMail(
        message_id=read_id(fields.get("message-id", "")),
        subject=subject.removeprefix("Subject:").strip(),
        sender=fields["from"],
        sent_at=read_archive_date(fields["date"]),
        in_reply_to=None,
        list_id=None,
        headers=[
            ("Subject", subject),
            ("From", fields["from"]),
            ("Date", fields["date"]),
        ],
        body="\n".join(lines[after:]).strip("\n") + "\n",
        charset=decoded.charset,
        is_archived=True,
    )


def _read_top(lines: Sequence[str]) -> tuple[dict[str, str], int]:
    """Return the fields below the subject, and the line after them."""
    fields: dict[str, str] = {}
    after = 1
    for number, line in enumerate(lines[1:TOP_LINES], start=1):
        found = _FIELD.fullmatch(line)
        if found and found.group(1).lower() in _MAIL_FIELDS:
            fields.setdefault(found.group(1).lower(), found.group(2).strip())
            after = number + 1
        elif line.strip():
            break
    return fields, after


def read_archive_date(value: str) -> datetime | None:
    """Return a date as archives write it: `Wed Mar 22 2006 - 15:58:19 EST`."""
    found = _ARCHIVE_DATE.fullmatch(value.strip())
    if not found:
        return read_date(value)
    month, day, year, clock, zone = found.groups()
    return read_date(f"{day} {month} {year} {clock} {zone}")

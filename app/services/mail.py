"""Mail as received: bytes to headers and text, whatever they hold.

Two forms are read: a mail (RFC 5322, as a `.eml` file), and a page of a list
archive saved as text: a subject line, `From:`, `Date:`, the body. All is
bounded, only text is kept, and nothing is believed: a header may be broken,
a charset may be a lie. What was wrong with a mail is told as its defects.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.services.charsets import clean_text, decode_text
from app.services.mail_dates import read_archive_date, read_date
from app.services.mail_headers import (
    Head,
    read_archived_at,
    read_head,
    read_header,
    read_id,
    read_list_id,
    read_references,
    refuse,
)
from app.services.mail_parts import (
    ParsedAttachment,
    list_leaves,
    read_parts,
)

MOST_BYTES = 8 * 1024 * 1024
MOST_DEFECTS = 20
HEAD_LOOK = 16 * 1024
TOP_LINES = 12  # where the page of an archive names sender and date
KEPT_HEADERS = frozenset(
    {"from", "sender", "reply-to", "to", "cc", "date", "subject"}
    | {"message-id", "in-reply-to", "references", "list-id"}
    | {"x-mailing-list", "archived-at", "user-agent", "x-mailer"}
)

_FIELD = re.compile(r"([!-9;-~]+):[ \t]*(.*)", re.DOTALL)
_SURE_FIELDS = frozenset({b"message-id", b"received"})
_MAIL_FIELDS = frozenset(
    {"from", "date", "subject", "to", "cc", "message-id", "received"}
    | {"return-path", "delivered-to", "mime-version", "sender", "list-id"}
    | {"content-type", "reply-to", "in-reply-to", "references"}
)


class ParsedMail(NamedTuple):
    """What was read from a mail.

    `message_id` is None where the source names none; `charset` is the one
    that the text was decoded by. Of the headers those are kept that readers
    see. `defects` says what was wrong and how it was read.
    """

    message_id: str | None
    subject: str
    sender: str
    sent_at: datetime | None
    in_reply_to: str | None
    references: list[str]
    list_id: str | None
    archived_at: str | None
    headers: list[tuple[str, str]]
    trailers: list[tuple[str, str]]
    body: str
    charset: str
    attachments: list[ParsedAttachment]
    is_archived: bool
    defects: list[str]


def parse_mail(raw: bytes) -> ParsedMail:
    """Read a mail or a page of an archive, or refuse it."""
    if len(raw) > MOST_BYTES:
        raise refuse(f"more than {MOST_BYTES} bytes")
    if not raw.strip():
        raise refuse("the file is empty")
    text = _cut_separator(raw)
    if is_mail(text):
        return _parse_eml(text)
    return _parse_archived(raw)


def _cut_separator(raw: bytes) -> bytes:
    """Return a mail's lines, without an mbox's separator before them."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    return raw.lstrip(b"\r\n")


def is_mail(raw: bytes) -> bool:
    """Tell whether the bytes start with the headers of a mail."""
    first: bytes | None = None
    for line in raw[:HEAD_LOOK].split(b"\n"):
        if not line.strip():
            break
        if line[:1].isspace():
            continue
        name, colon, _ = line.partition(b":")
        name = name.strip().lower() if colon else b""
        if name in _SURE_FIELDS:
            return True
        first = name if first is None else first
    told = (first or b"").decode("latin-1")
    return told in _MAIL_FIELDS or told.startswith("x-")


def get_synthetic_id(content: bytes) -> str:
    """Return an id for a mail that names none; the same for the same."""
    return f"{hashlib.sha256(content).hexdigest()[:40]}@archive.invalid"


def read_leaf(raw: bytes, position: int) -> bytes | None:
    """Return the bytes of one leaf of a mail's tree; None if it has none."""
    text = _cut_separator(raw)
    if not is_mail(text):
        return None
    leaves = list_leaves(read_head(text, []), text, [])
    return leaves[position].decode() if 0 <= position < len(leaves) else None


def _parse_eml(raw: bytes) -> ParsedMail:
    defects: list[str] = []
    head = read_head(raw, defects)
    sender = head.get("from")
    if not sender and head.get("sender"):
        sender = head.get("sender")
        defects.append("no From header; Sender is shown")
    if not sender:
        raise refuse("no From header")
    message_id = read_id(head.get("message-id"))
    if message_id is None:
        defects.append("no Message-ID that can be read")
    sent_at = read_date(head.get("date"))
    if sent_at is None:
        defects.append("no date that can be read")
    shown = read_parts(head, raw, defects)
    return ParsedMail(
        message_id=message_id,
        subject=head.get("subject"),
        sender=sender,
        sent_at=sent_at,
        in_reply_to=read_id(head.get("in-reply-to")),
        references=read_references(head.get("references")),
        list_id=read_list_id(head),
        archived_at=read_archived_at(head.get("archived-at")),
        headers=_keep_headers(head),
        trailers=[],
        body=shown.text,
        charset=shown.charset,
        attachments=list(shown.attachments),
        is_archived=False,
        defects=list(dict.fromkeys(defects))[:MOST_DEFECTS],
    )


def _keep_headers(head: Head) -> list[tuple[str, str]]:
    return [
        (name, read_header(value))
        for name, value in head.fields
        if name.lower() in KEPT_HEADERS
    ]


def _parse_archived(raw: bytes) -> ParsedMail:
    decoded = decode_text(raw, "utf-8")
    lines = clean_text(decoded.text).strip("\n").split("\n")
    subject = lines[0].strip()
    fields, after = _read_top(lines)
    if not subject or "from" not in fields or "date" not in fields:
        raise refuse(
            "neither the headers of a mail, nor a subject line followed by "
            "From: and Date: within the first lines"
        )
    subject = subject.removeprefix("Subject:").strip()
    return ParsedMail(
        message_id=read_id(fields.get("message-id", "")),
        subject=subject,
        sender=fields["from"],
        sent_at=read_archive_date(fields["date"]),
        in_reply_to=None,
        references=[],
        list_id=None,
        archived_at=None,
        headers=[
            ("Subject", subject),
            ("From", fields["from"]),
            ("Date", fields["date"]),
        ],
        trailers=[],
        body="\n".join(lines[after:]).strip("\n") + "\n",
        charset=decoded.charset,
        attachments=[],
        is_archived=True,
        defects=[],
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

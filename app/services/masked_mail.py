"""A mail's bytes for readers who are not signed in: no address in them.

A mail that encodes nothing is given as it came, each address hidden where it
stands. In any other an address may stand in base64 or in an encoded word, so
that mail is written anew as plain text: its headers decoded, and the text
that its page shows. What identifies a mail is kept in both.
"""

import re

from app.errors import InvalidError
from app.services.mail_headers import read_head, read_header
from app.services.masking import mask_addresses

ID_HEADERS = frozenset({"message-id", "in-reply-to", "references"})
_MIME_HEADERS = frozenset(
    {"mime-version", "content-type", "content-transfer-encoding"}
    | {"content-disposition", "content-language", "content-id"}
)
_ENCODED = re.compile(
    rb"=\?[^?\s]{1,75}\?[bq]\?|%40|^begin [0-7]{3,4} |"
    rb"^content-transfer-encoding[ \t]*:(?!\s*(?:7bit|8bit|binary)\b)|"
    rb"charset\*?\s*=\s*[\"']?(?:utf-?(?:7|16|32)|ucs|hz)",
    re.IGNORECASE | re.MULTILINE,
)
# a bounce address holds the one that it was sent to: `list+ak=40suse.de@…`
_BOUNCED = re.compile(r"([=%]40)((?:[\w-]+\.)+[\w-]+)")
_FIELDS = re.compile(r"(?m)^(?=[!-9;-~]+:)")
_GAP = re.compile(r"(\r?\n\r?\n|\Z)")


def mask_mail(raw: bytes, body: str) -> bytes:
    """Return a mail without addresses; `body` is its text, decoded."""
    if not _ENCODED.search(raw):
        return mask_plain(raw)
    try:
        return _write_anew(raw, body)
    except InvalidError:  # what was taken before the limits were
        return mask_addresses(body).encode()


def mask_part(content: bytes) -> bytes | None:
    """Return a part that is text without addresses.

    None where one may be encoded: in a charset of wide characters, in a
    mail within the mail.
    """
    if b"\0" in content or b"+AEA" in content or _ENCODED.search(content):
        return None
    return mask_plain(content)


def mask_plain(raw: bytes) -> bytes:
    """Return bytes that encode nothing with every address hidden."""
    text = raw.decode("utf-8", "surrogateescape")  # each byte comes back
    head, gap, body = _GAP.split(text, maxsplit=1)
    shown = "".join(
        field
        if field.partition(":")[0].lower() in ID_HEADERS
        else _mask_field(field)
        for field in _FIELDS.split(head)
    )
    masked = shown + gap + mask_addresses(body)
    return masked.encode("utf-8", "surrogateescape")


def _mask_field(text: str) -> str:
    masked = mask_addresses(text)
    return _BOUNCED.sub(lambda one: one[1] + "x" * len(one[2]), masked)


def _write_anew(raw: bytes, body: str) -> bytes:
    lines: list[str] = []
    for name, value in read_head(raw, []).fields:
        if name.lower() in _MIME_HEADERS:
            continue
        text = read_header(value)
        if name.lower() not in ID_HEADERS:
            text = _mask_field(text)
        lines.append(f"{name}: {text}")
    lines += [
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "X-Review-Masked: written anew; who is signed in gets the bytes sent",
    ]
    head = "\n".join(lines)
    return f"{head}\n\n{mask_addresses(body)}".encode()

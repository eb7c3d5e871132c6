"""Mail on its way out: one mail as bytes, from what it is to say.

Headers by RFC 5322, folded, other than ASCII by RFC 2047; plain text in
UTF-8, as it is where lines are short enough, else quoted-printable; never
flowed, for it may hold a patch. What comes from elsewhere cannot make a
header: each value is put on one line first, and an address or an id that
breaks its grammar is left out.
"""

import quopri
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from itertools import chain, islice
from typing import NamedTuple
from urllib.parse import quote, urlencode

from app.services.charsets import UNPRINTED
from app.services.exports import fold_markdown
from app.services.trailers import is_trailer

LONGEST_LINE = 998
LONGEST_SUBJECT = 500
LONGEST_WORD = 200  # of what is folded at spaces
MEASURE = 76
FOLDED_LENGTHS = range(90, 10_000)
CONTEXT_LINES = 5
LEFT_OUT = "[...]"
NOWHERE = "vmi-review.invalid"

_ID = re.compile(r"[!-;=?-~]{1,250}")
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
)
_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_REPLY = re.compile(r"((re|aw|sv|antw)(\[\d+\])? ?: ?)+", re.IGNORECASE)


class Address(NamedTuple):
    """Whom a mail is from or to."""

    name: str
    address: str


class Part(NamedTuple):
    """What is quoted, by whom it was said, and what is said to it.

    `is_markdown` tells that the quoted text may be folded.
    """

    attribution: str
    quoted: str
    answer: str
    is_markdown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMail:
    """All that a mail says; `references` ends with the parent's id."""

    message_id: str
    sender: Address
    subject: str
    sent_at: datetime
    permalink: str
    body: str
    references: Sequence[str] = ()
    to: Sequence[Address] = ()
    cc: Sequence[Address] = ()

    @property
    def parent(self) -> str | None:
        """Return the id of the mail that is answered."""
        return self.references[-1] if self.references else None


def write_mail(mail: OutgoingMail) -> bytes:
    """Return a mail as a mail program or `git send-email` takes it."""
    encoding, body = encode_body(mail.body)
    lines = chain(
        _write_addresses("From", [mail.sender]),
        _write_addresses("To", mail.to),
        _write_addresses("Cc", mail.cc),
        [f"Date: {format_datetime(mail.sent_at)}"],
        [f"Subject: {encode_text('Subject', mail.subject)}"],
        _write_ids("Message-ID", [mail.message_id]),
        _write_ids("In-Reply-To", mail.references[-1:]),
        _write_ids("References", trim_references(mail.references)),
        [f"X-Review-Thread: {put_on_line(mail.permalink)}"],
        ["X-Unsent: 1"],  # some mail programs open it for writing
        ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8"],
        [f"Content-Transfer-Encoding: {encoding}", "", ""],
    )
    return "\n".join(lines).encode("ascii", "replace") + body


def put_on_line(text: str) -> str:
    """Return a text as one line, single spaces between its words."""
    return " ".join(UNPRINTED.sub(" ", text).split())


def make_subject(subject: str) -> str:
    """Return the subject of an answer: `Re: ` once."""
    line = put_on_line(subject)[:LONGEST_SUBJECT]
    found = _REPLY.match(line)
    return f"Re: {line[found.end() :] if found else line}".rstrip()


def make_host(name: str | None) -> str:
    """Return the host that ids and addresses of this review name."""
    good = name and len(name) <= LONGEST_WORD and _HOST.fullmatch(name)
    return name if good and name else NOWHERE


def is_address(text: str) -> bool:
    """Tell whether mail can be sent to this, in the plainest grammar."""
    return _ADDRESS.fullmatch(text) is not None


def encode_text(name: str, value: str) -> str:
    """Return a header's text, folded; encoded where it is not plain."""
    line = put_on_line(value)
    words = line.split(" ")
    if (
        not line.isascii()
        or "=?" in line
        or max(map(len, words)) > LONGEST_WORD
    ):
        return Header(
            line, "utf-8", header_name=name, maxlinelen=MEASURE
        ).encode(linesep="\n")
    lines, width = [words[0]], len(name) + 2 + len(words[0])
    for word in words[1:]:
        width += 1 + len(word)
        if width > MEASURE:
            width = 1 + len(word)
            lines.append(f"\n {word}")
        else:
            lines.append(f" {word}")
    return "".join(lines)


def write_address(one: Address) -> str:
    """Return an address with its name, as it stands in a header."""
    name = put_on_line(one.name)[:LONGEST_WORD]
    if not name:
        return one.address
    if not name.isascii() or "=?" in name:
        encoded = Header(name, "utf-8", maxlinelen=MEASURE)
        return f"{encoded.encode(linesep=chr(10))} <{one.address}>"
    if not _ATOMS.fullmatch(name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name} <{one.address}>"


def _write_addresses(name: str, many: Iterable[Address]) -> Iterator[str]:
    good = [write_address(one) for one in many if is_address(one.address)]
    if good:
        yield f"{name}: " + ",\n\t".join(good)


def _write_ids(name: str, ids: Iterable[str]) -> Iterator[str]:
    good = [f"<{id_}>" for id_ in ids if _ID.fullmatch(id_)]
    if good:
        yield f"{name}: " + "\n\t".join(good)


def trim_references(references: Sequence[str]) -> list[str]:
    """Return the ids that a header names: the first and the latest ones.

    All of them, folded, stay within the length that a line may have.
    """
    if not references:
        return []
    left = LONGEST_LINE - len("References: ") - len(references[0]) - 3
    kept: list[str] = []
    for id_ in reversed(references[1:]):
        left -= len(id_) + 3
        if left < 0 and kept:
            break
        kept.append(id_)
    return [references[0], *reversed(kept)]


class EncodedBody(NamedTuple):
    """A body's transfer encoding, and its bytes."""

    encoding: str
    sent: bytes


def encode_body(text: str) -> EncodedBody:
    """Return a text as UTF-8 in the plainest encoding that carries it."""
    clean = UNPRINTED.sub("\N{REPLACEMENT CHARACTER}", text)
    sent = clean.encode()
    if any(len(line) > LONGEST_LINE for line in sent.split(b"\n")):
        return EncodedBody("quoted-printable", quopri.encodestring(sent))
    return EncodedBody("7bit" if sent.isascii() else "8bit", sent)


def write_body(parts: Iterable[Part], permalink: str) -> str:
    """Return an interleaved answer, its trailers at the end.

    Of each quotation at most `CONTEXT_LINES` are kept.
    """
    lines: list[str] = []
    trailers: dict[str, None] = {}
    for part in parts:
        if part.attribution:
            lines.append(part.attribution)
        lines += quote_context(part.quoted, is_markdown=part.is_markdown)
        lines.append("")
        for line in fold_markdown(part.answer):
            if is_trailer(line):
                trailers[line.strip()] = None
            else:
                lines.append(line.rstrip())
        if part.answer:
            lines.append("")
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    ends = [*trailers, f"Link: {permalink}"]
    return "\n".join([text, "", *ends, ""])


def quote_context(text: str, *, is_markdown: bool = False) -> list[str]:
    """Return a text as a quotation, cut to what reminds of it."""
    if not text.strip():
        return []
    plain = text.strip("\n").split("\n")
    folded = (
        fold_markdown(text, MEASURE - 6)
        if is_markdown
        else chain.from_iterable(map(fold_prose, plain))
    )
    lines = list(islice(folded, CONTEXT_LINES + 1))
    kept = lines[:CONTEXT_LINES]
    while not kept[-1].strip():
        kept.pop()
    quoted = [f"> {line}".rstrip() for line in kept]
    return [*quoted, *([LEFT_OUT] * (len(lines) > CONTEXT_LINES))]


def fold_prose(line: str) -> list[str]:
    """Return a line, folded if it is a paragraph in one, as flowed text is.

    What begins with a sign or a space may be code, and stays.
    """
    is_prose = line[:1].isalnum() and len(line) in FOLDED_LENGTHS
    if not is_prose:
        return [line]
    return textwrap.wrap(
        line, MEASURE - 6, break_long_words=False, break_on_hyphens=False
    )


def make_mailto(mail: OutgoingMail) -> str:
    """Return a link that lets a mail program start this answer."""
    fields = {
        "Cc": ",".join(one.address for one in mail.cc),
        "Subject": put_on_line(mail.subject),
        "In-Reply-To": f"<{mail.parent}>" if mail.parent else "",
    }
    query = urlencode({k: v for k, v in fields.items() if v}, quote_via=quote)
    to = ",".join(quote(one.address, safe="@") for one in mail.to)
    return f"mailto:{to}?{query}"

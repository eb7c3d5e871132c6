"""The headers of a mail: fields, encoded words, parameters, ids.

Written for what mails hold and not for what RFC 5322 allows: a line that is
no field is passed over or taken for the first of the text, and told of.
What is read is one line of text without control characters.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from app.errors import Fault, InvalidError
from app.services.charsets import REPLACED, UNPRINTED, decode_text

MOST_HEADERS = 300
MOST_HEADER_BYTES = 64 * 1024
MOST_REFERENCES = 1000
MOST_SEGMENTS = 100
LONGEST_ID = 250
LONGEST_NAME = 200
LONGEST_ADDRESS = 1000

_BLANK = re.compile(rb"\n\r?\n")
_LINES = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*)*")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
# a line that is a field, with the lines that go on with it
_SOUND = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)\n?")
_ENCODED = re.compile(r"=\?([^?\s]{1,75})\?([bBqQ])\?([^?]*)\?=")
_PARAMETER = re.compile(
    r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL
)
_SEGMENT = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?")
_ID = re.compile(r"<([^<>]+)>")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")


class Field(NamedTuple):
    """One header: its name as sent, its bytes without the name."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The headers of a mail or a part; its text starts at `end`."""

    fields: Sequence[Field]
    end: int
    first: Mapping[str, bytes] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Return a header as text, the first of its name; else nothing."""
        value = self.first.get(name)
        return "" if value is None else read_header(value)


def refuse(reason: str) -> InvalidError:
    """Return what to raise on a mail that is not taken."""
    return InvalidError(f"this mail is not taken: {reason}", Fault("", reason))


def read_head(raw: bytes, defects: list[str]) -> Head:
    """Read the headers that bytes start with; what is odd is a defect."""
    if raw.startswith((b"\n", b"\r\n")):
        return Head((), raw.index(b"\n") + 1)
    blank = _BLANK.search(raw)
    end = len(raw) if blank is None else blank.start() + 1
    if end > MOST_HEADER_BYTES:
        raise refuse(f"more than {MOST_HEADER_BYTES} bytes of headers")
    start = len(raw) if blank is None else blank.end()
    odd: int | None = None
    fields = _read_sound(raw, end)
    if fields is None:
        fields, odd = _read_fields(_split_lines(raw, end), defects)
    if len(fields) > MOST_HEADERS:
        raise refuse(f"more than {MOST_HEADERS} headers")
    first: dict[str, bytes] = {}
    for name, value in fields:
        first.setdefault(name.lower(), value)
    return Head(fields, start if odd is None else odd, first)


def _read_sound(raw: bytes, end: int) -> list[Field] | None:
    """Return the fields up to `end` if there is nothing else."""
    fields: list[Field] = []
    at = 0
    while at < end:
        found = _SOUND.match(raw, at, end)
        if found is None:
            return None
        at = found.end()
        fields.append(Field(found[1].decode("ascii"), found[2]))
    return fields


def _split_lines(raw: bytes, end: int) -> list[tuple[int, bytes]]:
    """Return where each line begins, and it with those that go on with it."""
    return [
        (found.start(), found.group())
        for found in _LINES.finditer(raw, 0, end)
        if found.group()
    ]


def _read_fields(
    lines: Sequence[tuple[int, bytes]], defects: list[str]
) -> tuple[list[Field], int | None]:
    """Return the fields, and where the text starts without a blank line."""
    fields: list[Field] = []
    for number, (start, line) in enumerate(lines):
        found = _FIELD.match(line)
        if found is not None and line[:1] not in b" \t":
            name = found.group(1).decode("ascii")
            fields.append(Field(name, found.group(2)))
        elif line.startswith((b"From ", b">From ")):
            continue
        elif number + 1 < len(lines) and _FIELD.match(lines[number + 1][1]):
            defects.append(f"header {number + 1} has no name; passed over")
        else:
            defects.append("no blank line parts the headers from the text")
            return fields, start
    return fields, None


def read_header(value: bytes | str) -> str:
    """Return a header's value on one line, its encoded words decoded."""
    if isinstance(value, str):
        text = value
    elif value.isascii():
        text = value.decode("ascii")
    else:
        text = decode_text(value, "").text
    text = " ".join(text.split())
    if "=?" in text:
        text = " ".join(decode_words(text).split())
    return text if text.isprintable() else UNPRINTED.sub(REPLACED, text)


def decode_words(text: str) -> str:
    """Return a text with its encoded words (RFC 2047) decoded.

    Words that follow one another are one text, and those of one charset are
    decoded together, for a character may be cut in two.
    """
    made: list[str] = []
    held: list[tuple[str, bytes]] = []
    end = 0
    for found in _ENCODED.finditer(text):
        between = text[end : found.start()]
        if not held or between.strip():
            made += (_join_words(held), between)
            held = []
        charset, encoding, word = found.groups()
        sent = _decode_word(word, encoding)
        # a word that is none stands for itself
        held.append(
            ("utf-8", found.group().encode("utf-8", "replace"))
            if sent is None
            else (charset.partition("*")[0].lower(), sent)
        )
        end = found.end()
    # a mark of byte order may begin each word
    words = "".join([*made, _join_words(held), text[end:]])
    return words.replace("\ufeff", "")


def _decode_word(word: str, encoding: str) -> bytes | None:
    sent = word.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(sent, header=True)
    return decode_base64(sent) or (None if word else b"")


def _join_words(words: Iterable[tuple[str, bytes]]) -> str:
    texts: list[str] = []
    kept, sent = "", b""
    for charset, part in words:
        if charset != kept and sent:
            texts.append(decode_text(sent, kept).text)
            sent = b""
        kept, sent = charset, sent + part
    texts.append(decode_text(sent, kept).text)
    return "".join(texts)


_NO_BASE64 = bytes(
    set(range(256))
    - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)


def decode_base64(sent: bytes) -> bytes:
    """Return what base64 holds, as much of it as can be read."""
    try:
        return binascii.a2b_base64(sent)
    except binascii.Error:
        known = sent.translate(None, _NO_BASE64)
        rest = len(known) % 4
        if rest == 1:
            known, rest = known[:-1], 0
        return binascii.a2b_base64(known + b"=" * (-rest % 4))


class Content(NamedTuple):
    """The value of Content-Type or Content-Disposition."""

    kind: str
    parameters: Mapping[str, str]


def read_content(value: bytes | None) -> Content:
    """Return a kind in small letters, and its parameters (RFC 2231)."""
    if value is None:
        return Content("", {})
    text = " ".join(decode_text(value, "").text.split())
    kind = re.split(r"[;\s(]", text, maxsplit=1)[0].lower()
    if ";" not in text:
        return Content(kind, {})
    found = [
        (name.lower(), _unquote(value))
        for name, value in _PARAMETER.findall(text)[:MOST_SEGMENTS]
    ]
    return Content(kind, _join_segments(found))


def _unquote(value: str) -> str:
    value = value.strip()
    if value.startswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"'))
    return value


def _join_segments(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    plain: dict[str, str] = {}
    parts: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in found:
        cut = _SEGMENT.fullmatch(name)
        if cut is None:
            continue
        bare, number, star = cut.groups()
        if number is None and star is None:
            plain.setdefault(bare, value)
        else:
            segments = parts.setdefault(bare, {})
            segments.setdefault(int(number or 0), (value, star is not None))
    extended = {name: _decode_segments(of) for name, of in parts.items()}
    return {
        name: UNPRINTED.sub(REPLACED, value)
        for name, value in {
            **{name: decode_words(value) for name, value in plain.items()},
            **extended,
        }.items()
    }


def _decode_segments(segments: Mapping[int, tuple[str, bool]]) -> str:
    """Join the segments of one parameter, charset'language'text at first."""
    charset, sent = "", b""
    for number in sorted(segments):
        value, is_encoded = segments[number]
        if not is_encoded:
            sent += value.encode("utf-8", "replace")
            continue
        if not sent and value.count("'") >= 2:  # noqa: PLR2004 - two quotes
            charset, _, value = value.split("'", 2)
        sent += unquote_to_bytes(value)
    return decode_text(sent, charset).text


def read_media_type(content: Content) -> str:
    """Return what a part is, as `text/plain`, if it says so."""
    known = _MEDIA_TYPE.fullmatch(content.kind)
    return content.kind if known and len(content.kind) <= LONGEST_NAME else ""


def read_name(*contents: Content) -> str:
    """Return the file's name that a part tells, without any folder."""
    for content in contents:
        for key in ("filename", "name"):
            name = re.split(r"[/\\]", content.parameters.get(key, ""))[-1]
            if name.strip(" ."):
                return name.strip()[:LONGEST_NAME]
    return ""


def read_id(value: str) -> str | None:
    """Return the first message id of a header, without its brackets."""
    name = next(read_ids(value), None)
    if name is not None:
        return name
    bare = value.strip()
    is_id = not re.search(r"[\s<>]", bare) and 0 < len(bare) <= LONGEST_ID
    return bare if is_id else None


def read_ids(value: str) -> Iterator[str]:
    """Yield the message ids of a header, each without its brackets."""
    for found in _ID.finditer(value):
        # white space is what folding left in an id
        name = "".join(found.group(1).split())
        if 0 < len(name) <= LONGEST_ID:
            yield name


def read_references(value: str) -> list[str]:
    """Return the ids of the References header, the newest if too many."""
    return list(read_ids(value))[-MOST_REFERENCES:]


def read_list_id(head: Head) -> str | None:
    """Return the list that sent a copy, as List-Id names it (RFC 2919)."""
    named = head.get("list-id")
    if named:
        found = _ID.search(named)
        name = (found.group(1) if found else named).strip().lower()
        return name[:LONGEST_NAME] or None
    for header in ("x-mailing-list", "list-post"):
        found = re.search(r"[\w.+-]+@[\w.-]+", head.get(header))
        if found:
            # linux-kernel@vger.kernel.org is linux-kernel.vger.kernel.org
            return found.group().replace("@", ".").lower()[:LONGEST_NAME]
    return None


def read_archived_at(value: str) -> str | None:
    """Return the address of a copy in an archive (RFC 5064)."""
    found = re.search(r"https?://[^\s<>\"]+", value)
    return found.group()[:LONGEST_ADDRESS] if found else None

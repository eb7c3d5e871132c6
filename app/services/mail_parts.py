"""The parts of a mail: its MIME tree, its leaves, the text that is shown.

Plain text and patches are shown, HTML only as its words and where there is
nothing else; all other leaves are attachments, which are kept and listed.
"""

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.services.charsets import clean_text, decode_text
from app.services.flowed import join_flowed
from app.services.mail_headers import (
    Content,
    Head,
    decode_base64,
    read_content,
    read_head,
    read_media_type,
    read_name,
    refuse,
)
from app.services.mail_html import read_html

MOST_PARTS = 100
MOST_DEPTH = 8
MOST_TEXT = 1024 * 1024
MOST_LINES = 20_000
"""How many characters and lines of a mail are shown; it is kept whole."""

CUT = "[The rest of this mail is too long to be shown.]\n"
SHOWN_TYPES = frozenset(
    {"text/plain", "text/x-patch", "text/x-diff", "text/x-csrc"}
    | {"text/x-chdr", "text/x-c", "text/markdown"}
)
AS_IS = frozenset({"", "7bit", "8bit", "binary"})
UUENCODED = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})

_BEGIN = re.compile(rb"(?m)^begin [0-7]{3,4} [^\n]*\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A part that holds no others, as it was sent.

    `is_spare` tells that another part says the same in plain text.
    """

    position: int
    content: Content
    media_type: str
    name: str
    is_attached: bool
    encoding: str
    sent: bytes
    is_spare: bool = False

    def decode(self) -> bytes:
        """Return the bytes that were meant."""
        if self.encoding == "base64":
            return decode_base64(self.sent)
        if self.encoding == "quoted-printable":
            return binascii.a2b_qp(self.sent)
        if self.encoding in UUENCODED:
            return decode_uu(self.sent)
        return self.sent


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedAttachment:
    """A part that is kept and listed; `size` is that of its bytes."""

    position: int
    name: str
    media_type: str
    size: int


class Shown(NamedTuple):
    """The text of a mail, the charset of its first part, the other parts."""

    text: str
    charset: str
    attachments: Sequence[ParsedAttachment]


def read_parts(head: Head, raw: bytes, defects: list[str]) -> Shown:
    """Return what is shown of a mail, and what is listed."""
    texts: list[str] = []
    charset = ""
    attachments: list[ParsedAttachment] = []
    for leaf in list_leaves(head, raw, defects):
        words = None if leaf.is_spare else _read_words(leaf, defects)
        if words is not None:
            texts.append(words.text)
            charset = charset or words.charset
        if words is None or leaf.name or leaf.media_type == "text/html":
            attachments.append(
                ParsedAttachment(
                    position=leaf.position,
                    name=leaf.name,
                    media_type=leaf.media_type,
                    size=len(leaf.decode()),
                )
            )
    return Shown(_join_texts(texts, defects), charset or "ascii", attachments)


def list_leaves(head: Head, raw: bytes, defects: list[str]) -> Sequence[Leaf]:
    """Return the leaves of a mail's tree in their order."""
    tree = _Tree(defects)
    tree.walk(head, raw[head.end :], 0)
    return tree.leaves


class _Tree:
    """A walk through the parts of a mail."""

    def __init__(self, defects: list[str]) -> None:
        self.leaves: list[Leaf] = []
        self._defects = defects
        self._parts = 0

    def walk(self, head: Head, body: bytes, depth: int) -> None:
        """Add the leaves of a part."""
        self._parts += 1
        if depth > MOST_DEPTH:
            raise refuse(f"parts nested more than {MOST_DEPTH} deep")
        if self._parts > MOST_PARTS:
            raise refuse(f"more than {MOST_PARTS} parts")
        content = read_content(head.first.get("content-type"))
        parts = self._split(content, body)
        if parts is None:
            self.leaves.append(self._make_leaf(head, content, body))
            return
        first = len(self.leaves)
        for part in parts:
            inner = read_head(part, self._defects)
            self.walk(inner, part[inner.end :], depth + 1)
        if content.kind == "multipart/alternative":
            self.leaves[first:] = _spare(self.leaves[first:])

    def _split(self, content: Content, body: bytes) -> list[bytes] | None:
        if not content.kind.startswith("multipart/"):
            return None
        boundary = content.parameters.get("boundary", "").rstrip()
        if not boundary:
            self._defects.append(f"{content.kind} without a boundary")
            return None
        parts, is_closed = split_parts(body, boundary.encode())
        if not parts:
            self._defects.append("the boundary of its parts is not found")
            return None
        if not is_closed:
            self._defects.append("the end of its parts is missing")
        return parts

    def _make_leaf(self, head: Head, content: Content, body: bytes) -> Leaf:
        disposition = read_content(head.first.get("content-disposition"))
        media_type = read_media_type(content)
        if not media_type or media_type.startswith("multipart/"):
            # what says nothing, or cannot be parted, is text
            media_type = "text/plain"
        encoding = head.get("content-transfer-encoding")
        encoding = encoding.split(";")[0].strip().lower()
        if encoding not in AS_IS | UUENCODED | {"base64", "quoted-printable"}:
            self._defects.append(f"unknown encoding {encoding[:40]!r}")
        return Leaf(
            position=len(self.leaves),
            content=content,
            media_type=media_type,
            name=read_name(disposition, content),
            is_attached=disposition.kind == "attachment",
            encoding=encoding,
            sent=body,
        )


def _spare(leaves: Sequence[Leaf]) -> Iterator[Leaf]:
    """Mark the forms of a text that are not needed; a plain one is shown."""
    has_plain = any(
        leaf.media_type == "text/plain" and leaf.sent.strip()
        for leaf in leaves
    )
    for leaf in leaves:
        is_other = leaf.media_type != "text/plain"
        if has_plain and is_other and not leaf.is_spare:
            yield Leaf(
                position=leaf.position,
                content=leaf.content,
                media_type=leaf.media_type,
                name=leaf.name,
                is_attached=leaf.is_attached,
                encoding=leaf.encoding,
                sent=leaf.sent,
                is_spare=True,
            )
        else:
            yield leaf


def split_parts(body: bytes, boundary: bytes) -> tuple[list[bytes], bool]:
    """Return what stands between the boundary's lines, and if it ended."""
    parts: list[bytes] = []
    mark = b"--" + boundary
    start = None
    at = body.find(mark)
    while at >= 0:
        line_end = body.find(b"\n", at)
        line_end = len(body) if line_end < 0 else line_end
        rest = body[at + len(mark) : line_end].strip()
        if (at == 0 or body[at - 1] == ord("\n")) and rest in {b"", b"--"}:
            if start is not None:
                parts.append(_cut_line_end(body[start:at]))
            if rest:
                return parts, True
            start = line_end + 1
        at = body.find(mark, line_end)
    if start is not None:
        parts.append(body[start:])
    return parts, False


def _cut_line_end(part: bytes) -> bytes:
    # the line end before a boundary belongs to the boundary
    return part.removesuffix(b"\n").removesuffix(b"\r")


def decode_uu(sent: bytes) -> bytes:
    """Return what was uuencoded, as much of it as can be read."""
    begin = _BEGIN.search(sent)
    made: list[bytes] = []
    for line in sent[begin.end() if begin else 0 :].splitlines():
        if line.strip() in {b"", b"`", b"end"}:
            continue
        try:
            made.append(binascii.a2b_uu(line))
        except binascii.Error:
            # some encoders pad lines with too much
            size = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                made.append(binascii.a2b_uu(line[:size]))
            except binascii.Error:
                break
    return b"".join(made)


def _read_words(leaf: Leaf, defects: list[str]) -> Shown | None:
    """Return a leaf's text; None for what is not shown."""
    is_html = leaf.media_type == "text/html"
    if leaf.is_attached or not (is_html or leaf.media_type in SHOWN_TYPES):
        return None
    declared = leaf.content.parameters.get("charset", "")
    decoded = decode_text(leaf.decode(), declared)
    if declared and decode_text(b"", declared).charset != decoded.charset:
        defects.append(f"{declared[:40]!r} was read as {decoded.charset}")
    text = _cut_text(clean_text(decoded.text), defects)
    if is_html:
        defects.append("it came as HTML; its words are shown")
        text = read_html(text)
    elif leaf.content.parameters.get("format", "").lower() == "flowed":
        delsp = leaf.content.parameters.get("delsp", "").lower()
        text = join_flowed(text, deletes_space=delsp == "yes")
    return Shown(text, decoded.charset, ())


def _join_texts(texts: Sequence[str], defects: list[str]) -> str:
    whole = "".join(
        text if text.endswith("\n") or not text else f"{text}\n"
        for text in texts
    )
    return whole if len(texts) == 1 else _cut_text(whole, defects)


def _cut_text(text: str, defects: list[str]) -> str:
    """Return as much of a text as is shown."""
    if len(text) <= MOST_TEXT and text.count("\n") <= MOST_LINES:
        return text
    lines = text[:MOST_TEXT].split("\n", MOST_LINES)
    kept = "\n".join(lines[:MOST_LINES])
    defects.append(
        f"only its first {MOST_TEXT} characters, or {MOST_LINES} lines, "
        "are shown"
    )
    return f"{kept}\n{CUT}"

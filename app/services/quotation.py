"""A mail's text as HTML: quotation levels, patches, links, the signature.

The depth of a line is the number of `>` it starts with, single spaces
between them. Nothing is dropped or rewrapped: review mail is all quotation.
Where a mail goes to is hidden in what was rendered (`masking`), so an `@`
that belongs to an address of the Web is written as a character reference.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from markupsafe import escape

from app.services import patches
from app.services.masking import mask_addresses
from app.services.patches import Line
from app.services.trailers import is_trailer

__all__ = ["Line", "mask_addresses", "read_line", "render_mail"]

DEEPEST = 12
LEVELS = 5  # of the style sheet
ANSWER = "c"
"""Before the code point where an answer begins: the name of its element."""

ATTRIBUTION = ' class="attribution"'
SIGNATURE = ' class="signature"'
ATTRIBUTION_LINES = 3
FOLDED_FROM = 4  # shorter quotations are no longer than their fold
ARCHIVES = frozenset(
    {"lore.kernel.org", "lkml.kernel.org", "patch.msgid.link", "msgid.link"}
    | {"marc.info", "mid.mail-archive.com", "mid.gmane.org"}
)
"""Hosts whose addresses end in a Message-ID, which is no address of a mail."""

_NO_WORDS = re.compile(r"[\s+]*")
_MARKS = re.compile(r">(?: ?>)*+")
_ATTRIBUTION = re.compile(
    r"(.*\b(wrote|writes|said)\s*:|-+ ?Original Message.*)\s*"
)
_FOOTERS = re.compile(r"-- ?|To unsubscribe from this list\b.*|_{20,}")
_URL = re.compile(r"https?://[^\s<>\"'`\\^{|}\x7f-\x9f]+", re.IGNORECASE)
_HOST = re.compile(r"[\w.-]+(?::\d{1,5})?|\[[0-9a-f:.]+\](?::\d{1,5})?")
_TRAILING = ".,;:!?*_"


class _Level(NamedTuple):
    """A level of quotation that is open: where it opened, at which line."""

    at: int
    line: int


def read_line(line: str) -> Line:
    """Return a line's depth, and its text without the marks."""
    if line[:1] != ">":
        return Line(0, line)
    marks = _MARKS.match(line)
    end = 0 if marks is None else marks.end()
    text = line[end:]
    return Line(line.count(">", 0, end), text.removeprefix(" "))


def render_mail(body: str) -> str:
    """Return a body as nested blocks, one level a `>`.

    What stands below a quotation is named by its place, as an answer.
    """
    lines, footer = _cut_footer(body.rstrip("\n").split("\n"))
    read = _close_gaps([read_line(line) for line in lines])
    marks = _mark_lines(read, body)
    html: list[str] = []
    levels: list[_Level] = []
    start = at = 0
    for depth, group in groupby(read, key=lambda line: line.depth):
        texts = [line.text for line in group]
        end = start + len(texts)
        _go_to(min(depth, DEEPEST), html, levels, start)
        following = read[end].depth if end < len(read) else 0
        said = _find_attribution(texts) if following > depth else len(texts)
        name = "" if depth or not start else _name_answer(lines[start:end], at)
        html.append(
            _render_pre(texts[:said], marks[start : start + said], name)
        )
        html.append(_render_pre(texts[said:], (), ATTRIBUTION))
        at += sum(map(len, lines[start:end])) + end - start
        start = end
    _go_to(0, html, levels, start)
    html.append(_render_pre(footer, (), SIGNATURE))
    return "".join(html)


def _name_answer(lines: Sequence[str], at: int) -> str:
    """Return the attribute that names an answer by its first code point."""
    for line in lines:
        if not _NO_WORDS.fullmatch(line):
            break
        at += len(line) + 1
    return f' id="{ANSWER}{at}"'


def _cut_footer(lines: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Part the signature, or the list's own footer, from the text.

    One that is followed by a quotation is a part of what was quoted.
    """
    start = max(
        (n + 1 for n, line in enumerate(lines) if line.startswith(">")),
        default=0,
    )
    for number in range(start, len(lines)):
        if _FOOTERS.fullmatch(lines[number]):
            return lines[:number], lines[number:]
    return lines, ()


def _close_gaps(lines: list[Line]) -> list[Line]:
    """Let empty lines between two quotations belong to them."""
    start = 0
    for depth, group in groupby(lines, key=_get_kind):
        end = start + sum(1 for _ in group)
        if depth < 0 and start and end < len(lines):
            around = min(lines[start - 1].depth, lines[end].depth)
            lines[start:end] = [Line(around, "")] * (end - start)
        start = end
    return lines


def _get_kind(line: Line) -> int:
    return line.depth if line.depth or line.text.strip() else -1


def _mark_lines(lines: Sequence[Line], body: str) -> list[str]:
    marks = (
        patches.mark_lines(lines)
        if patches.has_signs(body)
        else [""] * len(lines)
    )
    if "-by" in body.lower():
        for number, (depth, text) in enumerate(lines):
            if not depth and not marks[number] and is_trailer(text):
                marks[number] = "trailer"
    return marks


def _go_to(
    depth: int, html: list[str], levels: list[_Level], line: int
) -> None:
    """Open or close levels; what closes knows how long it is."""
    while len(levels) < depth:
        levels.append(_Level(len(html), line))
        html.append("")
    while len(levels) > depth:
        noun = f"quote quote-{min(len(levels), LEVELS)}"
        at, first = levels.pop()
        if line - first < FOLDED_FROM:
            html[at] = f'<div class="{noun}">\n'
            html.append("</div>\n")
        else:
            html[at] = (
                f'<details class="{noun}" open>'
                f"<summary>{line - first} quoted lines</summary>\n"
            )
            html.append("</details>\n")


def _find_attribution(texts: Sequence[str]) -> int:
    """Return where the lines start that say who is quoted below."""
    last = len(texts)
    while last and not texts[last - 1].strip():
        last -= 1
    if not last or not _ATTRIBUTION.fullmatch(texts[last - 1]):
        return len(texts)
    first = last - 1
    while (
        first > 0
        and last - first < ATTRIBUTION_LINES
        and texts[first - 1].strip()
        and not texts[first].startswith("On ")
    ):
        first -= 1
    return first if texts[first].startswith("On ") else last - 1


def _render_pre(
    texts: Sequence[str], marks: Sequence[str], attribute: str = ""
) -> str:
    """Return lines without the empty ones around them; none for none."""
    start, end = 0, len(texts)
    while start < end and not texts[start].strip():
        start += 1
    while start < end and not texts[end - 1].strip():
        end -= 1
    if start == end:
        return ""
    if any(marks):
        text = _render_marked(texts[start:end], marks[start:end])
    else:
        text = link_addresses("\n".join(texts[start:end]).rstrip())
    return f"<pre{attribute}>{text}</pre>\n"


def _render_marked(texts: Sequence[str], marks: Sequence[str]) -> str:
    parts: list[str] = []
    start = 0
    for mark, group in groupby(marks):
        end = start + sum(1 for _ in group)
        text = link_addresses("\n".join(texts[start:end]))
        parts.append(f'<span class="{mark}">{text}</span>' if mark else text)
        start = end
    return "\n".join(parts)


def link_addresses(text: str) -> str:
    """Escape a text; addresses of the Web in it become links."""
    if "://" not in text:
        return _escape(text)
    parts: list[str] = []
    start = 0
    for found in _URL.finditer(text):
        url = _trim(found.group())
        end = found.start() + len(url)
        parts.append(_escape(text[start : found.start()]))
        parts.append(_make_link(url))
        start = end
    parts.append(_escape(text[start:]))
    return "".join(parts)


def _escape(text: str) -> str:
    # quotation marks need it in attributes only
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _trim(url: str) -> str:
    """Leave to the sentence what ends it, and a bracket not opened here."""
    length = len(url)
    opened = url.count("(") - url.count(")")
    while length and (
        url[length - 1] in _TRAILING or (url[length - 1] == ")" and opened < 0)
    ):
        opened += url[length - 1] == ")"
        length -= 1
    return url[:length]


def _make_link(url: str) -> str:
    _, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not _HOST.fullmatch(host):
        return _escape(url)  # it may say that it is another's
    shown, reference = _escape(url), str(escape(url))
    if host.lower().removeprefix("www.") in ARCHIVES:
        shown = shown.replace("@", "&#64;")
        reference = reference.replace("@", "%40")
    return f'<a href="{reference}" rel="nofollow noopener">{shown}</a>'

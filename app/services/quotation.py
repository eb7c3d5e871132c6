"""A mail's text as HTML: quotation levels, attributions, the signature.

The depth of a line is the number of `>` it starts with, single spaces
between them. Nothing is dropped or rewrapped: review mail is all quotation.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup

DEEPEST = 12
LEVELS = 5  # of the style sheet
ATTRIBUTION_LINES = 3

_MARKS = re.compile(r"(?:> ?)*>")
_ATTRIBUTION = re.compile(
    r"(.*\b(wrote|writes|said)\s*:|-+ ?Original Message.*)\s*"
)
_FOOTERS = re.compile(r"-- ?|To unsubscribe from this list\b.*|_{20,}")
_ADDRESS = re.compile(
    r"([A-Za-z0-9._%+=-]{1,64})@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24})"
)


class Line(NamedTuple):
    """A line without its quotation marks, and how deep it was quoted."""

    depth: int
    text: str


def read_line(line: str) -> Line:
    """Return a line's depth, and its text without the marks."""
    marks = _MARKS.match(line)
    if marks is None:
        return Line(0, line)
    text = line[marks.end() :]
    return Line(marks.group().count(">"), text.removeprefix(" "))


def render_mail(body: str) -> str:
    """Return a body as nested blocks, one level a `>`."""
    lines, footer = _cut_footer(body.rstrip("\n").split("\n"))
    read = [read_line(line) for line in lines]
    html: list[Markup] = []
    depth = 0
    for level, text in _make_blocks(read):
        wanted = min(level, DEEPEST)
        html.extend([Markup("</div>\n")] * (depth - wanted))
        html.extend(
            Markup('<div class="quote quote-{}">\n').format(min(n, LEVELS))
            for n in range(depth + 1, wanted + 1)
        )
        depth = wanted
        html.append(text)
    html.extend([Markup("</div>\n")] * depth)
    if footer:
        html.append(_render_pre(footer, "signature"))
    return str(Markup("").join(html))


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


def _make_blocks(lines: Sequence[Line]) -> Iterator[tuple[int, Markup]]:
    groups = [
        (depth, [line.text for line in group])
        for depth, group in groupby(lines, key=lambda line: line.depth)
    ]
    for number, (depth, texts) in enumerate(groups):
        following = groups[number + 1][0] if number + 1 < len(groups) else 0
        said = _find_attribution(texts) if following > depth else len(texts)
        if said and "".join(texts[:said]).strip():
            yield depth, _render_pre(texts[:said])
        if said < len(texts):
            yield depth, _render_pre(texts[said:], "attribution")


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


def _render_pre(texts: Sequence[str], noun: str = "") -> Markup:
    lines = list(texts)
    while not lines[0].strip():
        del lines[0]
    text = "\n".join(lines).rstrip()
    if noun:
        return Markup('<pre class="{}">{}</pre>\n').format(noun, text)
    return Markup("<pre>{}</pre>\n").format(text)


def mask_addresses(text: str) -> str:
    """Hide where mail goes to, as list archives do: `ak@xxxxxxx`."""
    return _ADDRESS.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    return f"{found.group(1)}@{'x' * len(found.group(2))}"

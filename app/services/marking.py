"""Passages marked in a section's HTML; its text stays as it is.

The HTML is what `markdown` made: well formed, with `<`, `>`, `&` and quotes
as entities. A passage is one element where it lies in one, else one for each
block it goes through; the first bears the id, the last a link to its note.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape, unescape
from typing import NamedTuple

MOST_MARKS = 60

_TOKEN = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^>]*>|[^<]+|<")
_UNIT = re.compile(r"&(?:#\d+|#x[0-9a-fA-F]+|\w+);|.", re.DOTALL)
_VOID = frozenset({"br", "hr", "img", "input", "wbr"})
_INLINE = frozenset(
    {"a", "abbr", "b", "code", "del", "em", "i", "ins", "s", "span"}
    | {"strong", "sub", "sup"}
)


class Mark(NamedTuple):
    """A passage, in code points of the text, and the number of its note."""

    start: int
    end: int
    number: int
    is_ghost: bool = False


@dataclass(slots=True)
class _Text:
    units: Sequence[str]  # characters, those that are escaped as entities

    @property
    def length(self) -> int:
        return len(self.units)

    def write(self) -> Iterator[str]:
        yield from self.units


@dataclass(slots=True)
class _Element:
    name: str
    head: str
    tail: str = ""
    children: list["_Element | _Text"] = field(default_factory=list)
    length: int = 0

    def write(self) -> Iterator[str]:
        yield self.head
        for child in self.children:
            yield from child.write()
        yield self.tail


_Node = _Element | _Text


def mark_passages(html: str, marks: Sequence[Mark]) -> str:
    """Return the HTML with its passages marked, the first few if many."""
    if not marks:
        return html
    root = _parse(html)
    for mark in marks[:MOST_MARKS]:
        _Marker(mark).mark(root)
    return "".join(root.write())


def _parse(html: str) -> _Element:
    root = _Element("", "")
    above = [root]
    for token in _TOKEN.finditer(html):
        raw, is_end, name = token[0], token[1], (token[2] or "").lower()
        if not name:
            units = [found[0] for found in _UNIT.finditer(raw)]
            above[-1].children.append(_Text(_combine(units)))
        elif is_end:
            if len(above) > 1 and above[-1].name == name:
                above.pop().tail = raw
        else:
            element = _Element(name, raw)
            above[-1].children.append(element)
            if name not in _VOID:
                above.append(element)
    _measure(root)
    return root


def _combine(units: Sequence[str]) -> list[str]:
    # an entity of more than one character counts as often
    combined = []
    for unit in units:
        combined.append(unit)
        combined += [""] * (len(unescape(unit)) - 1)
    return combined


def _measure(element: _Element) -> int:
    element.length = sum(
        child.length if isinstance(child, _Text) else _measure(child)
        for child in element.children
    )
    return element.length


def _is_break(node: _Node) -> bool:
    """Tell whether this is white space between blocks."""
    if isinstance(node, _Element):
        return False
    text = "".join(node.units)
    return "\n" in text and not text.strip()


class _Marker:
    """Puts one passage into elements of its own."""

    def __init__(self, mark: Mark) -> None:
        self.passage = mark
        self.last: _Element | None = None

    def mark(self, root: _Element) -> None:
        """Mark the passage, and link its end to the note."""
        self._enter(root, 0)
        if self.last is not None:
            number = self.passage.number
            link = (
                f'<a class="note-ref" href="#note-{number}" '
                f'data-number="{number}" aria-label="Note {number}">'
            )
            self.last.children.append(_Element("a", link, "</a>"))

    def _enter(self, element: _Element, at: int) -> None:
        start, end = self.passage.start, self.passage.end
        made: list[_Node] = []
        run: list[_Node] = []
        for child in element.children:
            after = at + child.length
            if after <= start or at >= end or not child.length:
                self._close(made, run)
                made.append(child)
            elif isinstance(child, _Text):
                units = child.units
                first, last = max(0, start - at), min(end - at, len(units))
                if first:
                    self._close(made, run)
                    made.append(_Text(units[:first]))
                run.append(_Text(units[first:last]))
                if last < len(units):
                    self._close(made, run)
                    made.append(_Text(units[last:]))
            elif start <= at and after <= end and child.name in _INLINE:
                run.append(child)
            else:
                self._close(made, run)
                self._enter(child, at)
                made.append(child)
            at = after
        self._close(made, run)
        element.children = made

    def _close(self, made: list[_Node], run: list[_Node]) -> None:
        if not run:
            return
        children = list(run)
        run.clear()
        if all(map(_is_break, children)):
            made += children
            return
        id_ = "" if self.last else f' id="passage-{self.passage.number}"'
        noun = "anchored ghost" if self.passage.is_ghost else "anchored"
        self.last = _Element(
            "span",
            f'<span class="{escape(noun)}"{id_}>',
            "</span>",
            children,
            sum(child.length for child in children),
        )
        made.append(self.last)

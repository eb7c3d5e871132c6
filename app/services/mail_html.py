"""The text of a mail that came as HTML alone; no HTML is ever shown.

Tags are told from words by a pattern that takes each character once, for a
parser that builds a tree takes minutes on nests that somebody made to that
end. What is left are words, line ends, and marks where text was quoted; a tag
that is misread leaves some of its letters, and is shown as text like others.
"""

import html
import re

LONGEST_HTML = 256 * 1024
DEEPEST = 20

BLOCKS = frozenset(
    {"p", "div", "li", "tr", "ul", "ol", "table", "blockquote", "pre", "dt"}
    | {"dd", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "br"}
)
GAPS = frozenset({"p", "blockquote", "pre", "table", "ul", "ol"})
DROPPED = frozenset({"script", "style", "title", "template"})

_PIECES = re.compile(
    r"<!--.*?(?:-->|\Z)|<[!?][^>]*(?:>|\Z)"
    r"|<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>?"
    r"|((?:[^<]+|<(?![a-zA-Z/!?]))+|<)",
    re.DOTALL,
)
_SPACES = re.compile(r"[ \t\r\n\f]+")


def read_html(text: str) -> str:
    """Return the words of an HTML text, quotations marked by `>`."""
    lines = _Lines()
    dropped = None
    for found in _PIECES.finditer(text[:LONGEST_HTML]):
        closing, name, words = found.groups()
        if words is not None:
            if dropped is None:
                lines.add(words)
        elif name is not None:
            name = name.lower()
            if dropped is not None:
                dropped = None if closing and name == dropped else dropped
            elif name in DROPPED:
                dropped = None if closing else name
            elif name in BLOCKS:
                lines.step(name, is_end=bool(closing))
    return lines.finish()


class _Lines:
    """Lines in the making: depth of quotation, a line's words, gaps."""

    def __init__(self) -> None:
        self._made: list[str] = []
        self._words: list[str] = []
        self._depth = 0
        self._kept = 0

    def add(self, words: str) -> None:
        """Add words; white space is kept where it was set so."""
        words = html.unescape(words)
        if not self._kept:
            self._words.append(_SPACES.sub(" ", words))
            return
        first, *others = words.split("\n")
        self._words.append(first)
        for line in others:
            self._end_line(is_wanted=True)
            self._words.append(line)

    def step(self, name: str, *, is_end: bool) -> None:
        """Pass the beginning or the end of an element."""
        self._end_line(is_wanted=name == "br")
        if is_end and name == "blockquote":
            self._depth = max(self._depth - 1, 0)
        if name in GAPS:
            self._add_gap()
        if name == "blockquote":
            self._depth += not is_end
        elif name == "pre":
            self._kept = max(self._kept + (-1 if is_end else 1), 0)
        elif name == "li" and not is_end:
            self._words.append("- ")

    def finish(self) -> str:
        """Return the text."""
        self._end_line(is_wanted=False)
        while self._made and not self._made[-1].strip("> "):
            self._made.pop()
        text = "\n".join(self._made).strip("\n")
        return f"{text}\n" if text else ""

    def _end_line(self, *, is_wanted: bool) -> None:
        words = "".join(self._words)
        words = words.rstrip() if self._kept else words.strip(" ")
        self._words = []
        if words or is_wanted:
            self._made.append(self._mark(words))

    def _add_gap(self) -> None:
        if self._made and self._made[-1].strip("> "):
            self._made.append(self._mark(""))

    def _mark(self, words: str) -> str:
        marks = ">" * min(self._depth, DEEPEST)
        if not marks:
            # words that look like a quotation are none
            return f" {words}" if words.startswith(">") else words
        return f"{marks} {words}" if words else marks

"""Sections: a document's headings, the text below each, and who points there.

The document is Markdown. A section is a heading and what follows up to the
next one; its blocks get ids (`apic-calls.p2`, `apic-calls.item6`) that
remarks point to.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markdown_it.token import Token

from app.services import markdown

MOST_SECTIONS = 2000
WHOLE_DOCUMENT = "whole document"
RESERVED = ("edit", "from-mail", "revisions", "suggestions", "upload")
"""Addresses below the document that are no section's."""

PARAGRAPHS = ("paragraph_open", "fence", "code_block")

_NUMBER = re.compile(r"(\d+(?:\.\d+)*)\)?\s+(.+)")
_APPENDIX = re.compile(r"(Appendix [A-Z])\s+[-\u2013]\s+(.+)")
_PATCH = re.compile(r"\(?(patch \d+/\d+)\)?")
_ITEMS = re.compile(r",\s+(items?\s+\d+(?:(?:,| and|, and)\s+\d+)*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedSection:
    """A heading of a document and its own text, rendered.

    `parent` is the position of the section it belongs to; `start` and `end`
    count code points.
    """

    position: int
    parent: int | None
    level: int
    number: str
    title: str
    anchor: str
    start: int
    end: int
    html: str


class Pointer(NamedTuple):
    """Where a reference in words leads: a section, or a patch beside it."""

    position: int | None
    note: str | None


class _Heading(NamedTuple):
    token: int  # its place among the tokens
    line: int
    level: int
    number: str
    title: str


class PointerError(ValueError):
    """Raised when a reference in words names no section."""


def parse_sections(text: str) -> list[ParsedSection]:
    """Return the sections of a document, in order.

    Text before the first heading belongs to no section; a document has one
    heading at least.
    """
    tokens = markdown.parse(text)
    headings = _find_headings(tokens)
    if not headings:
        raise ValueError("a document without a heading")
    if headings[0].line != 0:
        raise ValueError("a document starts with its heading")
    if len(headings) > MOST_SECTIONS:
        raise ValueError(f"more than {MOST_SECTIONS} headings")
    offsets = _get_line_offsets(text)
    anchors = dict.fromkeys(RESERVED, 1)
    parents: list[int] = []
    sections = []
    for position, heading in enumerate(headings):
        following = headings[position + 1 : position + 2]
        last = following[0].token if following else len(tokens)
        while parents and headings[parents[-1]].level >= heading.level:
            parents.pop()
        anchor = _make_anchor(heading, anchors)
        sections.append(
            ParsedSection(
                position=position,
                parent=parents[-1] if parents else None,
                level=heading.level,
                number=heading.number,
                title=heading.title,
                anchor=anchor,
                start=offsets[heading.line],
                end=offsets[following[0].line] if following else len(text),
                html=_render(tokens[heading.token + 3 : last], anchor),
            )
        )
        parents.append(position)
    return sections


def _find_headings(tokens: Sequence[Token]) -> list[_Heading]:
    headings = []
    for index, token in enumerate(tokens):
        if token.type != "heading_open" or token.level or not token.map:
            continue
        words = "".join(
            child.content for child in tokens[index + 1].children or ()
        ).strip()
        match = _NUMBER.fullmatch(words) or _APPENDIX.fullmatch(words)
        number, title = match.groups() if match else ("", words)
        headings.append(
            _Heading(index, token.map[0], int(token.tag[1:]), number, title)
        )
    return headings


def _get_line_offsets(text: str) -> list[int]:
    offsets = [0]
    for line in text.split("\n"):
        offsets.append(offsets[-1] + len(line) + 1)
    return offsets


def _make_anchor(heading: _Heading, taken: dict[str, int]) -> str:
    appendix = heading.number.startswith("Appendix")
    slug = make_slug(heading.number if appendix else heading.title)
    count = taken[slug] = taken.get(slug, 0) + 1
    return slug if count == 1 else f"{slug}-{count}"


def make_slug(words: str) -> str:
    """Return words as a part of an address: ASCII, lower case, hyphens."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore")
    slug = re.sub(r"[^a-z0-9]+", "-", plain.decode().lower()).strip("-")
    return slug[:80].rstrip("-") or "unnamed"


def _render(tokens: Sequence[Token], anchor: str) -> str:
    kept = list(tokens)
    while kept and kept[-1].type == "hr":
        kept.pop()  # the rule before the next heading
    paragraphs = 0
    items: set[str] = set()
    for token in kept:
        is_item = token.type == "list_item_open" and token.level == 1
        if is_item and token.info and token.info not in items:
            items.add(token.info)
            token.attrSet("id", f"{anchor}.item{token.info}")
        elif is_item or (token.type in PARAGRAPHS and token.level == 0):
            paragraphs += 1
            token.attrSet("id", f"{anchor}.p{paragraphs}")
    return markdown.render_tokens(kept)


class SectionIndex:
    """Finds the section that a reference in words means.

    References are those of the facts: `2.11 Local APIC support`,
    `Appendix A / MMU calls`, `Overview / Time Interface`, `3 Architectural
    differences, item 6`, `whole document`, `(patch 4/24)`.
    """

    def __init__(self, sections: Sequence[ParsedSection]) -> None:
        self._sections = sections
        self._numbers: Mapping[str, ParsedSection] = {
            section.number.casefold(): section
            for section in reversed(sections)
            if section.number
        }

    def resolve(self, words: str) -> Pointer:
        """Return where one reference leads, or raise PointerError."""
        words = words.strip()
        if words.casefold() == WHOLE_DOCUMENT:
            return Pointer(self._sections[0].position, None)
        patch = _PATCH.fullmatch(words)
        if patch:
            return Pointer(None, patch.group(1))
        items = _ITEMS.search(words)
        note = items.group(1) if items else None
        parts = (words[: items.start()] if items else words).split(" / ", 1)
        section = self._find_top(parts[0])
        if len(parts) > 1:
            section = self._find_below(section, parts[1])
        return Pointer(section.position, note)

    def resolve_all(self, words: str) -> list[Pointer]:
        """Return where references parted by semicolons lead."""
        return [self.resolve(part) for part in words.split(";") if part]

    def _find_top(self, words: str) -> ParsedSection:
        numbered = _NUMBER.fullmatch(words)
        number, title = numbered.groups() if numbered else (words, "")
        found = self._numbers.get(number.casefold())
        if found is None and not numbered:
            found = self._find_title(self._sections, words)
        if found is None:
            raise PointerError(f"no section is called {words!r}")
        if not found.title.casefold().startswith(title.casefold()):
            raise PointerError(
                f"section {number} is called {found.title!r}, not {title!r}"
            )
        return found

    def _find_below(self, parent: ParsedSection, title: str) -> ParsedSection:
        within = [s for s in self._sections if self._is_below(s, parent)]
        found = self._find_title(within, title)
        if found is None:
            raise PointerError(
                f"no section of {parent.number or parent.title!r} is called "
                f"{title!r}"
            )
        return found

    def _is_below(self, section: ParsedSection, parent: ParsedSection) -> bool:
        above = section.parent
        while above is not None:
            if above == parent.position:
                return True
            above = self._sections[above].parent
        return False

    @staticmethod
    def _find_title(
        sections: Sequence[ParsedSection], title: str
    ) -> ParsedSection | None:
        wanted = title.strip().casefold()
        return next(
            (s for s in sections if s.title.casefold() == wanted), None
        )

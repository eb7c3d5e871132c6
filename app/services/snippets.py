"""Snippets: the part of a text that was looked for, its words marked."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from app.services.search_query import Words

LONGEST_READ = 100_000
MOST_FOUND = 50
BEFORE = 60
LENGTH = 220
CHARACTERS = 4096
MARKED = 20
"""Most characters that stand between two words of a phrase."""

_EDGE_LEFT = r"(?<![0-9A-Za-z\x80-\U0010ffff])"
_EDGE_RIGHT = r"(?![0-9A-Za-z\x80-\U0010ffff])"
_REST = r"[0-9A-Za-z\x80-\U0010ffff]*"
_BETWEEN = rf"[^0-9A-Za-z\x80-\U0010ffff]{{1,{MARKED}}}"
# what a line of a mail begins with, where lines are run together
_SPACE = re.compile(r"\s*\n[>\s]*|\s+")
_OTHERS = re.compile(r"([^\x00-\x7f]+)")


class Part(NamedTuple):
    """A piece of a snippet, and whether it was looked for."""

    text: str
    is_marked: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """What finds words in a plain text: how each begins, and its whole."""

    begins: Sequence[str]
    wholes: Sequence[re.Pattern[str]]


def make_pattern(words: Iterable[Words]) -> Pattern | None:
    """Return what finds the words in a plain text; None if there are none."""
    asked = {(word.terms, word.is_prefix) for word in words}
    if not asked:
        return None
    # a phrase before a word that it begins with
    found = sorted(asked, reverse=True)
    return Pattern(
        [terms[0] for terms, _ in found],
        [
            re.compile(
                f"{_EDGE_LEFT}{_BETWEEN.join(map(re.escape, terms))}"
                f"{_REST if is_open else ''}{_EDGE_RIGHT}"
            )
            for terms, is_open in found
        ],
    )


def make_plain(text: str) -> str:
    """Return a text as it is compared, each character in its place."""
    if text.isascii():
        return text.lower()
    # every other piece is what is not ASCII
    pieces = _OTHERS.split(text)
    pieces[::2] = [piece.lower() for piece in pieces[::2]]
    pieces[1::2] = ["".join(map(_make_plain, p)) for p in pieces[1::2]]
    return "".join(pieces)


@lru_cache(maxsize=CHARACTERS)
def _make_plain(character: str) -> str:
    base = unicodedata.normalize("NFKD", character)[0].casefold()
    if len(base) == 1 and (base.isalnum() or base.isascii()):
        return base
    return character if character.isalnum() else " "


def mark(text: str, pattern: Pattern | None) -> list[Part]:
    """Return a whole short text, its words marked."""
    spans = _find(text, pattern)
    return _cut(text, 0, len(text), spans)


def make_snippet(text: str, pattern: Pattern | None) -> list[Part]:
    """Return the part of a text that has most of the words, marked."""
    text = text[:LONGEST_READ]
    spans = _find(text, pattern)
    start = max(0, _choose(spans) - BEFORE) if spans else 0
    # begin and end between words
    if start:
        start = text.rfind(" ", max(0, start - 20), start + 1) + 1 or start
    end = start + LENGTH
    if end < len(text):
        end = max(text.rfind(" ", start, end), start + LENGTH // 2)
    parts = _cut(text, start, end, spans)
    if start and parts:
        parts.insert(0, Part("… ", is_marked=False))
    if end < len(text) and parts:
        parts.append(Part(" …", is_marked=False))
    return parts


Span = tuple[int, int, int]


def _find(text: str, pattern: Pattern | None) -> list[Span]:
    """Return where the words are, and which of them it is."""
    if pattern is None:
        return []
    plain = make_plain(text)
    spans: list[Span] = []
    parts = zip(pattern.begins, pattern.wholes, strict=True)
    for which, (begin, whole) in enumerate(parts):
        at = plain.find(begin)
        most = len(spans) + MOST_FOUND
        while at >= 0 and len(spans) < most:
            found = whole.match(plain, at)
            if found:
                spans.append((at, found.end(), which))
            at = plain.find(begin, found.end() if found else at + 1)
    # of two that begin together the longer one
    return sorted(spans, key=lambda span: (span[0], -span[1]))


def _choose(spans: Sequence[Span]) -> int:
    """Return where the first stretch begins that has the most words."""
    best, most = spans[0][0], 0
    for number, (start, _, _) in enumerate(spans):
        near = {
            which
            for begin, _, which in spans[number : number + LENGTH]
            if begin < start + LENGTH - BEFORE
        }
        if len(near) > most:
            best, most = start, len(near)
    return best


def _cut(text: str, start: int, end: int, spans: Sequence[Span]) -> list[Part]:
    parts: list[Part] = []
    at = start
    for begin, finish, _ in spans:
        if begin < at or finish > end:
            continue
        parts.append(Part(text[at:begin], is_marked=False))
        parts.append(Part(text[begin:finish], is_marked=True))
        at = finish
    parts.append(Part(text[at:end], is_marked=False))
    run = [part._replace(text=_SPACE.sub(" ", part.text)) for part in parts]
    return [part for part in run if part.text]

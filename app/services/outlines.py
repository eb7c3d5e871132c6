"""The outline of a document: its places, and what tells them apart.

A place is a section, or a call that a section defines. Any text, a mail's or
another revision's, is read by the outline: a line that is a section's heading
or a call's entry says which place the text below belongs to.
"""

import math
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

LONGEST_HEADING = 90
LONGEST_TEXT = 400_000
STEM = 6
SHORTEST_NAME = 3
COMMON = 0.3
"""A word that is in more of the places tells none apart."""

STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a about above after again all also although am an and another any
        are as at be because been before being below both but by can cannot
        could did do does doing done down each either else even ever every
        few for from get go going good got had has have having he her here
        him his how i if in into is it its itself just know let like likely
        made make makes many may maybe me might more most much must my need
        neither never next no none nor not nothing now of off often on once
        one only onto or other others our out over own per perhaps put quite
        rather really right same say see seem seems shall she should since
        so some something still such than that the their them then there
        these they thing things think this those though through thus to
        today together too toward two under until up upon us use used using
        very want was way we well were what when where whether which while
        who whole whose why will with within without would yes yet you your
        """,
    )
)

_WORD = re.compile(r"[A-Za-z0-9_]+")
_MARKDOWN = re.compile(r"\s*#{1,6}\s+")
_NUMBERED = re.compile(
    r"(?:(\d+(?:\.\d+)*)[.)]?|(Appendix [A-Z]))\b[\s:.\u2013-]*(.*)",
    re.IGNORECASE,
)
_ENTRY = re.compile(
    r"\s*(?:#+ +)?(?:\d{1,3}[.)]\s+)?`?(\w{3,60})`?\s*:?\s*(?:\(.*\))?\s*"
)
_PROTOTYPE = re.compile(
    r"(?:[\w*]+\s+)+\*?(\w{3,60})\s*\((?:[^()]*\)\s*;?\s*|[^()]*,\s*)"
)


class Place(NamedTuple):
    """A section, or a call in the section that defines it."""

    section: int
    call: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineSection:
    """A section of the document under review."""

    id: int
    number: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineCall:
    """A call, the section that defines it, and what is said of it."""

    id: int
    name: str
    section: int
    native: str | None
    text: str


class Span(NamedTuple):
    """A passage of a section's text, in code points."""

    start: int
    end: int


class Mark(NamedTuple):
    """From where on a packed text belongs to a place."""

    start: int
    place: Place


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text without white space and in small, and where its places start.

    White space is nothing to go by: each mail program breaks lines anew.
    """

    packed: str
    marks: Sequence[Mark]

    def get_place(self, at: int) -> Place | None:
        """Return the place that a character belongs to."""
        number = bisect_right(self.marks, at, key=_get_start)
        return self.marks[number - 1].place if number else None

    def list_places(self, start: int, end: int) -> list[Place]:
        """Return the places of a passage in their order."""
        first = max(0, bisect_right(self.marks, start, key=_get_start) - 1)
        last = bisect_right(self.marks, end - 1, key=_get_start)
        found = (mark.place for mark in self.marks[first:last])
        return list(dict.fromkeys(found))


def _get_start(mark: Mark) -> int:
    return mark.start


def pack(text: str) -> str:
    """Return a text without white space and `+` of patches, in small."""
    return "".join(_strip_plus(line) for line in text.split("\n"))


def _strip_plus(line: str) -> str:
    bare = line.lstrip(" \t").removeprefix("+")
    return "".join(bare.split()).casefold()


def _pack_places(text: str) -> tuple[str, Sequence[int]]:
    """Return a text packed, and where each of its characters stands."""
    packed: list[str] = []
    places: list[int] = []
    at = 0
    for line in text.split("\n"):
        bare = line.lstrip(" \t").removeprefix("+")
        start = at + len(line) - len(bare)
        for number, letter in enumerate(bare, start):
            if not letter.isspace():
                # one letter may be several in small
                small = letter.casefold()
                packed.append(small)
                places += [number] * len(small)
        at += len(line) + 1
    return "".join(packed), places


def list_terms(text: str) -> list[str]:
    """Return a text's words that mean something, cut to their stems."""
    return [
        _cut(word)
        for word in _WORD.findall(text.casefold())
        if word not in STOPWORDS and (len(word) > 1 or word.isdigit())
    ]


def _cut(word: str) -> str:
    if "_" in word:
        return word
    if len(word) > SHORTEST_NAME and word[-1] == "s" and word[-2] != "s":
        word = word[:-1]
    return word[:STEM]


def list_features(text: str) -> Counter[str]:
    """Return a text's words, and its pairs of neighbouring words."""
    terms = list_terms(text)
    found = Counter(terms)
    found.update(f"{a} {b}" for a, b in pairwise(terms))
    return found


class Outline:
    """The places of a document, in order, and what is said at each.

    Parameters
    ----------
    sections
        The document's sections in their order.
    calls
        The calls that it defines, in their order; others are passed over.
    """

    def __init__(
        self,
        sections: Sequence[OutlineSection],
        calls: Sequence[OutlineCall],
    ) -> None:
        self.sections = {section.id: section for section in sections}
        self.calls = {
            call.id: call for call in calls if call.section in self.sections
        }
        by_section: dict[int, list[OutlineCall]] = defaultdict(list)
        for call in self.calls.values():
            by_section[call.section].append(call)
        self.places: list[Place] = []
        texts: list[str] = []
        for section in sections:
            self.places.append(Place(section.id, None))
            texts.append(f"{section.title}\n{section.text}")
            for call in by_section[section.id]:
                self.places.append(Place(section.id, call.id))
                texts.append(call.text)
        self.index = {place: n for n, place in enumerate(self.places)}
        self._features = [list_features(text) for text in texts]
        self._postings = self._make_postings()
        self._titles = _index_titles(sections)
        self._numbers = {
            section.number.casefold(): section
            for section in reversed(sections)
            if section.number
        }
        self._calls = {
            call.name.casefold(): Place(call.section, call.id)
            for call in self.calls.values()
        }
        self._short = _index_short_names(self.calls.values())
        self._packed: dict[int, tuple[str, Sequence[int]]] = {}

    def _make_postings(self) -> Mapping[str, tuple[float, list[int]]]:
        holders: dict[str, list[int]] = defaultdict(list)
        for number, features in enumerate(self._features):
            for feature in features:
                holders[feature].append(number)
        total = len(self._features)
        return {
            # a pair weighs less: its words count already
            feature: (
                math.log(total / len(found)) * (0.5 if " " in feature else 1),
                found,
            )
            for feature, found in holders.items()
            if len(found) <= max(1, COMMON * total)
        }

    def weigh(self, text: str) -> Mapping[int, float]:
        """Return how much a text has in common with each place.

        The weight of a word is the logarithm of how few places hold it.
        """
        weights: dict[int, float] = defaultdict(float)
        for feature in list_features(text):
            weight, holders = self._postings.get(feature, (0.0, ()))
            for number in holders:
                weights[number] += weight
        return weights

    def weigh_common(self, one: str, other: str) -> float:
        """Return how much two texts have in common, by the same weights."""
        shared = list_features(one).keys() & list_features(other).keys()
        return sum(self._postings.get(f, (0.0, ()))[0] for f in shared)

    def get_text(self, place: Place) -> str:
        """Return what the document says at a place."""
        text = self.sections[place.section].text
        return (
            text
            if place.call is None
            else f"{text}\n{self.calls[place.call].text}"
        )

    def find_span(self, place: Place, packed: str) -> Span | None:
        """Return where a place's section has packed words exactly once."""
        section = self.sections[place.section]
        if section.id not in self._packed:
            self._packed[section.id] = _pack_places(section.text)
        text, places = self._packed[section.id]
        at = text.find(packed)
        if at < 0 or text.find(packed, at + 1) >= 0:
            return None
        return Span(places[at], places[at + len(packed) - 1] + 1)

    def find_mark(self, line: str) -> tuple[Place, bool] | None:
        """Return what a line is the start of, and whether it is a heading.

        What else is there is the entry of a call, or its prototype.
        """
        if len(line) > LONGEST_HEADING or not line.strip():
            return None
        entry = _ENTRY.fullmatch(line)
        if entry and entry[1].casefold() in self._calls:
            return self._calls[entry[1].casefold()], True
        declared = _PROTOTYPE.fullmatch(line.strip())
        if declared and declared[1].casefold() in self._calls:
            return self._calls[declared[1].casefold()], False
        section = self._find_heading(line)
        return None if section is None else (Place(section.id, None), True)

    def _find_heading(self, line: str) -> OutlineSection | None:
        bare = _MARKDOWN.sub("", line).strip()
        if not bare[:1].isalnum():
            return None
        section = self._titles.get(_normalise(bare))
        if section is not None:
            return section
        numbered = _NUMBERED.fullmatch(bare)
        if numbered is None:
            return None
        by_title = self._titles.get(_normalise(numbered[3]))
        if by_title is not None:
            return by_title
        by_number = self._numbers.get(
            (numbered[1] or numbered[2] or "").casefold()
        )
        if by_number is None:
            return None
        title, found = _normalise(by_number.title), _normalise(numbered[3])
        return (
            by_number
            if found and (found.startswith(title) or title.startswith(found))
            else None
        )

    def read(self, text: str) -> ReadText:
        """Return a text as it is compared, and where its places start."""
        marks: list[Mark] = []
        parts: list[str] = []
        at = 0
        was_entry = False
        for line in text[:LONGEST_TEXT].split("\n"):
            packed = _strip_plus(line)
            found = self.find_mark(line.lstrip(" \t").removeprefix("+"))
            if found is not None and found[1]:
                place = found[0]
                if was_entry and place.call is not None:
                    # several entries share what stands below
                    place = Place(place.section, None)
                marks.append(Mark(at, place))
            if packed:
                was_entry = (
                    found is not None
                    and found[1]
                    and found[0].call is not None
                )
            parts.append(packed)
            at += len(packed)
        return ReadText("".join(parts), marks)

    def read_parts(
        self, parts: Iterable[tuple[Place | None, str]]
    ) -> ReadText:
        """Return a text whose parts are known to start at some places."""
        marks: list[Mark] = []
        packed: list[str] = []
        at = 0
        for place, text in parts:
            if place is not None:
                marks.append(Mark(at, place))
            read = self.read(text)
            marks += [Mark(at + m.start, m.place) for m in read.marks]
            packed.append(read.packed)
            at += len(read.packed)
        return ReadText("".join(packed), marks)

    def list_named(self, text: str) -> Counter[Place]:
        """Return the calls that a text names, and how often.

        A short name counts if it is no word of the language: `RDMSR`, not
        `Halt`; and so does the one instruction that a call stands for.
        """
        found: Counter[Place] = Counter()
        for word in _WORD.findall(text.casefold()):
            place = self._calls.get(word) or self._short.get(word)
            if place is not None:
                found[place] += 1
        return found


def _normalise(words: str) -> str:
    return " ".join(_WORD.findall(words.casefold()))


def _index_titles(
    sections: Iterable[OutlineSection],
) -> dict[str, OutlineSection]:
    """Index the sections by title; a title that two have names neither."""
    found: dict[str, list[OutlineSection]] = defaultdict(list)
    for section in sections:
        found[_normalise(section.title)].append(section)
    return {
        title: those[0]
        for title, those in found.items()
        if len(those) == 1 and title
    }


def _index_short_names(calls: Iterable[OutlineCall]) -> dict[str, Place]:
    found: dict[str, set[Place]] = defaultdict(set)
    natives: dict[str, set[Place]] = defaultdict(set)
    for call in calls:
        place = Place(call.section, call.id)
        short = call.name.partition("_")[2]
        if _is_no_word(short):
            found[short.casefold()].add(place)
        native = (call.native or "").strip().casefold()
        if _is_name(native):
            natives[native].add(place)
    for name, those in natives.items():
        found.setdefault(name, those)
    return {
        name: those.pop() for name, those in found.items() if len(those) == 1
    }


def _is_name(native: str) -> bool:
    return (
        native.isalnum()
        and len(native) >= SHORTEST_NAME
        and native not in STOPWORDS
    )


def _is_no_word(name: str) -> bool:
    humps = sum(a.islower() and b.isupper() for a, b in pairwise(name))
    return len(name) >= SHORTEST_NAME and (humps > 0 or name.isupper())

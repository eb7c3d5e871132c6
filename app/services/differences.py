"""Differences of two texts of the document: sections matched, words marked.

A section of the old text is found again by its anchor, its number and title,
a title that resembles it, or a text that does; what is left may have been
split off another section, or merged into one. All is bounded: nothing here
takes the square of what a stranger sends.
"""

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from diff_match_patch import diff_match_patch
from rapidfuzz import fuzz

LIKE_TITLE = 800
LIKE_TEXT = 500
HELD = 500
"""Least likeness, in thousandths, of titles, of texts, of a part."""

SHINGLE = 5
COMMON = 20  # sections that share a word or shingle which tells nothing
LONGEST_TITLE = 200
CERTAIN = 1000
SECONDS = 2.0
SURROGATES = range(0xD800, 0xE000)

Tokens = Sequence[Hashable]


class SectionText(NamedTuple):
    """A section as it is compared; `parent` is a place in the sequence.

    `id` is its row, or 0 before it is stored; `text` its own text.
    """

    id: int
    parent: int | None
    level: int
    number: str
    anchor: str
    title: str
    text: str


class MatchMethod(StrEnum):
    """By what a section was found again, or that it was not."""

    by_anchor = "anchor"
    by_number = "number"
    by_title = "title"
    by_text = "text"
    split_off = "split"
    merged = "merged"
    added = "added"
    removed = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionMatch:
    """A section of the old text and what became of it in the new one.

    `old` and `new` are places in the two sequences. A section that was split
    has several matches, as has one that others were merged into; the part
    that keeps its name comes by another method than `split_off` or `merged`.
    `score` is in thousandths. One that changed its place among the others, or
    its parent, `is_moved`.
    """

    old: int | None
    new: int | None
    method: MatchMethod
    score: int = CERTAIN
    is_moved: bool = False


def map_sections(
    old: Sequence[SectionText], new: Sequence[SectionText]
) -> list[SectionMatch]:
    """Return what became of each section, in the order of the new text.

    Sections that are no more come last, in the order of the old text.
    """
    found = _match_names(old, new)
    for score, a, b in _rank_titles(old, new, found):
        found.keep(a, b, MatchMethod.by_title, score)
    shingles = _Shingles(old, new)
    for score, a, b in shingles.rank_likeness():
        found.keep(a, b, MatchMethod.by_text, score)
    matches = [
        *found.by_old.values(),
        *_find_splits(new, found, shingles),
        *_find_merges(old, found, shingles),
    ]
    taken = {m.new for m in matches}
    matches += [
        SectionMatch(old=None, new=b, method=MatchMethod.added, score=0)
        for b in range(len(new))
        if b not in taken
    ]
    kept = {m.old for m in matches}
    matches += [
        SectionMatch(old=a, new=None, method=MatchMethod.removed, score=0)
        for a in range(len(old))
        if a not in kept
    ]
    moved = _find_moved(old, new, found)
    marked = [
        replace(m, is_moved=True)
        if m.old in moved and found.by_old.get(m.old) is m
        else m
        for m in matches
    ]
    return sorted(marked, key=_get_order)


def _get_order(match: SectionMatch) -> tuple[int, int]:
    last = 1 << 30
    return (
        last if match.new is None else match.new,
        -1 if match.old is None else match.old,
    )


class _Found:
    """The matches of one section each; the first that is kept is right."""

    def __init__(self) -> None:
        self.by_old: dict[int, SectionMatch] = {}
        self.taken: set[int] = set()

    def keep(
        self, old: int, new: int, method: MatchMethod, score: int = CERTAIN
    ) -> None:
        """Note a match, unless one of the two has one already."""
        if old in self.by_old or new in self.taken:
            return
        self.taken.add(new)
        self.by_old[old] = SectionMatch(
            old=old, new=new, method=method, score=score
        )


def _match_names(
    old: Sequence[SectionText], new: Sequence[SectionText]
) -> _Found:
    """Match by anchor, then by number together with the title."""
    found = _Found()
    places = {section.anchor: b for b, section in enumerate(new)}
    for a, section in enumerate(old):
        if section.anchor in places:
            found.keep(a, places[section.anchor], MatchMethod.by_anchor)
    named: dict[tuple[str, str], int] = {}
    for b, section in enumerate(new):
        if b not in found.taken and section.number:
            named.setdefault(_get_name(section), b)
    for a, section in enumerate(old):
        name = _get_name(section)
        if section.number and name in named:
            found.keep(a, named[name], MatchMethod.by_number)
    return found


def _get_name(section: SectionText) -> tuple[str, str]:
    return section.number.casefold(), section.title.casefold()


def _rank_titles(
    old: Sequence[SectionText], new: Sequence[SectionText], found: _Found
) -> list[tuple[int, int, int]]:
    """Return (score, old, new) of titles that are alike, best first."""
    index: defaultdict[str, list[int]] = defaultdict(list)
    for b, section in enumerate(new):
        if b not in found.taken:
            for word in _get_words(section):
                index[word].append(b)
    ranked = []
    for a, section in enumerate(old):
        if a in found.by_old:
            continue
        near = {
            b
            for word in _get_words(section)
            if len(index.get(word, ())) <= COMMON
            for b in index.get(word, ())
        }
        for b in near:
            score = _compare_titles(section, new[b])
            if score >= LIKE_TITLE:
                ranked.append((score, a, b))
    return sorted(ranked, key=lambda one: (-one[0], one[1], one[2]))


def _get_words(section: SectionText) -> set[str]:
    words = f"{section.number} {section.title}"[:LONGEST_TITLE]
    return set(words.casefold().split())


def _compare_titles(old: SectionText, new: SectionText) -> int:
    likeness = fuzz.ratio(
        old.title[:LONGEST_TITLE].casefold(),
        new.title[:LONGEST_TITLE].casefold(),
    )
    same = bool(old.number) and old.number == new.number
    return min(CERTAIN, round(likeness * 10) + (100 if same else 0))


class _Shingles:
    """Runs of words that sections of both texts have in common."""

    def __init__(
        self, old: Sequence[SectionText], new: Sequence[SectionText]
    ) -> None:
        self._old = [make_shingles(s.text) for s in old]
        self._new = [make_shingles(s.text) for s in new]
        index: defaultdict[int, list[int]] = defaultdict(list)
        for b, shingles in enumerate(self._new):
            for shingle in shingles:
                index[shingle].append(b)
        self.shared: Counter[tuple[int, int]] = Counter(
            (a, b)
            for a, shingles in enumerate(self._old)
            for shingle in shingles
            if len(index.get(shingle, ())) <= COMMON
            for b in index.get(shingle, ())
        )

    def rank_likeness(self) -> list[tuple[int, int, int]]:
        """Return (score, old, new) of texts that are alike, best first."""
        ranked = []
        for (a, b), count in self.shared.items():
            both = len(self._old[a]) + len(self._new[b]) - count
            score = CERTAIN * count // both
            if score >= LIKE_TEXT:
                ranked.append((score, a, b))
        return sorted(ranked, key=lambda one: (-one[0], one[1], one[2]))

    def find_sources(self) -> Mapping[int, tuple[int, int]]:
        """Return for a new section the old one that holds most of it."""
        return _find_holders(
            ((b, a, n) for (a, b), n in self.shared.items()), self._new
        )

    def find_targets(self) -> Mapping[int, tuple[int, int]]:
        """Return for an old section the new one that holds most of it."""
        return _find_holders(
            ((a, b, n) for (a, b), n in self.shared.items()), self._old
        )


def _find_holders(
    shared: Iterator[tuple[int, int, int]], parts: Sequence[frozenset[int]]
) -> dict[int, tuple[int, int]]:
    best: dict[int, tuple[int, int]] = {}
    for part, whole, count in sorted(shared):
        score = CERTAIN * count // len(parts[part])
        if score >= HELD and score > best.get(part, (0, 0))[1]:
            best[part] = (whole, score)
    return best


def make_shingles(text: str) -> frozenset[int]:
    """Return the hashes of a text's runs of words, case and lines aside."""
    words = text.casefold().split()
    if not words:
        return frozenset()
    return frozenset(
        hash(tuple(words[n : n + SHINGLE]))
        for n in range(max(1, len(words) - SHINGLE + 1))
    )


def _find_splits(
    new: Sequence[SectionText], found: _Found, shingles: _Shingles
) -> list[SectionMatch]:
    sources = shingles.find_sources()
    return [
        SectionMatch(
            old=sources[b][0],
            new=b,
            method=MatchMethod.split_off,
            score=sources[b][1],
        )
        for b in range(len(new))
        if b not in found.taken and b in sources
    ]


def _find_merges(
    old: Sequence[SectionText], found: _Found, shingles: _Shingles
) -> list[SectionMatch]:
    targets = shingles.find_targets()
    return [
        SectionMatch(
            old=a,
            new=targets[a][0],
            method=MatchMethod.merged,
            score=targets[a][1],
        )
        for a in range(len(old))
        if a not in found.by_old and a in targets
    ]


def _find_moved(
    old: Sequence[SectionText], new: Sequence[SectionText], found: _Found
) -> set[int]:
    """Return the old places of sections that stand elsewhere now.

    As few as can be: the longest run of sections that kept their order stays.
    """
    pairs = {a: m.new or 0 for a, m in sorted(found.by_old.items())}
    places = list(pairs)
    stayed = {places[n] for n in find_longest_run(list(pairs.values()))}
    moved = set(pairs) - stayed
    for a, b in pairs.items():
        above = old[a].parent
        if above in pairs and pairs[above] != new[b].parent:
            moved.add(a)
    return moved


def find_longest_run(values: Sequence[int]) -> list[int]:
    """Return the places of a longest rising run of values."""
    tails: list[int] = []
    lasts: list[int] = []
    before: list[int] = []
    for place, value in enumerate(values):
        at = bisect_left(tails, value)
        tails[at : at + 1] = [value]
        lasts[at : at + 1] = [place]
        before.append(lasts[at - 1] if at else -1)
    run = []
    place = lasts[-1] if lasts else -1
    while place >= 0:
        run.append(place)
        place = before[place]
    return run[::-1]


class Deadline:
    """Until when differences are looked for; what is left is replaced."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.at = time.time() + seconds


class Run(NamedTuple):
    """Tokens that stayed (0), went (-1) or came (1)."""

    change: int
    tokens: Sequence[Hashable]


def diff_tokens(old: Tokens, new: Tokens, deadline: Deadline) -> list[Run]:
    """Return the runs that make the new tokens of the old ones."""
    codes: dict[Hashable, str] = {}
    texts = [
        "".join(codes.setdefault(t, _get_code(len(codes))) for t in tokens)
        for tokens in (old, new)
    ]
    names = {code: token for token, code in codes.items()}
    tool = diff_match_patch()
    tool.Diff_Timeout = 0  # its shortcut heeds no deadline
    found = tool.diff_main(*texts, False, deadline.at)
    tool.diff_cleanupSemantic(found)
    return [Run(change, [names[c] for c in text]) for change, text in found]


def _get_code(number: int) -> str:
    start = SURROGATES.start
    return chr(number if number < start else number + len(SURROGATES))

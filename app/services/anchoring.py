"""Finding a quote again in a later text; pure, and the same for all quotes.

The rules, in this order: the clause is as it was, so the place is exact. The
words stand unchanged in what became of the clause, or unchanged and only once
elsewhere: they were moved. Else every place that is like the quote is scored,
and a lead decides between moving it, proposing it to a person, and giving it
up. Offsets count code points of a section's text.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from app.models import AnchorState
from app.services.annotations import find_all
from app.services.differences import MatchMethod, SectionMatch
from app.services.likeness import (
    LONGEST,
    SHORT,
    Hit,
    compare,
    find_hits,
)
from app.services.texts import Text, Words

CERTAIN = 1000
UNCHANGED = 990
SURE = 900
LEAD = 100
POSSIBLE = 600
"""Thousandths: a score, a lead over the next, and what is worth showing."""

QUOTE, PREFIX, SUFFIX, POSITION, PLACE = 50, 20, 20, 2, 10
"""What each part of a place's likeness counts; `PLACE` is the same clause or
call, and counts where one of them is still there."""

MOST_RIVALS = 10
MOST_EQUAL = 1000  # equal passages of one clause that are told apart
TELLING = 48
"""Characters that, found once in both texts, are the same words moved."""

LONGEST_WORD = 40
BESIDE = 200  # characters on each side that may have moved with them

MOST_WORK = 20_000_000_000  # characters of quotes times those of texts


class Method(StrEnum):
    """How a place was found."""

    original = "original"
    digest = "digest"
    unchanged = "unchanged"
    block = "block"
    search = "search"
    clause = "clause"
    call = "call"
    confirmed = "confirmed"
    limit = "limit"


class Quote(NamedTuple):
    """What is looked for, where it stood, and what stood around it.

    `section` is a place among the old sections, `sections` are places among
    the new ones that concern its call. A quote without `exact` speaks of the
    clause as a whole.
    """

    section: int
    start: int = 0
    end: int = 0
    exact: str = ""
    prefix: str = ""
    suffix: str = ""
    sections: frozenset[int] = frozenset()


class Candidate(NamedTuple):
    """A place that the quote may be at; `section` is one of the new ones."""

    score: int
    section: int
    start: int | None
    end: int | None
    exact: str


@dataclass(frozen=True, slots=True)
class Placing:
    """What became of a quote.

    `section` is where it is, or is proposed to be; of an orphan the clause
    that it stays pinned to, if that lives. `rivals` are all candidates that
    a person may choose from, best first.
    """

    state: AnchorState
    method: Method
    score: int
    section: int | None = None
    start: int | None = None
    end: int | None = None
    rivals: Sequence[Candidate] = ()


class Crossing:
    """The way from one revision's text to another's.

    Parameters
    ----------
    matches
        What became of each old section.
    """

    def __init__(
        self, old: Text, new: Text, matches: Sequence[SectionMatch]
    ) -> None:
        self.old, self.new = old, new
        self._targets = _order_targets(matches)
        self._words: dict[tuple[int, int], Words] = {}
        self._work = 0

    def place(self, quote: Quote) -> Placing:
        """Return what became of a quote."""
        if not quote.exact.strip():
            return self._place_clause(quote.section)
        return (
            self.find_unchanged(quote)
            or self._find_block(quote)
            or self._search(quote)
        )

    def get_clause(self, section: int) -> int | None:
        """Return what became of a section, first of all."""
        targets = self._targets.get(section)
        return targets[0].new if targets else None

    def find_unchanged(self, quote: Quote) -> Placing | None:
        """Return where the words stand in the clause, if none changed."""
        old = self.old.sections[quote.section]
        for match in self._targets.get(quote.section, ()):
            place = match.new or 0
            new = self.new.sections[place]
            if new.text == old.text:
                start, end = quote.start, quote.end
                if new.anchor == old.anchor:
                    return Placing(
                        AnchorState.exact,
                        Method.digest,
                        CERTAIN,
                        place,
                        start,
                        end,
                    )
            else:
                span = self._map_span(quote, place)
                if span is None:
                    continue
                start, end = span
            return Placing(
                AnchorState.moved,
                Method.unchanged,
                UNCHANGED,
                place,
                start,
                end,
            )
        return None

    def _map_span(self, quote: Quote, place: int) -> tuple[int, int] | None:
        pair = quote.section, place
        words = self._words.get(pair)
        if words is None:
            words = self._words[pair] = Words(
                self.old.sections[quote.section].text,
                self.new.sections[place].text,
            )
        span = words.map_span(quote.start, quote.end)
        if span is None or not self._is_same(quote, place, span[0]):
            return None
        return span

    def _is_same(self, quote: Quote, place: int, start: int) -> bool:
        """Tell whether it is this one of equal passages that stands there.

        It is if there are as many as there were and it is the same in their
        row, or if what stands around it tells it apart.
        """
        old = self.old.squeezed[quote.section]
        new = self.new.squeezed[place]
        wanted = _squeeze(quote.exact)
        before = list(islice(find_all(old.text, wanted), MOST_EQUAL))
        after = list(islice(find_all(new.text, wanted), MOST_EQUAL))
        if len(before) == len(after) < MOST_EQUAL:
            number = bisect_left(before, bisect_left(old.places, quote.start))
            at = bisect_left(new.places, start)
            return number < len(after) and after[number] == at
        around = _squeeze(quote.prefix + quote.exact + quote.suffix)
        return old.text.count(around) == new.text.count(around) == 1

    def _find_block(self, quote: Quote) -> Placing | None:
        """Return where the words went with what stood beside them."""
        text, places = self.old.squeezed[quote.section]
        start = bisect_left(places, quote.start)
        end = bisect_left(places, quote.end)
        if text[start:end] not in self.new.joined:
            return None

        def is_kept(first: int, last: int) -> bool:
            return text[first:last] in self.new.joined

        first = start - _find_most(
            min(start, BESIDE), lambda more: is_kept(start - more, end)
        )
        last = end + _find_most(
            min(len(text) - end, BESIDE),
            lambda more: is_kept(first, end + more),
        )
        block = text[first:last]
        if len(block) < TELLING or self.old.find_once(block) is None:
            return None
        found = self.new.find_once(block)
        if found is None:
            return None
        place, at = found
        at += start - first
        return Placing(
            AnchorState.moved,
            Method.block,
            UNCHANGED,
            place,
            *self.new.get_span(place, at, at + end - start),
        )

    def _search(self, quote: Quote) -> Placing:
        clause = self.get_clause(quote.section)
        size = min(LONGEST, len(quote.exact))
        self._work += size * self.new.size
        if self._work > MOST_WORK:
            return Placing(AnchorState.orphan, Method.limit, 0, clause)
        found = sorted(
            self._list_candidates(quote), key=lambda one: -one.candidate.score
        )
        if not found:
            return Placing(AnchorState.orphan, Method.search, 0, clause)
        best = found[0].candidate
        rivals = [one.candidate for one in found[:MOST_RIVALS]]
        lead = best.score - rivals[1].score if len(rivals) > 1 else CERTAIN
        if best.score >= SURE and lead >= LEAD:
            state = AnchorState.moved
        elif best.score >= POSSIBLE or any(one.is_kept for one in found):
            state = AnchorState.proposed
        else:
            return Placing(
                AnchorState.orphan,
                Method.search,
                best.score,
                clause,
                rivals=rivals,
            )
        return Placing(
            state,
            Method.search,
            best.score,
            best.section,
            best.start,
            best.end,
            rivals,
        )

    def _list_candidates(self, quote: Quote) -> Iterator["_Found"]:
        exact = _squeeze(quote.exact)
        before = self.old.squeezed[quote.section].places
        offset = bisect_left(before, quote.start)
        same = quote.sections | {
            match.new
            for match in self._targets.get(quote.section, ())
            if match.new is not None
        }
        whole = QUOTE + PREFIX + SUFFIX + POSITION + (PLACE if same else 0)
        at = (self.old.starts[quote.section] + offset) / self.old.size
        for place, squeezed in enumerate(self.new.squeezed):
            for hit in find_hits(exact, squeezed.text, offset):
                there = (self.new.starts[place] + hit.start) / self.new.size
                points = (
                    _weigh(quote, squeezed.text, hit)
                    + POSITION * (1 - abs(there - at))
                    + (PLACE if place in same else 0)
                )
                start, end = squeezed.get_span(hit.start, hit.end)
                if hit.likeness < 1:
                    text = self.new.sections[place].text
                    start, end = _complete_words(text, start, end)
                yield _Found(
                    Candidate(
                        round(CERTAIN * points / whole),
                        place,
                        start,
                        end,
                        self.new.sections[place].text[start:end],
                    ),
                    is_kept=hit.likeness == 1
                    and (len(exact) >= SHORT or place in same),
                )

    def _place_clause(self, section: int) -> Placing:
        """Return what became of a clause that is spoken of as a whole."""
        old = self.old.sections[section]
        rivals = []
        for match in self._targets.get(section, ()):
            place = match.new or 0
            new = self.new.sections[place]
            if match.method == MatchMethod.by_anchor and new.text == old.text:
                return Placing(
                    AnchorState.exact, Method.digest, CERTAIN, place
                )
            if match.method in (MatchMethod.by_anchor, MatchMethod.by_number):
                score = UNCHANGED
            else:
                score = min(match.score, UNCHANGED)
            rivals.append(Candidate(score, place, None, None, new.title))
        rivals.sort(key=lambda rival: -rival.score)
        if not rivals:
            return Placing(AnchorState.orphan, Method.clause, 0)
        best = rivals[0]
        lead = best.score - rivals[1].score if len(rivals) > 1 else CERTAIN
        sure = best.score >= SURE and lead >= LEAD
        return Placing(
            AnchorState.moved if sure else AnchorState.proposed,
            Method.clause,
            best.score,
            best.section,
            rivals=() if sure else rivals[:MOST_RIVALS],
        )


class _Found(NamedTuple):
    candidate: Candidate
    is_kept: bool  # the words themselves: never given up


def _find_most(most: int, holds: Callable[[int], bool]) -> int:
    """Return the largest number for which something holds; it does for 0.

    Where it holds, it holds for all smaller numbers.
    """
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        if holds(middle):
            least = middle
        else:
            most = middle - 1
    return least


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _complete_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without half a word, unless that is a long one."""
    first, last = start, end
    while first and text[first - 1 : first + 1].isalnum():
        first -= 1
    while last < len(text) and text[last - 1 : last + 1].isalnum():
        last += 1
    is_near = start - first <= LONGEST_WORD and last - end <= LONGEST_WORD
    return (first, last) if is_near else (start, end)


def _weigh(quote: Quote, text: str, hit: Hit) -> float:
    """Return the points of a place for its words and those around it."""
    prefix, suffix = _squeeze(quote.prefix), _squeeze(quote.suffix)
    before = text[max(0, hit.start - len(prefix)) : hit.start]
    after = text[hit.end : hit.end + len(suffix)]
    return (
        QUOTE * hit.likeness
        + PREFIX * compare(prefix, before)
        + SUFFIX * compare(suffix, after)
    )


def _order_targets(
    matches: Sequence[SectionMatch],
) -> Mapping[int, list[SectionMatch]]:
    """Return what became of each section; what keeps its name first."""
    targets: dict[int, list[SectionMatch]] = {}
    for match in matches:
        if match.old is not None and match.new is not None:
            targets.setdefault(match.old, []).append(match)
    for found in targets.values():
        found.sort(key=lambda m: (m.method == MatchMethod.split_off, -m.score))
    return targets

"""Where a quote may come from: evidence, scores, and what is sure enough.

Each kind of evidence gives places a score between 0 and 1; kinds that agree
strengthen one another. Nothing is decided by the best score alone: it must be
high, and well ahead of every other place.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from app.services.likeness import find_hits
from app.services.outlines import Outline, Place, ReadText, Span, pack

SURE = 0.90
LEAD = 0.10
WORTH_SHOWING = 0.60
WORTH_KEEPING = 0.15
MOST_CANDIDATES = 8
CERTAIN = 0.99

FOUND = 0.98
FOUND_SHORT = 0.92
SHORT = 40
SHORTEST = 10
COVERED = 0.6
WORDS_ALONE = 0.85
ENTRY = 0.97
PROTOTYPE = 0.93
NAMED = 0.88
LONGEST_QUOTE = 4000
MOST_ERRORS = 0.15
MOST_FINDS = 20
MOST_PAIRS = 500_000_000
PIECE = 12
PIECES = 12
FEWEST_PIECES = 2

EVIDENCE_WEIGHT = 0.5
"""Words are no independent evidence: each counts for half of its weight."""

NOISE = 5.0
"""The weight that a quote of something else is expected to have by chance."""

IS_OTHER = 0.5
STAYS, GOES_ON, GOES_BACK = 0.5, 0.4, 0.1
ELSEWHERE = 0.05


class Method(StrEnum):
    """How a candidate was found."""

    source = "source"
    entry = "entry"
    parent = "parent"
    reply = "reply"
    named = "named"
    words = "words"
    overlap = "overlap"


VERBATIM = frozenset({Method.source, Method.entry})


class Candidate(NamedTuple):
    """A place that a quote may be from; `score` is between 0 and 1.

    `span` is where the section has the quote's own words, if it has them.
    """

    place: Place
    score: float
    method: str
    span: Span | None = None


class Effort:
    """What may be spent on one mail's comparisons, in pairs of characters.

    A mail is a stranger's: however it is made up, it keeps nobody waiting.
    """

    def __init__(self, pairs: int = MOST_PAIRS) -> None:
        self._left = pairs

    def spend(self, pairs: int) -> bool:
        """Tell whether there is enough left, and take it."""
        if pairs > self._left:
            return False
        self._left -= pairs
        return True


@dataclass(slots=True)
class Scores:
    """The evidence on one quote, by place and kind."""

    effort: Effort = field(default_factory=Effort)
    found: defaultdict[Place, dict[Method, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def add(self, place: Place, method: Method, score: float) -> None:
        """Take evidence in; of one kind the strongest counts."""
        kinds = self.found[place]
        kinds[method] = max(kinds.get(method, 0.0), score)

    def is_verbatim(self, place: Place) -> bool:
        """Tell whether the quote has the document's own words or names."""
        return not VERBATIM.isdisjoint(self.found.get(place, ()))

    def rank(self) -> list[Candidate]:
        """Return all places worth keeping, the best first."""
        ranked = [
            Candidate(place, _combine(kinds), _name(kinds))
            for place, kinds in self.found.items()
        ]
        ranked.sort(key=lambda c: (-c.score, c.place.call is None, c.place))
        return [c for c in ranked if c.score >= WORTH_KEEPING][
            :MOST_CANDIDATES
        ]


def _combine(kinds: Mapping[Method, float]) -> float:
    # a name is a word too: it is not counted twice
    words = max(kinds.get(Method.words, 0.0), kinds.get(Method.named, 0.0))
    others = [
        score
        for kind, score in kinds.items()
        if kind not in {Method.words, Method.named}
    ]
    return min(CERTAIN, 1 - math.prod(1 - score for score in [words, *others]))


def _name(kinds: Mapping[Method, float]) -> str:
    return max(kinds, key=lambda kind: kinds[kind]).value


def decide(candidates: Sequence[Candidate]) -> Place | None:
    """Return the place that is sure, or None.

    A section is no rival of a call that it defines.
    """
    if not candidates:
        return None
    best = candidates[0]
    if best.score < SURE:
        return None
    rivals = [c.score for c in candidates if _is_rival(c.place, best.place)]
    return (
        best.place if not rivals or best.score - max(rivals) >= LEAD else None
    )


def _is_rival(other: Place, best: Place) -> bool:
    if other.section != best.section:
        return True
    return best.call is not None and other.call not in {best.call, None}


def find_exactly(text: str, wanted: str) -> list[tuple[int, int, float]]:
    """Return where a quote stands in a text; both are packed."""
    places: list[tuple[int, int, float]] = []
    at = text.find(wanted)
    while at >= 0 and len(places) < MOST_FINDS:
        places.append((at, at + len(wanted), 1.0))
        at = text.find(wanted, at + 1)
    return places


def find_nearly(
    text: str, wanted: str, effort: Effort
) -> list[tuple[int, int, float]]:
    """Return where a text is nearly a quote, each place with its likeness.

    Both are packed. What shares no longer piece with the quote is passed
    over.
    """
    wanted = wanted[:LONGEST_QUOTE]
    if len(wanted) < SHORT or len(text) * (1 + MOST_ERRORS) < len(wanted):
        return []
    step = max(PIECE, len(wanted) // PIECES)
    shared = sum(
        wanted[at : at + PIECE] in text
        for at in range(0, len(wanted) - PIECE + 1, step)
    )
    if shared < FEWEST_PIECES or not effort.spend(len(wanted) * len(text)):
        return []
    return [
        (hit.start, hit.end, hit.likeness)
        for hit in find_hits(wanted, text)
        if hit.likeness >= 1 - MOST_ERRORS
    ]


def score_sources(
    scores: Scores,
    sources: Iterable[ReadText],
    packed: str,
    *,
    is_near: bool,
) -> bool:
    """Look a quote up in the texts that the document was posted as.

    Returns whether it is there. Its last line is what is answered: a quote
    that goes over several places belongs to the last, and may belong to the
    others.
    """
    if len(packed) < SHORTEST:
        return False
    last: dict[Place, float] = {}
    covered: dict[Place, float] = {}
    for source in sources:
        places = find_exactly(source.packed, packed)
        if not places and is_near:
            places = find_nearly(source.packed, packed, scores.effort)
        for start, end, likeness in places:
            through = source.list_places(start, end)
            if through:
                last[through[-1]] = likeness
                covered.update(dict.fromkeys(through, likeness))
    sure = FOUND if len(packed) >= SHORT else FOUND_SHORT
    for place, likeness in covered.items():
        share = sure / len(last) if place in last else COVERED
        scores.add(place, Method.source, share * likeness)
    return bool(last)


def score_entries(scores: Scores, outline: Outline, text: str) -> None:
    """Take the headings, entries and prototypes that a quote holds."""
    places: list[tuple[Place, float]] = []
    for line in text[:LONGEST_QUOTE].split("\n"):
        mark = outline.find_mark(line.lstrip(" \t").removeprefix("+"))
        if mark is not None:
            places.append((mark[0], ENTRY if mark[1] else PROTOTYPE))
    for place, _ in places:
        scores.add(place, Method.entry, COVERED)
    if places:
        scores.add(places[-1][0], Method.entry, places[-1][1])


def score_order(
    outline: Outline,
    weights: Sequence[Mapping[int, float]],
    known: Sequence[Place | None],
    within: frozenset[int] | None = None,
) -> list[Mapping[int, float]]:
    """Return how likely each place is for each quote of a mail.

    Whoever answers a document goes through it from the top down. So what a
    quote has in common with each place is weighed together with where those
    before and after it are from (the forward-backward algorithm, with the
    place as hidden state). A quote may be from somewhere else, whatever its
    place would be.

    Parameters
    ----------
    weights
        What each quote has in common with each place, by its number.
    known
        The places that are known already.
    within
        The places that the answered mail is about, if that is known.
    """
    total = len(outline.places)
    likely = [
        _get_likelihoods(outline, total, weight, place, within)
        for weight, place in zip(weights, known, strict=True)
    ]
    noise = math.exp(EVIDENCE_WEIGHT * NOISE)
    emitted = [
        [(1 - IS_OTHER) * one + IS_OTHER * noise for one in row]
        for row in likely
    ]
    beliefs = _pass(emitted, total)
    found: list[Mapping[int, float]] = []
    for row, belief in zip(likely, beliefs, strict=True):
        found.append(
            {
                number: belief[number]
                * ((1 - IS_OTHER) * one)
                / ((1 - IS_OTHER) * one + IS_OTHER * noise)
                for number, one in enumerate(row)
                if belief[number] > WORTH_KEEPING / 10
            }
        )
    return found


def _get_likelihoods(
    outline: Outline,
    total: int,
    weights: Mapping[int, float],
    known: Place | None,
    within: frozenset[int] | None,
) -> list[float]:
    if known is not None:
        row = [math.exp(-EVIDENCE_WEIGHT * NOISE)] * total
        row[outline.index[known]] = math.exp(6 * EVIDENCE_WEIGHT * NOISE)
        return row
    row = [1.0] * total
    for number, weight in weights.items():
        row[number] = math.exp(min(EVIDENCE_WEIGHT * weight, 30.0))
    if within is not None:
        row = [
            one if number in within else one * ELSEWHERE
            for number, one in enumerate(row)
        ]
    return row


def _pass(emitted: Sequence[Sequence[float]], total: int) -> list[list[float]]:
    """Return what is believed of each step, seen from both ends."""
    forward: list[list[float]] = []
    belief = [1 / total] * total
    for step, row in enumerate(emitted):
        if step:
            belief = _move(belief, total)
        belief = _normalise([a * b for a, b in zip(belief, row, strict=True)])
        forward.append(belief)
    behind = [1.0] * total
    beliefs = [forward[-1]] if forward else []
    for step in range(len(emitted) - 2, -1, -1):
        seen = [a * b for a, b in zip(behind, emitted[step + 1], strict=True)]
        behind = _normalise(_move(seen, total, is_back=True))
        beliefs.append(
            _normalise(
                [a * b for a, b in zip(forward[step], behind, strict=True)]
            )
        )
    return beliefs[::-1]


def _move(
    belief: Sequence[float], total: int, *, is_back: bool = False
) -> list[float]:
    """Go one quote further: the same place, a later one, seldom an earlier.

    `is_back` goes the other way, from what is seen to what it came from.
    """
    moved = []
    whole = sum(belief)
    before = 0.0
    for mass in belief:
        after = whole - before - mass
        ahead, back = (after, before) if is_back else (before, after)
        moved.append(
            STAYS * mass + (GOES_ON * ahead + GOES_BACK * back) / total
        )
        before += mass
    return moved


def _normalise(row: Sequence[float]) -> list[float]:
    whole = sum(row) or 1.0
    return [one / whole for one in row]


def pack_quote(text: str) -> str:
    """Return a quote as it is compared, no longer than is looked for."""
    return pack(text[: 4 * LONGEST_QUOTE])[: 2 * LONGEST_QUOTE]

"""Where a quote may stand in a text: every place that is like it.

Both are without white space, for lines are broken anew. A filter looks whether
anything is like the quote at all, then the edit distance finds all places, the
best first and the next ones behind it. The work is bounded whatever the texts.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import edlib
from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from app.services.annotations import find_all

LEAST = 0.6
"""What is less like the quote is no candidate."""

SHORT = 12
"""A quote of fewer characters is found verbatim only: all is like it."""

LONGEST = 5000
"""A longer quote is looked for by its beginning."""

MOST_PLACES = 20
MOST_ROUNDS = 4
FILTERED = 100  # a longer quote is compared as fast as it is filtered
CUTOFF = 45
ALPHABET = 250  # the edit distance takes 256 different characters
GAP = "\n"  # is white space, so it stands in neither


class Hit(NamedTuple):
    """A place that is like the quote, from 0 to 1."""

    start: int
    end: int
    likeness: float


def find_hits(quote: str, text: str, near: int = 0) -> list[Hit]:
    """Return the places in a text that are like a quote, best first.

    None overlaps another. Of more than can be listed, those stay that are
    nearest to `near`.
    """
    needle = quote[:LONGEST]
    if not needle or not text:
        return []
    if len(needle) < SHORT:
        size = len(needle)
        same = [Hit(at, at + size, 1.0) for at in find_all(text, needle)]
        return _keep_nearest(same, near)
    if not _is_anywhere(needle, text):
        return []
    hits: list[Hit] = []
    code, blotted = _reduce(needle, text)
    for _ in range(MOST_ROUNDS):
        found = _find_tied(code, blotted, near)
        if not found:
            break
        hits += found
        blotted = _blot_out(blotted, found)
    if code is not needle:
        hits = [_weigh(needle, text, hit) for hit in hits]
    return [hit for hit in hits if hit.likeness >= LEAST][:MOST_PLACES]


def compare(one: str, other: str) -> float:
    """Return how alike two texts are, from 0 to 1."""
    return float(Levenshtein.normalized_similarity(one, other))


def _weigh(needle: str, text: str, hit: Hit) -> Hit:
    found = text[hit.start : hit.end]
    return Hit(hit.start, hit.end, compare(needle, found))


def _is_anywhere(needle: str, text: str) -> bool:
    if len(needle) > FILTERED:
        return True
    return fuzz.partial_ratio(needle, text, score_cutoff=CUTOFF) > 0


def _reduce(needle: str, text: str) -> tuple[str, str]:
    """Return both in few different characters, if they have too many.

    What was equal stays so; now and then others become equal too.
    """
    if needle.isascii() and text.isascii():  # known without looking
        return needle, text
    if len({*needle, *text}) < ALPHABET:
        return needle, text
    return _recode(needle), _recode(text)


def _recode(text: str) -> str:
    return "".join(chr(0x100 + ord(c) % (ALPHABET - 1)) for c in text)


def _find_tied(needle: str, text: str, near: int) -> list[Hit]:
    """Return the places with the least edit distance, if it is small."""
    most = int(len(needle) * (1 - LEAST))
    found = edlib.align(needle, text, mode="HW", task="distance", k=most)
    distance = found["editDistance"]
    if distance < 0:
        return []
    ends = sorted(
        _gather_ends(found["locations"], len(needle) // 2),
        key=lambda ends: abs(ends[0] - len(needle) - near),
    )
    hits = []
    for first, last in sorted(ends[: 2 * MOST_PLACES]):
        start = _find_start(needle, text, first + 1, most)
        # of equally good ends the one that makes it as long as the quote
        end = max(first, min(last, start + len(needle) - 1)) + 1
        longest = max(len(needle), end - start)
        if GAP not in text[start:end]:
            hits.append(Hit(start, end, 1 - distance / longest))
    return _keep_nearest(hits, near)


def _gather_ends(
    locations: Sequence[tuple[int | None, int]], width: int
) -> Iterator[tuple[int, int]]:
    """Return the first and last end of each place."""
    first = last = None
    for _, end in locations:
        if first is None or last is None or end - first >= width:
            if first is not None and last is not None:
                yield first, last
            first = end
        last = end
    if first is not None and last is not None:
        yield first, last


def _find_start(needle: str, text: str, end: int, most: int) -> int:
    window = text[max(0, end - len(needle) - most) : end]
    found = edlib.align(
        needle[::-1], window[::-1], mode="SHW", task="distance"
    )
    ends: list[int] = [end for _, end in found["locations"]]
    length = min(ends, key=lambda end: abs(end + 1 - len(needle))) + 1
    return end - length


def _keep_nearest(hits: Sequence[Hit], near: int) -> list[Hit]:
    """Return some places in order; none overlaps one that is nearer."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: abs(hit.start - near)):
        if all(hit.end <= k.start or k.end <= hit.start for k in kept):
            kept.append(hit)
        if len(kept) >= MOST_PLACES:
            break
    return sorted(kept)


def _blot_out(text: str, hits: Sequence[Hit]) -> str:
    parts = []
    last = 0
    for hit in sorted(hits):
        parts += [text[last : hit.start], GAP * (hit.end - hit.start)]
        last = hit.end
    return "".join([*parts, text[last:]])

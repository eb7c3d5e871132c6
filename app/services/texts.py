"""Texts made ready to look for quotes in them, and for their words.

White space is left aside, in which lines are broken anew.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice

from rapidfuzz.distance import Indel

from app.services.annotations import find_all, squeeze
from app.services.differences import SectionText
from app.services.likeness import GAP

MOST_CELLS = 400_000_000  # of a table of tokens

_TOKEN = re.compile(r"\w+|[^\w\s]")


class Text:
    """A revision's text, made ready to look for quotes in it."""

    def __init__(self, sections: Sequence[SectionText]) -> None:
        self.sections = sections
        self.squeezed = [squeeze(section.text) for section in sections]
        self.starts: list[int] = []
        size = 0
        for squeezed in self.squeezed:
            self.starts.append(size)
            size += len(squeezed.text) + 1
        self.size = max(1, size)
        self.joined = GAP.join(squeezed.text for squeezed in self.squeezed)

    def find_once(self, needle: str) -> tuple[int, int] | None:
        """Return the section and offset of what stands here exactly once."""
        found = list(islice(find_all(self.joined, needle), 2))
        if len(found) != 1:
            return None
        section = bisect_right(self.starts, found[0]) - 1
        return section, found[0] - self.starts[section]

    def get_span(self, section: int, start: int, end: int) -> tuple[int, int]:
        """Return where squeezed characters stand in the section's text."""
        return self.squeezed[section].get_span(start, end)


class Words:
    """Which words of one text stand unchanged in another, and where."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = _tokenize(old), _tokenize(new)
        self.starts = [at for _, at in self.old]
        words = [[token for token, _ in side] for side in (self.old, self.new)]
        self.blocks: list[tuple[int, int, int]] = []
        if len(words[0]) * len(words[1]) <= MOST_CELLS:
            self.blocks = [
                (op.src_start, op.src_end, op.dest_start)
                for op in Indel.opcodes(*words)
                if op.tag == "equal"
            ]

    def map_span(self, start: int, end: int) -> tuple[int, int] | None:
        """Return where a span of the old text stands, if no word changed."""
        first = max(0, bisect_right(self.starts, start) - 1)
        last = bisect_right(self.starts, end - 1) - 1
        for from_, to, dest in self.blocks:
            if from_ <= first <= last < to:
                shift = dest - from_
                return (
                    self._map_place(first, first + shift, start),
                    self._map_place(last, last + shift, end),
                )
        return None

    def _map_place(self, old: int, new: int, place: int) -> int:
        word, at = self.old[old]
        return self.new[new][1] + min(max(0, place - at), len(word))


def _tokenize(text: str) -> list[tuple[str, int]]:
    return [(found[0], found.start()) for found in _TOKEN.finditer(text)]

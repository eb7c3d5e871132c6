"""Where in a revision's text a client's selectors point.

The quote decides, wherever it stands; what stands around it, the clause that
was named and the position tell equal passages apart, in this order. What is
not there verbatim is looked for as the anchors of a later revision are, and
only proposed; what is nowhere is an orphan.
"""

import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from app.models import AnchorState
from app.services.anchoring import (
    CERTAIN,
    LEAD,
    MOST_RIVALS,
    POSSIBLE,
    SURE,
    Candidate,
)
from app.services.annotation_selectors import Selection
from app.services.annotations import Squeezed, find_all, read_text, squeeze
from app.services.likeness import find_hits

MOST_EQUAL = 1000
"""Equal passages that are told apart; more are as good as none."""

KEPT_SECTIONS = 400


class Clause(NamedTuple):
    """A section of a revision with its text, ready to be looked through."""

    id: int
    anchor: str
    number: str
    title: str
    text: str
    squeezed: Squeezed


class Spot(NamedTuple):
    """Where something points: a clause and a span of it, and how sure."""

    state: AnchorState
    score: int
    clause: int | None
    start: int | None = None
    end: int | None = None
    rivals: Sequence[Candidate] = ()


class _Text(NamedTuple):
    text: str
    squeezed: Squeezed


@lru_cache(maxsize=KEPT_SECTIONS)
def _read(html: str) -> _Text:
    text = read_text(html)
    squeezed = squeeze(text)
    # packed, for many are kept
    return _Text(text, Squeezed(squeezed.text, array("I", squeezed.places)))


def make_clause(
    id_: int, anchor: str, number: str, title: str, html: str
) -> Clause:
    """Return a section, ready to be looked through; its text is kept."""
    return Clause(id_, anchor, number, title, *_read(html))


def find_spot(
    clauses: Sequence[Clause], selection: Selection, named: int | None
) -> Spot:
    """Return where a selection is.

    Parameters
    ----------
    clauses
        The sections of one revision, in order.
    named
        The place of the clause that was named, if one was.
    """
    if selection.exact.strip():
        return (
            _find_verbatim(clauses, selection, named)
            or _find_across(clauses, selection)
            or _find_like(clauses, selection, named)
        )
    if selection.start is None:
        state = AnchorState.orphan if named is None else AnchorState.exact
        return Spot(state, CERTAIN if named is not None else 0, named)
    return _find_position(clauses, selection, named)


def _find_position(
    clauses: Sequence[Clause], selection: Selection, named: int | None
) -> Spot:
    """Return what stands at a position; only a clause's own are sure."""
    start, end = selection.start or 0, selection.end or 0
    if named is not None and selection.is_inside:
        if start < end <= len(clauses[named].text):
            return Spot(AnchorState.exact, CERTAIN, named, start, end)
        return Spot(AnchorState.orphan, 0, named)
    before = 0
    for place, clause in enumerate(clauses):
        size = len(clause.text)
        if start < end and before <= start and end <= before + size:
            # which text the client counted in is not known
            span = start - before, end - before
            return _propose(clauses, [(POSSIBLE, place, *span)])
        before += size
    return Spot(AnchorState.orphan, 0, named)


def _find_verbatim(
    clauses: Sequence[Clause], selection: Selection, named: int | None
) -> Spot | None:
    wanted = _squeeze(selection.exact)
    found = list(islice(_list_same(clauses, wanted), MOST_EQUAL))
    if not found:
        return None
    prefix, suffix = _squeeze(selection.prefix), _squeeze(selection.suffix)
    starts = _count_starts(clauses)

    def weigh(place: tuple[int, int]) -> tuple[int, bool, int]:
        number, at = place
        text = clauses[number].squeezed.text
        before = text[max(0, at - len(prefix)) : at]
        end = at + len(wanted)
        around = _count_same(prefix[::-1], before[::-1])
        around += _count_same(suffix, text[end : end + len(suffix)])
        offset = clauses[number].squeezed.places[at]
        if not selection.is_inside:
            offset += starts[number]
        return around, number == named, -abs(offset - (selection.start or 0))

    place, at = max(found, key=weigh)
    start, end = clauses[place].squeezed.get_span(at, at + len(wanted))
    end = _complete(clauses[place].text, end)
    return Spot(AnchorState.exact, CERTAIN, place, start, end)


def _complete(text: str, end: int) -> int:
    """Return where a span ends that parts no letter from its marks."""
    while end < len(text) and unicodedata.category(text[end])[0] == "M":
        end += 1
    return end


def _list_same(
    clauses: Sequence[Clause], wanted: str
) -> Iterator[tuple[int, int]]:
    for place, clause in enumerate(clauses):
        for at in find_all(clause.squeezed.text, wanted):
            yield place, at


def _count_starts(clauses: Sequence[Clause]) -> list[int]:
    starts = [0]
    for clause in clauses:
        starts.append(starts[-1] + len(clause.text))
    return starts


def _count_same(one: str, other: str) -> int:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _find_across(
    clauses: Sequence[Clause], selection: Selection
) -> Spot | None:
    """Return the larger part of a quote that runs over a heading."""
    wanted = _squeeze(selection.exact)
    parts, at = [], 0
    joined: list[str] = []
    for place, clause in enumerate(clauses):
        heading = _squeeze(clause.number + clause.title)
        joined += [heading, clause.squeezed.text]
        at += len(heading)
        parts.append((at, at + len(clause.squeezed.text), place))
        at += len(clause.squeezed.text)
    start = "".join(joined).find(wanted)
    if start < 0:
        return None
    end = start + len(wanted)
    spans = [
        (max(start, first) - first, min(end, last) - first, place)
        for first, last, place in parts
        if max(start, first) < min(end, last)
    ]
    if not spans:
        return None
    first, last, place = max(spans, key=lambda span: span[1] - span[0])
    span = clauses[place].squeezed.get_span(first, last)
    return Spot(AnchorState.moved, CERTAIN, place, *span)


def _find_like(
    clauses: Sequence[Clause], selection: Selection, named: int | None
) -> Spot:
    wanted = _squeeze(selection.exact)
    found: list[tuple[int, int, int, int]] = []
    for place, clause in enumerate(clauses):
        near = (selection.start or 0) if place == named else 0
        for hit in find_hits(wanted, clause.squeezed.text, near):
            span = clause.squeezed.get_span(hit.start, hit.end)
            # a clause that was named is likelier than others
            score = round(CERTAIN * hit.likeness) - (place != named)
            found.append((score, place, *span))
    found.sort(key=lambda one: -one[0])
    if not found or found[0][0] < POSSIBLE:
        return Spot(AnchorState.orphan, found[0][0] if found else 0, named)
    score, place, start, end = found[0]
    lead = score - found[1][0] if len(found) > 1 else CERTAIN
    if score >= SURE and lead >= LEAD:
        return Spot(AnchorState.moved, score, place, start, end)
    return _propose(clauses, found)


def _propose(
    clauses: Sequence[Clause], found: Sequence[tuple[int, int, int, int]]
) -> Spot:
    rivals = [
        Candidate(score, place, start, end, clauses[place].text[start:end])
        for score, place, start, end in found[:MOST_RIVALS]
    ]
    best = rivals[0]
    return Spot(
        AnchorState.proposed,
        best.score,
        best.section,
        best.start,
        best.end,
        rivals,
    )

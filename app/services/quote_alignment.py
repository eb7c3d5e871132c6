"""One mail's quotes aligned: all evidence together, block by block."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from app.services.alignment import (
    MOST_CANDIDATES,
    NOISE,
    SHORTEST,
    WORDS_ALONE,
    WORTH_KEEPING,
    WORTH_SHOWING,
    Candidate,
    Effort,
    Method,
    Scores,
    decide,
    pack_quote,
    score_entries,
    score_order,
    score_sources,
)
from app.services.outlines import Outline, Place, ReadText
from app.services.quote_chains import MailAbove, carry, score_names
from app.services.quoted_blocks import Block, Stretch

FEWEST_PLACES = 3
MOST_QUOTED = 0.1
MOST_ORDERED = 100
WEAK = 0.3
"""The score of a place that has only words in common, at most."""


_SENTENCE_END = re.compile(r"[.?!:;]['\")\]]*\s*\Z")
_GOES_ON = re.compile(r"[\s+]*[a-z]")


class Aligned(NamedTuple):
    """A quoted block with all places it may be from, and the sure one."""

    block: Block
    candidates: Sequence[Candidate]
    place: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What quotes are compared with.

    `sources` are the document itself and what it was posted as, `within` those
    places that the answered mail has, if it is one of them.
    """

    outline: Outline
    sources: Sequence[ReadText] = ()
    above: Sequence[MailAbove] = ()
    within: frozenset[int] | None = None


@dataclass(slots=True)
class _Case:
    block: Block
    text: str
    scores: Scores
    weights: Mapping[int, float]
    depths: set[int]
    is_talk: bool = False


def align(blocks: Sequence[Block], knowledge: Knowledge) -> list[Aligned]:
    """Return what each quoted block of a mail is from, in their order.

    A block that resembles nothing is left out.
    """
    effort = Effort()
    cases = [_open(block, knowledge, effort) for block in blocks]
    _join_broken(cases, knowledge)
    _order(cases, knowledge.outline, knowledge.within)
    found = []
    for case in cases:
        candidates = case.scores.rank()
        if candidates and candidates[0].score >= WORTH_SHOWING:
            place = decide(candidates)
            weak = _list_weak(case, candidates, knowledge.outline)
            found.append(
                Aligned(
                    case.block,
                    _find_spans(case, [*candidates, *weak], knowledge),
                    place,
                )
            )
    return found


def _list_weak(
    case: _Case, strong: Sequence[Candidate], outline: Outline
) -> list[Candidate]:
    """Return further places that share words with a quote, best first.

    They are shown so that a person sees what else there is; they decide
    nothing, and never come before what has better evidence.
    """
    room = MOST_CANDIDATES - len(strong)
    known = {candidate.place for candidate in strong}
    most = min(WEAK, strong[-1].score)
    whole = max(case.weights.values(), default=0.0)
    ranked = sorted(case.weights.items(), key=lambda one: (-one[1], one[0]))
    shares = (
        (outline.places[number], weight / whole) for number, weight in ranked
    )
    return [
        Candidate(place, most * share, Method.overlap)
        for place, share in shares
        if place not in known and share >= WORTH_KEEPING
    ][: max(0, room)]


def _find_spans(
    case: _Case, candidates: Sequence[Candidate], knowledge: Knowledge
) -> list[Candidate]:
    """Return the candidates with where their sections have the words."""
    packed = pack_quote(case.block.text)
    if len(packed) < SHORTEST:
        return list(candidates)
    outline = knowledge.outline
    return [
        candidate._replace(span=outline.find_span(candidate.place, packed))
        for candidate in candidates
    ]


def _open(block: Block, knowledge: Knowledge, effort: Effort) -> _Case:
    """Look at one block by itself."""
    outline = knowledge.outline
    packed = pack_quote(block.text)
    case = _Case(
        block,
        block.text,
        Scores(effort),
        outline.weigh(block.text),
        {block.depth},
    )
    chain = carry(case.scores, outline, knowledge.above, packed)
    case.is_talk = chain.is_talk
    is_found = _look_up(case, packed, knowledge)
    if case.weights:
        score_entries(case.scores, outline, block.text)
    if case.weights and not is_found:
        score_names(case.scores, outline, block.text, chain.context)
    return case


def _look_up(case: _Case, packed: str, knowledge: Knowledge) -> bool:
    """Look for a block's text in what the document was posted as."""
    if case.is_talk:
        return False
    is_near = max(case.weights.values(), default=0.0) >= NOISE
    return score_sources(
        case.scores, knowledge.sources, packed, is_near=is_near
    )


def _join_broken(cases: Sequence[_Case], knowledge: Knowledge) -> None:
    """Let blocks help each other that break a sentence in two.

    Marks get lost or doubled on the way, so that one quote looks like two.
    """
    for first, second in pairwise(cases):
        if not _is_broken(first.block, second.block):
            continue
        text = f"{first.text}\n{second.text}"
        joined = _Case(
            second.block,
            text,
            Scores(first.scores.effort),
            knowledge.outline.weigh(text),
            first.depths | second.depths,
            first.is_talk or second.is_talk,
        )
        _look_up(joined, pack_quote(text), knowledge)
        for case in (first, second):
            case.weights = joined.weights
            case.depths = joined.depths
            for place, kinds in joined.scores.found.items():
                for kind, score in kinds.items():
                    case.scores.add(place, kind, score)


def _is_broken(first: Block, second: Block) -> bool:
    return (
        first.reply_start == second.reply_start
        and bool(first.reply)
        and not _SENTENCE_END.search(first.text)
        and _GOES_ON.match(second.text) is not None
    )


def _order(
    cases: Sequence[_Case], outline: Outline, within: frozenset[int] | None
) -> None:
    """Weigh the words of what is not known by the order of the document."""
    quoted = [case for case in cases if not case.is_talk][:MOST_ORDERED]
    known = [decide(case.scores.rank()) for case in quoted]
    if not any(
        place is None and max(case.weights.values(), default=0.0) >= NOISE
        for case, place in zip(quoted, known, strict=True)
    ):
        return
    found = score_order(
        outline, [case.weights for case in quoted], known, within
    )
    depths = {
        case.block.depth
        for case, place in zip(quoted, known, strict=True)
        if place is not None and case.scores.is_verbatim(place)
    }
    for case, place, likely in zip(quoted, known, found, strict=True):
        if place is not None:
            continue
        # where nothing else is from the document, words may mislead
        most = 1.0 if case.depths & depths else WORDS_ALONE
        for number, score in likely.items():
            if score >= WORTH_KEEPING:
                case.scores.add(
                    outline.places[number], Method.words, min(score, most)
                )


def is_source(read: ReadText, stretches: Sequence[Stretch]) -> bool:
    """Tell whether a mail is the document as posted, or a part of it.

    It has headings or entries of several places, and quotes next to nothing.
    """
    places = {mark.place for mark in read.marks}
    quoted = sum(len(one.text) for one in stretches if one.depth)
    total = sum(len(one.text) for one in stretches)
    return len(places) >= FEWEST_PLACES and quoted <= MOST_QUOTED * total

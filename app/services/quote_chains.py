"""What is known of a quote through the mails above the one that holds it.

A quote of a quote is from where that was from. A quote of somebody's own
words is about the clause that these were an answer to, as far as they keep to
the matter. Nothing here knows the database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.services.alignment import (
    COVERED,
    NAMED,
    Candidate,
    Effort,
    Method,
    Scores,
    find_nearly,
)
from app.services.outlines import Outline, Place, pack
from app.services.quoted_blocks import Block, Stretch

FIRM = 0.97
PARTLY = 0.8
WHOLLY = 0.8
ON_TOPIC = 3.0
"""The weight of what keeps a paragraph to a matter: of a word, say, that one
place in twenty has."""

DIGRESSION = 0.65
MOST_ABOVE = 8
SHORTEST = 5


@dataclass(frozen=True, slots=True)
class KnownQuote:
    """A quoted block of a mail above; `place` is set if it was decided."""

    block: Block
    packed: str
    place: Place | None
    candidates: Sequence[Candidate]

    @property
    def is_known(self) -> bool:
        """Tell whether anything was found out about it."""
        return self.place is not None or bool(self.candidates)

    @property
    def is_long(self) -> bool:
        """Tell whether it goes over several places."""
        return len([c for c in self.candidates if c.score >= COVERED]) > 1

    def list_carried(self) -> list[Candidate]:
        """Return what it passes on: the decision, else what may be it."""
        if self.place is not None:
            return [Candidate(self.place, FIRM, Method.parent)]
        return [c for c in self.candidates if c.method != Method.overlap]


@dataclass(frozen=True, slots=True)
class MailAbove:
    """A mail above: its own words, and what it quotes."""

    own: Sequence[tuple[Stretch, str]]
    quotes: Sequence[KnownQuote]


class Chain(NamedTuple):
    """What came through the mails above.

    `is_talk` says that the quote is somebody's own words, and `context` what
    these were about.
    """

    is_talk: bool
    context: str


def make_mail_above(
    stretches: Sequence[Stretch], quotes: Sequence[KnownQuote]
) -> MailAbove:
    """Return a mail as those below it are compared with it."""
    own = [(one, pack(one.text)) for one in stretches if one.depth == 0]
    return MailAbove(own, quotes)


def carry(
    scores: Scores,
    outline: Outline,
    above: Sequence[MailAbove],
    packed: str,
) -> Chain:
    """Give a quote the evidence of the mails above, the nearest first."""
    if len(packed) < SHORTEST:
        return Chain(is_talk=False, context="")
    context = ""
    for mail in above[:MOST_ABOVE]:
        if not context:
            context = _carry_quotes(scores, outline, mail, packed)
        spoken = _find_spoken(mail, packed, scores.effort)
        if spoken is not None:
            context = context or _carry_reply(scores, outline, mail, spoken)
            return Chain(is_talk=True, context=context)
    return Chain(is_talk=False, context=context)


def score_names(
    scores: Scores, outline: Outline, text: str, context: str
) -> None:
    """Take the calls that a quote names, as far as its context does not.

    A quote that is about one thing and names another is not sure; nor is one
    that names several.
    """
    named = outline.list_named(text)
    explained = outline.list_named(context)
    total = sum(named.values())
    for place, count in named.items():
        if place not in explained:
            scores.add(place, Method.named, NAMED * (count / total) ** 0.5)


def _carry_quotes(
    scores: Scores, outline: Outline, mail: MailAbove, packed: str
) -> str:
    for quote in mail.quotes:
        if not quote.is_known or not _is_part(
            packed, quote.packed, scores.effort
        ):
            continue
        is_whole = len(packed) >= WHOLLY * len(quote.packed)
        share = 1.0 if is_whole or not quote.is_long else PARTLY
        for candidate in quote.list_carried():
            scores.add(candidate.place, Method.parent, candidate.score * share)
        return _get_context(outline, quote)
    return ""


def _is_part(packed: str, whole: str, effort: Effort) -> bool:
    return packed in whole or bool(
        len(packed) <= 2 * len(whole) and find_nearly(whole, packed, effort)
    )


def _get_context(outline: Outline, quote: KnownQuote) -> str:
    places = [candidate.place for candidate in quote.list_carried()[:1]]
    texts = [outline.get_text(place) for place in places]
    return "\n".join([quote.block.text, *texts])


class _Spoken(NamedTuple):
    """A passage of somebody's own words, in packed characters."""

    stretch: Stretch
    start: int
    end: int


def _find_spoken(
    mail: MailAbove, packed: str, effort: Effort
) -> _Spoken | None:
    for stretch, own in mail.own:
        at = own.find(packed)
        if at >= 0:
            return _Spoken(stretch, at, at + len(packed))
        for start, end, _ in find_nearly(own, packed, effort)[:1]:
            return _Spoken(stretch, start, end)
    return None


def _carry_reply(
    scores: Scores,
    outline: Outline,
    mail: MailAbove,
    spoken: "_Spoken",
) -> str:
    answered = [
        quote
        for quote in mail.quotes
        if quote.block.reply_start == spoken.stretch.start
    ]
    known = [quote for quote in answered if quote.is_known]
    if not known:
        return ""
    quote = known[-1]
    context = _get_context(outline, quote)
    support = _measure_support(outline, spoken, context)
    if quote is not answered[-1]:
        # what stands directly above may have gone on to something else
        support *= PARTLY
    for candidate in quote.list_carried():
        scores.add(candidate.place, Method.reply, candidate.score * support)
    return context


def _measure_support(
    outline: Outline, spoken: "_Spoken", context: str
) -> float:
    """Return how far a passage of an answer keeps to what was answered.

    Its first paragraph does; a later one the more rare words it shares with
    it.
    """
    weight = size = 0.0
    for number, (words, first, last) in enumerate(
        _list_paragraphs(spoken.stretch.text)
    ):
        overlap = min(spoken.end, last) - max(spoken.start, first)
        if overlap <= 0:
            continue
        keeps = 1.0
        if number:
            shared = outline.weigh_common(words, context) / ON_TOPIC
            keeps = DIGRESSION + (1 - DIGRESSION) * min(1.0, shared)
        weight += overlap * keeps
        size += overlap
    return weight / size if size else DIGRESSION


def _list_paragraphs(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each paragraph, and where it stands among packed characters."""
    at = 0
    lines: list[str] = []
    size = 0
    for line in [*text.split("\n"), ""]:
        packed = pack(line)
        if packed:
            lines.append(line)
            size += len(packed)
        elif lines:
            yield "\n".join(lines), at, at + size
            at += size
            lines, size = [], 0

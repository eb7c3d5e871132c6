"""The quoted blocks of a mail's text, and the answer below each.

A block is a run of lines that are quoted equally deep. Blank lines at its
ends belong to nobody; nor do the lines that say who is quoted below them, and
lines of which only a patch's `+` is left.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.services.quotation import read_line

MOST_BLOCKS = 500
MOST_STRETCHES = 3 * MOST_BLOCKS
MOST_DEPTH = 32
LONGEST_BODY = 1_000_000

_SIGNATURE = re.compile(r"-- ?|_{20,}|To unsubscribe from this list\b.*")
_ATTRIBUTION = re.compile(
    r".{0,300}\b(wrote|writes|said)\s*:\s*|-+ ?Original Message\b.{0,80}"
)
_NOTHING = re.compile(r"[\s+]*")


@dataclass(frozen=True, slots=True)
class Block:
    """A quoted block; `position` counts the blocks of a mail from 0.

    `start` and `end` count code points in the body, `text` is what stands
    there without the marks. `reply` is the sender's own text under the block:
    also under one that an answer to it follows, quoted less deep.
    """

    position: int
    depth: int
    start: int
    end: int
    text: str
    reply_start: int
    reply_end: int
    reply: str


class Stretch(NamedTuple):
    """A run of lines of one depth, without what is blank at its ends."""

    depth: int
    start: int
    end: int
    text: str


class _Line(NamedTuple):
    depth: int
    start: int
    end: int
    text: str


def find_blocks(body: str) -> list[Block]:
    """Return the quoted blocks of a body in their order."""
    return make_blocks(find_stretches(body))


def make_blocks(stretches: Sequence[Stretch]) -> list[Block]:
    """Return those stretches that are quoted, each with the answer to it."""
    replies = list(_find_replies(stretches))
    blocks: list[Block] = []
    for stretch, reply in zip(stretches, replies, strict=True):
        if stretch.depth == 0:
            continue
        if len(blocks) == MOST_BLOCKS:
            break
        below = reply or Stretch(0, stretch.end, stretch.end, "")
        blocks.append(
            Block(
                len(blocks),
                *stretch,
                reply_start=below.start,
                reply_end=below.end,
                reply=below.text,
            )
        )
    return blocks


def find_stretches(body: str) -> list[Stretch]:
    """Return a body's runs of lines by depth, the sender's own among them."""
    found: list[Stretch] = []
    lines = list(_read_lines(body[:LONGEST_BODY]))
    start = 0
    while start < len(lines) and len(found) < MOST_STRETCHES:
        end = start
        depth = lines[start].depth
        while end < len(lines) and lines[end].depth == depth:
            end += 1
        following = lines[end].depth if end < len(lines) else 0
        run = _trim(lines[start:end])
        if following > depth or len(run) == 1:
            run = _trim(_drop_attribution(run))
        if depth == 0:
            run = _trim(_drop_signature(run))
        if run:
            text = "\n".join(line.text for line in run)
            found.append(Stretch(depth, run[0].start, run[-1].end, text))
        start = end
    return found


def _read_lines(body: str) -> Iterator[_Line]:
    at = 0
    for line in body.split("\n"):
        depth, text = read_line(line)
        end = at + len(line)
        yield _Line(min(depth, MOST_DEPTH), at, end, text.rstrip())
        at = end + 1


def _trim(lines: Sequence[_Line]) -> Sequence[_Line]:
    first, last = 0, len(lines)
    while first < last and _NOTHING.fullmatch(lines[first].text):
        first += 1
    while first < last and _NOTHING.fullmatch(lines[last - 1].text):
        last -= 1
    return lines[first:last]


def _drop_attribution(lines: Sequence[_Line]) -> Sequence[_Line]:
    if not lines or not _ATTRIBUTION.fullmatch(lines[-1].text):
        return lines
    for lines_of_it in (1, 2, 3):
        first = len(lines) - lines_of_it
        if first < 0 or not lines[first].text.strip():
            break
        if lines[first].text.startswith("On "):
            return lines[:first]
    return lines[:-1]


def _drop_signature(lines: Sequence[_Line]) -> Sequence[_Line]:
    for number, line in enumerate(lines):
        if _SIGNATURE.fullmatch(line.text):
            return lines[:number]
    return lines


def _find_replies(stretches: Sequence[Stretch]) -> Iterator[Stretch | None]:
    """Yield for each stretch the sender's text that answers it, if any.

    An answer reaches through what is quoted less and less deep: that is the
    conversation that led to it.
    """
    found: list[Stretch | None] = []
    reply: Stretch | None = None
    deepest = 0
    for stretch in reversed(stretches):
        if stretch.depth == 0:
            reply, deepest = stretch, 0
            found.append(None)
            continue
        if stretch.depth <= deepest:
            reply = None  # what follows it took the answer
        deepest = max(deepest, stretch.depth)
        found.append(reply)
    yield from reversed(found)

"""Two revisions side by side: what changed in each section, word by word.

A section's text is parted into blocks: paragraphs, items of lists, rows of
tables, code. Lines may be broken anew; that is no change. A block that went
from one place and came to another has moved, even if a few words differ. All
is bounded by a deadline and by the number of words that are compared.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from rapidfuzz import fuzz

from app.services.differences import (
    COMMON,
    Deadline,
    MatchMethod,
    SectionMatch,
    SectionText,
    diff_tokens,
    make_shingles,
)

MOST_TOKENS = 6000
"""Words of a block, or blocks of a section, that are compared one by one."""

ALIKE = 50
"""Least likeness, of 100, of a block and what it became."""

CARRIED = 800
"""Least likeness, of 1000, of a block that moved and was changed."""

FEWEST_WORDS = 6  # of a block that is said to have moved
WINDOW = 20
LONGEST_KEY = 1000

_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_FENCE = re.compile(r"[ \t]{0,3}(`{3,}|~{3,})")
_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


class Change(StrEnum):
    """What became of a block or of words."""

    same = "same"
    removed = "removed"
    added = "added"
    changed = "changed"
    moved_away = "moved-away"
    moved_here = "moved-here"


class Block(NamedTuple):
    """A part of a section's text; `key` is it with white space folded."""

    text: str
    key: str
    is_code: bool


class Words(NamedTuple):
    """A run of text that stayed, went or came."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A block as the comparison shows it.

    `place` is the other section of a block that moved, by its position in
    the comparison.
    """

    change: Change
    words: Sequence[Words]
    is_code: bool = False
    place: int | None = None


@dataclass(slots=True, kw_only=True)
class SectionChange:
    """A section of the comparison: what it was, what it is, its blocks.

    `old` and `new` are the sections or None; `origins` are the one that this
    was split off, or that it was merged into.
    """

    old: SectionText | None
    new: SectionText | None
    method: MatchMethod
    is_moved: bool
    pieces: list[Piece] = field(default_factory=list)
    origins: Sequence[SectionText] = ()

    @property
    def shown(self) -> SectionText:
        """Return the section by which it is named."""
        section = self.new or self.old
        assert section is not None  # noqa: S101 - one of the two is there
        return section

    @property
    def is_renamed(self) -> bool:
        """Tell whether the number or the title is another now."""
        return (
            self.old is not None
            and self.new is not None
            and (self.old.number, self.old.title)
            != (self.new.number, self.new.title)
        )

    @property
    def is_changed(self) -> bool:
        """Tell whether anything of it is another now."""
        return (
            self.old is None
            or self.new is None
            or self.is_moved
            or self.is_renamed
            or any(p.change is not Change.same for p in self.pieces)
        )


@dataclass(slots=True, kw_only=True)
class _Draft:
    # a block on its way to a piece; `was` is what it was made of
    change: Change
    block: Block
    was: Block | None = None
    place: int | None = None


def compare_revisions(
    old: Sequence[SectionText],
    new: Sequence[SectionText],
    matches: Sequence[SectionMatch],
    deadline: Deadline | None = None,
) -> list[SectionChange]:
    """Return what became of each section, in the order of the new text.

    The sections' texts are Markdown, `matches` what `map_sections` found.
    Sections that are no more stand before the one that followed them.
    """
    until = deadline or Deadline()
    changes = _order_changes(old, new, matches)
    drafts: list[Sequence[_Draft]] = [
        _compare_blocks(
            part_blocks(c.old.text) if c.old else [],
            part_blocks(c.new.text) if c.new else [],
            until,
        )
        for c in changes
    ]
    _mark_moves(drafts)
    drafts = [_pair_changes(part) for part in drafts]
    _mark_changed_moves(drafts)
    for change, part in zip(changes, drafts, strict=True):
        change.pieces = [_make_piece(draft, until) for draft in part]
    return changes


def _order_changes(
    old: Sequence[SectionText],
    new: Sequence[SectionText],
    matches: Sequence[SectionMatch],
) -> list[SectionChange]:
    whole = [m for m in matches if m.method is not MatchMethod.merged]
    gone = {
        m.old: m
        for m in matches
        if m.method in (MatchMethod.merged, MatchMethod.removed)
    }
    changes: list[SectionChange] = []
    made: set[int] = set()
    for match in whole:
        if match.new is None:
            continue
        kept = match.method is not MatchMethod.split_off
        if kept and match.old is not None:
            changes += _list_gone(old, new, gone, made, before=match.old)
        source = old[match.old] if match.old is not None else None
        changes.append(
            SectionChange(
                old=source if kept else None,
                new=new[match.new],
                method=match.method,
                is_moved=match.is_moved,
                origins=[] if kept or source is None else [source],
            )
        )
    return changes + _list_gone(old, new, gone, made, before=len(old))


def _list_gone(
    old: Sequence[SectionText],
    new: Sequence[SectionText],
    gone: Mapping[int | None, SectionMatch],
    made: set[int],
    *,
    before: int,
) -> list[SectionChange]:
    """Return the sections that are no more, up to one that was kept."""
    places = [a for a in gone if a is not None and a < before]
    places = sorted(a for a in places if a not in made)
    made.update(places)
    return [
        SectionChange(
            old=old[a],
            new=None,
            method=gone[a].method,
            is_moved=False,
            origins=[new[target]]
            if (target := gone[a].new) is not None
            else [],
        )
        for a in places
    ]


def part_blocks(text: str) -> list[Block]:
    """Return the blocks of a section's Markdown."""
    return [
        Block(block, block if is_code else " ".join(block.split()), is_code)
        for block, is_code in _part_lines(text.split("\n"))
    ]


def _part_lines(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    block: list[str] = []
    fence = ""
    for line in lines:
        if fence:
            block.append(line)
            if line.strip().startswith(fence) and not line.strip(" `~"):
                yield "\n".join(block), True
                block, fence = [], ""
            continue
        opening = _FENCE.match(line)
        is_row = line.lstrip().startswith("|")
        if block and (
            opening or is_row or not line.strip() or _ITEM.match(line)
        ):
            yield "\n".join(block), False
            block = []
        if is_row:
            yield line.strip(), True
        elif line.strip():
            block.append(line)
            fence = opening.group(1) if opening else ""
    if block:
        yield "\n".join(block), bool(fence)


def _compare_blocks(
    old: Sequence[Block], new: Sequence[Block], until: Deadline
) -> list[_Draft]:
    if len(old) + len(new) > MOST_TOKENS:
        return [
            *(_Draft(change=Change.removed, block=b) for b in old),
            *(_Draft(change=Change.added, block=b) for b in new),
        ]
    runs = diff_tokens([b.key for b in old], [b.key for b in new], until)
    drafts = []
    before, after = iter(old), iter(new)
    for run in runs:
        for _ in run.tokens:
            if run.change < 0:
                draft = _Draft(change=Change.removed, block=next(before))
            elif run.change > 0:
                draft = _Draft(change=Change.added, block=next(after))
            else:
                next(before)
                draft = _Draft(change=Change.same, block=next(after))
            drafts.append(draft)
    return drafts


def _is_long(block: Block) -> bool:
    return len(block.key.split()) >= FEWEST_WORDS


def _list_drafts(
    drafts: Sequence[Sequence[_Draft]], change: Change
) -> Iterator[tuple[int, _Draft]]:
    for place, part in enumerate(drafts):
        for draft in part:
            if draft.change is change and _is_long(draft.block):
                yield place, draft


def _mark_moves(drafts: Sequence[Sequence[_Draft]]) -> None:
    """Mark equal blocks that went from one place and came to another."""
    went: defaultdict[str, list[tuple[int, _Draft]]] = defaultdict(list)
    for place, draft in _list_drafts(drafts, Change.removed):
        went[draft.block.key].append((place, draft))
    for place, draft in _list_drafts(drafts, Change.added):
        if went[draft.block.key]:
            _join_moved(went[draft.block.key].pop(0), (place, draft))


def _join_moved(
    source: tuple[int, _Draft], target: tuple[int, _Draft]
) -> None:
    source[1].change = Change.moved_away
    source[1].place = target[0]
    target[1].change = Change.moved_here
    target[1].place = source[0]
    target[1].was = source[1].block


def _pair_changes(drafts: Sequence[_Draft]) -> Sequence[_Draft]:
    """Join a block that went with the one that came in its stead."""
    if len(drafts) > MOST_TOKENS:
        return drafts
    done: list[_Draft] = []
    went: list[_Draft] = []
    for draft in drafts:
        if draft.change is Change.removed:
            went.append(draft)
            continue
        if draft.change is Change.added:
            at = _find_like(went[:WINDOW], draft.block)
            if at is not None:
                done += went[:at]
                draft.change = Change.changed
                draft.was = went[at].block
                del went[: at + 1]
        elif draft.change is Change.same:
            done += went
            went = []
        done.append(draft)
    return done + went


def _find_like(went: Sequence[_Draft], block: Block) -> int | None:
    best, at = float(ALIKE), None
    for place, draft in enumerate(went):
        if draft.block.is_code is not block.is_code:
            continue
        score = fuzz.ratio(
            draft.block.key[:LONGEST_KEY], block.key[:LONGEST_KEY]
        )
        if score > best:
            best, at = score, place
    return at


def _mark_changed_moves(drafts: Sequence[Sequence[_Draft]]) -> None:
    """Mark blocks that moved and were changed a little on the way."""
    went = list(_list_drafts(drafts, Change.removed))
    shingles = [make_shingles(draft.block.key) for _, draft in went]
    index: defaultdict[int, list[int]] = defaultdict(list)
    for number, found in enumerate(shingles):
        for shingle in found:
            index[shingle].append(number)
    taken: set[int] = set()
    for place, draft in list(_list_drafts(drafts, Change.added)):
        own = make_shingles(draft.block.key)
        near = {
            n
            for shingle in own
            if len(index.get(shingle, ())) <= COMMON
            for n in index.get(shingle, ())
            if n not in taken
        }
        ranked = [
            (1000 * len(own & shingles[n]) // len(own | shingles[n]), -n)
            for n in near
        ]
        score, number = max(ranked, default=(0, 0))
        if score >= CARRIED:
            taken.add(-number)
            _join_moved(went[-number], (place, draft))


def _make_piece(draft: _Draft, until: Deadline) -> Piece:
    block, was = draft.block, draft.was
    if was is None or was.key == block.key:
        change = {
            Change.removed: Change.removed,
            Change.added: Change.added,
        }.get(draft.change, Change.same)
        words = [Words(change, _show(block))]
    else:
        words = mark_words(_show(was), _show(block), until)
    return Piece(
        change=draft.change,
        words=words,
        is_code=block.is_code,
        place=draft.place,
    )


def _show(block: Block) -> str:
    return block.text if block.is_code else block.key


def mark_words(old: str, new: str, until: Deadline) -> list[Words]:
    """Return the words of two texts, marked by what became of them."""
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    if len(before) + len(after) > MOST_TOKENS:
        return [Words(Change.removed, old), Words(Change.added, new)]
    names = {-1: Change.removed, 0: Change.same, 1: Change.added}
    return [
        Words(names[run.change], "".join(map(str, run.tokens)))
        for run in diff_tokens(before, after, until)
    ]

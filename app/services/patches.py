"""Unified diffs within mails: which line is what, quoted or not.

A hunk's head says how many lines follow it. A quoted hunk may be cut short
by its answers, so each depth of quotation counts for itself, and a line that
no hunk can hold ends it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

FILE = "patch-file"
HUNK = "patch-hunk"
ADDED = "patch-added"
REMOVED = "patch-removed"
RUN = 2  # quoted lines with a plus that need no hunk to be a patch

_SIGNS = re.compile(r"(?m)^[> ]*(?:@@ -|diff -|Index: |--- |\+)")
_HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
_HEAD = re.compile(r"diff -|Index: ")
_FILE = re.compile(
    r"index [0-9a-f]{4,64}\.\.|(?:new|deleted) file mode \d|"
    r"(?:old|new) mode \d|(?:rename|copy) (?:from|to) |"
    r"(?:dis)?similarity index \d|={60,}$|Binary files "
)


class Line(NamedTuple):
    """A line without its quotation marks, and how deep it was quoted."""

    depth: int
    text: str


def has_signs(body: str) -> bool:
    """Tell whether a text may hold a patch at all."""
    return _SIGNS.search(body) is not None


def mark_lines(lines: Sequence[Line]) -> list[str]:
    """Return what each line is in a patch; the empty text for most."""
    marks = [""] * len(lines)
    left: dict[int, tuple[int, int]] = {}
    heads: set[int] = set()
    for number, (depth, text) in enumerate(lines):
        hunk = _HUNK.match(text)
        if hunk:
            left[depth] = int(hunk[1] or 1), int(hunk[2] or 1)
            heads.discard(depth)
            marks[number] = HUNK
        elif depth in left and _count(left, depth, text):
            marks[number] = {"+": ADDED, "-": REMOVED}.get(text[:1], "")
        elif _HEAD.match(text) or _is_pair(lines, number):
            heads.add(depth)
            marks[number] = FILE
        elif depth in heads:
            if _FILE.match(text) or text.startswith(("--- ", "+++ ")):
                marks[number] = FILE
            else:
                heads.discard(depth)
    _mark_runs(lines, marks)
    return marks


def _count(left: dict[int, tuple[int, int]], depth: int, text: str) -> bool:
    """Take a line from what its hunk lacks; tell whether it is of it."""
    old, new = left.pop(depth)
    sign = text[:1]
    # mail programs drop the blank of an empty context line
    old -= sign in {"-", " ", ""}
    new -= sign in {"+", " ", ""}
    if sign not in {"+", "-", " ", "", "\\"} or min(old, new) < 0:
        return False
    if old or new:
        left[depth] = old, new
    return True


def _is_pair(lines: Sequence[Line], number: int) -> bool:
    depth, text = lines[number]
    if not text.startswith("--- ") or number + 1 == len(lines):
        return False
    following = lines[number + 1]
    return following.depth == depth and following.text.startswith("+++ ")


def _mark_runs(lines: Sequence[Line], marks: list[str]) -> None:
    """Mark quoted lines that all have a plus: a hunk without its head."""
    start = 0
    while start < len(lines):
        end = start
        depth = lines[start].depth
        while (
            end < len(lines)
            and depth
            and lines[end].depth == depth
            and lines[end].text.startswith("+")
            and not marks[end]
        ):
            end += 1
        if end - start >= RUN:
            marks[start:end] = [ADDED] * (end - start)
        start = max(end, start + 1)

"""The text that a patch adds: what a document posted as a patch says.

Lines of hunks lose the sign before them; what a patch removes, and files
that are no document, are left out and said.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

MOST_NAMES = 5

_HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
_FILE = re.compile(r"\+\+\+ (\S+)")
_DOCUMENT = re.compile(r"(?i).*(\.(txt|md|rst|markdown)$|\bdocumentation/)")


class Stripped(NamedTuple):
    """The lines of a document, and what was left out."""

    lines: Sequence[str]
    notes: Sequence[str]


class _Part(NamedTuple):
    # what one file of a patch has after it
    name: str
    lines: list[str]


def strip_patch(body: str) -> Stripped:
    """Return a text without the signs of a patch, if it is one."""
    lines = body.split("\n")
    if any(_HUNK.match(line) for line in lines):
        return _read_hunks(lines)
    said = [line for line in lines if line.strip()]
    signed = sum(line.startswith("+") for line in said)
    if said and 2 * signed >= len(said):
        return Stripped([line.removeprefix("+") for line in lines], [])
    return Stripped(lines, [])


def _read_hunks(lines: Sequence[str]) -> Stripped:
    parts: list[_Part] = [_Part("", [])]
    removed = outside = 0
    old = new = 0
    for line in lines:
        hunk = _HUNK.match(line)
        file = _FILE.match(line)
        if hunk:
            old, new = int(hunk[1] or 1), int(hunk[2] or 1)
        elif old <= 0 and new <= 0:
            if file:
                parts.append(_Part(file[1], []))
            outside += bool(line.strip())
        elif line.startswith("-"):
            old -= 1
            removed += 1
        elif line.startswith("+"):
            new -= 1
            parts[-1].lines.append(line[1:])
        else:
            old, new = old - 1, new - 1
            parts[-1].lines.append(line[1:])
    return _choose_parts(parts, removed, outside)


def _choose_parts(
    parts: Sequence[_Part], removed: int, outside: int
) -> Stripped:
    documents = [p for p in parts if _DOCUMENT.match(p.name)] or parts
    others = [p.name for p in parts if p.lines and p not in documents]
    notes = []
    if others:
        named = ", ".join(others[:MOST_NAMES])
        notes.append(f"left out, as no document: {named}")
    if removed:
        notes.append(f"{removed} lines that the patch removes are left out")
    if outside:
        notes.append(f"{outside} lines around the patch are left out")
    return Stripped([x for part in documents for x in part.lines], notes)

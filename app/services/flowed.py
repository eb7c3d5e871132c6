"""format=flowed (RFC 3676): paragraphs out of lines that end in a space.

A paragraph is joined at one depth of quotation and written as one line with
its marks; lines that do not flow stay as they are. A line of spaces is
meant as an empty one, and both end a paragraph.
"""

import re

LONGEST_PARAGRAPH = 64 * 1024
SIGNATURE = "-- "

_MARKS = re.compile(">*")


def join_flowed(text: str, *, deletes_space: bool = False) -> str:
    """Return a flowed text with its paragraphs joined.

    Parameters
    ----------
    deletes_space
        Whether the space that ends a line is no part of the text (DelSp).
    """
    made: list[str] = []
    held: list[str] = []
    depth = size = 0
    for line in text.split("\n"):
        marks = _MARKS.match(line)
        level = 0 if marks is None else marks.end()
        words = line[level:].removeprefix(" ")
        if held and (
            level != depth
            or words == SIGNATURE
            or size > LONGEST_PARAGRAPH
            or not words.strip()
        ):
            made.append(_write(depth, "".join(held)))
            held = []
        if not held:
            depth, size = level, 0
        if words.endswith(" ") and words != SIGNATURE and words.strip():
            held.append(words[:-1] if deletes_space else words)
            size += len(words)
            continue
        made.append(_write(level, "".join(held) + words))
        held = []
    if held:
        made.append(_write(depth, "".join(held)))
    return "\n".join(made)


def _write(depth: int, words: str) -> str:
    if depth:
        return f"{'>' * depth} {words}" if words else ">" * depth
    # what was stuffed lest it be taken for a quotation stays so
    return f" {words}" if words.startswith(">") else words

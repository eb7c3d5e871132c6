"""Offsets as browsers count them: UTF-16 units, and code points.

Whoever is told an offset knows the text before it, or the end of that text;
what lies farther back is taken to have one unit for each code point.
"""

import re

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
BASIC = "\uffff"
"""The last character that takes one unit."""


def count_units(text: str) -> int:
    """Return how many UTF-16 units a text takes."""
    return len(text) + len(_ASTRAL.findall(text))


def has_pairs(text: str) -> bool:
    """Tell whether units and code points of a text differ in number."""
    return _ASTRAL.search(text) is not None


def to_units(before: str, points: int) -> int:
    """Return the UTF-16 units in the `points` characters before a place.

    Parameters
    ----------
    before
        The text that ends at the place.
    """
    near = before[max(0, len(before) - points) :]
    return points + len(_ASTRAL.findall(near))


def to_points(before: str, units: int) -> int:
    """Return the code points in the `units` UTF-16 units before a place.

    A unit that is half of a character counts as one.
    """
    if not has_pairs(before[-units:] if units else ""):
        return units
    points = passed = 0
    for character in reversed(before):
        width = 2 if character > BASIC else 1
        if passed + width > units:
            break
        passed += width
        points += 1
    return points + units - passed

"""Selectors as the Hypothesis client writes them, and as W3C does; pure.

Two things differ. A range of Hypothesis is two XPaths with offsets, where
W3C nests: each end an XPath selector refined by a position. And Hypothesis
counts UTF-16 units where W3C counts code points, for which one has to know
the text before the passage (`before`, as far as it is known).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import Fault, InvalidError
from app.services.utf16 import count_units, to_points, to_units

ROOT_PATH = "."
LARGEST = 2**31 - 1
LONGEST = 40_000
"""Most characters of a quote or a path."""

KEPT = ("TextQuoteSelector", "FragmentSelector", "CssSelector")
KEYS = ("type", "exact", "prefix", "suffix", "value", "conformsTo")
KNOWN = ("RangeSelector", "TextPositionSelector", *KEPT)
PLACING = ("RangeSelector", "TextPositionSelector", "TextQuoteSelector")
"""What the client finds a passage by; without one it is a page's note."""

Selector = Mapping[str, Any]


def find_quote(selectors: Sequence[Selector]) -> Selector | None:
    """Return the selector that quotes the passage, wherever it is nested."""
    return next(
        (s for s in selectors if s.get("type") == "TextQuoteSelector"), None
    )


def flatten(selector: object) -> list[Selector]:
    """Return a W3C selector, or several, with those that refine a fragment."""
    found: list[Selector] = []
    for one in selector if isinstance(selector, list) else [selector]:
        if not isinstance(one, Mapping):
            continue
        found.append(one)
        if one.get("type") == "FragmentSelector":
            found += flatten(one.get("refinedBy"))
    return found


def read_selectors(
    sent: Sequence[Selector], before: str
) -> list[dict[str, Any]]:
    """Return selectors of Hypothesis as W3C writes them.

    Raises
    ------
    InvalidError
        When one is of an unknown kind, or lacks what it must have.
    """
    exact = (find_quote(sent) or {}).get("exact")
    through = f"{before}{exact}" if isinstance(exact, str) else before
    return [
        _read(selector, number, before, through)
        for number, selector in enumerate(sent)
    ]


def _read(
    selector: Selector, number: int, before: str, through: str
) -> dict[str, Any]:
    kind = selector.get("type")
    if kind == "RangeSelector":
        return {
            "type": kind,
            "startSelector": _read_end(selector, number, "start", before),
            "endSelector": _read_end(selector, number, "end", through),
        }
    if kind == "TextPositionSelector":
        start = _get_offset(selector, "start", number)
        end = _get_offset(selector, "end", number)
        return {
            "type": kind,
            "start": to_points(before, start),
            "end": to_points(through, end),
        }
    if kind not in KEPT:
        raise InvalidError(
            "a selector of an unknown kind",
            Fault(
                f"/target/0/selector/{number}/type",
                f"expected one of {', '.join(KNOWN)}",
            ),
        )
    told = {key for key in KEYS if selector.get(key) is not None}
    told.add("exact" if kind == "TextQuoteSelector" else "value")
    return {
        key: _get_text(selector, key, number) for key in KEYS if key in told
    }


def _read_end(
    selector: Selector, number: int, end: str, before: str
) -> dict[str, Any]:
    offset = _get_offset(selector, f"{end}Offset", number)
    points = to_points(before, offset)
    return {
        "type": "XPathSelector",
        "value": _get_text(selector, f"{end}Container", number) or ROOT_PATH,
        "refinedBy": {
            "type": "TextPositionSelector",
            "start": points,
            "end": points,
        },
    }


def _get_text(selector: Selector, key: str, number: int) -> str:
    value = selector.get(key)
    if not isinstance(value, str) or len(value) > LONGEST:
        raise InvalidError(
            "a selector was not understood",
            Fault(
                f"/target/0/selector/{number}/{key}",
                f"expected a text of at most {LONGEST} characters",
            ),
        )
    return value


def _get_offset(selector: Selector, key: str, number: int) -> int:
    value = selector.get(key)
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise InvalidError(
            "a selector was not understood",
            Fault(
                f"/target/0/selector/{number}/{key}",
                f"expected a whole number from 0 to {LARGEST}",
            ),
        )
    return value


def write_selectors(
    selector: object, before: str, starts: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return W3C selectors as Hypothesis writes them; what it lacks is left.

    Parameters
    ----------
    starts
        Where each section begins, by its anchor: a position that refines a
        fragment counts from there. The client takes a position for a hint
        where to look for the quote, and for the order of its list.
    """
    found = flatten(selector)
    quote = find_quote(found)
    exact = str(quote.get("exact", "")) if quote else ""
    through = f"{before}{exact}"
    start = next(
        (
            starts.get(str(one.get("value")), 0)
            for one in found
            if one.get("type") == "FragmentSelector"
        ),
        None,
    )
    made = []
    for one in found:
        kind = one.get("type")
        if kind == "RangeSelector":
            made += _write_range(one, before, through)
        elif kind == "TextPositionSelector":
            made.append(_write_position(one, before, through, start))
        elif kind in KEPT:
            made.append({key: one[key] for key in KEYS if key in one})
    return made if any(one["type"] in PLACING for one in made) else []


def _write_position(
    selector: Selector, before: str, through: str, section: int | None
) -> dict[str, Any]:
    start, end = _read_number(selector, "start"), _read_number(selector, "end")
    if section is None:
        start, end = to_units(before, start), to_units(through, end)
    else:
        length = count_units(through[len(before) :]) or end - start
        start += section
        end = start + length
    return {"type": "TextPositionSelector", "start": start, "end": end}


def _write_range(
    selector: Selector, before: str, through: str
) -> list[dict[str, Any]]:
    """Return a range if its ends are paths with offsets, else nothing."""
    made: dict[str, Any] = {"type": "RangeSelector"}
    for end, text in (("start", before), ("end", through)):
        inner = selector.get(f"{end}Selector")
        if not isinstance(inner, Mapping) or (
            inner.get("type") != "XPathSelector"
        ):
            return []
        refined = inner.get("refinedBy")
        place = refined if isinstance(refined, Mapping) else {}
        path = str(inner.get("value", ""))
        made[f"{end}Container"] = "" if path == ROOT_PATH else path
        made[f"{end}Offset"] = to_units(text, _read_number(place, "start"))
    return [made]


def _read_number(selector: Selector, key: str) -> int:
    value = selector.get(key)
    return value if type(value) is int and value >= 0 else 0

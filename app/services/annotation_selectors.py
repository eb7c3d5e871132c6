"""Selectors and states of the W3C model: their rules, what they select; pure.

Offsets count Unicode code points of the text. A quote decides where something
is; a position only tells equal quotes apart, for each client counts in a text
of its own.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from xml.parsers import expat

from app.services.annotation_values import Checker, list_values

LONGEST_QUOTE = 20_000
LONGEST_BESIDE = 2000
MOST_CHAINED = 8
"""How many refinements may follow one another."""

VALUED = frozenset({"FragmentSelector", "CssSelector", "XPathSelector"})
POSITIONS = frozenset({"TextPositionSelector", "DataPositionSelector"})
SELECTORS = (
    *sorted(VALUED),
    "TextQuoteSelector",
    *sorted(POSITIONS),
    "SvgSelector",
    "RangeSelector",
)
STATES = ("TimeState", "HttpRequestState")
_NAME = r"([A-Za-z0-9][\w.-]{0,199})"
_FRAGMENT = re.compile(rf"#?{_NAME}")
_QUOTED = rf"""(?:"{_NAME}"|'{_NAME}')"""
_IDS = {
    "CssSelector": re.compile(
        rf"[\w-]*(?:#{_NAME}|\[id=(?:{_NAME}|{_QUOTED})\])(?=$|[ >+~:.\[])"
    ),
    "XPathSelector": re.compile(
        rf"""(?:id\({_QUOTED}\)|//[\w*:-]+\[@id={_QUOTED}\])(?=$|[/\[])"""
    ),
}
"""How the element of an id is selected: a clause, or what a part is in."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of a resource is meant.

    `start` counts from the fragment's beginning if `is_inside`, else from
    the resource's; `at` is the time at which the resource was read. A part
    that no other field tells of `is_unknown`.
    """

    fragment: str | None = None
    exact: str = ""
    prefix: str = ""
    suffix: str = ""
    start: int | None = None
    end: int | None = None
    is_inside: bool = False
    at: datetime | None = None
    is_unknown: bool = False

    @property
    def is_empty(self) -> bool:
        """Tell whether all of the resource is meant."""
        return (
            self.start is None
            and not self.exact
            and not self.fragment
            and not self.is_unknown
        )


NOTHING = Selection()
"""All of a resource."""


def check_selectors(
    checker: Checker, resource: Mapping[str, Any], pointer: str
) -> None:
    """Check the selectors of a specific resource."""
    if "selector" in resource:
        key = f"{pointer[1:]}/selector"
        for one, there in checker.list_items(resource["selector"], key):
            _check_selector(checker, one, there)


def _check_selector(
    checker: Checker,
    selector: object,
    pointer: str,
    *,
    depth: int = 0,
    is_end: bool = False,
) -> None:
    if isinstance(selector, str) and not is_end:
        checker.check_iri(selector, pointer)
        return
    if not isinstance(selector, dict):
        checker.add(pointer, "expected a selector")
        return
    kind = selector.get("type")
    if kind in STATES and depth:
        _check_state(checker, selector, pointer, depth=depth)
        return
    rule = _RULES.get(kind) if isinstance(kind, str) else None
    if rule is not None and not (is_end and kind == "RangeSelector"):
        rule(checker, selector, pointer)
    elif "id" not in selector or is_end or kind is not None:
        checker.add(
            f"{pointer}/type", f"expected one of {', '.join(SELECTORS)}"
        )
    if "id" in selector:
        checker.check_one(selector["id"], f"{pointer}/id", checker.check_iri)
    _check_refinements(checker, selector, pointer, depth)


def _check_refinements(
    checker: Checker, of: Mapping[str, Any], pointer: str, depth: int
) -> None:
    if "refinedBy" not in of:
        return
    if depth >= MOST_CHAINED:
        checker.add(
            f"{pointer}/refinedBy",
            f"expected {MOST_CHAINED} refinements at most",
        )
        return
    key = f"{pointer[1:]}/refinedBy"
    for one, there in checker.list_items(of["refinedBy"], key):
        _check_selector(checker, one, there, depth=depth + 1)


def _check_valued(
    checker: Checker, selector: Mapping[str, Any], pointer: str
) -> None:
    checker.check_text(selector.get("value"), f"{pointer}/value")
    if selector["type"] == "FragmentSelector" and "conformsTo" in selector:
        checker.check_iri(selector["conformsTo"], f"{pointer}/conformsTo")


def _check_quote(
    checker: Checker, selector: Mapping[str, Any], pointer: str
) -> None:
    checker.check_string(
        selector.get("exact"), f"{pointer}/exact", LONGEST_QUOTE
    )
    for key in ("prefix", "suffix"):
        if key in selector:
            checker.check_string(
                selector[key], f"{pointer}/{key}", LONGEST_BESIDE
            )


def _check_position(
    checker: Checker, selector: Mapping[str, Any], pointer: str
) -> None:
    start, end = selector.get("start"), selector.get("end")
    checker.check_number(start, f"{pointer}/start")
    checker.check_number(end, f"{pointer}/end")
    if isinstance(start, int) and isinstance(end, int) and end < start:
        checker.add(f"{pointer}/end", "expected an end that is not before")


def _check_range(
    checker: Checker, selector: Mapping[str, Any], pointer: str
) -> None:
    for key in ("startSelector", "endSelector"):
        _check_selector(
            checker, selector.get(key), f"{pointer}/{key}", is_end=True
        )


def _check_svg(
    checker: Checker, selector: Mapping[str, Any], pointer: str
) -> None:
    if ("value" in selector) == ("id" in selector):
        checker.add(pointer, "expected a value, or an id")
    elif "value" in selector:
        value = selector["value"]
        checker.check_text(value, f"{pointer}/value")
        if isinstance(value, str) and not _is_well_formed(value):
            checker.add(f"{pointer}/value", "expected well-formed SVG")


def _is_well_formed(text: str) -> bool:
    """Tell whether a text is XML, without a document type."""
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        # entities would be declared there
        raise ValueError

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(errors="replace"), True)
    except (expat.ExpatError, ValueError):
        return False
    return True


_RULES: Mapping[str, Callable[[Checker, Mapping[str, Any], str], None]] = {
    **dict.fromkeys(VALUED, _check_valued),
    **dict.fromkeys(POSITIONS, _check_position),
    "TextQuoteSelector": _check_quote,
    "SvgSelector": _check_svg,
    "RangeSelector": _check_range,
}


def check_states(
    checker: Checker, resource: Mapping[str, Any], pointer: str
) -> None:
    """Check the states of a specific resource."""
    if "state" in resource:
        key = f"{pointer[1:]}/state"
        for one, there in checker.list_items(resource["state"], key):
            _check_state(checker, one, there)


def _check_state(
    checker: Checker, state: object, pointer: str, *, depth: int = 0
) -> None:
    if isinstance(state, str):
        checker.check_iri(state, pointer)
        return
    if not isinstance(state, dict):
        checker.add(pointer, "expected a state")
        return
    kind = state.get("type")
    if kind == "TimeState":
        _check_time_state(checker, state, pointer)
    elif kind == "HttpRequestState":
        checker.check_text(state.get("value"), f"{pointer}/value")
    elif "id" not in state or kind is not None:
        checker.add(f"{pointer}/type", f"expected one of {', '.join(STATES)}")
    if "id" in state:
        checker.check_one(state["id"], f"{pointer}/id", checker.check_iri)
    _check_refinements(checker, state, pointer, depth)


def _check_time_state(
    checker: Checker, state: Mapping[str, Any], pointer: str
) -> None:
    limits = {"sourceDateStart", "sourceDateEnd"}
    if "sourceDate" in state:
        checker.check_each(state, "sourceDate", pointer, checker.check_time)
        for key in sorted(limits & set(state)):
            checker.add(f"{pointer}/{key}", "expected none beside sourceDate")
    elif not limits <= set(state):
        checker.add(pointer, "expected a sourceDate, or its start and end")
    for key in sorted(limits & set(state)):
        checker.check_time(state[key], f"{pointer}/{key}")
    if "cached" in state:
        checker.check_iri(state["cached"], f"{pointer}/cached")


def read_selection(resource: Mapping[str, Any]) -> Selection:
    """Return which part the selectors and states of a resource mean."""
    found: dict[str, Any] = {}
    for selector in list_values(resource.get("selector")):
        for one, within in _walk(selector):
            for key, value in _read_selector(one):
                # what counts from an element that is not known counts not
                if within is not None or key not in {"start", "end"}:
                    found.setdefault(key, value)
            if "start" in found:
                found.setdefault("is_inside", bool(within))
    found["is_unknown"] = "selector" in resource and not found
    for state in list_values(resource.get("state")):
        at = state.get("sourceDate") if isinstance(state, dict) else None
        for time in list_values(at)[:1]:
            found.setdefault("at", datetime.fromisoformat(time))
    return Selection(**found)


def _walk(
    selector: object, *, within: bool | None = False
) -> Iterator[tuple[Mapping[str, Any], bool | None]]:
    """Give a selector and what refines it.

    With each goes whether a fragment is around it; None if an element is
    that has no name.
    """
    if not isinstance(selector, dict):
        return
    yield selector, within
    kind = selector.get("type")
    if kind == "FragmentSelector":
        within = True
    elif kind in _IDS:
        found = _find_id(selector)
        within = True if found and found.end == len(found.text) else None
    for one in list_values(selector.get("refinedBy")):
        yield from _walk(one, within=within)


class _Id(NamedTuple):
    """The id that a selector begins with; `end` is where it ends."""

    name: str
    text: str
    end: int


def _find_id(selector: Mapping[str, Any]) -> _Id | None:
    text = selector["value"].strip()
    found = _IDS[selector["type"]].match(text)
    if found is None:
        return None
    name = next(group for group in found.groups() if group)
    return _Id(name, text, found.end())


def _read_selector(
    selector: Mapping[str, Any],
) -> Iterator[tuple[str, Any]]:
    kind = selector.get("type")
    if kind == "FragmentSelector":
        named = _FRAGMENT.fullmatch(selector["value"])
        if named:
            yield "fragment", named[1]
    elif kind in _IDS:
        found = _find_id(selector)
        if found:
            yield "fragment", found.name
    elif kind == "TextQuoteSelector" and selector["exact"].strip():
        for key in ("exact", "prefix", "suffix"):
            yield key, selector.get(key, "")
    elif kind == "TextPositionSelector":
        yield "start", selector["start"]
        yield "end", selector["end"]
    elif kind == "RangeSelector":
        first, last = selector["startSelector"], selector["endSelector"]
        if first["type"] == last["type"] == "TextPositionSelector":
            yield "start", first["start"]
            yield "end", last["end"]

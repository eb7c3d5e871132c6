"""Which form of an answer is wanted: `Accept` (RFC 9110, 12.5.1).

A range with parameters, as a profile, is taken for one without: each form
is offered in one profile only.
"""

import re
from collections.abc import Iterator, Sequence

WEIGHT = re.compile(r"[01](?:\.\d{0,3})?")
# a quote that does not end goes on to the end: each character is met once
QUOTED = r'"(?:[^"\\]|\\.?)*(?:"|\Z)'
PARTS = re.compile(rf'(?:[^",]|{QUOTED})+')
PARAMETERS = re.compile(rf'(?:[^";]|{QUOTED})+')
ANY = "*/*"


def split_list(header: str) -> Iterator[Sequence[str]]:
    """Return the members of a list header, each with its parameters.

    Commas and semicolons inside of quotes part nothing.
    """
    for part in PARTS.findall(header):
        steps = [step.strip() for step in PARAMETERS.findall(part)]
        if steps and steps[0]:
            yield steps


def choose_type(header: str | None, offered: Sequence[str]) -> str | None:
    """Return which of the offered media types is wanted most.

    Without a wish it is the first; None if none of them will do.
    """
    if header is None or not header.strip():
        return offered[0]
    ranges = dict(_read_ranges(header))
    weights = [_get_weight(ranges, type_) for type_ in offered]
    best = max(weights)
    return offered[weights.index(best)] if best else None


def _read_ranges(header: str) -> Iterator[tuple[str, float]]:
    for name, *parameters in split_list(header):
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                known = WEIGHT.fullmatch(value.strip())
                weight = min(float(known[0]), 1.0) if known else 0.0
        yield name.lower(), weight


def _get_weight(ranges: dict[str, float], type_: str) -> float:
    # the most exact range decides
    kind = type_.partition("/")[0]
    for name in (type_, f"{kind}/*", ANY):
        if name in ranges:
            return ranges[name]
    return 0.0

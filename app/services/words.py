"""Words: what the editor may complete, by the place where it fits."""

from collections.abc import Iterable, Mapping

from app.sim import POLICIES
from app.sim.completion import Suggestion, list_suggestions

KEYS = frozenset({"question", "about", "objection", "notes"})
"""What stands at the top of a scenario; all others are sections."""

LONGEST = 160

Word = tuple[str, str]


def list_words() -> Mapping[str, object]:
    """Return each word with one line on what it means."""
    sections = list_suggestions("section")
    return {
        "code": [
            *map(_describe_call, list_suggestions("call")),
            *_describe("instruction", "register", "directive"),
        ],
        "outcomes": _describe("observable"),
        "keys": [
            (each.text, each.meaning) for each in sections if each.text in KEYS
        ],
        "sections": [
            (f"[{each.text}]", each.meaning)
            for each in sections
            if each.text not in KEYS
        ],
        "listings": _describe("listing"),
        "events": _describe("event"),
        "platforms": _describe("platform"),
        "policies": _describe("policy"),
        "values": {each.name: each.values for each in POLICIES.values()},
    }


def _describe(*kinds: str) -> Iterable[Word]:
    return [
        (each.text, each.meaning[:LONGEST])
        for kind in kinds
        for each in list_suggestions(kind)
    ]


def _describe_call(call: Suggestion) -> Word:
    """Say of a call which registers it takes, too."""
    told = f"{call.meaning} ({', '.join(call.forms)})"
    return call.text, (told if call.forms else call.meaning)[:LONGEST]

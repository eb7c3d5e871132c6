"""What may be written in a scenario, for an editor to offer.

Each kind of word has its list: what is typed, in which forms, and one line
on what it means. All of it is read from where the word is defined.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

from app.sim.directives import DIRECTIVES
from app.sim.forms import (
    ALIASES,
    CONTROL_REGISTERS,
    DEBUG_REGISTERS,
    FORMS,
    REGISTER_BYTES,
    REPEATS,
    SEGMENT_REGISTERS,
    SHORT,
    describe_form,
)
from app.sim.observables import OBSERVABLES
from app.sim.platforms import PLATFORMS
from app.sim.policies import POLICIES
from app.sim.registry import CALLS, INSTRUCTIONS
from app.sim.rom import NUMBERS
from app.sim.start import ENTRIES, EVENTS, VECTORS

MAXIMUM: Final = 50
"""How many suggestions an answer to a prefix has."""

SECTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "question": "what is asked, in one sentence",
        "about": "a list of the calls that it is about",
        "objection": "the objection that it puts to the test",
        "notes": "what a reader should know beside it",
        "code": "the listings: kernel, user and handlers by name",
        "data": "words of memory by name; a list lies in a row",
        "paging": 'page tables: mode = "32" or "pae"',
        "pages": "pages of one's own by name",
        "start": "how machine and host stand before the first step",
        "rom": "the hypervisor's ROMs by name: place, revision, checksum",
        "events": "what may arrive, and how often",
        "outcomes": "what is asked of the states that are reached",
        "platforms": "where to ask; all platforms if absent",
        "policies": "readings of what the RFC leaves open",
        "variants": "further runs, each with changes of its own",
        "expect": "the answers that are expected",
    }
)
"""The keys of a scenario file at its top."""

_PREFIXES: Final[Mapping[str, str]] = {
    "lock": "Let no other processor come between read and write.",
    "rep": "Repeat a string instruction ECX times.",
    "repe": "Repeat a comparison of strings while the two are equal.",
    "repne": "Repeat a comparison of strings while the two differ.",
}
_OPERATORS: Final[Mapping[str, str]] = {
    "and": "both hold",
    "or": "one of the two holds",
    "not": "it does not hold",
    "at": "the next instruction is the one at a label",
    "pending": "something, or the event named next, waits for delivery",
    "msr": "the model-specific register of a number",
}
_BITS: Final = 8


class Suggestion(NamedTuple):
    """A word that may be typed, its forms, and what it means."""

    text: str
    forms: tuple[str, ...]
    meaning: str


def _describe_instructions() -> Iterator[Suggestion]:
    for name in dict.fromkeys((*FORMS, *SHORT, *ALIASES)):
        known = ALIASES.get(name, name)
        mnemonic = SHORT[known][0] if known in SHORT else known
        forms = (
            [name]
            if name in SHORT
            else [
                describe_form(name, form).strip('"').removesuffix('" alone')
                for form in FORMS[mnemonic]
            ]
        )
        spec = INSTRUCTIONS.get(mnemonic)
        meaning = spec.docstring.partition("\n\n")[0] if spec else ""
        yield Suggestion(name, tuple(forms), " ".join(meaning.split()))
    for name in ("lock", *REPEATS):
        meaning = _PREFIXES[REPEATS.get(name, name)]
        yield Suggestion(name, (f"{name} instruction",), meaning)


def _describe_calls() -> Iterator[Suggestion]:
    for name in {**NUMBERS, **CALLS}:
        spec = CALLS.get(name)
        if spec is None:
            yield Suggestion(name, (f"call {name}",), "No semantics here.")
            continue
        forms = [f"{each.register}: {each.name}" for each in spec.parameters]
        forms += [
            f"answers {each.register}: {each.name}" for each in spec.results
        ]
        meaning = " ".join(spec.docstring.partition("\n\n")[0].split())
        yield Suggestion(name, tuple(forms), meaning)


def _describe_registers() -> Iterator[Suggestion]:
    for name, size in REGISTER_BYTES.items():
        yield Suggestion(name, (), f"general register of {_BITS * size} bits")
    for names, meaning in (
        (SEGMENT_REGISTERS, "segment register"),
        (CONTROL_REGISTERS, "control register"),
        (DEBUG_REGISTERS, "debug register"),
    ):
        for name in names:
            yield Suggestion(name, (), meaning)


def _describe_observables() -> Iterator[Suggestion]:
    for name, meaning in {**OBSERVABLES, **_OPERATORS}.items():
        yield Suggestion(name, (), meaning)


def _describe_listings() -> Iterator[Suggestion]:
    for name, cpu in ENTRIES.items():
        mode = name.rstrip("0123456789")
        yield Suggestion(name, (), f"where processor {cpu} begins: {mode}")
    for name, vector in VECTORS.items():
        yield Suggestion(name, (), f"handler of vector {vector:#x}")


def _describe_policies() -> Iterator[Suggestion]:
    for policy in POLICIES.values():
        yield Suggestion(policy.name, tuple(policy.values), policy.text)


def _describe_platforms() -> Iterator[Suggestion]:
    for platform in PLATFORMS.values():
        yield Suggestion(platform.name, (), platform.title)


def _describe_events() -> Iterator[Suggestion]:
    for name, meaning in EVENTS.items():
        forms = (f"{name} = 1", f"{name} = {{ budget = 1, must = true }}")
        yield Suggestion(name, forms, meaning)


def _describe_sections() -> Iterator[Suggestion]:
    for name, meaning in SECTIONS.items():
        yield Suggestion(name, (), meaning)


def _describe_directives() -> Iterator[Suggestion]:
    for name in DIRECTIVES:
        yield Suggestion(name, (), "directive of the assembler")


_KINDS: Final[Mapping[str, Callable[[], Iterator[Suggestion]]]] = {
    "instruction": _describe_instructions,
    "call": _describe_calls,
    "register": _describe_registers,
    "directive": _describe_directives,
    "observable": _describe_observables,
    "section": _describe_sections,
    "listing": _describe_listings,
    "event": _describe_events,
    "platform": _describe_platforms,
    "policy": _describe_policies,
}

KINDS: Final = tuple(_KINDS)
"""The kinds of words that can be completed."""


@cache
def list_suggestions(kind: str) -> tuple[Suggestion, ...]:
    """List all words of a kind in alphabetical order.

    Raises
    ------
    KeyError
        If there is no such kind.
    """
    return tuple(sorted(_KINDS[kind]()))


def complete(kind: str, prefix: str) -> tuple[Suggestion, ...]:
    """Find the words of a kind that begin so, then those with a part that
    does; fifty at most, and case does not matter.
    """  # noqa: D205 - one sentence
    typed = prefix.lower()
    words = list_suggestions(kind)
    begin = [each for each in words if each.text.lower().startswith(typed)]
    part = re.compile(rf"(?<=[_ .A-Z]){re.escape(prefix)}", re.IGNORECASE)
    inside = [
        each for each in words if each not in begin and part.search(each.text)
    ]
    return tuple([*begin, *inside][:MAXIMUM])

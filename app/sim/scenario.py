"""A question to the simulator, and the file that asks it.

A scenario is a TOML text with the sections ``[code]``, ``[data]``,
``[start]``, ``[paging]``, ``[pages]``, ``[events]``, ``[outcomes]``,
``[platforms]``, ``[policies]``, ``[variants.*]`` and ``[expect]``.
`parse_scenario` checks all of it: whoever gets a `Scenario` need not check
again. All of it can be pickled.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from app.sim.code_section import MAXIMUM_TEXT, read_code
from app.sim.data_section import read_data
from app.sim.errors import RefusedText
from app.sim.listing import Listing
from app.sim.observables import list_observables
from app.sim.outcome import (
    Expression,
    OutcomeError,
    Predicate,
    Vocabulary,
    compile_outcome,
    parse_outcome,
)
from app.sim.page_tables import Paging
from app.sim.pages_section import read_paging
from app.sim.platforms import PLATFORMS
from app.sim.policies import POLICIES
from app.sim.refusals import STRICT, Refusals
from app.sim.registry import CALLS
from app.sim.rom import NUMBERS
from app.sim.rom_section import read_roms
from app.sim.start import ENTRIES, EVENTS, VECTORS, Event, Start
from app.sim.start_section import KEYS, PENDING, read_start
from app.sim.toml_places import ScenarioError, read_toml
from app.sim.toml_table import Table

ANSWERS: Final = (
    *("always", "sometimes", "never", "unspecified", "not-modelled"),
)
MAXIMUM_OUTCOMES: Final = 32
MAXIMUM_EVENTS: Final = 16
MAXIMUM_VARIANTS: Final = 16
MAXIMUM_BUDGET: Final = 1000
MAXIMUM_PHRASE: Final = 500
MAXIMUM_ERRORS: Final = 50
TRUE: Final = "1"

_SECTIONS: Final = (
    *("question", "about", "objection", "notes", "code", "data", "start"),
    *("events", "outcomes", "platforms", "policies", "variants", "expect"),
    *("paging", "pages", "rom"),
)
_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_SLUG: Final = 80


@dataclass(frozen=True, slots=True)
class Outcome:
    """A named predicate on states: reached at some time, or at the end.

    ``text`` is the expression as written, ``phrase`` the words for a page.
    """

    name: str
    when: str
    text: str
    phrase: str
    expression: Expression

    def compile(
        self, words: Mapping[str, int], labels: Mapping[str, int]
    ) -> Predicate:
        """Build the predicate, given places of words and addresses."""
        return compile_outcome(self.expression, words, labels)


@dataclass(frozen=True, slots=True)
class Variant:
    """One more run on one platform.

    Its policies go over those of the platform; start and events are None
    where they are the scenario's own.
    """

    name: str
    title: str
    platform: str
    policies: Mapping[str, str]
    start: Start | None
    events: tuple[Event, ...] | None
    expect: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A question: code, set-up, events, outcomes, platforms, expectations.

    Parameters
    ----------
    listings, code
        The listings, as written by name and as parsed.
    data
        The data words and their values, in the order of their places.
    labels
        The address of each label, and of each listing by its name.
    platforms
        The platforms to ask; ``platform_policies`` are those set for one
        alone, over ``policies``, which are set for all.
    expect
        For each platform the expected answer to some outcomes. The search
        never reads it.
    """

    slug: str
    question: str
    about: tuple[str, ...]
    objection: str | None
    notes: str
    text: str
    listings: Mapping[str, str]
    code: tuple[Listing, ...]
    data: tuple[tuple[str, int], ...]
    labels: Mapping[str, int]
    start: Start
    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]
    platforms: tuple[str, ...]
    platform_policies: Mapping[str, Mapping[str, str]]
    policies: Mapping[str, str]
    variants: tuple[Variant, ...]
    expect: Mapping[str, Mapping[str, str]]


def parse_scenario(text: str, *, slug: str) -> Scenario:
    """Read a scenario file and check all of it.

    Raises
    ------
    ScenarioError
        At the first place that is wrong, with line and column in the file.
    """
    if not _SLUG.fullmatch(slug) or len(slug) > _LONGEST_SLUG:
        raise ScenarioError(
            "the name of the scenario does not fit",
            1,
            1,
            "lower-case letters, digits and single hyphens",
        )
    return _read(text, slug, STRICT)


def check_scenario(text: str) -> tuple[ScenarioError, ...]:
    """Find all errors of a scenario file, at most one in each line.

    They stand in the order of the text, fifty at most. What is wrong in the
    TOML itself hides everything else.
    """
    refusals = Refusals(MAXIMUM_ERRORS)
    with suppress(ScenarioError), refusals:
        _read(text, "checked", refusals)
    first: dict[int, ScenarioError] = {}
    for error in sorted(refusals.found, key=lambda e: (e.line, e.column)):
        first.setdefault(
            error.line,
            ScenarioError(
                error.message, error.line, error.column, error.expected
            ),
        )
    return tuple(first.values())


def _read(text: str, slug: str, refusals: Refusals) -> Scenario:
    """Read a scenario file; what is refused is left out."""
    document = read_toml(text)
    top = Table(document, (), document.root, _SECTIONS, refusals)
    data = read_data(top.open_table("data"))
    paging = refusals.attempt(lambda: _read_paging(top, data), None)
    nothing: dict[str, Listing] = {}
    code = refusals.attempt(lambda: read_code(top, data, paging), nothing)
    labels = {
        name: address
        for each in code.values()
        for name, address in (
            *((each.name, one.address) for one in each.statements[:1]),
            *each.labels.items(),
        )
    }
    platforms = _read_platforms(top)
    start = refusals.attempt(
        lambda: read_start(top.open_table("start", KEYS), labels, code),
        Start(),
    )
    roms = refusals.attempt(lambda: read_roms(top), Start().roms)
    start = replace(start, paging=paging, roms=roms)
    cpus = 1 + len(start.processors)
    outcomes = tuple(_read_outcomes(top, data, code, labels, cpus))
    names = list(top.open_table("outcomes").values)
    return Scenario(
        slug=slug,
        question=refusals.attempt(
            lambda: _read_required(top, "question", MAXIMUM_PHRASE), ""
        ),
        about=top.read_choices("about", sorted({*CALLS, *NUMBERS})),
        objection=refusals.attempt(lambda: _read_objection(top), None),
        notes=top.read_text("notes", MAXIMUM_TEXT),
        text=text,
        listings={
            name: str(top.open_table("code").values[name]) for name in code
        },
        code=tuple(code.values()),
        data=data,
        labels=labels,
        start=start,
        events=tuple(_read_events(top.open_table("events", EVENTS))),
        outcomes=outcomes,
        platforms=tuple(platforms),
        platform_policies=platforms,
        policies=_read_policies(top),
        variants=tuple(_read_variants(top, code, labels, names, paging)),
        expect=_read_expectations(top, platforms, names),
    )


def _read_required(table: Table, key: str, longest: int) -> str:
    table.require(key)
    return table.read_text(key, longest)


def _read_objection(top: Table) -> str | None:
    objection = top.read_text("objection", _LONGEST_SLUG)
    if objection and not _SLUG.fullmatch(objection):
        top.refuse_value(
            "this names no objection",
            ("objection",),
            "lower-case letters, digits and single hyphens",
        )
    return objection or None


def _read_paging(
    top: Table, data: tuple[tuple[str, int], ...]
) -> Paging | None:
    names = [name for name, _ in data]
    return read_paging(top, {*names, *ENTRIES, *VECTORS})


def _translate(table: Table, error: RefusedText) -> RefusedText:
    """Say of an error in an outcome where it stands in the file."""
    if not isinstance(error, OutcomeError):
        return error
    place = table.document.locate_inside(
        (*table.path, "is"), error.line, error.column
    )
    return ScenarioError(error.message, *place, error.expected)


def _read_events(table: Table) -> Iterator[Event]:
    table.limit("events", MAXIMUM_EVENTS)
    for name, value in table.values.items():
        with table.refusals:
            if isinstance(value, dict):
                entry = table.open_table(name, ("budget", "must"))
                entry.require("budget")
                budget = entry.read_number("budget", 1, MAXIMUM_BUDGET, 1)
                yield Event(name, budget, entry.read_switch("must"))
            else:
                yield Event(name, table.read_number(name, 1, MAXIMUM_BUDGET))


def _read_outcomes(
    top: Table,
    data: tuple[tuple[str, int], ...],
    code: Mapping[str, Listing],
    labels: Mapping[str, int],
    cpus: int,
) -> Iterator[Outcome]:
    with top.refusals:
        top.require("outcomes")
    table = top.open_table("outcomes")
    table.limit("outcomes", MAXIMUM_OUTCOMES)
    values = [*list_observables(cpus), *(name for name, _ in data)]
    places = {
        name: (address, listing.base + len(listing.content))
        for listing in code.values()
        for name, address in listing.places
    }
    vocabulary = Vocabulary(values, PENDING, labels, places)
    for name in table.values:
        with table.refusals:
            yield _read_outcome(table, name, vocabulary)
    if "outcomes" in top.values and not table.values:
        with table.refusals:
            table.refuse_value("nothing is asked", (), "at least one outcome")


def _read_outcome(table: Table, name: str, vocabulary: Vocabulary) -> Outcome:
    with table.refusals:
        _require_slug(table, name, "an outcome")
    entry = table.open_table(name, ("when", "is", "text"))
    text = _read_required(entry, "is", MAXIMUM_PHRASE)
    when = entry.read_choice("when", ("reached", "end"), "reached")
    phrase = name.replace("-", " ")
    phrase = entry.read_text("text", MAXIMUM_PHRASE, phrase)
    expression = parse_outcome(TRUE, vocabulary)
    if text:
        with table.refusals.inside(partial(_translate, entry)):
            expression = parse_outcome(text, vocabulary)
    return Outcome(name, when, text, phrase, expression)


def _require_slug(table: Table, name: str, what: str) -> None:
    if not _SLUG.fullmatch(name) or len(name) > _LONGEST_SLUG:
        line, column = table.document.locate_key((*table.path, name))
        raise ScenarioError(
            f"{what} cannot be called {name[:40]!r}",
            line,
            column,
            "lower-case letters, digits and single hyphens",
        )


def _read_policies(table: Table) -> dict[str, str]:
    """Read the values of policies in the table ``policies`` of a table."""
    policies = table.open_table("policies", POLICIES)
    return {
        name: policies.read_choice(
            name, POLICIES[name].values, POLICIES[name].default
        )
        for name in policies.values
    }


def _read_platforms(top: Table) -> dict[str, dict[str, str]]:
    """Read which platforms are asked, each with policies of its own."""
    if "platforms" not in top.values:
        return {name: {} for name in PLATFORMS}
    table = top.open_table("platforms", PLATFORMS)
    return {
        name: _read_policies(table.open_table(name, ("policies",)))
        for name in table.values
    }


def _read_variants(
    top: Table,
    code: Mapping[str, Listing],
    labels: Mapping[str, int],
    outcomes: list[str],
    paging: Paging | None,
) -> Iterator[Variant]:
    table = top.open_table("variants")
    table.limit("variants", MAXIMUM_VARIANTS)
    known = (
        *("platform", "title", "policies", "start", "events", "expect"),
        "rom",
    )
    for name in table.values:
        with table.refusals:
            _require_slug(table, name, "a variant")
            entry = table.open_table(name, known)
            entry.require("platform")
            start = None
            if not {"start", "rom"}.isdisjoint(entry.values):
                own = entry.open_table("start", KEYS)
                own.add_defaults(top.open_table("start", KEYS))
                start = replace(
                    read_start(own, labels, code),
                    paging=paging,
                    roms=read_roms(entry if "rom" in entry.values else top),
                )
            events = None
            if "events" in entry.values:
                own = entry.open_table("events", EVENTS)
                events = tuple(_read_events(own))
            yield Variant(
                name=name,
                title=entry.read_text("title", MAXIMUM_PHRASE, name),
                platform=entry.read_choice("platform", PLATFORMS),
                policies=_read_policies(entry),
                start=start,
                events=events,
                expect=_read_answers(entry.open_table("expect", outcomes)),
            )


def _read_expectations(
    top: Table,
    platforms: Mapping[str, Mapping[str, str]],
    outcomes: list[str],
) -> dict[str, dict[str, str]]:
    table = top.open_table("expect", platforms)
    return {
        name: _read_answers(table.open_table(name, outcomes))
        for name in table.values
    }


def _read_answers(table: Table) -> dict[str, str]:
    return {
        name: table.read_choice(name, ANSWERS, ANSWERS[0])
        for name in table.values
    }

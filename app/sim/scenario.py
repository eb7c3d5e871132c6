"""A question to the simulator, and the file that asks it.

A scenario is a TOML text with the sections ``[code]``, ``[data]``,
``[start]``, ``[paging]``, ``[pages]``, ``[events]``, ``[outcomes]``,
``[platforms]``, ``[policies]``, ``[variants.*]`` and ``[expect]``.
`parse_scenario` checks all of it: whoever gets a `Scenario` need not check
again. All of it can be pickled.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from app.sim.layout import (
    DATA_BASE,
    HANDLER_BASE,
    HANDLER_SPACE,
    KERNEL_BASE,
    USER_BASE,
)
from app.sim.listing import (
    Listing,
    ListingError,
    find_name_fault,
    parse_listings,
)
from app.sim.observables import OBSERVABLES, list_observables
from app.sim.outcome import (
    OPERATORS,
    Expression,
    OutcomeError,
    Predicate,
    Vocabulary,
    compile_outcome,
    parse_outcome,
)
from app.sim.page_tables import Paging, get_symbols
from app.sim.pages_section import read_paging
from app.sim.platforms import PLATFORMS
from app.sim.policies import POLICIES
from app.sim.registry import CALLS
from app.sim.rom import NUMBERS
from app.sim.start import ENTRIES, EVENTS, VECTORS, Event, Start
from app.sim.start_section import KEYS, PENDING, read_start
from app.sim.toml_places import ScenarioError, read_toml
from app.sim.toml_table import Table

ANSWERS: Final = (
    *("always", "sometimes", "never", "unspecified", "not-modelled"),
)
MAXIMUM_WORDS: Final = 64
MAXIMUM_OUTCOMES: Final = 32
MAXIMUM_EVENTS: Final = 16
MAXIMUM_VARIANTS: Final = 16
MAXIMUM_BUDGET: Final = 1000
MAXIMUM_PHRASE: Final = 500
MAXIMUM_TEXT: Final = 64 * 1024

_SECTIONS: Final = (
    *("question", "about", "objection", "notes", "code", "data", "start"),
    *("events", "outcomes", "platforms", "policies", "variants", "expect"),
    *("paging", "pages"),
)
_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_SLUG: Final = 80
_WORD: Final = 4


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
    document = read_toml(text)
    top = Table(document, (), document.root, _SECTIONS)
    data = _read_data(top.open_table("data"))
    paging = _read_paging(top, data)
    code = _read_code(top, data, paging)
    labels = {name: each.statements[0].address for name, each in code.items()}
    for listing in code.values():
        labels.update(listing.labels)
    platforms = _read_platforms(top)
    start = replace(
        read_start(top.open_table("start", KEYS), labels, code), paging=paging
    )
    cpus = 1 + len(start.processors)
    outcomes = tuple(_read_outcomes(top, data, labels, cpus))
    names = [outcome.name for outcome in outcomes]
    return Scenario(
        slug=slug,
        question=_read_required(top, "question", MAXIMUM_PHRASE),
        about=top.read_choices("about", sorted({*CALLS, *NUMBERS})),
        objection=_read_objection(top),
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


def _read_data(table: Table) -> tuple[tuple[str, int], ...]:
    table.limit("data words", MAXIMUM_WORDS)
    for name in table.values:
        fault = find_name_fault(name)
        if not fault and (name in OBSERVABLES or name in OPERATORS):
            fault = "a name that outcomes do not use for something else"
        if fault:
            line, column = table.document.locate_key((*table.path, name))
            raise ScenarioError(
                f"a data word cannot be called {name[:40]!r}",
                line,
                column,
                fault,
            )
    return tuple((name, table.read_word(name)) for name in table.values)


def _read_paging(
    top: Table, data: tuple[tuple[str, int], ...]
) -> Paging | None:
    names = [name for name, _ in data]
    return read_paging(top, {*names, *ENTRIES, *VECTORS})


def _read_code(
    top: Table, data: tuple[tuple[str, int], ...], paging: Paging | None
) -> dict[str, Listing]:
    top.require("code")
    table = top.open_table("code", (*ENTRIES, *VECTORS))
    sources: dict[str, tuple[str, int]] = {}
    handlers = 0
    for name in table.values:
        base = KERNEL_BASE
        if name.startswith("user"):
            base = USER_BASE + ENTRIES[name] * HANDLER_SPACE
        elif name != "kernel":
            base = HANDLER_BASE + handlers * HANDLER_SPACE
            handlers += 1
        sources[name] = (table.read_text(name, MAXIMUM_TEXT), base)
    words = {
        name: DATA_BASE + _WORD * place for place, (name, _) in enumerate(data)
    }
    _refuse_shared_names(top, sources, words)
    if paging is not None:
        words.update(get_symbols(paging))
    try:
        return parse_listings(sources, words=words, calls={*CALLS, *NUMBERS})
    except ListingError as error:
        place = table.document.locate_inside(
            (*table.path, error.listing), error.line, error.column
        )
        raise ScenarioError(error.message, *place, error.expected) from None


def _refuse_shared_names(
    top: Table, sources: Mapping[str, object], words: Mapping[str, int]
) -> None:
    for name in sources:
        if name in words:
            place = top.document.locate_key(("data", name))
            raise ScenarioError(
                f"{name!r} is the name of a listing",
                *place,
                "another name for the data word",
            )


def _read_events(table: Table) -> Iterator[Event]:
    table.limit("events", MAXIMUM_EVENTS)
    for name, value in table.values.items():
        if isinstance(value, dict):
            entry = table.open_table(name, ("budget", "must"))
            entry.require("budget")
            budget = entry.read_number("budget", 1, MAXIMUM_BUDGET)
            yield Event(name, budget, entry.read_switch("must"))
        else:
            yield Event(name, table.read_number(name, 1, MAXIMUM_BUDGET))


def _read_outcomes(
    top: Table,
    data: tuple[tuple[str, int], ...],
    labels: Mapping[str, int],
    cpus: int,
) -> Iterator[Outcome]:
    top.require("outcomes")
    table = top.open_table("outcomes")
    table.limit("outcomes", MAXIMUM_OUTCOMES)
    values = [*list_observables(cpus), *(name for name, _ in data)]
    vocabulary = Vocabulary(values, PENDING, labels)
    for name in table.values:
        _require_slug(table, name, "an outcome")
        entry = table.open_table(name, ("when", "is", "text"))
        text = _read_required(entry, "is", MAXIMUM_PHRASE)
        yield Outcome(
            name=name,
            when=entry.read_choice("when", ("reached", "end"), "reached"),
            text=text,
            phrase=entry.read_text(
                "text", MAXIMUM_PHRASE, name.replace("-", " ")
            ),
            expression=_parse_outcome(entry, text, vocabulary),
        )
    if not table.values:
        table.refuse_value("nothing is asked", (), "at least one outcome")


def _parse_outcome(
    entry: Table, text: str, vocabulary: Vocabulary
) -> Expression:
    try:
        return parse_outcome(text, vocabulary)
    except OutcomeError as error:
        place = entry.document.locate_inside(
            (*entry.path, "is"), error.line, error.column
        )
        raise ScenarioError(error.message, *place, error.expected) from None


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
        name: policies.read_choice(name, POLICIES[name].values)
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
    known = ("platform", "title", "policies", "start", "events", "expect")
    for name in table.values:
        _require_slug(table, name, "a variant")
        entry = table.open_table(name, known)
        entry.require("platform")
        start = None
        if "start" in entry.values:
            table_of_start = entry.open_table("start", KEYS)
            table_of_start.add_defaults(top.open_table("start", KEYS))
            start = read_start(table_of_start, labels, code)
            start = replace(start, paging=paging)
        events = None
        if "events" in entry.values:
            events = tuple(_read_events(entry.open_table("events", EVENTS)))
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
    return {name: table.read_choice(name, ANSWERS) for name in table.values}

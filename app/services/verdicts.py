"""Verdicts: a report's answers as a table and in sentences; no queries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from app.sim import PLATFORMS, Scenario, ScenarioError, parse_scenario

PARSED = 256
"""How many scenarios are kept parsed."""

WHERE: Mapping[str, str] = {
    "native": "on native hardware",
    "software": "on a software hypervisor",
    "hardware": "on a hypervisor with hardware support",
    "translator": "under a binary translator",
}
ASSERTIONS: Mapping[str, tuple[str, str, str]] = {
    "always": ("it ", "always happens", " that "),
    "sometimes": ("it ", "can happen", " that "),
    "never": ("it ", "never happens", " that "),
    "unspecified": ("the RFC ", "does not say", " whether "),
    "not-modelled": ("the simulator ", "cannot tell", " whether "),
    "limit": (
        "the search hit a limit, so there is ",
        "no answer",
        " whether ",
    ),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One answer: of an outcome, on a platform, or a variant of one.

    `readings` tells what each reading of a silent clause would give; `ways`
    names the executions that can be shown, `witness` and `counter`.
    """

    platform: str
    variant: str | None
    outcome: str
    answer: str
    expected: str | None
    readings: Mapping[str, str]
    ways: tuple[str, ...]

    @property
    def query(self) -> dict[str, str]:
        """Return what names this answer in the address of its run."""
        return build_query(self.platform, self.variant, self.outcome)

    @property
    def differs(self) -> bool:
        """Tell whether another answer was expected."""
        return self.expected not in (None, self.answer)


@dataclass(frozen=True, slots=True)
class Line:
    """An outcome's answers, one a platform; a variant has a line of its own.

    `title` says what the variant is; `cells` has None where the platform
    was not asked.
    """

    outcome: str
    phrase: str
    variant: str | None
    title: str | None
    cells: tuple[Cell | None, ...]

    @property
    def answered(self) -> tuple[Cell, ...]:
        """Return the cells that hold an answer."""
        return tuple(cell for cell in self.cells if cell is not None)


def build_query(
    platform: str, variant: str | None, outcome: str
) -> dict[str, str]:
    """Return what names an answer in the address of its run."""
    query = {"platform": platform, "outcome": outcome}
    return query if variant is None else {**query, "variant": variant}


class Part(NamedTuple):
    """A piece of a sentence; the verb that matters is strong."""

    text: str
    strong: bool = False


@lru_cache(maxsize=PARSED)
def read_scenario(text: str, slug: str) -> Scenario | None:
    """Return the scenario in a stored text; None if the calls have changed.

    A text is stored only after it was parsed, so only another version of
    the program can refuse it.
    """
    try:
        return parse_scenario(text, slug=slug)
    except ScenarioError:
        return None


def list_columns(reports: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the platforms that reports speak of, in the usual order."""
    named = {
        each["platform"] for report in reports for each in report["platforms"]
    }
    return tuple(name for name in PLATFORMS if name in named)


def build_lines(
    report: Mapping[str, Any],
    scenario: Scenario | None,
    columns: Sequence[str],
) -> tuple[Line, ...]:
    """Return the answers of a report: the outcomes, then each variant's."""
    phrases = (
        {each.name: each.phrase for each in scenario.outcomes}
        if scenario
        else {}
    )
    titles = (
        {each.name: each.title for each in scenario.variants}
        if scenario
        else {}
    )
    rows: dict[tuple[str | None, str], dict[str, Cell]] = {}
    for cell in _list_cells(report, scenario):
        rows.setdefault((cell.variant, cell.outcome), {})[cell.platform] = cell
    return tuple(
        Line(
            outcome=outcome,
            phrase=phrases.get(outcome, outcome.replace("-", " ")),
            variant=variant,
            title=titles.get(variant, variant) if variant else None,
            cells=tuple(cells.get(name) for name in columns),
        )
        for (variant, outcome), cells in rows.items()
    )


def _list_cells(
    report: Mapping[str, Any], scenario: Scenario | None
) -> Iterator[Cell]:
    for part in report["platforms"]:
        platform, variant = part["platform"], part["variant"]
        expected = _list_expected(scenario, part)
        for outcome, answer in part["answers"].items():
            yield Cell(
                platform=platform,
                variant=variant,
                outcome=outcome,
                answer=answer["answer"],
                expected=expected.get(outcome),
                readings=answer["readings"],
                ways=tuple(
                    way for way in ("witness", "counter") if answer[way]
                ),
            )


def _list_expected(
    scenario: Scenario | None, part: Mapping[str, Any]
) -> Mapping[str, str]:
    """Return what was expected, unless other policies were asked for."""
    if scenario is None:
        return {}
    platform = part["platform"]
    expected = scenario.expect.get(platform, {})
    policies = {
        **PLATFORMS[platform].policies,
        **scenario.policies,
        **scenario.platform_policies.get(platform, {}),
    }
    if part["variant"] is not None:
        variant = next(
            v for v in scenario.variants if v.name == part["variant"]
        )
        expected = variant.expect
        policies.update(variant.policies)
    relevant = part["relevant"]
    in_force = part["policies"]
    if any(in_force[name] != policies.get(name) for name in relevant):
        return {}
    return expected


def build_sentences(line: Line) -> tuple[tuple[Part, ...], ...]:
    """Say in sentences what a line's answers are.

    Platforms with the same answer share a sentence; only the first says the
    outcome itself.
    """
    places: dict[str, list[str]] = {}
    for cell in line.answered:
        places.setdefault(cell.answer, []).append(WHERE[cell.platform])
    return tuple(
        _build_sentence(
            answer, where, line.phrase if number == 0 else "", line.title
        )
        for number, (answer, where) in enumerate(
            sorted(places.items(), key=lambda item: RANKS[item[0]])
        )
    )


RANKS: Mapping[str, int] = {
    answer: rank
    for rank, answer in enumerate(
        ("sometimes", "always", "unspecified", "never", "not-modelled")
        + ("limit",)
    )
}
"""What is said first: what can happen, then what cannot."""


def _build_sentence(
    answer: str, where: Sequence[str], phrase: str, title: str | None
) -> tuple[Part, ...]:
    before, verb, link = ASSERTIONS[answer]
    place = join_words(where)
    after = f"{link}{phrase}" if phrase else ""
    if title and phrase:
        after += f" ({title})"
    return (
        Part(f"{place[0].upper()}{place[1:]} {before}"),
        Part(verb, strong=True),
        Part(f"{after}."),
    )


def join_words(words: Sequence[str]) -> str:
    """Join words as a sentence does: a, b and c."""
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"

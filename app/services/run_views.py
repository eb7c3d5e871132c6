"""Views of a run: which answer is looked at, at which step; no queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from app.errors import NotFoundError
from app.services import costs
from app.services.costs import Path
from app.services.executions import (
    Asked,
    Execution,
    build_execution,
    find_part,
)
from app.services.runs import RunRecord
from app.services.verdicts import (
    Cell,
    Line,
    Part,
    build_lines,
    build_sentences,
    list_columns,
    read_scenario,
)
from app.services.witnesses import Moment
from app.sim import POLICIES, Scenario
from app.sim.cost import CostTable

INTEREST = ("sometimes", "unspecified", "always", "never", "not-modelled")
"""Which answer is looked at first, if none is asked for."""


class Selection(NamedTuple):
    """What a reader asks to see of a run; None means: choose for me.

    `fold` leaves out the steps that do not matter to the outcome, `costs`
    are the reader's own cycles, as `app.services.costs` writes them.
    """

    platform: str | None = None
    variant: str | None = None
    outcome: str | None = None
    way: str | None = None
    step: int = 0
    fold: int = 0
    costs: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The address of a view: its path, and what else the address holds."""

    path: str
    fixed: tuple[tuple[str, str], ...] = ()

    def get_href(self, selection: Selection) -> str:
        """Return the address of another view of the same run."""
        chosen = [
            (name, str(value))
            for name, value in selection._asdict().items()
            if value not in {None, 0}
        ]
        query = urlencode([*self.fixed, *chosen])
        return f"{self.path}?{query}" if query else self.path


class PolicyLine(NamedTuple):
    """A policy in force, and whether the run asked for it."""

    name: str
    value: str
    text: str
    source: str
    relevant: bool


class ListingLine(NamedTuple):
    """A line of a listing; `current` marks the one just executed."""

    text: str
    current: bool


class ListingView(NamedTuple):
    """A listing of the scenario."""

    name: str
    lines: tuple[ListingLine, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the outcome table: a platform, or a variant of one."""

    platform: str
    variant: str | None
    title: str
    cells: tuple[Cell, ...]
    states: int
    transitions: int
    limit: str | None


class PathLine(NamedTuple):
    """An execution among those that can be compared by cost."""

    path: Path
    title: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as a page shows it.

    `cell` is the answer looked at and `execution` one that shows it, None
    where there is none. `limits` are what bounded the search, `asked` what
    the reader asked for beside.
    """

    run: RunRecord
    scenario: Scenario | None
    place: Place
    outcomes: tuple[tuple[str, str], ...]
    cases: tuple[Case, ...]
    cell: Cell
    case: Case
    way: str
    asked: Selection
    table: CostTable
    execution: Execution | None
    paths: tuple[PathLine, ...]
    limits: tuple[tuple[str, float], ...]
    sentences: tuple[tuple[Part, ...], ...]
    listings: tuple[ListingView, ...]
    policies: tuple[PolicyLine, ...]
    clauses: tuple[str, ...]

    @property
    def moment(self) -> Moment | None:
        """Return the execution's state at the step looked at."""
        return self.execution.moment if self.execution else None

    @property
    def selection(self) -> Selection:
        """Return what is shown, so that it can be linked to."""
        return Selection(
            self.cell.platform,
            self.cell.variant,
            self.cell.outcome,
            self.way if self.moment else None,
            self.moment.number if self.moment else 0,
            self.asked.fold,
            self.asked.costs,
        )

    def at_step(self, number: int) -> str:
        """Return the address of another step of this execution."""
        return self.place.get_href(self.selection._replace(step=number))

    def at_cell(self, cell: Cell, way: str | None = None) -> str:
        """Return the address of another answer, before its first step."""
        return self.place.get_href(_select(self.asked, cell, way))

    def with_fold(self, fold: int) -> str:
        """Return the address of this step, with or without the others."""
        return self.place.get_href(self.selection._replace(fold=fold))

    def with_costs(self, text: str | None) -> str:
        """Return the address of this step under other costs."""
        return self.place.get_href(self.selection._replace(costs=text))

    def get_permalink(self, path: str) -> str:
        """Return the lasting address of what is shown, below the run's."""
        return Place(path).get_href(self.selection)

    @property
    def phrase(self) -> str:
        """Return the outcome looked at, in words."""
        return dict(self.outcomes)[self.cell.outcome]


def build_view(run: RunRecord, place: Place, asked: Selection) -> RunView:
    """Return the view of a run that a reader asks for.

    Raises
    ------
    NotFoundError
        If the run has no such platform, variant or outcome.
    InvalidError
        If the reader's costs are none.
    """
    table = costs.read_changed(asked.costs)
    scenario = read_scenario(run.text, run.report["scenario"])
    columns = list_columns([run.report])
    lines = build_lines(run.report, scenario, columns)
    cell = _choose_cell(lines, asked)
    part = find_part(run.report, cell.platform, cell.variant)
    answer = part["answers"][cell.outcome]
    way = asked.way if asked.way in cell.ways else next(iter(cell.ways), "")
    looked = asked._replace(way=way)
    execution = (
        build_execution(
            run.report,
            scenario,
            part,
            Asked(cell.outcome, way, asked.step, fold=bool(asked.fold)),
            table,
        )
        if way
        else None
    )
    cases = _build_cases(run.report, lines)
    return RunView(
        run=run,
        scenario=scenario,
        place=place,
        outcomes=tuple({line.outcome: line.phrase for line in lines}.items()),
        cases=cases,
        cell=cell,
        case=find_case(cases, cell.platform, cell.variant),
        way=way,
        asked=asked,
        table=table,
        execution=execution,
        paths=_list_paths(run, place, cases, cell, looked, table),
        limits=tuple(run.report.get("limits", {}).items()),
        sentences=_build_verdict(lines, cell),
        listings=_build_listings(
            scenario, execution.moment if execution else None
        ),
        policies=_list_policies(part),
        clauses=tuple(answer["clauses"]),
    )


def _list_paths(  # noqa: PLR0913, PLR0917 - it links to all that is shown
    run: RunRecord,
    place: Place,
    cases: Sequence[Case],
    cell: Cell,
    asked: Selection,
    table: CostTable,
) -> tuple[PathLine, ...]:
    """Return the executions about the outcome looked at, with their cost."""
    return tuple(
        PathLine(
            path=path,
            title=find_case(cases, path.platform, path.variant).title,
            href=place.get_href(
                Selection(
                    path.platform,
                    path.variant,
                    path.outcome,
                    path.way,
                    fold=asked.fold,
                    costs=asked.costs,
                )
            ),
            current=(path.platform, path.variant, path.way)
            == (cell.platform, cell.variant, asked.way),
        )
        for path in costs.list_paths(run.report, table, cell.outcome)
    )


def find_case(
    cases: Sequence[Case], platform: str, variant: str | None
) -> Case:
    """Return the row of the outcome table for a platform or variant."""
    return next(
        case
        for case in cases
        if (case.platform, case.variant) == (platform, variant)
    )


def _select(asked: Selection, cell: Cell, way: str | None) -> Selection:
    return Selection(
        cell.platform,
        cell.variant,
        cell.outcome,
        way,
        fold=asked.fold,
        costs=asked.costs,
    )


def _choose_cell(lines: Sequence[Line], asked: Selection) -> Cell:
    cells = [cell for line in lines for cell in line.answered]
    fitting = [
        cell
        for cell in cells
        if (asked.platform in {None, cell.platform})
        and (asked.outcome in {None, cell.outcome})
        and (asked.variant is None or asked.variant == cell.variant)
    ]
    if asked.platform is not None and asked.outcome is not None:
        fitting = [c for c in fitting if c.variant == asked.variant]
    if not fitting:
        name = asked.outcome or asked.variant or asked.platform or ""
        raise NotFoundError("answer of this run", name)
    return min(fitting, key=_get_interest)


def _get_interest(cell: Cell) -> tuple[bool, int, bool]:
    rank = (
        INTEREST.index(cell.answer)
        if cell.answer in INTEREST
        else len(INTEREST)
    )
    return not cell.differs, rank, cell.variant is not None


def _build_cases(
    report: Mapping[str, Any], lines: Sequence[Line]
) -> tuple[Case, ...]:
    cases = []
    for part in report["platforms"]:
        platform, variant = part["platform"], part["variant"]
        own = [line for line in lines if line.variant == variant]
        cases.append(
            Case(
                platform=platform,
                variant=variant,
                title=(own[0].title if own else None) or variant or "",
                cells=tuple(
                    cell
                    for line in own
                    for cell in line.answered
                    if cell.platform == platform
                ),
                states=part["states"],
                transitions=part["transitions"],
                limit=part["limit"],
            )
        )
    return tuple(cases)


def _build_verdict(
    lines: Sequence[Line], cell: Cell
) -> tuple[tuple[Part, ...], ...]:
    wanted = [
        line
        for line in lines
        if line.outcome == cell.outcome
        and line.variant in {None, cell.variant}
    ]
    sentences: list[tuple[Part, ...]] = []
    # the variant that is looked at speaks first
    for line in sorted(wanted, key=lambda line: line.variant is None):
        sentences.extend(build_sentences(line))
    return tuple(sentences)


def _build_listings(
    scenario: Scenario | None, moment: Moment | None
) -> tuple[ListingView, ...]:
    if scenario is None:
        return ()
    step = moment.step if moment else None
    return tuple(
        ListingView(
            name,
            tuple(
                ListingLine(
                    text.expandtabs(),
                    current=step is not None
                    and (step.listing, step.line) == (name, number),
                )
                for number, text in enumerate(source.rstrip().split("\n"), 1)
            ),
        )
        for name, source in scenario.listings.items()
    )


def _list_policies(part: Mapping[str, Any]) -> tuple[PolicyLine, ...]:
    relevant = part["relevant"]
    lines = [
        PolicyLine(
            name,
            value,
            POLICIES[name].text if name in POLICIES else "",
            POLICIES[name].source if name in POLICIES else "",
            name in relevant,
        )
        for name, value in part["policies"].items()
    ]
    return tuple(sorted(lines, key=lambda line: not line.relevant))


def list_relevant(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the policies that any part of a report consulted."""
    named = {name for part in report["platforms"] for name in part["relevant"]}
    return tuple(name for name in POLICIES if name in named)

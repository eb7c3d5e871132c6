"""Which policies an answer depends on, found by running all combinations.

A run notes each policy that it asks, so its answers hold for every value of
the others. The product is therefore explored as a tree: a run under the
values chosen so far, then one for each value of the first policy that it
asked and that is not chosen yet. The leaves part the whole product, though
most of its combinations never ran by themselves.

Gaps take part by their readings: silence is not a value to choose.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from math import prod
from types import MappingProxyType
from typing import Final, NamedTuple

from app.sim.explore import Progress, Verdict, list_verdicts
from app.sim.gaps import GAPS
from app.sim.policies import POLICIES
from app.sim.report import LIMIT, Json
from app.sim.scenario import Scenario
from app.sim.search import Limits

MOST_RUNS: Final = 600
"""How many runs one platform may take."""

MOST_ROWS: Final = 5000
"""How many combinations of the policies that matter a table is made of."""

_READ: Final = MappingProxyType(
    {name: next(iter(gap.readings)) for name, gap in GAPS.items()}
)
"""With one reading of each gap no run ends where the RFC is silent."""

Choices = Mapping[str, str]


class Row(NamedTuple):
    """A line of a table of answers: a policy left out may have any value."""

    choices: Mapping[str, tuple[str, ...]]
    answer: str

    def to_dict(self) -> dict[str, Json]:
        """Give the row as JSON."""
        choices: dict[str, Json] = {
            name: list(values) for name, values in self.choices.items()
        }
        return {"choices": choices, "answer": self.answer}


@dataclass(frozen=True, slots=True)
class Dependence:
    """What one outcome's answer depends on.

    ``matters`` names the policies that change the answer alone, somewhere in
    the product; ``rows`` is the answers by these, as few rows as will do.
    """

    matters: tuple[str, ...]
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Json]:
        """Give the dependence as JSON."""
        return {
            "matters": list(self.matters),
            "rows": [row.to_dict() for row in self.rows],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformProduct:
    """The product on one platform.

    Parameters
    ----------
    consulted
        The policies that some run asked, each with its values.
    combinations, runs
        How many combinations of them there are, and how many runs settled
        all of them.
    complete
        Whether they did; if not, a policy may matter that is not named.
    """

    platform: str
    consulted: Mapping[str, tuple[str, ...]]
    combinations: int
    runs: int
    complete: bool
    outcomes: Mapping[str, Dependence]

    @property
    def idle(self) -> tuple[str, ...]:
        """The policies that were asked and change no answer."""
        mattering = {
            m for each in self.outcomes.values() for m in each.matters
        }
        return tuple(name for name in self.consulted if name not in mattering)

    def to_dict(self) -> dict[str, Json]:
        """Give the platform's part as JSON."""
        return {
            "platform": self.platform,
            "consulted": {n: list(v) for n, v in self.consulted.items()},
            "combinations": self.combinations,
            "runs": self.runs,
            "complete": self.complete,
            "idle": list(self.idle),
            "outcomes": {n: o.to_dict() for n, o in self.outcomes.items()},
        }


class _Leaf(NamedTuple):
    """Combinations with the same answers; None if they were not run."""

    choices: Choices
    answers: Mapping[str, str] | None


def explore_product(
    scenario: Scenario,
    *,
    platforms: Sequence[str] | None = None,
    limits: Limits,
    most_runs: int = MOST_RUNS,
    should_stop: Callable[[int], bool] | None = None,
) -> tuple[PlatformProduct, ...]:
    """Find which policies each answer depends on, platform by platform.

    Parameters
    ----------
    scenario
        The question; its variants are left out, since each is a choice of
        policies itself.
    platforms
        Names of platforms; all that the scenario names, if None.
    limits
        How far each run may go; the seconds are for all of them.
    most_runs
        How many runs each platform may take.
    should_stop
        Told now and then how many runs are done; nothing more is run when
        it says so.
    """
    bare = replace(scenario, variants=())
    names = scenario.platforms if platforms is None else platforms
    deadline = time.monotonic() + limits.seconds
    done = 0
    products = []
    for name in dict.fromkeys(names):
        tree = _Tree(bare, name, limits, deadline, most_runs)
        tree.should_stop = should_stop
        tree.before = done
        products.append(tree.explore())
        done += tree.runs
    return tuple(products)


class _Tree:
    """The tree of runs of one platform."""

    def __init__(
        self,
        scenario: Scenario,
        platform: str,
        limits: Limits,
        deadline: float,
        most_runs: int,
    ) -> None:
        self.runs = 0
        self.before = 0
        self.should_stop: Callable[[int], bool] | None = None
        self._scenario = scenario
        self._platform = platform
        self._limits = limits
        self._deadline = deadline
        self._most_runs = most_runs
        self._leaves: list[_Leaf] = []
        self._consulted: set[str] = set()

    def explore(self) -> PlatformProduct:
        """Run what has to be run, and compare the answers."""
        self._branch({}, self._run({}))
        consulted = {
            name: list_values(name)
            for name in POLICIES
            if name in self._consulted
        }
        return PlatformProduct(
            platform=self._platform,
            consulted=consulted,
            combinations=prod(map(len, consulted.values())),
            runs=self.runs,
            complete=all(leaf.answers is not None for leaf in self._leaves),
            outcomes={
                outcome.name: _compare(self._list_answers(outcome.name))
                for outcome in self._scenario.outcomes
            },
        )

    def _run(self, chosen: Choices) -> Verdict | None:
        """Run under the values chosen; None when the budget is spent."""
        seconds = self._deadline - time.monotonic()
        if self.runs >= self._most_runs or seconds <= 0 or self._is_stopped():
            return None
        self.runs += 1
        (verdict,) = list_verdicts(
            self._scenario,
            platforms=(self._platform,),
            policies={**_READ, **chosen},
            limits=replace(self._limits, seconds=seconds),
            should_stop=self._may_stop,
        )
        self._consulted.update(verdict.consulted)
        return verdict

    def _may_stop(self, _: Progress) -> bool:
        return self._is_stopped()

    def _is_stopped(self) -> bool:
        if self.should_stop is None:
            return False
        return self.should_stop(self.before + self.runs)

    def _branch(self, chosen: Choices, verdict: Verdict | None) -> None:
        """Part the combinations that have the values chosen."""
        if verdict is None:
            self._leaves.append(_Leaf(chosen, None))
            return
        free = (n for n in POLICIES if n in verdict.consulted - chosen.keys())
        name = next(free, None)
        if name is None:
            whole = None if verdict.limit else verdict.answers
            self._leaves.append(_Leaf(chosen, whole))
            return
        for value in list_values(name):
            below = {**chosen, name: value}
            same = verdict.policies[name] == value
            self._branch(below, verdict if same else self._run(below))

    def _list_answers(self, outcome: str) -> list[tuple[Choices, str]]:
        """List the answers to one outcome, by the values that they need."""
        return [
            (leaf.choices, LIMIT if leaf.answers is None else answer)
            for leaf in self._leaves
            for answer in ((leaf.answers or {}).get(outcome, LIMIT),)
        ]


def list_values(policy: str) -> tuple[str, ...]:
    """List the values of a policy that settle something."""
    return POLICIES[policy].readings


# --------------------------------------------------------------- comparing


def _compare(leaves: list[tuple[Choices, str]]) -> Dependence:
    """Find what matters to an answer, and tell the answers by that."""
    known = [leaf for leaf in leaves if leaf[1] != LIMIT]
    mattering = {
        name
        for one, other in combinations(known, 2)
        for name in _find_cause(one, other)
    }
    matters = tuple(name for name in POLICIES if name in mattering)
    values = [list_values(name) for name in matters]
    if prod(map(len, values)) > MOST_ROWS:
        rows = tuple(
            Row({n: (v,) for n, v in c.items()}, a) for c, a in leaves
        )
        return Dependence(matters, rows)
    table = {
        point: _look_up(dict(zip(matters, point, strict=True)), leaves)
        for point in product(*values)
    }
    return Dependence(matters, tuple(_merge(matters, table)))


def _find_cause(
    one: tuple[Choices, str], other: tuple[Choices, str]
) -> Iterator[str]:
    """Yield the policy that alone makes two answers differ, if one does.

    Two leaves that need different values of one policy only have points
    that differ in nothing else.
    """
    if one[1] == other[1]:
        return
    apart = [
        name
        for name, value in one[0].items()
        if other[0].get(name, value) != value
    ]
    if len(apart) == 1:
        yield apart[0]


def _look_up(point: Choices, leaves: list[tuple[Choices, str]]) -> str:
    """Answer what holds at a point of the policies that matter.

    Where a part of it was not run, that is said, not guessed.
    """
    found = {
        answer
        for choices, answer in leaves
        if all(
            point.get(name, value) == value for name, value in choices.items()
        )
    }
    return found.pop() if len(found) == 1 else LIMIT


Table = Mapping[tuple[str, ...], str]


def _merge(names: tuple[str, ...], table: Table) -> list[Row]:
    """Tell a table in as few rows as a decision tree can."""
    return _Merger().merge(names, table)


class _Merger:
    """Finds the smallest decision tree of a table, by trying each policy."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], list[Row]] = {}

    def merge(self, names: tuple[str, ...], table: Table) -> list[Row]:
        """Answer the rows of the smallest tree, leaves from left to right."""
        answers = set(table.values())
        if len(answers) == 1:
            return [Row({}, answers.pop())]
        key = (names, tuple(sorted(table.items())))
        if key not in self._known:
            self._known[key] = min(
                (
                    self._split(place, names, table)
                    for place in range(len(names))
                ),
                key=len,
            )
        return self._known[key]

    def _split(
        self, place: int, names: tuple[str, ...], table: Table
    ) -> list[Row]:
        """Ask one policy first; values with the same answers share rows."""
        parts: dict[str, dict[tuple[str, ...], str]] = {}
        for point, answer in table.items():
            rest = (*point[:place], *point[place + 1 :])
            parts.setdefault(point[place], {})[rest] = answer
        shared: list[tuple[list[str], dict[tuple[str, ...], str]]] = []
        for value, part in parts.items():
            for values, same in shared:
                if same == part:
                    values.append(value)
                    break
            else:
                shared.append(([value], part))
        rest_names = (*names[:place], *names[place + 1 :])
        asks = len(shared) > 1
        return [
            Row({names[place]: tuple(values), **row.choices}, row.answer)
            if asks
            else row
            for values, part in shared
            for row in self.merge(rest_names, part)
        ]

"""The answers on random graphs, compared with a search of all sets.

The oracle does not know strongly connected components: it tries each set of
states in which an execution could stay for ever, and asks the definition.
"""

import math
from itertools import combinations, pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sim.answers import ALWAYS, NEVER, SOMETIMES, UNKNOWN, Finding, Graph
from app.sim.errors import NotModelled
from app.sim.machine import update
from app.sim.platforms import Platform
from app.sim.search import Limits, Search
from app.sim.start import Event
from tests.sim.guest import build

MACHINES = 4
EVENT = 6
"""The kind of an arrival, after those of two processors."""
PROCESSES = tuple(
    frozenset(kinds)
    for kinds in ((0,), (1,), (2,), (3,), (4,), (5,), (0, 1), (3, 4))
)
"""Steps, deliveries, landings; and steps and deliveries together."""

Edges = dict[int, list[tuple[int, int]]]


class Drawn(NamedTuple):
    """What each machine can do, and the machines that have the predicate."""

    moves: list[list[tuple[int, int]]]
    arrivals: list[list[int]]
    event: Event
    marked: frozenset[int]


class Case(NamedTuple):
    """The graph that a search makes of it, from state 0 on."""

    graph: Graph
    edges: Edges
    marked: frozenset[int]
    fair: tuple[frozenset[int], ...]
    has_gap: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw machines, and search them."""
    number = st.integers(0, MACHINES - 1)
    move = st.tuples(st.integers(0, EVENT - 1), st.integers(-1, MACHINES - 1))
    each = range(MACHINES)
    return _search(
        Drawn(
            moves=[draw(st.lists(move, max_size=3)) for _ in each],
            arrivals=[draw(st.lists(number, max_size=2)) for _ in each],
            event=Event("irq0", draw(st.integers(1, 2)), draw(st.booleans())),
            marked=frozenset(m for m in each if draw(st.booleans())),
        )
    )


def _search(drawn: Drawn) -> Case:
    """Let a search go over machines whose moves are known beforehand."""
    machine = build()
    machine = machine.replace(vcpus=machine.vcpus * 2)
    host = machine.board.host
    assert isinstance(host, Platform)
    search = Search(host, [machine], (drawn.event,))
    search.machines[:] = [
        update(machine, 0, eax=number) for number in range(MACHINES)
    ]
    search.moves[:] = drawn.moves
    search._arrivals[:] = [[targets] for targets in drawn.arrivals]
    search.run(Limits(), math.inf, None)
    ends = pairwise(search.offsets)
    edges = {
        state: list(zip(search.kinds[a:b], search.targets[a:b], strict=True))
        for state, (a, b) in enumerate(ends)
    }
    has_gap = any(target < 0 for target in search.targets)
    if has_gap:
        search.gaps.append(NotModelled("drawn"))
    numbers = [key // search.budgets for key in search.keys]
    return Case(
        graph=Graph(search),
        edges=edges,
        marked=frozenset(
            s for s, number in enumerate(numbers) if number in drawn.marked
        ),
        fair=PROCESSES + (frozenset({EVENT}),) * drawn.event.must,
        has_gap=has_gap,
    )


def _ask(case: Case, when: str) -> Finding:
    """Ask for the marked states, which a machine knows by its number."""
    search = case.graph._search
    numbers = {search.keys[state] // search.budgets for state in case.marked}
    return case.graph.ask(
        lambda machine: machine.vcpus[0].eax in numbers, when=when
    )


def _reach(graph: Edges, within: set[int], start: int = 0) -> set[int]:
    """Collect what is reached from a state within a set of states."""
    reached = {start} & within
    todo = list(reached)
    while todo:
        for _, target in graph[todo.pop()]:
            if target in within - reached:
                reached.add(target)
                todo.append(target)
    return reached


def _list_ends(case: Case) -> list[set[int]]:
    """List each set in which a fair execution may stay for ever."""
    graph = case.edges
    return [
        set(chosen)
        for size in range(1, len(graph) + 1)
        for chosen in combinations(graph, size)
        if all(_reach(graph, set(chosen), s) == set(chosen) for s in chosen)
        and _is_fair(case, set(chosen))
    ]


def _is_fair(case: Case, members: set[int]) -> bool:
    """Whether each process is impossible somewhere or happens inside."""
    graph = case.edges
    return all(
        any(not kinds & {k for k, _ in graph[state]} for state in members)
        or any(
            k in kinds and target in members
            for state in members
            for k, target in graph[state]
        )
        for kinds in case.fair
    )


def _meets_gap(case: Case, states: set[int]) -> bool:
    """Whether a gap follows one of some states."""
    return any(t < 0 for state in states for _, t in case.edges[state])


def _expect_reached(case: Case) -> str:
    graph, marked = case.edges, set(case.marked)
    without = set(graph) - marked
    avoiding = _reach(graph, without)
    if not marked:
        return UNKNOWN if case.has_gap else NEVER
    if any(end <= avoiding for end in _list_ends(case)):
        return SOMETIMES
    return UNKNOWN if _meets_gap(case, avoiding) else ALWAYS


def _expect_end(case: Case) -> str:
    marked = set(case.marked)
    ends = _list_ends(case)
    if not any(end <= marked for end in ends):
        return UNKNOWN if case.has_gap else NEVER
    if any(end - marked for end in ends):
        return SOMETIMES
    return UNKNOWN if case.has_gap else ALWAYS


def _check_path(case: Case, path: tuple[int, ...] | None) -> None:
    """Check that a path begins at the start and goes along edges."""
    if path is None:
        return
    assert path[0] == 0
    for state, target in pairwise(path):
        assert target in {t for _, t in case.edges[state]}


@settings(max_examples=400, deadline=None)
@given(case=cases())
def test_reached_is_answered_by_the_definition(case: Case) -> None:
    """EF and AF under weak fairness, with gaps."""
    finding = _ask(case, "reached")
    assert finding.answer == _expect_reached(case)
    _check_path(case, finding.witness)
    _check_path(case, finding.counter)
    if finding.witness:
        assert finding.witness[-1] in case.marked
    if finding.counter:
        assert not case.marked.intersection(finding.counter)


@settings(max_examples=400, deadline=None)
@given(case=cases())
def test_end_is_answered_by_the_definition(case: Case) -> None:
    """E FG and A FG under weak fairness, with gaps."""
    finding = _ask(case, "end")
    assert finding.answer == _expect_end(case)
    _check_path(case, finding.witness)
    _check_path(case, finding.counter)


@pytest.mark.parametrize(
    ("arrivals", "answer"),
    [([[2], [2], []], ALWAYS), ([[2], [], []], SOMETIMES)],
)
def test_an_event_must_arrive_only_if_it_always_can(
    arrivals: list[list[int]], answer: str
) -> None:
    """Two machines in turn: one chance in two may be missed for ever."""
    case = _search(
        Drawn(
            moves=[[(0, 1)], [(0, 0)], [], []],
            arrivals=[*arrivals, []],
            event=Event("irq0", 1, must=True),
            marked=frozenset({2}),
        )
    )
    assert _ask(case, "reached").answer == answer
    assert _expect_reached(case) == answer

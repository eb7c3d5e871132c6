"""The answers on random graphs, compared with a search of all sets.

The oracle does not know strongly connected components: it tries each set of
states in which an execution could stay for ever, and asks the definition.
"""

from itertools import combinations, pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from app.sim.answers import ALWAYS, NEVER, SOMETIMES, UNKNOWN, Graph
from app.sim.errors import NotModelled
from app.sim.machine import update
from app.sim.platforms import Platform
from app.sim.search import Search
from app.sim.start import Event
from tests.sim.guest import build

STATES = 5
KINDS = 4
FAIR = (0, 1, 2)
"""Step, delivery, and an event that must arrive; the last one is free."""

Edges = dict[int, list[tuple[int, int]]]

edges = st.lists(
    st.tuples(st.integers(0, KINDS - 1), st.integers(-1, STATES - 1)),
    max_size=3,
)


class Case(NamedTuple):
    """A graph from state 0 on, and the states that have the predicate."""

    edges: Edges
    marked: frozenset[int]
    has_gap: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a graph, its states numbered in the order of the search."""
    drawn = {state: draw(edges) for state in range(STATES)}
    order = [0]
    for state in order:
        for _, target in drawn[state]:
            if target >= 0 and target not in order:
                order.append(target)
    place = {state: i for i, state in enumerate(order)}
    numbered = {
        place[state]: [
            (kind, place[target] if target >= 0 else -1)
            for kind, target in drawn[state]
        ]
        for state in order
    }
    marked = frozenset(
        state for state in range(len(order)) if draw(st.booleans())
    )
    has_gap = any(t < 0 for each in numbered.values() for _, t in each)
    return Case(numbered, marked, has_gap)


def _build(case: Case) -> Graph:
    """Build the graph as a search would have left it."""
    machine = build()
    host = machine.board.host
    assert isinstance(host, Platform)
    events = (Event("irq0", 1, must=True), Event("irq1", 1))
    search = Search(host, [machine], events)
    search.machines.clear()
    search.keys.clear()
    search.parents.clear()
    parents = {0: -1}
    for state, each in case.edges.items():
        for kind, target in each:
            if target >= 0:
                parents.setdefault(target, state)
            search.targets.append(target)
            search.kinds.append(kind)
        search.offsets.append(len(search.targets))
    for state in case.edges:
        search.machines.append(update(machine, 0, eax=state))
        search.keys.append(state * search.budgets)
        search.parents.append(parents[state])
    if case.has_gap:
        search.gaps.append(NotModelled("drawn"))
    return Graph(search)


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


def _list_ends(graph: Edges) -> list[set[int]]:
    """List each set in which a fair execution may stay for ever."""
    return [
        set(chosen)
        for size in range(1, len(graph) + 1)
        for chosen in combinations(graph, size)
        if all(_reach(graph, set(chosen), s) == set(chosen) for s in chosen)
        and _is_fair(graph, set(chosen))
    ]


def _is_fair(graph: Edges, members: set[int]) -> bool:
    """Whether each kind is impossible somewhere or happens inside."""
    return all(
        any(kind not in {k for k, _ in graph[state]} for state in members)
        or any(
            k == kind and target in members
            for state in members
            for k, target in graph[state]
        )
        for kind in FAIR
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
    if any(end <= avoiding for end in _list_ends(graph)):
        return SOMETIMES
    return UNKNOWN if _meets_gap(case, avoiding) else ALWAYS


def _expect_end(case: Case) -> str:
    marked = set(case.marked)
    ends = _list_ends(case.edges)
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
    finding = _build(case).ask(
        lambda machine: machine.vcpus[0].eax in case.marked, when="reached"
    )
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
    finding = _build(case).ask(
        lambda machine: machine.vcpus[0].eax in case.marked, when="end"
    )
    assert finding.answer == _expect_end(case)
    _check_path(case, finding.witness)
    _check_path(case, finding.counter)

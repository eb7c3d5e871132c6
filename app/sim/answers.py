"""Answers, computed on the graph that a search leaves.

An execution is complete when each runnable processor goes on running, each
possible delivery is taken in the end, and each event that must arrive does
(weak fairness); other events may arrive or not. Such an execution ends in a
set of states that it goes through for ever, which may be a single state in
which nothing has to happen any more. Such a set is fair if every process
that is possible in all its states also happens in it.

With that, for a predicate *p*:

=========  =============================  =====================================
when       some execution has it          some execution has it not
=========  =============================  =====================================
reached    a state with *p* is reached    a fair set without *p* is reached
                                          through states without *p*
end        a fair set whose states all    a fair set with a state without *p*
           have *p* is reached            is reached
=========  =============================  =====================================

Beyond a gap or a limit anything may happen, so both questions have three
answers: yes, no, and not known.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from app.sim.machine import Machine
from app.sim.search import DELIVERY, KINDS_PER_CPU, STEP, Search

Predicate = Callable[[Machine], bool]
Filter = Callable[[int], bool]

ALWAYS: Final = "always"
SOMETIMES: Final = "sometimes"
NEVER: Final = "never"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the graph says of one outcome, with paths of states."""

    answer: str
    witness: tuple[int, ...] | None
    counter: tuple[int, ...] | None


class Graph:
    """The graph of a search, and the questions that can be asked of it."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._states = search.explored
        self.is_open = bool(search.gaps) or search.limit is not None
        self._fair: Final = self._collect_fair_kinds()

    def _collect_fair_kinds(self) -> int:
        """Collect, as bits, the kinds of edge that fairness is about."""
        search = self._search
        fair = 0
        for cpu in range(search.first_event // KINDS_PER_CPU):
            fair |= 1 << (KINDS_PER_CPU * cpu + STEP)
            fair |= 1 << (KINDS_PER_CPU * cpu + DELIVERY)
        for place, event in enumerate(search.events):
            if event.must:
                fair |= 1 << (search.first_event + place)
        return fair

    def ask(self, predicate: Predicate, *, when: str) -> Finding:
        """Answer whether an outcome comes about, with the paths."""
        by_machine: list[bool | None] = [None] * len(self._search.machines)
        search = self._search

        def holds(state: int) -> bool:
            number = search.keys[state] // search.budgets
            known = by_machine[number]
            if known is None:
                known = predicate(search.machines[number])
                by_machine[number] = known
            return known

        if when == "end":
            return self._ask_end(holds)
        return self._ask_reached(holds)

    def _ask_reached(self, holds: Filter) -> Finding:
        """Answer EF and AF."""
        witness = self._find_first(holds)
        if witness is None:
            return Finding(UNKNOWN if self.is_open else NEVER, None, None)
        # Only what is reached without the predicate matters from here on.
        path, meets_gap = self._find_fair(
            within=lambda state: not holds(state),
            chosen=lambda _: True,
        )
        if path is not None:
            return Finding(SOMETIMES, witness, path)
        return Finding(UNKNOWN if meets_gap else ALWAYS, witness, None)

    def _ask_end(self, holds: Filter) -> Finding:
        """Answer E FG and A FG."""
        ends = self._find_components(holds, range(self._states))
        marked = {state for component in ends for state in component}
        witness = self._find_first(marked.__contains__) if marked else None
        if witness is None:
            return Finding(UNKNOWN if self.is_open else NEVER, None, None)
        path, meets_gap = self._find_fair(
            within=lambda _: True,
            chosen=lambda component: not all(map(holds, component)),
        )
        if path is not None:
            return Finding(SOMETIMES, witness, path)
        return Finding(UNKNOWN if meets_gap else ALWAYS, witness, None)

    def find_gap(self, gap: int) -> tuple[int, ...]:
        """Find a shortest path to the edge that ends in a gap."""
        target = -1 - gap
        path = self._find_first(
            lambda state: target in self._get_targets(state)
        )
        assert path is not None  # noqa: S101 - the search went there
        return path

    # ------------------------------------------------------------- parts

    def _get_targets(self, state: int) -> list[int]:
        """Answer where the edges of a state lead; none if unexplored."""
        if state >= self._states:
            return []
        offsets = self._search.offsets
        return self._search.targets[offsets[state] : offsets[state + 1]]

    def _find_first(self, holds: Filter) -> tuple[int, ...] | None:
        """Find a shortest path to a state, by the tree of the search."""
        parents = self._search.parents
        for state in range(len(parents)):
            if holds(state):
                path = [state]
                while parents[path[-1]] >= 0:
                    path.append(parents[path[-1]])
                return tuple(reversed(path))
        return None

    def _find_fair(
        self, *, within: Filter, chosen: Callable[[list[int]], bool]
    ) -> tuple[tuple[int, ...] | None, bool]:
        """Find a shortest path, within a part, to a fair set of a kind.

        The second answer says whether the part leads into the unknown.
        """
        parents, meets_gap = self._reach(within)
        marked = {
            state
            for component in self._find_components(within, parents)
            if chosen(component)
            for state in component
        }
        for state in parents:
            if state in marked:
                path = [state]
                while parents[path[-1]] >= 0:
                    path.append(parents[path[-1]])
                return tuple(reversed(path)), meets_gap
        return None, meets_gap

    def _reach(self, within: Filter) -> tuple[dict[int, int], bool]:
        """Collect the states reached within a part, in order of distance."""
        search = self._search
        parents: dict[int, int] = {}
        meets_gap = False
        queue: deque[int] = deque()
        for state in range(len(search.parents)):
            if search.parents[state] >= 0:
                break
            if within(state):
                parents[state] = -1
                queue.append(state)
        while queue:
            state = queue.popleft()
            if state >= self._states:
                meets_gap = True
            for target in self._get_targets(state):
                if target < 0:
                    meets_gap = True
                elif target not in parents and within(target):
                    parents[target] = state
                    queue.append(target)
        return parents, meets_gap

    def _find_components(
        self, within: Filter, states: Iterator[int] | range | dict[int, int]
    ) -> list[list[int]]:
        """Find the fair strongly connected sets within a part.

        Tarjan's algorithm, without recursion.
        """
        order: dict[int, int] = {}
        lowest: dict[int, int] = {}
        on_stack: set[int] = set()
        stack: list[int] = []
        found: list[list[int]] = []
        for root in states:
            if root in order or root >= self._states or not within(root):
                continue
            work = [(root, self._iterate(root, within))]
            order[root] = lowest[root] = len(order)
            stack.append(root)
            on_stack.add(root)
            while work:
                state, targets = work[-1]
                for target in targets:
                    if target not in order:
                        order[target] = lowest[target] = len(order)
                        stack.append(target)
                        on_stack.add(target)
                        work.append((target, self._iterate(target, within)))
                        break
                    if target in on_stack:
                        lowest[state] = min(lowest[state], order[target])
                else:
                    work.pop()
                    if work:
                        parent = work[-1][0]
                        lowest[parent] = min(lowest[parent], lowest[state])
                    if lowest[state] == order[state]:
                        component = _pop_component(stack, on_stack, state)
                        if self._is_fair(component):
                            found.append(component)
        return found

    def _iterate(self, state: int, within: Filter) -> Iterator[int]:
        """Go over the explored states of a part that a state leads to."""
        return iter(
            [
                target
                for target in self._get_targets(state)
                if 0 <= target < self._states and within(target)
            ]
        )

    def _is_fair(self, component: list[int]) -> bool:
        """Whether an execution may stay in a set for ever."""
        search = self._search
        members = set(component)
        always_possible = self._fair
        happens = 0
        for state in component:
            possible = 0
            begin, end = search.offsets[state], search.offsets[state + 1]
            for edge in range(begin, end):
                bit = 1 << search.kinds[edge]
                possible |= bit
                if search.targets[edge] in members:
                    happens |= bit
            always_possible &= possible
        return not always_possible & ~happens


def _pop_component(
    stack: list[int], on_stack: set[int], root: int
) -> list[int]:
    """Take a finished component from the stack."""
    component: list[int] = []
    while True:
        state = stack.pop()
        on_stack.discard(state)
        component.append(state)
        if state == root:
            return component

"""Answers, computed on the graph that a search leaves.

An execution is complete when each runnable processor goes on running, each
possible delivery is taken in the end, and each event that must arrive does
(weak fairness); other events may arrive or not. Such an execution ends in a
set of states that it goes through for ever, which may be a single state in
which nothing has to happen any more. Such a set is fair if every process
that is possible in all its states also happens in it. The processes are, for
each processor, its steps, its deliveries, what lands at it, and its steps and
deliveries taken together.

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

An arrival spends budget for good, so a set that goes on for ever has one
budget, and whether it is one depends on its machines alone. Sets are
therefore looked for among machines, of which there are far fewer than
states; the budget matters only to an event that must arrive.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from app.sim.machine import Machine
from app.sim.search import KINDS, KINDS_PER_CPU, LANDING, Search

Predicate = Callable[[Machine], bool]

ALWAYS: Final = "always"
SOMETIMES: Final = "sometimes"
NEVER: Final = "never"
UNKNOWN: Final = "unknown"

_FLIP: Final = bytes.maketrans(b"\0\1", b"\1\0")
_PROCESSES: Final = tuple(
    1 << kind
    | (1 << (len(KINDS) + kind // KINDS_PER_CPU) if part != LANDING else 0)
    for kind, part in enumerate(KINDS)
)
"""For each kind of move, as bits, the processes that it is part of."""

_NOT_FAIR: Final = -1
_UNSEEN: Final = -2


@dataclass(frozen=True, slots=True)
class Finding:
    """What the graph says of one outcome, with paths of states."""

    answer: str
    witness: tuple[int, ...] | None
    counter: tuple[int, ...] | None


class Graph:
    """The graph of a search, and the questions that can be asked of it.

    A part of it is a mask with a byte, 0 or 1, for each machine or state.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self.is_open = bool(search.gaps) or search.limit is not None
        self._machines = [key // search.budgets for key in search.keys]
        self._all = b"\1" * len(search.machines)
        self._must = [
            place for place, event in enumerate(search.events) if event.must
        ]

    def ask(self, predicate: Predicate, *, when: str) -> Finding:
        """Answer whether an outcome comes about, with the paths."""
        holds = bytes(map(predicate, self._search.machines))
        if when == "end":
            return self._ask_end(holds)
        return self._ask_reached(holds)

    def _ask_reached(self, holds: bytes) -> Finding:
        """Answer EF and AF."""
        witness = self._find_first(self._spread(holds))
        if witness is None:
            return Finding(UNKNOWN if self.is_open else NEVER, None, None)
        lacks = holds.translate(_FLIP)
        marked = self._mark(self._find_fair(lacks))
        # Only what is reached without the predicate matters from here on.
        path, meets_gap = self._find_path(self._spread(lacks), marked)
        if path is not None:
            return Finding(SOMETIMES, witness, path)
        return Finding(UNKNOWN if meets_gap else ALWAYS, witness, None)

    def _ask_end(self, holds: bytes) -> Finding:
        """Answer E FG and A FG."""
        ends = self._find_fair(holds)
        witness = self._find_first(self._mark(ends))
        if witness is None:
            return Finding(UNKNOWN if self.is_open else NEVER, None, None)
        others = self._find_fair(self._all, lacking=holds)
        counter = self._find_first(self._mark(others))
        if counter is not None:
            return Finding(SOMETIMES, witness, counter)
        return Finding(UNKNOWN if self.is_open else ALWAYS, witness, None)

    def find_gap(self, gap: int) -> tuple[int, ...]:
        """Find a shortest path to the edge that ends in a gap."""
        search = self._search
        edge = search.targets.index(-1 - gap)
        state = bisect_right(search.offsets, edge) - 1
        return self._trace(search.parents, state)

    # ------------------------------------------------------------- paths

    def _spread(self, machines: bytes) -> bytes:
        """Turn a mask of machines into one of states."""
        return bytes(map(machines.__getitem__, self._machines))

    def _find_first(self, mask: bytes) -> tuple[int, ...] | None:
        """Find a shortest path to a state of a mask."""
        state = mask.find(1)
        return None if state < 0 else self._trace(self._search.parents, state)

    def _trace(self, parents: list[int], state: int) -> tuple[int, ...]:
        """Go back from a state to the beginning."""
        path = [state]
        while parents[path[-1]] >= 0:
            path.append(parents[path[-1]])
        return tuple(reversed(path))

    def _find_path(
        self, within: bytes, marked: bytes
    ) -> tuple[tuple[int, ...] | None, bool]:
        """Find a shortest path, within a part, to a marked state of it.

        The second answer says whether the part leads into the unknown.
        """
        search = self._search
        targets, offsets = search.targets, search.offsets
        parents = [_UNSEEN] * len(search.parents)
        queue: list[int] = []
        for state in range(search.beginnings):
            if within[state]:
                if marked[state]:
                    return (state,), False
                parents[state] = -1
                queue.append(state)
        meets_gap = False
        for state in queue:
            if state >= search.explored:
                meets_gap = True
                continue
            for target in targets[offsets[state] : offsets[state + 1]]:
                if target < 0:
                    meets_gap = True
                elif within[target] and parents[target] == _UNSEEN:
                    parents[target] = state
                    if marked[target]:
                        return self._trace(parents, target), meets_gap
                    queue.append(target)
        return None, meets_gap

    # --------------------------------------------------------- fair sets

    def _mark(self, fair: list[int]) -> bytes:
        """Mask the states that lie in fair sets, as `_find_fair` has them."""
        search = self._search
        if not self._must:
            return self._spread(bytes(spent >= 0 for spent in fair))
        open_events: dict[int, int] = {}
        mask = bytearray(len(search.keys))
        for state, machine in enumerate(self._machines):
            spent = fair[machine]
            if spent < 0:
                continue
            budget = search.keys[state] % search.budgets
            if budget not in open_events:
                open_events[budget] = self._get_open(budget)
            mask[state] = not spent & open_events[budget]
        return bytes(mask)

    def _get_open(self, budget: int) -> int:
        """Collect, as bits, the events of which a budget has any left."""
        places = (place for place, _ in self._search.get_choices(budget))
        return sum(1 << place for place in places)

    def _find_fair(
        self, within: bytes, lacking: bytes | None = None
    ) -> list[int]:
        """Find the machines that lie in fair sets within a part.

        For each machine the answer has, as bits, the events that must have
        been spent for the set to be fair. With ``lacking``, only sets of
        which a machine is not in that mask.
        """
        fair = [_NOT_FAIR] * len(within)
        for component in self._find_components(within):
            if lacking is not None and all(lacking[m] for m in component):
                continue
            if self._is_fair(component):
                spent = self._get_awaited(component)
                for machine in component:
                    fair[machine] = spent
        return fair

    def _is_fair(self, component: list[int]) -> bool:
        """Whether no process waits for ever while it is possible."""
        moves_of = self._search.moves
        members = frozenset(component)
        always_possible = -1
        happens = 0
        for machine in component:
            possible = 0
            for kind, target in moves_of[machine] or ():
                possible |= _PROCESSES[kind]
                if target in members:
                    happens |= _PROCESSES[kind]
            always_possible &= possible
        return not always_possible & ~happens

    def _get_awaited(self, component: list[int]) -> int:
        """Collect the events that must arrive and can in all of a set."""
        return sum(
            1 << place
            for place in self._must
            if all(self._search.may_arrive(m, place) for m in component)
        )

    def _find_components(self, within: bytes) -> Iterator[list[int]]:
        """Find the strongly connected sets of machines within a part.

        Tarjan's algorithm, without recursion.
        """
        moves_of = self._search.moves
        order = [0] * len(within)
        lowest = [0] * len(within)
        count = 0
        stack: list[int] = []
        for root in range(len(within)):
            if order[root] or not within[root] or moves_of[root] is None:
                continue
            work = [(root, iter(moves_of[root] or ()))]
            count += 1
            order[root] = lowest[root] = count
            stack.append(root)
            while work:
                machine, moves = work[-1]
                for _, target in moves:
                    if target < 0 or not within[target]:
                        continue
                    if not order[target]:
                        following = moves_of[target]
                        if following is None:
                            continue
                        count += 1
                        order[target] = lowest[target] = count
                        stack.append(target)
                        work.append((target, iter(following)))
                        break
                    lowest[machine] = min(lowest[machine], lowest[target])
                else:
                    work.pop()
                    low = lowest[machine]
                    if work:
                        parent = work[-1][0]
                        lowest[parent] = min(low, lowest[parent])
                    if low == order[machine]:
                        yield _cut(stack, machine, lowest)


def _cut(stack: list[int], root: int, lowest: list[int]) -> list[int]:
    """Take a finished set from the stack; nothing is below it any more."""
    component: list[int] = []
    while not component or component[-1] != root:
        component.append(stack.pop())
        lowest[component[-1]] = len(lowest) + 1
    return component

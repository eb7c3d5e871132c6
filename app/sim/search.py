"""The breadth-first search over arrival, delivery and step.

A state is a machine and what is left of each event's budget. Machines are
numbered once and what each can do is computed once, so that the search itself
goes over integers: the state of machine *m* with budget *b* has the key
``m * budgets + b``. The order is fixed: steps and deliveries first, then
arrivals in the order in which the scenario names them; so the first path
found to a state is a shortest one and always the same. Processors take turns
in any order, instruction by instruction: each move is that of one of them.
What one stores all see at once; the store buffers of a real processor are not
modelled, so a question whose answer hangs on them is out of reach.

An edge that leads nowhere, since the RFC is silent or the simulator lacks
something, ends in a gap: a negative target.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, ParamSpec

from app.sim.apic import land, list_landings
from app.sim.delivery import deliver_due, get_due
from app.sim.errors import NotModelled, Unspecified
from app.sim.machine import CpuId, Machine
from app.sim.platforms import Platform
from app.sim.start import MAXIMUM_CPUS, Event

Gap = Unspecified | NotModelled
P = ParamSpec("P")

STEP: Final = 0
DELIVERY: Final = 1
LANDING: Final = 2
KINDS_PER_CPU: Final = 3
"""The kinds of moves of a processor; a landing ends at it."""
KINDS: Final = (STEP, DELIVERY, LANDING) * MAXIMUM_CPUS
_CHECK_EVERY: Final = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a search may go.

    Raises
    ------
    ValueError
        If a limit is not in the range that the program offers.
    """

    states: int = 100_000
    transitions: int = 1_000_000
    seconds: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what nobody should wait for."""
        for name, lowest, highest in (
            ("states", "from 1", 2_000_000),
            ("transitions", "from 1", 20_000_000),
            ("seconds", "more than 0, up", 600),
        ):
            value = getattr(self, name)
            if not 0 < value <= highest:
                raise ValueError(f"{name} must be {lowest} to {highest}")


class Search:
    """One exploration, and the graph that it leaves.

    Parameters
    ----------
    platform
        The host of the run.
    initial
        Machines to begin with; more than one is a free choice.
    events
        What may arrive, with its budget.
    """

    def __init__(
        self,
        platform: Platform,
        initial: list[Machine],
        events: tuple[Event, ...],
    ) -> None:
        self.platform: Final = platform
        self.events: Final = events
        self.machines: Final[list[Machine]] = []
        self.gaps: Final[list[Gap]] = []
        self.keys: Final[list[int]] = []
        self.parents: Final[list[int]] = []
        self.offsets: Final[list[int]] = [0]
        self.targets: Final[list[int]] = []
        self.kinds: Final[list[int]] = []
        self.limit: str | None = None
        self._numbers: Final[dict[Machine, int]] = {}
        self.moves: Final[list[list[tuple[int, int]] | None]] = []
        self._arrivals: Final[list[list[list[int] | None]]] = []
        self._choices: Final[dict[int, list[tuple[int, int]]]] = {}
        self.budgets: Final = self._count_budgets()
        self.first_event: Final = KINDS_PER_CPU * len(initial[0].vcpus)
        full = self.budgets - 1
        for machine in initial:
            self.keys.append(self._number(machine) * self.budgets + full)
            self.parents.append(-1)

    def _count_budgets(self) -> int:
        """Count the combinations of what may be left of each event."""
        product = 1
        for event in self.events:
            product *= event.budget + 1
        return product

    @property
    def explored(self) -> int:
        """How many of the states found have been gone on from."""
        return len(self.offsets) - 1

    @property
    def beginnings(self) -> int:
        """How many states the search began with: the first ones."""
        return self.parents.count(-1)

    def may_arrive(self, number: int, place: int) -> bool:
        """Whether an event can arrive at a machine; yes if nobody tried."""
        return self._arrivals[number][place] != []

    def get_machine(self, state: int) -> Machine:
        """Answer the machine of a state."""
        return self.machines[self.keys[state] // self.budgets]

    def has_arrived(self, place: int) -> bool:
        """Whether an event arrived anywhere in the search."""
        return any(arrivals[place] for arrivals in self._arrivals)

    def run(  # noqa: C901 - the hot loop, written out on purpose
        self,
        limits: Limits,
        deadline: float,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        """Search until all is found or a limit is met."""
        keys, parents = self.keys, self.parents
        targets, kinds = self.targets, self.kinds
        budgets, moves_of = self.budgets, self.moves
        first_event = self.first_event
        arrivals_of, choices_of = self._arrivals, self._choices
        index = {key: state for state, key in enumerate(keys)}
        count = len(keys)
        state = 0
        while state < count:
            if not state % _CHECK_EVERY or count > limits.states:
                self.limit = self._check(limits, deadline, should_stop)
                if self.limit:
                    return
            machine, budget = divmod(keys[state], budgets)
            moves = moves_of[machine]
            if moves is None:
                moves = self._move(machine)
            for kind, target in moves:
                found = target
                if target >= 0:
                    key = target * budgets + budget
                    found = index.setdefault(key, count)
                    if found == count:
                        count += 1
                        keys.append(key)
                        parents.append(state)
                targets.append(found)
                kinds.append(kind)
            if budget:
                arrivals = arrivals_of[machine]
                for event, left in choices_of.get(budget) or self.get_choices(
                    budget
                ):
                    for target in arrivals[event] or self._arrive(
                        machine, event
                    ):
                        found = target
                        if target >= 0:
                            key = target * budgets + left
                            found = index.setdefault(key, count)
                            if found == count:
                                count += 1
                                keys.append(key)
                                parents.append(state)
                        targets.append(found)
                        kinds.append(first_event + event)
            self.offsets.append(len(targets))
            state += 1

    def _check(
        self,
        limits: Limits,
        deadline: float,
        should_stop: Callable[[], bool] | None,
    ) -> str | None:
        """Name the limit that is met."""
        if len(self.keys) > limits.states:
            return "states"
        if len(self.targets) > limits.transitions:
            return "transitions"
        if time.monotonic() > deadline:
            return "seconds"
        return "stopped" if should_stop and should_stop() else None

    def get_choices(self, budget: int) -> list[tuple[int, int]]:
        """Answer which events may still arrive, and the budget left then."""
        choices = self._choices.get(budget)
        if choices is None:
            choices = []
            weight = 1
            for place, event in enumerate(self.events):
                if budget // weight % (event.budget + 1):
                    choices.append((place, budget - weight))
                weight *= event.budget + 1
            self._choices[budget] = choices
        return choices

    def _number(self, machine: Machine) -> int:
        """Give a machine its number, once."""
        number = self._numbers.setdefault(machine, len(self.machines))
        if number == len(self.machines):
            self.machines.append(machine)
            self.moves.append(None)
            self._arrivals.append([None] * len(self.events))
        return number

    def _arrive(self, number: int, place: int) -> list[int]:
        """Answer the machines after the arrival of an event."""
        known = self._arrivals[number][place]
        if known is None:
            machine, event = self.machines[number], self.events[place].name
            try:
                after = self.platform.arrive(machine, event)
                known = [self._number(each) for each in after]
            except (Unspecified, NotModelled) as gap:
                known = [self._refuse(gap)]
            self._arrivals[number][place] = known
        return known

    def _move(self, number: int) -> list[tuple[int, int]]:
        """Compute the steps and deliveries of a machine, once."""
        machine = self.machines[number]
        moves: list[tuple[int, int]] = []
        for cpu, vcpu in enumerate(machine.vcpus):
            if vcpu.shutdown or vcpu.startup or machine.stopped:
                continue
            kind = KINDS_PER_CPU * cpu
            due = get_due(machine, cpu)
            if due is not None:
                target = self._try(deliver_due, machine, cpu, due.vector)
                moves.append((kind + DELIVERY, target))
            if not vcpu.halted and (due is None or not due.forced):
                target = self._try(self._step, machine, cpu)
                moves.append((kind + STEP, target))
        for message in list_landings(machine) if machine.bus else ():
            kind = KINDS_PER_CPU * message.target
            moves.append((kind + LANDING, self._try(land, machine, message)))
        self.moves[number] = moves
        return moves

    def _step(self, machine: Machine, cpu: CpuId) -> Machine:
        """Carry out the next instruction of a processor."""
        return self.platform.step(machine, cpu).machine

    def _try(
        self, action: Callable[P, Machine], *args: P.args, **kwargs: P.kwargs
    ) -> int:
        """Answer the number of the next machine, or that of a gap."""
        try:
            return self._number(action(*args, **kwargs))
        except (Unspecified, NotModelled) as gap:
            return self._refuse(gap)

    def _refuse(self, gap: Gap) -> int:
        """Give a gap its number, which is negative."""
        self.gaps.append(gap)
        return -len(self.gaps)

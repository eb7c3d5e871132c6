"""The same events on another platform: where two executions part.

An execution that a report tells is done again elsewhere, act by act: the
same processor steps, the same event arrives, the same interrupt is
delivered. Its first act that cannot be done there, or after which control or
memory is another, is where the platforms part. Registers are compared only
where an outcome names them: what a call leaves in those that it may clobber
is nobody's business.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.sim.delivery import deliver_due, get_due
from app.sim.errors import NotModelled, Unspecified
from app.sim.explore import build_initial
from app.sim.machine import Machine
from app.sim.observables import observe, split_observable
from app.sim.outcome import Binary, Expression, Name, Not
from app.sim.platforms import Platform
from app.sim.scenario import Scenario
from app.sim.start import EVENTS, Start
from app.sim.witness import land_told, name_vector, tell_arrival

_CONTROL: Final = ("eip", "halted", "shutdown", "stopped", "if")
_EVENT_OF: Final[Mapping[str, str]] = {
    tell_arrival(name): name for name in EVENTS
}


class Act(NamedTuple):
    """One step of an execution, as a report tells it."""

    kind: str
    cpu: int
    text: str


class Difference(NamedTuple):
    """An observable that is not the same on both platforms."""

    name: str
    here: int
    there: int


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two platforms part; `number` None: they go the same way.

    `number` counts the acts from 1 and is 0 where they begin otherwise.
    `told` is how the act reads on the other platform. `reason` says in words
    why it cannot be done there; without one there are differences.
    """

    number: int | None
    told: str = ""
    reason: str = ""
    differences: tuple[Difference, ...] = ()


class _Stop(Exception):  # noqa: N818 - it ends a replay, and is no error
    """Raised where an act cannot be done."""


def find_parting(
    scenario: Scenario,
    start: Start,
    host: Platform,
    acts: Sequence[Act],
    states: Sequence[Mapping[str, int]],
) -> Parting:
    """Find where an execution parts from the same events on `host`.

    Parameters
    ----------
    scenario
        The question, and where it starts: `start`.
    acts
        What the execution did, and in `states` all that can be observed
        before the first and after each: one more than there are acts.
    """
    words = [name for name, _ in scenario.data]
    named = [
        name
        for outcome in scenario.outcomes
        for name in list_names(outcome.expression)
    ]
    compared = tuple(dict.fromkeys((*words, *named)))
    found = _choose(states[0], build_initial(scenario, start, host), compared)
    if isinstance(found, tuple):
        return Parting(0, differences=found)
    for number, (act, state) in enumerate(
        zip(acts, states[1:], strict=True), 1
    ):
        told = _tell(host, found[0], act)
        try:
            choices = _do_all(host, found, act)
        except _Stop as stop:
            return Parting(number, told, str(stop))
        found = _choose(state, choices, compared)
        if isinstance(found, tuple):
            return Parting(number, told, differences=found)
    return Parting(None)


def _choose(
    state: Mapping[str, int],
    machines: Sequence[Machine],
    compared: Sequence[str],
) -> list[Machine] | tuple[Difference, ...]:
    """Return the machines that look like a state, each once.

    If there is none, what differs in the first.
    """
    differences = [_compare(state, each, compared) for each in machines]
    fitting = [
        each
        for each, different in zip(machines, differences, strict=True)
        if not different
    ]
    return list(dict.fromkeys(fitting)) or differences[0]


def _do_all(
    host: Platform, machines: Sequence[Machine], act: Act
) -> list[Machine]:
    """Do an act on each machine; the first reason if none can do it."""
    done: list[Machine] = []
    stops: list[_Stop] = []
    for machine in machines:
        try:
            done.extend(_do(host, machine, act))
        except _Stop as stop:
            stops.append(stop)
        except Unspecified as gap:
            stops.append(_Stop(f"the RFC is silent: {gap}"))
        except NotModelled as gap:
            stops.append(_Stop(f"the model ends: {gap}"))
    if not done:
        raise stops[0]
    return done


def list_names(expression: Expression) -> frozenset[str]:
    """Return the observables that an outcome names.

    Those of processor 0 go by their plain name, as in a witness.
    """
    if isinstance(expression, Name):
        cpu, name = split_observable(expression.name)
        return frozenset({expression.name if cpu else name})
    if isinstance(expression, Not):
        return list_names(expression.operand)
    if isinstance(expression, Binary):
        return list_names(expression.left) | list_names(expression.right)
    return frozenset()


def _do(host: Platform, machine: Machine, act: Act) -> Iterable[Machine]:
    """Do an act; more than one machine is a free choice."""
    vcpu = machine.vcpus[act.cpu]
    due = get_due(machine, act.cpu)
    if act.kind == "arrival":
        event = _EVENT_OF.get(act.text)
        after = (
            host.arrive(machine, event)
            if event
            else land_told(machine, act.cpu, act.text)
        )
        if not after:
            raise _Stop("the event cannot arrive")
        return after
    if vcpu.shutdown or machine.stopped:
        raise _Stop("the processor has stopped")
    if act.kind == "delivery":
        if due is None:
            raise _Stop("nothing is delivered")
        if act.text != f"delivery of {name_vector(due.vector)}":
            raise _Stop(f"{name_vector(due.vector)} is delivered first")
        return [deliver_due(machine, act.cpu, due.vector)]
    if vcpu.halted:
        raise _Stop("the processor is halted")
    if due is not None and due.forced:
        raise _Stop(f"{name_vector(due.vector)} is delivered first")
    return [host.step(machine, act.cpu).machine]


def _tell(host: Platform, machine: Machine, act: Act) -> str:
    """Tell how an act reads on a platform."""
    if act.kind != "step":
        return act.text
    try:
        code = host.fetch(machine, act.cpu)
    except NotModelled:
        return ""
    return code.statement.text if code is not None else act.text


def _compare(
    state: Mapping[str, int], machine: Machine, compared: Sequence[str]
) -> tuple[Difference, ...]:
    there = observe(machine)
    return tuple(
        Difference(name, state[name], there[name])
        for name in (*_list_control(machine), *compared)
        if name in state and name in there and state[name] != there[name]
    )


def _list_control(machine: Machine) -> Iterator[str]:
    """List what says where each processor goes on, and if it may."""
    for cpu in range(len(machine.vcpus)):
        prefix = f"cpu{cpu}." if cpu else ""
        for name in _CONTROL:
            yield f"{prefix}{name}"

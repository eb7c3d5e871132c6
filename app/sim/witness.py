"""Witnesses: a path of states, told step by step."""

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise, starmap
from typing import Final

from app.sim import bare
from app.sim.apic import land, list_landings
from app.sim.bare import get_call_name
from app.sim.delivery import BOOT, IRQ_BASE, LINES, get_due
from app.sim.devices import Message, local_apic
from app.sim.errors import GuestFault, NotModelled, Unspecified
from app.sim.instructions import control, descriptors, system
from app.sim.listing import SLOT, Statement
from app.sim.machine import USER_CPL, CpuId, Machine
from app.sim.observables import observe
from app.sim.registry import CALLS, INSTRUCTIONS, get_instruction
from app.sim.report import WitnessStep
from app.sim.rom import NAMES
from app.sim.search import DELIVERY, KINDS_PER_CPU, LANDING, Search
from app.sim.vectors import MACHINE_CHECK, NMI

_ARRIVAL_CLAUSES: Final = {
    "nmi": ("SDM vol. 3A, 6.7", "RFC 2.11"),
    "mce": ("SDM vol. 3A, 6.15, interrupt 18", "RFC 2.11"),
    "suspend": ("RFC 2.12", "RFC 2.12"),
    "migrate": ("RFC 2.12", "RFC 2.12"),
    "steal": ("RFC 2.12", "RFC 2.12"),
    "alarm": ("RFC 2.12", "RFC 2.12"),
    "tlb": ("SDM vol. 3A, 4.10.2", "SDM vol. 3A, 4.10.2"),
}
_IRQ_CLAUSES: Final = ("SDM vol. 3A, 6.3.1", "RFC 2.5")
_LANDING_CLAUSE: Final = "SDM vol. 3A, 10.6"
_MESSAGES: Final = {
    local_apic.NMI: "NMI",
    local_apic.INIT: "INIT",
    local_apic.STARTUP: "STARTUP",
}
_EVENTS: Final = {NMI: "nmi", MACHINE_CHECK: "mce"}
_FAULTS: Final = {
    0: "#DE",
    1: "#DB",
    3: "#BP",
    4: "#OF",
    5: "#BR",
    6: "#UD",
    7: "#NM",
    8: "#DF",
    10: "#TS",
    11: "#NP",
    12: "#SS",
    13: "#GP",
    14: "#PF",
    16: "#MF",
    17: "#AC",
}


class Narrator:
    """Tells the paths of one search.

    Parameters
    ----------
    search
        The search whose states the paths are made of.
    places
        The listing in which each statement stands, by address.
    longest
        How many states of a path are told at most.
    """

    def __init__(
        self, search: Search, places: Mapping[int, str], *, longest: int
    ) -> None:
        self._search = search
        self._places = places
        self._longest = longest
        self._told: dict[tuple[int, int], WitnessStep] = {}
        self._observed: tuple[int, Mapping[str, int]] = (-1, {})

    def tell(self, path: tuple[int, ...]) -> tuple[WitnessStep, ...]:
        """Tell a path of states; the middle of a long one as one step."""
        if len(path) <= self._longest:
            return tuple(starmap(self._tell_once, pairwise(path)))
        half = self._longest // 2
        head, tail = path[:half], path[-half:]
        return (
            *starmap(self._tell_once, pairwise(head)),
            self._fold(head[-1], tail[0], len(path) - 2 * half + 1),
            *starmap(self._tell_once, pairwise(tail)),
        )

    def _fold(self, state: int, following: int, count: int) -> WitnessStep:
        """Tell many transitions as one."""
        before = self._search.get_machine(state)
        after = self._search.get_machine(following)
        return WitnessStep(
            cpu=0,
            at=self._describe(before, 0)[0],
            text=f"({count} transitions)",
            clause="",
            kind="step",
            lane=self._get_lane(before, 0),
            way="",
            line=None,
            changes=_compare(observe(before), observe(after)),
        )

    def tell_gap(
        self, path: tuple[int, ...], number: int
    ) -> tuple[WitnessStep, ...]:
        """Tell a path that ends in a gap, with the step that ends there."""
        search = self._search
        machine = search.get_machine(path[-1])
        gap = search.gaps[number]
        kind = search.kinds[search.targets.index(-1 - number)]
        arrives = kind >= search.first_event
        cpu = BOOT if arrives else kind // KINDS_PER_CPU
        at, text, line, clause = self._describe(machine, cpu)
        if not arrives and kind % KINDS_PER_CPU == LANDING:
            text, line, clause = "a message lands", None, _LANDING_CLAUSE
        if arrives:
            event = search.events[kind - search.first_event].name
            text, line = tell_arrival(event), None
            clause = self._get_arrival_clause(event)
        if isinstance(gap, Unspecified):
            clause = gap.section
        last = WitnessStep(
            cpu=cpu,
            at=at,
            text=text,
            clause=clause,
            kind="arrival" if arrives else "step",
            lane="hardware" if arrives else self._get_lane(machine, cpu),
            way="",
            line=line,
            changes={},
        )
        return (*self.tell(path), last)

    @cached_property
    def clauses(self) -> tuple[str, ...]:
        """The clauses that the search applied, of calls and system code."""
        clauses: set[str] = set()
        search = self._search
        for number, moves in enumerate(search.moves):
            machine = search.machines[number]
            for kind, _ in moves or ():
                cpu, part = divmod(kind, KINDS_PER_CPU)
                if part == DELIVERY:
                    due = get_due(machine, cpu)
                    clause = due.clause if due else ""
                elif part == LANDING:
                    clause = _LANDING_CLAUSE
                else:
                    clause = self._describe(machine, cpu)[3]
                clauses.add(clause)
        for place, event in enumerate(search.events):
            if search.has_arrived(place):
                clauses.add(self._get_arrival_clause(event.name))
        return tuple(sorted(c for c in clauses if is_telling(c)))

    def _tell_once(self, state: int, following: int) -> WitnessStep:
        """Tell one transition; the paths of a search have many in common."""
        edge = (state, following)
        told = self._told.get(edge)
        if told is None:
            told = self._told[edge] = self._tell_edge(state, following)
        return told

    def _compare(
        self, state: int, following: int
    ) -> dict[str, tuple[int | None, int | None]]:
        """Compare two states; a path's next step begins where one ends."""
        number, before = self._observed
        if number != state:
            before = observe(self._search.get_machine(state))
        after = observe(self._search.get_machine(following))
        self._observed = (following, after)
        return _compare(before, after)

    def _tell_edge(self, state: int, following: int) -> WitnessStep:
        """Tell one transition."""
        search = self._search
        before = search.get_machine(state)
        after = search.get_machine(following)
        begin, end = search.offsets[state], search.offsets[state + 1]
        edge = search.targets.index(following, begin, end)
        kind = search.kinds[edge]
        changes = self._compare(state, following)
        if kind >= search.first_event:
            event = search.events[kind - search.first_event].name
            return WitnessStep(
                cpu=0,
                at=self._describe(before, 0)[0],
                text=tell_arrival(event),
                clause=self._get_arrival_clause(event),
                kind="arrival",
                lane="hardware",
                way=bare.ARRIVAL,
                line=None,
                changes=changes,
            )
        cpu, part = divmod(kind, KINDS_PER_CPU)
        at, text, line, clause = self._describe(before, cpu)
        if part == DELIVERY:
            return self._tell_delivery(before, cpu, at, changes)
        if part == LANDING:
            return _tell_landing(before, after, cpu, at, changes)
        step = self._search.platform.step(before, cpu)
        if step.fault is not None:
            text = f"{text}: {_name_fault(step.fault)}"
        return WitnessStep(
            cpu=cpu,
            at=at,
            text=text,
            clause=clause,
            kind="step",
            lane=step.lane,
            way=step.way,
            line=line,
            changes=changes,
        )

    def _tell_delivery(
        self,
        machine: Machine,
        cpu: CpuId,
        at: str,
        changes: Mapping[str, tuple[int | None, int | None]],
    ) -> WitnessStep:
        """Tell the delivery of what is due."""
        due = get_due(machine, cpu)
        assert due is not None  # noqa: S101 - the search found it so
        host = self._search.platform
        virtual = host.has_hypervisor and machine.vcpus[cpu].paravirtual
        return WitnessStep(
            cpu=cpu,
            at=at,
            text=f"delivery of {name_vector(due.vector)}",
            clause=due.clause,
            kind="delivery",
            lane="hypervisor" if virtual else "hardware",
            way=bare.DELIVERY,
            line=None,
            changes=changes,
        )

    def _describe(
        self, machine: Machine, cpu: CpuId
    ) -> tuple[str, str, tuple[str, int] | None, str]:
        """Describe where a processor stands: place, text, line, clause."""
        eip = machine.vcpus[cpu].eip
        try:
            code = self._search.platform.fetch(machine, cpu)
        except NotModelled:
            return f"{eip:#x}", "outside the listings", None, ""
        if code is None:
            number = machine.board.slots[eip]
            name = NAMES.get(number, f"call {number}, which is not used")
            clause = CALLS[name].clause if name in CALLS else ""
            return f"ROM+{eip & 0xFFF:#x}", f"ROM code of {name}", None, clause
        statement = code.statement
        listing = self._places.get(statement.address // SLOT * SLOT, "")
        line = (listing, statement.line)
        return statement.at, statement.text, line, _get_clause(statement)

    def _get_lane(self, machine: Machine, cpu: CpuId) -> str:
        """Name the lane of a step that could not be carried out."""
        user = machine.vcpus[cpu].cpl == USER_CPL
        return "user" if user else "kernel"

    def _get_arrival_clause(self, event: str) -> str:
        """Name the clause of an arrival, on hardware or with a hypervisor."""
        clauses = _ARRIVAL_CLAUSES.get(event, _IRQ_CLAUSES)
        return clauses[self._search.platform.has_hypervisor]


_SYSTEM_CLAUSES: Final = frozenset(
    spec.clause
    for spec in INSTRUCTIONS.values()
    if spec.module in {m.__name__ for m in (system, control, descriptors)}
)


def is_telling(clause: str) -> bool:
    """Whether a clause says more than what an integer instruction does."""
    return clause.startswith(("RFC", "SDM vol. 3")) or (
        clause in _SYSTEM_CLAUSES
    )


def _get_clause(statement: Statement) -> str:
    """Name the clause of a statement; none for one that is not modelled."""
    name = get_call_name(statement)
    if name:
        return CALLS[name].clause if name in CALLS else ""
    try:
        return get_instruction(statement).clause
    except NotModelled:
        return ""


def _compare(
    before: Mapping[str, int], after: Mapping[str, int]
) -> dict[str, tuple[int | None, int | None]]:
    """Compare two observed states."""
    return {
        name: (before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }


def _tell_landing(
    before: Machine,
    after: Machine,
    cpu: CpuId,
    at: str,
    changes: Mapping[str, tuple[int | None, int | None]],
) -> WitnessStep:
    """Tell how a message between processors lands."""
    message = next(
        each
        for each in list_landings(before)
        if each.target == cpu and land(before, each) == after
    )
    return WitnessStep(
        cpu=cpu,
        at=at,
        text=_tell_message(message),
        clause=_LANDING_CLAUSE,
        kind="arrival",
        lane="hardware",
        way=bare.ARRIVAL,
        line=None,
        changes=changes,
    )


def _tell_message(message: Message) -> str:
    """Tell the landing of a message in words."""
    what = _MESSAGES.get(message.mode, f"vector {message.vector:#x}")
    return f"{what} from processor {message.source} lands"


def land_told(machine: Machine, cpu: CpuId, text: str) -> list[Machine]:
    """Let the message land at a processor of which a witness tells."""
    return [
        land(machine, message)
        for message in list_landings(machine)
        if message.target == cpu and _tell_message(message) == text
    ]


def tell_arrival(event: str) -> str:
    """Tell an arrival in words."""
    told = {
        "suspend": "suspended and resumed",
        "migrate": "migrated to another host",
        "steal": "the processor is taken away for a while",
        "alarm": "time passes until an alarm expires",
        "tlb": "a processor drops its TLB",
    }
    return told.get(event, f"arrival of {event}")


def name_vector(vector: int) -> str:
    """Name what is delivered by its event, else by its vector."""
    if IRQ_BASE <= vector < IRQ_BASE + LINES:
        return f"irq{vector - IRQ_BASE}"
    return _EVENTS.get(vector, f"vector {vector:#x}")


def _name_fault(fault: GuestFault) -> str:
    """Name an exception as the SDM does."""
    name = _FAULTS.get(fault.vector, f"vector {fault.vector}")
    if fault.error_code is None:
        return name
    return f"{name}({fault.error_code:#x})"

"""Costs of executions: the table with a reader's changes, and the sums.

What a reader changes stands in the address, as `trap.software:3000`, and
nowhere else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from app.config import ROOT
from app.errors import CorpusError, Fault, InvalidError
from app.services.corpus_files import read_file
from app.services.witnesses import Step, read_steps
from app.sim import CALLS, INSTRUCTIONS, PLATFORMS, CallSpec, Platform
from app.sim.cost import (
    LARGEST,
    Charge,
    CostClass,
    CostError,
    CostTable,
    Doing,
    Figure,
    name_instruction,
    parse_costs,
)
from app.sim.machine import VCpu
from app.sim.rom import IN_ROM

FOLDER = ROOT / "app" / "corpus" / "vmi"
FILE = "costs.toml"
MOST_TEXT = 2000
"""Characters of the changes in an address."""

FIELD = "costs"
ENTRIES = frozenset({"trap", "hypercall"})
"""The ways of a step that go to the hypervisor and back."""

_CHANGE = re.compile(r"([a-z-]{1,40})\.([a-z-]{1,40}):([0-9]{1,9})")

Changes = Mapping[tuple[str, str], int]


@lru_cache(maxsize=1)
def read_table() -> CostTable:
    """Return the table of the corpus.

    Raises
    ------
    CorpusError
        If its file is wrong.
    """
    try:
        return parse_costs(read_file(FOLDER, FILE).text)
    except CostError as error:
        raise CorpusError(FILE, str(error)) from None


def parse_changes(text: str) -> Changes:
    """Read a reader's changes as an address holds them.

    Raises
    ------
    InvalidError
        If one is no change of a figure of the table.
    """
    changes: dict[tuple[str, str], int] = {}
    for part in filter(None, text.split(",")):
        match = _CHANGE.fullmatch(part)
        if match is None:
            raise _refuse(
                f"{part[:80]!r} is no change of a cost, such as "
                "trap.software:3000"
            )
        name, platform, cycles = match[1], match[2], int(match[3])
        require_figure(name, platform, cycles)
        changes[name, platform] = cycles
    return changes


def require_figure(name: str, platform: str, cycles: int) -> None:
    """Refuse what is no figure of the table, or too large a one."""
    if name not in read_table().classes:
        raise _refuse(f"no class of costs is called {name!r}")
    if platform not in PLATFORMS:
        raise _refuse(f"no platform is called {platform!r}")
    if not 0 <= cycles <= LARGEST:
        raise _refuse(
            f"{name} on {platform}: {cycles} is not from 0 to {LARGEST}"
        )


def _refuse(message: str) -> InvalidError:
    return InvalidError(message, Fault(f"/{FIELD}", message))


def format_changes(changes: Changes) -> str:
    """Write changes as an address holds them; those that change nothing go."""
    table = read_table()
    return ",".join(
        f"{name}.{platform}:{cycles}"
        for (name, platform), cycles in changes.items()
        if table.classes[name].get(platform).cycles != cycles
    )


def read_changed(text: str | None) -> CostTable:
    """Return the table with the changes that an address holds."""
    table = read_table()
    return table.change(parse_changes(text)) if text else table


class Row(NamedTuple):
    """A class of the table with its figure on each platform."""

    cost: CostClass
    figures: tuple[tuple[str, Figure], ...]


def list_rows(table: CostTable) -> tuple[Row, ...]:
    """Return the table as rows of one figure a platform."""
    return tuple(
        Row(each, tuple((name, each.get(name)) for name in PLATFORMS))
        for each in table.classes.values()
    )


@dataclass(frozen=True, slots=True)
class Bill:
    """What an execution costs: each step, and all; some may be unknown."""

    charges: tuple[Charge, ...]

    @property
    def total(self) -> int:
        """Return the cycles of all steps whose cost is known."""
        return sum(each.cycles or 0 for each in self.charges)

    @property
    def unknown(self) -> int:
        """Return how many steps stand for many and have no cost."""
        return sum(each.cycles is None for each in self.charges)

    def until(self, number: int) -> int:
        """Return the cycles of the first steps."""
        return sum(each.cycles or 0 for each in self.charges[:number])

    @property
    def shares(self) -> tuple[tuple[str, int, int], ...]:
        """Return each class's share: name, times, cycles; dearest first."""
        times: dict[str, int] = {}
        cycles: dict[str, int] = {}
        for charge in self.charges:
            for name, cost in charge.parts:
                times[name] = times.get(name, 0) + 1
                cycles[name] = cycles.get(name, 0) + cost
        return tuple(
            sorted(
                ((name, times[name], cycles[name]) for name in times),
                key=lambda share: -share[2],
            )
        )


def build_bill(table: CostTable, platform: str, steps: Sequence[Step]) -> Bill:
    """Charge each step of an execution on a platform."""
    return Bill(
        tuple(
            table.charge(platform, Doing(step.text, step.kind, step.way))
            for step in steps
        )
    )


class Path(NamedTuple):
    """An execution of a report, and what it costs."""

    platform: str
    variant: str | None
    outcome: str
    way: str
    steps: tuple[Step, ...]
    bill: Bill

    @property
    def entries(self) -> int:
        """Return how often the execution enters the hypervisor."""
        return sum(step.way in ENTRIES for step in self.steps)


def list_paths(
    report: Mapping[str, Any], table: CostTable, outcome: str | None = None
) -> tuple[Path, ...]:
    """Return all executions of a report, or those about an outcome."""
    return tuple(
        _build_path(table, part, name, way, answer[way])
        for part in report["platforms"]
        for name, answer in part["answers"].items()
        if outcome in {None, name}
        for way in ("witness", "counter")
        if answer[way]
    )


def _build_path(
    table: CostTable,
    part: Mapping[str, Any],
    outcome: str,
    way: str,
    witness: Sequence[Mapping[str, Any]],
) -> Path:
    steps = read_steps(witness)
    return Path(
        platform=part["platform"],
        variant=part["variant"],
        outcome=outcome,
        way=way,
        steps=steps,
        bill=build_bill(table, part["platform"], steps),
    )


class Route(NamedTuple):
    """A way to have something done on a platform: its way and its cycles.

    The way `silent` does something else, and nobody is told (appendix C).
    """

    way: str
    cycles: int


class CallCost(NamedTuple):
    """What a call costs on each platform, and what its instructions would.

    `instructions` are the native equivalent. A platform without a hypervisor
    has no call: there the instructions stand in its place.
    """

    name: str
    instructions: tuple[str, ...]
    direct: Mapping[str, Route | None]
    called: Mapping[str, Route | None]


def list_call_costs(table: CostTable) -> tuple[CallCost, ...]:
    """Compare, for each call, the ways to have it done."""
    return tuple(
        CallCost(
            name=spec.name,
            instructions=spec.native,
            direct={n: _go_direct(table, p, spec) for n, p in _HOSTS},
            called={n: _go_by_call(table, p, spec) for n, p in _HOSTS},
        )
        for spec in CALLS.values()
    )


_HOSTS = tuple(PLATFORMS.items())


def _go_by_call(
    table: CostTable, host: Platform, spec: CallSpec
) -> Route | None:
    if not host.has_hypervisor:
        return None
    way = "rom" if spec.name in IN_ROM else "hypercall"
    charge = table.charge(host.name, Doing(spec.name, "step", way))
    return Route(way, charge.cycles or 0)


def _go_direct(
    table: CostTable, host: Platform, spec: CallSpec
) -> Route | None:
    if not spec.native:
        return None
    ways = [_find_way(host, text) for text in spec.native]
    cycles = sum(
        table.charge(
            host.name,
            Doing(text, "step", "trap" if way == "trap" else "instruction"),
        ).cycles
        or 0
        for text, way in zip(spec.native, ways, strict=True)
    )
    (way,) = sorted(set(ways), key=_WORST.index)[:1]
    return Route(way, cycles)


def _find_way(host: Platform, text: str) -> str:
    """Tell how the kernel's instruction is done on a platform."""
    spec = INSTRUCTIONS.get(name_instruction(text))
    if spec is None:
        return "instruction"
    virtual = host.is_virtual(_GUEST)
    if host.intercepts(spec) or (virtual and spec.sensitive == "traps"):
        return "trap"
    wrong = virtual and spec.sensitive in {"silent", "reveals"}
    return "silent" if wrong else "instruction"


_WORST = ("silent", "trap", "instruction")


_GUEST = VCpu(paravirtual=1)
"""A processor after VMI_Init."""

"""What a step costs: a table of cycles, and how a step is charged by it.

Costs are no part of a report: they are computed from its steps, so that a
reader may change the table and keep the run. A step is charged with the sum
of some classes of the table: a trapped instruction with the trap and its
emulation, a call by the ROM with the call, the return and the ROM's code.
Caches, mispredictions and the time asleep are left out.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from app.sim.registry import INSTRUCTIONS

LARGEST: Final = 10_000_000
"""More cycles than this no single step may cost."""

BASE: Final = "native"
"""The platform whose figures stand for those of others that have none."""

LOCKED: Final = "locked"
"""The class of any instruction with the prefix LOCK."""

REST: Final = "system"
"""The class of an instruction that no class names, nor its family."""

WAYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "trap": ("trap", "emulation"),
        "rom": ("call", "rom", "call"),
        "hypercall": ("call", "rom", "hypercall", "call"),
        "delivery": ("delivery",),
        "arrival": ("arrival",),
    }
)
"""The classes that a way of doing a step is charged with; an instruction
that the processor executes has a class of its own.
"""

_PREFIXES: Final = frozenset({"lock", "rep", "repe", "repz", "repne", "repnz"})
_SPECIAL: Final = (
    (re.compile(r"\bcr[0-8]\b"), "cr"),
    (re.compile(r"\bdr[0-7]\b"), "dr"),
    (re.compile(r"\b[c-gs]s\b(?!:)"), "seg"),
)
_WITH_SPECIAL: Final = frozenset({"mov", "push", "pop"})
_FOLDED: Final = re.compile(r"\([0-9]+ transitions\)")
_KEYS: Final = frozenset(
    {"title", "text", "instructions", "families", "native"}
)


class CostError(ValueError):
    """Raised when a table of costs is not one."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of cycles: where it is from, or that it is assumed.

    `key` is the short name of its `source`. `own` tells whether the
    platform has it itself, and not from `BASE`; `changed` whether a reader
    has put another number in its place.
    """

    cycles: int
    key: str = ""
    source: str = ""
    note: str = ""
    own: bool = True
    changed: bool = False

    @property
    def assumed(self) -> bool:
        """Tell whether nobody measured it."""
        return not self.source


@dataclass(frozen=True, slots=True)
class CostClass:
    """A kind of step, with what it costs on each platform."""

    name: str
    title: str
    text: str
    figures: Mapping[str, Figure]

    def get(self, platform: str) -> Figure:
        """Return the figure for a platform, that of `BASE` if it has none."""
        figure = self.figures.get(platform)
        if figure is None:
            return replace(self.figures[BASE], own=False)
        return figure


class Charge(NamedTuple):
    """What a step costs, class by class; None where nobody can tell."""

    cycles: int | None
    parts: tuple[tuple[str, int], ...]


class Doing(NamedTuple):
    """What of a step its cost depends on: as a report tells it."""

    text: str
    kind: str
    way: str


@dataclass(frozen=True, slots=True)
class CostTable:
    """All classes, and which instruction belongs to which."""

    sources: Mapping[str, str]
    classes: Mapping[str, CostClass]
    instructions: Mapping[str, str]
    families: Mapping[str, str]

    def change(self, changes: Mapping[tuple[str, str], int]) -> "CostTable":
        """Return the table with other numbers for some classes.

        Raises
        ------
        KeyError
            If the table has no such class.
        """
        classes = dict(self.classes)
        for (name, platform), cycles in changes.items():
            before = classes[name]
            figures = {
                **before.figures,
                platform: Figure(cycles, changed=True),
            }
            classes[name] = replace(before, figures=MappingProxyType(figures))
        return replace(self, classes=MappingProxyType(classes))

    def classify(self, text: str) -> str:
        """Name the class of an instruction, as a listing writes it."""
        if text.startswith("lock ") and LOCKED in self.classes:
            return LOCKED
        name = name_instruction(text)
        # movsd and iretd are forms of movs and iret
        for each in (name, name[:-1]):
            if each in self.instructions:
                return self.instructions[each]
            if each in INSTRUCTIONS:
                family = INSTRUCTIONS[each].module.rpartition(".")[2]
                return self.families.get(family, REST)
        return REST

    def charge(self, platform: str, doing: Doing) -> Charge:
        """Charge a step, done on a platform."""
        if _FOLDED.fullmatch(doing.text):
            return Charge(None, ())
        parts = tuple(
            (name, self.classes[name].get(platform).cycles)
            for name in self._list_classes(platform, doing)
        )
        return Charge(sum(cycles for _, cycles in parts), parts)

    def _list_classes(self, platform: str, doing: Doing) -> tuple[str, ...]:
        if doing.kind == "step" and doing.way == "delivery":
            return ("exception",)
        if doing.way == "trap":
            # a figure of the platform's own holds the trap, or there is none
            name = self.classify(doing.text)
            if platform != BASE and platform in self.classes[name].figures:
                return (name,)
        if doing.way in WAYS:
            return WAYS[doing.way]
        return (self.classify(doing.text),) if doing.way else ()


def name_instruction(text: str) -> str:
    """Name an instruction as the registry does: `mov-cr`, `sti`."""
    words = text.split(None, 1)
    while len(words) > 1 and words[0] in _PREFIXES:
        words = words[1].split(None, 1)
    name = words[0].lower() if words else ""
    operands = words[1] if len(words) > 1 else ""
    operands = operands.partition("(call ")[0]
    if name in _WITH_SPECIAL:
        for pattern, kind in _SPECIAL:
            if pattern.search(operands):
                return f"{name}-{kind}"
    return name


def parse_costs(text: str) -> CostTable:
    """Read a table of costs.

    Raises
    ------
    CostError
        If it is not TOML, or a class lacks a figure, or a figure has both a
        source and an assumption, or neither.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CostError(str(error)) from None
    sources = data.get("sources", {})
    classes: dict[str, CostClass] = {}
    instructions: dict[str, str] = {}
    families: dict[str, str] = {}
    for name, each in data.get("classes", {}).items():
        classes[name] = _read_class(name, each, sources)
        for listed, index in (
            ("instructions", instructions),
            ("families", families),
        ):
            for member in each.get(listed, ()):
                if index.setdefault(member, name) != name:
                    raise CostError(
                        f"{member!r} is in {index[member]!r} and in {name!r}"
                    )
    return CostTable(
        sources=MappingProxyType(dict(sources)),
        classes=MappingProxyType(classes),
        instructions=MappingProxyType(instructions),
        families=MappingProxyType(families),
    )


def _read_class(
    name: str, each: Mapping[str, Any], sources: Mapping[str, str]
) -> CostClass:
    if BASE not in each:
        raise CostError(f"class {name!r} has no figure for {BASE!r}")
    figures = {BASE: each[BASE]} | {
        key: value for key, value in each.items() if key not in _KEYS
    }
    return CostClass(
        name=name,
        title=str(each.get("title", name)),
        text=str(each.get("text", "")),
        figures=MappingProxyType(
            {
                platform: _read_figure(f"{name}.{platform}", value, sources)
                for platform, value in figures.items()
            }
        ),
    )


def _read_figure(
    place: str, value: Mapping[str, Any], sources: Mapping[str, str]
) -> Figure:
    if not isinstance(value, dict) or "cycles" not in value:
        raise CostError(f"{place} has no cycles")
    cycles = value["cycles"]
    if not isinstance(cycles, int) or not 0 <= cycles <= LARGEST:
        raise CostError(f"{place}: cycles are a number from 0 to {LARGEST}")
    source = value.get("source", "")
    if bool(source) == bool(value.get("assumed")):
        raise CostError(f"{place} must have a source or be assumed, not both")
    if source and source not in sources:
        raise CostError(f"{place}: no source {source!r}")
    return Figure(
        cycles, source, sources.get(source, ""), value.get("note", "")
    )

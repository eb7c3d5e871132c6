"""Witnesses: one execution replayed, so that a page shows any step of it.

Pure functions over the stored report. A step holds only what it changed;
the state at a step is the initial state with all changes up to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.sim import OBSERVABLES

SHOWN_STEPS = 200
"""How many lines of the timeline are shown around the current one."""

GENERAL = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip")
FLAGS = ("if", "cf", "zf", "sf", "of", "pf", "af", "cpl", "iopl")
STATE = ("halted", "pending", "shadow", "nmi_blocked")
CONTROL = ("cr0", "cr2", "cr3", "cr4", "eflags")
SELECTORS = ("cs", "ss", "ds", "es", "fs", "gs")

SMALL = 10_000
"""Data words from here on are written in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a witness: what was done where, by which clause.

    `number` counts from 1; step 0 is the state before the first.
    """

    number: int
    cpu: int
    at: str
    text: str
    clause: str
    kind: str
    lane: str
    listing: str | None
    line: int | None
    changes: Mapping[str, Sequence[Any]]

    @property
    def is_jump_target(self) -> bool:
        """Tell whether the keys for the next delivery or call stop here."""
        return self.kind == "delivery" or self.text.startswith("call VMI_")


class Field(NamedTuple):
    """A value of the register sheet, before the step too if it changed."""

    name: str
    meaning: str
    value: str
    before: str | None


class Group(NamedTuple):
    """Fields of one kind under their heading."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """A witness as it stands at one of its steps."""

    steps: tuple[Step, ...]
    number: int
    groups: tuple[Group, ...]

    @property
    def step(self) -> Step | None:
        """Return the step just made, None before the first."""
        return self.steps[self.number - 1] if self.number else None

    @property
    def last(self) -> int:
        """Return the number of the last step."""
        return len(self.steps)

    @property
    def shown(self) -> tuple[Step, ...]:
        """Return the steps around the current one that the timeline shows."""
        start = max(0, self.number - SHOWN_STEPS // 2)
        start = max(0, min(start, self.last - SHOWN_STEPS))
        return self.steps[start : start + SHOWN_STEPS]

    @property
    def previous_jump(self) -> int:
        """Return the delivery or call before this one, or the beginning."""
        before = self.steps[: max(0, self.number - 1)]
        return next(
            (s.number for s in reversed(before) if s.is_jump_target), 0
        )

    @property
    def next_jump(self) -> int:
        """Return the next delivery or call, or the end."""
        after = self.steps[self.number :]
        return next((s.number for s in after if s.is_jump_target), self.last)


def read_steps(witness: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Return the steps of a stored witness."""
    return tuple(
        Step(
            number=number,
            cpu=each["cpu"],
            at=each["at"],
            text=each["text"],
            clause=each["clause"],
            kind=each["kind"],
            lane=each["lane"],
            listing=each["line"] and each["line"]["listing"],
            line=each["line"] and each["line"]["line"],
            changes=each["changes"],
        )
        for number, each in enumerate(witness, 1)
    )


def compute_state(
    initial: Mapping[str, Any], steps: Sequence[Step], number: int
) -> dict[str, Any]:
    """Return every observable after `number` steps."""
    state = dict(initial)
    for step in steps[:number]:
        state.update(
            (name, after) for name, (_, after) in step.changes.items()
        )
    return state


def build_moment(
    initial: Mapping[str, Any],
    witness: Sequence[Mapping[str, Any]],
    number: int,
) -> Moment:
    """Return a witness at a step; a number too large means the last one."""
    steps = read_steps(witness)
    number = max(0, min(number, len(steps)))
    state = compute_state(initial, steps, number)
    changes = steps[number - 1].changes if number else {}
    touched = {name for step in steps for name in step.changes}
    return Moment(
        steps=steps,
        number=number,
        groups=tuple(_build_groups(state, changes, touched)),
    )


def _build_groups(
    state: Mapping[str, Any],
    changes: Mapping[str, Sequence[Any]],
    touched: set[str],
) -> list[Group]:
    # what the witness never touches is left out, but for what every reader
    # of a register sheet looks for
    words = [
        name
        for name in state
        if name not in OBSERVABLES and not name.startswith("msr ")
    ]
    shown = {*GENERAL, *FLAGS, *STATE, *words}
    others = [name for name in state if name in touched and name not in shown]
    pending = [name for name in others if name.startswith("pending ")]
    others = [name for name in others if name not in pending]
    wanted = (
        ("Registers", GENERAL),
        ("Flags", FLAGS),
        ("State and pending events", (*STATE, *pending)),
        ("Memory words", words),
        ("Other", others),
    )
    groups = []
    for title, names in wanted:
        fields = tuple(
            _build_field(name, state[name], changes.get(name))
            for name in names
            if name in state
        )
        if fields:
            groups.append(Group(title, fields))
    return groups


def _build_field(name: str, value: object, change: Any) -> Field:  # noqa: ANN401 - a pair of scalars or None
    return Field(
        name=name,
        meaning=OBSERVABLES.get(name, "memory word of the scenario"),
        value=format_value(name, value),
        before=format_value(name, change[0]) if change else None,
    )


def format_value(name: str, value: object) -> str:
    """Write a value as a data sheet does: addresses in hexadecimal."""
    if not isinstance(value, int):
        return "absent" if value is None else str(value)
    if name in GENERAL or name in CONTROL or name.startswith("msr "):
        return f"{value:08x}"
    if name in SELECTORS:
        return f"{value:04x}"
    if name not in OBSERVABLES and value >= SMALL:
        return f"0x{value:x}"
    return str(value)

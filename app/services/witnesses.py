"""Witnesses: one execution replayed, so that a page shows any step of it.

Pure functions over the stored report. A step holds only what it changed;
the state at a step is the initial state with all changes up to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.sim import OBSERVABLES
from app.sim.observables import describe_observable, split_observable

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

    `number` counts from 1; step 0 is the state before the first. `way` is
    how the step was carried out; a step that is told for many has none.
    """

    number: int
    cpu: int
    at: str
    text: str
    clause: str
    kind: str
    lane: str
    way: str
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


class Omission(NamedTuple):
    """Steps of the timeline that are not shown: their first and last."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Return how many they are."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Moment:
    """A witness as it stands at one of its steps.

    `kept` are the steps that the outcome may depend on; None if all are
    shown.
    """

    steps: tuple[Step, ...]
    number: int
    groups: tuple[Group, ...]
    kept: frozenset[int] | None = None

    @property
    def step(self) -> Step | None:
        """Return the step just made, None before the first."""
        return self.steps[self.number - 1] if self.number else None

    @property
    def last(self) -> int:
        """Return the number of the last step."""
        return len(self.steps)

    @property
    def window(self) -> tuple[Step, ...]:
        """Return the steps around the current one that can be shown."""
        start = max(0, self.number - SHOWN_STEPS // 2)
        start = max(0, min(start, self.last - SHOWN_STEPS))
        return self.steps[start : start + SHOWN_STEPS]

    @property
    def shown(self) -> tuple[Step | Omission, ...]:
        """Return the lines of the timeline: steps, and what is left out."""
        wanted = [step for step in self.window if self._is_shown(step)]
        lines: list[Step | Omission] = []
        before = 0
        for step in wanted:
            if step.number > before + 1:
                lines.append(Omission(before + 1, step.number - 1))
            lines.append(step)
            before = step.number
        if before < self.last:
            lines.append(Omission(before + 1, self.last))
        return tuple(lines)

    def _is_shown(self, step: Step) -> bool:
        return (
            self.kept is None
            or step.number in self.kept
            or step.number == self.number
        )

    @property
    def following(self) -> int:
        """Return the step that one key forward goes to."""
        return next(
            (s.number for s in self.steps[self.number :] if self._is_shown(s)),
            self.last,
        )

    @property
    def preceding(self) -> int:
        """Return the step that one key back goes to."""
        before = self.steps[: max(0, self.number - 1)]
        return next(
            (s.number for s in reversed(before) if self._is_shown(s)), 0
        )

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
            way=each["way"] if "way" in each else _guess_way(each),
            listing=each["line"] and each["line"]["listing"],
            line=each["line"] and each["line"]["line"],
            changes=each["changes"],
        )
        for number, each in enumerate(witness, 1)
    )


def _guess_way(each: Mapping[str, Any]) -> str:
    """Tell the way of a step that was told before steps had one."""
    if each["kind"] != "step":
        return str(each["kind"])
    if each["text"].startswith("("):
        return ""
    if each["lane"] == "hypervisor":
        called = each["text"].startswith("call VMI_")
        return "hypercall" if called else "trap"
    return "delivery" if each["lane"] == "hardware" else "instruction"


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
    steps: tuple[Step, ...],
    number: int,
    kept: frozenset[int] | None = None,
) -> Moment:
    """Return a witness at a step; a number too large means the last one."""
    number = max(0, min(number, len(steps)))
    state = compute_state(initial, steps, number)
    changes = steps[number - 1].changes if number else {}
    touched = {name for step in steps for name in step.changes}
    return Moment(
        steps=steps,
        number=number,
        groups=tuple(_build_groups(state, changes, touched)),
        kept=kept,
    )


def _build_groups(
    state: Mapping[str, Any],
    changes: Mapping[str, Sequence[Any]],
    touched: set[str],
) -> list[Group]:
    # what the witness never touches is left out, but for what every reader
    # of a register sheet looks for
    return [
        Group(
            title,
            tuple(
                _build_field(name, state[name], changes.get(name))
                for name in names
            ),
        )
        for title, names in _sort_names(state, touched)
        if names
    ]


def _sort_names(
    state: Mapping[str, Any], touched: set[str]
) -> Iterator[tuple[str, list[str]]]:
    cpus = sorted({split_observable(name)[0] or 0 for name in state})
    sheets: dict[tuple[int, str], list[str]] = {}
    for name in state:
        cpu, plain = split_observable(name)
        title = _get_title(plain)
        if title != "Other" or name in touched:
            sheets.setdefault((cpu or 0, title), []).append(name)
    for cpu in cpus:
        for title, order in _SHEETS.items():
            names = sheets.get((cpu, title), [])
            names.sort(key=lambda name: _get_rank(name, order))
            of = f", processor {cpu}" if len(cpus) > 1 else ""
            shared = title == "Memory words"
            yield (title if shared else f"{title}{of}"), names


def _get_title(plain: str) -> str:
    if plain.startswith(("pending ", "msr ")):
        return "Other"
    if plain not in OBSERVABLES:
        return "Memory words"
    for title, names in _SHEETS.items():
        if plain in names:
            return title
    return "Other"


def _get_rank(name: str, order: Sequence[str]) -> int:
    plain = split_observable(name)[1]
    return order.index(plain) if plain in order else len(order)


_SHEETS: Mapping[str, Sequence[str]] = {
    "Registers": GENERAL,
    "Flags": FLAGS,
    "State and pending events": STATE,
    "Memory words": (),
    "Other": (),
}


def _build_field(name: str, value: object, change: Any) -> Field:  # noqa: ANN401 - a pair of scalars or None
    return Field(
        name=name,
        meaning=describe_observable(name) or "memory word of the scenario",
        value=format_value(name, value),
        before=format_value(name, change[0]) if change else None,
    )


def format_value(name: str, value: object) -> str:
    """Write a value as a data sheet does: addresses in hexadecimal."""
    if not isinstance(value, int):
        return "absent" if value is None else str(value)
    plain = split_observable(name)[1]
    if plain in {*GENERAL, *CONTROL} or plain.startswith("msr "):
        return f"{value:08x}"
    if plain in SELECTORS:
        return f"{value:04x}"
    if plain not in OBSERVABLES and value >= SMALL:
        return f"0x{value:x}"
    return str(value)

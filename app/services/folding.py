"""Folding: which steps of an execution its outcome depends on.

A slice backward from the end. It is careful: a step is folded only if it is
an integer instruction of the guest, decides no branch, and writes nothing
that the outcome names or that a later step that is kept may read. Whatever
else happens (arrivals, deliveries, calls, traps, system instructions) stays.
"""

import re
from collections.abc import Iterable, Sequence

from app.services.witnesses import GENERAL, Step
from app.sim import INSTRUCTIONS, OBSERVABLES, Scenario
from app.sim.replay import list_names

_FOLDABLE = frozenset({"integer", "multiply", "transfer", "strings"})
_HARMLESS = re.compile(r"set[a-z]+|cmov[a-z]+|clc|stc|cmc|nop|pause")
"""Instructions of other families that only move values about."""

_READS_NOTHING = frozenset(
    {"cli", "sti", "hlt", "clts", "invd", "wbinvd", "rdtsc"}
)
"""System instructions that look at no register and at no memory."""

_ALWAYS = frozenset({"eip"})
"""What every step changes, and no step is kept for."""

_FLAGS = frozenset({"cf", "pf", "af", "zf", "sf", "of", "df", "eflags"})
_READS_FLAGS = re.compile(r"set|cmov|adc|sbb|rc[lr]|cmc|pushf")
_STACK = re.compile(r"(push|pop|iret|leave|enter)[a-z]*")
_WORD = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_REGISTERS = {
    part: whole
    for letter in "abcd"
    for whole in (f"e{letter}x",)
    for part in (f"e{letter}x", f"{letter}x", f"{letter}l", f"{letter}h")
} | {
    part: f"e{name}"
    for name in ("si", "di", "bp", "sp")
    for part in (f"e{name}", name)
}
_MEMORY = "memory"
"""Stands for any memory that is no word of the scenario."""


def find_essential(
    steps: Sequence[Step], scenario: Scenario, outcome: str
) -> frozenset[int]:
    """Return the numbers of the steps that the outcome may depend on.

    The last step is among them: it is where the outcome is seen.
    """
    (asked,) = (o for o in scenario.outcomes if o.name == outcome)
    relevant = set(list_names(asked.expression))
    words = {name for name, _ in scenario.data}
    kept: set[int] = set()
    for step in reversed(steps):
        needed = not kept or not _is_foldable(step)
        if not needed:
            needed = not relevant.isdisjoint(_list_writes(step, words))
        if needed:
            kept.add(step.number)
            relevant |= _list_reads(step, words)
    return frozenset(kept)


def _get_mnemonic(step: Step) -> str:
    words = step.text.split(None, 2)
    prefixed = len(words) > 1 and words[0].startswith(("rep", "lock"))
    return words[1 if prefixed else 0] if words else ""


def _get_family(step: Step) -> str:
    spec = INSTRUCTIONS.get(_get_mnemonic(step))
    return spec.module.rpartition(".")[2] if spec else ""


def _is_foldable(step: Step) -> bool:
    if (step.kind, step.way) != ("step", "instruction"):
        return False
    name = _get_mnemonic(step)
    if name == "jmp":
        target = step.text.split()[-1]
        return "[" not in step.text and target not in _REGISTERS
    return _get_family(step) in _FOLDABLE or bool(_HARMLESS.fullmatch(name))


def _list_writes(step: Step, words: Iterable[str]) -> set[str]:
    prefix = f"cpu{step.cpu}." if step.cpu else ""
    written = {
        name.removeprefix(prefix)
        if name.removeprefix(prefix) in GENERAL
        else name
        for name in step.changes
    } - _ALWAYS
    if _may_touch_memory(step, words):
        written.add(_MEMORY)
    return {_own(name, step) for name in written}


def _list_reads(step: Step, words: Iterable[str]) -> set[str]:
    return {_own(name, step) for name in _find_read(step, words)}


def _find_read(step: Step, words: Iterable[str]) -> set[str]:
    name = _get_mnemonic(step)
    if step.kind == "arrival" or name in _READS_NOTHING:
        return set()
    if step.kind == "delivery":
        return {"esp", *_FLAGS}
    if _get_family(step) == "branch" and step.way == "instruction":
        # where control goes: by flags, by a counter, by an address
        read = {"ecx", "esp", *_FLAGS}
    elif _is_foldable(step):
        read = set(_FLAGS) if _READS_FLAGS.match(name) else set()
    elif _STACK.fullmatch(name):
        read = {"esp", *_FLAGS}
    else:
        # a call or a trap may look at anything that the guest holds
        read = {*GENERAL, *_FLAGS, *words, _MEMORY} - _ALWAYS
    read |= _name_operands(step)
    read |= {w for w in words if re.search(rf"\b{w}\b", step.text)}
    if _may_touch_memory(step, words):
        read |= {_MEMORY, *words}
    return read


def _name_operands(step: Step) -> set[str]:
    """Return the registers that a step's text or its mnemonic names."""
    name = _get_mnemonic(step)
    if _get_family(step) in {"multiply", "strings"} or name in {
        "cmpxchg",
        "pusha",
    }:
        return set(GENERAL) - _ALWAYS
    named = {
        _REGISTERS[word]
        for word in _WORD.findall(step.text.lower())
        if word in _REGISTERS
    }
    return named | {"esp"} if _STACK.fullmatch(name) else named


def _may_touch_memory(step: Step, words: Iterable[str]) -> bool:
    """Tell whether a step may use memory other than the words it names."""
    name = _get_mnemonic(step)
    if _STACK.fullmatch(name) or name in {"call", "ret"}:
        return True
    if _get_family(step) == "strings":
        return True
    known = set(words)
    return any(
        place.strip() not in known for place in _BRACKETS.findall(step.text)
    )


def _own(name: str, step: Step) -> str:
    """Name a register or flag of the step's own processor."""
    if not step.cpu or "." in name or name == _MEMORY:
        return name
    return f"cpu{step.cpu}.{name}" if name in OBSERVABLES else name

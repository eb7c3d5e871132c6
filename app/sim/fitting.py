"""Which form of an instruction its operands fit, sizes filled in."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from app.sim.forms import (
    CONTROL_REGISTERS,
    DEBUG_REGISTERS,
    REGISTER_BYTES,
    SEGMENT_REGISTERS,
    split_code,
)
from app.sim.operands import (
    FarTarget,
    Immediate,
    Memory,
    Operand,
    Register,
    get_bytes,
)

_WORD = 4
_SIZED = ("r", "m", "rm", "di", "si", "bx")
_REGISTERS: Mapping[str, Collection[str]] = {
    "r": REGISTER_BYTES,
    "rm": REGISTER_BYTES,
    "sreg": SEGMENT_REGISTERS,
    "loadable": tuple(name for name in SEGMENT_REGISTERS if name != "cs"),
    "cr": CONTROL_REGISTERS,
    "dr": DEBUG_REGISTERS,
}
_STRINGS: Mapping[str, tuple[str, Collection[str | None] | None]] = {
    "di": ("edi", ("es",)),
    "si": ("esi", None),
    "bx": ("ebx", None),
}
"""For each code the base register, and the segments that may be named."""


class Misfit(NamedTuple):
    """Why the operand with this number does not fit an instruction."""

    operand: int
    message: str
    expected: str


def fit(
    form: str, operands: tuple[Operand, ...]
) -> tuple[Operand, ...] | Misfit | None:
    """Fit operands to a form, with all memory sizes filled in.

    Returns
    -------
    The operands; or why one does not fit; or None if they have another shape
    altogether.
    """
    codes = form.split(", ") if form else []
    if len(codes) != len(operands):
        return None
    split = [split_code(code) for code in codes]
    pairs = list(zip(split, operands, strict=True))
    if not all(_is_kind(kind, operand) for (kind, _), operand in pairs):
        return None
    sizes = {
        get_bytes(operand)
        for (kind, size), operand in pairs
        if kind in _SIZED and size in ("", "v") and get_bytes(operand)
    }
    if len(sizes) > 1:
        return None
    common = sizes.pop() if sizes else 0
    fitted: list[Operand] = []
    for number, ((kind, size), operand) in enumerate(pairs):
        result = _fit_one(kind, size, operand, common)
        if result is None or isinstance(result, str):
            return _explain(number, operand, result)
        fitted.append(result)
    return tuple(fitted)


def _explain(
    number: int, operand: Operand, wanted: str | None
) -> Misfit | None:
    if wanted is None:
        return None
    if isinstance(operand, Immediate):
        return Misfit(number, f"{operand.value} is out of range", wanted)
    return Misfit(number, "the size of this memory is not known", wanted)


def _fit_one(
    kind: str, size: str, operand: Operand, common: int
) -> Operand | str | None:
    """Fit one operand; else say what would fit, None for no such form."""
    if isinstance(operand, Immediate):
        return _fit_number(size, operand, common)
    if kind not in _SIZED:
        if isinstance(operand, Memory):
            return operand._replace(size=operand.size or 1)
        return operand
    return _fit_size(size, operand, common)


def _fit_size(
    size: str, operand: Operand, common: int
) -> Operand | str | None:
    """Fit an operand by its size; one of memory may get its size here."""
    stated = get_bytes(operand)
    wanted = int(size) // 8 if size.isdigit() else stated or common
    if isinstance(operand, Memory) and not stated:
        if not wanted or (size.isdigit() and wanted < _WORD):
            return "byte ptr, word ptr or dword ptr before it"
        return operand._replace(size=wanted)
    fits = stated == wanted and (size != "v" or stated > 1)
    return operand if fits and (size.isdigit() or stated <= _WORD) else None


def _fit_number(size: str, operand: Immediate, common: int) -> Operand | str:
    if size:
        low, high = 0, (1 << int(size)) - 1
    else:
        bits = (common or _WORD) * 8
        low, high = -(1 << (bits - 1)), (1 << bits) - 1
    if low <= operand.value <= high:
        return operand
    return f"a number from {low} to {high}"


def _is_kind(kind: str, operand: Operand) -> bool:
    """Whether an operand is what a code says, but for its size."""
    if isinstance(operand, Register):
        name = operand.name
        return name == kind or name in _REGISTERS.get(kind, ())
    if isinstance(operand, Memory):
        return kind in {"m", "rm", "place"} or _is_string(kind, operand)
    if isinstance(operand, Immediate):
        return kind == "i"
    if isinstance(operand, FarTarget):
        return kind == "far"
    return kind == ("call" if operand.address is None else "label")


def _is_string(kind: str, operand: Memory) -> bool:
    """Whether memory is what a string instruction works on."""
    base, segments = _STRINGS.get(kind, ("", None))
    return (
        operand.base == base
        and not operand.index
        and not operand.displacement
        and (segments is None or operand.segment in segments)
    )

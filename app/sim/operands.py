"""Operands of guest code: their parsed form, and how they are read."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import NamedTuple, NoReturn

from app.sim.forms import (
    CONTROL_REGISTERS,
    REGISTER_BYTES,
    SEGMENT_REGISTERS,
    split_code,
)
from app.sim.tokens import ListingError, Token, read_number

POINTERS = {"byte": 1, "word": 2, "dword": 4}
SCALES = (1, 2, 4, 8)
REGISTERS = (*REGISTER_BYTES, *SEGMENT_REGISTERS, *CONTROL_REGISTERS)

_MODULUS = 1 << 32
_ADDRESS_BYTES = 4
_STACK_POINTER = "esp"
_SIZED = ("r", "m", "rm")


class Register(NamedTuple):
    """A register as an operand: ``eax``, ``dl``, ``cr4``, ``ss``."""

    name: str


class Immediate(NamedTuple):
    """A number, or the address of a symbol (``offset work``).

    The value is what was written: a negative number stays negative.
    """

    value: int


class Memory(NamedTuple):
    """A memory operand; ``size`` is in bytes.

    ``[work + eax*4]`` has the address of ``work`` as its displacement. The
    displacement is unsigned, modulo 2**32. The parser knows no segment
    override, so ``segment`` is None, which is the default segment.
    """

    size: int
    segment: str | None
    base: str | None
    index: str | None  # type: ignore[assignment]  # hides tuple.index
    scale: int
    displacement: int


class Target(NamedTuple):
    """Where a direct branch goes: a label, or a call of the VMI.

    ``address`` is None if and only if ``name`` is the name of a VMI call.
    """

    name: str
    address: int | None


Operand = Register | Immediate | Memory | Target


class Scope(NamedTuple):
    """The names that operands may use.

    Parameters
    ----------
    code
        Labels and names of listings with their addresses.
    words
        Data words with their addresses.
    calls
        Names of VMI calls.
    """

    code: Mapping[str, int]
    words: Mapping[str, int]
    calls: Collection[str]

    def get_address(self, token: Token) -> int:
        """Look up a label or a data word."""
        for names in (self.code, self.words):
            if token.text in names:
                return names[token.text]
        raise ListingError(
            f"no register, label or data word is called {token.text[:40]!r}",
            token.place,
            suggest(
                token.text,
                [*self.code, *self.words, *REGISTERS],
                "a register, a label or a data word",
            ),
        )


class Words:
    """The tokens of one statement, read from left to right."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.position = 0

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.position]

    def take(self) -> Token:
        """Read the next token; the end stays where it is."""
        token = self.next
        if token.kind != "end":
            self.position += 1
        return token

    def skip(self, *texts: str) -> str:
        """Read the next token if it is one of these, else nothing."""
        text = self.next.text.lower()
        if self.next.kind == "end" or text not in texts:
            return ""
        self.position += 1
        return text

    def require(self, text: str, why: str) -> None:
        """Read this token, or refuse what stands in its place."""
        if not self.skip(text):
            refuse(self.next, f"{text} {why}")


def suggest(name: str, known: Collection[str], otherwise: str) -> str:
    """Name the nearest known name, or say what kind of name is known."""
    near = get_close_matches(name[:40], sorted(known), n=1)
    return repr(near[0]) if near else otherwise


def refuse(token: Token, expected: str) -> NoReturn:
    """Raise the error for a token that does not fit where it stands."""
    found = repr(token.text[:40]) if token.text else "the end of the line"
    raise ListingError(f"found {found}", token.place, expected)


def read_operand(words: Words, scope: Scope) -> Operand:
    """Read one operand; memory without a stated size has size 0."""
    size = (
        POINTERS[words.take().text.lower()]
        if (words.next.text.lower() in POINTERS)
        else 0
    )
    if size:
        words.require("ptr", "after the size of a memory operand")
        if words.next.text != "[":
            refuse(words.next, "[ after ptr")
    token = words.next
    if token.text == "[":
        return _read_memory(words, scope, size)
    if token.kind == "name" and token.text.lower() != "offset":
        words.take()
        name = token.text
        if name.lower() in REGISTERS:
            return Register(name.lower())
        if name in scope.calls:
            return Target(name, None)
        return Target(name, _get_branch_address(token, scope))
    return Immediate(_read_sum(words, scope, None))


def _get_branch_address(token: Token, scope: Scope) -> int:
    if token.text in scope.words:
        refuse(
            token,
            f"[{token.text}] for the word, offset {token.text} "
            "for its address",
        )
    if token.text not in scope.code:
        raise ListingError(
            f"no label, register or VMI call is {token.text[:40]!r}",
            token.place,
            suggest(
                token.text,
                [*scope.code, *scope.calls, *REGISTERS],
                "a label of a listing, a register or a VMI call",
            ),
        )
    return scope.code[token.text]


class _Sum(NamedTuple):
    """What a bracket adds up beside its constant."""

    bases: list[str]
    indices: list[tuple[str, int]]


def _read_memory(words: Words, scope: Scope, size: int) -> Memory:
    opening = words.take()
    parts = _Sum([], [])
    constant = _read_sum(words, scope, parts)
    words.require("]", "after an address")
    base, index = parts
    if len(base) == 2 and not index:  # noqa: PLR2004  base + index
        first, second = base
        if second == _STACK_POINTER:
            first, second = second, first
        base, index = [first], [(second, 1)]
    if len(base) > 1 or len(index) > 1 or index[:1] == [(_STACK_POINTER, 1)]:
        refuse(opening, "one base and one index register other than esp")
    name, scale = index[0] if index else (None, 1)
    return Memory(
        size, None, base[0] if base else None, name, scale, constant % _MODULUS
    )


def _read_sum(words: Words, scope: Scope, parts: _Sum | None) -> int:
    start = words.next
    total = 0
    sign = -1 if words.skip("-") else 1
    while True:
        total += sign * _read_term(words, scope, parts, negative=sign < 0)
        mark = words.skip("+", "-")
        if not mark:
            break
        sign = -1 if mark == "-" else 1
    if not -(_MODULUS // 2) <= total < _MODULUS:
        raise ListingError(
            f"{total} has more than 32 bits",
            start.place,
            "a number from -2147483648 to 4294967295",
        )
    return total


def _read_term(
    words: Words, scope: Scope, parts: _Sum | None, *, negative: bool
) -> int:
    token = words.take()
    if token.kind == "number":
        number = read_number(token)
        if parts is None or not words.skip("*"):
            return number
        _add_index(words.take(), number, token, parts, negative=negative)
        return 0
    if token.kind != "name":
        refuse(token, "a number, a register or a name")
    if negative:
        refuse(token, "a number after -")
    if parts is None:
        if token.text.lower() != "offset":
            refuse(token, "a number")
        return scope.get_address(words.take())
    if token.text.lower() not in REGISTERS:
        return scope.get_address(token)
    if words.skip("*"):
        scale = words.take()
        if scale.kind != "number":
            refuse(scale, "1, 2, 4 or 8")
        _add_index(token, read_number(scale), scale, parts, negative=False)
    else:
        parts.bases.append(_require_address_register(token))
    return 0


def _add_index(
    token: Token, scale: int, at: Token, parts: _Sum, *, negative: bool
) -> None:
    if scale not in SCALES or negative:
        refuse(at, "1, 2, 4 or 8")
    name = _require_address_register(token)
    if name == _STACK_POINTER:
        refuse(token, "an index register other than esp")
    parts.indices.append((name, scale))


def _require_address_register(token: Token) -> str:
    name = token.text.lower()
    if REGISTER_BYTES.get(name) != _ADDRESS_BYTES:
        refuse(token, "a 32-bit general register")
    return name


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
        return operand
    stated = get_bytes(operand)
    wanted = int(size) // 8 if size.isdigit() else stated or common
    if isinstance(operand, Memory) and not stated:
        if not wanted or (size.isdigit() and wanted != _ADDRESS_BYTES):
            return "byte ptr, word ptr or dword ptr before it"
        return operand._replace(size=wanted)
    if stated != wanted or (size == "v" and stated == 1):
        return None
    return operand


def _fit_number(size: str, operand: Immediate, common: int) -> Operand | str:
    if size:
        low, high = 0, (1 << int(size)) - 1
    else:
        bits = (common or _ADDRESS_BYTES) * 8
        low, high = -(1 << (bits - 1)), (1 << bits) - 1
    if low <= operand.value <= high:
        return operand
    return f"a number from {low} to {high}"


def _is_kind(kind: str, operand: Operand) -> bool:
    name = operand.name if isinstance(operand, Register | Target) else ""
    return {
        "r": isinstance(operand, Register) and name in REGISTER_BYTES,
        "m": isinstance(operand, Memory),
        "rm": isinstance(operand, Memory) or name in REGISTER_BYTES,
        "i": isinstance(operand, Immediate),
        "cl": isinstance(operand, Register) and name == "cl",
        "sreg": name in SEGMENT_REGISTERS,
        "loadable": name in SEGMENT_REGISTERS and name != "cs",
        "cr": name in CONTROL_REGISTERS,
        "label": isinstance(operand, Target) and operand.address is not None,
        "call": isinstance(operand, Target) and operand.address is None,
    }[kind]


def get_bytes(operand: Operand) -> int:
    """Say how many bytes an operand has, 0 if it does not say."""
    if isinstance(operand, Register):
        return REGISTER_BYTES.get(operand.name, 0)
    return operand.size if isinstance(operand, Memory) else 0

"""Operands of guest code: their parsed form, and how they are read."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import NamedTuple, NoReturn

from app.sim.forms import (
    CONTROL_REGISTERS,
    DEBUG_REGISTERS,
    REGISTER_BYTES,
    SEGMENT_REGISTERS,
)
from app.sim.tokens import ListingError, Token, read_number

POINTERS = {"byte": 1, "word": 2, "dword": 4, "fword": 6, "qword": 8}
SCALES = (1, 2, 4, 8)
REGISTERS = (
    *(*REGISTER_BYTES, *SEGMENT_REGISTERS),
    *(*CONTROL_REGISTERS, *DEBUG_REGISTERS),
)

_MODULUS = 1 << 32
_ADDRESS_BYTES = 4
_SELECTOR = 0xFFFF
_STACK_POINTER = "esp"


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
    displacement is unsigned, modulo 2**32. ``segment`` is the register of a
    segment override, or None for the default segment.
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


class FarTarget(NamedTuple):
    """Where a direct far branch goes: ``0x60:label``."""

    selector: int
    address: int


Operand = Register | Immediate | Memory | Target | FarTarget


class Scope(NamedTuple):
    """The names that operands may use.

    Parameters
    ----------
    code
        Labels and names of listings with their addresses.
    words
        Data words, and labels of data, with their addresses.
    calls
        Names of VMI calls.
    """

    code: Mapping[str, int]
    words: Mapping[str, int]
    calls: Collection[str]

    def has(self, name: str) -> bool:
        """Whether a name is that of an address."""
        return name in self.code or name in self.words

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

    def look(self, ahead: int) -> str:
        """Answer the text of a token further on, in lower case."""
        place = min(self.position + ahead, len(self.tokens) - 1)
        return self.tokens[place].text.lower()

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


def get_bytes(operand: Operand) -> int:
    """Say how many bytes an operand has, 0 if it does not say."""
    if isinstance(operand, Register):
        return REGISTER_BYTES.get(operand.name, 0)
    return operand.size if isinstance(operand, Memory) else 0


def read_operand(words: Words, scope: Scope) -> Operand:
    """Read one operand; memory without a stated size has size 0."""
    token = words.next
    if _begins_memory(words, scope):
        return _read_memory(words, scope)
    if token.kind == "number" and words.look(1) == ":":
        return _read_far_target(words, scope)
    if token.kind == "name" and token.text.lower() != "offset":
        words.take()
        name = token.text
        if name.lower() in REGISTERS:
            return Register(name.lower())
        if name in scope.calls:
            return Target(name, None)
        return Target(name, _get_branch_address(token, scope))
    return Immediate(_read_sum(words, scope, None))


def read_value(words: Words, scope: Scope) -> int:
    """Read a number or a symbol, or a sum that begins with one."""
    return _read_sum(words, scope, None, symbols=True)


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


def _read_far_target(words: Words, scope: Scope) -> FarTarget:
    token = words.take()
    selector = read_number(token)
    if selector > _SELECTOR:
        refuse(token, "a selector of 16 bits")
    words.take()
    token = words.next
    address = read_value(words, scope)
    if not 0 <= address < _MODULUS:
        refuse(token, "a label after the selector")
    return FarTarget(selector, address)


# ------------------------------------------------------------------- memory


class _Sum(NamedTuple):
    """What a bracket adds up beside its constant."""

    bases: list[str]
    indices: list[tuple[str, int]]


def _begins_memory(words: Words, scope: Scope) -> bool:
    """Whether what comes next can only be a memory operand."""
    text = words.look(0)
    if text == "[" or text in POINTERS:
        return True
    if text in SEGMENT_REGISTERS:
        return words.look(1) == ":"
    return words.look(1) == "[" and scope.has(words.next.text)


def _read_memory(words: Words, scope: Scope) -> Memory:
    """Read ``dword ptr fs:work[eax*4]``, or what is there of it."""
    size = POINTERS.get(words.look(0), 0)
    if size:
        words.take()
        words.require("ptr", "after the size of a memory operand")
    segment = None
    if words.look(0) in SEGMENT_REGISTERS and words.look(1) == ":":
        segment = words.take().text.lower()
        words.take()
    displacement = 0
    if words.next.text != "[":
        if not (segment or scope.has(words.next.text)):
            refuse(words.next, "[ or a data word after ptr")
        displacement = read_value(words, scope)
        if words.next.text != "[":
            return Memory(
                size, segment, None, None, 1, displacement % _MODULUS
            )
    operand = _read_bracket(words, scope, displacement)
    if size and operand.size:
        refuse(words.next, "one size")
    if segment and operand.segment:
        refuse(words.next, "one segment")
    return operand._replace(
        size=size or operand.size, segment=segment or operand.segment
    )


def _read_bracket(words: Words, scope: Scope, displacement: int) -> Memory:
    """Read ``[ebx + eax*4 + 8]``; what stood before it is added."""
    opening = words.take()
    if words.look(0) in POINTERS and words.look(1) == "ptr":
        operand = _read_memory(words, scope)
        words.require("]", "after an address")
        return operand
    parts = _Sum([], [])
    constant = _read_sum(words, scope, parts) + displacement
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
        0, None, base[0] if base else None, name, scale, constant % _MODULUS
    )


def _read_sum(
    words: Words, scope: Scope, parts: _Sum | None, *, symbols: bool = False
) -> int:
    start = words.next
    total = 0
    sign = -1 if words.skip("-") else 1
    while True:
        named = symbols and words.next.kind == "name" and sign > 0
        if named and words.look(0) != "offset":
            if words.look(0) in REGISTERS:
                refuse(words.next, "a number, a label or a data word")
            total += scope.get_address(words.take())
        else:
            negative = sign < 0
            total += sign * _read_term(words, scope, parts, negative=negative)
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
    if token.text.lower() == "offset":
        if words.skip("flat"):
            words.require(":", "after flat")
        return scope.get_address(words.take())
    if parts is None:
        refuse(token, "a number")
    if token.text.lower() not in REGISTERS:
        return scope.get_address(token)
    _add_register(words, token, parts)
    return 0


def _add_register(words: Words, token: Token, parts: _Sum) -> None:
    """Add a register, which may have a scale after it."""
    if not words.skip("*"):
        parts.bases.append(_require_address_register(token))
        return
    scale = words.take()
    if scale.kind != "number":
        refuse(scale, "1, 2, 4 or 8")
    _add_index(token, read_number(scale), scale, parts, negative=False)


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

"""The language of outcomes: conditions on a state of the machine.

::

    halted and work == 1 and not pending irq0
    at idle or (eax != 0x200 and if)

From loosest to tightest: ``or``, ``and``, ``not``, one comparison (``==``
``!=`` ``<`` ``<=`` ``>`` ``>=``), then numbers, names and parentheses. A name
is an observable of the machine, a data word or a label of a listing's data,
where ``name[2]`` is the second word after it; ``pending irq0`` asks for one
event, ``msr 0x10`` for a register of that number, ``at idle`` whether the
next instruction is the one at that label. All values are unsigned; ``-1`` is
0xffffffff. A value is true if it is not 0.
"""

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn, TypeAlias

from app.sim.errors import RefusedText
from app.sim.machine import Machine
from app.sim.memory import to_physical
from app.sim.observables import (
    OF_PROCESSORS,
    get_observable,
    split_observable,
)
from app.sim.physical import get_physical

MAXIMUM_LENGTH: Final = 1000
MAXIMUM_DEPTH: Final = 32

Reader: TypeAlias = Callable[[Machine], int]
Predicate: TypeAlias = Callable[[Machine], bool]


class OutcomeError(RefusedText):
    """Raised when a text is not in the language of outcomes."""


class Number(NamedTuple):
    """A number, without a sign."""

    value: int


class Name(NamedTuple):
    """An observable or a data word; ``pending irq0`` is one name."""

    name: str


class Word(NamedTuple):
    """The word of memory at a linear address."""

    address: int


class At(NamedTuple):
    """Whether the next instruction of a processor is the one at a label."""

    label: str
    cpu: int = 0


class Not(NamedTuple):
    """True if the operand is not."""

    operand: "Expression"


class Binary(NamedTuple):
    """A comparison, or two conditions joined by ``and`` or ``or``."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression: TypeAlias = Number | Name | Word | At | Not | Binary


class Vocabulary(NamedTuple):
    """What an outcome may name: values, events after ``pending``, labels.

    ``places`` tells for each label of data its address, and where the data
    of its listing ends.
    """

    values: Collection[str]
    events: Collection[str]
    labels: Collection[str]
    places: Mapping[str, tuple[int, int]] = MappingProxyType({})


class _Token(NamedTuple):
    kind: str
    text: str
    line: int
    column: int


_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TOKEN: Final = re.compile(
    r"(?P<name>(?:cpu[0-9]\.)?[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>-?[0-9][0-9A-Za-z_]*)"
    r"|(?P<mark>==|!=|<=|>=|[][<>()])"
    r"|(?P<blank>[ \t\r\n]+)"
)
_NUMBER: Final = re.compile(r"-?(0x[0-9a-fA-F]{1,16}|0|[1-9][0-9]{0,19})")
OPERATORS: Final = ("and", "or", "not", "at", "pending", "msr")
_PREFIXES: Final = ("at", "pending", "msr")
_LARGEST: Final = (1 << 64) - 1
_SMALLEST: Final = -(1 << 31)
_MODULUS: Final = 1 << 32
_LOOSEST: Final = 0
_WORD: Final = 4
_BINDING: Final = {"or": 1, "and": 2, **dict.fromkeys(_COMPARISONS, 4)}
_NOT_BINDING: Final = 3


def parse_outcome(text: str, vocabulary: Vocabulary) -> Expression:
    """Parse the text of an outcome.

    Raises
    ------
    OutcomeError
        At the first place that is not in the language, with an unknown name,
        or beyond a thousand characters or 32 levels.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise OutcomeError(
            "the outcome is too long",
            1,
            1,
            f"at most {MAXIMUM_LENGTH} characters",
        )
    parser = _Parser(list(_tokenize(text)), vocabulary)
    expression = parser.parse(_LOOSEST, 0)
    if parser.next.kind != "end":
        _refuse(parser.next, "and, or, a comparison, or the end")
    return expression


def _tokenize(text: str) -> Iterator[_Token]:
    position, line, start = 0, 1, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise OutcomeError(
                f"{text[position]!r} means nothing here",
                line,
                position - start + 1,
                "a name, a number, a comparison or a bracket",
            )
        kind = match.lastgroup or ""
        if kind == "blank":
            breaks = match.group().count("\n")
            if breaks:
                line += breaks
                start = match.start() + match.group().rindex("\n") + 1
        else:
            yield _Token(kind, match.group(), line, position - start + 1)
        position = match.end()
    yield _Token("end", "", line, position - start + 1)


class _Parser:
    """A Pratt parser: each operator binds its neighbours so tightly."""

    def __init__(self, tokens: list[_Token], vocabulary: Vocabulary) -> None:
        self.tokens = tokens
        self.vocabulary = vocabulary
        self.position = 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.position]

    def take(self) -> _Token:
        token = self.next
        if token.kind != "end":
            self.position += 1
        return token

    def parse(self, binding: int, depth: int) -> Expression:
        if depth > MAXIMUM_DEPTH:
            _refuse(self.next, f"at most {MAXIMUM_DEPTH} levels")
        left = self.parse_first(depth)
        while _BINDING.get(self.next.text, _LOOSEST) > binding:
            mark = self.take()
            right = self.parse(_BINDING[mark.text], depth + 1)
            left = Binary(mark.text, left, right)
            if mark.text in _COMPARISONS and self.next.text in _COMPARISONS:
                _refuse(self.next, "and or or between two comparisons")
        return left

    def parse_first(self, depth: int) -> Expression:
        token = self.take()
        if token.text == "(":
            inner = self.parse(_LOOSEST, depth + 1)
            if self.next.text != ")":
                _refuse(self.next, ") for the ( before")
            self.take()
            return inner
        if token.text == "not":
            return Not(self.parse(_NOT_BINDING, depth + 1))
        if token.kind == "number":
            return Number(_read_number(token))
        if token.kind != "name" or token.text in ("and", "or"):
            _refuse(token, "a name, a number, not or (")
        return self.parse_name(token)

    def parse_name(self, token: _Token) -> Expression:
        cpu, plain = split_observable(token.text)
        if plain in _PREFIXES and cpu is not None:
            known = f"cpu{cpu}.eip" in self.vocabulary.values
            _require(token, [token.text] if known else [], "a processor")
        if plain == "at":
            label = self.take()
            _require(label, self.vocabulary.labels, "a label of a listing")
            return At(label.text, cpu or 0)
        if plain == "pending":
            if self.next.kind != "name" or self.next.text in OPERATORS:
                return Name(token.text)
            event = self.take()
            events = [
                name
                for name in self.vocabulary.events
                if cpu is None or f"pending {name}" in OF_PROCESSORS
            ]
            _require(event, events, "an event")
            return Name(f"{token.text} {event.text}")
        if plain == "msr":
            index = self.take()
            if index.kind != "number" or index.text.startswith("-"):
                _refuse(index, "the number of an MSR")
            return Name(f"{token.text} {_read_number(index):#x}")
        return self.parse_value(token)

    def parse_value(self, token: _Token) -> Expression:
        """Parse an observable or a word, which may have an index."""
        values, places = self.vocabulary.values, self.vocabulary.places
        known = [*values, *places]
        _require(token, known, "an observable or data word")
        index = self.parse_index()
        if token.text in places:
            first, end = places[token.text]
            address = first + _WORD * index
            if address + _WORD > end:
                _refuse(token, f"a word among the {end - first} bytes there")
            return Word(address)
        name = f"{token.text}[{index}]" if index else token.text
        if name not in values:
            _refuse(token, f"{token.text!r} with an index that it has")
        return Name(name)

    def parse_index(self) -> int:
        """Parse the number of a word in brackets; 0 if there is none."""
        if self.next.text != "[":
            return 0
        self.take()
        token = self.take()
        if token.kind != "number" or token.text.startswith("-"):
            _refuse(token, "the number of a word, from 0")
        index = _read_number(token)
        if self.next.text != "]":
            _refuse(self.next, "] after the number of a word")
        self.take()
        return index


def _read_number(token: _Token) -> int:
    value = int(token.text, 0) if _NUMBER.fullmatch(token.text) else None
    if value is None or not _SMALLEST <= value <= _LARGEST:
        _refuse(
            token,
            "a decimal number without leading zeros, or a hexadecimal one "
            "after 0x, from -2147483648 to 0xffffffffffffffff",
        )
    return value % _MODULUS if value < 0 else value


def _refuse(token: _Token, expected: str) -> NoReturn:
    found = repr(token.text[:40]) if token.text else "the end"
    raise OutcomeError(f"found {found}", token.line, token.column, expected)


def _require(token: _Token, known: Collection[str], what: str) -> None:
    if token.kind == "name" and token.text in known:
        return
    if token.kind != "name":
        _refuse(token, what)
    near = get_close_matches(token.text[:40], sorted(known), n=1)
    raise OutcomeError(
        f"{token.text[:40]!r} is unknown",
        token.line,
        token.column,
        repr(near[0]) if near else what,
    )


def compile_outcome(
    expression: Expression,
    words: Mapping[str, int],
    labels: Mapping[str, int],
) -> Predicate:
    """Build the predicate on machines that an expression says.

    Parameters
    ----------
    expression
        A parsed outcome.
    words
        The place of each data word among the words.
    labels
        The address of each label.
    """
    value = _compile(expression, words, labels)
    return lambda machine: bool(value(machine))


def _compile(
    expression: Expression,
    words: Mapping[str, int],
    labels: Mapping[str, int],
) -> Reader:
    if isinstance(expression, Number):
        number = expression.value
        return lambda _: number
    if isinstance(expression, Name):
        return get_observable(expression.name, words)
    if isinstance(expression, Word):
        place = to_physical(expression.address)
        return lambda machine: get_physical(machine, place)
    if isinstance(expression, At):
        address = labels[expression.label]
        eip = get_observable(f"cpu{expression.cpu}.eip", words)
        return lambda machine: eip(machine) == address
    if isinstance(expression, Not):
        operand = _compile(expression.operand, words, labels)
        return lambda machine: not operand(machine)
    left = _compile(expression.left, words, labels)
    right = _compile(expression.right, words, labels)
    return _join(expression.operator, left, right)


def _join(mark: str, left: Reader, right: Reader) -> Reader:
    if mark == "and":
        return lambda machine: bool(left(machine) and right(machine))
    if mark == "or":
        return lambda machine: bool(left(machine) or right(machine))
    compare = _COMPARISONS[mark]
    return lambda machine: compare(left(machine), right(machine))

"""The parsed form of guest code: listings, statements, operands.

Guest code is the part of GNU as's Intel syntax (``-msyntax=intel``) that the
simulator executes. Each statement has a slot of 16 bytes of its own, which is
more than the longest x86 instruction has, so that an address names a
statement and the other way round.
"""

from collections.abc import Mapping
from typing import NamedTuple

SLOT = 16
"""Bytes from one statement to the next."""


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
    displacement is unsigned, modulo 2**32.
    """

    size: int
    segment: str | None
    base: str | None
    index: str | None
    scale: int
    displacement: int


class Target(NamedTuple):
    """Where a direct branch goes: a label, or a call of the VMI.

    ``address`` is None if and only if ``name`` is the name of a VMI call.
    """

    name: str
    address: int | None


Operand = Register | Immediate | Memory | Target


class Statement(NamedTuple):
    """One instruction of a listing.

    ``line`` and ``column`` count from 1 in the listing's own text; ``text``
    is the statement as written, without label and comment; ``at`` says where
    it is in words: ``idle+2`` is the second one after that at ``idle``.
    """

    mnemonic: str
    operands: tuple[Operand, ...]
    prefix: str | None
    address: int
    line: int
    column: int
    text: str
    at: str


class Listing(NamedTuple):
    """The statements of one listing, and where its labels are."""

    name: str
    statements: tuple[Statement, ...]
    labels: Mapping[str, int]


class ListingError(Exception):
    """Raised when guest code is not in the language of listings.

    Line and column count from 1 in the text of the listing; ``expected``
    says what would have been right there.
    """

    def __init__(
        self, message: str, *, line: int, column: int, expected: str
    ) -> None:
        super().__init__(
            f"line {line}, column {column}: {message}; expected {expected}"
        )
        self.message = message
        self.line = line
        self.column = column
        self.expected = expected

"""Listings of guest code: their parsed form, and the parser.

Guest code is the part of GNU as's Intel syntax (``-msyntax=intel
-mnaked-reg``) that the simulator executes: labels, instructions, ``#`` before
a comment, one instruction a line, no directives. The tests assemble the same
text.

Each statement has a slot of 16 bytes of its own, which is more than the
longest x86 instruction has, so that an address names a statement and the
other way round.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from app.sim.forms import ALIASES, FORMS, LOCKABLE, describe
from app.sim.operands import (
    REGISTERS,
    Immediate,
    Memory,
    Misfit,
    Operand,
    Register,
    Scope,
    Target,
    Words,
    fit,
    read_operand,
    refuse,
    suggest,
)
from app.sim.tokens import ListingError, Place, Token, strip_comment, tokenize

__all__ = [
    "MAXIMUM_STATEMENTS",
    "SLOT",
    "Immediate",
    "Listing",
    "ListingError",
    "Memory",
    "Operand",
    "Place",
    "Register",
    "Statement",
    "Target",
    "find_name_fault",
    "parse_listings",
]

SLOT = 16
"""Bytes from one statement to the next."""

MAXIMUM_STATEMENTS = 400
"""How many instructions all listings of a question may have together."""

_MAXIMUM_NAME = 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = frozenset(
    {
        *("and", "or", "not", "xor", "shl", "shr", "mod", "eq", "ne", "lt"),
        *("le", "gt", "ge", "flat", "offset", "ptr", "byte", "word", "dword"),
    }
)
_OTHER_REGISTERS = re.compile(
    r"st|(mm|xmm|ymm|zmm|tmm|k|cr|dr|db|tr|bnd|r)[0-9]+[bwd]?"
    r"|[er]?(ip|iz|ax|bx|cx|dx|si|di|sp|bp)|[a-d][lh]",
    re.IGNORECASE,
)


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


class _Draft(NamedTuple):
    """A statement whose operands wait until all labels are known."""

    tokens: tuple[Token, ...]
    text: str
    address: int
    at: str


def find_name_fault(name: str) -> str:
    """Say why a label or data word may not be called so; empty if it may.

    The assembler would take the name for something else.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAXIMUM_NAME:
        return "a name of up to 64 letters, digits and underscores"
    lower = name.lower()
    if lower in _OPERATORS or lower in REGISTERS or name.startswith("VMI_"):
        return "a name that is no register, operator or VMI call"
    if _OTHER_REGISTERS.fullmatch(name):
        return "a name that is no register"
    return ""


def parse_listings(
    sources: Mapping[str, tuple[str, int]],
    *,
    words: Mapping[str, int],
    calls: Collection[str],
) -> dict[str, Listing]:
    """Parse all listings of a question together.

    They see one another's labels; the name of a listing stands for its first
    instruction.

    Parameters
    ----------
    sources
        For each listing its text and the address of its first instruction.
    words
        The addresses of the data words.
    calls
        The names of the VMI calls that there are.

    Raises
    ------
    ListingError
        At the first place that is not in the language.
    """
    reader = _Reader(sources, words)
    drafts = {name: list(reader.read_drafts(name)) for name in sources}
    scope = Scope(reader.code, words, calls)
    return {
        name: Listing(
            name,
            tuple(_read_statement(draft, scope) for draft in drafts[name]),
            reader.labels[name],
        )
        for name in sources
    }


class _Reader:
    """Reads lines and collects labels; operands are left for later."""

    def __init__(
        self,
        sources: Mapping[str, tuple[str, int]],
        words: Mapping[str, int],
    ) -> None:
        self.sources = sources
        self.words = words
        self.code = {name: base for name, (_, base) in sources.items()}
        self.labels: dict[str, dict[str, int]] = {}
        self.count = 0

    def read_drafts(self, listing: str) -> Iterator[_Draft]:
        text, address = self.sources[listing]
        labels = self.labels[listing] = {}
        waiting: Token | None = None
        label, after, number = listing, 0, 0
        for number, line in enumerate(text.split("\n"), start=1):
            tokens = tuple(tokenize(line.rstrip("\r"), listing, number))
            while len(tokens) > 1 and tokens[1].text == ":":
                waiting = tokens[0]
                self.add_label(waiting, address, labels)
                label, after = waiting.text, 0
                tokens = tokens[2:]
            if tokens[0].kind == "end":
                continue
            self.count_statement(tokens[0])
            waiting = None
            start = tokens[0].place.column - 1
            yield _Draft(
                tokens,
                " ".join(strip_comment(line)[start:].split()),
                address,
                f"{label}+{after}" if after else label,
            )
            address, after = address + SLOT, after + 1
        if waiting is not None:
            refuse(waiting, "an instruction after the last label")
        if address == self.sources[listing][1]:
            place = Place(listing, number, 1)
            raise ListingError("nothing to run", place, "an instruction")

    def add_label(
        self, token: Token, address: int, labels: dict[str, int]
    ) -> None:
        """Give a name to the next statement."""
        fault = find_name_fault(token.text)
        if fault:
            refuse(token, fault)
        taken = self.code.get(token.text, address) != address
        if taken or token.text in self.words or token.text in labels:
            raise ListingError(
                f"{token.text!r} is the name of something else already",
                token.place,
                "a name of its own for each label, listing and data word",
            )
        self.code[token.text] = labels[token.text] = address

    def count_statement(self, token: Token) -> None:
        """Refuse the first statement beyond the limit."""
        self.count += 1
        if self.count > MAXIMUM_STATEMENTS:
            raise ListingError(
                "too many instructions",
                token.place,
                f"at most {MAXIMUM_STATEMENTS} in all listings",
            )


def _read_statement(draft: _Draft, scope: Scope) -> Statement:
    words = Words(draft.tokens)
    first = words.next
    prefix = words.skip("lock") or None
    mnemonic = _read_mnemonic(words.take())
    operands: list[Operand] = []
    places = [first]
    while words.next.kind != "end":
        if operands:
            words.require(",", "between operands")
        places.append(words.next)
        operands.append(read_operand(words, scope))
    fitted = _fit_forms(mnemonic, tuple(operands), places)
    if prefix and not (
        mnemonic in LOCKABLE
        and any(isinstance(operand, Memory) for operand in fitted)
    ):
        refuse(first, "lock before an instruction that writes to memory")
    return Statement(
        mnemonic,
        fitted,
        prefix,
        draft.address,
        first.place.line,
        first.place.column,
        draft.text,
        draft.at,
    )


def _read_mnemonic(token: Token) -> str:
    name = token.text.lower()
    name = ALIASES.get(name, name)
    if name not in FORMS:
        shown = token.text[:24]
        raise ListingError(
            f"{shown!r} is not an instruction of the simulator",
            token.place,
            suggest(name, [*FORMS, *ALIASES], "an instruction"),
        )
    return name


def _fit_forms(
    mnemonic: str, operands: tuple[Operand, ...], places: list[Token]
) -> tuple[Operand, ...]:
    misfit = Misfit(
        -1, f"these are not the operands of {mnemonic}", describe(mnemonic)
    )
    for form in FORMS[mnemonic]:
        fitted = fit(form, operands)
        if isinstance(fitted, tuple) and not isinstance(fitted, Misfit):
            return fitted
        misfit = fitted or misfit
    raise ListingError(
        misfit.message, places[misfit.operand + 1].place, misfit.expected
    )

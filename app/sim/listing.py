"""Listings of guest code: their parsed form, and the parser.

Guest code is the part of GNU as's Intel syntax (``.intel_syntax noprefix``)
that the simulator executes: labels, instructions, ``#`` before a comment, one
instruction a line, and the directives of a compiler's output (see
`directives`). The tests assemble the same text.

Each statement has a slot of 16 bytes of its own, which is more than the
longest x86 instruction has, so that an address names a statement and the
other way round.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from app.sim.directives import DIRECTIVES, Sections
from app.sim.fitting import Misfit, fit
from app.sim.forms import (
    ALIASES,
    FORMS,
    LOCKABLE,
    REPEATABLE,
    REPEATS,
    SEARCHES,
    SHIFTS,
    SHORT,
    describe,
)
from app.sim.layout import LISTING_DATA_BASE, USER_DATA_BASE
from app.sim.operands import (
    REGISTERS,
    FarTarget,
    Immediate,
    Memory,
    Operand,
    Register,
    Scope,
    Target,
    Words,
    read_operand,
    refuse,
    suggest,
)
from app.sim.refusals import STRICT, Refusals
from app.sim.tokens import ListingError, Place, Token, strip_comment, tokenize

__all__ = [
    "MAXIMUM_STATEMENTS",
    "SLOT",
    "FarTarget",
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
    "parse_statement",
]

SLOT = 16
"""Bytes from one statement to the next."""

MAXIMUM_STATEMENTS = 2000
"""How many instructions all listings of a question may have together."""

_MAXIMUM_NAME = 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = frozenset(
    {
        *("and", "or", "not", "xor", "shl", "shr", "mod", "eq", "ne", "lt"),
        *("le", "gt", "ge", "flat", "offset", "ptr", "byte", "word", "dword"),
        *("fword", "qword"),
    }
)
_OTHER_REGISTERS = re.compile(
    r"st|(mm|xmm|ymm|zmm|tmm|k|cr|dr|db|tr|bnd|r)[0-9]+[bwd]?"
    r"|[er]?(ip|iz|ax|bx|cx|dx|si|di|bp|sp)|[a-d][lh]",
    re.IGNORECASE,
)
_LOCAL = ".L"


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
    """The statements of one listing, and where its labels are.

    ``content`` is what its data sections hold, from the address ``base`` on;
    ``places`` tells the labels in there, each with its address.
    """

    name: str
    statements: tuple[Statement, ...]
    labels: Mapping[str, int]
    base: int = 0
    content: bytes = b""
    places: tuple[tuple[str, int], ...] = ()


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
    refusals: Refusals = STRICT,
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
    refusals
        What becomes of errors; what is refused is left out.

    Raises
    ------
    ListingError
        At the first place that is not in the language.
    """
    reader = _Reader(sources, words, refusals)
    drafts = {name: list(reader.read_drafts(name)) for name in sources}
    scope = Scope(reader.code, reader.words, calls)
    listings = {}
    for name in sources:
        statements = []
        for draft in drafts[name]:
            with refusals:
                statements.append(_read_statement(draft, scope))
        sections = reader.sections[name]
        listings[name] = Listing(
            name,
            tuple(statements),
            reader.labels[name],
            sections.base,
            sections.fill(scope, refusals),
            tuple(sections.labels.items()),
        )
    return listings


def parse_statement(text: str, listing: str = "statement") -> Statement:
    """Parse one instruction that names no label.

    Raises
    ------
    ListingError
        If it is not in the language.
    """
    tokens = tuple(tokenize(text, listing, 1))
    return _read_statement(
        _Draft(tokens, text, 0, listing), Scope({}, {}, frozenset())
    )


class _Position:
    """How far a listing has been read.

    ``waiting`` is a label that has no instruction yet; ``after`` counts the
    instructions since ``label``.
    """

    def __init__(self, listing: str, address: int) -> None:
        self.listing = self.label = listing
        self.address = address
        self.after = 0
        self.waiting: Token | None = None


class _Reader:
    """Reads lines and collects labels; operands are left for later."""

    def __init__(
        self,
        sources: Mapping[str, tuple[str, int]],
        words: Mapping[str, int],
        refusals: Refusals,
    ) -> None:
        self.sources = sources
        self.refusals = refusals
        self.words = dict(words)
        self.code = {name: base for name, (_, base) in sources.items()}
        self.labels: dict[str, dict[str, int]] = {}
        self.sections: dict[str, Sections] = {}
        self.ends = {False: LISTING_DATA_BASE, True: USER_DATA_BASE}
        self.count = 0

    def read_drafts(self, listing: str) -> Iterator[_Draft]:
        text, address = self.sources[listing]
        self.labels[listing] = {}
        user = listing.startswith("user")
        sections = self.sections[listing] = Sections(self.ends[user])
        place = _Position(listing, address)
        number = 0
        for number, line in enumerate(text.split("\n"), start=1):
            with self.refusals:
                yield from self.read_line(place, line.rstrip("\r"), number)
        with self.refusals:
            self.check_end(place, number)
            for variable, common in sections.commons.items():
                self.add_place(variable, common, listing)
        self.ends[user] = sections.end

    def read_line(
        self, position: _Position, line: str, number: int
    ) -> Iterator[_Draft]:
        """Read the labels of a line, and what comes after them."""
        listing, address = position.listing, position.address
        tokens = self.tokenize(position, line, number)
        while len(tokens) > 1 and tokens[1].text == ":":
            name, tokens = tokens[0], tokens[2:]
            if self.add_name(name, address, listing):
                position.waiting = name
                if position.after or not name.text.startswith(_LOCAL):
                    position.label, position.after = name.text, 0
        if self.is_passed(tokens, self.sections[listing]):
            return
        position.waiting = None
        label, after = position.label, position.after
        start = tokens[0].place.column - 1
        position.address, position.after = address + SLOT, after + 1
        yield _Draft(
            tokens,
            " ".join(strip_comment(line)[start:].split()),
            address,
            f"{label}+{after}" if after else label,
        )

    def tokenize(
        self, position: _Position, line: str, number: int
    ) -> tuple[Token, ...]:
        """Cut a line into tokens; its label counts even if it has an error."""
        listing = position.listing
        tokens: list[Token] = []
        try:
            for token in tokenize(line, listing, number):
                tokens.append(token)  # noqa: PERF402 - those before the error
        except ListingError:
            if len(tokens) > 1 and tokens[1].text == ":":
                self.add_name(tokens[0], position.address, listing)
            raise
        return tuple(tokens)

    def check_end(self, position: _Position, number: int) -> None:
        """Refuse a label with nothing after it, and a listing of nothing."""
        waiting = position.waiting
        if waiting is not None and not waiting.text.startswith(_LOCAL):
            refuse(waiting, "an instruction after the last label")
        if position.address == self.sources[position.listing][1]:
            raise ListingError(
                "nothing to run",
                Place(position.listing, number, 1),
                "an instruction",
            )

    def is_passed(self, tokens: tuple[Token, ...], sections: Sections) -> bool:
        """Whether a line holds no instruction; carry out its directive."""
        first = tokens[0]
        if first.kind == "end":
            return True
        if first.text.startswith("."):
            sections.read_directive(Words(tokens))
            return True
        if not sections.skipped:
            self.count_statement(first, sections)
        return sections.skipped

    def add_name(self, token: Token, address: int, listing: str) -> bool:
        """Give a name to what comes next; answer whether that is code."""
        sections = self.sections[listing]
        if sections.skipped:
            return False
        if sections.address:
            self.add_place(token, sections.address, listing)
            return False
        self.add_label(token, address, listing)
        return True

    def add_label(self, token: Token, address: int, listing: str) -> None:
        """Give a name to the next statement."""
        taken = self.code.get(token.text, address) != address
        labels = self.labels[listing]
        self.require_new(token, taken or token.text in labels)
        self.code[token.text] = labels[token.text] = address

    def add_place(self, token: Token, address: int, listing: str) -> None:
        """Give a name to the next byte of data."""
        self.require_new(token, token.text in self.code)
        self.sections[listing].labels[token.text] = address
        self.words[token.text] = address

    def require_new(self, token: Token, taken: bool) -> None:
        """Refuse a label that is no name, or that of something else."""
        fault = find_name_fault(token.text.replace(".", "_"))
        if fault or token.text.lower() in DIRECTIVES:
            refuse(token, fault or "a name that is no directive")
        if taken or token.text in self.words:
            raise ListingError(
                f"{token.text!r} is the name of something else already",
                token.place,
                "a name of its own for each label, listing and data word",
            )

    def count_statement(self, token: Token, sections: Sections) -> None:
        """Refuse a statement among data, and the first beyond the limit."""
        if sections.address:
            raise ListingError(
                "an instruction in a section of data",
                token.place,
                ".text before it",
            )
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
    prefix = words.skip("lock", *REPEATS) or None
    name = _read_mnemonic(words.take())
    operands: list[Operand] = []
    places = [first]
    while words.next.kind != "end":
        if operands:
            words.require(",", "between operands")
        places.append(words.next)
        operands.append(read_operand(words, scope))
    mnemonic, fitted = _complete(name, tuple(operands), places)
    return Statement(
        mnemonic,
        fitted,
        _check_prefix(prefix, mnemonic, fitted, first),
        draft.address,
        first.place.line,
        first.place.column,
        draft.text,
        draft.at,
    )


def _check_prefix(
    prefix: str | None,
    mnemonic: str,
    operands: tuple[Operand, ...],
    first: Token,
) -> str | None:
    """Answer the one name of a prefix that fits its instruction."""
    if prefix is None:
        return None
    if prefix == "lock":
        written = operands if mnemonic == "xchg" else operands[:1]
        if mnemonic not in LOCKABLE or not any(
            isinstance(operand, Memory) for operand in written
        ):
            refuse(first, "lock before an instruction that writes to memory")
        return prefix
    prefix = REPEATS[prefix]
    if mnemonic in SEARCHES:
        return "repe" if prefix == "rep" else prefix
    if mnemonic not in REPEATABLE or prefix == "repne":
        refuse(
            first,
            "rep before movs, stos, lods, ins or outs, or repe or repne "
            "before cmps or scas",
        )
    return "rep"


def _read_mnemonic(token: Token) -> str:
    name = token.text.lower()
    name = ALIASES.get(name, name)
    if name not in FORMS and name not in SHORT:
        shown = token.text[:24]
        raise ListingError(
            f"{shown!r} is not an instruction of the simulator",
            token.place,
            suggest(name, [*FORMS, *ALIASES, *SHORT], "an instruction"),
        )
    return name


_STRING_OPERANDS: Mapping[str, Memory | Register] = {
    "di": Memory(0, "es", "edi", None, 1, 0),
    "si": Memory(0, None, "esi", None, 1, 0),
    "bx8": Memory(0, None, "ebx", None, 1, 0),
    "dx": Register("dx"),
}


def _complete(
    name: str, operands: tuple[Operand, ...], places: list[Token]
) -> tuple[str, tuple[Operand, ...]]:
    """Fill in what a short form leaves out."""
    if name in SHORT and not operands:
        mnemonic, size = SHORT[name]
        whole = [
            _STRING_OPERANDS[code] for code in FORMS[mnemonic][0].split(", ")
        ]
        return mnemonic, tuple(
            operand._replace(size=size)
            if isinstance(operand, Memory)
            else operand
            for operand in whole
        )
    if name not in FORMS:
        raise ListingError(
            f"{name} has no operands", places[1].place, describe(name)
        )
    fitted = _fit_forms(name, operands, places)
    if name in SHIFTS and len(fitted) == 1:
        return name, (*fitted, Immediate(1))
    if name == "imul" and isinstance(fitted[-1], Immediate):
        return name, (fitted[0], *fitted[-2:])
    return name, fitted


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

"""Directives of the assembler: the sections of data of a listing.

What GCC writes for a small file of C is understood. Directives that say
something to a linker or a debugger alone are passed over; those that lay out
data fill the listing's bytes. All sections of data of a listing lie one after
the other, in the order in which they are written.
"""

import re
from typing import Final, NamedTuple

from app.sim.operands import Scope, Words, read_value, refuse, suggest
from app.sim.refusals import STRICT, Refusals
from app.sim.tokens import ListingError, Token, read_number

MAXIMUM_BYTES: Final = 16 * 1024
"""How much data one listing may have."""

_MAXIMUM_ALIGNMENT: Final = 4096
_MAXIMUM_POWER: Final = 12
_GAP: Final = 64
_PASSED: Final = frozenset(
    {
        *(".file", ".ident", ".globl", ".global", ".type", ".size", ".loc"),
        *(".weak", ".hidden", ".local", ".intel_syntax", ".code32"),
    }
)
_SIZES: Final = {
    ".byte": 1,
    **dict.fromkeys((".word", ".short", ".hword", ".value", ".2byte"), 2),
    **dict.fromkeys((".long", ".int", ".4byte"), 4),
}
_STRINGS: Final = {".ascii": b"", ".string": b"\0", ".asciz": b"\0"}
_SPACES: Final = (".zero", ".skip", ".space")
_ALIGNMENTS: Final = (".align", ".balign", ".p2align")
_COMMONS: Final = (".comm", ".lcomm")
_SECTIONS: Final = (".text", ".data", ".bss", ".rodata", ".section")
_CODE: Final = ".text"
_SKIPPED: Final = (".note", ".comment", ".eh_frame", ".debug")
_HELD: Final = (".data", ".rodata", ".bss", ".tm_clone_table")

DIRECTIVES: Final = (
    *_PASSED,
    *_SIZES,
    *_STRINGS,
    *_SPACES,
    *_ALIGNMENTS,
    *_COMMONS,
    *_SECTIONS,
)
"""All directives, beside those that begin with ``.cfi_``."""

_ESCAPE: Final = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]+|.)", re.DOTALL)
_ESCAPES: Final = dict(zip('ntrbf\\"', '\n\t\r\b\f\\"', strict=True))


class _Waiting(NamedTuple):
    """A value that names symbols, which are not all known yet."""

    offset: int
    size: int
    words: Words


class Sections:
    """The data of one listing, as far as it has been read.

    ``skipped`` says that the section being read is of no use to a machine;
    ``commons`` are the variables of ``.comm`` with their addresses.
    """

    def __init__(self, base: int) -> None:
        self.base = base
        self.labels: dict[str, int] = {}
        self.commons: dict[Token, int] = {}
        self.skipped = False
        self._content = bytearray()
        self._waiting: list[_Waiting] = []
        self._in_code = True

    @property
    def address(self) -> int:
        """The address of the next byte of data, 0 in a section of code."""
        return 0 if self._in_code else self.base + len(self._content)

    @property
    def end(self) -> int:
        """Where the data of the next listing may begin."""
        return self.base + -(-len(self._content) // _GAP) * _GAP

    def fill(self, scope: Scope, refusals: Refusals = STRICT) -> bytes:
        """Answer the data, now that all symbols are known."""
        for waiting in self._waiting:
            with refusals:
                self._fill(waiting, scope)
        return bytes(self._content)

    def _fill(self, waiting: _Waiting, scope: Scope) -> None:
        """Put a value in its place."""
        offset, size, words = waiting
        token = words.next
        value = read_value(words, scope)
        if words.next.kind != "end" and words.next.text != ",":
            refuse(words.next, ", or the end of the line")
        bits = 8 * size
        if not -(1 << (bits - 1)) <= value < 1 << bits:
            raise ListingError(
                f"{value} is out of range",
                token.place,
                f"a number of {bits} bits",
            )
        data = (value % (1 << bits)).to_bytes(size, "little")
        self._content[offset : offset + size] = data

    def read_directive(self, words: Words) -> None:
        """Carry out a directive."""
        token = words.take()
        name = token.text.lower()
        if name in _SECTIONS:
            self._open(name, words)
        elif self.skipped or name in _PASSED or name.startswith(".cfi_"):
            pass
        elif name in _COMMONS:
            self._read_common(words)
        elif name in _ALIGNMENTS:
            self._align(name, words)
        elif name not in DIRECTIVES:
            raise ListingError(
                f"{token.text[:24]!r} is not a directive of the simulator",
                token.place,
                suggest(name, DIRECTIVES, "an instruction or a directive"),
            )
        else:
            self._read_data(token, name, words)

    def _open(self, name: str, words: Words) -> None:
        """Go to another section."""
        token = words.take() if name == ".section" else None
        if token is not None:
            name = token.text
            if token.kind not in {"name", "string"}:
                refuse(token, "the name of a section")
        elif words.next.kind != "end":
            refuse(words.next, "the end of the line")
        name = name.strip('"')
        self._in_code = name.startswith(_CODE)
        self.skipped = name.startswith(_SKIPPED)
        if token is not None and not (
            self._in_code or self.skipped or name.startswith(_HELD)
        ):
            refuse(token, ".text, .data, .rodata or .bss")

    def _align(self, name: str, words: Words) -> None:
        """Fill up to a multiple; between instructions there is nothing."""
        token = words.take()
        number = self._read_count(token, _MAXIMUM_ALIGNMENT)
        if name == ".p2align":
            number = 1 << self._read_count(token, _MAXIMUM_POWER)
        if not number or number & (number - 1):
            refuse(token, "a power of 2")
        if not self._in_code:
            self._extend(bytes(-self.address % number), token)

    def _read_data(self, token: Token, name: str, words: Words) -> None:
        """Lay out numbers, strings or zeros."""
        if self._in_code:
            raise ListingError(
                "data among instructions", token.place, ".data before it"
            )
        if name in _SPACES:
            self._read_space(words)
            return
        while True:
            first = words.next
            if name in _STRINGS:
                self._extend(_read_string(words) + _STRINGS[name], first)
            else:
                self._read_value(_SIZES[name], words)
            if words.next.kind == "end":
                return
            words.require(",", "between values")

    def _read_value(self, size: int, words: Words) -> None:
        """Keep a place for a value; what it is will be known later."""
        token = words.next
        if token.kind not in {"name", "number"} and token.text != "-":
            refuse(token, "a number or a symbol")
        rest = words.tokens[words.position :]
        self._waiting.append(_Waiting(len(self._content), size, Words(rest)))
        self._extend(bytes(size), token)
        while words.next.text != "," and words.next.kind != "end":
            words.take()

    def _read_space(self, words: Words) -> None:
        """Lay out so many bytes of one value."""
        token = words.take()
        count = self._read_count(token, MAXIMUM_BYTES)
        value = 0
        if words.skip(","):
            value = self._read_count(words.take(), (1 << 8) - 1)
        self._extend(bytes([value]) * count, token)

    def _read_common(self, words: Words) -> None:
        """Lay out a variable without a value, wherever that is written."""
        label = words.take()
        if label.kind != "name":
            refuse(label, "a name")
        words.require(",", "before the size")
        token = words.take()
        size = self._read_count(token, MAXIMUM_BYTES)
        inside, self._in_code = self._in_code, False
        if words.skip(","):
            self._align(".balign", words)
        self.commons[label] = self.address
        self._extend(bytes(size), token)
        self._in_code = inside

    def _read_count(self, token: Token, most: int) -> int:
        """Read a number up to a limit."""
        count = read_number(token) if token.kind == "number" else most + 1
        if count > most:
            refuse(token, f"a number from 0 to {most}")
        return count

    def _extend(self, data: bytes, token: Token) -> None:
        """Add bytes at the end."""
        self._content += data
        if len(self._content) > MAXIMUM_BYTES:
            raise ListingError(
                "too much data",
                token.place,
                f"at most {MAXIMUM_BYTES} bytes in a listing",
            )


def _read_string(words: Words) -> bytes:
    """Read a string in double quotes with its escapes."""
    token = words.take()
    if token.kind != "string":
        refuse(token, "a string in double quotes")

    def replace(found: re.Match[str]) -> str:
        escape = found[1]
        if escape[0] in "01234567":
            return chr(int(escape, 8) & 0xFF)
        if escape[0] == "x":
            return chr(int(escape[1:], 16) & 0xFF)
        if escape not in _ESCAPES:
            refuse(token, 'one of the escapes \\n \\t \\r \\b \\f \\\\ \\"')
        return _ESCAPES[escape]

    text = _ESCAPE.sub(replace, token.text[1:-1])
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        refuse(token, "characters of one byte")

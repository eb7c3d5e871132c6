"""The words of a listing: one line of guest code cut into tokens."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from app.sim.errors import RefusedText


class Place(NamedTuple):
    """Where something stands: listing, line and column, from 1."""

    listing: str
    line: int
    column: int


class ListingError(RefusedText):
    """Raised when guest code is not in the language of listings.

    Line and column count in the text of the listing named ``listing``.
    """

    def __init__(self, message: str, place: Place, expected: str) -> None:
        self.listing, line, column = place
        super().__init__(message, line, column, expected)
        # what it is made from again after a pickle
        self.args = (message, place, expected)

    def __str__(self) -> str:
        """Name the listing too."""
        return f"{self.listing}, {super().__str__()}"


class Token(NamedTuple):
    """A word of a listing; ``kind`` is name, number, string, mark or end."""

    kind: str
    text: str
    place: Place


MAXIMUM_LINE = 500

_TOKEN = re.compile(
    r"(?P<name>[A-Za-z_.][A-Za-z0-9_.]*)"
    r"|(?P<number>[0-9][0-9A-Za-z_]*)"
    r'|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<mark>[][+*,:@()-])"
    r"|(?P<blank>[ \t]+)"
)
_COMMENT = re.compile(r'(?:[^"#]|"(?:[^"\\]|\\.)*(?:"|$))*')
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,8}|0|[1-9][0-9]{0,9}")
_LARGEST = 0xFFFFFFFF


def strip_comment(line: str) -> str:
    """Cut a line at its comment; in a string ``#`` begins none."""
    found = _COMMENT.match(line)
    return found.group().rstrip() if found else ""


def tokenize(line: str, listing: str, number: int) -> Iterator[Token]:
    """Cut one line of a listing into tokens, with an end at the end."""
    if len(line) > MAXIMUM_LINE:
        raise ListingError(
            "the line is too long",
            Place(listing, number, MAXIMUM_LINE + 1),
            f"at most {MAXIMUM_LINE} characters",
        )
    line = strip_comment(line)
    position = 0
    while position < len(line):
        place = Place(listing, number, position + 1)
        match = _TOKEN.match(line, position)
        if match is None:
            raise ListingError(
                f"{line[position]!r} means nothing here",
                place,
                "an instruction, or # before a comment",
            )
        position = match.end()
        kind = match.lastgroup or ""
        if kind != "blank":
            yield Token(kind, match.group(), place)
    yield Token("end", "", Place(listing, number, len(line) + 1))


def read_number(token: Token) -> int:
    """Read a number of up to 32 bits, decimal or hexadecimal with 0x."""
    if not _NUMBER.fullmatch(token.text) or int(token.text, 0) > _LARGEST:
        shown = token.text[:24]
        raise ListingError(
            f"{shown!r} is not a number of 32 bits",
            token.place,
            "a decimal number without leading zeros, or 0x before a "
            "hexadecimal one, up to 0xffffffff",
        )
    return int(token.text, 0)

"""Charsets: bytes to text, whatever was declared.

A declared charset may be a lie, misspelt or no charset at all. What is
decoded is text: no control characters but tabs and line feeds.
"""

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

FALLBACKS = ("utf-8", "cp1252")
TEXT_CODECS = re.compile(
    r"utf-7|utf-8(-sig)?|utf-16(-[bl]e)?|utf-32(-[bl]e)?|ascii|iso8859-\d+"
    r"|iso2022_\w+|cp\d+|koi8-\w|kz1048|ptcp154|hp-roman8|big5\w*|gb\w+"
    r"|euc_\w+|shift_jis\w*|mac-\w+|johab|hz|tis-620"
)
ALIASES = {
    "iso-8859-8-i": "iso-8859-8",
    "ks_c_5601-1987": "cp949",
    "utf8mb4": "utf-8",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "windows-949": "cp949",
    "x-euc-jp": "euc_jp",
    "x-gbk": "gbk",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-roman": "mac-roman",
    "x-sjis": "shift_jis",
    "x-windows-949": "cp949",
}
"""Names that mail uses and Python does not know."""

UNPRINTED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
REPLACED = "\N{REPLACEMENT CHARACTER}"


class Decoded(NamedTuple):
    """A text, and the charset it was decoded by."""

    text: str
    charset: str


def decode_text(sent: bytes, charset: str) -> Decoded:
    """Decode by the declared charset, then UTF-8, then Windows-1252."""
    for name in (find_codec(charset), *FALLBACKS):
        if name is None:
            continue
        try:
            return Decoded(sent.decode(name), name)
        except UnicodeError:
            continue
    return Decoded(sent.decode("cp1252", "replace"), "cp1252")


@lru_cache(maxsize=256)
def find_codec(charset: str) -> str | None:
    """Return Python's name of a charset; None for what is none."""
    # Python has codecs that are no charsets, some of them slow
    wanted = charset.strip("'\" ").lower()
    try:
        name = codecs.lookup(ALIASES.get(wanted, wanted)).name
    except (LookupError, ValueError):
        return None
    return name if TEXT_CODECS.fullmatch(name) else None


def clean_text(text: str) -> str:
    """Return a text: lines end in line feeds, no control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return UNPRINTED.sub(REPLACED, lines.removeprefix("\ufeff"))

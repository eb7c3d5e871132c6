"""Drafts: a question as it is being written, and its address.

The address holds the whole text, packed, so that nothing must be stored. A
dictionary of what most questions have in common makes it shorter by a fifth
to a half. Once addresses are about it never changes: a new one gets a new
number.
"""

import base64
import binascii
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from app.config import ROOT
from app.errors import Fault, InvalidError, NotFoundError

TEXT_BYTES = 64 * 1024
LONGEST = 7000
"""Characters of an address's text: servers and proxies take 8 KiB in all."""

STARTERS = ROOT / "app" / "corpus" / "vmi" / "starters"
VERSION = "1"
DICTIONARY = STARTERS / "dictionary-1.txt"
_LEVEL = 9
_RAW = -15


class Starter(NamedTuple):
    """A small question to begin with."""

    name: str
    title: str
    text: str


def pack(text: str) -> str | None:
    """Return a text as an address holds it; None if none can hold it."""
    try:
        data = text.encode()
    except UnicodeError:
        return None
    if len(data) > TEXT_BYTES:
        return None
    packer = zlib.compressobj(_LEVEL, wbits=_RAW, zdict=_read_dictionary())
    raw = packer.compress(data) + packer.flush()
    packed = VERSION + base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return packed if len(packed) <= LONGEST else None


def unpack(packed: str) -> str:
    """Return the text that an address holds; never more than a text's size.

    Raises
    ------
    InvalidError
        If the address was cut, changed, or is not ours.
    """
    if len(packed) > LONGEST:
        raise _refuse(f"it is longer than {LONGEST} characters")
    if packed[:1] != VERSION:
        raise _refuse("it is of an unknown kind")
    body = packed[1:]
    try:
        padded = body + "=" * (-len(body) % 4)
        raw = base64.b64decode(padded.encode("ascii"), b"-_", validate=True)
        unpacker = zlib.decompressobj(wbits=_RAW, zdict=_read_dictionary())
        data = unpacker.decompress(raw, TEXT_BYTES + 1)
        if len(data) > TEXT_BYTES:
            raise _refuse(f"its text is longer than {TEXT_BYTES} bytes")
        if not unpacker.eof or unpacker.unused_data:
            raise _refuse("it was cut or changed")
        return data.decode()
    except (UnicodeError, binascii.Error, zlib.error):
        raise _refuse("it was cut or changed") from None


def _refuse(reason: str) -> InvalidError:
    return InvalidError(
        "the address holds no question",
        Fault("/q", reason, expected="the whole address, as it was made"),
    )


@cache
def _read_dictionary() -> bytes:
    return DICTIONARY.read_bytes()


@cache
def list_starters(folder: Path = STARTERS) -> Sequence[Starter]:
    """Return the small questions to begin with, in order."""
    starters = []
    for path in sorted(folder.glob("*.toml")):
        text = path.read_text("utf-8")
        title = text.partition("\n")[0].removeprefix("#").strip()
        name = path.stem.partition("-")[2]
        starters.append(Starter(name, title, text))
    return tuple(starters)


def read_starter(name: str) -> Starter:
    """Return the small question of this name, or raise NotFoundError."""
    for starter in list_starters():
        if starter.name == name:
            return starter
    raise NotFoundError("question to begin with", name)

"""The data of listings as words of physical memory."""

from collections.abc import Iterable

from app.sim.listing import Listing
from app.sim.memory import to_physical
from app.sim.physical import WORD


def build_contents(code: Iterable[Listing]) -> dict[int, int]:
    """Lay out what the sections of data of all listings hold at first."""
    words: dict[int, int] = {}
    for listing in code:
        for offset in range(0, len(listing.content), WORD):
            value = listing.content[offset : offset + WORD]
            address = to_physical(listing.base + offset)
            words[address] = int.from_bytes(value, "little")
    return words

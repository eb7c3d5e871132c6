"""The section ``[code]`` of a scenario file: the listings."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from app.sim.errors import RefusedText
from app.sim.layout import (
    DATA_BASE,
    HANDLER_BASE,
    HANDLER_SPACE,
    KERNEL_BASE,
    USER_BASE,
)
from app.sim.listing import Listing, ListingError, parse_listings
from app.sim.page_tables import Paging, get_symbols
from app.sim.registry import CALLS
from app.sim.rom import NUMBERS
from app.sim.start import ENTRIES, VECTORS
from app.sim.toml_places import ScenarioError
from app.sim.toml_table import Table

MAXIMUM_TEXT: Final = 64 * 1024
_WORD: Final = 4


def read_code(
    top: Table, data: tuple[tuple[str, int], ...], paging: Paging | None
) -> dict[str, Listing]:
    """Read the listings; they see the data words and the pages by name."""
    with top.refusals:
        top.require("code")
    table = top.open_table("code", (*ENTRIES, *VECTORS))
    sources: dict[str, tuple[str, int]] = {}
    handlers = 0
    for name in table.values:
        base = KERNEL_BASE
        if name.startswith("user"):
            base = USER_BASE + ENTRIES[name] * HANDLER_SPACE
        elif name != "kernel":
            base = HANDLER_BASE + handlers * HANDLER_SPACE
            handlers += 1
        text = table.read_text(name, MAXIMUM_TEXT)
        if text:
            sources[name] = (text, base)
    words = {
        name: DATA_BASE + _WORD * place
        for place, (name, _) in enumerate(data)
        if not name.endswith("]")
    }
    _refuse_shared_names(top, sources, words)
    if paging is not None:
        words.update(get_symbols(paging))
    return parse_listings(
        sources,
        words=words,
        calls={*CALLS, *NUMBERS},
        refusals=top.refusals.inside(partial(_translate, table)),
    )


def _refuse_shared_names(
    top: Table, sources: Mapping[str, object], words: Mapping[str, int]
) -> None:
    for name in sources:
        with top.refusals:
            if name in words:
                place = top.document.locate_key(("data", name))
                raise ScenarioError(
                    f"{name!r} is the name of a listing",
                    *place,
                    "another name for the data word",
                )


def _translate(table: Table, error: RefusedText) -> RefusedText:
    """Say of an error in a listing where it stands in the file."""
    if not isinstance(error, ListingError):
        return error
    place = table.document.locate_inside(
        (*table.path, error.listing), error.line, error.column
    )
    return ScenarioError(error.message, *place, error.expected)

"""The sections ``[paging]`` and ``[pages]`` of a scenario file.

::

    [paging]
    mode = "pae"                # or "32"

    [pages.window]
    present = false             # the defaults are true, true, false, false
    write = true
    user = true
    global = false
    linear = 0x50000000         # by default the next free one
    frame = "other"             # the frame of a page named before
"""

from collections.abc import Collection
from typing import Final, NoReturn

from app.sim.layout import (
    MEMORY_END,
    PAGE_OFFSET,
    USER_BASE,
    USER_SPACE,
    USER_STACK_TOP,
)
from app.sim.listing import find_name_fault
from app.sim.page_tables import (
    APIC_PAGE,
    KERNEL_PAGES_BASE,
    USER_PAGES_BASE,
    Page,
    Paging,
    get_frame,
    get_symbols,
)
from app.sim.paging import LARGE_PAGE, PAGE
from app.sim.toml_places import ScenarioError
from app.sim.toml_table import Table

MODES: Final = ("32", "pae")
MAXIMUM_PAGES: Final = 16

_KEYS: Final = ("linear", "frame", "present", "write", "user", "global")
_LARGEST: Final = (1 << 32) - 1
_TAKEN: Final = (
    (USER_BASE - USER_BASE % LARGE_PAGE, USER_BASE + USER_SPACE, "user code"),
    (USER_STACK_TOP - USER_SPACE, USER_STACK_TOP, "user stacks"),
    (PAGE_OFFSET, PAGE_OFFSET + MEMORY_END, "the kernel's map of memory"),
    (APIC_PAGE, APIC_PAGE + PAGE, "the local APIC"),
)


def read_paging(top: Table, taken: Collection[str]) -> Paging | None:
    """Read both sections; None if the question is not about paging.

    Parameters
    ----------
    top
        The file.
    taken
        Names that the question has given away already.
    """
    pages = top.open_table("pages")
    if "paging" not in top.values:
        if pages.values:
            top.refuse_key("pages", ("paging",))
        return None
    mode = top.open_table("paging", ("mode",)).read_choice("mode", MODES, "32")
    pages.limit("pages", MAXIMUM_PAGES)
    known: dict[str, Page] = {}
    for name in pages.values:
        _require_name(pages, name, known)
        known[name] = _read_page(pages, name, known)
    paging = Paging(mode == "pae", tuple(known.values()))
    for symbol in get_symbols(paging):
        if symbol in taken:
            _refuse_name(
                pages,
                symbol if symbol in known else None,
                f"{symbol!r} is the name of a data word or listing",
            )
    return paging


def _refuse_name(table: Table, name: str | None, message: str) -> NoReturn:
    inner = () if name is None else (name,)
    place = table.document.locate_key((*table.path, *inner))
    raise ScenarioError(message, *place, "another name")


def _require_name(table: Table, name: str, known: Collection[str]) -> None:
    """Refuse a name that a listing cannot use or that means two things."""
    fault = find_name_fault(name)
    if fault:
        place = table.document.locate_key((*table.path, name))
        raise ScenarioError(
            f"a page cannot be called {name[:40]!r}", *place, fault
        )
    ends = ("_frame", "_pte", "_table")
    if name == "page_directory" or any(
        name == other + end or other == name + end
        for other in known
        for end in ends
    ):
        _refuse_name(table, name, f"{name[:40]!r} means something already")


def _read_page(pages: Table, name: str, known: dict[str, Page]) -> Page:
    table = pages.open_table(name, _KEYS)
    number = len(known)
    user = table.read_switch("user")
    base = USER_PAGES_BASE if user else KERNEL_PAGES_BASE
    default = base + number * PAGE
    linear = table.read_number("linear", 0, _LARGEST, default)
    _require_free(table, linear, known)
    frame = get_frame(number)
    if "frame" in table.values:
        frame = known[table.read_choice("frame", known)].frame
    return Page(
        name,
        linear,
        frame,
        present=table.read_switch("present", default=True),
        writable=table.read_switch("write", default=True),
        user=user,
        global_=table.read_switch("global"),
    )


def _require_free(table: Table, linear: int, known: dict[str, Page]) -> None:
    """Refuse an address that is no page's or that is another's."""
    if linear % PAGE:
        table.refuse_value(
            f"{linear:#x} is not where a page begins",
            ("linear",),
            "a multiple of 4096",
        )
    places = (
        (page.linear, page.linear + PAGE, page.name) for page in known.values()
    )
    for low, high, what in (*_TAKEN, *places):
        if low <= linear < high:
            table.refuse_value(
                f"at {linear:#x} lies {what}",
                ("linear",) if "linear" in table.values else (),
                "an address that is free",
            )

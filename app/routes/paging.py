"""Lists in pages: `limit`, opaque `after` and `before`, and RFC 8288 links.

A service is asked for the rows of `paging.window`, one more than are shown;
`take_page` cuts the surplus row, whose presence says that the list goes on,
and writes the `Link` header. With `before` alone the page is the one that ends
there; with both, the next links lead no further than there.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple, TypeVar

from fastapi import Depends, Query, Request, Response
from starlette.datastructures import URL

from app.errors import Fault, InvalidError
from app.services.windows import Window

DEFAULT_LIMIT = 100
MOST = 500
DIGITS = 9
LARGEST = 10**DIGITS - 1
# base64 of as many digits, so that a description tells what is a cursor
CURSOR = r"^(?:(?:[MN][DTjz]|O[DT])[AEIMQUYcgk][w-z0-5]){3}$"
SERVICE_LINK = '</openapi.json>; rel="service-desc"'
CURSORS = ("after", "before")

Row = TypeVar("Row")

Limit = Annotated[
    int,
    Query(
        ge=1,
        le=MOST,
        description="How many items at most.",
        examples=[DEFAULT_LIMIT],
    ),
]
Cursor = Annotated[
    str | None,
    Query(
        pattern=CURSOR,
        description="Where the page before ended; taken from its "
        "next link, not made up.",
    ),
]
BackCursor = Annotated[
    str | None,
    Query(
        pattern=CURSOR,
        description="Where the page after began; taken from its "
        "prev link, or from last, not made up.",
    ),
]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for.

    `after` and `before` are numbers of rows, in the order of the list.
    """

    limit: int
    after: int | None = None
    before: int | None = None
    is_newest_first: bool = False

    @property
    def fetch(self) -> int:
        """Return how many rows to read: one more than are shown."""
        return self.limit + 1

    @property
    def window(self) -> Window:
        """Return the rows that a service is asked for."""
        bounds = (self.after, self.before)
        above, below = bounds[::-1] if self.is_newest_first else bounds
        return Window(
            above=above,
            below=below,
            limit=self.fetch,
            is_newest_first=self.is_newest_first,
        )

    @property
    def end(self) -> int:
        """Return the number that all rows come before."""
        return 0 if self.is_newest_first else LARGEST


def get_paging(
    limit: Limit = DEFAULT_LIMIT,
    after: Cursor = None,
    before: BackCursor = None,
) -> Paging:
    """Read `limit`, `after` and `before` from the address."""
    return Paging(
        limit,
        None if after is None else decode_cursor(after),
        None if before is None else decode_cursor(before, "before"),
    )


def get_newest_paging(
    paging: Annotated[Paging, Depends(get_paging)],
) -> Paging:
    """Read the same for a list whose numbers fall."""
    return replace(paging, is_newest_first=True)


PagingDep = Annotated[Paging, Depends(get_paging)]
NewestPagingDep = Annotated[Paging, Depends(get_newest_paging)]


class Ends(NamedTuple):
    """The cursors that were named, and the one that all items are before."""

    after: str | None
    before: str | None
    end: str


def take_page(
    request: Request,
    response: Response,
    paging: Paging,
    rows: Sequence[Row],
    get_position: Callable[[Row], int],
) -> Sequence[Row]:
    """Return the rows to show, and link to the pages around them.

    `rows` are those of `paging.window`; `get_position` reads the number of a
    row.
    """
    after, before = (
        None if place is None else encode_cursor(place)
        for place in (paging.after, paging.before)
    )
    return cut_page(
        request,
        response,
        rows,
        Ends(after, before, encode_cursor(paging.end)),
        limit=paging.limit,
        get_cursor=lambda row: encode_cursor(get_position(row)),
    )


def cut_page(  # noqa: PLR0913 - each is a part of the page
    request: Request,
    response: Response,
    rows: Sequence[Row],
    ends: Ends,
    *,
    limit: int,
    get_cursor: Callable[[Row], str],
) -> Sequence[Row]:
    """Return all rows but the surplus one, and link to the pages around.

    With `before` alone the surplus row is the first.
    """
    has_more = len(rows) > limit
    around: dict[str, dict[str, str]] = {}
    if ends.after is None and ends.before is not None:
        page = rows[-limit:]
        goes_back, goes_on = has_more, ends.before != ends.end
    else:
        page = rows[:limit]
        goes_back, goes_on = ends.after is not None, has_more
    if page and goes_back:
        around["prev"] = {"before": get_cursor(page[0])}
    if page and goes_on:
        around["next"] = {"after": get_cursor(page[-1])}
        if ends.after is not None and ends.before is not None:
            around["next"]["before"] = ends.before
    around["last"] = {"before": ends.end}
    bare = request.url.remove_query_params(CURSORS)
    links = [_link(request.url, "self"), _link(bare, "first")]
    for relation, cursors in around.items():
        there = bare.include_query_params(**cursors)
        links.append(_link(there, relation))
    response.headers["Link"] = ", ".join([*links, *_link_description(request)])
    return page


def link_self(request: Request, response: Response) -> None:
    """Link an answer to its own address and to what describes it."""
    links = [_link(request.url, "self"), *_link_description(request)]
    response.headers["Link"] = ", ".join(links)


SELF = [Depends(link_self)]
"""What an operation depends on whose answer has no tag, and no pages."""


def add_link(response: Response, path: str, relation: str) -> None:
    """Link an answer to something else, too."""
    link = f'<{path}>; rel="{relation}"'
    known = response.headers.get("Link")
    response.headers["Link"] = f"{known}, {link}" if known else link


def _link_description(request: Request) -> Sequence[str]:
    route = request.scope.get("route")
    if route is None:
        return [SERVICE_LINK]
    return [f'</docs#{route.name}>; rel="describedby"', SERVICE_LINK]


def _link(url: URL, relation: str) -> str:
    # a reference without host: right whatever proxy stands before us
    text = str(url)
    reference = text[text.index("/", text.index("//") + 2) :]
    return f'<{reference}>; rel="{relation}"'


def encode_cursor(position: int) -> str:
    """Return the opaque form of a position."""
    digits = f"{position:0{DIGITS}}"
    return base64.urlsafe_b64encode(digits.encode()).decode()


def decode_cursor(cursor: str, name: str = "after") -> int:
    """Return the position that a cursor stands for, or refuse it."""
    if not re.fullmatch(CURSOR, cursor):
        raise InvalidError(
            "the cursor is not one of ours",
            Fault(f"/{name}", f"expected the value of a link's `{name}`"),
        )
    return int(base64.urlsafe_b64decode(cursor))

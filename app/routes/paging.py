"""Lists in pages: `limit`, an opaque `after`, and RFC 8288 links.

A service is asked for `paging.fetch` rows, one more than are shown, past the
position `paging.position`; `take_page` cuts the surplus row, whose presence
says that the list goes on, and writes the `Link` header.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request, Response
from starlette.datastructures import URL

from app.errors import Fault, InvalidError

DEFAULT_LIMIT = 100
MOST = 500
DIGITS = 9
LARGEST = 10**DIGITS - 1
# base64 of as many digits, so that a description tells what is a cursor
CURSOR = r"^(?:(?:[MN][DTjz]|O[DT])[AEIMQUYcgk][w-z0-5]){3}$"
SERVICE_LINK = '</openapi.json>; rel="service-desc"'

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


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for."""

    limit: int
    position: int | None

    @property
    def fetch(self) -> int:
        """Return how many rows to read: one more than are shown."""
        return self.limit + 1


def get_paging(limit: Limit = DEFAULT_LIMIT, after: Cursor = None) -> Paging:
    """Read `limit` and `after` from the address."""
    return Paging(limit, None if after is None else decode_cursor(after))


PagingDep = Annotated[Paging, Depends(get_paging)]


def take_page(
    request: Request,
    response: Response,
    paging: Paging,
    rows: Sequence[Row],
    get_position: Callable[[Row], int],
) -> Sequence[Row]:
    """Return the rows to show, and link to the pages around them.

    `rows` are as many as `paging.fetch` asked for; `get_position` reads the
    position that `paging.position` of the next page has to be.
    """
    page = rows[: paging.limit]
    following = None
    if len(rows) > paging.limit:
        following = encode_cursor(get_position(page[-1]))
    add_links(request, response, following)
    return page


def add_links(
    request: Request, response: Response, following: str | None
) -> None:
    """Link to this page, the first, the next, and to what describes them."""
    links = [
        _link(request.url, "self"),
        _link(request.url.remove_query_params("after"), "first"),
    ]
    if following is not None:
        after = request.url.include_query_params(after=following)
        links.append(_link(after, "next"))
    response.headers["Link"] = ", ".join([*links, *_link_description(request)])


def link_self(request: Request, response: Response) -> None:
    """Link an answer to its own address and to what describes it."""
    links = [_link(request.url, "self"), *_link_description(request)]
    response.headers["Link"] = ", ".join(links)


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


def decode_cursor(cursor: str) -> int:
    """Return the position that a cursor stands for, or refuse it."""
    if not re.fullmatch(CURSOR, cursor):
        raise _refuse_cursor()
    return int(base64.urlsafe_b64decode(cursor))


def _refuse_cursor() -> InvalidError:
    return InvalidError(
        "the cursor is not one of ours",
        Fault("/after", "expected the value of a next link's `after`"),
    )

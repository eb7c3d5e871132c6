"""Lists in pages: cursors and links."""

import base64
import re

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient
from hypothesis import assume, given
from hypothesis import strategies as st

from app.errors import InvalidError
from app.routes.paging import (
    CURSOR,
    LARGEST,
    Paging,
    PagingDep,
    decode_cursor,
    encode_cursor,
    get_paging,
    take_page,
)


@pytest.fixture
def numbers() -> TestClient:
    """Return a client of a list of the numbers from 0 to 6."""
    app = FastAPI()

    @app.get("/numbers")
    def list_numbers(
        request: Request, response: Response, paging: PagingDep
    ) -> dict[str, list[int]]:
        start = -1 if paging.position is None else paging.position
        rows = [n for n in range(7) if n > start][: paging.fetch]
        page = take_page(request, response, paging, rows, lambda n: n)
        return {"items": list(page)}

    return TestClient(app)


def test_walking_the_next_links_gives_each_item_once(
    numbers: TestClient,
) -> None:
    seen: list[int] = []
    address: str | None = "/numbers?limit=3"
    while address is not None:
        answer = numbers.get(address)
        seen += answer.json()["items"]
        address = answer.links.get("next", {}).get("url")
    assert seen == list(range(7))


def test_the_last_page_has_no_next_link(numbers: TestClient) -> None:
    assert "next" not in numbers.get("/numbers?limit=7").links


def test_links_keep_the_rest_of_the_query(numbers: TestClient) -> None:
    links = numbers.get(
        "/numbers?limit=2&group=a%26b&after=MDAwMDAwMDAx"
    ).links
    assert links["first"]["url"] == "/numbers?limit=2&group=a%26b"
    assert links["next"]["url"].startswith("/numbers?limit=2&group=a%26b&")


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x"])
def test_limits_outside_1_to_500_are_refused(
    numbers: TestClient, limit: str
) -> None:
    assert numbers.get(f"/numbers?limit={limit}").status_code == 422


@given(st.integers(min_value=0, max_value=LARGEST))
def test_a_cursor_says_its_position(position: int) -> None:
    assert decode_cursor(encode_cursor(position)) == position


@given(st.from_regex(CURSOR, fullmatch=True))
def test_what_is_described_as_a_cursor_is_one(cursor: str) -> None:
    assert encode_cursor(decode_cursor(cursor)) == cursor


def test_a_page_links_to_itself_and_to_what_describes_it(
    numbers: TestClient,
) -> None:
    links = numbers.get("/numbers?limit=2").links
    assert links["self"]["url"] == "/numbers?limit=2"
    assert links["describedby"]["url"] == "/docs#list_numbers"
    assert links["service-desc"]["url"] == "/openapi.json"


@given(st.text(max_size=40))
def test_any_other_cursor_is_refused(text: str) -> None:
    assume(not re.fullmatch(r"[A-Za-z0-9_-]+=*", text))
    with pytest.raises(InvalidError) as caught:
        decode_cursor(text)
    assert caught.value.faults[0].pointer == "/after"


@pytest.mark.parametrize("position", ["-1", "07", " 7", "99999999999", "x"])
def test_a_cursor_of_no_position_is_refused(position: str) -> None:
    cursor = base64.urlsafe_b64encode(position.encode()).decode()
    with pytest.raises(InvalidError):
        decode_cursor(cursor)


def test_one_row_more_than_shown_is_fetched() -> None:
    assert get_paging(limit=5) == Paging(5, None)
    assert get_paging(limit=5).fetch == 6

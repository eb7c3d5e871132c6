"""Lists in pages: cursors and links."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient
from hypothesis import assume, given
from hypothesis import strategies as st

from app.config import Settings
from app.db import Database
from app.errors import InvalidError
from app.main import create_app
from app.models import StanceValue
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
from app.services import annotations
from app.services.stances import take_stance
from app.services.windows import Window
from tests.conftest import SQLiteCopies
from tests.factories import make_evidence, make_run, make_visitor

THREAD = "kleen-sti-shadow"


@pytest.fixture
def numbers() -> TestClient:
    """Return a client of a list of the numbers from 0 to 6."""
    app = FastAPI()

    @app.get("/numbers")
    def list_numbers(
        request: Request, response: Response, paging: PagingDep
    ) -> dict[str, list[int]]:
        rows = paging.window.pick(range(7), int)
        return {"items": list(take_page(request, response, paging, rows, int))}

    return TestClient(app)


def walk(client: TestClient, start: str, relation: str) -> list[list[Any]]:
    """Return the pages that follow one another by a relation."""
    pages = []
    address: str | None = start
    while address is not None:
        answer = client.get(address)
        pages.append(answer.json()["items"])
        address = answer.links.get(relation, {}).get("url")
    return pages


def test_walking_the_next_links_gives_each_item_once(
    numbers: TestClient,
) -> None:
    pages = walk(numbers, "/numbers?limit=3", "next")
    assert pages == [[0, 1, 2], [3, 4, 5], [6]]


def test_walking_the_prev_links_from_the_last_gives_each_item_once(
    numbers: TestClient,
) -> None:
    last = numbers.get("/numbers?limit=3").links["last"]["url"]
    assert walk(numbers, last, "prev") == [[4, 5, 6], [1, 2, 3], [0]]


def test_from_any_page_one_comes_forth_and_back(numbers: TestClient) -> None:
    links = numbers.get("/numbers?limit=2").links
    assert "prev" not in links
    second = numbers.get(links["next"]["url"])
    assert second.json()["items"] == [2, 3]
    back = numbers.get(second.links["prev"]["url"])
    assert back.json()["items"] == [0, 1]
    assert "prev" not in back.links
    assert numbers.get(back.links["next"]["url"]).json() == second.json()
    last = numbers.get(links["last"]["url"])
    assert last.json()["items"] == [5, 6]
    assert "next" not in last.links


def test_both_cursors_part_a_list(numbers: TestClient) -> None:
    after, before = encode_cursor(1), encode_cursor(5)
    answer = numbers.get(f"/numbers?after={after}&before={before}")
    assert answer.json()["items"] == [2, 3, 4]
    part = f"/numbers?after={after}&before={before}&limit=2"
    assert walk(numbers, part, "next") == [[2, 3], [4]]


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
    assert get_paging(limit=5) == Paging(5)
    assert get_paging(limit=5).window == Window(limit=6)


LISTS = (
    "/api/threads?limit=40",
    "/api/messages",
    "/api/calls?limit=20",
    "/api/scenarios?limit=10",
    "/api/revisions?limit=1",
    "/api/runs?limit=1",
    "/api/decisions?limit=1",
    "/api/log?limit=2",
    "/api/threads/kleen-sti-shadow/comments?limit=1",
    "/api/threads/kleen-sti-shadow/stances?limit=1",
    "/api/threads/kleen-sti-shadow/evidence?limit=1",
)


@pytest.fixture(scope="module")
def review(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """Return a client of a review with some of what is listed."""
    database = Database(sqlite_copies.make("full"))
    with database.write() as session:
        for name in ("ada", "bob", "eve"):
            visitor = make_visitor(session, name)
            annotations.reply(session, visitor, THREAD, f"I am {name}.")
            take_stance(session, visitor, THREAD, StanceValue.working)
            run = make_run(session, name[0])
            make_evidence(session, visitor, THREAD, run)
    database.close()
    settings = Settings(
        database_url=database.url,
        data_dir=tmp_path_factory.mktemp("review"),
        base_url="http://testserver",
        limit_reads="",
    )
    with TestClient(create_app(settings)) as client:
        yield client
    sqlite_copies.drop(database.url)


@pytest.mark.parametrize("address", LISTS)
def test_every_list_is_walked_from_both_ends(
    review: TestClient, address: str
) -> None:
    """Whichever way: the same items, each once."""
    bare = address.partition("?")[0]
    whole = review.get(f"{bare}?limit=500").json()["items"]
    last = review.get(address).links["last"]["url"]
    onwards = walk(review, address, "next")
    back = walk(review, last, "prev")[::-1]
    for pages in (onwards, back):
        assert [item for page in pages for item in page] == whole


@pytest.mark.parametrize(
    "path",
    [
        *("/api/calls/VMI_Halt", "/api/platforms", "/api/costs", "/api/gaps"),
        *("/api/diet", "/api/document", "/api/revisions/1"),
        *("/api/search?q=nmi", "/api/threads/kleen-sti-shadow"),
    ],
)
def test_every_answer_links_to_itself_and_to_its_description(
    review: TestClient, path: str
) -> None:
    links = review.get(path).links
    assert links["self"]["url"] == path
    assert links["describedby"]["url"].startswith("/docs#")
    assert links["service-desc"]["url"] == "/openapi.json"


def test_a_text_links_to_the_newest_and_to_all(review: TestClient) -> None:
    links = review.get("/api/revisions/1").links
    assert links["latest-version"]["url"] == "/api/document"
    assert links["version-history"]["url"] == "/api/revisions"
    assert set(links) == set(review.get("/api/document").links)


def test_pages_of_what_is_found_have_a_last(review: TestClient) -> None:
    first = review.get("/api/search?q=the&limit=100")
    last = review.get(first.links["last"]["url"])
    assert last.json()["items"]
    assert "next" not in last.links
    assert last.links["first"] == first.links["first"]
    assert "prev" in last.links
    assert "prev" not in first.links

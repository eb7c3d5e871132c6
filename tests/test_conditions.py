"""An answer that the asker has is not sent again; packed is another one."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.testclient import TestClient

from app.conditions import ConditionMiddleware

TAG = '"t"'
LONG = "x" * 600


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """Return a client of an application that tags one answer."""
    app = FastAPI()

    @app.get("/tagged")
    def read_tagged() -> Response:
        return Response(
            LONG,
            media_type="text/plain",
            headers={"ETag": TAG, "Vary": "Accept"},
        )

    @app.get("/plain")
    def read_plain() -> Response:
        return Response(LONG)

    @app.put("/tagged")
    def write_tagged() -> Response:
        return Response(LONG, headers={"ETag": TAG})

    app.add_middleware(GZipMiddleware)
    app.add_middleware(ConditionMiddleware)
    with TestClient(app) as made:
        yield made


def test_what_is_known_is_not_sent(client: TestClient) -> None:
    answer = client.get(
        "/tagged",
        headers={"If-None-Match": TAG, "Accept-Encoding": "identity"},
    )
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == TAG
    assert "Accept" in answer.headers["Vary"]
    assert "Content-Length" not in answer.headers


def test_what_is_packed_has_a_tag_of_its_own(client: TestClient) -> None:
    packed = client.get("/tagged")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"] == '"t-gz"'
    assert packed.text == LONG
    again = client.get("/tagged", headers={"If-None-Match": '"t-gz"'})
    assert again.status_code == 304
    other = client.get("/tagged", headers={"If-None-Match": TAG})
    assert other.status_code == 200


def test_what_has_no_tag_is_always_sent(client: TestClient) -> None:
    answer = client.get("/plain", headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.text) == (200, LONG)


def test_a_change_is_answered_whole(client: TestClient) -> None:
    answer = client.put("/tagged", headers={"If-None-Match": TAG})
    assert (answer.status_code, answer.text) == (200, LONG)

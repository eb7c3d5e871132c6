"""Files that are served as they are."""

from fastapi.testclient import TestClient


def test_a_file_says_how_it_is_asked(client: TestClient) -> None:
    answer = client.options("/static/app.css")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.get("/static/app.css").status_code == 200


def test_a_file_that_is_not_there_is_not_found(client: TestClient) -> None:
    assert client.options("/static/nothing.css").status_code == 404
    assert client.get("/static/nothing.css").status_code == 404

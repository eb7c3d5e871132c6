"""Reading containers and annotations, beyond the W3C's suite."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.main import create_app
from tests.conftest import SQLiteCopies
from tests.protocol.conftest import (
    DESCRIPTIONS,
    IRIS,
    MINIMAL,
    PAGE,
    ROOT,
    make_settings,
    prefer,
)


def test_both_forms_of_members_at_once_are_refused(
    service: TestClient,
) -> None:
    answer = service.get(ROOT, headers=prefer(IRIS, DESCRIPTIONS))
    assert answer.status_code == 400
    assert "Prefer" in answer.json()["detail"]


def test_the_first_page_is_inside_if_addresses_are_wanted(
    service: TestClient,
) -> None:
    answer = service.get(ROOT, headers=prefer(IRIS))
    body = answer.json()
    assert answer.headers["Preference-Applied"] == "return=representation"
    assert answer.headers["Content-Location"] == body["id"]
    assert body["id"] == f"{ROOT}?iris=1"
    first = body["first"]
    assert "@context" not in first
    assert first["type"] == "AnnotationPage"
    assert first["startIndex"] == 0
    assert len(first["items"]) == PAGE
    assert all(item.startswith(ROOT) for item in first["items"])
    alone = service.get(first["id"]).json()
    assert alone["items"] == first["items"]
    assert alone["next"] == first["next"]


def test_the_first_page_is_inside_if_descriptions_are_wanted(
    service: TestClient,
) -> None:
    body = service.get(ROOT, headers=prefer(DESCRIPTIONS)).json()
    assert body["id"] == f"{ROOT}?iris=0"
    items = body["first"]["items"]
    assert len(items) == PAGE
    assert service.get(items[0]["id"]).json() == items[0]


@pytest.mark.parametrize(("form", "iris"), [(IRIS, "1"), (DESCRIPTIONS, "0")])
def test_minimal_with_a_form_fixes_that_of_the_linked_pages(
    service: TestClient, form: str, iris: str
) -> None:
    body = service.get(ROOT, headers=prefer(MINIMAL, form)).json()
    assert body["id"] == f"{ROOT}?iris={iris}"
    assert body["first"] == f"{ROOT}?iris={iris}&page=first"


def test_without_a_preference_pages_are_linked_and_whole(
    service: TestClient,
) -> None:
    answer = service.get(ROOT)
    assert answer.json()["first"] == f"{ROOT}?iris=0&page=first"
    assert "Preference-Applied" not in answer.headers
    assert "Prefer" in answer.headers["Vary"].split(", ")


def test_the_address_of_a_form_may_be_read_by_itself(
    service: TestClient,
) -> None:
    answer = service.get(f"{ROOT}?iris=1")
    assert answer.headers["Content-Location"] == f"{ROOT}?iris=1"
    page = service.get(answer.json()["first"]).json()
    assert isinstance(page["items"][0], str)


def test_another_preference_is_nobodys_concern(service: TestClient) -> None:
    answer = service.get(
        ROOT, headers={"Prefer": "respond-async, return=minimal, wait=5"}
    )
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize(
    "accept",
    [
        "application/rdf+xml",
        "text/html",
        "application/ld+json;q=0",
        "nonsense",
    ],
)
@pytest.mark.parametrize("place", ["container", "page", "annotation"])
def test_a_form_that_there_is_not_is_refused(
    service: TestClient, accept: str, place: str
) -> None:
    address = {
        "container": ROOT,
        "page": f"{ROOT}?iris=1&page=first",
        "annotation": f"{ROOT}{list_names(service)[0]}",
    }[place]
    answer = service.get(address, headers={"Accept": accept})
    assert answer.status_code == 406


def list_names(service: TestClient) -> list[str]:
    """Return the last parts of the first page's addresses."""
    page = service.get(f"{ROOT}?iris=1&page=first").json()
    return [item.removeprefix(ROOT) for item in page["items"]]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/ld+json"),
        ("application/*", "application/ld+json"),
        ("text/html, */*;q=0.1", "application/ld+json"),
        ("application/json", "application/json"),
        ("text/turtle, application/ld+json;q=0.5", "text/turtle"),
        ("text/*", "text/turtle"),
        (
            'application/ld+json; profile="http://www.w3.org/ns/anno.jsonld"',
            "application/ld+json",
        ),
    ],
)
def test_the_form_that_is_wanted_most_is_sent(
    service: TestClient, accept: str, kind: str
) -> None:
    answer = service.get(ROOT, headers={"Accept": accept})
    assert answer.headers["Content-Type"].partition(";")[0] == kind


@pytest.mark.parametrize("place", ["container", "page", "annotation"])
def test_each_form_has_a_tag_of_its_own(
    service: TestClient, place: str
) -> None:
    address = {
        "container": ROOT,
        "page": f"{ROOT}?iris=1&page=first",
        "annotation": f"{ROOT}{list_names(service)[0]}",
    }[place]
    tags = {
        service.get(address, headers={"Accept": kind}).headers["ETag"]
        for kind in ("application/ld+json", "application/json", "text/turtle")
    }
    assert len(tags) == 3


def test_containers_of_addresses_and_of_descriptions_differ_in_tag(
    service: TestClient,
) -> None:
    tags = {
        service.get(ROOT, headers=prefer(form)).headers["ETag"]
        for form in (MINIMAL, IRIS, DESCRIPTIONS)
    }
    assert len(tags) == 3


@pytest.mark.parametrize("accept", ["application/ld+json", "text/turtle"])
@pytest.mark.parametrize("place", ["container", "page", "annotation"])
@pytest.mark.parametrize("packed", ["gzip", "identity"])
def test_what_is_known_is_not_sent_again(
    service: TestClient, accept: str, place: str, packed: str
) -> None:
    address = {
        "container": ROOT,
        "page": f"{ROOT}?iris=0&page=first",
        "annotation": f"{ROOT}{list_names(service)[0]}",
    }[place]
    headers = {"Accept": accept, "Accept-Encoding": packed}
    tag = service.get(address, headers=headers).headers["ETag"]
    again = service.get(address, headers={**headers, "If-None-Match": tag})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["ETag"] == tag
    assert "Accept" in again.headers["Vary"]


def test_a_page_holds_nothing_of_a_container(service: TestClient) -> None:
    answer = service.get(f"{ROOT}?iris=0&page=first")
    assert "BasicContainer" not in answer.headers.get("Link", "")
    page = answer.json()
    assert page["@context"] == "http://www.w3.org/ns/anno.jsonld"
    assert page["type"] == "AnnotationPage"
    assert page["id"] == f"{ROOT}?iris=0&page=first"


@pytest.fixture
def empty(sqlite_copies: SQLiteCopies, tmp_path: Path) -> Any:
    """Return a client of a review in which nothing was said."""
    database = Database(sqlite_copies.make("empty"))
    with TestClient(create_app(make_settings(database.url, tmp_path))) as c:
        yield c
    database.close()
    sqlite_copies.drop(database.url)


def test_an_empty_container_has_a_total_and_no_page(empty: TestClient) -> None:
    for headers in ({}, prefer(IRIS), prefer(DESCRIPTIONS), prefer(MINIMAL)):
        body = empty.get(ROOT, headers=headers).json()
        assert body["total"] == 0
        assert body["label"]
        assert not {"first", "last", "items", "modified"} & body.keys()


def test_37_behind_https_every_address_is_https(
    sqlite_copies: SQLiteCopies, tmp_path: Path
) -> None:
    database = Database(sqlite_copies.make("full"))
    settings = make_settings(database.url, tmp_path).model_copy(
        update={"base_url": "https://review.example"}
    )
    with TestClient(
        create_app(settings), base_url="http://review.example"
    ) as c:
        answer = c.get("/annotations/", headers=prefer(DESCRIPTIONS))
    body = answer.json()
    for address in (
        answer.headers["Content-Location"],
        body["first"]["id"],
        body["last"],
        body["first"]["items"][0]["id"],
    ):
        assert address.startswith("https://review.example/annotations/")
    database.close()
    sqlite_copies.drop(database.url)

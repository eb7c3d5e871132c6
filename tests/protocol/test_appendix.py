"""The 45 assertions of the W3C's own suite for annotation servers."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.protocol.conftest import (
    MINIMAL,
    ROOT,
    Annotator,
    make_document,
    prefer,
)

PROPOSAL = f"{ROOT}vmi/"
CONTAINER_TYPES = (
    "<http://www.w3.org/ns/ldp#BasicContainer>",
    "<http://www.w3.org/ns/ldp#Container>",
    "<http://www.w3.org/ns/oa#AnnotationCollection>",
)


@pytest.fixture(params=[ROOT, PROPOSAL], ids=["all", "proposal"])
def container(request: pytest.FixtureRequest) -> str:
    """Return the address of each container."""
    return str(request.param)


@pytest.fixture
def got(service: TestClient, container: str) -> Any:
    """Return a container's answer to a plain GET."""
    return service.get(container, headers={"Accept": "*/*"})


@pytest.fixture
def minimal(service: TestClient, container: str) -> Any:
    """Return what is answered to who wants no members."""
    return service.get(container, headers=prefer(MINIMAL))


@pytest.fixture
def first(service: TestClient, got: Any) -> Any:
    """Return the first page, as the container links to it."""
    return service.get(got.json()["first"]).json()


@pytest.fixture(scope="module")
def address(ada: Annotator) -> str:
    """Return the address of an annotation."""
    return ada.make()


@pytest.fixture
def annotation(service: TestClient, address: str) -> Any:
    """Return the answer to GET of an annotation."""
    return service.get(address)


def read_allow(answer: Any) -> set[str]:
    """Return the methods that an answer names."""
    return {name.strip() for name in answer.headers["Allow"].split(",")}


def test_01_a_containers_address_ends_with_a_slash(
    got: Any, container: str
) -> None:
    assert container.endswith("/")
    assert got.status_code == 200
    assert got.history == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_02_to_04_allow_of_a_container_names(got: Any, method: str) -> None:
    assert method in read_allow(got)


def test_05_a_container_is_json_ld(got: Any) -> None:
    kind = got.headers["Content-Type"].partition(";")[0]
    assert kind == "application/ld+json"


def test_06_a_container_is_json_ld_without_accept(
    service: TestClient, container: str
) -> None:
    request = service.build_request("GET", container)
    del request.headers["Accept"]
    answer = service.send(request)
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind == "application/ld+json"
    assert answer.json()["@context"]


def test_07_a_container_is_a_basic_container(got: Any) -> None:
    assert "BasicContainer" in got.json()["type"]


def test_08_a_container_is_an_annotation_collection(got: Any) -> None:
    assert "AnnotationCollection" in got.json()["type"]


def test_09_a_container_has_a_link_header(got: Any) -> None:
    assert got.headers["Link"]


def test_10_a_container_has_a_strong_tag(got: Any) -> None:
    assert got.headers["ETag"].startswith('"')


def test_11_a_container_varies_by_accept(got: Any) -> None:
    assert "Accept" in got.headers["Vary"].split(", ")


def test_12_the_link_header_tells_that_it_is_a_container(got: Any) -> None:
    assert any(
        f'{kind}; rel="type"' in got.headers["Link"]
        for kind in CONTAINER_TYPES
    )


def test_13_the_link_header_tells_the_constraints(got: Any) -> None:
    assert (
        "<http://www.w3.org/TR/annotation-protocol/>; "
        'rel="http://www.w3.org/ns/ldp#constrainedBy"' in got.headers["Link"]
    )


def test_14_head_of_a_container_is_200(
    service: TestClient, container: str, got: Any
) -> None:
    answer = service.head(container)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["ETag"] == got.headers["ETag"]


def test_15_options_of_a_container_is_200(
    service: TestClient, container: str
) -> None:
    answer = service.options(container)
    assert answer.status_code == 200
    assert read_allow(answer) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_16_a_container_tells_where_its_content_is(got: Any) -> None:
    assert got.headers["Content-Location"]


def test_17_that_is_the_id_in_the_body(
    service: TestClient, container: str, got: Any
) -> None:
    assert got.headers["Content-Location"] == got.json()["id"]
    assert got.json()["id"].startswith(container)
    assert service.get(got.json()["id"]).json() == got.json()


def test_18_the_first_page_is_part_of_the_container(
    first: Any, got: Any
) -> None:
    assert first["partOf"]["id"] == got.json()["id"]
    assert first["partOf"]["total"] == got.json()["total"]
    assert first["partOf"]["modified"] == got.json()["modified"]


def test_19_the_last_page_has_one_before(
    service: TestClient, got: Any
) -> None:
    last = service.get(got.json()["last"]).json()
    assert service.get(last["prev"]).json()["items"]
    assert "next" not in last


def test_20_the_first_page_has_one_after(
    service: TestClient, first: Any
) -> None:
    assert service.get(first["next"]).json()["items"]
    assert "prev" not in first


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_21_to_23_allow_of_an_annotation_names(
    annotation: Any, method: str
) -> None:
    assert method in read_allow(annotation)


def test_24_an_annotation_is_json_ld_of_its_profile(annotation: Any) -> None:
    assert annotation.headers["Content-Type"] == (
        'application/ld+json; profile="http://www.w3.org/ns/anno.jsonld"'
    )


def test_25_an_annotation_is_a_resource(annotation: Any) -> None:
    assert (
        '<http://www.w3.org/ns/ldp#Resource>; rel="type"'
        in annotation.headers["Link"]
    )
    assert "BasicContainer" not in annotation.headers["Link"]


def test_26_an_annotation_has_a_strong_tag(annotation: Any) -> None:
    assert annotation.headers["ETag"].startswith('"')


def test_27_an_annotation_varies_by_accept(annotation: Any) -> None:
    assert "Accept" in annotation.headers["Vary"].split(", ")


def test_28_head_of_an_annotation_is_200(
    service: TestClient, address: str, annotation: Any
) -> None:
    answer = service.head(address)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["ETag"] == annotation.headers["ETag"]


def test_29_options_of_an_annotation_is_200(
    service: TestClient, address: str
) -> None:
    answer = service.options(address)
    assert answer.status_code == 200
    assert read_allow(answer) == {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}


def test_30_the_answer_to_a_post_has_an_id(
    ada: Annotator, container: str
) -> None:
    assert ada.post(make_document(), container).json()["id"]


def test_31_the_id_lies_right_under_the_container(
    ada: Annotator, container: str
) -> None:
    id_ = ada.post(make_document(), container).json()["id"]
    assert id_.startswith(container)
    assert "/" not in id_.removeprefix(container)


def test_32_canonical_stays_as_it_was_sent(
    ada: Annotator, container: str
) -> None:
    canonical = "urn:uuid:dbfb1861-0ecf-41ad-be94-a584e5c4f1df"
    sent = make_document(canonical=canonical)
    assert ada.post(sent, container).json()["canonical"] == canonical


def test_33_a_post_is_answered_by_201(ada: Annotator, container: str) -> None:
    answer = ada.post(make_document(), container)
    assert answer.status_code == 201
    assert read_allow(answer) >= {"PUT", "DELETE"}
    assert answer.headers["ETag"]
    assert "Accept" in answer.headers["Vary"].split(", ")
    assert "ldp#Resource" in answer.headers["Link"]


def test_34_location_is_the_id(
    service: TestClient, ada: Annotator, container: str
) -> None:
    answer = ada.post(make_document(), container)
    assert answer.headers["Location"] == answer.json()["id"]
    assert service.get(answer.headers["Location"]).json() == answer.json()


def test_35_a_put_changes_the_target_and_answers_with_it(
    service: TestClient, ada: Annotator, container: str
) -> None:
    made = ada.post(make_document(), container).json()
    target = "http://example.org/other"
    answer = ada.put(made["id"], {**made, "target": target})
    assert answer.status_code == 200
    assert answer.json()["target"] == target
    assert service.get(made["id"]).json() == answer.json()


def test_36_a_delete_is_answered_by_204(
    ada: Annotator, container: str
) -> None:
    made = ada.post(make_document(), container).json()
    answer = ada.delete(made["id"])
    assert answer.status_code == 204
    assert answer.content == b""


def test_38_members_of_the_first_page_are_whole(first: Any) -> None:
    assert all(item["@context"] for item in first["items"])


def test_39_a_minimal_container_tells_its_total(minimal: Any) -> None:
    assert minimal.json()["total"] > 0


def test_40_a_minimal_container_links_to_its_first_page(
    service: TestClient, minimal: Any
) -> None:
    first = minimal.json()["first"]
    assert isinstance(first, str)
    assert service.get(first).json()["id"] == first


def test_41_a_minimal_container_links_to_its_last_page(
    service: TestClient, minimal: Any
) -> None:
    last = minimal.json()["last"]
    assert isinstance(last, str)
    assert service.get(last).json()["id"] == last


def test_42_a_minimal_container_has_no_items(minimal: Any) -> None:
    assert "items" not in minimal.text


def test_43_a_minimal_container_has_no_contains(minimal: Any) -> None:
    assert "contains" not in minimal.text


def test_44_a_minimal_container_varies_by_prefer(minimal: Any) -> None:
    assert "Prefer" in minimal.headers["Vary"].split(", ")


def test_45_the_answer_has_no_prefer_header(minimal: Any) -> None:
    assert "Prefer" not in minimal.headers
    assert minimal.headers["Preference-Applied"] == "return=representation"

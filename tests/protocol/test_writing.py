"""Making, replacing and deleting annotations, beyond the W3C's suite."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.protocol.conftest import ROOT, Annotator, make_document

PROPOSAL = f"{ROOT}vmi/"
HOSTILE_BODIES = {
    "empty": b"",
    "half an object": b'{"type": "Annotation"',
    "a list": b"[]",
    "a number": b"7",
    "not a number": b'{"a": NaN}',
    "no UTF-8": b'{"a": "\xff"}',
    "a lone surrogate": b'{"a": "\\ud800"}',
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a key twice": b'{"type": "Annotation", "type": "Other"}',
}


def list_ids(service: TestClient) -> list[str]:
    """Return the addresses of all members, page by page."""
    found: list[str] = []
    address = f"{ROOT}?iris=1&page=first"
    while address:
        page = service.get(address).json()
        found += page["items"]
        address = page.get("next")
    return found


@pytest.mark.parametrize("method", ["put", "delete"])
def test_a_change_made_from_another_state_is_refused(
    service: TestClient, ada: Annotator, method: str
) -> None:
    address = ada.make()
    old = service.get(address)
    changed = ada.put(address, make_document("theirs")).json()
    headers = {"If-Match": old.headers["ETag"]}
    answer = (
        ada.put(address, make_document("mine"), **headers)
        if method == "put"
        else ada.delete(address, **headers)
    )
    assert answer.status_code == 412
    assert service.get(address).json() == changed
    now = service.get(address).headers["ETag"]
    assert now.strip('"') in answer.text


@pytest.mark.parametrize("accept", ["application/ld+json", "text/turtle"])
def test_a_change_from_the_present_state_may_name_any_forms_tag(
    service: TestClient, ada: Annotator, accept: str
) -> None:
    address = ada.make()
    tag = service.get(address, headers={"Accept": accept}).headers["ETag"]
    answer = ada.put(address, make_document("new"), If_Match=tag)
    assert answer.status_code == 200
    gone = ada.delete(address, If_Match=answer.headers["ETag"])
    assert gone.status_code == 204


def test_a_weak_tag_matches_no_change(
    service: TestClient, ada: Annotator
) -> None:
    address = ada.make()
    tag = service.get(address).headers["ETag"]
    assert ada.delete(address, If_Match=f"W/{tag}").status_code == 412
    assert ada.delete(address, If_Match="*").status_code == 204


def test_a_deleted_annotation_is_gone_for_good(
    service: TestClient, ada: Annotator
) -> None:
    address = ada.make()
    name = address.removeprefix(ROOT)
    assert ada.delete(address).status_code == 204
    assert service.get(address).status_code == 410
    assert service.head(address).status_code == 410
    assert ada.put(address, make_document()).status_code == 410
    assert ada.delete(address).status_code == 410
    assert address not in list_ids(service)
    again = ada.post(make_document(), Slug=name)
    assert again.status_code == 201
    assert again.headers["Location"] != address
    assert service.get(address).status_code == 410


def test_a_deletion_moves_the_containers_total_time_and_tag(
    service: TestClient, ada: Annotator
) -> None:
    address = ada.make()
    before = service.get(ROOT)
    ada.delete(address)
    after = service.get(ROOT)
    assert after.json()["total"] == before.json()["total"] - 1
    assert after.json()["modified"] > before.json()["modified"]
    assert after.headers["ETag"] != before.headers["ETag"]


def test_a_change_moves_the_containers_time(
    service: TestClient, ada: Annotator
) -> None:
    address = ada.make()
    before = service.get(ROOT).json()
    ada.put(address, make_document("other"))
    after = service.get(ROOT).json()
    assert after["modified"] > before["modified"]
    assert after["total"] == before["total"]


def test_an_id_that_was_sent_is_kept_in_via(ada: Annotator) -> None:
    made = ada.post(make_document(id="http://example.org/1")).json()
    assert made["id"].startswith(ROOT)
    assert made["via"] == "http://example.org/1"


def test_an_id_joins_the_sources_that_are_named_already(
    ada: Annotator,
) -> None:
    sent = make_document(id="http://example.org/1", via="http://example.org/0")
    assert ada.post(sent).json()["via"] == [
        "http://example.org/0",
        "http://example.org/1",
    ]


@pytest.mark.parametrize("key", ["canonical", "via"])
def test_what_names_the_original_stays(
    service: TestClient, ada: Annotator, key: str
) -> None:
    made = ada.post(make_document(**{key: "http://example.org/first"})).json()
    other = {**made, key: "http://example.org/other"}
    answer = ada.put(made["id"], other)
    assert answer.status_code == 409
    assert key in answer.json()["detail"]
    assert service.get(made["id"]).json() == made
    left_out = ada.put(made["id"], make_document())
    assert left_out.json()[key] == made[key]


def test_slug_suggests_the_last_part_of_the_address(ada: Annotator) -> None:
    answer = ada.post(make_document(), Slug="an-annotation.1_2")
    assert answer.headers["Location"] == f"{ROOT}an-annotation.1_2"
    again = ada.post(make_document(), Slug="an-annotation.1_2")
    assert again.status_code == 201
    assert again.headers["Location"] != answer.headers["Location"]


@pytest.mark.parametrize(
    "slug", ["a/b", "..", ".", "", "ä", "a b", "x" * 121, "%2e%2e", "vmi"]
)
def test_a_slug_that_is_no_part_of_an_address_is_passed_by(
    ada: Annotator, service: TestClient, slug: str
) -> None:
    answer = ada.client.post(
        ROOT,
        json=make_document(),
        headers=[
            *((k.encode(), v.encode()) for k, v in ada.headers.items()),
            (b"Slug", slug.encode()),
        ],
    )
    assert answer.status_code == 201
    assert answer.headers["Location"] != f"{ROOT}{slug}"
    assert service.get(answer.headers["Location"]).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_page_takes_no_change(ada: Annotator, method: str) -> None:
    address = f"{ROOT}?iris=1&page=first"
    answer = ada.client.request(
        method, address, json=make_document(), headers=ada.headers
    )
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_container_is_neither_replaced_nor_deleted(
    ada: Annotator, method: str
) -> None:
    answer = ada.client.request(method, ROOT, headers=ada.headers)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert "BasicContainer" in answer.headers["Link"]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_annotation_takes_no_other_method(
    ada: Annotator, method: str
) -> None:
    answer = ada.client.request(method, ada.make(), headers=ada.headers)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, PUT, DELETE"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/rdf+xml",
        "application/ld+json; charset=latin-1",
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_a_body_of_another_kind_is_not_understood(
    service: TestClient, ada: Annotator, kind: str
) -> None:
    before = list_ids(service)
    answer = ada.client.post(
        ROOT,
        content=json.dumps(make_document()),
        headers={**ada.headers, "Content-Type": kind},
    )
    assert answer.status_code == 415
    assert "text/turtle" in answer.headers["Accept-Post"]
    assert "application/ld+json" in answer.json()["detail"]
    assert list_ids(service) == before


def test_a_packed_body_is_not_unpacked(ada: Annotator) -> None:
    answer = ada.post(make_document(), Content_Encoding="gzip")
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/LD+JSON; charset=UTF-8"]
)
def test_json_by_another_name_is_understood(ada: Annotator, kind: str) -> None:
    answer = ada.post(make_document(), Content_Type=kind)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "body", HOSTILE_BODIES.values(), ids=HOSTILE_BODIES.keys()
)
def test_what_is_no_annotation_changes_nothing(
    service: TestClient, ada: Annotator, body: bytes
) -> None:
    before = service.get(ROOT).json()
    answer = ada.client.post(ROOT, content=body, headers=ada.headers)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "BasicContainer" in answer.headers["Link"]
    assert service.get(ROOT).json() == before


def test_what_no_form_can_be_answered_in_is_not_stored(
    service: TestClient, ada: Annotator
) -> None:
    before = service.get(ROOT).json()["total"]
    answer = ada.post(make_document(), Accept="application/rdf+xml")
    assert answer.status_code == 406
    assert service.get(ROOT).json()["total"] == before


def test_unknown_keys_survive_reading_and_writing(
    service: TestClient, ada: Annotator
) -> None:
    unknown: dict[str, Any] = {
        "http://example.org/key": [1, 1.5, True, None, {"b": 2, "a": 1}],
        "x:nested": {"list": [[], {}], "text": "/calls/VMI_Halt"},
        "empty": "",
        "körper": "\u0001 \u2028 \U0001f600",
    }
    made = ada.post(make_document(**unknown)).json()
    read = service.get(made["id"]).json()
    written = ada.put(made["id"], read).json()
    for document in (made, read, written):
        assert {key: document[key] for key in unknown} == unknown
    ours = {"created", "modified", "creator", "id"}
    assert {k: v for k, v in written.items() if k not in ours} == {
        k: v for k, v in made.items() if k not in ours
    }


def test_offsets_count_code_points(
    service: TestClient, ada: Annotator
) -> None:
    quote = "e\u0301 \U0001f600 \U0001f1e9\U0001f1ea"
    selector = [
        {"type": "TextQuoteSelector", "exact": quote, "prefix": "\U0001f600"},
        {"type": "TextPositionSelector", "start": 3, "end": 3 + len(quote)},
    ]
    target = {"source": "http://example.org/page", "selector": selector}
    made = ada.post(make_document(target=target)).json()
    read = service.get(made["id"]).json()
    assert read["target"]["selector"] == selector
    first, second = read["target"]["selector"]
    assert second["end"] - second["start"] == len(first["exact"]) == 7


def test_addresses_of_this_site_are_right_wherever_it_is_served(
    ada: Annotator,
) -> None:
    target = "http://testserver/calls/VMI_Halt"
    made = ada.post(make_document("/calls/ are ours", target=target)).json()
    assert made["target"] == target
    assert made["body"]["value"] == "/calls/ are ours"
    assert made["id"] == f"{ROOT}{made['id'].rpartition('/')[2]}"


def test_an_annotation_has_one_address_only(
    service: TestClient, ada: Annotator
) -> None:
    made = ada.post(make_document(), PROPOSAL).json()["id"]
    name = made.removeprefix(PROPOSAL)
    answer = service.get(f"{ROOT}{name}", follow_redirects=False)
    assert answer.status_code == 308
    assert service.get(f"{ROOT}{name}").json()["id"] == made
    assert ada.put(f"{ROOT}{name}", make_document()).json()["id"] == made
    assert ada.delete(f"{ROOT}{name}").status_code == 204
    assert service.get(f"{ROOT}{name}").status_code == 410


@pytest.mark.parametrize(
    "address",
    [
        f"{ROOT}nothing",
        f"{ROOT}vmi/nothing",
        f"{ROOT}nothing/",
        f"{ROOT}nothing/nothing",
        f"{ROOT}%00",
        f"{ROOT}{'x' * 500}",
        f"{ROOT}?page=second",
        f"{ROOT}?page=after-1-",
        f"{ROOT}?page=after--99999999999999999-x",
    ],
)
def test_nothing_is_where_nothing_was_made(
    service: TestClient, address: str
) -> None:
    answer = service.get(address)
    assert answer.status_code in {400, 404}
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_container_that_is_none_takes_nothing(ada: Annotator) -> None:
    assert ada.post(make_document(), f"{ROOT}nothing/").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_who_sent_no_token_changes_nothing(
    service: TestClient, ada: Annotator, method: str
) -> None:
    address = ROOT if method == "POST" else ada.make()
    answer = service.request(
        method,
        address,
        json=make_document(),
        headers={"Content-Type": "application/ld+json"},
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert ("BasicContainer" in answer.headers.get("Link", "")) == (
        method == "POST"
    )


def test_only_its_author_changes_an_annotation(
    service: TestClient, ada: Annotator, bob: Annotator, eve: Annotator
) -> None:
    address = ada.make()
    made = service.get(address).json()
    assert bob.put(address, made).status_code == 403
    assert bob.delete(address).status_code == 403
    assert eve.put(address, made).status_code == 403
    assert service.get(address).json() == made


def test_an_editor_says_why_another_s_annotation_is_deleted(
    service: TestClient, ada: Annotator, eve: Annotator
) -> None:
    address = ada.make()
    refused = eve.delete(address)
    assert refused.status_code == 422
    assert service.get(address).status_code == 200
    assert eve.delete(f"{address}?reason=spam").status_code == 204
    assert service.get(address).status_code == 410

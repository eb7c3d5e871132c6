"""What other sites' scripts may do here, and how they find the service."""

import pytest
from fastapi.testclient import TestClient

from tests.protocol.conftest import ROOT, Annotator, make_document

ORIGIN = {"Origin": "https://client.example", "Sec-Fetch-Site": "cross-site"}
SERVICE = 'rel="http://www.w3.org/ns/oa#annotationService"'
EXPOSED = (
    "ETag Allow Vary Link Content-Type Location Content-Location Accept-Post "
    "Preference-Applied"
)


def read_names(value: str) -> set[str]:
    """Return the members of a list header, in small letters."""
    return {name.strip().lower() for name in value.split(",")}


@pytest.mark.parametrize(
    "path",
    [
        "/annotations/",
        "/annotations/vmi/",
        "/annotations/?iris=1&page=first",
        "/annotations/nothing",
        "/annotations/vmi/nothing",
        "/h/api/annotations",
        "/ns/review.jsonld",
    ],
)
def test_a_script_may_ask_before_it_writes(
    service: TestClient, path: str
) -> None:
    answer = service.options(
        path,
        headers={
            **ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    allowed = read_names(answer.headers["Access-Control-Allow-Headers"])
    assert allowed >= read_names(
        "Authorization, Content-Type, Prefer, If-Match, Slug"
    )
    methods = read_names(answer.headers["Access-Control-Allow-Methods"])
    assert methods == read_names(answer.headers["Allow"])
    assert "options" in methods


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/annotations/", 200),
        ("/annotations/?iris=1&page=first", 200),
        ("/annotations/nothing", 404),
        ("/annotations/nothing/", 404),
    ],
)
def test_a_script_may_read_every_answer(
    service: TestClient, path: str, status: int
) -> None:
    answer = service.get(path, headers=ORIGIN)
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    exposed = read_names(answer.headers["Access-Control-Expose-Headers"])
    assert exposed >= {name.lower() for name in EXPOSED.split()}


def test_a_script_may_write_with_a_token(
    ada: Annotator, service: TestClient
) -> None:
    made = ada.post(make_document(), **ORIGIN)
    assert made.status_code == 201
    assert made.headers["Access-Control-Allow-Origin"] == "*"
    address = made.headers["Location"]
    assert ada.put(address, make_document(), **ORIGIN).status_code == 200
    assert ada.delete(address, **ORIGIN).status_code == 204
    assert service.get(address, headers=ORIGIN).status_code == 410


def test_a_script_without_a_token_writes_nothing(service: TestClient) -> None:
    answer = service.post(ROOT, json=make_document(), headers=ORIGIN)
    assert answer.status_code in {401, 403}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "BasicContainer" in answer.headers["Link"]


@pytest.mark.parametrize("path", ["/", "/threads/", "/api/threads", "/log"])
def test_nothing_else_is_open_to_scripts(
    service: TestClient, path: str
) -> None:
    answer = service.get(path, headers=ORIGIN)
    assert not any(
        name.startswith("access-control") for name in answer.headers
    )


@pytest.mark.parametrize("kind", ["document", "call", "thread", "mail"])
def test_what_is_reviewed_says_where_the_service_is(
    service: TestClient, kind: str
) -> None:
    path = {
        "document": "/document/",
        "call": "/calls/VMI_Halt",
        "thread": "/threads/kleen-watchdog-nmi",
        "mail": "/m/4421C9D4.3050806@vmware.com/",
    }[kind]
    answer = service.get(path)
    links = [
        link
        for link in answer.headers.get_list("Link", split_commas=True)
        if SERVICE in link
    ]
    assert len(links) == 1
    address = links[0][links[0].index("<") + 1 : links[0].index(">")]
    body = service.get(address).json()
    assert "AnnotationCollection" in body["type"]


def test_a_service_that_is_announced_takes_annotations(
    service: TestClient, ada: Annotator
) -> None:
    page = service.get("/calls/VMI_Halt")
    link = next(
        part for part in page.headers["Link"].split(", ") if SERVICE in part
    )
    address = link[1 : link.index(">")]
    made = ada.post(
        make_document(target=str(page.url)), str(page.url.join(address))
    )
    assert made.status_code == 201
    assert made.json()["target"] == str(page.url)

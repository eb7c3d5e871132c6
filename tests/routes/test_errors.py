"""What is refused: problem+json for programs, pages for people."""

import json
from urllib.parse import urlsplit

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from app.db import Database
from app.errors import (
    BusyError,
    ConflictError,
    CorpusError,
    Fault,
    ForbiddenError,
    GoneError,
    InvalidError,
    MalformedError,
    MediaTypeError,
    MissingConditionError,
    NotFoundError,
    PreconditionError,
    ReviewError,
    SignInError,
    ThrottleError,
    UnacceptableError,
)
from app.models import Role
from app.routes.errors import (
    STATUSES,
    Problem,
    answer,
    build_pointer,
    describe_fault,
    describe_part,
    is_program,
    show_refusal,
)
from app.routes.problem_types import BY_STATUS, TYPES, ProblemType
from app.services import reviewers, tokens
from app.services.markdown import render_markdown

MEDIA_TYPE = "application/problem+json"
COMMENTS = "/api/threads/kleen-sti-shadow/comments"


def _make_request(
    site: TestClient, path: str = "/api/x", accept: str = "*/*"
) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"h"), (b"accept", accept.encode())],
            "app": site.app,
        }
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("call", "VMI_No"), 404),
        (ConflictError("taken"), 409),
        (ForbiddenError("no"), 403),
        (SignInError("who"), 401),
        (ThrottleError("slowly", retry_after=3), 429),
        (BusyError("later", retry_after=2), 503),
        (InvalidError("wrong"), 422),
        (MalformedError("unreadable"), 400),
        (GoneError("annotation", "a"), 410),
        (PreconditionError("another"), 412),
        (MissingConditionError("which"), 428),
        (UnacceptableError("text/html"), 406),
        (MediaTypeError("text/plain", "application/json"), 415),
        (CorpusError("calls.yaml", "bad"), 422),
    ],
)
def test_each_error_has_its_status(
    site: TestClient, error: ReviewError, status: int
) -> None:
    answer = show_refusal(_make_request(site), error)
    assert answer.status_code == status
    assert answer.media_type == MEDIA_TYPE
    assert answer.headers["cache-control"] == "no-store"
    waits = status in {429, 503}
    assert ("retry-after" in answer.headers) is waits
    assert ("www-authenticate" in answer.headers) is (status == 401)


def test_every_kind_of_error_has_a_kind_of_problem() -> None:
    assert {BY_STATUS[status].status for status in STATUSES.values()} == set(
        STATUSES.values()
    )


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.slug)
def test_a_type_leads_to_the_page_that_explains_it(
    site: TestClient, kind: ProblemType
) -> None:
    problem = Problem(status=kind.status, detail="why", kind=kind.slug)
    told = json.loads(bytes(answer(_make_request(site), problem).body))
    assert told["title"] == kind.title
    path = urlsplit(told["type"]).path
    assert told["type"] == f"http://testserver{path}"
    page = site.get(path)
    assert page.status_code == 200
    assert render_markdown(kind.meaning).strip() in page.text
    assert render_markdown(kind.remedy).strip() in page.text
    assert "`" not in kind.remedy or "</code>" in page.text
    assert path in site.get("/problems/").text


def test_a_status_without_kind_is_left_to_http(site: TestClient) -> None:
    problem = Problem(status=418, detail="why")
    told = json.loads(bytes(answer(_make_request(site), problem).body))
    assert (told["type"], told["title"]) == ("about:blank", "I'm a Teapot")


def test_no_other_kind_of_problem_has_a_page(site: TestClient) -> None:
    assert site.get("/problems/nothing").status_code == 404


def test_what_was_written_is_handed_back(site: TestClient) -> None:
    error = PreconditionError("changed", draft="<b>mine</b>", tag='"t"')
    told = json.loads(bytes(show_refusal(_make_request(site), error).body))
    assert (told["draft"], told["tag"]) == ("<b>mine</b>", '"t"')
    request = _make_request(site, accept="text/html")
    page = bytes(show_refusal(request, error).body).decode()
    assert "&lt;b&gt;mine&lt;/b&gt;" in page


def test_a_refused_kind_of_body_tells_which_are_understood(
    site: TestClient,
) -> None:
    error = MediaTypeError("text/plain", "application/json", "text/turtle")
    answered = show_refusal(_make_request(site), error)
    assert answered.headers["Accept"] == "application/json, text/turtle"


@pytest.mark.parametrize(
    ("path", "accept", "is_told"),
    [
        ("/api/threads", "*/*", True),
        ("/api/threads", "text/html,*/*;q=0.8", False),
        ("/annotations/a", "text/turtle", True),
        ("/threads/a", "*/*", False),
        ("/threads/a", "application/json", True),
        ("/threads/a.json", "*/*", True),
    ],
)
def test_a_program_is_known_by_what_it_asks_for(
    site: TestClient, path: str, accept: str, *, is_told: bool
) -> None:
    assert is_program(_make_request(site, path, accept)) is is_told


def test_a_problem_has_the_members_of_rfc_9457(client: TestClient) -> None:
    answer = client.get("/api/threads/nothing-here")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json() == {
        "type": "http://testserver/problems/not-found",
        "title": "Nothing is there",
        "status": 404,
        "detail": "no thread is called 'nothing-here'",
        "instance": "/api/threads/nothing-here",
    }


def test_people_get_a_page_and_programs_json(client: TestClient) -> None:
    page = client.get("/threads/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "text/html" in page.headers["content-type"]
    assert "No thread is called &#39;nothing&#39;." in page.text
    wanted = {"Accept": "application/json"}
    problem = client.get("/threads/nothing", headers=wanted)
    assert problem.headers["content-type"] == MEDIA_TYPE


def test_a_refused_part_is_named_by_its_place(
    database: Database, client: TestClient
) -> None:
    with database.write() as session:
        reviewers.add_reviewer(session, "ada", Role.reviewer)
        token = tokens.create_token(session, "ada").secret
    client.headers["Authorization"] = f"Bearer {token}"
    answer = client.post(COMMENTS, json={"text": " ", "txet": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/text", "detail": "this must not be empty"},
        {"pointer": "/txet", "detail": "Extra inputs are not permitted"},
    ]
    broken = client.post(
        COMMENTS, content=b"{", headers={"Content-Type": "application/json"}
    )
    assert broken.status_code == 422
    assert "not JSON" in broken.json()["errors"][0]["detail"]
    answer = client.get("/api/threads?limit=0&kind=gripe")
    assert [e["parameter"] for e in answer.json()["errors"]] == [
        "kind",
        "limit",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "\\ud800"}',
        b'{"text": "a\\u0000b"}',
        b'{"text": "\xff"}',
        b"[" * 100_000,
        b'{"text": 1e999}',
        b"null",
    ],
)
def test_no_body_brings_the_program_down(
    database: Database, client: TestClient, body: bytes
) -> None:
    with database.write() as session:
        reviewers.add_reviewer(session, "ada", Role.reviewer)
        token = tokens.create_token(session, "ada").secret
    answer = client.post(
        COMMENTS,
        content=body,
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        },
    )
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == MEDIA_TYPE


def test_a_wrong_method_names_all_right_ones(client: TestClient) -> None:
    answer = client.request(
        "DELETE", "/sign-in", headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    stop = client.get("/sign-out", headers={"Accept": "text/html"})
    assert stop.status_code == 405
    assert stop.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/static/app.css", "GET, HEAD, OPTIONS"),
        ("/static/nothing.css", "GET, HEAD, OPTIONS"),
        ("/calls/", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_of_files_too(
    client: TestClient, path: str, allowed: str
) -> None:
    answer = client.post(path, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


def test_signing_in_leads_back_to_where_one_was(client: TestClient) -> None:
    answer = client.get("/threads/new?call=VMI_Halt")
    assert answer.status_code == 401
    assert 'href="/sign-in?next=/threads/new%3Fcall%3DVMI_Halt"' in answer.text
    elsewhere = client.post(
        "/threads/kleen-sti-shadow/replies",
        data={"text": "x"},
        headers={"Referer": "http://evil.example/x"},
    )
    assert elsewhere.status_code == 401
    assert 'href="/sign-in?next=/"' in elsewhere.text
    back = client.post(
        "/threads/kleen-sti-shadow/replies",
        data={"text": "x"},
        headers={"Referer": "http://testserver/threads/kleen-sti-shadow"},
    )
    assert 'next=/threads/kleen-sti-shadow"' in back.text


def test_a_bad_token_is_refused_even_for_reading(client: TestClient) -> None:
    bad = {"Authorization": "Bearer nonsense"}
    answer = client.post(COMMENTS, json={"text": "x"}, headers=bad)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/threads/", headers=bad).status_code == 401


def test_pointers_are_escaped() -> None:
    assert build_pointer(["a/b", 0, "c~d"]) == "/a~1b/0/c~0d"
    assert build_pointer([]) == ""


def test_a_fault_tells_line_and_column_where_it_has_them() -> None:
    assert describe_fault(Fault("/text", "bad")) == {
        "pointer": "/text",
        "detail": "bad",
    }
    placed = Fault("/text", "bad", line=3, column=7, expected="a register")
    assert describe_fault(placed) == {
        "pointer": "/text",
        "detail": "bad",
        "line": 3,
        "column": 7,
        "expected": "a register",
    }


def test_a_header_is_a_parameter() -> None:
    part = describe_part(["header", "x-a"], "missing", "Field required", {})
    assert part == {"parameter": "x-a", "detail": "this is required"}


def test_a_refused_page_leads_back_within_this_site(
    client: TestClient,
) -> None:
    def find_link(referer: str) -> bool:
        page = client.get("/threads/?kind=x", headers={"Referer": referer})
        return 'href="/threads/?page=2&amp;kind=praise"' in page.text

    here = "threads/?page=2&kind=praise"
    assert find_link(f"http://testserver/{here}")
    assert find_link(f"http://testserver///{here}")
    assert not find_link(f"http://evil.example/{here}")

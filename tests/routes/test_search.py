"""The search page, kept searches, feeds and the API over HTTP."""

import re
from html import unescape
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.models import Role, SearchKind
from app.services import messages, reviewers, search_index
from app.services.annotations import reply
from app.services.saved_searches import save_search
from tests.factories import make_visitor

ATOM = "{http://www.w3.org/2005/Atom}"
SLUG = "kleen-sti-shadow"
MAIL = b"""\
From: Andi <b>Kleen</b> <ak@example.org>
Subject: <script>alert(1)</script> zyzzyva
Message-ID: <a/b@example.org>
Date: Wed, 22 Mar 2006 20:05:58 +0100

Write to ak@example.org about the <img src=x onerror=y> zyzzyva.
"""


@pytest.fixture
def mail(database: Database) -> None:
    """Import a mail of ill will."""
    with database.write() as session:
        row = messages.import_message(session, MAIL)
        search_index.add_messages(session, [row.id or 0])


def test_an_empty_search_explains_the_language(client: TestClient) -> None:
    page = client.get("/search")
    assert page.status_code == 200
    assert "nq:" in page.text
    assert 'id="q"' in page.text


def test_what_is_found_is_marked_and_linked(client: TestClient) -> None:
    page = client.get("/search", params={"q": "call:VMI_SetCR3 is:call"})
    assert '<a class="row-title call" href="/calls/VMI_SetCR3"' in page.text
    page = client.get("/search", params={"q": "VMI_SetCR3", "kind": "call"})
    assert "<mark>VMI_SetCR3</mark>" in page.text
    assert "best first" in page.text


@pytest.mark.usefixtures("mail")
def test_hostile_text_stays_text(client: TestClient) -> None:
    page = client.get("/search", params={"q": "zyzzyva <script>"})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert "&lt;img src=x onerror=y&gt; <mark>zyzzyva</mark>" in page.text
    assert 'href="/m/a/b@example.org/"' in page.text


@pytest.mark.usefixtures("mail")
def test_addresses_are_hidden_without_a_name(
    client: TestClient, signed_in: TestClient
) -> None:
    def show() -> list[str]:
        return [
            client.get("/search", params={"q": "zyzzyva"}).text,
            client.get("/search.atom", params={"q": "zyzzyva"}).text,
            client.get("/api/search", params={"q": "zyzzyva"}).text,
        ]

    assert all("to ak@example.org about" in text for text in show())
    signed_in.cookies.clear()
    assert all("to ak@xxxxxxxxxxx about" in text for text in show())


@pytest.mark.parametrize(
    ("query", "column"),
    [('a "b', 3), ("x foo:y", 3), ("(", 1), ("é" * 501, 501)],
)
def test_a_query_that_is_not_understood_says_where(
    client: TestClient, query: str, column: int
) -> None:
    page = client.get("/search", params={"q": query})
    assert page.status_code == 422
    assert f"Column {column}" in page.text
    shown = re.findall(r"<pre><span>(.*?)</span><span[^>]*>(.*?)<", page.text)
    assert len(unescape(shown[0][0])) == column - 1
    problem = client.get("/api/search", params={"q": query})
    assert problem.status_code == 422
    (error,) = problem.json()["errors"]
    assert (error["pointer"], error["column"]) == ("/q", column)
    assert client.get("/search.atom", params={"q": query}).status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        "' OR 1=1 --",
        '"; DROP TABLE search_item; --',
        "NEAR(a b)",
        "title:x",
        "^a",
        "a:*",
        "{title}:a",
        "a + b",
        "%00",
        ":expression",
        "'a':*",
        "a & b | !c <-> d",
        "\\'",
    ],
)
def test_no_syntax_of_an_engine_passes_through(
    client: TestClient, query: str
) -> None:
    """Whatever is typed is found, found not, or refused with its place."""
    for path in ("/search", "/api/search"):
        answer = client.get(path, params={"q": query})
        assert answer.status_code in (200, 422)
        assert "sqlite" not in answer.text.lower()
        assert "syntax error" not in answer.text
    assert client.get("/search", params={"q": "vmi"}).status_code == 200


def test_a_control_character_is_refused(client: TestClient) -> None:
    assert client.get("/search?q=a%00b").status_code == 400


def test_pages_and_orders_are_linked(client: TestClient) -> None:
    first = client.get("/search", params={"q": "is:call"}).text
    (following,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = client.get(unescape(following)).text
    assert 'rel="prev"' in second
    assert not set(re.findall(r'href="/calls/(\w+)"', first)) & set(
        re.findall(r'href="/calls/(\w+)"', second)
    )
    assert "order=best" in first


def test_a_fragment_is_the_results_alone(client: TestClient) -> None:
    answer = client.get(
        "/search",
        params={"q": "vmi"},
        headers={"HX-Request": "true", "HX-Request-Type": "partial"},
    )
    assert answer.text.lstrip().startswith('<div id="found"')


def test_searching_is_never_kept(client: TestClient) -> None:
    """Runs come and go without a line in the log, and days pass."""
    for path in ("/search", "/search.atom", "/api/search"):
        assert "etag" not in client.get(path, params={"q": "vmi"}).headers


def test_a_search_is_kept_followed_and_dropped(
    database: Database, signed_in: TestClient
) -> None:
    kept = signed_in.post(
        "/search/saved",
        data={"name": "Shadows", "q": "sti shadow", "kind": "thread"},
        follow_redirects=False,
    )
    assert kept.status_code == 303
    assert kept.headers["location"] == "/search/ada-shadows"
    page = signed_in.get("/search/ada-shadows").text
    assert f'href="/threads/{SLUG}"' in page
    feed = ET.fromstring(signed_in.get("/search/ada-shadows.atom").content)  # noqa: S314 - our own
    before = {
        entry.findtext(f"{ATOM}id") for entry in feed.iter(f"{ATOM}entry")
    }
    assert f"tag:vmi-review,2006:thread:{SLUG}" in before
    with database.write() as session:
        visitor = make_visitor(session, "eve", Role.reviewer)
        reply(session, visitor, SLUG, "On the STI shadow.")
    again = signed_in.get("/search/ada-shadows", params={"page": "1"})
    assert again.status_code == 200
    gone = signed_in.post("/search/ada-shadows/delete", follow_redirects=False)
    assert gone.status_code == 303
    assert signed_in.get("/search/ada-shadows").status_code == 404
    assert signed_in.get("/search/ada-shadows.atom").status_code == 404


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"name": "", "q": "a"}, "must not be empty"),
        ({"name": "x", "q": ""}, "nothing to look for"),
        ({"name": "x", "q": "a", "kind": "blue"}, ""),
    ],
)
def test_a_search_that_cannot_be_kept_is_shown_again(
    signed_in: TestClient, data: dict[str, str], reason: str
) -> None:
    answer = signed_in.post("/search/saved", data=data)
    assert answer.status_code == 422
    assert reason in answer.text


def test_keeping_needs_a_name(client: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = client.post(
        "/search/saved", data={"name": "x", "q": "a"}, headers=headers
    )
    assert answer.status_code == 401


def test_mine_in_a_kept_search_is_its_owners(
    database: Database, client: TestClient
) -> None:
    with database.write() as session:
        visitor = make_visitor(session)
        reply(session, visitor, SLUG, "A zyzzyva.")
        save_search(session, visitor, "mine", "is:mine")
    assert "zyzzyva" in client.get("/search/ada-mine").text
    assert "zyzzyva" in client.get("/search/ada-mine.atom").text
    assert client.get("/search", params={"q": "is:mine"}).status_code == 422


def test_a_feed_is_atom_with_ids_that_stay(client: TestClient) -> None:
    address = f"/search.atom?q={quote('cpuid is:thread')}"
    first, again = client.get(address), client.get(address)
    assert first.headers["content-type"].startswith("application/atom+xml")
    assert first.content == again.content
    feed = ET.fromstring(first.content)  # noqa: S314 - our own
    assert feed.tag == f"{ATOM}feed"
    for name in ("title", "id", "updated"):
        assert feed.findtext(f"{ATOM}{name}")
    entries = feed.findall(f"{ATOM}entry")
    assert entries
    ids = [entry.findtext(f"{ATOM}id") or "" for entry in entries]
    assert len(set(ids)) == len(ids)
    assert all(id_.startswith("tag:vmi-review,2006:thread:") for id_ in ids)
    for entry in entries:
        assert entry.findtext(f"{ATOM}updated")
        link = entry.find(f"{ATOM}link")
        assert link is not None
        assert link.get("href", "").startswith("http://testserver/threads/")


def test_the_api_tells_what_was_found_and_where(client: TestClient) -> None:
    answer = client.get(
        "/api/search", params={"q": "VMI_SetCR3", "kind": "call", "limit": 1}
    )
    told = answer.json()
    assert told["total"] == told["counts"]["call"] == 2
    assert told["order"] == "best"
    (item,) = told["items"]
    assert (item["kind"], item["url"]) == ("call", "/calls/VMI_SetCR3")
    ((start, end),) = item["title"]["marks"]
    assert item["title"]["text"][start:end] == "VMI_SetCR3"
    assert 'rel="next"' in answer.headers["link"]


def test_the_api_bounds_what_it_is_asked(client: TestClient) -> None:
    for wanted in ({"limit": "101"}, {"page": "0"}, {"page": "11"}, {}):
        query = {"q": "vmi", "limit": "100"} | wanted
        if not wanted:
            del query["q"]
        assert client.get("/api/search", params=query).status_code == 422


@pytest.mark.parametrize("kind", list(SearchKind))
def test_every_kind_leads_somewhere(
    client: TestClient, database: Database, kind: SearchKind
) -> None:
    with database.write() as session:
        messages.import_message(session, MAIL)
        reviewers.add_reviewer(session, "bob", Role.reviewer)
    told = client.get("/api/search", params={"q": f"is:{kind}"}).json()
    for item in told["items"][:2]:
        page = client.get(item["url"])
        assert page.status_code == 200

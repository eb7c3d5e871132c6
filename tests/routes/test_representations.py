"""One thing has many forms, found by ending and by `Accept`."""

import pytest
from fastapi.testclient import TestClient

THREAD = "/threads/kleen-sti-shadow"
CALL = "/calls/VMI_EnableInterrupts"
JSON = "application/json"


@pytest.mark.parametrize(
    ("address", "media"),
    [
        ("/document.md", "text/markdown"),
        ("/document.json", JSON),
        ("/document.html", "text/html"),
        ("/document.jsonld", "application/ld+json"),
        ("/calls.json", JSON),
        (f"{CALL}.json", JSON),
        (f"{CALL}.md", "text/markdown"),
        (f"{CALL}.html", "text/html"),
        ("/threads.json", JSON),
        (f"{THREAD}.json", JSON),
        (f"{THREAD}.md", "text/markdown"),
        (f"{THREAD}.jsonld", "application/ld+json"),
        (f"{THREAD}.mbox", "application/mbox"),
        (f"{THREAD}.html", "text/html"),
        ("/decisions.json", JSON),
        ("/decisions.md", "text/markdown"),
    ],
)
def test_an_ending_chooses_the_form(
    site: TestClient, address: str, media: str
) -> None:
    answer = site.get(address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(media)


@pytest.mark.parametrize(
    ("page", "media", "ending"),
    [
        ("/document/", "text/markdown", "/document.md"),
        (CALL, JSON, f"{CALL}.json"),
        (THREAD, "application/ld+json", f"{THREAD}.jsonld"),
        (THREAD, "application/mbox", f"{THREAD}.mbox"),
        ("/threads/", JSON, "/threads.json"),
    ],
)
def test_accept_chooses_the_same_form(
    site: TestClient, page: str, media: str, ending: str
) -> None:
    chosen = site.get(page, headers={"Accept": media})
    assert chosen.headers["Content-Type"].startswith(media)
    assert chosen.headers["Content-Location"] == ending
    assert "Accept" in chosen.headers["Vary"]
    named = site.get(ending)
    if media in {JSON, "text/markdown"}:  # others tell address or day
        assert named.content == chosen.content
    assert f'<{ending}>; rel="alternate"' not in named.headers["Link"]
    assert 'rel="alternate"; type="text/html"' in named.headers["Link"]


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html,*/*;q=0.8", "text/html", "text/*", ""]
)
def test_people_get_the_page(site: TestClient, accept: str) -> None:
    answer = site.get(CALL, headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith("text/html")
    assert f'<{CALL}.json>; rel="alternate"' in answer.headers["Link"]


def test_a_form_that_there_is_not_is_refused_with_those_there_are(
    site: TestClient,
) -> None:
    answer = site.get(CALL, headers={"Accept": "application/rdf+xml"})
    assert answer.status_code == 406
    assert "text/markdown" in answer.text


def test_what_is_not_there_is_missing_in_every_form(site: TestClient) -> None:
    for ending in ("", ".json", ".md", ".jsonld", ".mbox"):
        answer = site.get(f"/threads/nothing{ending}")
        assert answer.status_code == 404, ending


def test_a_thread_reads_well_as_markdown(site: TestClient) -> None:
    text = site.get(f"{THREAD}.md").text
    thread = site.get(f"{THREAD}.json").json()
    assert text.startswith(f"# {thread['title']}\n\n- Kind: ")
    assert "- Address: http://testserver/threads/kleen-sti-shadow" in text
    for post in thread["posts"]:
        assert f"## {post['author']}, " in text
    assert all(len(line) < 100 for line in text.splitlines())


def test_a_call_reads_well_as_markdown(site: TestClient) -> None:
    text = site.get(f"{CALL}.md").text
    assert text.startswith("# VMI_EnableInterrupts\n\n    VMICALL void")
    assert "- Native equivalent: " in text


def test_a_thread_is_a_collection_of_annotations(site: TestClient) -> None:
    collection = site.get(f"{THREAD}.jsonld").json()
    assert collection["id"] == f"http://testserver{THREAD}.jsonld"
    assert collection["type"] == "AnnotationCollection"
    items = collection["first"]["items"] if collection["total"] else []
    assert len(items) == collection["total"]


def test_a_form_that_is_known_is_not_sent_again(site: TestClient) -> None:
    first = site.get(f"{CALL}.md")
    again = site.get(
        f"{CALL}.md", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert again.status_code == 304

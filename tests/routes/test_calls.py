"""Calls as pages: the list, one call, and a name that is none."""

import re

import pytest
from fastapi.testclient import TestClient

from app import sim
from app.db import Database
from app.models import Disposition
from app.routes.calls import highlight_source
from app.services import decisions
from app.services.decisions import NewDecision
from tests import factories

NAME = "VMI_EnableInterrupts"


def test_the_list_shows_every_call(client: TestClient) -> None:
    answer = client.get("/calls/")
    assert answer.status_code == 200
    assert set(re.findall(r'href="[^"]*/calls/(VMI_\w+)"', answer.text))
    names = set(re.findall(r"/calls/(VMI_\w+)", answer.text))
    assert len(names) == 94


def test_what_is_not_executable_is_said(client: TestClient) -> None:
    """In words, beside the name, and as a count above the list."""
    text = client.get("/calls/").text
    assert f"94 calls, {len(sim.CALLS)} executable</p>" in text
    silent = text.count('<span class="meta">not executable</span>')
    assert silent == 94 - len(sim.CALLS)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("group=timer", 6),
        ("status=patch_only", 4),
        ("group=timer&executable=no", 0),
        ("threads=open", 15),
        ("group=&status=&executable=&threads=", 94),
        ("group=stack+%2F+privilege+transition", 3),
    ],
)
def test_a_filter_is_an_address(
    client: TestClient, query: str, count: int
) -> None:
    text = client.get(f"/calls/?{query}").text
    assert f"{count} calls, " in text
    assert len(set(re.findall(r"/calls/(VMI_\w+)", text))) == count
    if not count:
        assert "No call is like this." in text


def test_the_filter_remembers_what_was_chosen(client: TestClient) -> None:
    text = client.get("/calls/?group=timer&executable=yes").text
    assert "<option selected>timer</option>" in text
    assert '<option value="yes" selected>yes</option>' in text


def test_htmx_gets_the_list_alone(client: TestClient) -> None:
    headers = {"HX-Request": "true", "HX-Request-Type": "partial"}
    answer = client.get("/calls/?group=APIC", headers=headers)
    assert answer.text.lstrip().startswith('<div id="calls">')
    assert "HX-Request-Type" in answer.headers["Vary"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("status=none", 422),
        ("executable=maybe", 422),
        ("threads=x", 422),
        ("group=" + "x" * 300, 422),
        ("group=%00", 400),
    ],
)
def test_a_filter_that_is_none_is_refused(
    client: TestClient, query: str, status: int
) -> None:
    assert client.get(f"/calls/?{query}").status_code == status


@pytest.mark.parametrize("name", sorted(sim.CALLS))
def test_each_executable_call_shows_its_source(name: str) -> None:
    html = highlight_source(sim.CALLS[name].source)
    assert 'class="code"' in html
    assert "style=" not in html
    assert '<pre tabindex="0">' in html


def test_a_call_page_is_one_argument(client: TestClient) -> None:
    """Sheet, clause beside source, questions, threads, decisions, in order."""
    text = client.get(f"/calls/{NAME}").text
    parts = (
        "VMICALL void VMI_EnableInterrupts(void);",
        "What the RFC says",
        "/document/processor-state-calls",
        "What the simulator does",
        "What happens if",
        "/whatif/kleen-sti-shadow",
        "/threads/kleen-sti-shadow",
        'id="decisions-title"',
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "/threads/new?call=VMI_EnableInterrupts" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("VMI_GetRelocationInfo", "this call is not modelled"),
        ("VMI_INB", "Nobody has spoken of this call."),
        (
            "VMI_GetRelocationInfo",
            "No question about this call has been asked.",
        ),
        ("VMI_SetLazyMode", "The document has no clause for it."),
        ("VMI_SetLazyMode", "of a later revision"),
    ],
)
def test_what_is_missing_says_so(
    client: TestClient, name: str, words: str
) -> None:
    assert words in client.get(f"/calls/{name}").text


def test_a_decision_in_force_stands_on_the_page(
    client: TestClient, database: Database
) -> None:
    with database.write() as session:
        visitor = factories.make_visitor(session)
        decisions.record_decision(
            session,
            visitor,
            "kleen-sti-shadow",
            NewDecision(disposition=Disposition.accepted, reason="It is."),
        )
    text = client.get(f"/calls/{NAME}").text
    assert "Decision 1</a>" in text
    assert "<strong>accepted</strong>" in text
    other = client.get("/calls/VMI_INB").text
    assert "None is in force" in other


def test_every_call_has_a_page(client: TestClient) -> None:
    text = client.get("/calls/").text
    for name in sorted(set(re.findall(r"/calls/(VMI_\w+)", text)))[::7]:
        assert client.get(f"/calls/{name}").status_code == 200


def test_an_unknown_call_names_those_like_it(client: TestClient) -> None:
    answer = client.get("/calls/VMI_EnableInterupts")
    assert answer.status_code == 404
    assert "No call is named" in answer.text
    assert f"/calls/{NAME}" in answer.text


@pytest.mark.parametrize(
    "name", ["%3Cscript%3Ealert(1)%3C", "%F0%9F%90%A7", "x" * 3000]
)
def test_a_strange_name_is_shown_as_text(
    client: TestClient, name: str
) -> None:
    answer = client.get(f"/calls/{name}")
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
    assert len(answer.text) < 10_000


def test_a_call_page_reads_in_few_queries(
    client: TestClient, statements: list[str]
) -> None:
    client.get(f"/calls/{NAME}")
    assert len(statements) <= 9

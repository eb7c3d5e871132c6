"""Calls as JSON."""

import pytest
import yaml
from fastapi.testclient import TestClient

from app import sim
from app.services import corpus


def test_all_calls_page_by_page(client: TestClient) -> None:
    names: list[str] = []
    address = "/api/calls?limit=40"
    for _page in range(3):
        answer = client.get(address)
        assert answer.status_code == 200
        names += [item["name"] for item in answer.json()["items"]]
        following = answer.links.get("next")
        address = following["url"] if following else ""
    assert not address
    assert len(names) == len(set(names)) == 94


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("group=MMU", 21),
        ("status=documented", 81),
        ("executable=true", len(sim.CALLS)),
        ("group=nothing", 0),
    ],
)
def test_calls_of_a_kind(client: TestClient, query: str, count: int) -> None:
    items = client.get(f"/api/calls?limit=500&{query}").json()["items"]
    assert len(items) == count


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "status=x", "executable=x", "after=nonsense"],
)
def test_a_wrong_query_is_a_problem(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/calls?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_call_has_every_field_of_the_facts(client: TestClient) -> None:
    facts = yaml.safe_load((corpus.BUNDLED / "calls.yaml").read_text())
    for fact in facts["calls"][::9]:
        call = client.get(f"/api/calls/{fact['name']}").json()
        assert {name: call[name] for name in fact} == fact


def test_a_call_names_what_concerns_it(client: TestClient) -> None:
    call = client.get("/api/calls/VMI_EnableInterrupts").json()
    assert call["executable"]
    assert "def enable_interrupts" in call["source"]
    assert call["sections"] == ["processor-state-calls"]
    assert "kleen-sti-shadow" in call["threads"]
    assert "kleen-sti-shadow" in call["scenarios"]
    assert call["url"] == "/calls/VMI_EnableInterrupts"
    later = client.get("/api/calls/VMI_SetLazyMode").json()
    assert (later["executable"], later["source"]) == (False, None)
    assert later["sections"] == []


def test_an_unknown_call_is_a_problem(client: TestClient) -> None:
    answer = client.get("/api/calls/VMI_Nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "VMI_Nothing" in answer.json()["detail"]


def test_the_list_takes_one_query(
    client: TestClient, statements: list[str]
) -> None:
    client.get("/api/calls")
    assert len([s for s in statements if "FROM call" in s]) == 1

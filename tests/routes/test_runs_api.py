"""Runs for programs: asked without a sign-in, found again by id."""

import pytest
from fastapi.testclient import TestClient

from app.routes import runs_api
from app.routes.runs_api import ReportOut
from app.services.explorer import Explorer, start_inline
from app.sim import PLATFORMS
from tests.routes.crew import Crew

SLUG = "kleen-watchdog-nmi"


@pytest.fixture
def client(client: TestClient) -> TestClient:
    """Return a client whose application explores in its own process."""
    client.app.state.explorer = Explorer(  # type: ignore[attr-defined]
        workers=1, seconds=10, start=start_inline
    )
    return client


def test_a_question_of_the_list_has_been_asked_already(
    client: TestClient,
) -> None:
    response = client.post("/api/runs", json={"scenario": SLUG})
    assert response.status_code == 200
    report = response.json()
    assert response.headers["Location"] == f"/api/runs/{report['id']}"
    assert client.get(response.headers["Location"]).text == response.text
    assert list(report) == [
        "id",
        "model",
        "scenario",
        "question",
        "limits",
        "platforms",
    ]
    ReportOut.model_validate(report, extra="forbid")


def test_a_new_question_is_created_once(client: TestClient) -> None:
    asked = {
        "scenario": SLUG,
        "platforms": ["software"],
        "policies": {"nmi": "delivered"},
        "limits": {"states": 50_000},
    }
    first = client.post("/api/runs", json=asked)
    again = client.post("/api/runs", json=asked)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.text == again.text
    (*_, part) = first.json()["platforms"]
    assert {p["platform"] for p in first.json()["platforms"]} == {"software"}
    assert part["policies"]["nmi"] == "delivered"


def test_a_text_of_ones_own_is_run(client: TestClient) -> None:
    asked = {"scenario_text": runs_api.SCENARIO}
    response = client.post("/api/runs", json=asked)
    assert response.status_code == 201
    report = response.json()
    assert report["scenario"] == "posted"
    assert {
        part["platform"]: part["answers"]["sleeps"]["answer"]
        for part in report["platforms"]
    } == dict.fromkeys(PLATFORMS, "always")


def test_the_text_of_a_scenario_is_that_scenario(client: TestClient) -> None:
    text = client.get(f"/api/scenarios/{SLUG}").json()["text"]
    for sent in (text, text.replace("\n", "\r\n")):
        response = client.post("/api/runs", json={"scenario_text": sent})
        assert response.status_code == 200
        assert response.json()["scenario"] == SLUG


def test_a_limit_is_never_shown_as_an_answer(client: TestClient) -> None:
    asked = {"scenario": SLUG, "limits": {"states": 2}}
    report = client.post("/api/runs", json=asked).json()
    assert all(part["limit"] == "states" for part in report["platforms"])
    page = client.get(f"/runs/{report['id']}").text
    assert "stopped at the limit of states" in page
    assert "no answer" in page


def test_a_refused_scenario_says_where_it_is_wrong(client: TestClient) -> None:
    text = 'question = "x"\n[code]\nkernel = "hlt now"\n'
    response = client.post("/api/runs", json={"scenario_text": text})
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    (error,) = response.json()["errors"]
    assert error["pointer"] == "/scenario_text"
    assert (error["line"], error["column"]) == (3, 15)
    assert "label" in error["expected"]


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({}, ""),
        ({"scenario": SLUG, "scenario_text": "x"}, ""),
        ({"scenario": SLUG, "platforms": ["vax"]}, "/platforms/0"),
        ({"scenario": SLUG, "platforms": []}, "/platforms"),
        ({"scenario": SLUG, "policies": {"nmi": "x"}}, "/policies/nmi"),
        ({"scenario": SLUG, "policies": {"x": "x"}}, "/policies"),
        ({"scenario": SLUG, "limits": {"states": 0}}, "/limits/states"),
        ({"scenario": SLUG, "limits": {"states": 10**7}}, "/limits/states"),
        ({"scenario": SLUG, "limits": {"seconds": 99}}, "/limits/seconds"),
        ({"scenario": SLUG, "other": 1}, "/other"),
        ({"scenario_text": "x" * 65537}, "/scenario_text"),
        ({"scenario_text": "\x00"}, "/scenario_text"),
        ({"scenario": "\x00"}, "/scenario"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_place(
    client: TestClient, asked: dict[str, object], pointer: str
) -> None:
    response = client.post("/api/runs", json=asked)
    assert response.status_code == 422
    pointers = [error["pointer"] for error in response.json()["errors"]]
    assert pointers == [pointer]


@pytest.mark.parametrize(
    "asked", [{"scenario": "none"}, {"scenario": "a" * 100}]
)
def test_an_unknown_scenario_is_not_found(
    client: TestClient, asked: dict[str, object]
) -> None:
    assert client.post("/api/runs", json=asked).status_code == 404


@pytest.mark.parametrize("name", ["0" * 64, "none", "%27"])
def test_an_unknown_run_is_not_found(client: TestClient, name: str) -> None:
    assert client.get(f"/api/runs/{name}").status_code == 404
    assert client.get(f"/runs/{name}").status_code == 404


def test_the_list_of_runs_gives_each_once_newest_first(crew: Crew) -> None:
    every = crew.ask(None, "GET", "/api/runs?limit=500").json()["items"]
    assert [run["created"] for run in every] == sorted(
        (run["created"] for run in every), reverse=True
    )
    seen: list[str] = []
    address: str | None = "/api/runs?limit=30"
    while address:
        answer = crew.ask(None, "GET", address)
        seen += [run["id"] for run in answer.json()["items"]]
        address = answer.links.get("next", {}).get("url")
    assert seen == [run["id"] for run in every]
    assert len(seen) == len(set(seen)) > 60
    report = crew.ask(None, "GET", f"/api/runs/{seen[0]}")
    again = crew.ask(
        None,
        "GET",
        f"/api/runs/{seen[0]}",
        If_None_Match=report.headers["etag"],
    )
    assert again.status_code == 304


def test_runs_are_narrowed_to_a_question(crew: Crew) -> None:
    (run,) = crew.ask(None, "GET", f"/api/runs?scenario={SLUG}").json()[
        "items"
    ]
    assert run["scenario"] == SLUG
    assert {answer["platform"] for answer in run["answers"]} <= set(PLATFORMS)
    none = crew.ask(None, "GET", "/api/runs?scenario=none")
    assert none.json()["items"] == []
    for query in ("after=zz", "limit=0", "limit=501", "scenario=a+b"):
        assert crew.ask(None, "GET", f"/api/runs?{query}").status_code == 422

"""Scenarios for programs."""

from fastapi.testclient import TestClient

from app.config import ROOT
from app.db import Database
from app.models import Role
from app.routes import runs_api
from tests import factories
from tests.routes.crew import Crew

SLUG = "kleen-sti-shadow"
SCENARIOS = ROOT / "app" / "corpus" / "vmi" / "scenarios"


def test_all_questions_are_listed_with_their_answers(
    client: TestClient,
) -> None:
    items = client.get("/api/scenarios").json()["items"]
    assert [item["slug"] for item in items] == sorted(
        path.stem for path in SCENARIOS.glob("*.toml")
    )
    for item in items:
        assert item["objection"] or item["slug"].startswith("gap-")
        assert item["author"] is None
        assert item["about"]
        assert len(item["run"]) == 64
        platforms = {answer["platform"] for answer in item["answers"]}
        assert set(item["platforms"]) <= platforms
        for answer in item["answers"]:
            assert answer["expected"] in {None, answer["answer"]}


def test_the_list_goes_on_by_its_link(client: TestClient) -> None:
    seen = []
    url: str | None = "/api/scenarios?limit=5"
    while url:
        response = client.get(url)
        seen += [item["slug"] for item in response.json()["items"]]
        url = response.links.get("next", {}).get("url")
    assert len(seen) == len(set(seen))
    assert len(seen) == len(list(SCENARIOS.glob("*.toml")))


def test_a_question_has_its_text_and_what_is_expected(
    client: TestClient,
) -> None:
    item = client.get(f"/api/scenarios/{SLUG}").json()
    assert item["text"] == (SCENARIOS / f"{SLUG}.toml").read_text()
    assert item["notes"]
    assert {o["name"] for o in item["outcomes"]} == {
        answer["outcome"] for answer in item["answers"]
    }
    assert item["expect"]["native"]


def test_an_unknown_question_is_not_found(client: TestClient) -> None:
    for name in ("none", "%27", "x" * 500):
        assert client.get(f"/api/scenarios/{name}").status_code == 404
        assert client.get(f"/whatif/{name}").status_code == 404


def test_a_program_saves_a_question_with_a_token(
    client: TestClient, database: Database
) -> None:
    with database.write() as session:
        factories.make_visitor(session)
        ada = factories.make_token(session)
        factories.make_visitor(session, "eve", Role.reader)
        eve = factories.make_token(session, "eve")
        factories.make_visitor(session, "bob")
        bob = factories.make_token(session, "bob")
    asked = {"name": "sleep", "text": runs_api.SCENARIO}
    saved = client.post("/api/scenarios", json=asked, headers=ada)
    assert saved.status_code == 201
    assert saved.headers["Location"] == "/api/scenarios/asked-sleep"
    assert saved.json()["author"] == "ada"
    read = client.get("/api/scenarios/asked-sleep").json()
    assert read["text"] == runs_api.SCENARIO
    send = client.post
    url = "/api/scenarios"
    assert send(url, json=asked).status_code == 401
    assert send(url, json=asked, headers=eve).status_code == 403
    assert send(url, json=asked, headers=bob).status_code == 409
    wrong = {"name": "sleep", "text": "x"}
    refused = send(url, json=wrong, headers=ada)
    assert refused.status_code == 422
    (error, *_) = refused.json()["errors"]
    assert (error["pointer"], error["line"]) == ("/scenario_text", 1)


OTHER_TEXT = runs_api.SCENARIO.replace("for good", "for ever")
LATE = '"of-yesterday"'


def _save(crew: Crew, name: str) -> str:
    sent = {"name": name, "text": runs_api.SCENARIO}
    saved = crew.ask("ada", "POST", "/api/scenarios", sent=sent)
    location: str = saved.headers["location"]
    return location


def test_a_question_is_replaced_by_who_read_its_last_version(
    crew: Crew,
) -> None:
    address = _save(crew, "to-replace")
    tag = crew.ask(None, "GET", address).headers["etag"]
    sent = {"text": OTHER_TEXT}
    for name, status in ((None, 401), ("eve", 403), ("bob", 403), ("ed", 403)):
        answer = crew.ask(name, "PUT", address, sent=sent)
        assert answer.status_code == status
    late = crew.ask("ada", "PUT", address, sent=sent, If_Match=LATE)
    assert late.status_code == 412
    assert late.json()["draft"] == OTHER_TEXT
    assert crew.ask(None, "GET", address).headers["etag"] == tag
    answer = crew.ask("ada", "PUT", address, sent=sent, If_Match=tag)
    assert answer.status_code == 200
    assert answer.json()["text"] == OTHER_TEXT
    broken = crew.ask("ada", "PUT", address, sent={"text": "question = 1"})
    assert broken.status_code == 422
    extra = crew.ask("ada", "PUT", address, sent=sent | {"author": "ed"})
    assert extra.status_code == 422
    assert crew.ask(None, "GET", address).json()["text"] == OTHER_TEXT


def test_a_question_is_removed_by_its_author_or_an_editor(crew: Crew) -> None:
    for name, query in (("ada", ""), ("ed", "?reason=of+no+use")):
        address = _save(crew, f"removed-by-{name}")
        assert crew.ask("bob", "DELETE", address).status_code == 403
        assert crew.ask("ed", "DELETE", address).status_code == 422
        late = crew.ask(name, "DELETE", address + query, If_Match=LATE)
        assert late.status_code == 412
        gone = crew.ask(name, "DELETE", address + query)
        assert gone.status_code == 204
        assert crew.ask(None, "GET", address).status_code == 404
        listed = crew.ask(None, "GET", "/api/scenarios?limit=500").json()
        assert f"removed-by-{name}" not in str(listed["items"])
        assert crew.read_log()[-1].type == "scenario.removed"


def test_a_question_of_the_corpus_stays(crew: Crew) -> None:
    address = f"/api/scenarios/{SLUG}"
    put = crew.ask("ed", "PUT", address, sent={"text": OTHER_TEXT})
    assert put.status_code == 409
    gone = crew.ask("ed", "DELETE", f"{address}?reason=x")
    assert gone.status_code == 409
    assert "corpus" in gone.json()["detail"]
    for name in ("none", "%22", "x" * 500):
        address = f"/api/scenarios/{name}"
        assert crew.ask("ed", "DELETE", address).status_code == 404
        put = crew.ask("ed", "PUT", address, sent={"text": OTHER_TEXT})
        assert put.status_code == 404

"""Scenarios for programs."""

from fastapi.testclient import TestClient

from app.config import ROOT

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

"""Costs over HTTP: the table, a reader's figures, the paths of a run."""

import pytest
from fastapi.testclient import TestClient

from app.sim import PLATFORMS
from tests.routes.test_whatif import read_text

SLUG = "kleen-sti-shadow"
STEP = "platform=software&outcome=sleeps-with-work&way=witness&step=5"


@pytest.fixture
def run(client: TestClient) -> str:
    """Return the id of a run that is stored."""
    report = client.post("/api/runs", json={"scenario": SLUG}).json()
    return str(report["id"])


def test_the_page_tells_whence_each_figure_is(client: TestClient) -> None:
    page = read_text(client.get("/costs/").text)
    assert "Adams and Agesen" in page
    assert "assumed" in page
    assert "2,389 trap" in page
    assert "16 ROM" in page


def test_figures_typed_go_into_the_address(client: TestClient) -> None:
    response = client.post(
        "/costs/",
        data={
            "costs": "rom.software:20",
            "trap.software": " 3000 ",
            "trap.hardware": "3963",
        },
        follow_redirects=False,
    )
    assert response.status_code == 303
    assert (
        response.headers["Location"]
        == "/costs/?costs=rom.software:20,trap.software:3000"
    )
    page = read_text(client.get(response.headers["Location"]).text)
    assert "your figure" in page
    assert "4,500 trap" in page
    assert "32 ROM" in page


def test_figures_typed_on_a_run_lead_back_to_it(client: TestClient) -> None:
    back = f"/whatif/{SLUG}?{STEP}"
    response = client.post(
        "/costs/",
        data={"back": back, "hypercall.software": "1"},
        follow_redirects=False,
    )
    target = response.headers["Location"]
    assert target == f"{back}&costs=hypercall.software:1"
    page = client.get(target)
    assert page.status_code == 200
    assert "with the table" in page.text
    # steps keep what was typed
    assert "step=6&amp;costs=hypercall.software%3A1" in page.text


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example/",
        "https://evil.example/runs/x",
        "/sign-out",
        "/runs/../sign-out",
        "/whatif/x?a=b c",
        "/whatif/x\r\nSet-Cookie: a=b",
    ],
)
def test_nobody_is_led_elsewhere(client: TestClient, back: str) -> None:
    response = client.post(
        "/costs/", data={"back": back}, follow_redirects=False
    )
    assert response.headers["Location"] == "/costs/"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trap.software": "many"}, "is no number of cycles"),
        ({"trap.software": "-1"}, "is no number of cycles"),
        ({"trap.software": "10000001"}, "not from 0 to 10000000"),
        ({"trip.software": "1"}, "no class of costs is called"),
        ({"trap.marsian": "1"}, "no platform is called"),
        ({"costs": "everything:1"}, "no change of a cost"),
    ],
)
def test_a_figure_that_is_none_is_refused(
    client: TestClient, fields: dict[str, str], message: str
) -> None:
    response = client.post("/costs/", data=fields)
    assert response.status_code == 422
    assert message in read_text(response.text)


@pytest.mark.parametrize("path", ["/costs/", f"/whatif/{SLUG}"])
def test_an_address_with_wrong_costs_is_refused(
    client: TestClient, path: str
) -> None:
    response = client.get(path, params={"costs": "trap:1"})
    assert response.status_code == 422
    assert "no change of a cost" in read_text(response.text)
    assert client.get(path, params={"costs": "x" * 2001}).status_code == 422


def test_a_run_tells_what_its_executions_cost(
    client: TestClient, run: str
) -> None:
    page = read_text(client.get(f"/runs/{run}?{STEP}").text)
    assert "What it costs: 3,829 cycles on software" in page
    assert "16 cycles, 923 up to here" in page
    dearer = read_text(
        client.get(f"/runs/{run}?{STEP}&costs=rom.software:104").text
    )
    assert "116 cycles, 1,123 up to here" in dearer


def test_programs_get_the_table(client: TestClient) -> None:
    items = client.get("/api/costs?costs=trap.software:3000").json()["items"]
    trap = next(each for each in items if each["name"] == "trap")
    assert set(trap["cycles"]) == set(PLATFORMS)
    assert trap["cycles"]["software"] == {
        "cycles": 3000,
        "source": None,
        "note": "",
        "changed": True,
    }
    assert trap["cycles"]["hardware"]["source"].startswith("Agesen")
    refused = client.get("/api/costs?costs=trap")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/costs"


def test_programs_get_each_execution_with_its_cycles(
    client: TestClient, run: str
) -> None:
    found = client.get(f"/api/runs/{run}/costs").json()
    assert found["run"] == run
    path = next(
        each
        for each in found["items"]
        if each["outcome"] == "sleeps-with-work"
        and (each["platform"], each["variant"]) == ("software", None)
        and each["way"] == "witness"
    )
    assert (path["cycles"], path["entries"], path["uncounted"]) == (3829, 2, 0)
    assert sum(step["cycles"] for step in path["steps"]) == path["cycles"]
    assert path["steps"][0] == {
        "step": 1,
        "text": "call VMI_DisableInterrupts",
        "cycles": 16,
        "classes": ["call", "rom", "call"],
    }
    assert client.get(f"/api/runs/{'0' * 64}/costs").status_code == 404


def test_the_report_knows_nothing_of_costs(
    client: TestClient, run: str
) -> None:
    """The id of a run does not depend on what a step costs."""
    assert "cycles" not in client.get(f"/api/runs/{run}").json()
    assert (
        client.post("/api/runs", json={"scenario": SLUG}).json()["id"] == run
    )

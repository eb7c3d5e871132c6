"""Pages that rest on surveys: at first how far they are, then the result."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.services.explorer import InlineExecutor
from app.services.surveys import Surveyor
from app.sim import GAPS, INSTRUCTIONS, PLATFORMS, POLICIES
from tests.services.test_surveys import FixedExecutor, fail

QUESTION = "kleen-unimplemented-msr"
POLICY_PAGE = f"/whatif/{QUESTION}/policies"
PAGES = ("/gaps/", "/diet/", POLICY_PAGE)
LISTS = ("/api/gaps", "/api/diet", f"/api/scenarios/{QUESTION}/policies")


@pytest.fixture
def surveyed(settings: Settings) -> Iterator[TestClient]:
    """Return a client of an application that surveys at once."""
    app = create_app(settings)
    app.state.surveyor = Surveyor(app.state.database, start=InlineExecutor)
    with TestClient(app) as client:
        yield client


@pytest.fixture
def waiting(settings: Settings) -> Iterator[TestClient]:
    """Return a client of an application whose surveys never end."""
    app = create_app(settings)
    app.state.surveyor = Surveyor(app.state.database, start=FixedExecutor)
    with TestClient(app) as client:
        yield client


def read_twice(client: TestClient, path: str) -> Any:
    """Return a list as it is when the survey is made."""
    assert client.get(path).status_code == 202
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_does_not_wait(waiting: TestClient, path: str) -> None:
    """It says that the runs go on, and is not to be kept."""
    answer = waiting.get(path)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Look again" in answer.text
    assert 'hx-trigger="load delay' in answer.text


@pytest.mark.parametrize("path", LISTS)
def test_a_list_does_not_wait(waiting: TestClient, path: str) -> None:
    """It answers 202, with how far it is and when to ask again."""
    answer = waiting.get(path)
    assert answer.status_code == 202
    assert answer.headers["Retry-After"]
    assert answer.json()["progress"] == {"done": 0, "total": 0}


@pytest.mark.parametrize("path", PAGES)
def test_a_failure_is_told(settings: Settings, path: str) -> None:
    """The page says so, and everything else on it is there."""
    app = create_app(settings)
    app.state.surveyor = Surveyor(app.state.database, start=fail)
    with TestClient(app) as client:
        client.get(path)
        answer = client.get(path)
    assert "MemoryError: no more" in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_a_result_is_kept(surveyed: TestClient, path: str) -> None:
    """The second who asks gets the result."""
    surveyed.get(path)
    answer = surveyed.get(path)
    assert "Look again" not in answer.text
    assert answer.headers.get("Cache-Control") != "no-store"


def test_the_gaps(surveyed: TestClient) -> None:
    """Each gap has its clause, its readings and what they lead to."""
    content = read_twice(surveyed, "/api/gaps")
    assert content["progress"] is None
    gaps = {item["name"]: item for item in content["items"]}
    assert set(gaps) == set(GAPS)
    assert all(item["section"] for item in gaps.values())
    msr = gaps["unimplemented_msr"]
    assert msr["section"] == "cpu-control-calls"
    assert QUESTION in msr["threads"]
    (faults,) = (
        each
        for each in msr["consequences"]
        if each["scenario"] == QUESTION
        and each["outcome"] == "VMI_RDMSR faults (#GP)"
    )
    assert faults["answers"] == {
        "fault": "always",
        "zero": "never",
        "pass-through": "never",
    }
    assert gaps["iret_user_if"]["threads"] == []


def test_the_page_of_gaps(surveyed: TestClient) -> None:
    """Sentences, calls, questions and the document's own list of slips."""
    surveyed.get("/gaps/")
    text = surveyed.get("/gaps/").text
    for gap in GAPS.values():
        assert f'id="{gap.name}"' in text
    assert "Asked by nobody in the review" in text
    assert "Misprints and open ends" in text
    assert "prototype returns void, text defines a result in EAX" in text


def test_the_diet(surveyed: TestClient) -> None:
    """What can go and what must stay, with the questions that decide."""
    content = read_twice(surveyed, "/api/diet?platform=software")
    calls = {call["name"]: call for call in content["calls"]}
    enable = calls["VMI_EnableInterrupts"]
    assert enable["stand"] == "needed"
    assert enable["native"] == ["sti"]
    assert enable["traps"]
    assert "kleen-sti-shadow" in enable["deciding"]
    spare = [c for c in calls.values() if c["stand"] == "spare"]
    assert spare
    assert all(c["deciding"] and not c["changes"] for c in spare)
    assert calls["VMI_GetWallclockTime"]["stand"] == "bare"
    assert "VMI_EnableInterrupts" in content["kept"]
    assert set(content["kept"]).isdisjoint(content["dropped"])
    changed = {change["scenario"] for change in enable["changes"]}
    assert changed <= set(enable["deciding"])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_page_of_the_diet(surveyed: TestClient, platform: str) -> None:
    """There is one for each platform."""
    address = f"/diet/?platform={platform}"
    surveyed.get(address)
    text = surveyed.get(address).text
    assert "The smallest interface" in text
    assert PLATFORMS[platform].title in text


@pytest.mark.parametrize("path", ["/diet/", "/api/diet"])
def test_a_diet_of_no_platform(surveyed: TestClient, path: str) -> None:
    """The platforms are those of the simulator."""
    assert surveyed.get(f"{path}?platform=toaster").status_code == 404


def test_what_answers_depend_on(surveyed: TestClient) -> None:
    """What matters is computed, and what does not is named."""
    content = read_twice(surveyed, LISTS[2])
    parts = {part["platform"]: part for part in content["platforms"]}
    assert content["scenario"] == QUESTION
    software = parts["software"]
    assert software["outcomes"]["call-faults"]["matters"] == [
        "unimplemented_msr"
    ]
    assert software["runs"] <= software["combinations"]
    assert parts["native"]["outcomes"]["call-faults"] == {
        "matters": [],
        "rows": [{"choices": {}, "answer": "never"}],
    }


def test_the_page_of_what_answers_depend_on(surveyed: TestClient) -> None:
    """The tables stand under the question."""
    surveyed.get(POLICY_PAGE)
    text = surveyed.get(POLICY_PAGE).text
    assert "What the answers depend on" in text
    assert "<code>unimplemented_msr</code>" in text
    assert POLICY_PAGE in surveyed.get(f"/whatif/{QUESTION}").text


@pytest.mark.parametrize(
    "path", ["/whatif/nothing/policies", "/api/scenarios/nothing/policies"]
)
def test_no_question_depends_on_nothing(
    surveyed: TestClient, path: str
) -> None:
    """There has to be a question."""
    assert surveyed.get(path).status_code == 404


def test_the_platforms(client: TestClient) -> None:
    """All platforms, what becomes of instructions, and all policies."""
    content = client.get("/api/platforms").json()
    items = {item["name"]: item for item in content["items"]}
    assert list(items) == list(PLATFORMS)
    software = items["software"]["instructions"]
    assert software["cli"] == "traps"
    assert software["popf"] == "silent"
    assert software["sgdt"] == "reveals"
    assert set(items["native"]["instructions"].values()) == {"as-is"}
    assert items["hardware"]["instructions"]["cpuid"] == "taken"
    assert set(software) == {
        name for name, spec in INSTRUCTIONS.items() if spec.sensitive
    }
    policies = {policy["name"]: policy for policy in content["policies"]}
    assert list(policies) == list(POLICIES)
    assert "kleen-watchdog-nmi" in policies["nmi"]["scenarios"]
    assert policies["unimplemented_msr"]["gap"]
    assert items["native"]["policies"]["init"] == "fails"


def test_the_page_of_platforms(
    client: TestClient, statements: list[str]
) -> None:
    """It is made in one query beside those of the shell."""
    text = client.get("/platforms/").text
    for platform in PLATFORMS.values():
        assert platform.title in text
    for name in POLICIES:
        assert f'id="policy-{name}"' in text
    assert len(statements) <= 5

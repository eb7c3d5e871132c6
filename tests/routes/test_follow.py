"""Following a run: joined, cancelled, failed, and stored unattended."""

import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.errors import ConflictError, InvalidError
from app.routes import follow
from app.services import runs
from app.services.asking import Question
from app.services.explorer import Explorer
from tests.routes.crew import Crew
from tests.routes.test_whatif import read_text

LOOP = """\
question = "How far does it count?"
[code]
kernel = '''
again:  inc dword ptr [count]
        jmp again
'''
[data]
count = 0
[outcomes]
wraps = { is = "count == 0xffffffff" }
"""
SHORT = 2.0
MANY = "".join(
    f'[variants.v{number}]\nplatform = "native"\n' for number in range(14)
)


@pytest.fixture
def client(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Return a client of an application that waits for nothing."""
    monkeypatch.setattr(follow, "PATIENCE", 0.05)
    return client


@pytest.fixture
def explorer(client: TestClient) -> Iterator[Explorer]:
    explorer: Explorer = client.app.state.explorer  # type: ignore[attr-defined]
    yield explorer
    explorer.close()


def begin(client: TestClient, text: str) -> str:
    """Ask a question that takes long; return where it can be followed."""
    response = client.post("/runs/", data={"scenario_text": text})
    assert response.url.path.endswith("/progress")
    return response.url.path


def test_a_long_run_is_followed_and_cancelled(
    client: TestClient, explorer: Explorer
) -> None:
    url = begin(client, LOOP + MANY)
    assert begin(client, LOOP + MANY) == url
    job = explorer.find(url.split("/")[2])
    assert job is not None
    end = time.monotonic() + 60
    while job.progress is None or not job.progress.states:
        assert time.monotonic() < end
        time.sleep(0.02)
    page = client.get(url)
    assert "It is being explored" in read_text(page.text)
    assert "native" in page.text
    assert "/whatif/new?q=1" in page.text
    part = client.get(url, headers={"HX-Request-Type": "partial"})
    assert "<html" not in part.text
    assert 'hx-trigger="load' in part.text
    response = client.post(url.replace("progress", "cancel"))
    job_error = "the run was cancelled"
    # the very page that answers says so, for nobody without script polls
    assert job_error in read_text(response.text)
    with pytest.raises(Exception, match=job_error):
        job.wait(30)
    page = client.get(url)
    assert response.url.path == url
    assert job_error in read_text(page.text)
    assert "hx-trigger" not in page.text


def test_who_asked_or_an_editor_cancels_a_run(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others who follow it are not offered to, whatever their address."""
    monkeypatch.setattr(follow, "PATIENCE", 0.05)
    asked = crew.browse("ada", "/runs/", {"scenario_text": LOOP + MANY})
    url = asked.headers["Location"]
    cancel = url.replace("progress", "cancel")
    button = 'data-key-label="cancel the run"'
    offered = {
        name: button in crew.browse(name, url).text
        for name in ("ada", "bob", "ed", "eve")
    }
    assert offered == {"ada": True, "bob": False, "ed": True, "eve": False}
    for name in ("bob", "eve"):
        assert crew.browse(name, cancel, {}).status_code == 403
    assert crew.ask(None, "POST", cancel).status_code == 403
    refused = crew.ask("bob", "DELETE", f"/api{url}")
    assert refused.status_code == 403
    assert "an editor may cancel" in refused.json()["detail"]
    assert crew.ask("ed", "DELETE", f"/api{url}").status_code == 204
    page = crew.browse("bob", url)
    assert "the run was cancelled" in read_text(page.text)


def test_a_run_is_stored_though_nobody_waits(
    client: TestClient, explorer: Explorer, database: Database
) -> None:
    explorer.seconds = SHORT
    url = begin(client, LOOP)
    run_id = url.split("/")[2]
    job = explorer.find(run_id)
    if job is not None:
        assert job.wait(60)
    with database.read() as session:
        assert runs.find_run(session, run_id)
    page = client.get(f"{url}?platform=software")
    assert page.url.path == f"/runs/{run_id}"
    assert page.url.query == b"platform=software"
    part = client.get(url, headers={"HX-Request-Type": "partial"})
    assert part.headers["HX-Redirect"] == f"/runs/{run_id}"
    assert client.post(f"/runs/{run_id}/cancel").url == f"{page.url}".replace(
        "?platform=software", ""
    )


def test_a_run_that_was_not_asked_is_not_found(client: TestClient) -> None:
    assert client.get(f"/runs/{'0' * 64}/progress").status_code == 404
    cancelled = client.post(f"/runs/{'0' * 64}/cancel", follow_redirects=False)
    assert cancelled.status_code == 404
    url = f"/api/runs/{'0' * 64}/progress"
    assert client.delete(url).status_code == 404


def test_a_run_that_fails_says_why(
    client: TestClient, explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("secret")

    monkeypatch.setattr(runs, "store_report", fail)
    explorer.seconds = SHORT
    url = begin(client, LOOP)
    job = explorer.find(url.split("/")[2])
    assert job is not None
    with pytest.raises(LookupError):
        job.wait(60)
    text = read_text(client.get(url).text)
    assert "the program failed" in text
    assert "secret" not in text


def test_a_refusal_is_told_as_it_is() -> None:
    assert follow.describe(InvalidError("too large")) == "too large"


def test_others_are_answered_while_long_questions_are_explored(
    client: TestClient, explorer: Explorer
) -> None:
    """All workers are taken: pages and checks do not wait for them."""
    for number in range(4):
        begin(client, LOOP + MANY + "#" * number)
    begun = time.monotonic()
    assert client.get("/calls/").status_code == 200
    found = client.post("/whatif/check", data={"scenario_text": LOOP}).json()
    assert found["errors"] == []
    assert time.monotonic() - begun < 5
    again = client.post("/api/runs", json={"scenario": "kleen-watchdog-nmi"})
    assert again.status_code == 200
    assert explorer.bound(Question("posted", LOOP)).limits.seconds == 10


def test_a_client_that_asks_too_much_is_told_to_wait(
    client: TestClient, explorer: Explorer
) -> None:
    for number in range(6):
        begin(client, LOOP + MANY + "#" * number)
    response = client.post(
        "/runs/", data={"scenario_text": LOOP + MANY + "\n"}
    )
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert explorer.seconds == 10


def test_a_program_follows_and_cancels_without_waiting(
    client: TestClient, explorer: Explorer
) -> None:
    response = client.post(
        "/api/runs",
        json={"scenario_text": LOOP + MANY},
        headers={"Prefer": "respond-async"},
    )
    assert response.status_code == 202
    assert response.json()["state"] in {"waiting", "exploring"}
    url = response.headers["Location"]
    job = explorer.find(response.json()["id"])
    assert job is not None
    assert client.get(url).json()["detail"] is None
    assert client.delete(url).status_code == 204
    with pytest.raises(ConflictError):
        job.wait(30)
    found = client.get(url).json()
    assert (found["state"], found["detail"]) == (
        "failed",
        "the run was cancelled",
    )
    known = client.post(
        "/api/runs",
        json={"scenario": "kleen-watchdog-nmi"},
        headers={"Prefer": "respond-async"},
    )
    assert known.json()["state"] == "done"
    assert client.get("/api/runs/none/progress").status_code == 404

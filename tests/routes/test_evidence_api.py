"""Evidence for programs: put forward, listed, withdrawn unless it is cited."""

import pytest

from app.services import scenarios
from tests.routes.crew import Crew

SLUG = "kleen-sti-shadow"
ADDRESS = f"/api/threads/{SLUG}/evidence"
LATE = '"of-yesterday"'


@pytest.fixture
def claim(crew: Crew) -> dict[str, str]:
    """Return an answer of the question's last run."""
    with crew.database.read() as session:
        run_id = scenarios.read_question(session, SLUG).run_id
    return {
        "run": run_id or "",
        "platform": "native",
        "outcome": "sleeps-with-work",
        "expected": "sometimes",
    }


def test_evidence_is_put_forward_once_and_withdrawn(
    crew: Crew, claim: dict[str, str]
) -> None:
    made = crew.ask("ada", "POST", ADDRESS, sent=claim)
    assert made.status_code == 201
    address = made.headers["location"]
    assert crew.ask(None, "GET", address).json() == made.json()
    assert made.json()["reviewer"] == "ada"
    assert made.json()["thread"] == SLUG
    again = crew.ask("ada", "POST", ADDRESS, sent=claim)
    assert again.status_code == 200
    assert again.json() == made.json()
    listed = crew.ask(None, "GET", ADDRESS).json()["items"]
    assert listed == [made.json()]
    assert crew.ask("bob", "DELETE", address).status_code == 403
    late = crew.ask("ada", "DELETE", address, If_Match=LATE)
    assert late.status_code == 412
    tag = made.headers["etag"]
    gone = crew.ask("ada", "DELETE", address, If_Match=tag)
    assert gone.status_code == 204
    assert crew.ask(None, "GET", address).status_code == 404
    assert f"evidence-{made.json()['id']}" not in (
        crew.client.get(f"/threads/{SLUG}").text
    )
    line = crew.read_log()[-1]
    assert (line.type, line.subject) == (
        "evidence.withdrawn",
        f"thread:{SLUG}",
    )


def test_what_a_decision_stands_on_stays(
    crew: Crew, claim: dict[str, str]
) -> None:
    made = crew.ask("ada", "POST", ADDRESS, sent=claim).json()
    decided = crew.ask(
        "bob",
        "POST",
        "/api/decisions",
        sent={
            "thread": SLUG,
            "disposition": "accepted",
            "reason": "It was run.",
            "evidence": [made["id"]],
        },
    )
    number = decided.json()["number"]
    address = f"/api/evidence/{made['id']}"
    assert crew.ask(None, "GET", address).json()["cited_by"] == number
    for name in ("ada", "ed"):
        answer = crew.ask(name, "DELETE", f"{address}?reason=x")
        assert answer.status_code == 409
        assert f"decision {number}" in answer.json()["detail"]
    assert crew.ask(None, "GET", address).status_code == 200


@pytest.mark.parametrize(
    ("more", "status", "pointer"),
    [
        ({"run": "0" * 64}, 404, None),
        ({"platform": "abacus"}, 422, "/platform"),
        ({"outcome": "none"}, 422, "/outcome"),
        ({"expected": "limit"}, 422, "/expected"),
        ({"answer": "always"}, 422, "/answer"),
        ({"state": "holds"}, 422, "/state"),
        ({"reviewer_id": "1"}, 422, "/reviewer_id"),
    ],
)
def test_an_answer_is_read_from_the_run_and_never_sent(
    crew: Crew,
    claim: dict[str, str],
    more: dict[str, str],
    status: int,
    pointer: str | None,
) -> None:
    answer = crew.ask("ada", "POST", ADDRESS, sent=claim | more)
    assert answer.status_code == status
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer


def test_who_may_not_write_puts_nothing_forward(
    crew: Crew, claim: dict[str, str]
) -> None:
    assert crew.ask(None, "POST", ADDRESS, sent=claim).status_code == 401
    assert crew.ask("eve", "POST", ADDRESS, sent=claim).status_code == 403
    nowhere = "/api/threads/none/evidence"
    assert crew.ask("ada", "POST", nowhere, sent=claim).status_code == 404
    assert crew.ask(None, "GET", nowhere).status_code == 404
    assert crew.ask(None, "GET", "/api/evidence/0").status_code == 422

"""Evidence is attached by form, by who is signed in."""

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.models import EvidenceState, Role
from app.services import evidence, scenarios
from tests import factories
from tests.routes.test_whatif import read_text

SLUG = "kleen-sti-shadow"
OTHER = "kleen-rdtsc-userspace"


@pytest.fixture
def headers(database: Database) -> dict[str, str]:
    """Return the headers of a reviewer."""
    with database.write() as session:
        factories.make_visitor(session)
        return factories.make_token(session)


@pytest.fixture
def form(database: Database) -> dict[str, str]:
    """Return the form as the page of the question fills it in."""
    with database.read() as session:
        run_id = scenarios.read_question(session, SLUG).run_id
    return {
        "run": run_id or "",
        "platform": "native",
        "variant": "",
        "outcome": "sleeps-with-work",
        "expected": "sometimes",
        "thread": "",
    }


def test_the_form_is_shown_to_who_may_use_it(
    client: TestClient, database: Database, headers: dict[str, str]
) -> None:
    action = f"/threads/{SLUG}/evidence"
    assert action not in client.get(f"/whatif/{SLUG}").text
    page = client.get(f"/whatif/{SLUG}", headers=headers).text
    assert action in page
    assert f'<option value="{SLUG}" selected' in page
    with database.write() as session:
        factories.make_visitor(session, "eve", Role.reader)
        reader = factories.make_token(session, "eve")
    assert action not in client.get(f"/whatif/{SLUG}", headers=reader).text


def test_an_attached_run_stands_on_the_thread(
    client: TestClient,
    database: Database,
    headers: dict[str, str],
    form: dict[str, str],
) -> None:
    response = client.post(
        f"/threads/{SLUG}/evidence",
        data=form,
        headers=headers,
        follow_redirects=False,
    )
    assert response.status_code == 303
    assert response.headers["Location"].endswith(
        f"/threads/{SLUG}#evidence-head"
    )
    with database.read() as session:
        (row,) = evidence.list_evidence(session, SLUG)
    assert row.state == EvidenceState.fails
    page = client.get(f"/threads/{SLUG}").text
    assert f'id="evidence-{row.id}"' in page
    assert f"/runs/{row.run_id}?" in page
    assert "differs" in read_text(page)


def test_the_form_may_name_another_thread(
    client: TestClient,
    database: Database,
    headers: dict[str, str],
    form: dict[str, str],
) -> None:
    client.post(
        f"/threads/{SLUG}/evidence",
        data={**form, "thread": OTHER},
        headers=headers,
    )
    with database.read() as session:
        assert len(evidence.list_evidence(session, OTHER)) == 1
        assert evidence.list_evidence(session, SLUG) == []


def test_nothing_is_attached_without_a_sign_in(
    client: TestClient, form: dict[str, str]
) -> None:
    response = client.post(f"/threads/{SLUG}/evidence", data=form)
    assert response.status_code == 401


def test_an_expectation_must_be_chosen(
    client: TestClient, headers: dict[str, str], form: dict[str, str]
) -> None:
    response = client.post(
        f"/threads/{SLUG}/evidence",
        data={**form, "expected": "", "thread": OTHER},
        headers=headers,
    )
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.text
    assert f'<option value="{OTHER}" selected' in response.text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"run": "0" * 64}, 404),
        ({"run": "x", "expected": ""}, 404),
        ({"thread": "none"}, 404),
        ({"platform": "vax"}, 422),
        ({"outcome": "none"}, 422),
        ({"expected": "limit"}, 422),
    ],
)
def test_what_does_not_exist_is_not_attached(
    client: TestClient,
    headers: dict[str, str],
    form: dict[str, str],
    change: dict[str, str],
    status: int,
) -> None:
    response = client.post(
        f"/threads/{SLUG}/evidence", data={**form, **change}, headers=headers
    )
    assert response.status_code == status

"""Question pages: stored answers, every step an address of its own."""

import re
from html import unescape

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.config import Settings
from app.db import Database
from app.main import create_app
from app.services import scenarios
from app.services.corpus import BUNDLED
from app.services.explorer import Explorer, start_inline

SLUG = "kleen-sti-shadow"
SCENARIOS = len(list((BUNDLED / "scenarios").glob("*.toml")))
OUTCOME = "sleeps-with-work"
STEP = f"platform=software&outcome={OUTCOME}&way=witness"


@pytest.fixture
def client(client: TestClient) -> TestClient:
    """Return a client whose application explores in its own process."""
    client.app.state.explorer = Explorer(  # type: ignore[attr-defined]
        workers=1, seconds=10, start=start_inline
    )
    return client


def read_text(html: str) -> str:
    """Return what a page says, without its mark-up."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_the_matrix_has_every_outcome_of_every_question(
    client: TestClient, session: Session
) -> None:
    page = client.get("/whatif/")
    assert page.status_code == 200
    text = read_text(page.text)
    for question in scenarios.list_questions(session):
        assert question.question in text
        for line in question.lines:
            assert line.variant is not None or line.phrase in text


def test_the_matrix_is_read_in_two_queries(database: Database) -> None:
    asked: list[str] = []

    def note(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    with database.read() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        assert len(scenarios.list_questions(session)) == SCENARIOS
        event.remove(connection, "before_cursor_execute", note)
    assert len(asked) == 2


def test_the_matrix_can_be_about_one_call(client: TestClient) -> None:
    html = client.get(
        "/whatif/?call=VMI_RDTSC", headers={"HX-Request-Type": "partial"}
    ).text
    assert "<html" not in html
    assert "kleen-rdtsc-useless" in html
    assert SLUG not in html
    empty = client.get("/whatif/?call=VMI_None").text
    assert "No question is about VMI_None" in read_text(empty)


def test_a_review_without_questions_says_what_to_do(
    empty_database: Database, settings: Settings
) -> None:
    bare = settings.model_copy(update={"database_url": empty_database.url})
    with TestClient(create_app(bare)) as client:
        page = read_text(client.get("/whatif/").text)
    assert "No question is loaded" in page


def test_a_question_is_answered_in_a_sentence(client: TestClient) -> None:
    text = read_text(client.get(f"/whatif/{SLUG}").text)
    assert "On a software hypervisor it can happen that" in text
    assert "On native hardware" in text
    assert "never happens" in text


def test_each_step_has_an_address_and_marks_its_line(
    client: TestClient,
) -> None:
    first = client.get(f"/whatif/{SLUG}?{STEP}&step=1").text
    assert "step 1 of" in first
    assert re.search(r'<li aria-current="step"><code>', first)
    assert 'class="changed"' in first
    assert "step=2" in first
    last = client.get(f"/whatif/{SLUG}?{STEP}&step=999999").text
    (number, count) = re.findall(r"step (\d+) of (\d+)", last)[0]
    assert number == count


def test_the_counter_witness_is_another_execution(client: TestClient) -> None:
    other = STEP.replace("witness", "counter")
    text = read_text(client.get(f"/whatif/{SLUG}?{other}").text)
    assert "one that has it not" in text


def test_an_answer_without_execution_says_why(client: TestClient) -> None:
    query = f"platform=native&outcome={OUTCOME}"
    text = read_text(client.get(f"/whatif/{SLUG}?{query}").text)
    assert "There is nothing to step through: all" in text


def test_htmx_gets_the_view_alone(client: TestClient) -> None:
    partial = client.get(
        f"/whatif/{SLUG}?{STEP}&step=2", headers={"HX-Request-Type": "partial"}
    )
    assert "<html" not in partial.text
    assert 'id="run-view"' in partial.text
    assert "HX-Request-Type" in partial.headers["Vary"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("platform=vax", 404),
        ("outcome=none", 404),
        ("platform=native&variant=none", 404),
        ("step=-1", 422),
        ("step=x", 422),
        ("nmi=never", 422),
        ("platform=%27", 422),
        ("platform=&nmi=&step=0", 200),
    ],
)
def test_an_address_that_names_nothing_is_refused(
    client: TestClient, query: str, status: int
) -> None:
    assert client.get(f"/whatif/{SLUG}?{query}").status_code == status


def test_choices_that_nobody_ran_offer_to_run_them(
    client: TestClient,
) -> None:
    query = "?interrupt_delivery=explicit"
    text = read_text(client.get(f"/whatif/{SLUG}{query}").text)
    assert "Nobody has run the question like this yet" in text
    response = client.post(
        f"/whatif/{SLUG}/runs",
        data={"interrupt_delivery": "explicit", "platform": "software"},
        follow_redirects=False,
    )
    assert response.status_code == 303
    assert re.search(
        r"/runs/[0-9a-f]{64}\?platform=software$", response.headers["Location"]
    )
    page = read_text(client.get(response.headers["Location"]).text)
    assert "interrupt delivery explicit" in page


def test_unknown_choices_are_not_run(client: TestClient) -> None:
    response = client.post(f"/whatif/{SLUG}/runs", data={"nmi": "maybe"})
    assert response.status_code == 422
    assert client.post("/whatif/none/runs").status_code == 404

"""Run pages: any stored run."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlmodel import col

from app.db import Database
from app.models import Run
from app.services.explorer import Explorer, start_inline
from tests.routes.test_whatif import read_text

TEXT = """\
question = "Does it <b>sleep</b>?"
[code]
kernel = '''
        cli
        hlt
'''
[outcomes]
sleeps = { when = "end", is = "halted", text = "the processor <i>sleeps</i>" }
"""


@pytest.fixture
def client(client: TestClient) -> TestClient:
    """Return a client whose application explores in its own process."""
    client.app.state.explorer = Explorer(  # type: ignore[attr-defined]
        workers=1, seconds=10, start=start_inline
    )
    return client


def test_a_run_that_is_read_no_more_still_tells_its_answers(
    client: TestClient, database: Database
) -> None:
    url = client.post("/runs/", data={"scenario_text": TEXT}).url
    with database.write() as session:
        session.execute(
            update(Run)
            .where(col(Run.scenario_slug).is_(None))
            .values(text="question = 1")
        )
    other = url.copy_with(query=b"platform=native")
    page = read_text(client.get(other).text)
    assert "reads the scenario no more" in page
    assert "always" in page


STEP = "platform=software&outcome=sleeps-with-work&way=witness&step=5"


def test_a_run_tells_where_platforms_part(client: TestClient) -> None:
    page = client.get(f"/whatif/kleen-sti-shadow?{STEP}").text
    text = read_text(page)
    assert "software and native diverge at step 5" in text
    assert "next irq0 here, sleep there" in text
    assert "≠ native, hardware" in text


def test_a_run_tells_what_bounded_it(client: TestClient) -> None:
    report = client.post("/api/runs", json={"scenario_text": TEXT}).json()
    page = read_text(client.get(f"/runs/{report['id']}").text)
    assert "Each search was bounded: 100,000 states" in page


def test_steps_that_do_not_matter_fold(client: TestClient) -> None:
    text = TEXT.replace("cli", "mov eax, 1\n        mov ecx, 2\n        cli")
    report = client.post("/api/runs", json={"scenario_text": text}).json()
    path = f"/runs/{report['id']}?platform=native"
    whole = client.get(path).text
    assert "fold 2 that do not matter" in read_text(whole)
    folded = client.get(f"{path}&fold=1").text
    assert "2 steps not shown" in read_text(folded)
    assert "show 2 that do not matter" in read_text(folded)
    assert client.get(f"{path}&fold=2").status_code == 422


def test_a_run_that_has_become_stale_says_so(
    client: TestClient, database: Database
) -> None:
    report = client.post("/api/runs", json={"scenario_text": TEXT}).json()
    path = f"/runs/{report['id']}"
    assert "Stale:" not in client.get(path).text
    with database.write() as session:
        session.execute(
            update(Run).where(col(Run.id) == report["id"]).values(model="0.1")
        )
    assert "Stale:" in client.get(path).text


def test_a_remark_on_a_step_stands_on_the_run(
    client: TestClient, signed_in: TestClient
) -> None:
    url = client.post("/runs/", data={"scenario_text": TEXT}).url
    document = {
        "@context": "http://www.w3.org/ns/anno.jsonld",
        "type": "Annotation",
        "motivation": "commenting",
        "body": {"type": "TextualBody", "value": "Here it <b>sleeps</b>."},
        "target": {
            "type": "SpecificResource",
            "source": url.path,
            "selector": {
                "type": "FragmentSelector",
                "conformsTo": "http://testserver/ns/review#step",
                "value": "step=17&reg=eip",
            },
        },
    }
    posted = signed_in.post("/annotations/", json=document)
    page = client.get(url).text
    assert "Here it &lt;b&gt;sleeps&lt;/b&gt;." in page
    assert "<code>step=17&amp;reg=eip</code>" in page
    signed_in.delete(posted.headers["location"])
    assert "Here it" not in client.get(url).text

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

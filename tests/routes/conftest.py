"""Applications on SQLite, one a module: to read, or to write as a crew."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from tests.conftest import SQLiteCopies
from tests.routes.crew import Crew, gather


@pytest.fixture(scope="module")
def site(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """Return a client of an application with the bundled corpus."""
    url = sqlite_copies.make("full")
    settings = Settings(
        database_url=url,
        data_dir=tmp_path_factory.mktemp("site"),
        base_url="http://testserver",
    )
    with TestClient(create_app(settings)) as client:
        yield client
    sqlite_copies.drop(url)


@pytest.fixture(scope="module")
def crew(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crew]:
    """Return people of each role, and the application that they share."""
    url = sqlite_copies.make("full")
    settings = Settings(
        database_url=url,
        data_dir=tmp_path_factory.mktemp("crew"),
        base_url="http://testserver",
    )
    app = create_app(settings)
    with TestClient(app) as client:
        yield gather(client, app.state.database)
    sqlite_copies.drop(url)

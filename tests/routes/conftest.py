"""A site for tests that only read: one a module, on SQLite."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from tests.conftest import SQLiteCopies


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

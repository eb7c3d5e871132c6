"""Applications on SQLite, one a module: to read, or to write as a crew.

Services are tested on both engines. A test of a route has one of them, by its
name, so that each route meets both in one test or another.
"""

import zlib
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from tests.conftest import ENGINES, PostgresCopies, SQLiteCopies
from tests.routes.crew import Crew, gather


@pytest.fixture
def copies(
    request: pytest.FixtureRequest,
) -> SQLiteCopies | PostgresCopies:
    """Return the maker of databases of the engine that a test has."""
    number = zlib.crc32(request.node.nodeid.encode()) % len(ENGINES)
    maker = ("sqlite_copies", "postgres_copies")[number]
    made: SQLiteCopies | PostgresCopies = request.getfixturevalue(maker)
    return made


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

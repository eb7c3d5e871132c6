"""A site and its browsers, for tests of accounts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from fastapi.testclient import TestClient

from app.config import Settings
from app.db import Database
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role
from app.services import sessions
from tests.conftest import SQLiteCopies
from tests.factories import make_visitor


class Site:
    """An application on SQLite, and who comes to it."""

    def __init__(self, client: TestClient) -> None:
        self.app = cast("Any", client.app)
        self.database: Database = self.app.state.database

    def open(self) -> TestClient:
        """Return a browser that nobody has signed in with."""
        client = TestClient(self.app, follow_redirects=False)
        client.headers["Sec-Fetch-Site"] = "same-origin"
        client.headers["Accept"] = "text/html"
        return client

    def enter(self, name: str, role: Role = Role.reviewer) -> TestClient:
        """Add an account and return a browser that it is signed in with."""
        with self.database.write() as session:
            visitor = make_visitor(session, name, role)
        return self.enter_again(visitor.id)

    def enter_again(self, reviewer_id: int) -> TestClient:
        """Return one more browser of an account."""
        with self.database.write() as session:
            secret = sessions.sign_in(
                session, reviewer_id, days=1, means="test"
            )
        client = self.open()
        client.cookies.set(SESSION_COOKIE, secret, domain="testserver.local")
        return client


@contextmanager
def run_site(
    copies: SQLiteCopies, folder: Path, **given: Any
) -> Iterator[Site]:
    """Run an application of these settings for a while."""
    url = copies.make("full")
    settings = Settings(
        database_url=url,
        data_dir=folder,
        base_url="http://testserver",
        limit_sign_ins="",
        **given,
    )
    with TestClient(create_app(settings)) as client:
        yield Site(client)
    copies.drop(url)

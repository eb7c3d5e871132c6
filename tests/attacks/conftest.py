"""A site to attack, on SQLite: an account of each role, no limits of rate."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.config import Settings
from app.db import Database
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role
from app.services import sessions, tokens
from tests.browser.conftest import (
    browser_type_launch_args as browser_type_launch_args,  # noqa: PLC0414 - a fixture
)
from tests.conftest import SQLiteCopies
from tests.factories import make_visitor

LIMITS = ("reads", "writes", "sign_ins", "imports", "runs")
UNLIMITED: dict[str, Any] = {f"limit_{name}": "" for name in LIMITS}


@dataclass
class Target:
    """The application, and what its accounts send to be known."""

    app: FastAPI
    client: TestClient
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        """Return its database."""
        found: Database = self.app.state.database
        return found

    def add(self, name: str, role: Role) -> None:
        """Add an account with a token and a session."""
        with self.database.write() as session:
            visitor = make_visitor(session, name, role)
            token = tokens.create_token(session, name).secret
            secret = sessions.sign_in(
                session, visitor.id, days=1, means="test"
            )
        self.headers[name] = {"Authorization": f"Bearer {token}"}
        self.cookies[name] = {
            "Cookie": f"{SESSION_COOKIE}={secret}",
            "Sec-Fetch-Site": "same-origin",
        }

    def send(self, name: str, method: str, path: str, **sent: Any) -> Any:
        """Send a request with somebody's token; return what it answers."""
        headers = {**self.headers[name], **sent.pop("headers", {})}
        return self.client.request(
            method, path, headers=headers, follow_redirects=False, **sent
        )

    def submit(self, name: str, path: str, typed: dict[str, str]) -> Any:
        """Submit a form in a signed-in browser's way."""
        return self.client.post(
            path,
            data=typed,
            headers=self.cookies[name],
            follow_redirects=False,
        )

    def count_entries(self) -> int:
        """Return how long the log is."""
        items = self.client.get("/healthz").json()
        return int(items["head"])


@pytest.fixture(scope="module")
def target(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """Return a site with the corpus and four accounts."""
    url = sqlite_copies.make("full")
    settings = Settings(
        database_url=url,
        data_dir=tmp_path_factory.mktemp("attacks"),
        allowed_hosts="testserver",
        body_seconds=0.5,
        **UNLIMITED,
    )
    app = create_app(settings)
    with TestClient(app) as client:
        made = Target(app, client)
        made.add("rita", Role.reader)
        made.add("ada", Role.reviewer)
        made.add("bob", Role.reviewer)
        made.add("eve", Role.editor)
        made.add("root", Role.administrator)
        yield made
    sqlite_copies.drop(url)

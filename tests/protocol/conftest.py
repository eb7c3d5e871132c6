"""One application a module, with an annotator; SQLite, for HTTP is tested."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.db import Database
from app.main import create_app
from app.models import Role
from tests.conftest import SQLiteCopies
from tests.factories import make_token, make_visitor

PAGE = 25
ROOT = "http://testserver/annotations/"


def make_settings(url: str, folder: Path) -> Settings:
    """Return settings with short pages and no limit on how often one asks."""
    return Settings(
        database_url=url,
        data_dir=folder,
        base_url="http://testserver",
        annotation_page=PAGE,
        limit_reads="",
        limit_writes="",
    )


@pytest.fixture(scope="module")
def service_database(sqlite_copies: SQLiteCopies) -> Iterator[Database]:
    """Return a database with the bundled corpus, for a whole module."""
    database = Database(sqlite_copies.make("full"))
    yield database
    database.close()
    sqlite_copies.drop(database.url)


@pytest.fixture(scope="module")
def service(
    service_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """Return a client of the service, who is nobody."""
    folder = tmp_path_factory.mktemp("service")
    settings = make_settings(service_database.url, folder)
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def tokens(service_database: Database) -> Mapping[str, Mapping[str, str]]:
    """Return the headers that accounts send, by name."""
    with service_database.write() as session:
        for name, role in (
            ("ada", Role.reviewer),
            ("bob", Role.reviewer),
            ("eve", Role.editor),
        ):
            make_visitor(session, name, role)
        return {n: make_token(session, n) for n in ("ada", "bob", "eve")}


class Annotator:
    """A standard client: knows the container's address and a token."""

    def __init__(self, client: TestClient, headers: Mapping[str, str]) -> None:
        self.client = client
        self.headers = {
            "Content-Type": "application/ld+json; "
            'profile="http://www.w3.org/ns/anno.jsonld"',
            **headers,
        }

    def post(self, document: Any, address: str = ROOT, **headers: str) -> Any:
        """Post to a container."""
        return self.client.post(
            address,
            json=document,
            headers={**self.headers, **_name_headers(headers)},
        )

    def put(self, address: str, document: Any, **headers: str) -> Any:
        """Replace an annotation."""
        return self.client.put(
            address,
            json=document,
            headers={**self.headers, **_name_headers(headers)},
        )

    def delete(self, address: str, **headers: str) -> Any:
        """Delete an annotation."""
        return self.client.delete(
            address, headers={**self.headers, **_name_headers(headers)}
        )

    def make(self, **parts: Any) -> str:
        """Post an annotation; return its address."""
        answer = self.post(make_document(**parts))
        assert answer.status_code == 201, answer.text
        return str(answer.headers["Location"])


def _name_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture(scope="module")
def ada(
    service: TestClient, tokens: Mapping[str, Mapping[str, str]]
) -> Annotator:
    """Return a reviewer's client."""
    return Annotator(service, tokens["ada"])


@pytest.fixture(scope="module")
def bob(
    service: TestClient, tokens: Mapping[str, Mapping[str, str]]
) -> Annotator:
    """Return another reviewer's client."""
    return Annotator(service, tokens["bob"])


@pytest.fixture(scope="module")
def eve(
    service: TestClient, tokens: Mapping[str, Mapping[str, str]]
) -> Annotator:
    """Return an editor's client."""
    return Annotator(service, tokens["eve"])


def make_document(text: str = "What if?", **parts: Any) -> dict[str, Any]:
    """Return an annotation as a foreign client would send it."""
    return {
        "@context": "http://www.w3.org/ns/anno.jsonld",
        "type": "Annotation",
        "motivation": "commenting",
        "body": {"type": "TextualBody", "value": text},
        "target": "http://example.org/page",
    } | parts


def prefer(*includes: str) -> Mapping[str, str]:
    """Return the header that asks for parts of a container."""
    iris = " ".join(f"http://www.w3.org/ns/{part}" for part in includes)
    return {"Prefer": f'return=representation;include="{iris}"'}


MINIMAL = "ldp#PreferMinimalContainer"
IRIS = "oa#PreferContainedIRIs"
DESCRIPTIONS = "oa#PreferContainedDescriptions"

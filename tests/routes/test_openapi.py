"""The API keeps to its description, whatever is sent (schemathesis)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok
from schemathesis.transport.serialization import Binary
from starlette.routing import NoMatchFound

from app.config import Settings
from app.main import create_app
from app.services import tokens
from tests import factories
from tests.conftest import SQLiteCopies

EXAMPLES = 15
VALUES = {"form": "eml", "number": 7, "position": 2}


@schemathesis.serializer("message/rfc822", "application/mbox")
def send_bytes(_context: schemathesis.SerializationContext, value: Any) -> Any:
    """Send a mail as its bytes, and what is none as it is written."""
    if isinstance(value, Binary):
        return {"data": value.data}
    data = value if isinstance(value, bytes) else str(value).encode()
    return {"data": data}


@pytest.fixture(scope="module")
def api(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FastAPI]:
    """Return the application over a full SQLite database."""
    app = create_app(
        Settings(
            database_url=sqlite_copies.make("full"),
            data_dir=tmp_path_factory.mktemp("api"),
            run_seconds=1,
        )
    )
    yield app
    app.state.explorer.close()
    app.state.database.close()


@pytest.fixture(scope="module")
def token(api: FastAPI) -> dict[str, str]:
    """Return the header of a reviewer's program."""
    with api.state.database.write() as session:
        factories.make_visitor(session)
        secret = tokens.create_token(session, "ada").secret
    return {"Authorization": f"Bearer {secret}"}


def test_every_answer_is_as_described(
    api: FastAPI, token: dict[str, str]
) -> None:
    described = schemathesis.openapi.from_asgi("/openapi.json", api)
    # what no schema can say is refused too: cursors, scenarios
    skipped: Any = CHECKS.get_by_names(["positive_data_acceptance"])
    for found in described.get_all_operations():
        assert isinstance(found, Ok)

        @given(case=found.ok().as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def check(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=token, excluded_checks=skipped)

        check()


def test_the_version_is_the_projects(api: FastAPI) -> None:
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    assert f'\nversion = "{api.version}"\n' in project.read_text()


def test_every_operation_has_a_name_and_a_summary(api: FastAPI) -> None:
    names = []
    for operations in api.openapi()["paths"].values():
        for operation in operations.values():
            names.append(operation["operationId"])
            assert operation["summary"]
            assert operation["tags"]
    assert len(names) == len(set(names))


def test_what_is_read_needs_no_token(api: FastAPI) -> None:
    operations = api.openapi()["paths"]
    bearer: dict[str, list[str]] = {"HTTPBearer": []}
    messages = operations["/api/messages"]
    assert messages["get"]["security"] == [{}, bearer]
    assert messages["post"]["security"] == [bearer]


def test_every_refusal_is_a_problem(api: FastAPI) -> None:
    for operations in api.openapi()["paths"].values():
        for operation in operations.values():
            assert {"400", "422"} <= set(operation["responses"])
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == [
                        "application/problem+json"
                    ]
    assert "HTTPValidationError" not in json.dumps(api.openapi())


def test_a_path_is_the_one_that_the_routers_give(api: FastAPI) -> None:
    routes = list(iter_route_contexts(api.routes))
    assert len(routes) > 100
    for route in routes:
        parts = {
            name: VALUES.get(name, "a")
            for name in getattr(route, "param_convertors", {})
        }
        path = api.url_path_for(str(route.name), **parts)
        assert path == api.router.url_path_for(str(route.name), **parts)
        assert path == api.url_path_for(str(route.name), **parts)
    for name, wrong in (("show_call", {}), ("nothing", {"name": "a"})):
        with pytest.raises(NoMatchFound):
            api.url_path_for(name, **wrong)

"""The API's description is valid, keeps the rules and keeps its names."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import NoMatchFound

from app.config import Settings
from app.main import create_app
from tests.conftest import SQLiteCopies
from tests.openapi_lint import lint

IDS = Path(__file__).with_name("operation_ids.txt")
VALUES = {"form": "eml", "number": 7, "position": 2}


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


def test_the_description_is_openapi_3_1(api: FastAPI) -> None:
    document = api.openapi()
    assert document["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_the_description_keeps_the_rules(api: FastAPI) -> None:
    assert lint(api.openapi()) == []


def test_the_rules_find_what_breaks_them(api: FastAPI) -> None:
    document = copy.deepcopy(api.openapi())
    operation = document["paths"]["/api/threads/{slug}"]["patch"]
    del operation["responses"]["404"]["content"]
    del operation["description"]
    operation["parameters"].pop(0)
    operation["operationId"] = "Update thread"
    thread = document["components"]["schemas"]["ThreadIn"]
    thread["properties"]["title"]["examples"] = [7]
    document["components"]["schemas"]["Lost"] = {"type": "object"}
    document["tags"].pop()
    faults = "\n".join(lint(document))
    for told in (
        "patch /api/threads/{slug}: 404 is no problem",
        "no description",
        "parameters are not []",
        "operationId is no name",
        "ThreadIn.title: 7 is not of type 'string'",
        "Lost is not used",
        "tags told",
    ):
        assert told in faults


def test_operations_keep_their_names(api: FastAPI) -> None:
    """A client is made of these: a name that is gone breaks it."""
    told = {
        f"{method.upper()} {path} {operation['operationId']}"
        for path, operations in api.openapi()["paths"].items()
        for method, operation in operations.items()
    }
    assert sorted(told) == IDS.read_text().splitlines()


def test_the_version_is_the_projects(api: FastAPI) -> None:
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    assert f'\nversion = "{api.version}"\n' in project.read_text()


def test_what_is_read_needs_no_token(api: FastAPI) -> None:
    operations = api.openapi()["paths"]
    bearer: dict[str, list[str]] = {"HTTPBearer": []}
    messages = operations["/api/messages"]
    assert messages["get"]["security"] == [{}, bearer]
    assert messages["post"]["security"] == [bearer]


def test_every_refusal_is_a_problem(api: FastAPI) -> None:
    for path, operations in api.openapi()["paths"].items():
        kind = "json" if path.startswith("/h/") else "problem+json"
        for operation in operations.values():
            assert {"400", "401", "404", "422", "429"} <= set(
                operation["responses"]
            )
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == [f"application/{kind}"]
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

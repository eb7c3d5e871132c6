"""Templates: all compile, routes they name exist, pages fit their fields."""

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from jinja2 import nodes
from starlette.routing import Mount, Route

from app.config import Settings
from app.main import create_app
from app.pages import Page, get_environment
from app.routes import ROUTERS

TEMPLATES = Path(__file__).resolve().parents[1] / "app" / "templates"
NAMES = sorted(
    str(p.relative_to(TEMPLATES)) for p in TEMPLATES.rglob("*.html")
)
SHELL = {"page", "request", "url_for", "reviewer", "head", "proposal"}


def _get_pages() -> list[type[Page]]:
    pages: list[type[Page]] = []
    pending = [Page]
    while pending:
        kind = pending.pop()
        pending.extend(kind.__subclasses__())
        if "template" in vars(kind):
            pages.append(kind)
    return sorted(pages, key=lambda kind: kind.__name__)


def _parse(name: str) -> nodes.Template:
    return get_environment().parse((TEMPLATES / name).read_text())


@pytest.fixture(scope="module")
def route_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("routes")
    app = create_app(Settings(data_dir=folder, database_url=""))
    # the application keeps what it includes as one route each
    included = [route for router in ROUTERS for route in router.routes]
    return {
        route.name
        for route in [*app.routes, *included]
        if isinstance(route, APIRoute | Mount | Route) and route.name
    }


@pytest.mark.parametrize("name", NAMES)
def test_template_compiles(name: str) -> None:
    get_environment().get_template(name)


@pytest.mark.parametrize("name", NAMES)
def test_url_for_names_a_route(name: str, route_names: set[str]) -> None:
    calls = [
        call
        for call in _parse(name).find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name == "url_for"
    ]
    named = {
        call.args[0].value
        for call in calls
        if call.args and isinstance(call.args[0], nodes.Const)
    }
    assert named <= route_names


@pytest.mark.parametrize("name", NAMES)
def test_template_trusts_no_text(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    assert not re.search(r"\|\s*safe\b", text)
    assert "style=" not in text
    assert not re.search(r"\son[a-z]+=", text)
    assert "hx-on" not in text


@pytest.mark.parametrize("name", NAMES)
def test_template_is_short_enough_to_read(name: str) -> None:
    assert len((TEMPLATES / name).read_text().splitlines()) <= 150


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("macros/")])
def test_macros_open_with_a_comment(name: str) -> None:
    assert (TEMPLATES / name).read_text().startswith("{#")


@pytest.mark.parametrize("page", _get_pages(), ids=lambda page: page.__name__)
def test_page_names_a_template_that_has_a_title(page: type[Page]) -> None:
    assert page.template in NAMES
    assert 'extends "layout.html"' in (TEMPLATES / page.template).read_text()

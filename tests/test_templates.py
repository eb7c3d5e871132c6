"""Templates: all compile, routes they name exist, pages fit their fields."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from jinja2 import meta, nodes
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
    # by name: a class with slots stands beside the one it was made from
    pages: dict[str, type[Page]] = {}
    pending = [Page]
    while pending:
        kind = pending.pop()
        pending.extend(kind.__subclasses__())
        if "template" in vars(kind) and hasattr(kind, "__slots__"):
            pages[kind.__qualname__] = kind
    return [pages[name] for name in sorted(pages)]


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


@pytest.mark.parametrize("kind", _get_pages(), ids=lambda kind: kind.__name__)
def test_page_names_a_template_that_has_a_title(kind: type[Page]) -> None:
    assert kind.template in NAMES
    assert 'extends "layout.html"' in (TEMPLATES / kind.template).read_text()


def _find_asked(tree: nodes.Template) -> set[str]:
    """Collect what a template asks for and does not name itself."""
    imported = {
        name if isinstance(name, str) else name[1]
        for node in tree.find_all(nodes.FromImport)
        for name in node.names
    }
    named = {
        name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"
    } | {macro.name for macro in tree.find_all(nodes.Macro)}
    of_page = {
        node.attr
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == "page"
    }
    asked = meta.find_undeclared_variables(tree) - imported - named
    return asked | of_page


def _find_variables(name: str, seen: set[str]) -> set[str]:
    """Collect what a template and all that it includes ask for."""
    if name in seen or name == "layout.html":
        return set()
    seen.add(name)
    tree = _parse(name)
    found = _find_asked(tree)
    for other in meta.find_referenced_templates(tree):
        if other is not None and not other.startswith("macros/"):
            found |= _find_variables(other, seen)
    return found


@pytest.mark.parametrize("kind", _get_pages(), ids=lambda kind: kind.__name__)
def test_template_shows_the_fields_of_its_page(kind: type[Page]) -> None:
    own = {field.name for field in fields(kind)}
    asked = _find_variables(kind.template, set())
    given = own | SHELL | set(get_environment().globals)
    wanted = _find_asked(_parse(kind.template)) - given
    assert {name for name in wanted if not hasattr(kind, name)} == set()
    assert own - asked - {"title"} == set()

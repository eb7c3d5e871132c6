"""GNU as accepts every listing: guest code is real i386 code.

These are the listings of the corpus, of the benchmark, and of every whole
scenario that a test or a page's example holds as text. The other oracles
assemble their own.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sim import ScenarioError, parse_scenario
from bench.explore import QUESTION, SCENARIO
from tests.oracles.binutils import assemble

pytestmark = pytest.mark.oracle

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "app/corpus/vmi/scenarios"
SOURCES = sorted(
    path for top in ("app", "tests") for path in (ROOT / top).rglob("*.py")
)


def _find_texts(source: Path) -> Iterator[str]:
    """Find the texts in a module that may be scenarios."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _collect_scenarios() -> dict[str, str]:
    """Collect the scenarios by a name that says where each stands."""
    scenarios = {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(CORPUS.glob("*.toml"))
    }
    scenarios["bench"] = SCENARIO.format(interrupts=1, question=QUESTION)
    for source in SOURCES:
        for number, text in enumerate(_find_texts(source)):
            if "[code]" not in text:
                continue
            try:
                parse_scenario(text, slug="listing")
            except ScenarioError:
                continue  # a template, or one that a test wants refused
            scenarios[f"{source.relative_to(ROOT)}-{number}"] = text
    return scenarios


SCENARIOS = _collect_scenarios()


def test_the_corpus_is_among_them() -> None:
    assert {path.stem for path in CORPUS.glob("*.toml")} <= set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_listing_assembles(name: str, tmp_path: Path) -> None:
    """All of them together: one may name another's label."""
    listings = tomllib.loads(SCENARIOS[name])["code"]
    assert listings
    assemble(tmp_path, "\n".join(listings.values()) + "\n")

"""GNU as accepts every listing: guest code is real i386 code."""

import tomllib
from pathlib import Path

import pytest

from tests.oracles.binutils import assemble

pytestmark = pytest.mark.oracle

CORPUS = Path(__file__).resolve().parents[2] / "app/corpus/vmi/scenarios"
SCENARIOS = sorted(CORPUS.glob("*.toml"))


def _get_listings(scenario: Path) -> list[tuple[str, str]]:
    """Return the name and text of each listing of a scenario, variants too."""
    content = tomllib.loads(scenario.read_text(encoding="utf-8"))
    return list(content["code"].items())


def test_the_corpus_has_scenarios() -> None:
    assert SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_each_listing_of_a_scenario_assembles(
    scenario: Path, tmp_path: Path
) -> None:
    listings = _get_listings(scenario)
    assert listings
    for _, text in listings:
        assemble(tmp_path, text + "\n")

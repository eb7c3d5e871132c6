"""Spin and the simulator agree on the shootdown of a deferred update.

The question is that of the corpus, as it stands there; the model in Promela
was written from the RFC's section 2.10.
"""

from pathlib import Path
from typing import Final

import pytest

from app.sim import Report, explore, parse_scenario
from bench.spin import PROGRAMS, SHOOTDOWN, ask_model
from tests.oracles.binutils import require_program

pytestmark = pytest.mark.oracle

SCENARIO: Final = (
    Path(__file__).resolve().parents[2]
    / "app/corpus/vmi/scenarios/wright-batch-smp-flush.toml"
)
OUTCOMES: Final = {
    "reaches-old-page": "page_read",
    "faults": "page_fault",
    "update-waits": "asked && queued",
}
MODELS: Final[dict[tuple[str, str | None], tuple[str, ...]]] = {
    ("native", None): (),
    ("hardware", None): (),
    ("translator", None): (),
    ("software", None): ("DEFER", "SHADOW"),
    ("software", "flushed"): ("DEFER", "SHADOW", "FLUSH"),
    ("software", "own-entry-dropped"): ("DEFER", "SHADOW", "DROP"),
    ("software", "own-tables"): ("DEFER",),
    ("software", "own-tables-flushed"): ("DEFER", "FLUSH"),
    ("software", "at-once"): ("SHADOW",),
}
"""By platform and variant: what the model is to have."""


@pytest.fixture(scope="module")
def report() -> Report:
    for program, package in PROGRAMS:
        require_program(program, package)
    text = SCENARIO.read_text("utf-8")
    return explore(parse_scenario(text, slug=SCENARIO.stem))


@pytest.mark.parametrize(
    "case", MODELS, ids=lambda case: "-".join(filter(None, case))
)
def test_the_same_states_are_reachable(
    case: tuple[str, str | None], report: Report, tmp_path: Path
) -> None:
    (run,) = (r for r in report.platforms if (r.platform, r.variant) == case)
    said = {name: a.answer != "never" for name, a in run.answers.items()}
    assert said == {
        name: ask_model(tmp_path, SHOOTDOWN, MODELS[case], state).reachable
        for name, state in OUTCOMES.items()
    }

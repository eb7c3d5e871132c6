"""Every question of the corpus, from its text to its answer."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

from app.sim import PLATFORMS, explore, parse_scenario
from bench import spin

FOLDER = Path(__file__).resolve().parents[1] / "app/corpus/vmi/scenarios"


MODELS: Mapping[str, Callable[[Path], spin.Verdict]] = {
    "kleen-sti-shadow": lambda directory: spin.ask(directory, spin.Variant(1)),
    "wright-batch-smp-flush": lambda directory: spin.ask_model(
        directory, spin.SHOOTDOWN, ("DEFER", "SHADOW"), "page_fault"
    ),
}
"""Questions that there is a model of; it is asked one outcome of one
platform, where the simulator answers all of them."""


class Answered(NamedTuple):
    """One question, on its own platforms and on all there are."""

    slug: str
    states: int
    transitions: int
    own_seconds: float
    all_seconds: float


def list_slugs() -> list[str]:
    """List the questions of the corpus."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def answer(slug: str) -> Answered:
    """Parse a question and explore it, with its witnesses."""
    text = (FOLDER / f"{slug}.toml").read_text("utf-8")
    start = time.perf_counter()
    report = explore(parse_scenario(text, slug=slug))
    middle = time.perf_counter()
    explore(parse_scenario(text, slug=slug), platforms=tuple(PLATFORMS))
    end = time.perf_counter()
    return Answered(
        slug,
        sum(part.states for part in report.platforms),
        sum(part.transitions for part in report.platforms),
        middle - start,
        end - middle,
    )


def ask_spin(slug: str) -> float | None:
    """Ask the model of a question; return the seconds, or None."""
    if slug not in MODELS or spin.get_missing_package() is not None:
        return None
    with tempfile.TemporaryDirectory() as directory:
        return MODELS[slug](Path(directory)).seconds


def _answer_everywhere(slug: str) -> None:
    text = (FOLDER / f"{slug}.toml").read_text("utf-8")
    explore(parse_scenario(text, slug=slug), platforms=tuple(PLATFORMS))


def answer_all(pool: Executor, slugs: Sequence[str]) -> float:
    """Ask all questions of all platforms; return the seconds it took."""
    start = time.perf_counter()
    list(pool.map(_answer_everywhere, slugs))
    return time.perf_counter() - start

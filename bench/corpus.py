"""Every question of the corpus, from its text to its answer."""

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

from app.sim import PLATFORMS, explore, parse_scenario

FOLDER = Path(__file__).resolve().parents[1] / "app/corpus/vmi/scenarios"


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


def _answer_everywhere(slug: str) -> None:
    text = (FOLDER / f"{slug}.toml").read_text("utf-8")
    explore(parse_scenario(text, slug=slug), platforms=tuple(PLATFORMS))


def answer_all(pool: Executor, slugs: Sequence[str]) -> float:
    """Ask all questions of all platforms; return the seconds it took."""
    start = time.perf_counter()
    list(pool.map(_answer_everywhere, slugs))
    return time.perf_counter() - start

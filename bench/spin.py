"""Spin as a rival and an oracle: build and run the models beside this file.

The steps are those of Spin's manual: ``spin -a`` writes a verifier in C,
``cc`` compiles it, ``pan`` searches. Times are kept apart, for the first two
are the price of every question.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

IDLE_LOOP = Path(__file__).with_name("idle_loop.pml")
SHOOTDOWN = Path(__file__).with_name("shootdown.pml")
SLEEPS_WITH_WORK = "halted && work > 0 && !pending"
PROGRAMS = (("spin", "spin"), ("cc", "gcc"))
"""What is started, and the package that has it."""

_DEPTH = 400_000
"""Steps that the depth-first search may go down; pan's own is too small."""


class SpinError(Exception):
    """Raised when Spin ended without an answer."""


class Verdict(NamedTuple):
    """What pan said, and how long each of the three programs took."""

    reachable: bool
    states: int
    transitions: int
    generate_seconds: float
    compile_seconds: float
    search_seconds: float

    @property
    def seconds(self) -> float:
        """The whole way from question to answer."""
        return (
            self.generate_seconds + self.compile_seconds + self.search_seconds
        )


def get_missing_package() -> str | None:
    """Return the package of the first program that is not on the PATH."""
    for program, package in PROGRAMS:
        if shutil.which(program) is None:
            return package
    return None


class Variant(NamedTuple):
    """Which idle loop is meant; see the head of the model."""

    interrupts: int
    shadow: bool = True
    safe_halt: bool = False


def ask(
    directory: Path,
    variant: Variant,
    question: str = SLEEPS_WITH_WORK,
    *,
    every_state: bool = False,
) -> Verdict:
    """Ask whether a state that satisfies ``question`` can be reached.

    With ``every_state`` the search goes on after a hit, so that the counts
    are those of the whole graph.
    """
    defines = [f"INTERRUPTS {variant.interrupts}"]
    defines += ["SHADOW"] if variant.shadow else []
    defines += ["SAFE_HALT"] if variant.safe_halt else []
    return ask_model(
        directory, IDLE_LOOP, defines, question, every_state=every_state
    )


def ask_model(
    directory: Path,
    model: Path,
    defines: Sequence[str],
    question: str,
    *,
    every_state: bool = False,
) -> Verdict:
    """Ask a model with these definitions whether a state can be reached."""
    # Spin hands -D to a shell unquoted, so all of it has to be in the text.
    lines = [*defines, f"QUESTION {question}"]
    text = "".join(f"#define {define}\n" for define in lines)
    text += model.read_text(encoding="ascii")
    (directory / "model.pml").write_text(text, encoding="ascii")
    generate = _time(["spin", "-a", "model.pml"], directory)[1]
    compiler = ["cc", "-O2", "-DSAFETY", "-DNOCLAIM", "-w"]
    compiled = _time([*compiler, "-o", "pan", "pan.c"], directory)[1]
    options = ["-E", "-n", f"-m{_DEPTH}"] + (["-c0"] if every_state else [])
    said, search = _time(["./pan", *options], directory)
    if "max search depth too small" in said:
        raise SpinError(f"the search was cut at depth {_DEPTH}")
    return Verdict(
        reachable=_get_count(r"errors: (\d+)", said) > 0,
        states=_get_count(r"(\d+) states, stored", said),
        transitions=_get_count(r"(\d+) transitions", said),
        generate_seconds=generate,
        compile_seconds=compiled,
        search_seconds=search,
    )


def _time(command: Sequence[str], directory: Path) -> tuple[str, float]:
    """Run a program to its end; return what it printed, and its seconds."""
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SpinError(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout, seconds


def _get_count(pattern: str, said: str) -> int:
    """Return the number that pan printed beside ``pattern``."""
    found = re.search(pattern, said)
    if found is None:
        raise SpinError(f"pan printed no {pattern!r}: {said}")
    return int(found.group(1))

"""The benchmark of the search runs and prints its table."""

import subprocess
import sys
from pathlib import Path

from bench.spin import get_missing_package

BENCH = Path(__file__).resolve().parents[2] / "bench" / "explore.py"
COLUMNS = (
    "interrupts",
    "states",
    "transitions",
    "per s",
    "of bare",
    "unicorn/s",
    "spin",
)


def test_it_prints_a_row_for_each_size_and_the_goals() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH), "--short"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (head,) = (n for n, line in enumerate(lines) if "bare states" in line)
    assert all(column in lines[head] for column in COLUMNS)
    rows = [line.split() for line in lines[head + 1 : head + 3]]
    assert [row[0] for row in rows] == ["1", "20"]
    few, many = (int(row[1].replace(",", "")) for row in rows)
    assert 0 < few < many
    assert any(line.startswith("best rate ") for line in lines)
    assert any("bytes a state" in line for line in lines)
    assert lines[-1].startswith("2 questions on all platforms")
    if get_missing_package() is None:
        asked = [line.split()[-1] for line in lines[-3:-1]]
        assert all(float(seconds) > 0 for seconds in asked)


def test_it_refuses_a_size_that_is_no_number() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH), "--once", "many"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "invalid int value" in done.stderr

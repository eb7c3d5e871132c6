"""The benchmark of pages runs and compares what it says it compares."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"(bare|readers|signed in) +(\d+) +(\d\.\d\d) ")


def test_the_short_form_compares_four_pages_for_both_kinds_of_readers() -> (
    None
):
    result = subprocess.run(
        [sys.executable, "bench/pages.py", "--short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    rows = ROW.findall(result.stdout)
    assert [row[0] for row in rows] == ["bare", "readers", "signed in"] * 4
    assert all(int(rate) > 0 for _, rate, _ in rows)
    for page in ("/calls/", "/calls/VMI_", "/threads/", "/api/calls"):
        assert page in result.stdout
    assert "goals: readers 0.20, signed in 0.10: " in result.stdout

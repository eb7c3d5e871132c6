"""The benchmark of the annotation API runs and compares what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import isso

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = [sys.executable, str(ROOT / "bench" / "api.py")]
ROW = re.compile(
    r"^(.{20})(review|fresh|isso|inserts) +(\d+) +(.*)$", re.MULTILINE
)
SERVED = {
    "alive": ["review"],
    "alive, signed in": ["review"],
    "POST, refused": ["review"],
    "POST": ["review", "isso", "inserts"],
    "100 as JSON": ["review", "fresh", "isso"],
    "100, If-None-Match": ["review"],
    "one": ["review", "fresh"],
    "one, If-None-Match": ["review"],
}


def test_the_short_form_compares_posts_and_pages() -> None:
    """A row for each request and server, with ratios beside the others."""
    if not isso.is_installed():
        pytest.skip("Isso is not installed: python bench/api.py --install")
    done = subprocess.run(
        [*SCRIPT, "--short"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {}
    name = ""
    for head, server, rate, rest in ROW.findall(done.stdout):
        name = head.strip() or name
        found.setdefault(name, []).append(server)
        assert int(rate) > 0
        is_compared = server != "review"
        assert ("x" in rest) == is_compared, (name, server)
    assert found == SERVED
    assert done.stdout.rstrip().endswith(("aims: reached", "aims: missed"))


def test_the_lock_names_no_host() -> None:
    """Each package stands there with its hashes alone."""
    text = isso.LOCK.read_text()
    assert "isso==" in text
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "--index-url" not in text

"""The benchmark of mail runs and prints its tables."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import mail_programs

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = [sys.executable, str(ROOT / "bench" / "mail.py")]
IMPORT = re.compile(
    r"^(vmi-review|public-inbox|notmuch) +(\d+) +(\d+\.\d) +(\d+) +(\d\.\d\d)",
    re.MULTILINE,
)
PAGE = re.compile(
    r"(kept|fresh|public-inbox) +(\d+\.\d\d) +(\d+\.\d\d) +(\d+\.\d\d) +(\d+) "
)
PAGES = (
    *("mail", "thread of 50", "thread of 100", "thread of 200", "list"),
    *("rare, newest", "common, newest", "rare, ranked", "common, ranked"),
)


def test_the_short_form_compares_imports_and_pages() -> None:
    """A row for each program, and for each page and server."""
    if missing := mail_programs.find_missing():
        pytest.skip(f"not installed: {', '.join(missing)}")
    done = subprocess.run(
        [*SCRIPT, "--short"],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imports = IMPORT.findall(done.stdout)
    assert [row[0] for row in imports] == [
        *("vmi-review", "public-inbox", "notmuch")
    ]
    for _, rate, cpu, megabytes, store in imports:
        assert int(rate) > 0
        assert float(cpu) > 0
        assert int(megabytes) > 0
        assert float(store) > 1, "the mails themselves are kept"
    assert "alignment: " in done.stdout
    rows = PAGE.findall(done.stdout)
    assert [row[0] for row in rows] == [
        *("kept", "fresh", "public-inbox")
    ] * len(PAGES)
    for page in PAGES:
        assert f"\n{page} " in done.stdout
    for _, p50, p99, _, rate in rows:
        assert 0 < float(p50) <= float(p99)
        assert int(rate) > 0


@pytest.mark.parametrize("sizes", ["10", "many"])
def test_it_refuses_sizes_without_the_conversations_it_asks_for(
    sizes: str,
) -> None:
    done = subprocess.run(
        [*SCRIPT, "--sizes", sizes],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "--sizes" in done.stderr

"""Ten thousand mutants of made-up mails harm nobody either.

These have what the review's mails lack: attachments, charsets, transfer
encodings and patches. Their seeds follow those of `test_hostile_mail`.
"""

import pytest

from tests import hostile_mails
from tests.hostile_mails import MUTANTS, SHARE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Cut the mutants into shares, each named by its seeds."""
    first = metafunc.config.getoption("--first-seed") + MUTANTS
    metafunc.parametrize(
        "first",
        range(first, first + MUTANTS, SHARE),
        ids=lambda n: f"seeds-{n}-to-{n + SHARE - 1}",
    )


def test_mutants_of_made_up_mails(first: int) -> None:
    """None fails, takes 1 s or 64 MiB, or yields HTML that is not ours."""
    hostile_mails.run(first, SHARE, "-")

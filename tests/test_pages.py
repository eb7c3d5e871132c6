"""What templates say of figures, as people say it."""

import pytest

from app.pages import format_bytes, format_path


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (3481, "3.4 KiB"),
        (1024 * 1024, "1.0 MiB"),
        (8 * 1024 * 1024 + 600_000, "8.6 MiB"),
    ],
)
def test_a_size_has_the_unit_that_fits(size: int, said: str) -> None:
    assert format_bytes(size) == said


def test_a_name_stays_readable_in_an_address() -> None:
    assert format_path("a/b?c#d@x") == "a/b%3Fc%23d@x"

"""What somebody typed, as a text and as a line."""

import pytest

from app.services.lines import clean_line, clean_text


def test_lines_of_a_text_end_in_one_way() -> None:
    assert clean_text("a\r\nb\rc\n\td") == "a\nb\nc\n\td"


def test_a_line_has_single_spaces_and_no_edges() -> None:
    assert clean_line(" a\r\n\tb  c ") == "a b c"


@pytest.mark.parametrize(
    ("typed", "reason"),
    [("a\0b", r"control character U\+0000"), ("\ud800", "lone surrogate")],
)
def test_what_is_no_text_is_refused(typed: str, reason: str) -> None:
    for clean in (clean_text, clean_line):
        with pytest.raises(ValueError, match=reason):
            clean(typed)

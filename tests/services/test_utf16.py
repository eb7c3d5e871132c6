"""Offsets in UTF-16 units and in code points."""

from hypothesis import given
from hypothesis import strategies as st

from app.services.utf16 import count_units, has_pairs, to_points, to_units


def test_a_character_beyond_the_basic_plane_takes_two_units() -> None:
    assert count_units("a𝄞b") == 4
    assert has_pairs("a𝄞b")
    assert not has_pairs("aé\uffffb")


def test_an_offset_counts_back_from_where_the_text_ends() -> None:
    """The 3 units before the place are two characters; so are 4 of them."""
    assert to_points("x𝄞b", 3) == 2
    assert to_units("x𝄞b", 2) == 3
    assert to_points("x𝄞b", 4) == 3


def test_what_lies_before_the_known_text_has_one_unit_each() -> None:
    assert to_points("𝄞", 12) == 11
    assert to_units("𝄞", 11) == 12
    assert to_points("", 7) == to_units("", 7) == 7


def test_half_of_a_character_counts_as_one() -> None:
    assert to_points("x𝄞b", 2) == 2


@given(before=st.text(), points=st.integers(0, 50))
def test_units_lead_back_to_the_points_they_were_made_of(
    before: str, points: int
) -> None:
    assert to_points(before, to_units(before, points)) == points


@given(text=st.text())
def test_units_are_those_of_the_encoding(text: str) -> None:
    encoded = text.encode("utf-16-le", "surrogatepass")
    assert count_units(text) == len(encoded) // 2

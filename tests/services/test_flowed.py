"""format=flowed: what is joined, what is not (RFC 3676)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.flowed import LONGEST_PARAGRAPH, join_flowed


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("one \ntwo \nthree\nfour", "one two three\nfour"),
        ("> one \n> two\n> three", "> one two\n> three"),
        (">one \n>two", "> one two"),
        (">> one \n>> two\n> three \nfour", ">> one two\n> three \nfour"),
        (" From here \non", "From here on"),
        ("  indented\n   more", " indented\n  more"),
        (" >no quote", " >no quote"),
        ("text \n-- \nname \nplace", "text \n-- \nname place"),
        ("> text \n> -- \n> x", "> text \n> -- \n> x"),
        (">\n> \n>> ", ">\n>\n>>"),
        ("a \n\nb", "a \n\nb"),
        ("dangling ", "dangling "),
    ],
)
def test_lines_that_end_in_a_space_flow_on(text: str, joined: str) -> None:
    assert join_flowed(text) == joined


def test_the_space_may_be_no_part_of_the_text() -> None:
    """With DelSp the space is deleted, so words may be cut (RFC 3676)."""
    assert join_flowed("日本 \n語", deletes_space=True) == "日本語"
    assert join_flowed("> a  \n> b", deletes_space=True) == "> a b"


def test_a_paragraph_has_an_end() -> None:
    longest = max(map(len, join_flowed("word \n" * 50_000).split("\n")))
    assert LONGEST_PARAGRAPH < longest < LONGEST_PARAGRAPH + 100


@given(st.text(st.sampled_from("ab> \n-")))
def test_no_word_is_lost_and_no_depth_changes(text: str) -> None:
    joined = join_flowed(text)
    assert joined.replace(">", "").split() == text.replace(">", "").split()
    assert joined.count(">") <= text.count(">")

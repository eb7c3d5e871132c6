"""Snippets: the right part, the right marks, and nothing else changed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.search_query import Words
from app.services.snippets import (
    LENGTH,
    Part,
    make_pattern,
    make_plain,
    make_snippet,
    mark,
)


def show(parts: list[Part]) -> str:
    """Return a snippet with its marks as brackets."""
    return "".join(f"[{p.text}]" if p.is_marked else p.text for p in parts)


@pytest.mark.parametrize(
    ("words", "text", "marked"),
    [
        ([Words(("sti",))], "the STI shadow", "the [STI] shadow"),
        ([Words(("sti",))], "testing stint", "testing stint"),
        ([Words(("st",), is_prefix=True)], "STI stint", "[STI] [stint]"),
        (
            [Words(("vmi", "setcr3"))],
            "VMI_SetCR3 vmi setcr4",
            "[VMI_SetCR3] vmi setcr4",
        ),
        ([Words(("muller",))], "Müller ﬁne", "[Müller] ﬁne"),
        (
            [Words(("a",)), Words(("a", "b"))],
            "a b a",
            "[a b] [a]",
        ),
        ([Words(("x", "y"))], "x\n> y", "[x y]"),
        ([], "nothing", "nothing"),
    ],
)
def test_words_are_marked_where_they_are(
    words: list[Words], text: str, marked: str
) -> None:
    assert show(mark(text, make_pattern(words))) == marked


def test_the_part_with_most_words_is_shown() -> None:
    text = "one " + "x " * 300 + "one two " + "y " * 300
    pattern = make_pattern([Words(("one",)), Words(("two",))])
    shown = show(make_snippet(text, pattern))
    assert "[one] [two]" in shown
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert len(shown) < LENGTH + 20


def test_without_words_it_is_the_beginning() -> None:
    assert show(make_snippet("a\n\nb " + "c " * 300, None))[:5] == "a b c"


@given(st.text())
def test_every_character_keeps_its_place(text: str) -> None:
    """The text that is compared is as long as the one that is shown."""
    assert len(make_plain(text)) == len(text)
    assert make_plain(text) == "".join(map(make_plain, text))


@given(st.text(st.sampled_from("ab é>\n<&*")), st.booleans())
def test_nothing_of_a_text_is_invented(text: str, is_open: bool) -> None:
    pattern = make_pattern([Words(("ab",), is_prefix=is_open)])
    shown = "".join(part.text for part in mark(text, pattern))
    assert shown.split() == text.replace(">", " ").split() or ">" in text
    assert all(
        part.text.lower().startswith("ab")
        for part in mark(text, pattern)
        if part.is_marked
    )


@pytest.mark.parametrize(
    "text", ["ab " * 50_000, "a" * 100_000, "a\u0301" * 50_000, "a " * 50_000]
)
def test_a_long_text_is_gone_through_once(text: str) -> None:
    pattern = make_pattern([Words(("ab", "c")), Words(("a",), is_prefix=True)])
    began = time.process_time()
    make_snippet(text, pattern)
    assert time.process_time() - began < 0.5

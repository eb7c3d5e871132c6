"""Text to terms: what is equal to whoever searches is equal here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.search_terms import (
    FACT,
    JOINT,
    LONGEST_TERM,
    LONGEST_TEXT,
    fold,
    make_fact,
    make_whole_fact,
    split_terms,
)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("VMI_SetCR3", ["vmi", "setcr3"]),
        ("EFLAGS.IF", ["eflags", "if"]),
        ("0x1234", ["0x1234"]),
        ("arch/i386/kernel/vmi.c", ["arch", "i386", "kernel", "vmi", "c"]),
        ("<44@x.org>", ["44", "x", "org"]),
        ("Müller u\u0308ber ﬁle", ["muller", "uber", "file"]),
        ("Σίσυφος ΣΊΣΥΦΟΣ", ["σισυφοσ", "σισυφοσ"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("漢字 かな", ["漢字", "かな"]),
        ("-> == …", []),
        ("", []),
    ],
)
def test_terms_are_folded_runs_of_letters_and_digits(
    text: str, terms: list[str]
) -> None:
    assert split_terms(fold(text)) == terms


def test_a_blob_of_data_is_no_term() -> None:
    word = "a" * LONGEST_TERM
    assert split_terms(fold(f"x {word} {word}a y")) == ["x", word, "y"]


def test_a_text_is_searched_up_to_a_length() -> None:
    assert len(fold("é " * LONGEST_TEXT)) == LONGEST_TEXT


@given(st.text())
def test_no_text_holds_what_marks_a_fact(text: str) -> None:
    """Whatever is folded is terms, spaces and ASCII punctuation."""
    folded = fold(text + FACT + JOINT)
    assert FACT not in folded
    assert JOINT not in folded
    assert all(c.isascii() or c.isalnum() for c in folded)


@given(st.text())
def test_terms_are_the_same_folded_again(text: str) -> None:
    terms = split_terms(fold(text))
    assert split_terms(fold(" ".join(terms))) == terms


def test_facts_bear_the_name_of_their_field() -> None:
    assert make_fact("call", "VMI_Halt") == " ".join(
        f"{FACT}call{FACT}{term}" for term in ("vmi", "halt")
    )
    assert make_whole_fact("clause", "4.2") == (f"{FACT}clause{FACT}4{JOINT}2")


def test_a_run_of_any_length_is_folded_as_its_words_are() -> None:
    """A run is folded in pieces, whose bounds may part a word's marks."""
    word = "\u0416\u0301\uac01\u00e9\u3000"
    assert split_terms(fold(word * 999)) == split_terms(fold(word)) * 999

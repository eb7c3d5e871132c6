"""What is left of a subject: RFC 5256 section 2.1, collation of RFC 5051."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.base_subject import compute_base_subject, fold_case


@pytest.mark.parametrize(
    ("subject", "text", "is_reply"),
    [
        ("Plain words", "PLAIN WORDS", False),
        ("Re: words", "WORDS", True),
        ("RE : words", "WORDS", True),
        ("re:words", "WORDS", True),
        ("Fw: words", "WORDS", True),
        ("FWD: Re: Re: words", "WORDS", True),
        ("Re[2]: words", "WORDS", True),
        ("Re [list] : words", "WORDS", True),
        ("Re[1][2]: words", "RE[1][2]: WORDS", False),
        ("Remote: words", "REMOTE: WORDS", False),
        ("words (fwd)", "WORDS", True),
        ("words (fwd) (Fwd)  ", "WORDS", True),
        ("words(fwd)", "WORDS", True),
        ("[list] words", "WORDS", False),
        ("[list] [PATCH 1/2] words", "WORDS", False),
        ("[list] Re: [x] words", "WORDS", True),
        ("[a [b] words", "[A [B] WORDS", False),
        ("[words]", "[WORDS]", False),
        ("[list] [words]", "[WORDS]", False),
        ("Re: [words]", "[WORDS]", True),
        ("[Fwd: words]", "WORDS", True),
        ("[fwd: Re: [x] words (fwd)]", "WORDS", True),
        ("[Fwd: [Fwd: words]]", "WORDS", True),
        ("[Fwd: words", "[FWD: WORDS", False),
        ("a \t b\r\n  c", "A B C", False),
        ("  words  ", "WORDS", False),
        ("Re: Fwd:", "", True),
        ("(fwd)", "", True),
        ("", "", False),
        ("   ", "", False),
    ],
)
def test_base_subject(subject: str, text: str, *, is_reply: bool) -> None:
    """Leaders, trailers, blobs and forwards go until none is left."""
    assert compute_base_subject(subject) == (text, is_reply)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Größe", "GRÖßE"),
        ("Gr\u00f6\u00dfe", "gro\u0308\u00dfe"),
        ("Привет", "ПРИВЕТ"),
        ("\uff32\uff45\uff1a words", "re: words"),
        ("two\u00a0words", "Two words"),
        ("\ud55c", "\u1112\u1161\u11ab"),
        ("\u01c6", "\u01c4"),
    ],
)
def test_subjects_that_differ_in_case_or_composition_are_equal(
    one: str, other: str
) -> None:
    assert compute_base_subject(one) == compute_base_subject(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Straße", "Strasse"), ("Größe", "Grosse"), ("ﬁx", "fix")],
)
def test_subjects_of_other_letters_are_not(one: str, other: str) -> None:
    assert compute_base_subject(one) != compute_base_subject(other)


@given(st.text(max_size=40))
def test_a_base_subject_is_its_own(subject: str) -> None:
    """Nothing that the rules take off is left, nor space at an end."""
    text, _ = compute_base_subject(subject)
    assert text == text.strip(" ")
    assert not text.endswith("(FWD)")
    assert "  " not in text


@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_what_is_plain_is_folded_as_any_text(text: str) -> None:
    """The short way for ASCII leads where the long one does."""
    assert fold_case(text) == fold_case(f"{text}\u2603")[:-1]


def test_a_long_subject_takes_no_time() -> None:
    """What a stranger nests is undone in time that grows with its length."""
    for part in ("[", "[a]", "re:", "[fwd:", "(fwd)", " ", "re [", "[]re"):
        compute_base_subject(part * (20_000 // len(part)))
        compute_base_subject(part * (5_000 // len(part)) + "]" * 5_000)

"""What may be typed: bounds, and characters that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.forms import (
    LINE_LENGTH,
    TEXT_LENGTH,
    FilledText,
    Line,
    ReplyForm,
    Text,
    ThreadForm,
    check_form,
    split_names,
)

LINES = TypeAdapter[str](Line)
TEXTS = TypeAdapter[str](Text)


@pytest.mark.parametrize("bad", ["a\0b", "\x1b[2J", "\x7f", "\ud800"])
def test_text_refuses_characters_that_no_text_holds(bad: str) -> None:
    with pytest.raises(ValidationError):
        TEXTS.validate_python(bad)
    with pytest.raises(ValidationError):
        LINES.validate_python(bad)


def test_a_line_folds_its_white_space() -> None:
    assert LINES.validate_python("  one\r\n\ttwo  ") == "one two"


def test_a_text_keeps_its_lines_and_ends_them_alike() -> None:
    assert TEXTS.validate_python("a\r\n\tb\rc\n") == "a\n\tb\nc\n"


def test_texts_are_bounded() -> None:
    assert TEXTS.validate_python("x" * TEXT_LENGTH)
    with pytest.raises(ValidationError):
        TEXTS.validate_python("x" * (TEXT_LENGTH + 1))
    with pytest.raises(ValidationError):
        LINES.validate_python("x" * (LINE_LENGTH + 1))


def test_white_space_is_no_text() -> None:
    with pytest.raises(ValidationError, match="must not be empty"):
        TypeAdapter(FilledText).validate_python(" \n ")


@given(st.text(max_size=200))
def test_what_is_accepted_is_utf_8_without_nul(typed: str) -> None:
    try:
        text = TEXTS.validate_python(typed)
    except ValidationError:
        return
    assert "\0" not in text
    assert text.encode().decode() == text


def test_a_form_says_what_is_wrong_in_each_field() -> None:
    typed = {"kind": "gripe", "severity": "nit", "text": "\0"}
    form, wrong = check_form(ThreadForm, typed)
    assert form is None
    assert wrong.keys() == {"title", "kind", "text"}
    assert wrong["title"] == "this is required"
    assert "U+0000" in wrong["text"]


def test_an_empty_parent_is_none() -> None:
    form, wrong = check_form(ReplyForm, {"text": "yes", "parent": ""})
    assert form is not None
    assert form.parent is None
    assert wrong == {}


@pytest.mark.parametrize(
    ("typed", "start"), [("12", 12), ("", None), ("x", None), ("9" * 40, None)]
)
def test_a_hint_that_is_no_number_is_none(
    typed: str, start: int | None
) -> None:
    fields = {"title": "t", "kind": "praise", "severity": "nit", "text": "x"}
    form, _ = check_form(ThreadForm, fields | {"start": typed})
    assert form is not None
    assert form.start == start


def test_names_are_parted_by_commas_or_spaces() -> None:
    assert split_names(" VMI_Halt, VMI_Init VMI_Halt,") == (
        "VMI_Halt",
        "VMI_Init",
    )
    assert split_names("") == ()

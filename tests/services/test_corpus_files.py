"""Files of facts: plain YAML, bounded, with the place of what is wrong."""

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import CorpusError
from app.services.corpus_files import (
    MOST_BYTES,
    CorpusFile,
    parse_yaml,
    read_file,
)


def parse(text: str) -> object:
    """Parse a text as the file `f.yaml`."""
    return parse_yaml(CorpusFile("f.yaml", text, ""))


def test_plain_yaml_is_read() -> None:
    text = "a: 1\nb: [x, null, true]\nc:\n  d: 'text'\n"
    assert parse(text) == {"a": 1, "b": ["x", None, True], "c": {"d": "text"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "line 2, column 1: did not find expected ',' or ']'"),
        ("a: 1\na: 2\n", "line 2, column 1: the key 'a' stands twice"),
        ("a: &x 1\n", "line 1, column 4: anchors and aliases"),
        ("a: *x\n", "line 1, column 4: anchors and aliases"),
        ("a: !!python/name:os.system ''\n", "column 4: tags are not used"),
        ("a: !x 1\n", "line 1, column 4: tags are not used here"),
        ("? [a]\n: 1\n", "line 1, column 3: a key that is not a text"),
        ("a: 2006-03-13\n", "column 4: expected a text, found a timestamp"),
        ("a: 1.5\n", "expected a text, found a float: put it in quotes"),
        ("<<: {a: 1}\n", "expected a text, found a merge"),
        ("a: 1" + "0" * 20, "a number of more than 18 digits"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: a second YAML document"),
        ("", "is empty"),
        ("a: \x07\n", "is not YAML"),
        ("[" * 5000, "line 1, column 17: nested deeper than 16"),
        ("- " * 5000, "nested deeper than 16"),
        ("[" + "x," * 400_000 + "]", "more than 400000 YAML events"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_place(
    text: str, message: str
) -> None:
    with pytest.raises(CorpusError, match=re.escape(message)) as refused:
        parse(text)
    assert refused.value.file == "f.yaml"


WORDS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9999, 9999) | WORDS,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(WORDS, inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_what_is_plain_comes_back(value: object) -> None:
    """JSON is YAML, and all of it is plain."""
    text = json.dumps({"k": value}, ensure_ascii=False)
    assert parse(text) == {"k": value}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(CorpusError):
        parse(text)


def test_a_file_has_its_digest(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\n")
    file = read_file(tmp_path, "a.yaml")
    assert (file.name, file.text) == ("a.yaml", "a: 1\n")
    assert re.fullmatch("[0-9a-f]{64}", file.digest)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a: \xff\n", "is not UTF-8: byte 3"),
        (b"a: 1\nb: \0\n", "line 2: a NUL character"),
        (b"#" * (MOST_BYTES + 1), f"is longer than {MOST_BYTES} bytes"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_text_is_refused(
    tmp_path: Path, raw: bytes | None, message: str
) -> None:
    if raw is not None:
        (tmp_path / "a.yaml").write_bytes(raw)
    with pytest.raises(CorpusError, match=message):
        read_file(tmp_path, "a.yaml")

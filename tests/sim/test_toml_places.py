"""TOML with places: each key and value is found where it stands."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.toml_places import (
    MAXIMUM_BYTES,
    Document,
    Path,
    ScenarioError,
    read_toml,
)

TEXT = '''# a comment = [
top = 1
"quoted key" = 'x'
[table . inner]   # [not.this]
a.b = { c = [1, "two]", { d = 4 } ], e = true }   # }
when = 2006-03-22 21:05:56
text = """
first
second \\"third\\"
"""
next = ""
'''


@pytest.fixture(scope="module")
def document() -> Document:
    return read_toml(TEXT)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("top",), (2, 1), (2, 7)),
        (("quoted key",), (3, 1), (3, 16)),
        (("table",), (4, 2), (4, 2)),
        (("table", "inner"), (4, 10), (4, 10)),
        (("table", "inner", "a", "b"), (5, 3), (5, 7)),
        (("table", "inner", "a", "b", "c"), (5, 9), (5, 13)),
        (("table", "inner", "a", "b", "c", 1), (5, 9), (5, 17)),
        (("table", "inner", "a", "b", "c", 2, "d"), (5, 27), (5, 31)),
        (("table", "inner", "a", "b", "e"), (5, 38), (5, 42)),
        (("table", "inner", "when"), (6, 1), (6, 8)),
        (("table", "inner", "text"), (7, 1), (7, 8)),
        (("table", "inner", "next"), (11, 1), (11, 8)),
        (("table", "inner", "absent"), (4, 10), (4, 10)),
        (("absent",), (1, 1), (1, 1)),
    ],
)
def test_keys_and_values_have_places(
    document: Document,
    path: Path,
    key: tuple[int, int],
    value: tuple[int, int],
) -> None:
    """A key that is absent stands where its table does."""
    assert document.locate_key(path) == key
    assert document.locate_value(path) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "place"),
    [
        ('a = "xyz"', 1, 2, (1, 7)),
        ("a = 'xyz'", 1, 3, (1, 8)),
        ('a = "\\u00e9\\tz"', 1, 3, (1, 14)),
        ('a = """xyz"""', 1, 2, (1, 9)),
        ('a = """\nxyz\n  uvw"""', 2, 3, (3, 3)),
        ("a = '''\r\nxyz\r\nuvw'''", 2, 1, (3, 1)),
        ('a = """x \\\n   y\nz"""', 1, 3, (2, 4)),
        ('a = """x \\\n   y\nz"""', 2, 1, (3, 1)),
        ('a = "xyz"', 1, 4, (1, 9)),
        ('a = ""', 1, 1, (1, 6)),
        ('b = ""\na = """"x"""', 1, 2, (2, 9)),
    ],
)
def test_places_inside_texts_are_translated(
    text: str, line: int, column: int, place: tuple[int, int]
) -> None:
    """A line and column of a text value are found in the file."""
    assert read_toml(text).locate_inside(("a",), line, column) == place


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a = ", 1, 5),
        ("a = 1\nb = [1,\n", 3, 1),
        ("a = 1\na = 2", 2, 6),
        ("a = 1 b = 2", 1, 7),
        ("[a\n", 1, 3),
        ('a = "x', 1, 7),
        ("a = 1\n\0", 2, 1),
        ("a = 0x" + "f" * 20 + "g", 1, 27),
        ("[[a]]\nb = 1", 1, 1),
        ("a.b.c.d.e.f.g.h.i = 1", 1, 17),
        ("a = " + "[" * 20 + "]" * 20, 1, 13),
        ("a = " + "9" * 5000, 1, 1),
    ],
)
def test_what_is_no_toml_is_refused(text: str, line: int, column: int) -> None:
    """The error tells the place that the parser found wrong."""
    with pytest.raises(ScenarioError) as caught:
        read_toml(text)
    assert caught.value.line == line, str(caught.value)
    if len(text) < 1000:
        assert caught.value.column == column, str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a" * (MAXIMUM_BYTES + 1),
        "\u00e9" * (MAXIMUM_BYTES // 2 + 1),
        "a = " + "[" * (MAXIMUM_BYTES - 10),
        "a = " + "{a=" * (MAXIMUM_BYTES // 3 - 10),
        "a." * (MAXIMUM_BYTES // 2 - 10) + "a = 1",
        "[" + "a." * (MAXIMUM_BYTES // 2 - 10) + "a]",
        "a = '''" + "'" * (MAXIMUM_BYTES - 20),
        'a = """' + '\\"' * (MAXIMUM_BYTES // 2 - 20),
        "a = " + "9" * (MAXIMUM_BYTES - 10),
        "#" * (MAXIMUM_BYTES - 10) + "\n=",
        "\0" * MAXIMUM_BYTES,
        "\ud800",
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_hostile_text_is_refused_quickly(text: str) -> None:
    """What a stranger sends costs less than a second."""
    began = time.process_time()
    with pytest.raises(ScenarioError):
        read_toml(text)
    assert time.process_time() - began < 1


@given(st.text(alphabet="a=.[]{}'\"\\#\n, 1é", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends in another error."""
    try:
        document = read_toml(text)
    except ScenarioError:
        return
    assert set(document.root) == {
        path[0] for path in document.keys if len(path) == 1
    }


@given(
    st.dictionaries(
        st.text("abc-_09", min_size=1, max_size=5),
        st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
        max_size=5,
    ),
    st.integers(0, 10),
)
def test_characters_are_found_where_they_were_written(
    values: dict[str, str], index: int
) -> None:
    """Each character of a text leads to its place in the file."""
    text = ""
    for key, value in values.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        text += f'{key} = "{escaped}"\n'
    document = read_toml(text)
    for line, (key, value) in enumerate(values.items(), start=1):
        if index >= len(value):
            continue
        before = value[:index].replace("\\", "\\\\").replace('"', '\\"')
        column = len(f'{key} = "{before}') + 1
        assert document.locate_inside((key,), 1, index + 1) == (line, column)

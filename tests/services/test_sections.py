"""Sections: a document cut at its headings, and references to them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services import corpus
from app.services.corpus_files import read_file
from app.services.sections import (
    ParsedSection,
    PointerError,
    SectionIndex,
    make_slug,
    parse_sections,
)

DOCUMENT = """# Title

Before *anything*.

## 1) First

One.

### 1.1 Deeper

- a
- b

---

## Appendix A - Words

1. one
2. two

```
# no heading
```

### Words

Last.
"""


@pytest.fixture
def sections() -> list[ParsedSection]:
    return parse_sections(DOCUMENT)


def test_each_heading_opens_a_section(sections: list[ParsedSection]) -> None:
    assert [(s.number, s.title, s.level, s.parent) for s in sections] == [
        ("", "Title", 1, None),
        ("1", "First", 2, 0),
        ("1.1", "Deeper", 3, 1),
        ("Appendix A", "Words", 2, 0),
        ("", "Words", 3, 3),
    ]


def test_spans_cover_the_text_without_gap(
    sections: list[ParsedSection],
) -> None:
    assert "".join(DOCUMENT[s.start : s.end] for s in sections) == DOCUMENT
    assert all(DOCUMENT[s.start] == "#" for s in sections)


def test_spans_count_code_points() -> None:
    text = "# \N{FACE WITH TEARS OF JOY}\n\né\n\n# b\n"
    assert [text[s.start :][:3] for s in parse_sections(text)] == [
        "# \N{FACE WITH TEARS OF JOY}",
        "# b",
    ]


def test_anchors_are_unique_and_name_the_section(
    sections: list[ParsedSection],
) -> None:
    assert [s.anchor for s in sections] == [
        "title",
        "first",
        "deeper",
        "appendix-a",
        "words",
    ]
    twice = parse_sections("# a\n\n# a\n\n# a\n")
    assert [s.anchor for s in twice] == ["a", "a-2", "a-3"]


def test_blocks_have_ids_that_remarks_point_to(
    sections: list[ParsedSection],
) -> None:
    assert sections[0].html == (
        '<p id="title.p1">Before <em>anything</em>.</p>\n'
    )
    assert re.findall(r'id="([^"]+)"', sections[2].html) == [
        "deeper.p1",
        "deeper.p2",
    ]
    assert re.findall(r'id="([^"]+)"', sections[3].html) == [
        "appendix-a.item1",
        "appendix-a.item2",
        "appendix-a.p1",
    ]


def test_the_rule_before_the_next_heading_is_no_content(
    sections: list[ParsedSection],
) -> None:
    assert "<hr" not in sections[2].html


def test_items_of_two_lists_do_not_share_an_id() -> None:
    [section] = parse_sections("# a\n\n1. x\n\nthen\n\n1. y\n")
    ids = re.findall(r'id="([^"]+)"', section.html)
    assert ids == ["a.item1", "a.p1", "a.p2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "without a heading"),
        ("only words\n", "without a heading"),
        ("words\n\n# late\n", "starts with its heading"),
        ("# a\n\n" * 2001, "more than 2000 headings"),
    ],
)
def test_a_document_without_order_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_sections(text)


@pytest.mark.parametrize(
    "text",
    [
        "# a\n\n<script>alert(1)</script>\n",
        "# a\n\n[x](javascript:alert(1))\n",
        '# a\n\n<p id="b" onclick="x">\n',
        "# <img src=x onerror=alert(1)>\n",
    ],
)
def test_html_of_a_document_is_text(text: str) -> None:
    [section] = parse_sections(text)
    assert "<script" not in section.html
    assert 'href="javascript' not in section.html
    assert not re.search(r"<[^>]+onclick", section.html)


@given(st.text(alphabet="#ab \n-`>*1.", max_size=200))
def test_any_document_that_is_taken_is_covered(body: str) -> None:
    text = f"# a\n{body}"
    sections = parse_sections(text)
    assert "".join(text[s.start : s.end] for s in sections) == text
    assert len({s.anchor for s in sections}) == len(sections)


@pytest.mark.parametrize(
    ("words", "anchor", "note"),
    [
        ("1 First", "first", None),
        ("1 Fi", "first", None),
        ("1.1 Deeper", "deeper", None),
        ("1 First, item 6", "first", "item 6"),
        ("1 First, items 6 and 7", "first", "items 6 and 7"),
        ("Appendix A", "appendix-a", None),
        ("Appendix A / words", "words", None),
        ("First / Deeper", "deeper", None),
        ("Title", "title", None),
        ("whole document", "title", None),
    ],
)
def test_a_reference_in_words_finds_its_section(
    sections: list[ParsedSection], words: str, anchor: str, note: str | None
) -> None:
    position, found = SectionIndex(sections).resolve(words)
    assert position is not None
    assert (sections[position].anchor, found) == (anchor, note)


@pytest.mark.parametrize("words", ["patch 4/24", "(patch 4/24)"])
def test_a_patch_is_no_section(
    sections: list[ParsedSection], words: str
) -> None:
    assert SectionIndex(sections).resolve(words) == (None, "patch 4/24")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("9 Nothing", "no section is called '9 Nothing'"),
        ("Nothing", "no section is called 'Nothing'"),
        ("1 Other", "section 1 is called 'First', not 'Other'"),
        ("Appendix A / Deeper", "no section of 'Appendix A'"),
        ("", "no section is called ''"),
    ],
)
def test_a_reference_to_nothing_is_refused(
    sections: list[ParsedSection], words: str, message: str
) -> None:
    with pytest.raises(PointerError, match=re.escape(message)):
        SectionIndex(sections).resolve(words)


def test_references_are_parted_by_semicolons(
    sections: list[ParsedSection],
) -> None:
    index = SectionIndex(sections)
    places = index.resolve_all("Appendix A / Words; First / Deeper")
    assert [p.position for p in places] == [4, 2]
    assert index.resolve_all("") == []


def test_the_bundled_document_has_a_section_for_each_group_of_calls() -> None:
    text = read_file(corpus.BUNDLED, "document.md").text
    sections = parse_sections(text)
    appendix = next(s for s in sections if s.anchor == "appendix-a")
    below = [s.title for s in sections if s.parent == appendix.position]
    assert sum(title.endswith(" calls") for title in below) == 10


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        ("Interrupt and I/O subsystem", "interrupt-and-i-o-subsystem"),
        ("Zoë  Müller", "zoe-muller"),
        ("…", "unnamed"),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_slug_is_plain(words: str, slug: str) -> None:
    assert make_slug(words) == slug

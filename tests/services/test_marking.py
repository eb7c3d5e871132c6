"""Passages marked in HTML whose text stays."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.annotations import read_text
from app.services.marking import Mark, mark_passages
from app.services.sections import parse_sections

TEXT = """\
# Title

The call `VMI_Halt` **stops** a & b < c, \U0001f600 then
waits. Another sentence.

- one item
- two items of `code`

| a | b |
|---|---|
| 1 | 2 & 3 |

    listing <here>
"""
HTML = parse_sections(TEXT)[0].html
WORDS = read_text(HTML)


def _find(words: str) -> tuple[int, int]:
    start = WORDS.index(words)
    return start, start + len(words)


class _Checker(HTMLParser):
    """Checks that elements close in order, and reads what is marked."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.marked: dict[str, str] = {}

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        if tag not in {"br", "hr"}:
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, noun in self.open:
            if noun.startswith("anchored"):
                self.marked[noun] = self.marked.get(noun, "") + data


def _check(html: str) -> str:
    checker = _Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker.marked.get("anchored", "")


def test_a_passage_within_a_paragraph_is_one_element() -> None:
    start, end = _find("VMI_Halt stops a & b < c, \U0001f600 then")
    html = mark_passages(HTML, [Mark(start, end, 7)])
    assert html.count('class="anchored"') == 1
    assert '<span class="anchored" id="passage-7"><code>VMI_Halt' in html
    assert 'href="#note-7" data-number="7"' in html
    assert _check(html) == WORDS[start:end]


def test_a_passage_through_blocks_has_one_element_each() -> None:
    start, end = _find("Another sentence.")[0], _find("one item")[1]
    html = mark_passages(HTML, [Mark(start, end, 1)])
    assert html.count('class="anchored"') == 2
    assert html.count('id="passage-1"') == 1
    assert html.count("note-ref") == 1
    assert "".join(_check(html).split()) == "".join(WORDS[start:end].split())


def test_half_a_code_word_can_be_marked() -> None:
    start, end = _find("Halt st")
    html = mark_passages(HTML, [Mark(start, end, 1)])
    assert _check(html) == "Halt st"


def test_a_ghost_is_told_apart() -> None:
    html = mark_passages(HTML, [Mark(*_find("waits"), 1, is_ghost=True)])
    assert '<span class="anchored ghost" id="passage-1">waits<a' in html


def test_nothing_to_mark_changes_nothing() -> None:
    assert mark_passages(HTML, []) == HTML
    assert mark_passages(HTML, [Mark(10**6, 10**6 + 5, 1)]) == HTML


spans = st.tuples(st.integers(0, len(WORDS)), st.integers(0, len(WORDS))).map(
    sorted
)


@given(st.lists(spans, max_size=6))
def test_the_text_stays_and_elements_close(found: list[list[int]]) -> None:
    """Whatever passages overlap, offsets into the text hold."""
    marks = [Mark(a, b, number) for number, (a, b) in enumerate(found)]
    html = mark_passages(HTML, marks)
    assert read_text(html) == WORDS
    wanted = {
        place
        for start, end in found
        for place in range(start, end)
        if not WORDS[place].isspace()
    }
    marked = _check(html)
    assert sum(not c.isspace() for c in marked) >= len(wanted)


@pytest.mark.parametrize("html", ["", "<p>", "a < b", "<br><hr>"])
def test_odd_html_comes_back(html: str) -> None:
    assert mark_passages(html, [Mark(0, 0, 1)]) == html

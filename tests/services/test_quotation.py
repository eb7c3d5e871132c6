"""Quotation levels: every line keeps its depth and its words."""

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.quotation import (
    DEEPEST,
    Line,
    mask_addresses,
    read_line,
    render_mail,
)


class Reader(HTMLParser):
    """Collects each line of text with the depth of quotation around it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.depth = 0
        self.lines: list[tuple[int, str]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.depth == 0

    def handle_starttag(
        self,
        tag: str,
        attrs: list[tuple[str, str | None]],  # noqa: ARG002 - its signature
    ) -> None:
        """Go one level deeper, or begin a block of lines."""
        self.depth += tag == "div"
        self.text = []

    def handle_endtag(self, tag: str) -> None:
        """Come up one level, or end a block of lines."""
        if tag == "div":
            self.depth -= 1
        else:
            lines = "".join(self.text).split("\n")
            self.lines += [(self.depth, line) for line in lines]

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text.append(data)


@pytest.mark.parametrize(
    ("line", "depth", "text"),
    [
        ("plain", 0, "plain"),
        ("> one", 1, "one"),
        (">one", 1, "one"),
        (">> two", 2, "two"),
        ("> > two", 2, "two"),
        (">>  + code", 2, " + code"),
        (">", 1, ""),
        (" > no mark", 0, " > no mark"),
        (">From here", 1, "From here"),
    ],
)
def test_the_depth_is_the_number_of_marks(
    line: str, depth: int, text: str
) -> None:
    assert read_line(line) == Line(depth, text)


@given(
    st.lists(
        st.tuples(
            st.integers(0, DEEPEST),
            st.text("abc<&>\"' :", max_size=12).filter(
                lambda t: t.strip() and not t.lstrip().startswith(">")
            ),
        ),
        max_size=20,
    )
)
def test_every_line_stands_at_its_depth(lines: list[tuple[int, str]]) -> None:
    body = "\n".join(
        f"{'>' * depth} {text}" if depth else text.lstrip()
        for depth, text in lines
    )
    shown = Reader(render_mail(body)).lines
    assert [(depth, text.strip()) for depth, text in shown] == [
        (depth, text.strip()) for depth, text in lines
    ]


def test_nothing_of_a_mail_is_markup() -> None:
    html = render_mail("<script>alert(1)</script>\n> <b>&amp;</b>\n")
    assert "<script" not in html
    assert "<b>" not in html
    assert "&amp;amp;" in html


def test_who_is_quoted_is_set_apart() -> None:
    html = render_mail(
        "On Mon, 13 Mar 2006,\nZachary Amsden wrote:\n\n> text\n\nNo.\n"
    )
    assert (
        '<pre class="attribution">On Mon, 13 Mar 2006,\n'
        "Zachary Amsden wrote:</pre>" in html
    )
    assert "attribution" not in render_mail("Somebody wrote:\nnothing\n")


def test_a_signature_ends_a_mail_unless_it_is_quoted() -> None:
    html = render_mail("text\n-- \nZwane\n")
    assert '<pre class="signature">-- \nZwane</pre>' in html
    assert "signature" not in render_mail("-- \n> quoted\nanswer\n")
    footer = "To unsubscribe from this list: send the line"
    assert "signature" in render_mail(f"text\n\n{footer}\n")


def test_marks_without_end_nest_no_deeper_than_is_shown() -> None:
    html = render_mail(">" * 5000 + " x\n")
    assert html.count("<div") == DEEPEST


@pytest.mark.parametrize(
    "body",
    [
        "-- \n" * 200_000 + ">",
        ">" * 800_000,
        "a@" * 400_000,
        "a@" + "a." * 400_000,
        "wrote:" * 130_000 + "\n> x",
    ],
)
def test_hostile_mails_take_no_longer_than_their_length(body: str) -> None:
    start = time.perf_counter()
    mask_addresses(render_mail(body))
    assert time.perf_counter() - start < 10


def test_addresses_are_hidden_and_the_rest_is_kept() -> None:
    text = "Andi <ak@suse.de> wrote to a.b+c@x.example: @home, x@y"
    assert mask_addresses(text) == (
        "Andi <ak@xxxxxxx> wrote to a.b+c@xxxxxxxxx: @home, x@y"
    )
    assert not re.search("suse", mask_addresses(render_mail(text)))

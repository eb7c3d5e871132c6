"""Quotation levels: every line keeps its depth and its words."""

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.masking import find_ids, link_ids
from app.services.quotation import (
    DEEPEST,
    Line,
    mask_addresses,
    read_line,
    render_mail,
)
from app.services.quoted_blocks import find_blocks
from app.services.trailers import find_trailers


class Reader(HTMLParser):
    """Collects each line of text with the depth of quotation around it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.depth = 0
        self.lines: list[tuple[int, str]] = []
        self.text: list[str] | None = None
        self.feed(html)
        self.close()
        assert self.depth == 0

    def handle_starttag(
        self,
        tag: str,
        attrs: list[tuple[str, str | None]],  # noqa: ARG002 - its signature
    ) -> None:
        """Go one level deeper, or begin a block of lines."""
        self.depth += tag in {"div", "details"}
        if tag == "pre":
            self.text = []

    def handle_endtag(self, tag: str) -> None:
        """Come up one level, or end a block of lines."""
        self.depth -= tag in {"div", "details"}
        if tag == "pre":
            lines = "".join(self.text or ()).split("\n")
            self.lines += [(self.depth, line) for line in lines]
            self.text = None

    def handle_data(self, data: str) -> None:
        """Collect text."""
        if self.text is not None:
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
            st.text("abc<&>\"'+- :", max_size=12).filter(
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


@given(
    st.lists(
        st.sampled_from(
            ["", "  ", "+", "> q", ">> é", "> +", "own", " own", "A wrote:"]
            + ["On 1 May, A wrote:", "-- ", "Acked-by: A <a@b.example>"]
        ),
        max_size=14,
    )
)
def test_the_answer_to_each_quotation_has_an_element(
    lines: list[str],
) -> None:
    body = "\n".join(lines)
    html = render_mail(body)
    names = re.findall(r'<pre id="c(\d+)">', html)
    assert len(names) == len(set(names))
    for block in find_blocks(body):
        if block.reply:
            assert str(block.reply_start) in names


def test_nothing_of_a_mail_is_markup() -> None:
    html = render_mail("<script>alert(1)</script>\n> <b>&amp;</b>\n")
    assert "<script" not in html
    assert "<b>" not in html
    assert "&amp;amp;" in html


def test_long_quotations_fold_and_short_ones_do_not() -> None:
    html = render_mail("> a\n> b\nso\n> 1\n> 2\n> > 3\n\n> 4\nno\n")
    assert html.count("<details") == 1
    assert '<details class="quote quote-1" open>' in html
    assert "<summary>5 quoted lines</summary>" in html
    assert '<div class="quote quote-1">' in html


def test_empty_lines_between_quotations_part_nothing() -> None:
    html = render_mail("> a\n\n\n> b\n> > c\n\n> d\n\nanswer\n")
    assert html.count('quote-1"') == 1
    assert html.endswith('<pre id="c22">answer</pre>\n')


def test_a_patch_and_trailers_are_marked() -> None:
    html = render_mail(
        "Acked-by: A <a@b.example>\n@@ -1 +1 @@\n-old\n+new\n> Acked-by: B\n"
    )
    assert '<span class="trailer">Acked-by: A' in html
    assert '<span class="patch-removed">-old</span>' in html
    assert "<pre>Acked-by: B</pre>" in html


@pytest.mark.parametrize(
    ("text", "url", "rest"),
    [
        ("see http://a.example/x.", "http://a.example/x", "."),
        ("(http://a.example/x)", "http://a.example/x", ")"),
        ("http://a.example/x_(y) z", "http://a.example/x_(y)", " z"),
        ("<https://a.example:80/?q=1&r>", "https://a.example:80/?q=1&r", ">"),
        ("HTTPS://[::1]/", "HTTPS://[::1]/", ""),
    ],
)
def test_addresses_of_the_web_are_links(
    text: str, url: str, rest: str
) -> None:
    html = render_mail(text)
    reference = url.replace("&", "&amp;")
    assert f'<a href="{reference}" rel="nofollow noopener">' in html
    assert html.endswith(
        f"</a>{rest.replace('>', '&gt;')}</pre>\n",
    )


@pytest.mark.parametrize(
    "text",
    [
        "javascript://a.example/%0aalert(1)",
        "http://bank.example@evil.example/",
        "ftp://a.example/",
        "http://",
        "http:///etc",
        'http://"onmouseover="alert(1)',
        "http://a.example\\@evil.example/",
    ],
)
def test_what_may_deceive_is_no_link(text: str) -> None:
    html = render_mail(text)
    assert "<a" not in html or 'href="http://a.example"' in html
    assert 'href="javascript' not in html


def test_an_archive_keeps_the_id_that_its_address_names() -> None:
    text = "https://lore.kernel.org/r/1@b.example and http://c.example/?d@e.fr"
    html = mask_addresses(render_mail(text))
    assert 'href="https://lore.kernel.org/r/1%40b.example"' in html
    assert "r/1&#64;b.example</a>" in html
    assert "e.fr" not in html


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
    html = render_mail((">" * 5000 + " x\n") * 4)
    assert html.count("<details") == DEEPEST


@pytest.mark.parametrize(
    "body",
    [
        "-- \n" * 200_000 + ">",
        ">" * 800_000,
        "a@" * 400_000,
        "a@" + "a." * 400_000,
        "wrote:" * 130_000 + "\n> x",
        "http://" * 130_000,
        "http://a" + ")" * 800_000,
        "> a\n\n" * 200_000,
        "> +a\n>> -\n" * 100_000,
        "@@ -1,999999999 +1,999999999 @@\n" + "+\n" * 400_000,
        "Acked-by: x\n" * 80_000,
    ],
)
def test_hostile_mails_take_no_longer_than_their_length(body: str) -> None:
    start = time.process_time()
    html = render_mail(body)
    link_ids(html, dict.fromkeys(find_ids(html), "/"))
    mask_addresses(html)
    find_trailers(body)
    assert time.process_time() - start < 10

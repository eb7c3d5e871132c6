"""Markdown: rendered without HTML, then sanitised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.markdown import parse, render_markdown, render_tokens


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a *b*", "<p>a <em>b</em></p>\n"),
        ("`VMI_Halt`", "<p><code>VMI_Halt</code></p>\n"),
        ("~~x~~", "<p><s>x</s></p>\n"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
        ("[x](javascript:y)", "<p>[x](javascript:y)</p>\n"),
        ("![x](https://a.b/c.png)", "<p></p>\n"),
        (
            "[x](https://a.b)",
            '<p><a href="https://a.b" rel="nofollow ugc noopener">x</a></p>\n',
        ),
    ],
)
def test_markdown_becomes_safe_html(text: str, html: str) -> None:
    assert render_markdown(text) == html


def test_a_table_is_a_table() -> None:
    html = render_markdown("|a|b|\n|-|-|\n|1|2|\n")
    assert "<th>a</th>" in html
    assert "<td>2</td>" in html


def test_only_a_document_keeps_ids() -> None:
    tokens = parse("x")
    tokens[0].attrSet("id", "here")
    tokens[0].attrSet("onclick", "y")
    assert render_tokens(tokens) == '<p id="here">x</p>\n'


def test_deep_nesting_is_flattened_quickly() -> None:
    assert render_markdown(">" * 50_000).count("<blockquote>") <= 20


@given(st.text(max_size=300))
def test_no_text_becomes_an_active_element(text: str) -> None:
    html = render_markdown(text).lower()
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html

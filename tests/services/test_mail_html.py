"""Mails of HTML alone: their words, as lines, and nothing else of them."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.mail_html import LONGEST_HTML, read_html


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("<p>a</p><p>b</p>", "a\n\nb\n"),
        ("a<br>b<br><br>c", "a\nb\n\nc\n"),
        ("<div>a\n  b</div><div>c</div>", "a b\nc\n"),
        ("<pre>a\n  b</pre>c", "a\n  b\n\nc\n"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b\n"),
        ("<blockquote>a<br>b</blockquote>c", "> a\n> b\n\nc\n"),
        (
            "x<blockquote>a<blockquote>b</blockquote></blockquote>",
            "x\n\n> a\n>\n>> b\n",
        ),
        ("&gt; no quote &amp; &eacute;", " > no quote & é\n"),
        ("a</blockquote></pre>b", "a\n\nb\n"),
        ("<P CLASS=x>a<BR/>b", "a\nb\n"),
        ("<script>alert(1)</script>a<style>p{}</style>", "a\n"),
        ("<head><title>t</title></head><body>b</body>", "b\n"),
        ('<a href="javascript:x">link</a> <img src="x">', "link\n"),
        ("a<!-- hidden -->b", "ab\n"),
        ("<table><tr><td>a</td></tr><tr><td>b</td></tr></table>", "a\nb\n"),
        ("", ""),
        ("<div></div>", ""),
        ("a < b", "a < b\n"),
    ],
)
def test_html_becomes_lines_of_words(sent: str, text: str) -> None:
    assert read_html(sent) == text


@given(st.text(st.sampled_from("<>/&;pdivbrqr e!-lt")))
def test_any_text_is_words(sent: str) -> None:
    assert read_html(sent).isprintable() or "\n" in read_html(sent)


@pytest.mark.parametrize(
    "piece",
    ["<div>", "<blockquote>", "<!--", "</p>", "<a <", "&", "<table><tr>", "<"],
)
def test_broken_html_takes_little_time(piece: str) -> None:
    start = process_time()
    read_html(piece * (LONGEST_HTML // len(piece)))
    assert process_time() - start < 1

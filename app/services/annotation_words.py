"""What an annotation says as pages show it, and as it is searched.

Markdown is rendered, plain text is kept line by line, HTML is shown as what
is left of it when it was sanitised; a body that stands elsewhere is a link.
Text of any other form is shown as it was written.
"""

from collections.abc import Sequence
from html import escape

from app.services.annotation_reading import Checked, Words
from app.services.mail_html import read_html
from app.services.markdown import clean_html, render_markdown

MARKDOWN = ("text/markdown", "text/x-markdown")
HTML = ("text/html", "application/xhtml+xml")


def render_words(checked: Checked) -> str:
    """Return safe HTML of what an annotation says."""
    parts = [_render(words) for words in checked.words]
    parts += [_render_link(link.source) for link in checked.links]
    return "".join(parts)


def read_words(checked: Checked) -> str:
    """Return the text of what an annotation says."""
    texts = [_read(words) for words in checked.words]
    return "\n\n".join(text for text in texts if text.strip())


def _read(words: Words) -> str:
    is_html = words.format in HTML
    return read_html(words.value).strip() if is_html else words.value


def _render(words: Words) -> str:
    if words.format in MARKDOWN:
        return render_markdown(words.value)
    if words.format in HTML:
        return clean_html(words.value)
    return "".join(map(_render_paragraph, _cut_paragraphs(words.value)))


def _cut_paragraphs(text: str) -> Sequence[str]:
    return [part for part in text.replace("\r\n", "\n").split("\n\n") if part]


def _render_paragraph(text: str) -> str:
    lines = escape(text.strip("\n")).split("\n")
    return f"<p>{'<br>'.join(lines)}</p>"


def _render_link(iri: str) -> str:
    # what is no address of the Web loses its link
    named = escape(iri)
    return clean_html(f'<p><a href="{named}">{named}</a></p>')

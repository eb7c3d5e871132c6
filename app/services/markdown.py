"""Markdown to HTML, the one way: rendered without HTML, then sanitised."""

from collections.abc import Sequence
from functools import cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

TAGS = frozenset(
    {"a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4"}
    | {"h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong", "table"}
    | {"tbody", "td", "th", "thead", "tr", "ul"}
)
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}}
# blocks of a document have ids of ours; nobody else's text gets any
NAMED_BLOCKS = {
    **{name: {"id"} for name in ("p", "li", "pre")},
    "code": {"class", "id"},
}
SCHEMES = frozenset({"http", "https", "mailto"})
LINK_RELATION = "nofollow ugc noopener"


def render_markdown(text: str) -> str:
    """Return safe HTML for a text that anybody may have written."""
    return clean_html(_get_parser().render(text))


def clean_html(html: str) -> str:
    """Return what is safe of HTML that anybody may have written."""
    return _get_cleaner(named=False).clean(html)


def parse(text: str) -> list[Token]:
    """Return a document's tokens, to be cut into sections."""
    return _get_parser().parse(text)


def render_tokens(tokens: Sequence[Token]) -> str:
    """Return safe HTML for a part of a document, ids of blocks kept."""
    parser = _get_parser()
    html = parser.renderer.render(list(tokens), parser.options, {})
    return _get_cleaner(named=True).clean(html)


@cache
def _get_cleaner(*, named: bool) -> nh3.Cleaner:
    attributes = ATTRIBUTES | NAMED_BLOCKS if named else ATTRIBUTES
    return nh3.Cleaner(
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in attributes.items()},
        url_schemes=set(SCHEMES),
        link_rel=LINK_RELATION,
    )


@cache
def _get_parser() -> MarkdownIt:
    return MarkdownIt(
        "commonmark", {"html": False, "linkify": False, "maxNesting": 20}
    ).enable(["table", "strikethrough"])

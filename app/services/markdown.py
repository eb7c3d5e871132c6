"""Markdown to HTML, the one way: rendered without HTML, then sanitised."""

from functools import cache

import nh3
from markdown_it import MarkdownIt

TAGS = frozenset(
    {"a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4"}
    | {"h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong", "table"}
    | {"tbody", "td", "th", "thead", "tr", "ul"}
)
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}}
SCHEMES = frozenset({"http", "https", "mailto"})
LINK_RELATION = "nofollow ugc noopener"


def render_markdown(text: str) -> str:
    """Return safe HTML for a text that anybody may have written."""
    return nh3.clean(
        _get_parser().render(text),
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        url_schemes=set(SCHEMES),
        link_rel=LINK_RELATION,
    )


@cache
def _get_parser() -> MarkdownIt:
    return MarkdownIt(
        "commonmark", {"html": False, "linkify": False, "maxNesting": 20}
    ).enable(["table", "strikethrough"])

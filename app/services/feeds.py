"""Atom feeds (RFC 4287)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import escape

MEDIA_TYPE = "application/atom+xml; charset=utf-8"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# what XML 1.0 cannot hold, not even as a reference
_UNHELD = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One entry of a feed; `html` is its text, sanitised."""

    id: str
    url: str
    title: str
    author: str
    updated: datetime | None
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed: `url` is its own address, `page` what it tells of."""

    title: str
    url: str
    page: str


def write_feed(feed: Feed, stories: Iterable[Story]) -> bytes:
    """Return a feed as XML, the newest story first."""
    known = sorted(
        stories, key=lambda story: story.updated or EPOCH, reverse=True
    )
    updated = known[0].updated if known else None
    page = _hold(feed.page)
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n',
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:base="{page}">\n',
        _write("title", feed.title),
        _write("id", feed.url),
        f'<link rel="self" href="{_hold(feed.url)}"/>\n',
        f'<link rel="alternate" type="text/html" href="{page}"/>\n',
        _write("updated", _format(updated)),
    ]
    for story in known:
        parts += _write_story(story)
    return "".join([*parts, "</feed>\n"]).encode()


def _write_story(story: Story) -> Iterator[str]:
    yield "<entry>\n"
    yield _write("title", story.title or "(no subject)")
    yield _write("id", story.id)
    yield f'<link rel="alternate" href="{_hold(story.url)}"/>\n'
    yield _write("updated", _format(story.updated))
    yield f"<author>{_write('name', story.author or 'unknown')}</author>\n"
    yield f'<content type="html">{_hold(story.html)}</content>\n</entry>\n'


def _write(name: str, text: str) -> str:
    return f"<{name}>{_hold(text)}</{name}>\n"


def _hold(text: str) -> str:
    return str(escape(_UNHELD.sub("\N{REPLACEMENT CHARACTER}", text)))


def _format(at: datetime | None) -> str:
    return (at or EPOCH).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

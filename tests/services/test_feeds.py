"""A feed is well-formed whatever it tells of."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from app.services.feeds import Feed, Story, write_feed

ATOM = "{http://www.w3.org/2005/Atom}"
FEED = Feed(title="<t>", url="http://h/f.atom", page="http://h/f")


def _make(updated: datetime | None, title: str = "a & b\0") -> Story:
    return Story(
        id="mid:1@x",
        url="http://h/m/1@x/",
        title=title,
        author="A",
        updated=updated,
        html="<pre>x &lt; y ]]></pre>",
    )


def _read(stories: list[Story]) -> ET.Element:
    return ET.fromstring(write_feed(FEED, stories))  # noqa: S314 - our own


def test_a_feed_tells_the_newest_first() -> None:
    old = _make(datetime(2006, 3, 1, tzinfo=UTC), "old")
    new = _make(datetime(2006, 3, 2, 1, 2, 3, tzinfo=UTC))
    feed = _read([old, _make(None), new])
    assert feed.findtext(f"{ATOM}title") == "<t>"
    assert feed.findtext(f"{ATOM}updated") == "2006-03-02T01:02:03Z"
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == [
        *("a & b\N{REPLACEMENT CHARACTER}", "old"),
        "a & b\N{REPLACEMENT CHARACTER}",
    ]
    assert entries[0].findtext(f"{ATOM}content") == "<pre>x &lt; y ]]></pre>"
    assert entries[2].findtext(f"{ATOM}updated") == "1970-01-01T00:00:00Z"


def test_a_feed_without_stories_is_one() -> None:
    feed = _read([])
    assert feed.findtext(f"{ATOM}id") == "http://h/f.atom"
    assert feed.findall(f"{ATOM}entry") == []

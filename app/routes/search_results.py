"""What a search found, as pages, feeds and programs show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from fastapi import Request, Response
from markupsafe import Markup

from app.models import SearchKind
from app.pages import format_path
from app.services import feeds
from app.services.feeds import Feed, Story
from app.services.search import MOST_FOUND, Found, Order, ShownHit, Wanted
from app.services.search_hits import Hit
from app.services.snippets import Part

TAG = "tag:vmi-review,2006:"
NOUNS: Mapping[SearchKind, tuple[str, str]] = {
    SearchKind.mail: ("mail", "mails"),
    SearchKind.thread: ("thread", "threads"),
    SearchKind.annotation: ("post", "posts and remarks"),
    SearchKind.section: ("section", "sections"),
    SearchKind.call: ("call", "calls"),
    SearchKind.scenario: ("question", "questions"),
    SearchKind.run: ("run", "runs"),
    SearchKind.decision: ("decision", "decisions"),
}
REMARK = "remark"
BEGIN, END = Markup("<mark>"), Markup("</mark>")
ORDERS: Mapping[Order, str] = {
    Order.newest: "newest first",
    Order.best: "best first",
}


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line of the list: what was found, and where it is."""

    url: str
    noun: str
    shown: ShownHit


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to see the list: one kind of it, or another order."""

    text: str
    url: str
    is_chosen: bool
    count: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A page of the list, and the ways to see another."""

    lines: Sequence[FoundLine]
    kinds: Sequence[Choice]
    orders: Sequence[Choice]
    total: str
    first: int
    previous: str | None
    following: str | None
    is_cut: bool
    feed: str


def get_path(request: Request, route: str, **parts: str) -> str:
    """Return the path of a route."""
    return str(request.app.url_path_for(route, **parts))


def get_url(request: Request, hit: Hit) -> str:
    """Return where something that was found is shown."""
    if hit.kind is SearchKind.mail:
        name = format_path(hit.name)
        return get_path(request, "show_message", message_id=name)
    if hit.kind is SearchKind.annotation:
        if not hit.is_remark:
            thread = get_path(request, "show_thread", slug=hit.place)
            return f"{thread}#post-{hit.name}"
        if not hit.place:
            return get_path(request, "show_document")
        return get_path(request, "show_section", anchor=hit.place)
    routes = {
        SearchKind.thread: ("show_thread", "slug"),
        SearchKind.section: ("show_section", "anchor"),
        SearchKind.call: ("show_call", "name"),
        SearchKind.scenario: ("show_question", "slug"),
        SearchKind.run: ("show_run", "id"),
        SearchKind.decision: ("show_decision", "number"),
    }
    route, part = routes[hit.kind]
    return get_path(request, route, **{part: hit.name})


def get_noun(hit: Hit) -> str:
    """Return what it is, in a word."""
    return REMARK if hit.is_remark else NOUNS[hit.kind][0]


def get_search_url(
    request: Request, wanted: Wanted, path: str | None = None
) -> str:
    """Return the address of a page of a search, or of the one at `path`."""
    query = {
        "order": wanted.order.value if wanted.order else "",
        "page": str(wanted.page) if wanted.page > 1 else "",
    }
    if path is None:
        path = get_path(request, "show_search")
        kind = wanted.kind.value if wanted.kind else ""
        query = {"q": wanted.text, "kind": kind, **query}
    told = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(told)}" if told else path


def make_results(
    request: Request,
    wanted: Wanted,
    found: Found,
    feed: str,
    path: str | None = None,
) -> Results:
    """Return a page of what was found; `path` is that of a saved search."""
    start = replace(wanted, page=1)
    earlier = replace(wanted, page=wanted.page - 1)
    later = replace(wanted, page=wanted.page + 1)
    end = wanted.offset + len(found.hits)
    return Results(
        lines=[
            FoundLine(get_url(request, one.hit), get_noun(one.hit), one)
            for one in found.hits
        ],
        kinds=_list_kinds(request, start, found.counts),
        orders=[
            Choice(
                text,
                get_search_url(request, replace(start, order=order), path),
                found.order is order,
            )
            for order, text in ORDERS.items()
        ],
        total=show_count(found.total),
        first=wanted.offset + 1,
        previous=get_search_url(request, earlier, path)
        if wanted.page > 1
        else None,
        following=get_search_url(request, later, path)
        if found.has_more
        else None,
        is_cut=end >= MOST_FOUND,
        feed=feed,
    )


def _list_kinds(
    request: Request, start: Wanted, counts: Mapping[SearchKind, int]
) -> list[Choice]:
    def choose(kind: SearchKind | None, text: str, count: int) -> Choice:
        url = get_search_url(request, replace(start, kind=kind))
        return Choice(text, url, start.kind is kind, show_count(count))

    if not counts:
        return []
    return [choose(None, "everything", sum(counts.values()))] + [
        choose(kind, nouns[counts[kind] != 1], counts[kind])
        for kind, nouns in NOUNS.items()
        if kind in counts
    ]


def show_count(count: int) -> str:
    """Return a count as it is known: more are not counted than a thousand."""
    return f"{MOST_FOUND:,}+" if count >= MOST_FOUND else str(count)


def show_marked(parts: Sequence[Part]) -> Markup:
    """Return a snippet as HTML, all but the marks escaped."""
    shown = Markup("")
    for part in parts:
        # what is added to Markup is escaped
        shown += BEGIN + part.text + END if part.is_marked else part.text
    return shown


def answer_feed(
    request: Request, title: str, page: str, url: str, found: Found
) -> Response:
    """Answer with what was found as a feed; `page` and `url` are paths."""
    base = request.app.state.settings.base_url or str(request.base_url)
    base = base.rstrip("/")
    stories = [
        Story(
            id=f"{TAG}{one.hit.kind.value}:{format_path(one.hit.name)}",
            url=f"{base}{get_url(request, one.hit)}",
            title="".join(part.text for part in one.title),
            author=one.who,
            updated=one.hit.at,
            html=f"<p>{show_marked(one.snippet)}</p>",
        )
        for one in found.hits
    ]
    feed = Feed(title=title, url=f"{base}{url}", page=f"{base}{page}")
    return Response(
        feeds.write_feed(feed, stories), media_type=feeds.MEDIA_TYPE
    )

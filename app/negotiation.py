"""One thing in many forms: by the ending of its address, or by `Accept`.

`/calls/VMI_Halt.json` and `/calls/VMI_Halt` with `Accept: application/json`
are the same answer, which is that of the API. The middleware leads a request
to the route of the form that is wanted, and links every form to the others.
It stands outside of the page cache, which sees where it was led to.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import UnacceptableError
from app.routes.accept import choose_type
from app.routes.errors import show_refusal

MEDIA: Mapping[str, str] = {
    "html": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "jsonld": "application/ld+json",
    "mbox": "application/mbox",
}
READING = frozenset({"GET", "HEAD"})
SERVED = frozenset({HTTPStatus.OK, HTTPStatus.NOT_MODIFIED})
VARY = (b"vary", b"Accept")


class Thing(NamedTuple):
    """Something with a page: where it is, and where its forms are.

    `forms` gives the path of each form; `{}` stands for what the pattern's
    group caught. The first is what is answered without a wish.
    """

    pattern: re.Pattern[str]
    forms: Mapping[str, str]


class Chosen(NamedTuple):
    """The form that a request is led to."""

    thing: Thing
    name: str
    form: str
    is_named: bool

    @property
    def target(self) -> str:
        """Return the path of the route that answers."""
        return self.thing.forms[self.form].replace("{}", self.name)

    @property
    def address(self) -> str:
        """Return the address of this form alone."""
        return self.get_address(self.form)

    def get_address(self, form: str) -> str:
        """Return the address of a form: the page's with an ending."""
        page = self.thing.forms["html"].replace("{}", self.name)
        return f"{page.rstrip('/')}.{form}"


def _make_thing(page: str, **others: str) -> Thing:
    stem = re.escape(page.rstrip("/")).replace(r"\{\}", r"([^/]+?)")
    slash = "/" if page.endswith("/") else ""
    endings = "|".join(("html", *others))
    return Thing(
        re.compile(rf"{stem}(?:{slash}|\.({endings}))"),
        {"html": page, **others},
    )


THINGS = (
    _make_thing(
        "/document/",
        json="/api/document",
        md="/document.md",
        jsonld="/annotations/",
    ),
    _make_thing("/calls/", json="/api/calls"),
    _make_thing("/calls/{}", json="/api/calls/{}", md="/calls/{}.md"),
    _make_thing("/threads/", json="/api/threads"),
    _make_thing(
        "/threads/{}",
        json="/api/threads/{}",
        md="/threads/{}.md",
        jsonld="/threads/{}.jsonld",
        mbox="/threads/{}.mbox",
    ),
    _make_thing("/decisions/", json="/decisions.json", md="/decisions.md"),
    _make_thing(
        "/decisions/{}", json="/api/decisions/{}", md="/decisions/{}.md"
    ),
)


class NegotiationMiddleware:
    """Leads a request to the form of a thing that it asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        found = find_thing(scope)
        if found is None:
            await self.app(scope, receive, send)
            return
        thing, name, ending = found
        form = ending or _choose(scope, thing)
        if form is None:
            offered = [MEDIA[one] for one in thing.forms]
            response = await run_in_threadpool(
                show_refusal, Request(scope), UnacceptableError(*offered)
            )
            await response(scope, receive, send)
            return
        chosen = Chosen(thing, name, form, is_named=bool(ending))

        async def send_linked(message: Message) -> None:
            if (
                message["type"] == "http.response.start"
                and message["status"] in SERVED
            ):
                told = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *_describe(chosen, has_place=b"content-location" in told),
                ]
            await send(message)

        await self.app(_lead(scope, chosen), receive, send_linked)


def find_thing(scope: Scope) -> tuple[Thing, str, str] | None:
    """Return what a request asks for: thing, its name, an ending or none."""
    if scope["type"] != "http" or scope["method"] not in READING:
        return None
    path: str = scope["path"]
    for thing in THINGS:
        match = thing.pattern.fullmatch(path)
        if match is not None:
            *names, ending = match.groups()
            return thing, names[0] if names else "", ending or ""
    return None


def _choose(scope: Scope, thing: Thing) -> str | None:
    wishes = [v for name, v in scope["headers"] if name == b"accept"]
    header = b", ".join(wishes).decode("latin-1") if wishes else None
    media = choose_type(header, [MEDIA[form] for form in thing.forms])
    return next((form for form in thing.forms if MEDIA[form] == media), None)


def _lead(scope: Scope, chosen: Chosen) -> Scope:
    path = chosen.target
    if path == scope["path"]:
        return scope
    headers = scope["headers"]
    if chosen.form == "jsonld":
        # what is led to has several forms itself
        headers = [h for h in headers if h[0] != b"accept"]
        headers.append((b"accept", MEDIA[chosen.form].encode()))
    return {
        **scope,
        "path": path,
        "raw_path": quote(path).encode(),
        "headers": headers,
    }


def _describe(chosen: Chosen, *, has_place: bool) -> list[tuple[bytes, bytes]]:
    links = ", ".join(
        f'<{quote(chosen.get_address(form))}>; rel="alternate"; '
        f'type="{MEDIA[form]}"'
        for form in chosen.thing.forms
        if form != chosen.form
    )
    headers = [(b"link", links.encode("ascii"))]
    if chosen.is_named:
        return headers
    headers.append(VARY)
    if chosen.form != "html" and not has_place:
        place = quote(chosen.address).encode("ascii")
        headers.append((b"content-location", place))
    return headers

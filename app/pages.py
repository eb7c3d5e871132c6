"""Pages: the Jinja environment, `render`, filters, Markdown to HTML.

A page is a frozen dataclass that names its template and its title; its
fields are what the template may show. It stands beside the route that
builds it.
"""

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.config import ROOT
from app.dependencies import SessionDep
from app.identity import CurrentReviewer
from app.models import Role
from app.services import access, proposals
from app.services.entries import GENESIS, Head
from app.services.markdown import render_markdown
from app.services.proposals import ProposalRow
from app.services.reviewers import Visitor

STATIC = ROOT / "static"
KIBI = 1024
VARY = "Accept, HX-Request, HX-Request-Type, Cookie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Base of all pages: `template` is its file, `title` its heading."""

    template: ClassVar[str]
    title: str


@dataclass(frozen=True, slots=True)
class Shell:
    """What every page shows around its own matter."""

    reviewer: Visitor | None
    head: Head
    proposal: ProposalRow | None

    @property
    def may_write(self) -> bool:
        """Tell whether who looks may take part in the review."""
        return self.reviewer is not None and self.reviewer.may(Role.reviewer)


def get_shell(session: SessionDep, visitor: CurrentReviewer) -> Shell:
    """Return what stands around the page for this visitor.

    Of a private review nothing stands there for who is not its member.
    """
    proposal, head = proposals.find_at_head(session)
    if (
        proposal is not None
        and proposal.is_private
        and not access.is_member(session, proposal.id, visitor)
    ):
        return Shell(visitor, Head(0, GENESIS), None)
    return Shell(visitor, head, proposal)


ShellDep = Annotated[Shell, Depends(get_shell)]


def render(
    request: Request, shell: Shell, page: Page, *, status: int = 200
) -> HTMLResponse:
    """Answer with a page, whole.

    The template sees the page's fields under their own names, `page` itself,
    and `reviewer`, `head`, `proposal`, `request` and `url_for`.
    """
    return render_template(request, shell, page.template, page, status=status)


def render_template(
    request: Request,
    shell: Shell,
    template: str,
    page: Page,
    *,
    status: int = 200,
) -> HTMLResponse:
    """Answer with another template than the page's own, as a fragment."""
    context = {f.name: getattr(page, f.name) for f in fields(page)}
    html = (
        get_environment()
        .get_template(template)
        .render(
            context,
            page=page,
            request=request,
            # paths, not addresses: a kept page must not depend on Host
            url_for=request.app.url_path_for,
            reviewer=shell.reviewer,
            head=shell.head,
            proposal=shell.proposal,
        )
    )
    return HTMLResponse(html, status_code=status, headers={"Vary": VARY})


def is_fragment(request: Request) -> bool:
    """Tell whether htmx asks for a part of the page only."""
    return request.headers.get("HX-Request-Type") == "partial"


@cache
def get_environment() -> Environment:
    """Return the one Jinja environment of the process."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        bytes=format_bytes,
        day=format_day,
        markdown=format_markdown,
        minute=format_minute,
        path=format_path,
    )
    environment.globals.update(static=get_static_path, stored=Markup)
    return environment


@cache
def get_static_path(name: str) -> str:
    """Return the address of a static file, with its content's hash."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


def format_day(at: datetime) -> str:
    """Return a time as its UTC day, `2006-03-22`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def format_minute(at: datetime) -> str:
    """Return a time to the minute in UTC, `2006-03-22 20:05 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def format_bytes(size: int) -> str:
    """Return a size as people say it, `812 bytes` or `3.4 KiB`."""
    if size < KIBI:
        return f"{size} bytes"
    kibi = size / KIBI
    return f"{kibi:.1f} KiB" if kibi < KIBI else f"{kibi / KIBI:.1f} MiB"


def format_markdown(text: str) -> Markup:
    """Return Markdown as HTML that is safe to show."""
    return Markup(render_markdown(text))  # noqa: S704 - it was cleaned


def format_path(name: str) -> str:
    """Return a name as a part of an address, as readable as it may be."""
    return quote(name, safe="/@:+=~$!")

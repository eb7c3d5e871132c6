"""The home page: the review at a glance."""

from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request, Response

from app.dependencies import SessionDep
from app.pages import Page, ShellDep, render
from app.services import home
from app.services.home import Overview

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage(Page):
    """The review at a glance; empty before a proposal is loaded."""

    template: ClassVar[str] = "home/show.html"
    overview: Overview


@router.get("/")
def show_home(
    request: Request, shell: ShellDep, session: SessionDep
) -> Response:
    """Show how the review stands."""
    proposal = shell.proposal
    page = HomePage(
        title="The review at a glance",
        overview=home.read_overview(
            session, proposal.authors if proposal else ()
        ),
    )
    return render(request, shell, page)

"""Who may read the review, if it is private: an administrator's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.db import SessionDep
from app.errors import Fault, InvalidError
from app.forms import FormDep, MemberForm, check_form
from app.identity import SignedIn
from app.pages import Page, ShellDep, render
from app.routes.accounts import Name
from app.routes.sign_in import keep_secret
from app.services import members
from app.services.members import MemberRow

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersPage(Page):
    """The members, and whether it matters who is one."""

    template: ClassVar[str] = "accounts/members.html"
    title: str = "Members"
    members: Sequence[MemberRow]
    is_private: bool


@router.get("/accounts/members/")
def list_members(
    request: Request, shell: ShellDep, session: SessionDep
) -> Response:
    """Show who may read the review when it is private."""
    page = MembersPage(
        members=members.list_members(session),
        is_private=members.require_proposal(session).is_private,
    )
    return keep_secret(render(request, shell, page))


@router.post("/accounts/members/")
def add_member(
    request: Request, session: SessionDep, visitor: SignedIn, typed: FormDep
) -> Response:
    """Make an account a member."""
    form, errors = check_form(MemberForm, typed)
    if form is None:
        raise InvalidError(
            "say who is to be a member", Fault("/name", errors["name"])
        )
    members.add_member(session, form.name, actor=visitor.actor)
    return _go_back(request)


@router.post("/accounts/members/@{name}/remove")
def remove_member(
    request: Request, session: SessionDep, visitor: SignedIn, name: Name
) -> Response:
    """Let an account be a member no more."""
    members.remove_member(session, name, actor=visitor.actor)
    return _go_back(request)


@router.post("/accounts/members/close")
def close_proposal(
    request: Request, session: SessionDep, visitor: SignedIn
) -> Response:
    """Let nobody but members read the review."""
    members.set_private(session, True, actor=visitor.actor)
    return _go_back(request)


@router.post("/accounts/members/open")
def open_proposal(
    request: Request, session: SessionDep, visitor: SignedIn
) -> Response:
    """Let everybody read the review."""
    members.set_private(session, False, actor=visitor.actor)
    return _go_back(request)


def _go_back(request: Request) -> Response:
    return RedirectResponse(
        request.app.url_path_for("list_members"),
        status_code=HTTPStatus.SEE_OTHER,
    )

"""Who may read the review, if it is private: an administrator's page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app.dependencies import SessionDep
from app.errors import NotFoundError
from app.forms import FormDep, MemberForm, check_form
from app.identity import SignedIn
from app.pages import Page, Shell, ShellDep, render
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
    name: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@router.get("/accounts/members/")
def list_members(
    request: Request, shell: ShellDep, session: SessionDep
) -> Response:
    """Show who may read the review when it is private."""
    return _show(request, shell, session)


@router.post("/accounts/members/")
def add_member(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    visitor: SignedIn,
    typed: FormDep,
) -> Response:
    """Make an account a member, or show the form again."""
    form, errors = check_form(MemberForm, typed)
    if form is not None:
        try:
            members.add_member(session, form.name, actor=visitor.actor)
        except NotFoundError as error:
            errors = {"name": str(error)}
        else:
            return _go_back(request)
    return _show(request, shell, session, typed.get("name", ""), errors)


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


def _show(
    request: Request,
    shell: Shell,
    session: Session,
    name: str = "",
    errors: Mapping[str, str] | None = None,
) -> Response:
    page = MembersPage(
        members=members.list_members(session),
        is_private=members.require_proposal(session).is_private,
        name=name,
        errors=errors or {},
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if page.errors else HTTPStatus.OK
    return keep_secret(render(request, shell, page, status=status))


def _go_back(request: Request) -> Response:
    return RedirectResponse(
        request.app.url_path_for("list_members"),
        status_code=HTTPStatus.SEE_OTHER,
    )

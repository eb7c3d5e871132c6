"""Invitations: an administrator makes them, somebody joins by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app.config import Settings
from app.dependencies import DatabaseDep, SessionDep
from app.errors import ConflictError, NotFoundError
from app.forms import (
    LARGEST,
    FormDep,
    InvitationForm,
    JoinForm,
    Typed,
    check_form,
)
from app.identity import CurrentReviewer, SignedIn
from app.models import Role
from app.pages import Page, get_shell, render
from app.routes.account import ROLES, Number
from app.routes.sign_in import (
    Secret,
    get_provider_label,
    keep_secret,
    open_session,
    tell_refused,
)
from app.services import invitations
from app.services.invitations import InvitationRow
from app.services.passwords import Passwords
from app.services.reviewers import Visitor, compute_digest
from app.services.windows import Window

router = APIRouter(include_in_schema=False)

PAGE_LENGTH = 50
INVITATION = "invitation"

Before = Annotated[int | None, Query(ge=1, le=LARGEST)]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationsPage(Page):
    """All invitations, and the form that makes one."""

    template: ClassVar[str] = "invitations/list.html"
    title: str = "Invitations"
    invitations: Sequence[InvitationRow]
    following: int | None
    draft: Typed
    errors: Mapping[str, str] = field(default_factory=dict)
    roles: Sequence[tuple[Role, str]] = ROLES


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvitationPage(Page):
    """An invitation that was made; its link is shown this once."""

    template: ClassVar[str] = "invitations/new.html"
    title: str = "A new invitation"
    invitation: InvitationRow
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPage(Page):
    """What somebody sees who was invited; None if the link is not good."""

    template: ClassVar[str] = "invitations/join.html"
    title: str = "You are invited"
    invitation: InvitationRow | None
    provider: str = ""
    name: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@router.get("/accounts/invitations/")
def list_invitations(
    request: Request,
    session: SessionDep,
    visitor: SignedIn,
    before: Before = None,
) -> Response:
    """Show what became of each invitation, and make one."""
    return _show_list(request, session, visitor, before=before)


@router.post("/accounts/invitations/")
def make_invitation(
    request: Request, session: SessionDep, visitor: SignedIn, typed: FormDep
) -> Response:
    """Make an invitation, and show its link this once."""
    form, errors = check_form(InvitationForm, typed)
    if form is None:
        return _show_list(request, session, visitor, typed, errors)
    made = invitations.create_invitation(
        session, visitor, form.role, note=form.note, days=form.days
    )
    page = NewInvitationPage(
        invitation=made.row,
        link=build_link(request, "show_invitation", made.secret),
    )
    shell = get_shell(session, visitor)
    return keep_secret(render(request, shell, page, status=HTTPStatus.CREATED))


@router.post("/accounts/invitations/{number}/revoke")
def revoke_invitation(
    request: Request, session: SessionDep, visitor: SignedIn, number: Number
) -> Response:
    """Make an invitation useless."""
    invitations.revoke_invitation(session, visitor, number)
    return RedirectResponse(
        request.app.url_path_for("list_invitations"),
        status_code=HTTPStatus.SEE_OTHER,
    )


@router.get("/invitations/{secret}")
def show_invitation(
    request: Request,
    session: SessionDep,
    visitor: CurrentReviewer,
    secret: Secret,
) -> Response:
    """Show what one is invited to; reading changes nothing."""
    row = invitations.find_open_invitation(session, compute_digest(secret))
    page = JoinPage(invitation=row, provider=get_provider_label(request))
    return _show_join(request, session, visitor, page)


@router.post("/invitations/{secret}")
def use_invitation(
    request: Request,
    database: DatabaseDep,
    visitor: CurrentReviewer,
    typed: FormDep,
    secret: Secret,
) -> Response:
    """Make the account, use the invitation up, and sign in."""
    digest = compute_digest(secret)
    with database.read() as session:
        row = invitations.find_open_invitation(session, digest)
    form, errors = check_form(JoinForm, typed)
    # no hash is computed for somebody who was not invited
    if row is not None and form is not None:
        passwords: Passwords = request.app.state.passwords
        password_hash = passwords.hash(form.password)
        try:
            with database.write() as session:
                reviewer = invitations.use_invitation(
                    session, digest, form.name, password_hash=password_hash
                )
                return open_session(
                    request, session, reviewer.id or 0, INVITATION, "/"
                )
        except ConflictError as error:
            errors = {"name": str(error)}
        except NotFoundError:
            row = None
    page = JoinPage(
        invitation=row,
        provider=get_provider_label(request),
        name=typed.get("name", ""),
        errors=errors,
    )
    with database.read() as session:
        return _show_join(request, session, visitor, page)


def build_link(request: Request, route: str, secret: str) -> str:
    """Return the whole address of a link that lets somebody in."""
    settings: Settings = request.app.state.settings
    base = settings.base_url or str(request.base_url)
    path = request.app.url_path_for(route, secret=secret)
    return f"{base.rstrip('/')}{path}"


def _show_join(
    request: Request,
    session: Session,
    visitor: Visitor | None,
    page: JoinPage,
) -> Response:
    status = HTTPStatus.OK
    if page.errors:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    if page.invitation is None:
        tell_refused(request, INVITATION)
        status = HTTPStatus.NOT_FOUND
    shell = get_shell(session, visitor)
    return keep_secret(render(request, shell, page, status=status))


def _show_list(  # noqa: PLR0913 - what the page is built from
    request: Request,
    session: Session,
    visitor: Visitor,
    typed: Typed | None = None,
    errors: Mapping[str, str] | None = None,
    *,
    before: int | None = None,
) -> Response:
    settings: Settings = request.app.state.settings
    rows = invitations.list_invitations(
        session,
        Window(below=before, limit=PAGE_LENGTH + 1, is_newest_first=True),
    )
    page = InvitationsPage(
        invitations=rows[:PAGE_LENGTH],
        following=rows[PAGE_LENGTH - 1].id
        if len(rows) > PAGE_LENGTH
        else None,
        draft=typed or {"days": str(settings.invitation_days)},
        errors=errors or {},
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if page.errors else HTTPStatus.OK
    shell = get_shell(session, visitor)
    return keep_secret(render(request, shell, page, status=status))

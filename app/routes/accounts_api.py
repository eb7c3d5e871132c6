"""Accounts, the audit view and invitations for administrators' programs."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.dependencies import SessionDep
from app.forms import Line
from app.identity import SignedIn
from app.models import Role
from app.routes.account import Number
from app.routes.accounts import Name
from app.routes.etags import answer_tagged, require_match
from app.routes.invitations import build_link
from app.routes.paging import NewestPagingDep, PagingDep, take_page
from app.routes.sign_in import keep_secret
from app.services import accounts, audit, invitations
from app.services.audit import AuditKind
from app.services.invitations import LONGEST_DAYS, InvitationState
from app.services.reviewers import NAME_LENGTH

api = APIRouter(prefix="/api", tags=["accounts"])

INVITATION_DAYS = 7


class AccountOut(BaseModel):
    """An account; never its secrets."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["ada"])
    display_name: str = Field(examples=["Ada Lovelace"])
    role: Role
    is_member: bool
    has_password: bool
    is_linked: bool = Field(description="To an OpenID identity.")
    created_at: datetime
    disabled_at: datetime | None


class AccountList(BaseModel):
    """Accounts in the order they were made."""

    items: list[AccountOut]


class AccountIn(BaseModel):
    """What an administrator may change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    is_disabled: StrictBool | None = Field(
        default=None,
        description="Disabling ends sessions, tokens, links and invitations.",
        examples=[True],
    )


class ActOut(BaseModel):
    """An act on accounts, as the log has it."""

    model_config = ConfigDict(from_attributes=True)

    seq: int = Field(examples=[17])
    at: datetime
    actor: str = Field(examples=["reviewer:boss"])
    type: str = Field(examples=["reviewer.role_changed"])
    subject: str = Field(examples=["reviewer:ada"])
    data: dict[str, Any] = Field(
        examples=[{"from": "reader", "to": "reviewer"}]
    )


class ActList(BaseModel):
    """Acts on accounts, the newest first."""

    items: list[ActOut]


class InvitationOut(BaseModel):
    """An invitation, and what became of it; its link is never told again."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[4])
    role: Role
    note: str = Field(examples=["for Ada"])
    state: InvitationState
    inviter: str | None = Field(examples=["boss"])
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    reviewer: str | None = Field(
        description="Who joined by it.", examples=["ada"]
    )


class NewInvitationOut(InvitationOut):
    """An invitation that was made, with its link, shown this once."""

    link: str = Field(examples=["https://review.example/invitations/…"])


class InvitationIn(BaseModel):
    """An invitation to be made."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Role.reviewer
    note: Annotated[
        Line,
        Field(
            description="Whom it is for; the log does not tell it.",
            examples=["for Ada"],
        ),
    ] = ""
    days: Annotated[
        int,
        Field(
            ge=1,
            le=LONGEST_DAYS,
            description="How long it is good.",
            examples=[INVITATION_DAYS],
        ),
    ] = INVITATION_DAYS


class InvitationList(BaseModel):
    """Invitations, the newest first."""

    items: list[InvitationOut]


def _hide(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


@api.get("/accounts", summary="All accounts")
def read_accounts(
    request: Request,
    response: Response,
    session: SessionDep,
    paging: PagingDep,
) -> AccountList:
    """Return accounts in the order they were made."""
    rows = accounts.list_accounts(session, paging.window)
    page = take_page(request, response, paging, rows, lambda row: row.id)
    _hide(response)
    return AccountList(items=[AccountOut.model_validate(row) for row in page])


@api.get("/accounts/{name}", summary="An account")
def read_account(
    request: Request, response: Response, session: SessionDep, name: Name
) -> AccountOut:
    """Return one account."""
    row = accounts.get_account(session, name)
    _hide(response)
    return answer_tagged(request, response, AccountOut.model_validate(row))


@api.patch("/accounts/{name}", summary="Change a role, disable, enable")
def update_account(  # noqa: PLR0913, PLR0917 - parts of the request
    request: Request,
    response: Response,
    session: SessionDep,
    visitor: SignedIn,
    name: Name,
    change: AccountIn,
) -> AccountOut:
    """Change what an account may do; there is always an administrator."""
    row = accounts.get_account(session, name)
    require_match(request, AccountOut.model_validate(row))
    if change.role is not None:
        accounts.change_role(session, name, change.role, actor=visitor.actor)
    if change.is_disabled:
        accounts.disable_account(session, name, actor=visitor.actor)
    elif change.is_disabled is not None:
        accounts.enable_account(session, name, actor=visitor.actor)
    row = accounts.get_account(session, name)
    _hide(response)
    return answer_tagged(request, response, AccountOut.model_validate(row))


@api.get("/audit", summary="What was done to accounts")
def read_audit(  # noqa: PLR0913, PLR0917 - the filters of the list
    request: Request,
    response: Response,
    session: SessionDep,
    paging: NewestPagingDep,
    account: Annotated[
        str,
        Query(
            max_length=NAME_LENGTH,
            description="Only what this account did, or was done to it.",
            examples=["ada"],
        ),
    ] = "",
    kind: Annotated[
        AuditKind | None, Query(description="Only acts of this kind.")
    ] = None,
) -> ActList:
    """Return acts on accounts, the newest first."""
    rows = audit.list_acts(
        session,
        account=account,
        kind=kind,
        window=paging.window,
    )
    page = take_page(request, response, paging, rows, lambda row: row.seq)
    _hide(response)
    return ActList(items=[ActOut.model_validate(row) for row in page])


@api.get("/invitations", summary="All invitations")
def read_invitations(
    request: Request,
    response: Response,
    session: SessionDep,
    paging: NewestPagingDep,
) -> InvitationList:
    """Return invitations, the newest first."""
    rows = invitations.list_invitations(session, paging.window)
    page = take_page(request, response, paging, rows, lambda row: row.id)
    _hide(response)
    return InvitationList(items=_make_all(page))


def _make_all(
    rows: Sequence[invitations.InvitationRow],
) -> list[InvitationOut]:
    return [InvitationOut.model_validate(row) for row in rows]


@api.post(
    "/invitations",
    status_code=HTTPStatus.CREATED,
    summary="Invite somebody",
)
def create_invitation(
    request: Request,
    response: Response,
    session: SessionDep,
    visitor: SignedIn,
    wanted: InvitationIn,
) -> NewInvitationOut:
    """Make a link by which somebody makes one account."""
    made = invitations.create_invitation(
        session, visitor, wanted.role, note=wanted.note, days=wanted.days
    )
    response.headers["Location"] = request.app.url_path_for(
        "read_invitation", number=made.row.id
    )
    keep_secret(response)
    told = InvitationOut.model_validate(made.row)
    return NewInvitationOut(
        **told.model_dump(),
        link=build_link(request, "show_invitation", made.secret),
    )


@api.get("/invitations/{number}", summary="An invitation")
def read_invitation(
    request: Request, response: Response, session: SessionDep, number: Number
) -> InvitationOut:
    """Return what became of one invitation."""
    row = invitations.get_invitation(session, number)
    _hide(response)
    return answer_tagged(request, response, InvitationOut.model_validate(row))


@api.delete(
    "/invitations/{number}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Revoke an invitation",
)
def delete_invitation(
    request: Request, session: SessionDep, visitor: SignedIn, number: Number
) -> None:
    """Make an open invitation useless."""
    row = invitations.get_invitation(session, number)
    require_match(request, InvitationOut.model_validate(row))
    invitations.revoke_invitation(session, visitor, number)

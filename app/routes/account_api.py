"""One's own account for programs: tokens and sessions."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import SessionDep
from app.forms import FilledLine
from app.identity import SignedIn, get_access
from app.models import Role, Scope
from app.routes.account import DEFAULT_DAYS, Number
from app.routes.etags import answer_tagged, require_match
from app.routes.paging import link_self
from app.routes.sign_in import keep_secret
from app.services import accounts, sessions, tokens
from app.services.accounts import AccountRow
from app.services.tokens import LONGEST_DAYS

api = APIRouter(prefix="/api/account", tags=["account"])


class OwnAccountOut(BaseModel):
    """Who asks, and what their token may be used for."""

    name: str = Field(examples=["ada"])
    display_name: str = Field(examples=["Ada Lovelace"])
    role: Role
    scope: Scope = Field(
        description="What the token is for; `admin` without one."
    )
    has_password: bool
    is_member: bool = Field(description="Of a review that may be private.")
    created_at: datetime


class OwnAccountIn(BaseModel):
    """What may be changed of one's own account."""

    model_config = ConfigDict(extra="forbid")

    display_name: Annotated[FilledLine, Field(examples=["Ada Lovelace"])]


class TokenOut(BaseModel):
    """A token; its secret is never told again."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[3])
    name: str = Field(examples=["laptop"])
    scope: Scope
    start: str = Field(
        description="How the secret begins.", examples=["vmir_Zk3f"]
    )
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None = Field(description="Right to some minutes.")


class NewTokenOut(TokenOut):
    """A token that was made, with its secret, shown this once."""

    secret: str = Field(examples=["vmir_Zk3f…"])


class TokenIn(BaseModel):
    """A token to be made; one that is sent bounds the scope."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[FilledLine, Field(examples=["laptop"])]
    scope: Scope = Scope.read
    days: Annotated[
        int,
        Field(
            ge=1,
            le=LONGEST_DAYS,
            description="How long it is good.",
            examples=[DEFAULT_DAYS],
        ),
    ] = DEFAULT_DAYS


class TokenList(BaseModel):
    """One's own tokens, the newest first; those revoked are left out."""

    items: list[TokenOut]


class SessionOut(BaseModel):
    """Where one is signed in."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[12])
    means: str = Field(examples=["password"])
    address: str = Field(examples=["192.0.2.1"])
    browser: str = Field(examples=["Firefox 145 on Linux"])
    created_at: datetime
    seen_at: datetime | None = Field(description="Right to some minutes.")
    expires_at: datetime
    is_current: bool


class SessionList(BaseModel):
    """One's own sessions; the one that asks comes first."""

    items: list[SessionOut]


@api.get("", summary="Who one is")
def read_own_account(
    request: Request,
    response: Response,
    session: SessionDep,
    visitor: SignedIn,
) -> OwnAccountOut:
    """Return one's own account."""
    row = accounts.get_account(session, visitor.name)
    response.headers["Cache-Control"] = "private, no-cache"
    return answer_tagged(request, response, _make_account(row, visitor.scope))


def _make_account(row: AccountRow, scope: Scope) -> OwnAccountOut:
    return OwnAccountOut(
        name=row.name,
        display_name=row.display_name,
        role=row.role,
        scope=scope,
        has_password=row.has_password,
        is_member=row.is_member,
        created_at=row.created_at,
    )


@api.patch("", summary="Be called otherwise")
def update_own_account(
    request: Request,
    response: Response,
    session: SessionDep,
    visitor: SignedIn,
    change: OwnAccountIn,
) -> OwnAccountOut:
    """Change the name that is shown with what one says."""
    row = accounts.get_account(session, visitor.name)
    require_match(
        request, _make_account(row, visitor.scope), change.display_name
    )
    accounts.change_display_name(session, visitor, change.display_name)
    row = accounts.get_account(session, visitor.name)
    return answer_tagged(request, response, _make_account(row, visitor.scope))


@api.get("/tokens", summary="One's own tokens")
def read_own_tokens(
    request: Request,
    response: Response,
    session: SessionDep,
    visitor: SignedIn,
) -> TokenList:
    """Return the tokens that were not revoked."""
    rows = tokens.list_tokens(session, visitor.id)
    response.headers["Cache-Control"] = "no-store"
    link_self(request, response)
    return TokenList(items=[TokenOut.model_validate(row) for row in rows])


@api.post("/tokens", status_code=HTTPStatus.CREATED, summary="Make a token")
def create_own_token(
    request: Request,
    response: Response,
    session: SessionDep,
    visitor: SignedIn,
    wanted: TokenIn,
) -> NewTokenOut:
    """Make a token; its secret is in this answer and nowhere else."""
    made = tokens.create_own_token(
        session, visitor, wanted.name, wanted.scope, wanted.days
    )
    response.headers["Location"] = request.app.url_path_for(
        "read_own_token", number=made.row.id
    )
    keep_secret(response)
    told = TokenOut.model_validate(made.row)
    return NewTokenOut(**told.model_dump(), secret=made.secret)


@api.get("/tokens/{number}", summary="A token of one's own")
def read_own_token(
    response: Response,
    session: SessionDep,
    visitor: SignedIn,
    number: Number,
) -> TokenOut:
    """Return one token, without its secret."""
    row = tokens.get_own_token(session, visitor, number)
    response.headers["Cache-Control"] = "no-store"
    return TokenOut.model_validate(row)


@api.delete(
    "/tokens/{number}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Revoke a token",
)
def delete_own_token(
    session: SessionDep, visitor: SignedIn, number: Number
) -> None:
    """Make a token of one's own useless from now on."""
    tokens.revoke_own_token(session, visitor, number)


@api.get("/sessions", summary="Where one is signed in")
def read_own_sessions(
    request: Request,
    response: Response,
    session: SessionDep,
    visitor: SignedIn,
) -> SessionList:
    """Return the sessions that are open."""
    current = get_access(request).session_id
    rows = sessions.list_sessions(session, visitor.id, current)
    response.headers["Cache-Control"] = "no-store"
    link_self(request, response)
    return SessionList(items=[SessionOut.model_validate(row) for row in rows])


@api.delete(
    "/sessions",
    status_code=HTTPStatus.NO_CONTENT,
    summary="End all other sessions",
)
def delete_other_sessions(
    request: Request, session: SessionDep, visitor: SignedIn
) -> None:
    """End all sessions but the one that asks; by a token, all."""
    sessions.end_others(session, visitor, get_access(request).session_id)


@api.delete(
    "/sessions/{number}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="End a session",
)
def delete_own_session(
    session: SessionDep, visitor: SignedIn, number: Number
) -> None:
    """End a session of one's own."""
    sessions.end_session(session, visitor, number)

"""Members and the private switch for administrators' programs."""

from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.dependencies import SessionDep
from app.identity import SignedIn
from app.models import Role
from app.routes.accounts import Name
from app.routes.etags import answer_tagged, require_match
from app.services import members

api = APIRouter(prefix="/api", tags=["accounts"])


class MemberOut(BaseModel):
    """An account that may read the review when it is private."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["ada"])
    display_name: str = Field(examples=["Ada Lovelace"])
    role: Role
    is_disabled: bool
    added_at: datetime


class MemberList(BaseModel):
    """The members by name, and whether it matters who is one."""

    is_private: bool
    items: list[MemberOut]


class MembersIn(BaseModel):
    """Whether members only may read the review."""

    model_config = ConfigDict(extra="forbid")

    is_private: StrictBool


@api.get("/members", summary="Who may read a private review")
def read_members(
    request: Request, response: Response, session: SessionDep
) -> MemberList:
    """Return the members; administrators read every review besides."""
    response.headers["Cache-Control"] = "no-store"
    return answer_tagged(request, response, _make_list(session))


def _make_list(session: SessionDep) -> MemberList:
    return MemberList(
        is_private=members.require_proposal(session).is_private,
        items=[
            MemberOut.model_validate(row)
            for row in members.list_members(session)
        ],
    )


@api.patch("/members", summary="Close the review, or open it")
def update_members(
    request: Request,
    response: Response,
    session: SessionDep,
    visitor: SignedIn,
    change: MembersIn,
) -> MemberList:
    """Let members only read the review, or everybody."""
    require_match(request, _make_list(session))
    members.set_private(session, change.is_private, actor=visitor.actor)
    response.headers["Cache-Control"] = "no-store"
    return answer_tagged(request, response, _make_list(session))


@api.put(
    "/members/{name}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Add a member",
)
def add_member_item(
    session: SessionDep, visitor: SignedIn, name: Name
) -> None:
    """Let an account read the review when it is private."""
    members.add_member(session, name, actor=visitor.actor)


@api.delete(
    "/members/{name}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Remove a member",
)
def delete_member(session: SessionDep, visitor: SignedIn, name: Name) -> None:
    """Let an account read the review no more when it is private."""
    members.remove_member(session, name, actor=visitor.actor)

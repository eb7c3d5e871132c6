"""What an administrator does with accounts, and each with their own.

Who may call these stands in the policies. An account is never removed, for
what it said stays in the review; a disabled one signs in no more. There is
always an administrator who can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, NotFoundError
from app.models import (
    Member,
    OIDCIdentity,
    Reviewer,
    Role,
    SignIn,
    SignInLink,
    Token,
)
from app.services import invitations, reviewers, sessions, tokens
from app.services.entries import append_entry, take_turn
from app.services.reviewers import PROGRAM, Visitor
from app.services.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account as an administrator sees it; never its secrets."""

    id: int
    name: str
    display_name: str
    role: Role
    has_password: bool
    is_linked: bool
    is_member: bool
    created_at: datetime
    disabled_at: datetime | None
    session_count: int
    token_count: int
    seen_at: datetime | None


def list_accounts(session: Session, window: Window) -> Sequence[AccountRow]:
    """Return accounts in the order they were made; a window of ids."""
    statement = window.cut(_select(), col(Reviewer.id))
    return window.arrange(_read(session, statement))


def count_accounts(session: Session) -> int:
    """Return how many accounts there are."""
    return session.execute(
        select(func.count()).select_from(Reviewer)
    ).scalar_one()


def get_account(session: Session, name: str) -> AccountRow:
    """Return the account that is called `name`, or refuse."""
    rows = _read(session, _select().where(col(Reviewer.name) == name))
    if not rows:
        raise NotFoundError("reviewer", name)
    return rows[0]


def _select() -> Select[*tuple[Any, ...]]:
    now = datetime.now(UTC)
    is_session = (
        col(SignIn.reviewer_id) == col(Reviewer.id),
        col(SignIn.expires_at) > now,
    )
    is_token = (
        col(Token.reviewer_id) == col(Reviewer.id),
        col(Token.revoked_at).is_(None),
        col(Token.expires_at).is_(None) | (col(Token.expires_at) > now),
    )
    return select(
        col(Reviewer.id),
        col(Reviewer.name),
        col(Reviewer.display_name),
        col(Reviewer.role),
        col(Reviewer.password_hash).is_not(None).label("has_password"),
        select(col(OIDCIdentity.id))
        .where(col(OIDCIdentity.reviewer_id) == col(Reviewer.id))
        .exists()
        .label("is_linked"),
        select(col(Member.reviewer_id))
        .where(col(Member.reviewer_id) == col(Reviewer.id))
        .exists()
        .label("is_member"),
        col(Reviewer.created_at),
        col(Reviewer.disabled_at),
        _count(is_session).label("session_count"),
        _count(is_token).label("token_count"),
        select(func.max(col(SignIn.seen_at)))
        .where(*is_session)
        .scalar_subquery()
        .label("seen_at"),
    )


def _count(conditions: Sequence[Any]) -> Any:  # noqa: ANN401 - a column
    return select(func.count()).where(*conditions).scalar_subquery()


def _read(
    session: Session, statement: Select[*tuple[Any, ...]]
) -> list[AccountRow]:
    return [AccountRow(**row) for row in session.execute(statement).mappings()]


def change_display_name(
    session: Session, visitor: Visitor, display_name: str
) -> None:
    """Let somebody be called otherwise from now on."""
    take_turn(session)
    if get_account(session, visitor.name).display_name == display_name:
        return
    session.execute(
        update(Reviewer)
        .where(col(Reviewer.id) == visitor.id)
        .values(display_name=display_name)
    )
    append_entry(
        session,
        visitor.actor,
        "reviewer.renamed",
        f"reviewer:{visitor.name}",
        {"display_name": display_name},
    )


def change_role(
    session: Session, name: str, role: Role, *, actor: str = PROGRAM
) -> None:
    """Give an account another role, at once for all its sessions.

    Who is no administrator any more has no invitations out either.

    Raises
    ------
    ConflictError
        When nobody would be administrator after it.
    """
    take_turn(session)
    account = get_account(session, name)
    if account.role == role:
        return
    if account.role == Role.administrator:
        _require_another(session, account)
        invitations.revoke_all(session, account.id, actor)
    session.execute(
        update(Reviewer)
        .where(col(Reviewer.id) == account.id)
        .values(role=role)
    )
    append_entry(
        session,
        actor,
        "reviewer.role_changed",
        f"reviewer:{name}",
        {"from": account.role.value, "to": role.value},
    )


def disable_account(
    session: Session, name: str, *, actor: str = PROGRAM
) -> None:
    """Let an account sign in no more; sessions, tokens and links end.

    They stay ended if it is enabled again, for the reason may have been that
    somebody else held them.

    Raises
    ------
    ConflictError
        When nobody would be administrator after it.
    """
    take_turn(session)
    account = get_account(session, name)
    if account.disabled_at is not None:
        return
    if account.role == Role.administrator:
        _require_another(session, account)
    session.execute(
        update(Reviewer)
        .where(col(Reviewer.id) == account.id)
        .values(disabled_at=datetime.now(UTC))
    )
    sessions.end_all(session, name, account.id, actor=actor)
    revoked = tokens.revoke_all(session, account.id)
    invitations.revoke_all(session, account.id, actor)
    session.execute(
        delete(SignInLink).where(
            col(SignInLink.reviewer_id) == account.id,
            col(SignInLink.used_at).is_(None),
        )
    )
    append_entry(
        session,
        actor,
        "reviewer.disabled",
        f"reviewer:{name}",
        {"tokens": revoked},
    )


def enable_account(
    session: Session, name: str, *, actor: str = PROGRAM
) -> None:
    """Let a disabled account sign in again."""
    take_turn(session)
    account = get_account(session, name)
    if account.disabled_at is None:
        return
    session.execute(
        update(Reviewer)
        .where(col(Reviewer.id) == account.id)
        .values(disabled_at=None)
    )
    append_entry(session, actor, "reviewer.enabled", f"reviewer:{name}", {})


def create_link(session: Session, name: str, *, hours: int, actor: str) -> str:
    """Return the secret of a link that signs in once, to hand over.

    Raises
    ------
    ConflictError
        When the account is disabled.
    """
    take_turn(session)
    if get_account(session, name).disabled_at is not None:
        raise ConflictError(f"{name} is disabled")
    return reviewers.create_link(session, name, hours=hours, actor=actor)


def _require_another(session: Session, account: AccountRow) -> None:
    others = session.execute(
        select(func.count())
        .select_from(Reviewer)
        .where(
            col(Reviewer.role) == Role.administrator,
            col(Reviewer.disabled_at).is_(None),
            col(Reviewer.id) != account.id,
        )
    ).scalar_one()
    if not others:
        raise ConflictError(
            f"{account.name} is the only administrator; name another first"
        )

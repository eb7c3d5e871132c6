"""Invitations: links by which somebody makes an account, once.

The secret is shown to the administrator who makes one and never again; what
the log tells of an invitation is its number and its role.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.errors import ConflictError, NotFoundError
from app.models import Invitation, Reviewer, Role, get_id
from app.services.entries import append_entry, take_turn
from app.services.reviewers import (
    PROGRAM,
    SECRET_BYTES,
    Visitor,
    add_reviewer,
    compute_digest,
    is_taken,
)
from app.services.windows import Window

MOST_OPEN = 500
"""How many invitations may wait to be used."""

LONGEST_DAYS = 90
KEPT_DAYS = 366
"""How long one that was not used is listed after it ended."""


class InvitationState(StrEnum):
    """What became of an invitation."""

    open = "open"
    used = "used"
    revoked = "revoked"
    expired = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRow:
    """An invitation, who made it and who used it."""

    id: int
    role: Role
    note: str
    inviter: str | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    reviewer: str | None

    @property
    def state(self) -> InvitationState:
        """Return what became of it."""
        if self.used_at is not None:
            return InvitationState.used
        if self.revoked_at is not None:
            return InvitationState.revoked
        if self.expires_at <= datetime.now(UTC):
            return InvitationState.expired
        return InvitationState.open


class NewInvitation(NamedTuple):
    """An invitation that was made, and its secret, which nothing keeps."""

    row: InvitationRow
    secret: str


def create_invitation(
    session: Session,
    inviter: Visitor | None,
    role: Role,
    *,
    note: str = "",
    days: int,
) -> NewInvitation:
    """Make an invitation that is good for some days.

    Raises
    ------
    ConflictError
        When as many wait to be used as there may be.
    """
    take_turn(session)
    now = datetime.now(UTC)
    _forget_old(session, now)
    waiting = session.execute(
        select(func.count()).select_from(Invitation).where(*_is_open(now))
    ).scalar_one()
    if waiting >= MOST_OPEN:
        raise ConflictError(
            f"{waiting} invitations wait to be used, {MOST_OPEN} at most; "
            "revoke some"
        )
    secret = secrets.token_urlsafe(SECRET_BYTES)
    invitation = Invitation(
        digest=compute_digest(secret),
        role=role,
        note=note,
        invited_by=inviter.id if inviter else None,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(invitation)
    session.flush()
    append_entry(
        session,
        inviter.actor if inviter else PROGRAM,
        "invitation.created",
        f"invitation:{invitation.id}",
        {"role": role.value, "days": days},
    )
    return NewInvitation(get_invitation(session, get_id(invitation)), secret)


def _forget_old(session: Session, now: datetime) -> None:
    session.execute(
        delete(Invitation).where(
            col(Invitation.used_at).is_(None),
            col(Invitation.expires_at) < now - timedelta(days=KEPT_DAYS),
        )
    )


def list_invitations(
    session: Session, window: Window
) -> Sequence[InvitationRow]:
    """Return invitations; a window of ids, in the order it names."""
    statement = window.cut(_select(), col(Invitation.id))
    return window.arrange(_read(session, statement))


def get_invitation(session: Session, id_: int) -> InvitationRow:
    """Return the invitation of this number, or refuse."""
    rows = _read(session, _select().where(col(Invitation.id) == id_))
    if not rows:
        raise NotFoundError("invitation", str(id_))
    return rows[0]


def find_open_invitation(
    session: Session, digest: str
) -> InvitationRow | None:
    """Return the invitation whose secret has this digest, if it is good."""
    rows = _read(
        session,
        _select().where(
            col(Invitation.digest) == digest, *_is_open(datetime.now(UTC))
        ),
    )
    return rows[0] if rows else None


def use_invitation(
    session: Session,
    digest: str,
    name: str,
    *,
    password_hash: str | None = None,
) -> Reviewer:
    """Make the account that an invitation is for, and use it up.

    Raises
    ------
    NotFoundError
        When it was used, was revoked, has expired or never was.
    ConflictError
        When the name is taken; the invitation stays good.
    """
    take_turn(session)
    if is_taken(session, name):
        raise ConflictError(f"a reviewer is already called {name!r}")
    now = datetime.now(UTC)
    # the condition decides between two who use it at once
    used = session.execute(
        update(Invitation)
        .where(col(Invitation.digest) == digest, *_is_open(now))
        .values(used_at=now)
        .returning(col(Invitation.id), col(Invitation.role))
    ).first()
    if used is None:
        raise NotFoundError("invitation", "…")
    actor = f"reviewer:{name}"
    reviewer = add_reviewer(
        session, name, used.role, password_hash=password_hash, actor=actor
    )
    session.execute(
        update(Invitation)
        .where(col(Invitation.id) == used.id)
        .values(reviewer_id=reviewer.id)
    )
    append_entry(
        session,
        actor,
        "invitation.used",
        f"invitation:{used.id}",
        {"reviewer": name, "role": used.role.value},
    )
    return reviewer


def revoke_invitation(
    session: Session, visitor: Visitor, id_: int
) -> InvitationRow:
    """Make an invitation useless; one that is not open any more stays.

    Raises
    ------
    ConflictError
        When it was used, was revoked or has expired.
    """
    take_turn(session)
    row = get_invitation(session, id_)
    if row.state != InvitationState.open:
        raise ConflictError(f"the invitation is {row.state}, not open")
    _revoke(session, visitor.actor, (col(Invitation.id) == id_,))
    return get_invitation(session, id_)


def revoke_all(session: Session, inviter_id: int, actor: str) -> None:
    """Make useless what somebody has invited by and nobody has used."""
    _revoke(session, actor, (col(Invitation.invited_by) == inviter_id,))


def _revoke(session: Session, actor: str, conditions: tuple[Any, ...]) -> None:
    now = datetime.now(UTC)
    revoked = session.scalars(
        update(Invitation)
        .where(*conditions, *_is_open(now))
        .values(revoked_at=now)
        .returning(col(Invitation.id))
    ).all()
    for id_ in revoked:
        append_entry(
            session, actor, "invitation.revoked", f"invitation:{id_}", {}
        )


def _is_open(now: datetime) -> tuple[Any, ...]:
    return (
        col(Invitation.used_at).is_(None),
        col(Invitation.revoked_at).is_(None),
        col(Invitation.expires_at) > now,
    )


def _select() -> Select[*tuple[Any, ...]]:
    inviter, invited = aliased(Reviewer), aliased(Reviewer)
    return (
        select(
            col(Invitation.id),
            col(Invitation.role),
            col(Invitation.note),
            col(inviter.name).label("inviter"),
            col(Invitation.created_at),
            col(Invitation.expires_at),
            col(Invitation.used_at),
            col(Invitation.revoked_at),
            col(invited.name).label("reviewer"),
        )
        .outerjoin(inviter, col(inviter.id) == col(Invitation.invited_by))
        .outerjoin(invited, col(invited.id) == col(Invitation.reviewer_id))
    )


def _read(
    session: Session, statement: Select[*tuple[Any, ...]]
) -> list[InvitationRow]:
    return [
        InvitationRow(**row) for row in session.execute(statement).mappings()
    ]

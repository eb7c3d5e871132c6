"""Who an OpenID provider says a reviewer is.

An identity is an issuer and a subject, nothing else: a name or an address
that a provider tells is nobody's proof. It becomes an account's by its
signed-in holder, by an invitation, or with an account that is made for it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, NotFoundError
from app.models import OIDCIdentity, Reviewer
from app.services.entries import append_entry, take_turn
from app.services.reviewers import Visitor


class IdentityRow(NamedTuple):
    """An identity of an account."""

    id: int
    issuer: str
    subject: str
    created_at: datetime


class Holder(NamedTuple):
    """The account that an identity belongs to."""

    id: int
    name: str
    is_disabled: bool


def find_holder(session: Session, issuer: str, subject: str) -> Holder | None:
    """Return whose identity this is."""
    row = session.execute(
        select(
            col(Reviewer.id),
            col(Reviewer.name),
            col(Reviewer.disabled_at).is_not(None),
        )
        .join(OIDCIdentity, col(OIDCIdentity.reviewer_id) == col(Reviewer.id))
        .where(
            col(OIDCIdentity.issuer) == issuer,
            col(OIDCIdentity.subject) == subject,
        )
    ).first()
    if row is None or row[0] is None:
        return None
    return Holder(row[0], row[1], bool(row[2]))


def list_identities(
    session: Session, reviewer_id: int
) -> Sequence[IdentityRow]:
    """Return the identities of an account, the oldest first."""
    rows = session.execute(
        select(
            col(OIDCIdentity.id),
            col(OIDCIdentity.issuer),
            col(OIDCIdentity.subject),
            col(OIDCIdentity.created_at),
        )
        .where(col(OIDCIdentity.reviewer_id) == reviewer_id)
        .order_by(col(OIDCIdentity.id))
    ).mappings()
    return [IdentityRow(**row) for row in rows]


def link_identity(
    session: Session, visitor: Visitor, issuer: str, subject: str
) -> None:
    """Let an account be signed in to by this identity, too.

    Raises
    ------
    ConflictError
        When it is another account's.
    """
    take_turn(session)
    holder = find_holder(session, issuer, subject)
    if holder is not None:
        if holder.id == visitor.id:
            return
        raise ConflictError("this identity belongs to another account")
    session.add(
        OIDCIdentity(
            reviewer_id=visitor.id,
            issuer=issuer,
            subject=subject,
            created_at=datetime.now(UTC),
        )
    )
    session.flush()
    append_entry(
        session,
        visitor.actor,
        "reviewer.linked",
        f"reviewer:{visitor.name}",
        {"issuer": issuer},
    )


def unlink_identity(session: Session, visitor: Visitor, id_: int) -> None:
    """Let one's account be signed in to by this identity no more.

    Raises
    ------
    NotFoundError
        When it is none of one's own.
    ConflictError
        When nothing would be left to sign in by.
    """
    take_turn(session)
    own = list_identities(session, visitor.id)
    if id_ not in {row.id for row in own}:
        raise NotFoundError("identity", str(id_))
    password_hash = session.scalar(
        select(col(Reviewer.password_hash)).where(
            col(Reviewer.id) == visitor.id
        )
    )
    if password_hash is None and len(own) == 1:
        raise ConflictError("set a password first, or you could not come back")
    session.execute(delete(OIDCIdentity).where(col(OIDCIdentity.id) == id_))
    append_entry(
        session,
        visitor.actor,
        "reviewer.unlinked",
        f"reviewer:{visitor.name}",
        {},
    )

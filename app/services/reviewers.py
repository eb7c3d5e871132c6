"""Accounts: who somebody is and what their role allows."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Reviewer, Role, SignIn

ROLE_ORDER = tuple(Role)


@dataclass(frozen=True, slots=True)
class Visitor:
    """The reviewer behind a request."""

    id: int
    name: str
    display_name: str
    role: Role

    @property
    def actor(self) -> str:
        """Return the name that the event log uses."""
        return f"reviewer:{self.name}"

    def may(self, role: Role) -> bool:
        """Tell whether this role includes `role`."""
        return ROLE_ORDER.index(self.role) >= ROLE_ORDER.index(role)


def compute_digest(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_signed_in(session: Session, secret: str) -> Visitor | None:
    """Return who holds the session `secret`, if it has not expired."""
    row = session.execute(
        select(
            col(Reviewer.id),
            col(Reviewer.name),
            col(Reviewer.display_name),
            col(Reviewer.role),
        )
        .join(SignIn, col(SignIn.reviewer_id) == col(Reviewer.id))
        .where(
            col(SignIn.digest) == compute_digest(secret),
            col(SignIn.expires_at) > datetime.now(UTC),
        )
    ).first()
    if row is None or row[0] is None:
        return None
    return Visitor(row[0], row[1], row[2], row[3])

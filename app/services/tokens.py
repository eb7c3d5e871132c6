"""Personal tokens: made, listed and revoked; who bears one is told elsewhere.

A token does no more than its scope and its holder's role allow, is shown
once and kept as a digest; its first letters are kept to know it again.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, ForbiddenError, NotFoundError
from app.models import Reviewer, Scope, Token
from app.services.entries import append_entry, take_turn
from app.services.reviewers import (
    PROGRAM,
    SECRET_BYTES,
    Visitor,
    compute_digest,
    require_account,
)

PREFIX = "vmir_"
"""How a token begins, so that scanners of leaked secrets can tell one."""

START_LENGTH = len(PREFIX) + 4
MOST_TOKENS = 50
"""How many good tokens one account may have."""

LONGEST_DAYS = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token as its holder sees it."""

    id: int
    name: str
    scope: Scope
    start: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None
    reviewer: str

    @property
    def is_good(self) -> bool:
        """Tell whether it was neither revoked nor has expired."""
        expired = self.expires_at and self.expires_at <= datetime.now(UTC)
        return self.revoked_at is None and not expired


class NewToken(NamedTuple):
    """A token that was made, and its secret, which nothing keeps."""

    row: TokenRow
    secret: str


def create_token(  # noqa: PLR0913 - what a token is made of
    session: Session,
    name: str,
    label: str = "",
    *,
    scope: Scope = Scope.admin,
    days: int | None = None,
    actor: str = PROGRAM,
) -> NewToken:
    """Make a token of `name`, good for some days or until it is revoked.

    Raises
    ------
    ConflictError
        When the account has as many good tokens as there may be.
    """
    take_turn(session)
    account = require_account(session, name)
    now = datetime.now(UTC)
    _require_room(session, account.id, now)
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    token = Token(
        reviewer_id=account.id,
        name=label or "token",
        digest=compute_digest(secret),
        created_at=now,
        scope=scope,
        start=secret[:START_LENGTH],
        expires_at=now + timedelta(days=days) if days else None,
    )
    session.add(token)
    session.flush()
    append_entry(
        session,
        actor,
        "token.created",
        f"reviewer:{name}",
        {"token": token.id, "scope": scope.value, "days": days},
    )
    return NewToken(_get(session, token.id or 0), secret)


def _require_room(session: Session, reviewer_id: int, now: datetime) -> None:
    good = session.execute(
        select(func.count())
        .select_from(Token)
        .where(
            col(Token.reviewer_id) == reviewer_id,
            col(Token.revoked_at).is_(None),
            col(Token.expires_at).is_(None) | (col(Token.expires_at) > now),
        )
    ).scalar_one()
    if good >= MOST_TOKENS:
        raise ConflictError(
            f"there are {good} good tokens, {MOST_TOKENS} at most; revoke one"
        )


def create_own_token(
    session: Session, visitor: Visitor, label: str, scope: Scope, days: int
) -> NewToken:
    """Make a token of one's own; a token makes none that may do more."""
    if not visitor.is_within(scope):
        raise ForbiddenError(
            f"a token of scope {visitor.scope} makes none of scope {scope}"
        )
    return create_token(
        session,
        visitor.name,
        label,
        scope=scope,
        days=days,
        actor=visitor.actor,
    )


def list_tokens(session: Session, reviewer_id: int) -> Sequence[TokenRow]:
    """Return an account's tokens that were not revoked, the newest first."""
    return _read(
        session,
        _select()
        .where(
            col(Token.reviewer_id) == reviewer_id,
            col(Token.revoked_at).is_(None),
        )
        .order_by(col(Token.id).desc()),
    )


def get_own_token(session: Session, visitor: Visitor, id_: int) -> TokenRow:
    """Return a good token of one's own; to others there is none."""
    rows = [
        row
        for row in list_tokens(session, visitor.id)
        if row.id == id_ and row.revoked_at is None
    ]
    if not rows:
        raise NotFoundError("token", str(id_))
    return rows[0]


def revoke_own_token(session: Session, visitor: Visitor, id_: int) -> None:
    """Make a token of one's own useless from now on."""
    take_turn(session)
    get_own_token(session, visitor, id_)
    revoke_token(session, id_, actor=visitor.actor)


def revoke_token(session: Session, id_: int, *, actor: str = PROGRAM) -> None:
    """Make a token useless from now on."""
    take_turn(session)
    revoked = session.execute(
        update(Token)
        .where(col(Token.id) == id_, col(Token.revoked_at).is_(None))
        .values(revoked_at=datetime.now(UTC))
        .returning(col(Token.reviewer_id))
    ).scalar_one_or_none()
    if revoked is None:
        raise NotFoundError("token", str(id_))
    name = session.execute(
        select(col(Reviewer.name)).where(col(Reviewer.id) == revoked)
    ).scalar_one()
    append_entry(
        session, actor, "token.revoked", f"reviewer:{name}", {"token": id_}
    )


def revoke_all(session: Session, reviewer_id: int) -> int:
    """Make all tokens of an account useless; return how many were good."""
    return len(
        session.execute(
            update(Token)
            .where(
                col(Token.reviewer_id) == reviewer_id,
                col(Token.revoked_at).is_(None),
            )
            .values(revoked_at=datetime.now(UTC))
            .returning(col(Token.id))
        ).all()
    )


def _get(session: Session, id_: int) -> TokenRow:
    return _read(session, _select().where(col(Token.id) == id_))[0]


def _select() -> Select[*tuple[Any, ...]]:
    return select(
        col(Token.id),
        col(Token.name),
        col(Token.scope),
        col(Token.start),
        col(Token.created_at),
        col(Token.expires_at),
        col(Token.used_at),
        col(Token.revoked_at),
        col(Reviewer.name).label("reviewer"),
    ).join(Reviewer, col(Reviewer.id) == col(Token.reviewer_id))


def _read(
    session: Session, statement: Select[*tuple[Any, ...]]
) -> list[TokenRow]:
    return [TokenRow(**row) for row in session.execute(statement).mappings()]

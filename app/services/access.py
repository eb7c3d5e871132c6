"""Who asks and whether they may read the review: looked up once a request.

A secret (a session's or a token's) that has expired, was revoked or is of an
account that was disabled is nobody's. Use is noted to some minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Row,
    Select,
    bindparam,
    exists,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.models import Role, Scope, SignIn, Token
from app.services.reviewers import Visitor, compute_digest

NOTED_EVERY = timedelta(minutes=5)

# columns of tables, not of models: what every request asks costs a third
_TABLES = SQLModel.metadata.tables
_PROPOSALS, _MEMBERS = _TABLES["proposal"].c, _TABLES["member"].c
_REVIEWERS, _SIGN_INS = _TABLES["reviewer"].c, _TABLES["sign_in"].c
_TOKENS = _TABLES["token"].c

_PROPOSAL = (
    select(_PROPOSALS.id, _PROPOSALS.is_private)
    .order_by(_PROPOSALS.id)
    .limit(1)
)
_FIRST = _PROPOSAL.subquery()
_VISITOR = (
    *(_REVIEWERS.id, _REVIEWERS.name, _REVIEWERS.display_name),
    *(_REVIEWERS.role, _FIRST.c.id.label("proposal"), _FIRST.c.is_private),
)
_SESSIONS: Select[*tuple[Any, ...]] = (
    select(
        *_VISITOR,
        _SIGN_INS.id.label("secret_id"),
        _SIGN_INS.expires_at,
        _SIGN_INS.seen_at.label("noted_at"),
    )
    .join_from(
        _TABLES["sign_in"],
        _TABLES["reviewer"],
        _SIGN_INS.reviewer_id == _REVIEWERS.id,
    )
    .outerjoin(_FIRST, true())
    .where(_REVIEWERS.disabled_at.is_(None))
)
_BY_SESSION = _SESSIONS.where(_SIGN_INS.digest == bindparam("digest"))
_BY_TOKEN: Select[*tuple[Any, ...]] = (
    select(
        *_VISITOR,
        _TOKENS.id.label("secret_id"),
        _TOKENS.expires_at,
        _TOKENS.used_at.label("noted_at"),
        _TOKENS.scope,
    )
    .join_from(
        _TABLES["token"],
        _TABLES["reviewer"],
        _TOKENS.reviewer_id == _REVIEWERS.id,
    )
    .outerjoin(_FIRST, true())
    .where(
        _TOKENS.digest == bindparam("digest"),
        _TOKENS.revoked_at.is_(None),
        _REVIEWERS.disabled_at.is_(None),
    )
)
_IS_MEMBER = select(
    exists().where(
        _MEMBERS.proposal_id == bindparam("proposal"),
        _MEMBERS.reviewer_id == bindparam("reviewer"),
    )
)


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, and whether the review is theirs to read.

    `session_id` is the session whose cookie was sent. `is_unknown` says that
    a token was sent which is nobody's, `is_due` that the use of the secret
    has to be noted, and `until` when it ends, if it does. `is_stated` says
    that a statement of ours told of the secret, which may end before it.
    """

    visitor: Visitor | None = None
    may_read: bool = True
    session_id: int | None = None
    is_unknown: bool = False
    is_due: bool = False
    is_stated: bool = False
    until: datetime | None = None


def find_access(
    session: Session, *, token: str | None = None, cookie: str | None = None
) -> Access:
    """Return who sent these secrets; a cookie counts only without token."""
    chosen = _BY_TOKEN if token else _BY_SESSION
    secret = token or cookie
    wanted = {"digest": compute_digest(secret)} if secret else None
    row = _find_row(session, chosen, wanted) if wanted else None
    if row is None:
        return _find_nobody(session, is_unknown=bool(token))
    visitor = Visitor(row.id, row.name, row.display_name, row.role)
    if token:
        visitor = replace(visitor, scope=row.scope, token_id=row.secret_id)
    now = datetime.now(UTC)
    return Access(
        visitor=visitor,
        may_read=_may_read(session, row, visitor),
        session_id=None if token else row.secret_id,
        is_due=row.noted_at is None or row.noted_at < now - NOTED_EVERY,
        until=row.expires_at,
    )


def find_session_holder(session: Session, digest: str) -> Access:
    """Return whose session has this digest, good to annotate only.

    That is for statements of our own that tell of a session; nobody who
    sends a digest is believed.
    """
    row = _find_row(session, _BY_SESSION, {"digest": digest})
    if row is None:
        return _find_nobody(session, is_unknown=True)
    visitor = Visitor(
        row.id, row.name, row.display_name, row.role, Scope.annotate
    )
    return Access(
        visitor=visitor,
        may_read=_may_read(session, row, visitor),
        is_stated=True,
        until=row.expires_at,
    )


def note_use(session: Session, access: Access) -> None:
    """Note that a session or token is in use."""
    visitor = access.visitor
    now = datetime.now(UTC)
    if visitor is not None and visitor.token_id is not None:
        session.execute(
            update(Token)
            .where(col(Token.id) == visitor.token_id)
            .values(used_at=now)
        )
    elif access.session_id is not None:
        session.execute(
            update(SignIn)
            .where(col(SignIn.id) == access.session_id)
            .values(seen_at=now)
        )


def is_member(
    session: Session, proposal_id: int, visitor: Visitor | None
) -> bool:
    """Tell whether a private review is theirs to read.

    An administrator chooses the members, and so is one of every review.
    """
    if visitor is None:
        return False
    if visitor.role == Role.administrator:
        return True
    wanted = {"proposal": proposal_id, "reviewer": visitor.id}
    return bool(session.execute(_IS_MEMBER, wanted).scalar_one())


def _find_row(
    session: Session,
    chosen: Select[*tuple[Any, ...]],
    wanted: Mapping[str, object],
) -> Row[*tuple[Any, ...]] | None:
    row = session.connection().execute(chosen, wanted).first()
    if row is None:
        return None
    has_ended = row.expires_at and row.expires_at <= datetime.now(UTC)
    return None if has_ended else row


def _find_nobody(session: Session, *, is_unknown: bool) -> Access:
    row = session.connection().execute(_PROPOSAL).first()
    is_private = row is not None and row.is_private
    return Access(may_read=not is_private, is_unknown=is_unknown)


def _may_read(
    session: Session, row: Row[*tuple[Any, ...]], visitor: Visitor
) -> bool:
    return not row.is_private or is_member(session, row.proposal, visitor)

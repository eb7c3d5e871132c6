"""Accounts: who somebody is, what their role allows, how they prove it.

Secrets (cookies, links, tokens) are random and stored as digests only.
Passwords are hashed by `app.services.passwords` before a transaction is
opened; this module stores what comes out.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import (
    Select,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import (
    OIDCIdentity,
    Reviewer,
    Role,
    Scope,
    SignIn,
    SignInLink,
)
from app.services.entries import append_entry, take_turn

ROLE_ORDER = tuple(Role)
SCOPE_ORDER = tuple(Scope)
SCOPE_ROLES = dict(zip(Scope, Role, strict=True))
"""The role that a token of each scope is good for at most."""

SECRET_BYTES = 32
NAME_LENGTH = 60
PROGRAM = "program"
ADMINISTRATOR = "administrator"
logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visitor:
    """The reviewer behind a request.

    `scope` bounds what the token may be used for that they sent; who signed
    in may do all that their role allows.
    """

    id: int
    name: str
    display_name: str
    role: Role
    scope: Scope = Scope.admin
    token_id: int | None = None

    @property
    def actor(self) -> str:
        """Return the name that the event log uses."""
        return f"reviewer:{self.name}"

    def may(self, role: Role) -> bool:
        """Tell whether the role, and the token's scope, include `role`."""
        needed = ROLE_ORDER.index(role)
        return (
            ROLE_ORDER.index(self.role) >= needed
            and ROLE_ORDER.index(SCOPE_ROLES[self.scope]) >= needed
        )

    def is_within(self, scope: Scope) -> bool:
        """Tell whether the token, if one was sent, may be used for this."""
        return SCOPE_ORDER.index(self.scope) >= SCOPE_ORDER.index(scope)


class Account(NamedTuple):
    """What a sign-in by password needs to know."""

    id: int
    password_hash: str | None
    is_disabled: bool = False


def compute_digest(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def find_signed_in(session: Session, secret: str) -> Visitor | None:
    """Return who holds the session `secret`, if it has not expired."""
    return _find_visitor(
        session,
        _select_visitor()
        .join(SignIn, col(SignIn.reviewer_id) == col(Reviewer.id))
        .where(
            col(SignIn.digest) == compute_digest(secret),
            col(SignIn.expires_at) > datetime.now(UTC),
        ),
    )


def _select_visitor() -> Select[*tuple[Any, ...]]:
    return select(
        col(Reviewer.id),
        col(Reviewer.name),
        col(Reviewer.display_name),
        col(Reviewer.role),
    ).where(col(Reviewer.disabled_at).is_(None))


def _find_visitor(
    session: Session, chosen: Select[*tuple[Any, ...]]
) -> Visitor | None:
    row = session.execute(chosen).first()
    return None if row is None else Visitor(*row)


def find_account(session: Session, name: str) -> Account | None:
    """Return the account that is called `name`."""
    row = session.execute(
        select(
            col(Reviewer.id),
            col(Reviewer.password_hash),
            col(Reviewer.disabled_at).is_not(None),
        ).where(col(Reviewer.name) == name)
    ).first()
    if row is None or row[0] is None:
        return None
    return Account(row[0], row[1], bool(row[2]))


def is_taken(session: Session, name: str) -> bool:
    """Tell whether an account is called so, but for capitals."""
    found = select(col(Reviewer.id)).where(
        func.lower(col(Reviewer.name)) == name.lower()
    )
    return session.execute(found).first() is not None


def add_reviewer(
    session: Session,
    name: str,
    role: Role,
    *,
    password_hash: str | None = None,
    actor: str = PROGRAM,
) -> Reviewer:
    """Add an account; without a password it signs in by links only."""
    require_name(name)
    take_turn(session)
    if is_taken(session, name):
        raise ConflictError(f"a reviewer is already called {name!r}")
    reviewer = Reviewer(
        name=name,
        display_name=name,
        role=role,
        password_hash=password_hash,
        created_at=datetime.now(UTC),
    )
    session.add(reviewer)
    session.flush()
    append_entry(
        session,
        actor,
        "reviewer.added",
        f"reviewer:{name}",
        {"role": str(role), "password": password_hash is not None},
    )
    logger.info("reviewer_added", name=name, role=str(role))
    return reviewer


def require_name(name: str) -> None:
    """Refuse a name that cannot be typed, read or linked."""
    good = 0 < len(name) <= NAME_LENGTH and all(
        character.isalnum() or character in "-_." for character in name
    )
    # an address that ends with .. is another one
    good = good and name[:1].isalnum()
    if not good:
        raise InvalidError(
            f"a name has 1 to {NAME_LENGTH} letters, digits, - _ or ., "
            "the first a letter or digit",
            Fault("/name", "expected letters, digits, - _ or ."),
        )


def set_password(
    session: Session, name: str, password_hash: str, *, actor: str = PROGRAM
) -> None:
    """Give an account another password; end its sign-ins and open links."""
    account = require_account(session, name)
    session.execute(
        update(Reviewer)
        .where(col(Reviewer.id) == account.id)
        .values(password_hash=password_hash)
    )
    session.execute(
        delete(SignIn).where(col(SignIn.reviewer_id) == account.id)
    )
    session.execute(
        delete(SignInLink).where(
            col(SignInLink.reviewer_id) == account.id,
            col(SignInLink.used_at).is_(None),
        )
    )
    append_entry(
        session, actor, "reviewer.password_set", f"reviewer:{name}", {}
    )


def require_account(session: Session, name: str) -> Account:
    """Return the account that is called `name`, or refuse."""
    account = find_account(session, name)
    if account is None:
        raise NotFoundError("reviewer", name)
    return account


def create_link(
    session: Session, name: str, *, hours: int, actor: str = PROGRAM
) -> str:
    """Return the secret of a new link that signs `name` in once.

    Links made before that nobody used are good no longer.
    """
    account = require_account(session, name)
    now = datetime.now(UTC)
    session.execute(
        delete(SignInLink).where(
            col(SignInLink.reviewer_id) == account.id,
            col(SignInLink.used_at).is_(None),
        )
    )
    secret = secrets.token_urlsafe(SECRET_BYTES)
    link = SignInLink(
        reviewer_id=account.id,
        digest=compute_digest(secret),
        created_at=now,
        expires_at=now + timedelta(hours=hours),
    )
    session.add(link)
    session.flush()
    append_entry(
        session, actor, "link.created", f"reviewer:{name}", {"hours": hours}
    )
    return secret


def find_link_holder(session: Session, secret: str) -> Visitor | None:
    """Return whom a link would sign in, if it is still good."""
    return _find_visitor(
        session,
        _select_visitor()
        .join(SignInLink, col(SignInLink.reviewer_id) == col(Reviewer.id))
        .where(
            col(SignInLink.digest) == compute_digest(secret),
            col(SignInLink.used_at).is_(None),
            col(SignInLink.expires_at) > datetime.now(UTC),
        ),
    )


def use_link(session: Session, secret: str) -> Visitor:
    """Use a link up and return whom it signs in, or refuse it."""
    visitor = find_link_holder(session, secret)
    # the condition decides between two who use it at once
    used = session.execute(
        update(SignInLink)
        .where(
            col(SignInLink.digest) == compute_digest(secret),
            col(SignInLink.used_at).is_(None),
        )
        .values(used_at=datetime.now(UTC))
        .returning(col(SignInLink.id))
    ).first()
    if visitor is None or used is None:
        raise NotFoundError("sign-in link", f"{secret[:4]}…")
    return visitor


def ensure_administrator(session: Session, *, hours: int) -> str | None:
    """Return the secret of the administrator's link while one is needed.

    The first administrator is made on the first start. As long as no
    administrator has a password or an OpenID identity, each start makes a
    new link.
    """
    take_turn(session)
    if has_administrator(session):
        return None
    name = session.scalar(_select_administrators())
    if name is None:
        name = ADMINISTRATOR
        add_reviewer(session, name, Role.administrator)
    return create_link(session, name, hours=hours)


def has_administrator(session: Session) -> bool:
    """Tell whether an administrator can sign in without a link of ours."""
    has_means = or_(
        col(Reviewer.password_hash).is_not(None),
        exists().where(col(OIDCIdentity.reviewer_id) == col(Reviewer.id)),
    )
    found = session.scalar(_select_administrators().where(has_means))
    return found is not None


def _select_administrators() -> Select[str]:
    return (
        select(col(Reviewer.name))
        .where(
            col(Reviewer.role) == Role.administrator,
            col(Reviewer.disabled_at).is_(None),
        )
        .order_by(col(Reviewer.id))
        .limit(1)
    )

"""Sessions of signed-in reviewers: begun, listed and ended.

A session is known by its secret, which the browser keeps and the database
does not. Each sign-in begins another one, so what somebody planted before is
worth nothing after.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ForbiddenError, NotFoundError
from app.models import Reviewer, SignIn
from app.services.entries import append_entry, take_turn
from app.services.reviewers import (
    SECRET_BYTES,
    Visitor,
    compute_digest,
    find_signed_in,
)

MOST_SESSIONS = 50
"""How many sessions one account may have; the oldest end."""

LINK = "link"
"""How somebody signed in who was made a one-time link."""

LINK_PROVES_FOR = timedelta(hours=1)
"""How long a link stands for a password that was forgotten."""

AGENT_LENGTH = 200
ADDRESS_LENGTH = 64
_BROWSERS = (
    ("Edge", re.compile(r"Edg\w*/(\d+)")),
    ("Opera", re.compile(r"OPR/(\d+)")),
    ("Firefox", re.compile(r"Firefox/(\d+)")),
    ("Chromium", re.compile(r"Chrom\w+/(\d+)")),
    ("Safari", re.compile(r"Version/(\d+)\S* (?:Mobile/\S+ )?Safari/")),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iOS", "iPhone"),
    ("iOS", "iPad"),
    ("Windows", "Windows"),
    ("macOS", "Mac OS X"),
    ("Linux", "Linux"),
)
logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where somebody signs in from, and with which browser."""

    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session as its holder sees it; `is_current` is the one that asks."""

    id: int
    means: str
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime | None
    expires_at: datetime
    is_current: bool

    @property
    def browser(self) -> str:
        """Return browser and system in a few words."""
        return describe_agent(self.agent)


def describe_agent(agent: str) -> str:
    """Return what a User-Agent says, as people call it."""
    words = [
        f"{name} {found[1]}"
        for name, pattern in _BROWSERS
        if (found := pattern.search(agent))
    ][:1]
    words += [name for name, mark in _SYSTEMS if mark in agent][:1]
    return " on ".join(words) or agent.partition("/")[0][:40] or "unknown"


def sign_in(
    session: Session,
    reviewer_id: int,
    *,
    days: int,
    means: str,
    origin: Origin | None = None,
) -> str:
    """Return the secret of a new session; `means` is how they proved it.

    Raises
    ------
    ForbiddenError
        When the account was disabled while they did.
    """
    origin = origin or Origin()
    now = datetime.now(UTC)
    session.execute(delete(SignIn).where(col(SignIn.expires_at) <= now))
    _make_room(session, reviewer_id)
    name, is_disabled = session.execute(
        select(
            col(Reviewer.name), col(Reviewer.disabled_at).is_not(None)
        ).where(col(Reviewer.id) == reviewer_id)
    ).one()
    if is_disabled:
        raise ForbiddenError("this account is disabled")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = SignIn(
        reviewer_id=reviewer_id,
        digest=compute_digest(secret),
        created_at=now,
        expires_at=now + timedelta(days=days),
        means=means,
        address=_keep_printable(origin.address)[:ADDRESS_LENGTH],
        agent=_keep_printable(origin.agent)[:AGENT_LENGTH],
        seen_at=now,
    )
    session.add(row)
    session.flush()
    append_entry(
        session,
        f"reviewer:{name}",
        "reviewer.signed_in",
        f"reviewer:{name}",
        {"means": means},
    )
    logger.info("reviewer_signed_in", name=name, means=means)
    return secret


def _make_room(session: Session, reviewer_id: int) -> None:
    surplus = session.scalars(
        select(col(SignIn.id))
        .where(col(SignIn.reviewer_id) == reviewer_id)
        .order_by(col(SignIn.id).desc())
        .offset(MOST_SESSIONS - 1)
    ).all()
    if surplus:
        session.execute(delete(SignIn).where(col(SignIn.id).in_(surplus)))


def _keep_printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())


def is_new_by_link(session: Session, id_: int | None) -> bool:
    """Tell whether a session was begun by a link, and not long ago."""
    found = session.scalar(
        select(col(SignIn.id)).where(
            col(SignIn.id) == (id_ or 0),
            col(SignIn.means) == LINK,
            col(SignIn.created_at) > datetime.now(UTC) - LINK_PROVES_FOR,
        )
    )
    return found is not None


def sign_out(session: Session, secret: str) -> None:
    """End the session of this secret, if there is one."""
    visitor = find_signed_in(session, secret)
    session.execute(
        delete(SignIn).where(col(SignIn.digest) == compute_digest(secret))
    )
    if visitor is not None:
        append_entry(
            session,
            visitor.actor,
            "reviewer.signed_out",
            f"reviewer:{visitor.name}",
            {},
        )


def list_sessions(
    session: Session, reviewer_id: int, current: int | None
) -> Sequence[SessionRow]:
    """Return an account's sessions, number `current` first."""
    is_current = col(SignIn.id) == (current or 0)
    rows = session.execute(
        select(
            col(SignIn.id),
            col(SignIn.means),
            col(SignIn.address),
            col(SignIn.agent),
            col(SignIn.created_at),
            col(SignIn.seen_at),
            col(SignIn.expires_at),
            is_current.label("is_current"),
        )
        .where(
            col(SignIn.reviewer_id) == reviewer_id,
            col(SignIn.expires_at) > datetime.now(UTC),
        )
        .order_by(is_current.desc(), col(SignIn.id).desc())
    ).mappings()
    return [SessionRow(**row) for row in rows]


def end_session(session: Session, visitor: Visitor, id_: int) -> None:
    """End a session of one's own; to others there is none."""
    take_turn(session)
    ended = session.execute(
        delete(SignIn)
        .where(col(SignIn.id) == id_, col(SignIn.reviewer_id) == visitor.id)
        .returning(col(SignIn.id))
    ).first()
    if ended is None:
        raise NotFoundError("session", str(id_))
    _tell(session, visitor.actor, visitor.name, 1)


def end_others(session: Session, visitor: Visitor, current: int | None) -> int:
    """End all sessions of one's own but number `current`; say how many."""
    return end_all(
        session,
        visitor.name,
        visitor.id,
        actor=visitor.actor,
        but=current or 0,
    )


def end_all(
    session: Session, name: str, reviewer_id: int, *, actor: str, but: int = 0
) -> int:
    """End all sessions of an account but one; return how many that were."""
    take_turn(session)
    ended = session.execute(
        delete(SignIn)
        .where(col(SignIn.reviewer_id) == reviewer_id, col(SignIn.id) != but)
        .returning(col(SignIn.id))
    ).all()
    if ended:
        _tell(session, actor, name, len(ended))
    return len(ended)


def _tell(session: Session, actor: str, name: str, count: int) -> None:
    append_entry(
        session,
        actor,
        "session.ended",
        f"reviewer:{name}",
        {"sessions": count},
    )

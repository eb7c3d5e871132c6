"""Answers kept for an Idempotency-Key, so that a request counts once.

A key is claimed before its request is carried out, in a transaction of its
own, and the answer is kept when it is known. What is a day old is removed a
few rows at a time, whenever a key is claimed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ThrottleError
from app.models import StoredAnswer

KEPT_FOR = timedelta(hours=24)
RUNS_FOR = timedelta(hours=1)
"""After this a request whose end is not known was broken off."""

REMOVED_AT_ONCE = 200
KEYS_MOST = 1000
"""Keys of one reviewer in a day; there is a bound on writes besides."""

LATER = 600

Headers = Sequence[tuple[str, str]]


class Claim(NamedTuple):
    """What a key is claimed for: the request's sender, place and content."""

    reviewer_id: int
    route: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a key that was claimed before.

    `is_same` says that it was claimed for this very request; there is no
    `status` while that one is under way.
    """

    is_same: bool
    status: int | None
    headers: Headers
    body: bytes


def claim(session: Session, wanted: Claim) -> Found | None:
    """Claim a key for a request; return what is known if it was before.

    Raises
    ------
    ThrottleError
        When the reviewer has claimed too many keys today.
    """
    now = datetime.now(UTC)
    _remove_old(session, now)
    row = session.scalar(select(StoredAnswer).where(*_match(wanted)))
    if row is not None:
        if row.status is not None or row.created_at > now - RUNS_FOR:
            return Found(
                is_same=row.fingerprint == wanted.fingerprint,
                status=row.status,
                headers=[(name, value) for name, value in row.headers],
                body=row.body,
            )
        session.delete(row)
        session.flush()
    _require_room(session, wanted.reviewer_id)
    row = StoredAnswer(
        reviewer_id=wanted.reviewer_id,
        route=wanted.route,
        key=wanted.key,
        fingerprint=wanted.fingerprint,
        headers=[],
        body=b"",
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        # another took it between our looking and our writing
        return Found(is_same=True, status=None, headers=(), body=b"")
    return None


def keep(
    session: Session,
    claimed: Claim,
    status: int,
    headers: Headers,
    body: bytes,
) -> None:
    """Keep the answer of a claimed request."""
    session.execute(
        update(StoredAnswer)
        .where(*_match(claimed))
        .values(
            status=status,
            headers=[list(header) for header in headers],
            body=body,
        )
    )


def release(session: Session, claimed: Claim) -> None:
    """Give a key back: its request has come to nothing."""
    session.execute(delete(StoredAnswer).where(*_match(claimed)))


def _match(wanted: Claim) -> Sequence[ColumnElement[bool]]:
    return (
        col(StoredAnswer.reviewer_id) == wanted.reviewer_id,
        col(StoredAnswer.route) == wanted.route,
        col(StoredAnswer.key) == wanted.key,
    )


def _remove_old(session: Session, now: datetime) -> None:
    old = (
        select(col(StoredAnswer.id))
        .where(col(StoredAnswer.created_at) < now - KEPT_FOR)
        .order_by(col(StoredAnswer.created_at))
        .limit(REMOVED_AT_ONCE)
    )
    numbers = session.scalars(old).all()
    if numbers:
        session.execute(
            delete(StoredAnswer).where(col(StoredAnswer.id).in_(numbers))
        )


def _require_room(session: Session, reviewer_id: int) -> None:
    kept = session.scalar(
        select(func.count())
        .select_from(StoredAnswer)
        .where(col(StoredAnswer.reviewer_id) == reviewer_id)
    )
    if (kept or 0) >= KEYS_MOST:
        raise ThrottleError(
            f"{KEYS_MOST} keys a day are kept for one reviewer; "
            "send the request without, or later",
            retry_after=LATER,
        )

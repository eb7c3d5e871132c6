"""The event log: append-only, hash-chained, one line a change.

A line is appended in the transaction of the change it tells of, so the log
and the tables never disagree, and the head's `seq` names the state of the
whole review.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import uuid_utils
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Entry

GENESIS = "0" * 64
CHAIN_LOCK = 0x4C4F47  # any number that is ours

Json = Mapping[str, Any]


class Head(NamedTuple):
    """The newest line of the log."""

    seq: int
    hash: str


def get_head(session: Session) -> Head:
    """Return the newest line's number and hash; (0, zeros) if none."""
    row = session.execute(
        select(col(Entry.seq), col(Entry.hash))
        .order_by(col(Entry.seq).desc())
        .limit(1)
    ).first()
    return Head(*row) if row else Head(0, GENESIS)


def append_entry(
    session: Session, actor: str, type_: str, subject: str, data: Json
) -> Entry:
    """Append one line to the log and flush it.

    Parameters
    ----------
    actor
        Who did it: `reviewer:NAME`, or `program` for the program itself.
    type_
        What happened, noun first, past tense: `thread.opened`.
    subject
        What it happened to: `thread:kleen-sti-shadow`.
    data
        What is needed to understand the change, as plain JSON.
    """
    if session.get_bind().dialect.name == "postgresql":
        # commits must come in the order of the chain
        session.execute(
            text("SELECT pg_advisory_xact_lock(:n)"), {"n": CHAIN_LOCK}
        )
    head = get_head(session)
    entry = Entry(
        seq=head.seq + 1,
        id=str(uuid_utils.uuid7()),
        at=datetime.now(UTC),
        actor=actor,
        type=type_,
        subject=subject,
        data=dict(data),
        previous=head.hash,
        hash="",
    )
    entry.hash = compute_hash(entry)
    session.add(entry)
    session.flush()
    return entry


def compute_hash(entry: Entry) -> str:
    """Return the SHA-256 of an entry's canonical JSON, its hash left out."""
    return hashlib.sha256(
        canonical_json(
            {
                "seq": entry.seq,
                "id": entry.id,
                "at": format_time(entry.at),
                "actor": entry.actor,
                "type": entry.type,
                "subject": entry.subject,
                "data": entry.data,
                "previous": entry.previous,
            }
        )
    ).hexdigest()


def canonical_json(value: object) -> bytes:
    """Return JSON with sorted keys and no spaces, in UTF-8 (RFC 8785).

    Numbers in the log are integers, where Python and RFC 8785 agree.
    """
    return json.dumps(
        value,
        ensure_ascii=False,
        allow_nan=False,
        sort_keys=True,
        separators=(",", ":"),
    ).encode()


def format_time(at: datetime) -> str:
    """Return a time as RFC 3339 in UTC with microseconds and Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

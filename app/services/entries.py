"""The event log: append-only, hash-chained, one line a change.

A line is appended in the transaction of the change it tells of, so the log
and the tables never disagree, and the head's `seq` names the state of the
whole review.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import uuid_utils
from sqlalchemy import LargeBinary, Text, cast, insert, select, text
from sqlalchemy.orm import Mapped, Session
from sqlmodel import SQLModel, col

from app.db import CHANNEL
from app.models import Entry
from app.services import search_index
from app.services.windows import Window

GENESIS = "0" * 64
CHAIN_LOCK = 0x4C4F47  # any number that is ours
BATCH = 1000

Json = Mapping[str, Any]
# a table, not its model: what comes with every change costs a third
_ENTRIES = SQLModel.metadata.tables["entry"]
_ADD_ENTRY = insert(_ENTRIES)
_READ_HEAD = (
    select(_ENTRIES.c.seq, _ENTRIES.c.hash)
    .order_by(_ENTRIES.c.seq.desc())
    .limit(1)
)
RAW_TEXT = Text().with_variant(LargeBinary(), "sqlite")


class Head(NamedTuple):
    """The newest line of the log."""

    seq: int
    hash: str


def get_head(session: Session) -> Head:
    """Return the newest line's number and hash; (0, zeros) if none."""
    row = session.connection().execute(_READ_HEAD).first()
    return Head(*row) if row else Head(0, GENESIS)


class Appended(NamedTuple):
    """The number and the time of a line that was appended."""

    seq: int
    at: datetime


def append_entry(
    session: Session, actor: str, type_: str, subject: str, data: Json
) -> Appended:
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
    take_turn(session)
    head = get_head(session)
    at = datetime.now(UTC)
    line = Line(
        head.seq + 1,
        str(uuid_utils.uuid7()),
        format_time(at),
        actor,
        type_,
        subject,
        dict(data),
        head.hash,
        "",
    )
    line = line._replace(hash=compute_hash(line))
    # rows that refer to it, or that it tells of, go with it
    session.flush()
    session.connection().execute(_ADD_ENTRY, {**line._asdict(), "at": at})
    return Appended(line.seq, at)


class NewEntry(NamedTuple):
    """What an entry is to tell; see `append_entry`."""

    type: str
    subject: str
    data: Json


def append_entries(
    session: Session, actor: str, new: Sequence[NewEntry]
) -> None:
    """Append many lines to the log, in one statement."""
    take_turn(session)
    seq, previous = get_head(session)
    at = datetime.now(UTC)
    lines: list[Line] = []
    for number, entry in enumerate(new, start=seq + 1):
        line = Line(
            number,
            str(uuid_utils.uuid7()),
            format_time(at),
            actor,
            *entry,
            previous,
            "",
        )
        previous = compute_hash(line)
        lines.append(line._replace(hash=previous))
    if lines:
        session.execute(
            _ADD_ENTRY, [{**line._asdict(), "at": at} for line in lines]
        )


def take_turn(session: Session) -> None:
    """Wait until no other change is under way, as whoever appends must.

    A service that counts before it appends calls this first. What the log
    tells by the commit is indexed for search, and whoever follows the log is
    woken by it.
    """
    search_index.follow(session)
    if session.get_bind().dialect.name == "postgresql":
        # commits must come in the order of the chain
        session.execute(
            text("SELECT pg_advisory_xact_lock(:n), pg_notify(:channel, '')"),
            {"n": CHAIN_LOCK, "channel": CHANNEL},
        )


class Line(NamedTuple):
    """An entry as it is hashed and shown; `at` is RFC 3339."""

    seq: int
    id: str
    at: str
    actor: str
    type: str
    subject: str
    data: Json
    previous: str
    hash: str


def list_entries(
    session: Session,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = BATCH,
) -> Sequence[Line]:
    """Return the lines that follow number `after`, in order.

    With `before` alone they are the last ones before that number.
    """
    window = Window(above=after, below=before, limit=limit)
    rows = session.scalars(window.cut(select(Entry), col(Entry.seq))).all()
    return [_get_line(entry) for entry in window.arrange(rows)]


def _get_line(entry: Entry) -> Line:
    return Line(
        entry.seq,
        entry.id,
        format_time(entry.at),
        entry.actor,
        entry.type,
        entry.subject,
        entry.data,
        entry.previous,
        entry.hash,
    )


class Stored(NamedTuple):
    """An entry as the database holds it, times and data as text."""

    seq: int
    id: str
    at: str
    actor: str
    type: str
    subject: str
    data: str
    previous: str
    hash: str


class Breach(NamedTuple):
    """The first line at which the chain does not hold."""

    seq: int
    id: str
    reason: str

    def __str__(self) -> str:
        """Say which line and why, in one line."""
        return f"entry {self.seq} ({self.id}): {self.reason}"


def verify(session: Session) -> Breach | None:
    """Recompute the whole chain; return where it breaks first, if it does.

    Lines cut off at the end leave a chain that holds: whoever kept the hash
    of an earlier head finds them missing with `has_hash`.
    """
    seq, previous = 0, GENESIS
    for row in _read_stored(session):
        reason = _find_fault(row, seq, previous)
        if reason:
            return Breach(row.seq, row.id, reason)
        seq, previous = row.seq, row.hash
    return None


def has_hash(session: Session, hash_: str) -> bool:
    """Tell whether a line of the log has this hash."""
    found = select(col(Entry.seq)).where(col(Entry.hash) == hash_)
    return session.execute(found).first() is not None


def _read_stored(session: Session) -> Iterator[Stored]:
    # raw: what was tampered with may not even be a time, JSON or UTF-8
    columns: tuple[Mapped[Any], ...] = (
        *(col(Entry.id), col(Entry.at), col(Entry.actor), col(Entry.type)),
        *(col(Entry.subject), col(Entry.data)),
        *(col(Entry.previous), col(Entry.hash)),
    )
    raw = [cast(column, RAW_TEXT) for column in columns]
    ordered = select(col(Entry.seq), *raw).order_by(col(Entry.seq))
    for row in session.execute(ordered).yield_per(BATCH):
        seq, *texts = row
        yield Stored(seq, *(_decode(text) for text in texts))


def _decode(value: str | bytes) -> str:
    if isinstance(value, str):
        return value
    return value.decode(errors="replace")


def _find_fault(row: Stored, seq: int, previous: str) -> str | None:
    if row.seq != seq + 1:
        return f"it follows entry {seq}; what was between is missing"
    if row.previous != previous:
        return "it does not name the hash of the entry before"
    try:
        at = format_time(_set_zone(datetime.fromisoformat(row.at)))
        line = Line(
            **{**row._asdict(), "at": at, "data": json.loads(row.data)}
        )
        hash_ = compute_hash(line)
    except (ValueError, OverflowError, RecursionError):
        return "its time or its data cannot be read"
    return None if hash_ == row.hash else "its content does not have its hash"


def _set_zone(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def compute_hash(line: Line) -> str:
    """Return the SHA-256 of a line's canonical JSON, its hash left out."""
    content = line._asdict()
    del content["hash"]
    return hashlib.sha256(canonical_json(content)).hexdigest()


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

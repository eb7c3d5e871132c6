"""The event log: each line hashes the one before; tampering is named."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import Database
from app.models import Entry
from app.services import entries
from tests.conftest import SQLiteCopies


@pytest.fixture
def log(empty_database: Database) -> Iterator[Session]:
    """Return a session on a log of five lines, on each engine."""
    with write_log(empty_database) as session:
        yield session


@contextmanager
def write_log(database: Database) -> Iterator[Session]:
    """Fill an empty database with five lines and open it for changes."""
    with database.write() as session:
        for number in range(1, 6):
            entries.append_entry(
                session,
                "reviewer:ada",
                "thread.opened",
                f"thread:t{number}",
                {"title": f"Größe {number}", "calls": ["VMI_Halt"]},
            )
    with database.write() as session:
        yield session


def test_a_log_that_nobody_touched_holds(log: Session) -> None:
    assert entries.verify(log) is None


def test_an_empty_log_holds(empty_database: Database) -> None:
    with empty_database.read() as session:
        assert entries.get_head(session) == (0, entries.GENESIS)
        assert entries.verify(session) is None


def test_lines_count_from_1_and_name_the_line_before(log: Session) -> None:
    lines = entries.list_entries(log)
    assert [line.seq for line in lines] == [1, 2, 3, 4, 5]
    assert lines[0].previous == entries.GENESIS
    for before, after in itertools.pairwise(lines):
        assert after.previous == before.hash


def test_the_head_is_the_last_line(log: Session) -> None:
    last = entries.list_entries(log)[-1]
    assert entries.get_head(log) == (last.seq, last.hash)


def test_many_lines_at_once_are_as_good_as_one_by_one(log: Session) -> None:
    new = [
        entries.NewEntry("message.imported", f"message:{n}@x", {"é": n})
        for n in range(3)
    ]
    entries.append_entries(log, "program", new)
    entries.append_entries(log, "program", [])
    lines = entries.list_entries(log, after=5)
    assert [(line.seq, line.type, line.subject) for line in lines] == [
        (6 + n, "message.imported", f"message:{n}@x") for n in range(3)
    ]
    assert [line.data for line in lines] == [{"é": n} for n in range(3)]
    assert entries.verify(log) is None


def test_lines_are_read_in_batches_after_a_number(log: Session) -> None:
    page = entries.list_entries(log, after=2, limit=2)
    assert [line.seq for line in page] == [3, 4]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("SET actor = 'reviewer:eve'", "content"),
        ("SET type = 'thread.closed'", "content"),
        ("SET subject = 'thread:other'", "content"),
        ("SET id = 'another'", "content"),
        ("""SET data = '{"title": "x"}'""", "content"),
        ("SET data = '[]'", "content"),
        ("SET hash = 'f'", "content"),
        ("SET at = '2026-01-01 00:00:00.000000'", "content"),
        ("SET previous = 'f'", "hash of the entry before"),
    ],
)
def test_a_changed_column_breaks_the_chain_at_its_line(
    log: Session, change: str, reason: str
) -> None:
    log.execute(text(f"UPDATE entry {change} WHERE seq = 3"))
    breach = entries.verify(log)
    assert breach is not None
    assert breach.seq == 3
    assert reason in breach.reason


def test_a_line_rehashed_breaks_the_chain_at_the_next(log: Session) -> None:
    entry = log.get_one(Entry, 3)
    entry.actor = "reviewer:eve"
    entry.hash = entries.compute_hash(
        entries.list_entries(log, after=2, limit=1)[0]
    )
    log.flush()
    breach = entries.verify(log)
    assert breach is not None
    assert breach.seq == 4
    assert "entry 4" in str(breach)


@pytest.mark.parametrize("seq", [1, 3])
def test_a_missing_line_is_found_at_the_next(log: Session, seq: int) -> None:
    log.execute(text("DELETE FROM entry WHERE seq = :seq"), {"seq": seq})
    breach = entries.verify(log)
    assert breach is not None
    assert breach.seq == seq + 1
    assert "missing" in breach.reason


def test_swapped_lines_are_found(log: Session) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        log.execute(
            text("UPDATE entry SET seq = :new WHERE seq = :old"),
            {"old": old, "new": new},
        )
    breach = entries.verify(log)
    assert breach is not None
    assert breach.seq == 2


@pytest.mark.parametrize(
    "change",
    [
        "data = '{'",
        """data = '{"a": NaN}'""",
        r"""data = '{"a": "\ud800"}'""",
        "at = 'yesterday'",
        "at = '0001-01-01 00:00:00+23:00'",
        "data = x'ff'",
        "actor = CAST(x'ff' AS TEXT)",
    ],
)
def test_what_cannot_be_read_is_a_breach_and_no_crash(
    sqlite_copies: SQLiteCopies, change: str
) -> None:
    # PostgreSQL would not let such a value in
    database = Database(sqlite_copies.make("empty"))
    with write_log(database) as log:
        log.execute(text(f"UPDATE entry SET {change} WHERE seq = 2"))  # noqa: S608 - our own
        breach = entries.verify(log)
    database.close()
    assert breach is not None
    assert breach.seq == 2


def test_a_cut_off_end_is_found_by_the_hash_kept(log: Session) -> None:
    head = entries.get_head(log)
    log.execute(text("DELETE FROM entry WHERE seq = 5"))
    assert entries.verify(log) is None
    assert not entries.has_hash(log, head.hash)


def test_the_chain_is_checked_across_batches(
    log: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "BATCH", 2)
    assert entries.verify(log) is None
    log.execute(text("UPDATE entry SET actor = 'x' WHERE seq = 5"))
    breach = entries.verify(log)
    assert breach is not None
    assert breach.seq == 5


def test_times_are_written_in_utc_with_microseconds() -> None:
    at = datetime(2006, 3, 22, 20, 5, tzinfo=UTC) + timedelta(microseconds=50)
    assert entries.format_time(at) == "2006-03-22T20:05:00.000050Z"


def test_canonical_json_is_sorted_and_has_no_spaces() -> None:
    value = {"b": [1, "é"], "a": None}
    assert entries.canonical_json(value) == '{"a":null,"b":[1,"é"]}'.encode()

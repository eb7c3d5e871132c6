"""The database: no lost updates, all or nothing, times in UTC."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import Entry, Reviewer, Role
from app.services import entries

NOON = datetime(2006, 3, 22, 12, 0, tzinfo=UTC)


class StopError(Exception):
    """Raised to leave a transaction half-way."""


def add_reviewer(session: Session, at: datetime) -> Reviewer:
    """Add a row that has a time."""
    row = Reviewer(
        name="ada", display_name="Ada", role=Role.reader, created_at=at
    )
    session.add(row)
    session.flush()
    return row


def append(database: Database, times: int) -> None:
    """Append to the log, a transaction each."""
    for _ in range(times):
        with database.write() as session:
            entries.append_entry(session, "program", "test.done", "t:1", {})


def run_threads(count: int, work: Callable[[], None]) -> None:
    """Do the same work in several threads at once."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_writers_at_once_lose_no_line(empty_database: Database) -> None:
    run_threads(8, lambda: append(empty_database, 10))
    with empty_database.read() as session:
        assert entries.get_head(session).seq == 80
        assert entries.verify(session) is None


def test_a_second_process_loses_no_line(empty_database: Database) -> None:
    # another Database has another lock, as another process would
    other = Database(empty_database.url)
    threads = [
        threading.Thread(target=append, args=(database, 20))
        for database in (empty_database, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with other.read() as session:
        assert entries.get_head(session).seq == 40
        assert entries.verify(session) is None
    other.close()


def test_what_raises_leaves_nothing(empty_database: Database) -> None:
    def stop_half_way() -> None:
        with empty_database.write() as session:
            add_reviewer(session, NOON)
            entries.append_entry(session, "program", "a.b", "c:d", {})
            raise StopError

    with pytest.raises(StopError):
        stop_half_way()
    with empty_database.read() as session:
        assert session.execute(select(col(Reviewer.id))).first() is None
        assert session.execute(select(col(Entry.seq))).first() is None


def test_reading_waits_for_no_writer(empty_database: Database) -> None:
    with empty_database.write() as writing:
        add_reviewer(writing, NOON)
        with empty_database.read() as reading:
            assert reading.execute(select(col(Reviewer.id))).first() is None


def test_reading_sees_one_state(empty_database: Database) -> None:
    with empty_database.read() as session:
        before = entries.get_head(session)
        append(empty_database, 1)
        assert entries.get_head(session) == before


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 401)])
def test_more_requests_than_threads_are_answered(
    client: TestClient, method: str, status: int
) -> None:
    # 40 threads serve all; who waits for a turn must not hold one of them
    answers: list[int] = []

    def ask() -> None:
        path = "/threads/kleen-sti-shadow"
        path += "/replies" if method == "POST" else f"?n={len(answers)}"
        answers.append(client.request(method, path).status_code)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=25)
    assert answers == [status] * 100


def test_the_state_changes_with_each_commit(empty_database: Database) -> None:
    before = empty_database.get_state()
    assert empty_database.get_state() == before
    append(empty_database, 1)
    after = empty_database.get_state()
    assert (after is None) == (not empty_database.is_sqlite)
    assert before is None or after != before


def test_times_come_back_in_utc(empty_database: Database) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=-8)))
    with empty_database.write() as session:
        add_reviewer(session, local)
    with empty_database.read() as session:
        (at,) = session.execute(select(col(Reviewer.created_at))).one()
    assert at == NOON
    assert at.tzinfo is UTC


def test_a_time_without_zone_is_refused(empty_database: Database) -> None:
    naive = NOON.replace(tzinfo=None)
    with (
        pytest.raises(StatementError, match="without zone"),
        empty_database.write() as session,
    ):
        add_reviewer(session, naive)


def test_foreign_keys_hold(empty_database: Database) -> None:
    insert = text(
        "INSERT INTO token (reviewer_id, name, digest, created_at) "
        "VALUES (99, 't', 'd', :at)"
    )
    with (
        pytest.raises(Exception, match=r"(?i)foreign key"),
        empty_database.write() as session,
    ):
        session.execute(insert, {"at": "2006-03-22 12:00:00"})


def test_an_error_does_not_repeat_what_was_to_be_stored(
    empty_database: Database,
) -> None:
    statement = text("SELECT no_such_column WHERE 'x' <> :secret")
    with (
        pytest.raises(DBAPIError) as error,
        empty_database.read() as session,
    ):
        session.execute(statement, {"secret": "my-password"})
    assert "no_such_column" in str(error.value)
    assert "my-password" not in str(error.value)

"""The event bus: one reader of the log for all streams."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import ExitStack

import psycopg
import pytest

from app.db import Database
from app.errors import BusyError, ThrottleError
from app.services import entries, event_bus
from app.services.event_bus import EventBus

SOON = 5.0


def make_bus(database: Database) -> EventBus:
    """Return a bus with few seats."""
    return EventBus(database, most=3, most_each=2)


def append(database: Database, times: int = 1, type_: str = "a.b") -> int:
    """Append lines to the log in one change; return the last's number."""
    with database.write() as session:
        for _ in range(times):
            entry = entries.append_entry(session, "program", type_, "t:1", {})
    return entry.seq


def run(work: Coroutine[None, None, None]) -> None:
    """Run a test's work in a loop that may not hang."""
    asyncio.run(asyncio.wait_for(work, 20))


async def write(database: Database, times: int = 1) -> int:
    """Append as a request does, in a thread."""
    return await asyncio.to_thread(append, database, times)


def test_a_change_is_told_at_once(empty_database: Database) -> None:
    """Long before anybody looks without being told to."""

    async def work() -> None:
        bus = make_bus(empty_database)
        async with bus.follow():
            for _ in range(3):
                began, seq = time.monotonic(), bus.head
                await asyncio.gather(
                    bus.wait(seq, SOON), write(empty_database)
                )
                (event,) = await bus.read_after(seq)
                assert event.seq == seq + 1 == bus.head
                assert time.monotonic() - began < event_bus.LOOK_AGAIN / 3

    run(work())


def test_another_process_wakes_it(empty_database: Database) -> None:
    """By LISTEN on PostgreSQL, on SQLite by its number of commits."""
    other = Database(empty_database.url)

    async def work() -> None:
        bus = make_bus(empty_database)
        async with bus.follow():
            for _ in range(2):
                seq = bus.head
                await write(other)
                await bus.wait(seq, SOON)
                assert len(await bus.read_after(seq)) == 1

    run(work())
    other.close()


def test_a_lost_listener_comes_back(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written meanwhile is told when it is there again."""
    if empty_database.is_sqlite:
        return
    monkeypatch.setattr("app.services.wakeups.RETRY", 0.1)
    other = Database(empty_database.url)
    dsn = empty_database.url.replace("+psycopg", "")

    def kill() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%'"
            )

    async def work() -> None:
        bus = make_bus(empty_database)
        async with bus.follow():
            await write(other)
            await bus.wait(0, SOON)
            await asyncio.to_thread(kill)
            seq = await write(other)
            await bus.wait(seq - 1, SOON)
            assert bus.head == seq

    run(work())
    other.close()


def test_who_is_far_behind_reads_on_from_the_database(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line once and in order, kept or not."""
    monkeypatch.setattr(event_bus, "BATCH", 4)
    append(empty_database, 30)

    async def work() -> None:
        bus = make_bus(empty_database)
        async with bus.follow():
            await write(empty_database, 10)
            await bus.wait(39, SOON)
            seen: list[int] = []
            while found := await bus.read_after(seen[-1] if seen else 0):
                assert len(found) <= 4
                seen += [event.seq for event in found]
            assert seen == list(range(1, 41))

    run(work())


def test_it_rests_while_nobody_follows(empty_database: Database) -> None:
    """And knows at once what was written meanwhile when somebody does."""

    async def work() -> None:
        bus = make_bus(empty_database)
        for _ in range(2):
            async with bus.follow(), bus.follow():
                assert empty_database.on_commit or not bus.head
                seq = await write(empty_database)
                await bus.wait(seq - 1, SOON)
            assert not empty_database.on_commit
            seq = await write(empty_database)
            async with bus.follow():
                assert bus.head == seq

    run(work())


def test_seats_are_bounded_in_all_and_for_each_address(
    empty_database: Database,
) -> None:
    bus = make_bus(empty_database)
    with ExitStack() as stack:
        stack.enter_context(bus.take_seat("one"))
        stack.enter_context(bus.take_seat("one"))
        with pytest.raises(ThrottleError), bus.take_seat("one"):
            pass
        with bus.take_seat("two"), pytest.raises(BusyError) as caught:
            bus.take_seat("three").__enter__()
        assert caught.value.retry_after > 0
        stack.enter_context(bus.take_seat("three"))
    with bus.take_seat("one"), bus.take_seat("one"):
        pass


def test_closing_wakes_who_waits_and_lets_nobody_in(
    empty_database: Database,
) -> None:
    async def work() -> None:
        bus = make_bus(empty_database)
        async with bus.follow():
            waiting = asyncio.create_task(bus.wait(bus.head, 60))
            await asyncio.sleep(0)
            bus.close()
            await asyncio.wait_for(waiting, 1)
        with pytest.raises(BusyError), bus.take_seat("one"):
            pass

    run(work())


def test_it_remembers_the_last_line_that_took_a_right(
    empty_database: Database,
) -> None:
    async def work() -> None:
        bus = make_bus(empty_database)
        async with bus.follow():
            seq = await asyncio.to_thread(
                append, empty_database, 1, "token.revoked"
            )
            await write(empty_database)
            await bus.wait(seq, SOON)
            assert (bus.taken, bus.head) == (seq, seq + 1)

    run(work())

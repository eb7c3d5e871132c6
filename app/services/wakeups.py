"""Wake-ups: how one learns at once that somebody wrote to the log.

A change that was made by this process says so itself. Those of other
processes are told by PostgreSQL's LISTEN; SQLite is asked for its number of
the last commit, which costs next to nothing. A wake-up only says "look".
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
import structlog
from sqlalchemy.engine import make_url

from app.db import CHANNEL, Database

INTERVAL = 0.5
"""Seconds between two questions to SQLite."""

RETRY = 2.0
"""Seconds before a lost connection to PostgreSQL is made again."""

QUIET = 60.0
"""Seconds without a word after which such a connection is tried."""

logger = structlog.get_logger()


async def watch(database: Database, wake: Callable[[], object]) -> None:
    """Call `wake` in this event loop after each change, until cancelled."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        # the loop may end while a thread still commits
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    database.on_commit.add(tell)
    try:
        if database.is_sqlite:
            await _poll(database, wake)
        else:
            await _listen_always(database.url, wake)
    finally:
        database.on_commit.discard(tell)


async def _poll(database: Database, wake: Callable[[], object]) -> None:
    last = database.get_state()
    while True:
        await asyncio.sleep(INTERVAL)
        state = database.get_state()
        if state != last:
            last = state
            wake()


async def _listen_always(url: str, wake: Callable[[], object]) -> None:
    address = make_url(url).set(drivername="postgresql")
    dsn = address.render_as_string(hide_password=False)
    while True:
        try:
            await _listen(dsn, wake)
        except psycopg.OperationalError as error:
            logger.warning("listener_lost", reason=type(error).__name__)
        await asyncio.sleep(RETRY)


async def _listen(dsn: str, wake: Callable[[], object]) -> None:
    async with await psycopg.AsyncConnection.connect(
        dsn, autocommit=True
    ) as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        # what was written while nobody listened
        wake()
        while True:
            async for _ in connection.notifies(timeout=QUIET):
                wake()
            # raises if the server is no longer there
            await connection.execute("SELECT 1")

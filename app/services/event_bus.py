"""The event bus: the log's newest lines, read once for all streams.

As long as somebody follows the log, one task reads what was added to it,
woken by whoever wrote (`wakeups`), and wakes the streams. A stream that is
behind what is kept here reads on from the database.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import islice

import structlog
from anyio import CancelScope
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from app.db import Database
from app.errors import BusyError, ThrottleError
from app.services import entries, wakeups
from app.services.events import Event, read_events

KEPT = 1000
BATCH = 200
LOOK_AGAIN = 15.0
"""Seconds after which the log is read though nobody said a word."""

RETRY = 1.0
COME_BACK = 30
"""Seconds that somebody is to wait who finds no place."""

logger = structlog.get_logger()


class EventBus:
    """Tells streams of the log's newest lines.

    Parameters
    ----------
    most
        Streams at a time.
    most_each
        Streams of one address at a time.
    """

    def __init__(
        self, database: Database, *, most: int, most_each: int
    ) -> None:
        self.database = database
        self.most = most
        self.most_each = most_each
        self.head = 0
        self.taken = 0
        """The newest line after which somebody may read less."""
        self.is_closed = False
        self._is_begun = False
        self._recent: deque[Event] = deque(maxlen=KEPT)
        self._followers = 0
        self._seats: Counter[str] = Counter()
        self._moved = asyncio.Event()
        self._woken = asyncio.Event()
        self._turn = asyncio.Lock()
        self._rest = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def close(self) -> None:
        """End all streams, and let none begin; called by the event loop."""
        self.is_closed = True
        self._move()

    @contextmanager
    def take_seat(self, address: str) -> Iterator[None]:
        """Count a stream as long as it is open, or refuse it."""
        if self.is_closed or self._seats.total() >= self.most:
            raise BusyError(
                "no more event streams can be open at a time",
                retry_after=COME_BACK,
            )
        if self._seats[address] >= self.most_each:
            raise ThrottleError(
                "no more event streams of one address can be open at a time",
                retry_after=COME_BACK,
            )
        self._seats[address] += 1
        try:
            yield
        finally:
            self._seats[address] -= 1
            self._seats += Counter()  # forget who has none

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[None]:
        """Have the log read as long as this lasts."""
        self._followers += 1
        try:
            if self._followers == 1:
                self._begin()
            # whatever is committed by now is known when this is entered
            await self._read_on()
            yield
        finally:
            self._followers -= 1
            if not self._followers:
                with CancelScope(shield=True):
                    await self._end()

    def _begin(self) -> None:
        # made here, for they belong to the loop that runs
        self._moved, self._woken = asyncio.Event(), asyncio.Event()
        self._turn = asyncio.Lock()
        self._recent.clear()
        self._is_begun = False
        woken, self._rest = self._woken, asyncio.Event()
        self._tasks = (
            asyncio.create_task(wakeups.watch(self.database, woken.set)),
            asyncio.create_task(self._read_always(woken, self._rest)),
        )

    async def _end(self) -> None:
        watching, reading = self._tasks
        watching.cancel()
        # not cancelled: a thread that reads would be left behind
        self._rest.set()
        self._woken.set()
        await asyncio.gather(watching, reading, return_exceptions=True)

    async def _read_always(
        self, woken: asyncio.Event, rest: asyncio.Event
    ) -> None:
        while not rest.is_set():
            try:
                await self._read_on()
            except SQLAlchemyError:
                # streams stay open, and go on when the database is back
                logger.exception("log_not_read")
                with suppress(TimeoutError):
                    await asyncio.wait_for(rest.wait(), RETRY)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), LOOK_AGAIN)
            woken.clear()

    async def _read_on(self) -> None:
        turn = self._turn
        async with turn:
            if not self._is_begun:
                self.head = await run_sync(self._read_head)
                self._is_begun = True
            while events := await self._read(self.head):
                if turn is not self._turn:
                    return  # others began anew meanwhile
                self._recent.extend(events)
                self.head = events[-1].seq
                for event in events:
                    if event.takes:
                        self.taken = event.seq
                self._move()

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _read_head(self) -> int:
        with self.database.read() as session:
            return entries.get_head(session).seq

    async def _read(self, after: int) -> list[Event]:
        return await run_sync(self._read_now, after)

    def _read_now(self, after: int) -> list[Event]:
        with self.database.read() as session:
            return read_events(session, after=after, limit=BATCH)

    async def read_after(self, seq: int) -> list[Event]:
        """Return events that follow number `seq`; none at the head."""
        if seq >= self.head:
            return []
        if self._recent and self._recent[0].seq <= seq + 1:
            first = seq + 1 - self._recent[0].seq
            return list(islice(self._recent, first, first + BATCH))
        head = self.head
        return [event for event in await self._read(seq) if event.seq <= head]

    async def wait(self, seq: int, seconds: float) -> None:
        """Wait until there is more than `seq`, or the time is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wait(seq), seconds)

    async def _wait(self, seq: int) -> None:
        while self.head <= seq and not self.is_closed:
            await self._moved.wait()

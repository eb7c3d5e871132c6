"""The database: engine, the one door for writes, column types.

SQLite loses updates with its driver's own transactions, so every transaction
is begun explicitly, writes take the lock at once, and a process-wide lock
keeps writers in line (see CONTRIBUTING, «The database»).
"""

import importlib
import threading
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from anyio import CancelScope, CapacityLimiter, Semaphore, to_thread
from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.types import DateTime, LargeBinary, TypeDecorator
from sqlmodel import SQLModel

from app.turns import Turn, take_turns

HEAD_REVISION = "0007"
"""The newest migration; a test compares it with the folder."""

READERS = 16
WRITERS = 8
"""How many requests read, or write, at a time; SQLite takes one writer."""

TOGETHER = 16
"""How many changes share a transaction at most."""

POOL_SIZE = 16
# a connection for each request that is let in and for each of the 40 threads,
# so that nobody waits for one while holding what another waits for
POOL_OVERFLOW = 56
BUSY_MILLISECONDS = 30_000

CACHE = 2000
"""SQLite's own choice; a server has many connections."""

CHANNEL = "review"
"""What PostgreSQL notifies at the commit of a change of the log."""

Result = TypeVar("Result")

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UTCDateTime(TypeDecorator[datetime]):
    """A time with a zone: naive ones are refused, UTC comes back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> datetime | None:
        """Turn a time into UTC on its way in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone")
        return value.astimezone(UTC)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> datetime | None:
        """Attach UTC to what SQLite hands back without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


class PackedBytes(TypeDecorator[bytes]):
    """Bytes, deflated on their way in."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(
        self,
        value: bytes | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> bytes | None:
        """Pack what is not packed yet."""
        return value if value is None else pack(value)

    def process_result_value(
        self,
        value: bytes | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> bytes | None:
        """Unpack on the way out."""
        return value if value is None else zlib.decompress(value)


class PackedText(TypeDecorator[str]):
    """A long text, deflated on its way in."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(
        self,
        value: str | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> bytes | None:
        """Pack the text, or pass on what is packed already."""
        if value is None:
            return None
        return pack(value if isinstance(value, bytes) else value.encode())

    def process_result_value(
        self,
        value: bytes | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> str | None:
        """Unpack on the way out."""
        return None if value is None else zlib.decompress(value).decode()


class Packed(bytes):
    """Bytes that are deflated already, as another process made them."""

    __slots__ = ()


def pack(value: bytes) -> bytes:
    """Return bytes deflated, those that are so already as they are."""
    return value if isinstance(value, Packed) else zlib.compress(value)


class Database:
    """An engine with its two doors, `read()` and `write()`.

    Parameters
    ----------
    url
        SQLAlchemy address: `sqlite:///PATH` or `postgresql+psycopg://…`.
    cache
        KiB of pages that each connection to SQLite keeps.
    """

    def __init__(self, url: str, *, cache: int = CACHE) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _create_engine(url, cache)
        self._read_engine = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(
                isolation_level="REPEATABLE READ"
            )
        )
        self._write_engine = self.engine.execution_options(write=True)
        self._lock: AbstractContextManager[object] = (
            threading.Lock() if self.is_sqlite else nullcontext()
        )
        self._readers = Semaphore(READERS)
        self._writers = Semaphore(1 if self.is_sqlite else WRITERS)
        self._waiting: deque[Turn[Any]] = deque()
        self._turns: AbstractContextManager[object] = (
            threading.Lock() if self.is_sqlite else nullcontext()
        )
        self._watcher: PoolProxiedConnection | None = None
        self.on_commit: set[Callable[[], object]] = set()
        """Called after each change that was made here, by its thread."""

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that sees one state of the database."""
        with Session(self._read_engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open the only door for changes; commit at the end, or undo all."""
        with (
            self._lock,
            Session(self._write_engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
        for tell in tuple(self.on_commit):
            tell()

    @asynccontextmanager
    async def enter(self, *, reads: bool) -> AsyncIterator[Session]:
        """Open a session for a request, in its turn.

        Requests wait here and not in a thread, for whoever is inside needs
        threads to go on.
        """
        async with self._readers if reads else self._writers:
            if reads and self.is_sqlite:
                # who reads waits for nobody, and a thread costs more
                with self.read() as session:
                    yield session
                return
            async with _enter_in_thread(
                self.read() if reads else self.write()
            ) as session:
                yield session

    async def change(self, act: Callable[[Session], Result]) -> Result:
        """Carry out a change for a request, in its turn; return its result.

        It is committed then. Where there is one writer at a time, those who
        waited for it share a transaction (`app.turns`).

        Parameters
        ----------
        act
            The change, which does nothing but by the session it is given.
        """
        turn = Turn(act)
        self._waiting.append(turn)
        try:
            async with self._writers:
                if not turn.is_over:
                    await to_thread.run_sync(self._take_turns, turn)
        except BaseException:
            # called off, if nobody took it up before
            with suppress(ValueError):
                self._waiting.remove(turn)
            raise
        return turn.get_result()

    def _take_turns(self, first: Turn[Any]) -> None:
        """Carry out the turn that has come, and those it shares with.

        They are taken up here, in the thread that carries them out: whoever
        is called off on the way to it leaves the others waiting, and one who
        is called off meanwhile lets the next wait at the lock.
        """
        with self._turns:
            if first.is_over:
                return
            chosen = [first]
            with suppress(ValueError):
                self._waiting.remove(first)
            # each step by itself: who is called off may go in between
            with suppress(IndexError):
                while self.is_sqlite and len(chosen) < TOGETHER:
                    chosen.append(self._waiting.popleft())
            take_turns(chosen, self.write)

    def upgrade(self) -> None:
        """Bring the tables to the newest migration."""
        if self.is_sqlite:
            name = make_url(self.url).database
            if name and name != ":memory:":
                Path(name).parent.mkdir(
                    mode=0o700, parents=True, exist_ok=True
                )
        if self.get_revision() != HEAD_REVISION:
            # loaded by name: a start that migrates nothing need not wait
            # for Alembic
            importlib.import_module("app.schema").upgrade(self.url)

    def get_revision(self) -> str | None:
        """Return the migration that the tables are at; None if none."""
        with self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            version: str | None = connection.scalar(
                text("SELECT version_num FROM alembic_version")
            )
            return version

    def get_state(self) -> int | None:
        """Return a number that changes with every commit of anybody.

        It costs next to nothing. Only SQLite has one, else it is None. To be
        asked by one thread.
        """
        if not self.is_sqlite:
            return None
        if self._watcher is None:
            self._watcher = self.engine.raw_connection()
        cursor = self._watcher.cursor()
        cursor.execute("PRAGMA data_version")
        row = cursor.fetchone()
        return int(row[0]) if row else None

    def close(self) -> None:
        """Give every connection back."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        self.engine.dispose()


@asynccontextmanager
async def _enter_in_thread(
    door: AbstractContextManager[Session],
) -> AsyncIterator[Session]:
    """Enter and leave a context in threads."""

    async def leave(
        type_: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        # by a thread that is nobody else's: all others may wait for what is
        # given back here
        alone = CapacityLimiter(1)
        with CancelScope(shield=True):
            is_settled = await to_thread.run_sync(
                door.__exit__, type_, error, trace, limiter=alone
            )
        return is_settled  # noqa: RET504 - a scope might swallow, for mypy

    session = await to_thread.run_sync(door.__enter__)
    async with AsyncExitStack() as stack:
        stack.push_async_exit(leave)
        yield session


def _create_engine(url: str, cache: int) -> Engine:
    # parameters are hidden: a failure that is logged must not repeat them
    if not url.startswith("sqlite"):
        return create_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        hide_parameters=True,
        module=_get_sqlite_module(),
    )
    event.listen(engine, "connect", partial(_set_up_connection, cache))
    event.listen(engine, "begin", _begin)
    return engine


def _get_sqlite_module() -> Any:  # noqa: ANN401 - a DBAPI module
    # the system's SQLite may have the WAL-reset race; pysqlite3 brings a
    # newer one, where a wheel of it exists
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return importlib.import_module("sqlite3")


def _set_up_connection(
    cache: int,
    connection: Any,  # noqa: ANN401 - a DBAPI connection
    _record: object,
) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        # an answer that was sent outlives a power cut
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_MILLISECONDS}",
        f"cache_size=-{cache}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("write"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    # it cannot fail, and the detour takes longer than a look-up
    driver = connection.connection.dbapi_connection
    if driver is not None:
        driver.cursor().execute("BEGIN")

"""Importing mails: from any source into the tables, a batch at a time.

Mails are read in a process of their own while others are written, so that no
lock is held while one is read, and one that takes too long or too much is
refused with its place while the rest goes in. Memory does not grow with the
number of mails.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Self

import structlog

from app.db import Database
from app.services.mail_store import Arrived, find_known, store_mails
from app.services.mailbox import RawMail
from app.services.preparing import Prepared, prepare_mails
from app.services.workers import WorkerError, WorkerPool

MOST_OF_BATCH = 500
BYTES_OF_BATCH = 4 * 1024 * 1024
"""How much a transaction takes; one mail may be longer."""

MOST_OF_CHUNK = 50
BYTES_OF_CHUNK = 512 * 1024
"""How many mails are read at a time; one mail may be longer."""

FEW = 20
"""As many mails are read without another process."""

AHEAD = 8
"""How many chunks are read before they are wanted."""

CHUNK_SECONDS = 60.0
MAIL_SECONDS = 5.0
MEGABYTES = 1024
MOST_REFUSED = 1000
MOST_NAMED = 100
"""How many refusals, and ids of messages, a report lists."""

logger = structlog.get_logger()


class Refusal(NamedTuple):
    """A mail that was not taken: its file, its place in it, and why."""

    source: str
    place: str
    reason: str

    def __str__(self) -> str:
        """Return it in one line."""
        return ": ".join(part for part in self if part)


@dataclass(slots=True)
class ImportReport:
    """What came of an import, so far.

    `known` counts what was there byte for byte, `deliveries` other copies of
    what was there. `refused` lists the first refusals, as they stand in what
    is imported, `message_ids` the first messages.
    """

    imported: int = 0
    known: int = 0
    deliveries: int = 0
    refusals: int = 0
    refused: list[Refusal] = field(default_factory=list)
    message_ids: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Return how many mails were looked at."""
        return self.imported + self.known + self.deliveries + self.refusals

    def name(self, message_ids: Iterable[str]) -> None:
        """List messages, each once, if there is room."""
        for name in message_ids:
            if len(self.message_ids) >= MOST_NAMED:
                return
            if name not in self.message_ids:
                self.message_ids.append(name)

    def refuse(self, mail: RawMail, reason: str) -> None:
        """Count a mail that is not taken."""
        self.refusals += 1
        if len(self.refused) < MOST_REFUSED:
            self.refused.append(Refusal(mail.source, mail.place, reason))


OnProgress = Callable[[ImportReport], None]


def _look_away(_report: ImportReport) -> None:
    """Do nothing about the progress."""


def import_mails(
    database: Database,
    items: Iterable[RawMail],
    *,
    actor: str,
    on_progress: OnProgress = _look_away,
) -> ImportReport:
    """Store mails, each batch in a transaction; refuse what is none."""
    report = ImportReport()
    unknown = (_drop_known(database, chunk, report) for chunk in _cut(items))
    with _Reader() as reader:
        chunks = reader.read(mails for mails in unknown if mails)
        for batch in _make_batches(chunks):
            _store(database, batch, report, actor)
            on_progress(report)
    logger.info(
        "mails_imported",
        imported=report.imported,
        known=report.known,
        deliveries=report.deliveries,
        refused=report.refusals,
    )
    return report


def _cut(items: Iterable[RawMail]) -> Iterator[list[RawMail]]:
    chunk: list[RawMail] = []
    size = 0
    for mail in items:
        if chunk and (
            len(chunk) >= MOST_OF_CHUNK
            or size + len(mail.raw) > BYTES_OF_CHUNK
        ):
            yield chunk
            chunk, size = [], 0
        chunk.append(mail)
        size += len(mail.raw)
    if chunk:
        yield chunk


def _make_batches(chunks: Iterable["_Chunk"]) -> Iterator[list["_Chunk"]]:
    batch: list[_Chunk] = []
    count = size = 0
    for chunk in chunks:
        batch.append(chunk)
        count += len(chunk.mails)
        size += sum(len(mail.raw) for mail in chunk.mails)
        if count + MOST_OF_CHUNK > MOST_OF_BATCH or size >= BYTES_OF_BATCH:
            yield batch
            batch = []
            count = size = 0
    if batch:
        yield batch


def _drop_known(
    database: Database, batch: Sequence[RawMail], report: ImportReport
) -> list[RawMail]:
    """Return what is not stored already; what is at fault keeps its place."""
    digests: set[str] = set()
    kept: list[tuple[str, RawMail]] = []
    for mail in batch:
        digest = ""
        if mail.fault is None:
            digest = hashlib.sha256(mail.raw).hexdigest()
            if digest in digests:
                report.known += 1
                continue
            digests.add(digest)
        kept.append((digest, mail))
    if not digests:
        return [mail for _, mail in kept]
    with database.read() as session:
        known = find_known(session, digests)
    report.known += len(known)
    report.name(known.values())
    return [mail for digest, mail in kept if digest not in known]


def _store(
    database: Database,
    batch: Sequence["_Chunk"],
    report: ImportReport,
    actor: str,
) -> None:
    arrived: list[Arrived] = []
    for chunk in batch:
        read = iter(chunk.get())
        for mail in chunk.mails:
            prepared = next(read) if mail.fault is None else mail.fault
            if isinstance(prepared, str):
                report.refuse(mail, prepared)
            else:
                arrived.append(Arrived(prepared, mail.source))
    if not arrived:
        return
    with database.write() as session:
        stored = store_mails(session, arrived, actor)
    report.imported += stored.imported
    report.known += stored.known
    report.deliveries += stored.deliveries
    report.name(stored.message_ids)


class _Chunk:
    """Some mails that are being read, by another process or by this one.

    Those that are at fault are not; they have their places among the others.
    """

    def __init__(
        self, mails: Sequence[RawMail], future: Future[list[Prepared | str]]
    ) -> None:
        self.mails = mails
        self._future = future
        self._read: Sequence[Prepared | str] | None = None

    def is_read(self) -> bool:
        """Tell whether nobody has to wait for it."""
        return self._read is not None or self._future.done()

    def take(self) -> bool:
        """Read it here, unless the other process has begun."""
        if self._read is not None or not self._future.cancel():
            return False
        self._read = prepare_mails(_list_raws(self.mails))
        return True

    def get(self) -> Sequence[Prepared | str]:
        """Wait for what was read: all but what is at fault."""
        if self._read is None:
            try:
                self._read = self._future.result()
            except (WorkerError, MemoryError):
                self._read = _read_singly(self.mails)
        return self._read


class _Reader:
    """Reads chunks in their order, some ahead of who asks for them.

    Another process reads them; whoever waits for it reads too.
    """

    def __init__(self) -> None:
        self._pool: WorkerPool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def read(self, chunks: Iterator[list[RawMail]]) -> Iterator[_Chunk]:
        """Yield each chunk when it is read."""
        ahead = deque(map(self._submit, islice(chunks, AHEAD)))
        while ahead:
            chunk = ahead.popleft()
            while not chunk.is_read():
                if not any(one.take() for one in (chunk, *ahead)):
                    break
            following = next(chunks, None)
            if following is not None:
                ahead.append(self._submit(following))
            chunk.get()
            yield chunk

    def _submit(self, mails: list[RawMail]) -> _Chunk:
        if self._pool is None and len(mails) <= FEW:
            return _Chunk(mails, Future())
        if self._pool is None:
            self._pool = WorkerPool(
                1, seconds=CHUNK_SECONDS, megabytes=MEGABYTES
            )
        future = self._pool.submit(prepare_mails, _list_raws(mails))
        return _Chunk(mails, future)


def _list_raws(mails: Iterable[RawMail]) -> list[bytes]:
    """Return the bytes of all mails that are not at fault."""
    return [mail.raw for mail in mails if mail.fault is None]


def _read_singly(mails: Sequence[RawMail]) -> Sequence[Prepared | str]:
    """Read mails one by one, for there is one among them that is too much."""
    read: list[Prepared | str] = []
    pool = WorkerPool(1, seconds=MAIL_SECONDS, megabytes=MEGABYTES)
    try:
        for raw in _list_raws(mails):
            try:
                read += pool.submit(prepare_mails, [raw]).result()
            except (WorkerError, MemoryError):
                read.append("it takes too long, or too much, to be read")
    finally:
        pool.shutdown(cancel_futures=True)
    return read

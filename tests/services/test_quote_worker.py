"""The aligner in the background."""

import threading
from concurrent.futures import Executor, Future
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlmodel import col

from app.config import Settings
from app.db import Database
from app.main import create_app
from app.models import Message
from app.services.aligning import align_pending, has_pending
from app.services.explorer import InlineExecutor
from app.services.importing import import_mails
from app.services.mailbox import RawMail
from app.services.quote_worker import QuoteWorker
from app.services.reviewers import PROGRAM


class HeldExecutor(Executor):
    """Does nothing until it is told to, in the order of asking."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        """Return a future that somebody else settles."""
        self.futures.append(Future())
        return self.futures[-1]


def import_one(database: Database) -> None:
    raw = b"From: Ada <ada@example.org>\nMessage-ID: <a@x>\n\nHello.\n"
    import_mails(database, [RawMail(raw)], actor=PROGRAM)


def is_aligned(database: Database) -> bool:
    with database.read() as session:
        return session.scalar(select(col(Message.aligned_to))) is not None


def test_whoever_says_so_has_the_mails_aligned(database: Database) -> None:
    """Nobody waits, and afterwards it is done."""
    import_one(database)
    worker = QuoteWorker(database.url, start=InlineExecutor, delay=0)
    worker.begin()
    assert worker.told is None
    assert is_aligned(database)
    worker.close()


def test_process_of_our_own_aligns_too(
    database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    """The real pool does what the inline one does, and logs as we do."""
    import_one(database)
    worker = QuoteWorker(database.url, delay=0, log_level="info")
    worker.begin()
    deadline = threading.Event()
    for _ in range(600):
        if worker.told is None:
            break
        deadline.wait(0.1)
    worker.close()
    assert is_aligned(database)
    assert "event=mails_aligned" in capfd.readouterr().err


def test_what_comes_meanwhile_is_done_afterwards(database: Database) -> None:
    """Asked while it works, it goes through all once more, not twice."""
    held = HeldExecutor()
    worker = QuoteWorker(database.url, start=lambda: held, delay=0)
    for _ in range(3):
        worker.begin()
    assert len(held.futures) == 1
    assert worker.told == (0, 0)
    held.futures[0].set_result(None)
    assert len(held.futures) == 2
    held.futures[1].set_result(None)
    assert len(held.futures) == 2
    assert worker.told is None


def test_failure_ends_one_run_only(database: Database) -> None:
    """What fails is logged, and the next one that asks is heard."""
    held = HeldExecutor()
    worker = QuoteWorker(database.url, start=lambda: held, delay=0)
    worker.begin()
    held.futures[0].set_exception(OSError("the disk is full"))
    assert worker.told is None
    worker.begin()
    assert len(held.futures) == 2


def test_closed_worker_begins_nothing(database: Database) -> None:
    """A program that ends starts nothing any more."""
    import_one(database)
    worker = QuoteWorker(database.url, start=InlineExecutor, delay=0)
    worker.close()
    worker.begin()
    assert not is_aligned(database)


def test_who_ends_at_once_starts_nothing(database: Database) -> None:
    """It waits a moment for more; a program that ends then does not wait."""
    held = HeldExecutor()
    worker = QuoteWorker(database.url, start=lambda: held, delay=60)
    worker.begin()
    worker.begin()
    worker.close()
    assert held.futures == []


def test_who_ends_waits_for_the_one_who_looks(database: Database) -> None:
    """Whoever closes the database next takes it from nobody."""
    looks, may_end = threading.Event(), threading.Event()

    def look() -> bool:
        looks.set()
        return may_end.wait(60)

    held = HeldExecutor()
    worker = QuoteWorker(
        database.url, start=lambda: held, delay=0.001, has_work=look
    )
    worker.begin()
    assert looks.wait(60)
    ending = threading.Thread(target=worker.close)
    ending.start()
    ending.join(0.1)
    assert ending.is_alive()
    may_end.set()
    ending.join(60)
    assert not ending.is_alive()
    assert held.futures == []


def test_nothing_waiting_starts_nothing(database: Database) -> None:
    """Each change asks; only what a mail waits for costs a process."""
    worker = QuoteWorker(
        database.url,
        start=lambda: pytest.fail("a process for nothing"),
        delay=0,
        has_work=lambda: has_pending(database),
    )
    worker.begin()
    import_one(database)
    assert has_pending(database)
    align_pending(database, lambda _done, _total: None)
    worker.begin()
    worker.close()


def test_server_hears_of_mails_imported_beside_it(
    settings: Settings, database: Database
) -> None:
    """The next page after another program's import has them aligned."""
    with TestClient(create_app(settings)) as client:
        client.get("/document/")
        import_one(database)
        client.get("/document/")
        wait = threading.Event()
        for _ in range(600):
            if is_aligned(database):
                break
            wait.wait(0.1)
    assert is_aligned(database)

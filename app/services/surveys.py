"""Surveys: made in the background, kept by what they are made of.

Whoever asks for a survey gets it, or hears how far it is; nobody waits. One
worker process makes them one by one, beside those that answer questions.
"""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import BusyError
from app.models import Scenario, Survey
from app.services.surveying import (
    Content,
    Inquiry,
    Item,
    Kind,
    Told,
    survey,
)
from app.services.workers import StoppedError, Task, WorkerPool
from app.sim import MODEL, PLATFORMS

LONGEST = 900.0
"""Seconds after which a worker that makes a survey is killed."""

MEGABYTES = 1024

MOST_WAITING = 100
"""How many surveys may wait for the worker."""

KEPT_FAILURES = 100

logger = structlog.get_logger()


class Found(NamedTuple):
    """A survey, or how far it is; `failed` says why there is none."""

    content: Content | None
    told: Told | None = None
    failed: str | None = None


class Surveyor:
    """Makes surveys in the background and keeps them in the database.

    Parameters
    ----------
    database
        Where they are kept.
    start
        Makes the executor when the first is asked for; a process of our
        own, if it is None.
    """

    def __init__(
        self,
        database: Database,
        *,
        start: Callable[[], Executor] | None = None,
    ) -> None:
        self._database = database
        self._start = start or _start_pool
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._futures: dict[str, Future[Content]] = {}
        self._failed: dict[str, str] = {}
        self._is_closed = False

    def find(self, session: Session, inquiry: Inquiry) -> Found:
        """Return a survey; begin it if nobody has.

        Raises
        ------
        BusyError
            If too many wait already.
        """
        content = find_content(session, inquiry.id)
        if content is not None:
            return Found(content)
        return self.begin(inquiry)

    def begin(self, inquiry: Inquiry) -> Found:
        """Let a survey be made, unless it is under way or has failed."""
        key = inquiry.id
        with self._lock:
            if key in self._failed:
                return Found(None, failed=self._failed[key])
            known = self._futures.get(key)
            if known is not None:
                return Found(None, _get_told(known))
            if self._is_closed:
                return Found(None, failed="the program ends")
            if len(self._futures) >= MOST_WAITING:
                raise BusyError("too many surveys wait", retry_after=10)
            if self._executor is None:
                self._executor = self._start()
            future = self._executor.submit(survey, inquiry)
            self._futures[key] = future
        future.add_done_callback(lambda done: self._finish(inquiry, done))
        return Found(None, _get_told(future))

    def close(self) -> None:
        """Let the worker go; what it makes is given up."""
        with self._lock:
            self._is_closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)

    def _finish(self, inquiry: Inquiry, future: Future[Content]) -> None:
        """Keep what was made, or why it was not."""
        failed = None
        try:
            content = future.result()
            with self._database.write() as session:
                store(session, inquiry, content)
        except (CancelledError, StoppedError):
            failed = None
        except Exception as error:
            logger.exception("survey_failed", kind=inquiry.kind.value)
            failed = f"{type(error).__name__}: {error}"[:500]
        with self._lock:
            self._futures.pop(inquiry.id, None)
            if failed is not None:
                self._failed[inquiry.id] = failed
                while len(self._failed) > KEPT_FAILURES:
                    del self._failed[next(iter(self._failed))]


def _start_pool() -> Executor:
    return WorkerPool(1, seconds=LONGEST, megabytes=MEGABYTES)


def _get_told(future: Future[Content]) -> Told:
    told = future.told if isinstance(future, Task) else None
    return told if isinstance(told, Told) else Told(0, 0)


def find_content(session: Session, survey_id: str) -> Content | None:
    """Return what a survey found, if it is stored."""
    return session.scalar(
        select(col(Survey.content)).where(col(Survey.id) == survey_id)
    )


def store(session: Session, inquiry: Inquiry, content: Content) -> None:
    """Store a survey in place of what there was on its subject."""
    session.execute(
        delete(Survey).where(
            col(Survey.kind) == inquiry.kind.value,
            col(Survey.subject) == inquiry.subject,
        )
    )
    try:
        with session.begin_nested():
            session.execute(
                insert(Survey).values(
                    id=inquiry.id,
                    kind=inquiry.kind.value,
                    subject=inquiry.subject,
                    model=MODEL,
                    content=dict(content),
                    created_at=datetime.now(UTC),
                )
            )
    except IntegrityError:
        # another process stored the same at the same time
        return


def list_items(session: Session) -> tuple[Item, ...]:
    """Return all questions that are stored, in their order."""
    rows = session.execute(
        select(col(Scenario.slug), col(Scenario.text)).order_by(
            col(Scenario.position)
        )
    )
    return tuple(Item(*row) for row in rows)


def begin_all(database: Database, surveyor: Surveyor) -> None:
    """Let what the pages show be made before anybody asks."""
    with database.read() as session:
        items = list_items(session)
        plans = [
            Inquiry(Kind.readings, "", items),
            *(Inquiry(Kind.diet, name, items) for name in PLATFORMS),
        ]
        missing = [p for p in plans if find_content(session, p.id) is None]
    for plan in missing:
        surveyor.begin(plan)

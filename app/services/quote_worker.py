"""The aligner in the background: one process, as long as mails wait.

Whoever has imported a mail, or made a revision, says so by `begin`, and so
does who sees that another program changed the review; nobody waits for it.
"""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.services.aligning import AlignReport, Told, align_in_worker
from app.services.workers import StoppedError, Task, WorkerPool

LONGEST = 3600.0
"""Seconds after which a process that aligns is taken for lost."""

MEGABYTES = 2048

DELAY = 1.0
"""Seconds: who sends many mails one by one has them aligned together."""

logger = structlog.get_logger()


class QuoteWorker:
    """Aligns the quotes of mails whenever it is told that there are some.

    Parameters
    ----------
    url
        The database's address.
    start
        Makes the executor when there is work first; a process of our own,
        if it is None.
    delay
        Seconds to wait for more before it begins.
    has_work
        Tells whether a mail waits, so that no process is started for none.
    log_level
        What the process logs, in the program's own form; None leaves it.
    """

    def __init__(
        self,
        url: str,
        *,
        start: Callable[[], Executor] | None = None,
        delay: float = DELAY,
        has_work: Callable[[], bool] = lambda: True,
        log_level: str | None = None,
    ) -> None:
        self._url = url
        self._start = start or _start_pool
        self._delay = delay
        self._has_work = has_work
        self._log_level = log_level
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._executor: Executor | None = None
        self._future: Future[AlignReport] | None = None
        self._is_asked_again = False
        self._is_closed = False

    @property
    def told(self) -> Told | None:
        """Return how far it is, if it works."""
        future = self._future
        if future is None:
            return None
        told = future.told if isinstance(future, Task) else None
        return told if isinstance(told, Told) else Told(0, 0)

    def begin(self) -> None:
        """Let all be aligned that is not; once more, if it is under way."""
        with self._lock:
            if self._is_closed or self._timer is not None:
                return
            if self._future is not None:
                self._is_asked_again = True
                return
            if self._delay:
                self._timer = threading.Timer(self._delay, self._work)
                self._timer.daemon = True
                self._timer.start()
                return
        self._work()

    def close(self) -> None:
        """Let the process go; the next start goes on where it was.

        Nothing here uses the database afterwards.
        """
        with self._lock:
            self._is_closed = True
            timer, self._timer = self._timer, None
            executor, self._executor = self._executor, None
        if timer is not None:
            timer.cancel()
            # it may look at the database already
            timer.join()
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)

    def _work(self) -> None:
        has_work = self._look()
        with self._lock:
            self._timer = None
            if self._is_closed or not has_work:
                return
            self._is_asked_again = False
            if self._executor is None:
                self._executor = self._start()
            future = self._executor.submit(
                align_in_worker, self._url, self._log_level
            )
            self._future = future
        future.add_done_callback(self._finish)

    def _look(self) -> bool:
        try:
            return self._has_work()
        except SQLAlchemyError:
            # nobody waits for this thread: the next change asks again
            logger.exception("aligning_failed")
            return False

    def _finish(self, future: Future[AlignReport]) -> None:
        try:
            future.result()
        except (CancelledError, StoppedError):
            pass
        except Exception:
            logger.exception("aligning_failed")
        with self._lock:
            self._future = None
            is_asked_again = self._is_asked_again
        if is_asked_again:
            self.begin()


def _start_pool() -> Executor:
    return WorkerPool(1, seconds=LONGEST, megabytes=MEGABYTES)

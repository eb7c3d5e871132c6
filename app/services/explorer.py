"""Exploring: questions go to worker processes, bounded in every way.

Nothing here knows the database. A stranger's text is parsed and explored in
a worker, never in the process that answers requests. A question on its way
is a `Job`, found by the id that its run will have; who asks the same joins
it.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, ParamSpec, TypeVar

import structlog

from app.errors import (
    BusyError,
    ConflictError,
    Fault,
    ForbiddenError,
    ReviewError,
    ThrottleError,
)
from app.services.asking import (
    CHECK_SECONDS,
    GRACE,
    Question,
    answer,
    build_late_refusal,
    check,
    compute_run_id,
    require_asked,
)
from app.services.workers import (
    LateWorkerError,
    LostWorkerError,
    StoppedError,
    Task,
    WorkerPool,
)
from app.sim import Progress, Report

P = ParamSpec("P")
R = TypeVar("R")

QUEUE = 8
"""How many questions may wait for a worker."""

CLIENT_JOBS = 6
"""How many questions of one client may be on their way."""

KEPT_JOBS = 100
"""Of how many questions that failed the reason is kept."""

MARGIN = 5.0
"""Seconds after which a worker is killed that did not end by itself."""

STOPPING = 2.0
"""Seconds that who cancels waits for the process to end."""

CHECKS = 6
"""How many texts may wait to be read."""

logger = structlog.get_logger()


class InlineExecutor(Executor):
    """Runs what is submitted at once, in the caller's own thread."""

    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]:
        """Run `fn` and return its settled future."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an executor hands it on
            future.set_exception(error)
        return future


def start_inline(_workers: int) -> Executor:
    """Return an executor without processes, for a command's own use."""
    return InlineExecutor()


class Client(NamedTuple):
    """Who asks: an account, or whoever comes from an address without one.

    `is_editor` says that they may cancel what others asked.
    """

    address: str
    account: str | None = None
    is_editor: bool = False

    def is_same(self, other: "Client") -> bool:
        """Tell whether these are one; an account is one wherever it is."""
        if self.account is None and other.account is None:
            return self.address == other.address
        return self.account == other.account


class Job:
    """A question on its way to a report.

    Parameters
    ----------
    question
        What is asked, bounded.
    keep
        Called with the report before the job is over.
    """

    def __init__(
        self, question: Question, keep: Callable[[Report], object]
    ) -> None:
        self.run_id = compute_run_id(question)
        self.question = question
        self.clients: frozenset[Client] = frozenset()
        self.begun = time.monotonic()
        self.ended: float | None = None
        self.report: Report | None = None
        self.error: Exception | None = None
        self.future: Future[Report] | None = None
        self._keep = keep
        self._over = threading.Event()

    @property
    def is_over(self) -> bool:
        """Tell whether there is a report, or never will be one."""
        return self._over.is_set()

    @property
    def is_running(self) -> bool:
        """Tell whether a worker has it, or it waits for one."""
        return self.future is not None and self.future.running()

    @property
    def progress(self) -> Progress | None:
        """Return how far the search is, if its worker has told."""
        future = self.future
        told = future.told if isinstance(future, Task) else None
        return told if isinstance(told, Progress) else None

    @property
    def seconds(self) -> float:
        """Return how long it has been on its way."""
        return (self.ended or time.monotonic()) - self.begun

    def add(self, client: Client | None) -> None:
        """Note that this client asks it, too."""
        if client is not None:
            self.clients |= {client}

    def is_of(self, client: Client) -> bool:
        """Tell whether this client asked it."""
        return any(client.is_same(each) for each in self.clients)

    def may_stop(self, client: Client) -> bool:
        """Tell whether this client may give it up."""
        return client.is_editor or self.is_of(client)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is over, or so long; raise what ended it badly."""
        is_over = self._over.wait(seconds)
        if self.error is not None:
            raise self.error
        return is_over

    def stop(self) -> None:
        """Give it up."""
        if isinstance(self.future, Task):
            self.future.stop()
        elif self.future is not None:
            self.future.cancel()

    def finish(self, future: Future[Report]) -> None:
        """Take what the worker made of it, and keep the report."""
        try:
            report = future.result()
            self._keep(report)
        except (CancelledError, StoppedError):
            self.error = ConflictError("the run was cancelled")
        except LostWorkerError:
            self.error = BusyError(
                "the process that explored this broke off; ask again",
                retry_after=1,
            )
        except LateWorkerError:
            self.error = build_late_refusal(self.question.limits.seconds)
        except Exception as error:
            if not isinstance(error, ReviewError):
                logger.exception("run_failed", run=self.run_id)
            self.error = error
        else:
            self.report = report
        self.ended = time.monotonic()
        self._over.set()


class Explorer:
    """Answers questions by an executor, as many at a time as it has workers.

    Parameters
    ----------
    workers
        How many questions are explored at a time; `QUEUE` more may wait.
    seconds
        The longest that one search may take, whatever is asked for.
    megabytes
        The most memory of a worker.
    start
        Makes the executors when the first question comes; processes of our
        own, if it is None.
    """

    def __init__(
        self,
        *,
        workers: int,
        seconds: float,
        megabytes: int = 1024,
        start: Callable[[int], Executor] | None = None,
    ) -> None:
        self.workers = workers
        self.seconds = seconds
        self.megabytes = megabytes
        self._start = start
        self._waiting = threading.BoundedSemaphore(workers + QUEUE)
        self._checks = threading.BoundedSemaphore(CHECKS)
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._executor: Executor | None = None
        self._checker: Executor | None = None

    def begin(
        self,
        question: Question,
        *,
        client: Client | None = None,
        keep: Callable[[Report], object] = lambda _: None,
    ) -> Job:
        """Let a question be explored; who asks the same joins in.

        Raises
        ------
        InvalidError
            If it names a platform or a policy that does not exist.
        BusyError, ThrottleError
            If too many questions wait already, or too many of this client.
        """
        require_asked(question)
        job = Job(self.bound(question), keep)
        with self._lock:
            known = self._jobs.get(job.run_id)
            if known is not None and not known.is_over:
                known.add(client)
                return known
            self._require_room(client)
            job.add(client)
            self._jobs[job.run_id] = job
        try:
            job.future = self.submit(answer, job.question)
        except RuntimeError:
            # the program ends
            job.future = Future()
            job.future.set_exception(StoppedError())
        job.future.add_done_callback(lambda future: self._end(job, future))
        return job

    def submit(
        self, action: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]:
        """Let a worker do something else than exploring one question."""
        return self._get_executor().submit(action, *args, **kwargs)

    def explore(self, question: Question) -> Report:
        """Explore and return the report; raises as `begin` and `answer`."""
        job = self.begin(question)
        self.wait(job)
        assert job.report is not None  # noqa: S101 - else it has raised
        return job.report

    def wait(self, job: Job, seconds: float | None = None) -> bool:
        """Wait for a job, unless too many wait already.

        Who waits for some seconds only does not wait then.
        """
        if not self._waiting.acquire(blocking=False):
            if seconds is not None:
                return job.wait(0)
            raise self._refuse("too many wait for their answers")
        try:
            return job.wait(seconds)
        finally:
            self._waiting.release()

    def find(self, run_id: str) -> Job | None:
        """Return the job that a run comes from, unless it was stored."""
        with self._lock:
            return self._jobs.get(run_id)

    def stop(self, run_id: str, client: Client) -> None:
        """Give a question up for a client; it ends if nobody else asks it.

        For an editor it ends though others ask it.

        Raises
        ------
        ForbiddenError
            If others asked it, and this client did not.
        """
        job = self.find(run_id)
        if job is None or job.is_over:
            return
        with self._lock:
            if not job.may_stop(client):
                raise ForbiddenError(
                    "others asked this; they or an editor may cancel it"
                )
            job.clients = frozenset(
                each
                for each in job.clients
                if not (client.is_editor or client.is_same(each))
            )
            is_wanted = bool(job.clients)
        if not is_wanted:
            job.stop()
            with suppress(ReviewError):
                job.wait(STOPPING)

    def check(self, text: str) -> tuple[Fault, ...]:
        """Return what is wrong with a scenario's text, read by a worker."""
        if not self._checks.acquire(blocking=False):
            raise BusyError("too many texts are read", retry_after=1)
        try:
            with self._lock:
                if self._checker is None:
                    self._checker = self._make_pool(1, CHECK_SECONDS)
                checker = self._checker
            return checker.submit(check, text).result()
        except (LateWorkerError, LostWorkerError):
            return (Fault("/scenario_text", "this takes too long to be read"),)
        finally:
            self._checks.release()

    def bound(self, question: Question) -> Question:
        """Return the question as it will be asked: with our own seconds."""
        seconds = min(question.limits.seconds, self.seconds)
        return replace(
            question, limits=replace(question.limits, seconds=seconds)
        )

    def close(self) -> None:
        """Let the workers go; what is being explored is given up."""
        with self._lock:
            executors = (self._executor, self._checker)
            self._executor = self._checker = None
        for executor in executors:
            if executor is not None:
                executor.shutdown(wait=True, cancel_futures=True)

    def _get_executor(self) -> Executor:
        with self._lock:
            if self._executor is None:
                seconds = self.seconds + GRACE + MARGIN
                self._executor = self._make_pool(self.workers, seconds)
            return self._executor

    def _make_pool(self, workers: int, seconds: float) -> Executor:
        if self._start is not None:
            return self._start(workers)
        return WorkerPool(workers, seconds=seconds, megabytes=self.megabytes)

    def _require_room(self, client: Client | None) -> None:
        jobs = [job for job in self._jobs.values() if not job.is_over]
        if len(jobs) >= self.workers + QUEUE:
            raise self._refuse("all workers are taken and the queue is full")
        if client is None:
            return
        own = sum(
            any(client.address == each.address for each in job.clients)
            or job.is_of(client)
            for job in jobs
        )
        if own >= CLIENT_JOBS:
            raise ThrottleError(
                f"{own} questions of yours are on their way; wait for one",
                retry_after=math.ceil(self.seconds),
            )

    def _refuse(self, message: str) -> BusyError:
        return BusyError(message, retry_after=math.ceil(self.seconds))

    def _end(self, job: Job, future: Future[Report]) -> None:
        job.finish(future)
        with self._lock:
            if job.error is None:
                del self._jobs[job.run_id]
            over = [key for key, one in self._jobs.items() if one.is_over]
            for key in over[: max(0, len(over) - KEPT_JOBS)]:
                del self._jobs[key]

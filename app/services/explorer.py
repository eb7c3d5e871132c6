"""Exploring: questions go to worker processes, bounded in every way.

Nothing here knows the database. A stranger's text is parsed and explored in
a worker, never in the process that answers requests.
"""

import json
import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import ParamSpec, TypeVar

from app.errors import BusyError, Fault, InvalidError
from app.sim import (
    PLATFORMS,
    POLICIES,
    Limits,
    Report,
    ScenarioError,
    explore,
    parse_scenario,
)

P = ParamSpec("P")
R = TypeVar("R")

QUEUE = 8
"""How many questions may wait for a worker."""

GRACE = 5.0
"""Seconds beyond the search's own limit: parsing, answers, witnesses."""

MAXIMUM_REPORT = 2 * 1024**2
"""Bytes of a report; witnesses of a huge search may be that long."""

WORKER_BYTES = 2 * 1024**3
TASKS_OF_A_WORKER = 500


@dataclass(frozen=True, slots=True)
class Question:
    """A scenario's text and what is asked of it; plain data, picklable.

    `platforms` None means those that the scenario names.
    """

    slug: str
    text: str
    platforms: tuple[str, ...] | None = None
    policies: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


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


def start_pool(workers: int) -> Executor:
    """Return a pool of fresh processes, none of which is started yet."""
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_set_up_worker,
        max_tasks_per_child=TASKS_OF_A_WORKER,
    )


def start_inline(_workers: int) -> Executor:
    """Return an executor without processes, for a command's own use."""
    return InlineExecutor()


class Explorer:
    """Answers questions by an executor, as many at a time as it has workers.

    Parameters
    ----------
    workers
        How many questions are explored at a time; `QUEUE` more may wait.
    seconds
        The longest that one search may take, whatever is asked for.
    start
        Makes the executor when the first question comes, and again after
        it broke.
    """

    def __init__(
        self,
        *,
        workers: int,
        seconds: float,
        start: Callable[[int], Executor] = start_pool,
    ) -> None:
        self.workers = workers
        self.seconds = seconds
        self._start = start
        self._slots = threading.BoundedSemaphore(workers + QUEUE)
        self._lock = threading.Lock()
        self._executor: Executor | None = None

    def explore(self, question: Question) -> Report:
        """Explore and return the report.

        Raises
        ------
        InvalidError
            If the text is refused, or is more than a worker can do.
        BusyError
            If too many questions wait already, or the workers broke.
        """
        require_asked(question)
        question = self.bound(question)
        with self._take_slot():
            try:
                return self._submit(question).result()
            except BrokenProcessPool:
                # another question may have broken the pool: once more
                return self._retry(question)

    def bound(self, question: Question) -> Question:
        """Return the question as it will be asked: with our own seconds."""
        seconds = min(question.limits.seconds, self.seconds)
        return replace(
            question, limits=replace(question.limits, seconds=seconds)
        )

    def close(self) -> None:
        """Let the workers go; what is being explored is given up."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def _take_slot(self) -> Iterator[None]:
        if not self._slots.acquire(blocking=False):
            raise self._refuse("all workers are taken and the queue is full")
        try:
            yield
        finally:
            self._slots.release()

    def _refuse(self, message: str) -> BusyError:
        return BusyError(message, retry_after=math.ceil(self.seconds))

    def _retry(self, question: Question) -> Report:
        try:
            return self._submit(question).result()
        except BrokenProcessPool:
            raise self._refuse("a worker broke off; ask again") from None

    def _submit(self, question: Question) -> Future[Report]:
        with self._lock:
            if self._executor is None:
                self._executor = self._start(self.workers)
            try:
                return self._executor.submit(answer, question)
            except BrokenProcessPool:
                self._executor.shutdown(wait=False)
                self._executor = self._start(self.workers)
                return self._executor.submit(answer, question)


def require_asked(question: Question) -> None:
    """Raise InvalidError for platforms and policies that do not exist."""
    faults = [
        Fault(
            f"/platforms/{place}",
            f"there is no platform {name!r}",
            expected=", ".join(PLATFORMS),
        )
        for place, name in enumerate(question.platforms or ())
        if name not in PLATFORMS
    ]
    if question.platforms == ():
        faults.append(Fault("/platforms", "expected at least one"))
    for name, value in question.policies.items():
        known = POLICIES[name].values if name in POLICIES else tuple(POLICIES)
        wanted = value if name in POLICIES else name
        if wanted not in known:
            faults.append(
                Fault(
                    "/policies"
                    if name not in POLICIES
                    else f"/policies/{name}",
                    f"{wanted[:80]!r} is not one of them",
                    expected=", ".join(known),
                )
            )
    if faults:
        raise InvalidError("the question cannot be asked like this", *faults)


def answer(question: Question) -> Report:
    """Parse and explore a question, in bounded time; refuse huge reports."""
    seconds = question.limits.seconds
    try:
        with _limit_time(seconds + GRACE):
            report = explore(
                parse_scenario(question.text, slug=question.slug),
                platforms=question.platforms,
                policies=question.policies,
                limits=question.limits,
            )
            size = len(json.dumps(report.to_dict()))
    except ScenarioError as error:
        raise build_refusal(error) from None
    except _OutOfTimeError:
        raise InvalidError(
            f"nothing was found within {seconds + GRACE:g} seconds",
            Fault("/limits/seconds", "the question is too large"),
        ) from None
    except (MemoryError, RecursionError):
        raise InvalidError(
            "the question needs more memory than a worker has",
            Fault("/limits/states", "ask for fewer states"),
        ) from None
    if size > MAXIMUM_REPORT:
        raise InvalidError(
            f"the report would have {size} bytes, {MAXIMUM_REPORT} at most",
            Fault("/limits/states", "ask for fewer states or outcomes"),
        )
    return report


class RefusedScenarioError(InvalidError):
    """Raised when a text is no scenario; its one fault has the place."""


def build_refusal(error: ScenarioError) -> RefusedScenarioError:
    """Say of a refused scenario what is wrong, where, and what would do."""
    return RefusedScenarioError(
        str(error),
        Fault(
            "/scenario_text",
            error.message,
            line=error.line,
            column=error.column,
            expected=error.expected,
        ),
    )


class _OutOfTimeError(Exception):
    """Raised in a worker when its time is over."""


def _give_up(_number: int, _frame: FrameType | None) -> None:
    raise _OutOfTimeError


@contextmanager
def _limit_time(seconds: float) -> Iterator[None]:
    # signals reach the main thread alone, where a worker does its work
    if (
        sys.platform == "win32"
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _set_up_worker() -> None:
    # Ctrl-C is for the server, which then lets its workers go
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - POSIX has it, Windows does not

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        soft = WORKER_BYTES if hard < 0 else min(WORKER_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _follow_parent() -> None:
    # a server that was killed leaves no workers behind
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Worker processes: one a slot, so that one that ends takes no other along.

A pool is a `concurrent.futures.Executor` like any other. Each slot is a
thread with a process of its own, started when there is work and again when
it was lost. What runs in a process may tell how far it is by `tell`; the
last word stands in its task's `told`.
"""

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MEGABYTE: Final = 1024**2
TASKS_OF_A_WORKER: Final = 500
"""How many tasks a process takes before a fresh one goes on."""

NICENESS: Final = 10
"""What a process adds to its niceness that nobody waits for."""

STARTING: Final = 60.0
"""Seconds that a process has to start, imports included."""

READY, TOLD, RESULT, ERROR = "ready", "told", "result", "error"
END: Final = None

_SPAWN: Final = multiprocessing.get_context("spawn")


class WorkerError(Exception):
    """Base of what ends a task from outside."""


class LostWorkerError(WorkerError):
    """Raised for the task whose process ended under it."""


class LateWorkerError(WorkerError):
    """Raised for the task that took longer than the pool allows."""


class StoppedError(WorkerError):
    """Raised for the task that somebody stopped."""


class Task(Future[R]):
    """A future whose work can be stopped, and tells how far it is."""

    told: object = None

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self._process: SpawnProcess | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """End the work, whether it has begun or not; done stays done."""
        if self.cancel():
            return
        with self._guard:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def hold(self, process: SpawnProcess | None) -> bool:
        """Say which process works on it; tell whether somebody stopped it."""
        with self._guard:
            self._process = process
            return self._is_stopped


@dataclass(frozen=True, slots=True)
class _Order:
    """A task, and what it is to do."""

    task: Task[Any]
    action: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


class WorkerPool(Executor):
    """Runs each task in the process of a slot.

    Parameters
    ----------
    workers
        How many slots: how many tasks run at a time.
    seconds
        The longest that a task may take; its process is killed then.
    megabytes
        The most memory that a process may map.
    """

    def __init__(
        self, workers: int, *, seconds: float, megabytes: int
    ) -> None:
        self._slots = [
            _Slot(f"worker-{number}", seconds, megabytes)
            for number in range(workers)
        ]
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._tasks: set[Task[Any]] = set()
        self._is_closed = False

    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Task[R]:
        """Let a process run `fn`; what goes to and fro is pickled."""
        task: Task[R] = Task()
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the pool is closed")
            self._tasks.add(task)
            if len(self._threads) < len(self._slots):
                self._start_thread(self._slots[len(self._threads)])
        task.add_done_callback(self._tasks.discard)
        self._orders.put(_Order(task, fn, args, kwargs))
        return task

    def _start_thread(self, slot: "_Slot") -> None:
        thread = threading.Thread(
            target=slot.serve, args=(self._orders,), name=slot.name
        )
        thread.start()
        self._threads.append(thread)

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False
    ) -> None:
        """Take no more; stop what is under way if it is to be cancelled."""
        with self._lock:
            first, self._is_closed = not self._is_closed, True
            tasks = tuple(self._tasks)
        if cancel_futures:
            for task in tasks:
                task.stop()
        if first:
            for _ in self._threads:
                self._orders.put(END)
        if wait:
            for thread in self._threads:
                thread.join()

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the numbers of the processes that are there."""
        found = (slot.pid for slot in self._slots)
        return tuple(pid for pid in found if pid is not None)


class _Slot:
    """A thread's work: orders one by one, in a process that is replaced."""

    def __init__(self, name: str, seconds: float, megabytes: int) -> None:
        self.name = name
        self._seconds = seconds
        self._megabytes = megabytes
        self._process: SpawnProcess | None = None
        self._line: Connection | None = None
        self._tasks = 0

    @property
    def pid(self) -> int | None:
        """Return the number of the process, if there is one."""
        process = self._process
        return None if process is None else process.pid

    def serve(self, orders: "queue.SimpleQueue[_Order | None]") -> None:
        """Carry out orders until there are no more."""
        while (order := orders.get()) is not END:
            if order.task.set_running_or_notify_cancel():
                self._carry_out(order)
        self._drop()

    def _carry_out(self, order: _Order) -> None:
        task = order.task
        try:
            line = self._get_line(task)
            line.send((order.action, order.args, order.kwargs))
            kind, value = self._listen(line, task, self._seconds)
        except (EOFError, OSError) as error:
            kind, value = ERROR, LostWorkerError(repr(error))
        except Exception as error:  # noqa: BLE001 - an executor hands it on
            kind, value = ERROR, error
        is_stopped = task.hold(None)
        self._tasks += 1
        if (
            is_stopped
            or isinstance(value, WorkerError)
            or self._tasks >= TASKS_OF_A_WORKER
        ):
            self._drop()
        if kind == RESULT:
            task.set_result(value)
        else:
            task.set_exception(StoppedError() if is_stopped else value)

    def _get_line(self, task: Task[Any]) -> Connection:
        """Return the line to a process that stands ready."""
        if self._process is None or not self._process.is_alive():
            self._drop()
            self._start()
            assert self._line is not None  # noqa: S101 - it was started
            if task.hold(self._process):
                raise StoppedError
            self._listen(self._line, task, STARTING)
        elif task.hold(self._process):
            raise StoppedError
        assert self._line is not None  # noqa: S101 - there is a process
        return self._line

    def _start(self) -> None:
        self._line, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(
            target=_work,
            args=(theirs, self._megabytes),
            name=self.name,
            daemon=True,
        )
        self._process.start()
        # ours alone is left, so that the line ends with the process
        theirs.close()
        self._tasks = 0

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        self._process = self._line = None

    @staticmethod
    def _listen(
        line: Connection, task: Task[Any], seconds: float
    ) -> tuple[str, Any]:
        """Return what the process says at last; note what it tells before."""
        end = time.monotonic() + seconds
        while line.poll(max(0.0, end - time.monotonic())):
            kind, value = line.recv()
            if kind != TOLD:
                return kind, value
            task.told = value
        raise LateWorkerError(f"more than {seconds:g} seconds")


_parent_line: Connection | None = None


def tell(value: object) -> None:
    """Tell whoever waits for this task how far it is; else do nothing."""
    if _parent_line is not None:
        _parent_line.send((TOLD, value))


def step_back() -> None:
    """Let all else go first, if this is a worker; else do nothing."""
    if _parent_line is not None and hasattr(os, "nice"):
        os.nice(max(0, NICENESS - os.nice(0)))


def _work(line: Connection, megabytes: int) -> None:
    """Carry out what comes over the line, until it ends."""
    global _parent_line  # noqa: PLW0603 - a process has one line
    _set_up(megabytes)
    _parent_line = line
    line.send((READY, os.getpid()))
    while True:
        try:
            action, args, kwargs = line.recv()
        except EOFError:
            return
        try:
            message = (RESULT, action(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is handed on
            message = (ERROR, error)
        line.send(message)


def _set_up(megabytes: int) -> None:
    # Ctrl-C is for the server, which then lets its workers go
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - POSIX has it, Windows does not

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = megabytes * MEGABYTE
        soft = most if hard < 0 else min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _follow_parent() -> None:
    # a server that was killed leaves no workers behind
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class OutOfTimeError(Exception):
    """Raised in the midst of what `limit_time` bounds."""


def _give_up(_number: int, _frame: FrameType | None) -> None:
    raise OutOfTimeError


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in what takes longer, where signals reach it."""
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

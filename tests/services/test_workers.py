"""Workers: a task's process may end, and no other task notices."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.services.workers import (
    NICENESS,
    LateWorkerError,
    LostWorkerError,
    OutOfTimeError,
    StoppedError,
    Task,
    WorkerPool,
    limit_time,
    step_back,
    tell,
)

PATIENCE = 30.0


def sleep(seconds: float) -> int:
    """Tell who works, and take some time."""
    tell(os.getpid())
    time.sleep(seconds)
    return os.getpid()


def fail() -> None:
    """Raise what the caller must see."""
    raise LookupError("nothing is there")


def allocate(megabytes: int) -> int:
    """Take that much memory."""
    return len(bytearray(megabytes * 1024**2))


def end() -> None:
    """End the process without a word."""
    os._exit(3)


def make_function() -> Callable[[], None]:
    """Return what cannot be pickled."""
    return lambda: None


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(2, seconds=PATIENCE, megabytes=1024)
    yield pool
    pool.shutdown(cancel_futures=True)


def wait_until_told(task: Task[int]) -> int:
    """Return the process that works on a task, once it says so."""
    end_of_wait = time.monotonic() + PATIENCE
    while task.told is None:
        assert time.monotonic() < end_of_wait
        time.sleep(0.01)
    assert isinstance(task.told, int)
    return task.told


def test_a_process_serves_one_task_after_the_other(pool: WorkerPool) -> None:
    first = pool.submit(sleep, 0).result(PATIENCE)
    assert first != os.getpid()
    pids = {pool.submit(sleep, 0).result(PATIENCE) for _ in range(5)}
    assert len(pids | {first}) <= 2
    assert pids <= set(pool.pids)


def test_a_killed_process_fails_its_own_task_alone(pool: WorkerPool) -> None:
    victim, neighbour = pool.submit(sleep, 20), pool.submit(sleep, 1.0)
    wait_until_told(neighbour)
    os.kill(wait_until_told(victim), signal.SIGKILL)
    with pytest.raises(LostWorkerError):
        victim.result(PATIENCE)
    assert neighbour.result(PATIENCE) == neighbour.told
    assert pool.submit(sleep, 0).result(PATIENCE)


def test_a_process_that_ends_itself_is_an_error_too(pool: WorkerPool) -> None:
    with pytest.raises(LostWorkerError):
        pool.submit(end).result(PATIENCE)
    assert pool.submit(sleep, 0).result(PATIENCE)


def test_an_idle_process_that_was_killed_is_replaced() -> None:
    pool = WorkerPool(1, seconds=PATIENCE, megabytes=1024)
    first = pool.submit(sleep, 0).result(PATIENCE)
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert pool.submit(sleep, 0).result(PATIENCE) != first
    pool.shutdown()


def test_a_task_can_be_stopped_in_its_midst(pool: WorkerPool) -> None:
    task = pool.submit(sleep, 600)
    pid = wait_until_told(task)
    task.stop()
    with pytest.raises(StoppedError):
        task.result(PATIENCE)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    task.stop()


def test_a_task_that_waits_is_stopped_before_it_begins() -> None:
    pool = WorkerPool(1, seconds=PATIENCE, megabytes=1024)
    running = pool.submit(sleep, 1.0)
    waiting = pool.submit(sleep, 0)
    waiting.stop()
    assert waiting.cancelled()
    assert running.result(PATIENCE)
    pool.shutdown()


def test_a_task_without_end_is_ended() -> None:
    pool = WorkerPool(1, seconds=3, megabytes=1024)
    with pytest.raises(LateWorkerError):
        pool.submit(sleep, 60).result(PATIENCE)
    assert pool.submit(sleep, 0).result(PATIENCE)
    pool.shutdown()


def test_memory_is_bounded_and_the_process_goes_on(pool: WorkerPool) -> None:
    with pytest.raises(MemoryError):
        pool.submit(allocate, 2000).result(PATIENCE)
    assert pool.submit(allocate, 10).result(PATIENCE)


def test_errors_come_back_as_they_were_raised(pool: WorkerPool) -> None:
    with pytest.raises(LookupError, match="nothing is there"):
        pool.submit(fail).result(PATIENCE)


def test_what_cannot_be_sent_fails_its_task_alone(pool: WorkerPool) -> None:
    with pytest.raises(Exception, match=r"pickle|lambda|local"):
        pool.submit(lambda: None).result(PATIENCE)
    with pytest.raises(LostWorkerError):
        pool.submit(make_function).result(PATIENCE)
    assert pool.submit(sleep, 0).result(PATIENCE)


def test_closing_stops_what_is_under_way() -> None:
    pool = WorkerPool(1, seconds=PATIENCE, megabytes=1024)
    running, waiting = pool.submit(sleep, 20), pool.submit(sleep, 0)
    pid = wait_until_told(running)
    pool.shutdown(cancel_futures=True)
    assert isinstance(running.exception(), StoppedError)
    assert waiting.cancelled()
    assert pool.pids == ()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError):
        pool.submit(sleep, 0)
    pool.shutdown()


def test_nobody_is_told_outside_of_a_worker() -> None:
    tell("nothing happens")


def get_niceness() -> int:
    step_back()
    step_back()
    return os.nice(0)


def test_a_process_steps_back_and_its_parent_does_not(
    pool: WorkerPool,
) -> None:
    """What nobody waits for goes behind; whoever calls it inline stays."""
    before = os.nice(0)
    assert get_niceness() == before
    assert pool.submit(get_niceness).result() == max(before, NICENESS)


def test_time_is_limited_in_the_main_thread_alone() -> None:
    with pytest.raises(OutOfTimeError), limit_time(0.05):
        time.sleep(5)

    def wait() -> None:
        with limit_time(0.01):
            time.sleep(0.05)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()

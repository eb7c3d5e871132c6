"""Exploring: bounded, in workers, refused with a place."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

import pytest

from app.config import ROOT
from app.errors import (
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    ThrottleError,
)
from app.services import asking
from app.services import explorer as subject
from app.services.asking import Question, RefusedScenarioError
from app.services.explorer import (
    Client,
    Explorer,
    InlineExecutor,
    start_inline,
)
from app.services.workers import WorkerPool
from app.sim import Limits, Report

BRIEF = Limits(states=20_000)
A, B, C = map(Client, "abc")
P = ParamSpec("P")
R = TypeVar("R")

SCENARIOS = ROOT / "app" / "corpus" / "vmi" / "scenarios"
SLUG = "kleen-sti-shadow"
LOOP = """
question = "How far does it count?"
[code]
kernel = '''
again:  inc dword ptr [count]
        jmp again
'''
[data]
count = 0
[outcomes]
wraps = { is = "count == 0xffffffff" }
"""


@pytest.fixture(scope="module")
def text() -> str:
    return (SCENARIOS / f"{SLUG}.toml").read_text()


@pytest.fixture(scope="module")
def pool() -> Iterator[Explorer]:
    explorer = Explorer(workers=1, seconds=10)
    yield explorer
    explorer.close()


@pytest.fixture
def inline() -> Explorer:
    return Explorer(workers=1, seconds=2, start=start_inline)


def test_a_worker_says_the_same_as_the_process_itself(
    pool: Explorer, text: str
) -> None:
    question = Question(SLUG, text)
    assert pool.explore(question).to_dict() == (
        asking.answer(question).to_dict()
    )


def test_a_refused_text_comes_back_from_the_worker_with_its_place(
    pool: Explorer,
) -> None:
    with pytest.raises(RefusedScenarioError) as refused:
        pool.explore(Question("posted", 'question = "x"\ncode = 1\n'))
    (fault,) = refused.value.faults
    assert fault.pointer == "/scenario_text"
    assert (fault.line, fault.column) == (2, 8)
    assert fault.expected


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait until something is so, a minute at most."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def get_pids(explorer: Explorer) -> tuple[int, ...]:
    """Return the processes of an explorer's workers."""
    assert isinstance(explorer._executor, WorkerPool)
    return explorer._executor.pids


def test_a_killed_worker_ends_its_own_run_alone(text: str) -> None:
    """SIGKILL while two questions run: one fails, the other is answered."""
    explorer = Explorer(workers=2, seconds=10)
    long = Question("posted", LOOP, platforms=("native",))
    victim = explorer.begin(long)
    wait_until(lambda: victim.progress)
    (pid,) = get_pids(explorer)
    other = Question("posted", LOOP, platforms=("software",), limits=BRIEF)
    neighbour = explorer.begin(other)
    wait_until(lambda: neighbour.progress)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(BusyError, match="broke off"):
        explorer.wait(victim)
    assert explorer.wait(neighbour)
    assert neighbour.report is not None
    assert explorer.explore(Question(SLUG, text)).scenario == SLUG
    found = explorer.find(victim.run_id)
    assert found is victim
    assert explorer.find(neighbour.run_id) is None
    explorer.close()


def test_a_run_tells_how_far_it_is_and_can_be_cancelled(
    pool: Explorer,
) -> None:
    job = pool.begin(Question("posted", LOOP), client=A)
    wait_until(lambda: job.progress and job.progress.states > 1)
    assert job.is_running
    assert job.seconds > 0
    assert pool.begin(Question("posted", LOOP), client=B) is job
    with pytest.raises(ForbiddenError):
        pool.stop(job.run_id, C)
    pool.stop(job.run_id, A)
    assert not job.is_over
    pool.stop(job.run_id, B)
    with pytest.raises(ConflictError, match="cancelled"):
        pool.wait(job)
    pool.stop(job.run_id, B)
    pool.stop("none", B)


def test_an_account_cancels_what_it_asked_from_wherever_it_is(
    pool: Explorer,
) -> None:
    """Who shares its address does not, nor does another account."""
    job = pool.begin(Question("posted", LOOP), client=Client("a", "ada"))
    for other in (A, Client("a", "bob"), Client("b", "bob")):
        assert not job.is_of(other)
        with pytest.raises(ForbiddenError):
            pool.stop(job.run_id, other)
    assert job.is_of(Client("b", "ada"))
    pool.stop(job.run_id, Client("b", "ada"))
    with pytest.raises(ConflictError, match="cancelled"):
        pool.wait(job)


def test_a_run_that_others_ask_can_be_cancelled_for_all(
    pool: Explorer,
) -> None:
    job = pool.begin(Question("posted", LOOP), client=A)
    pool.begin(Question("posted", LOOP), client=B)
    pool.stop(job.run_id, Client("c", "ed", is_editor=True))
    with pytest.raises(ConflictError, match="cancelled"):
        pool.wait(job)


def test_a_run_that_waits_for_a_worker_can_be_cancelled(
    pool: Explorer, text: str
) -> None:
    running = pool.begin(Question("posted", LOOP), client=A)
    waiting = pool.begin(Question(SLUG, text), client=A)
    assert not waiting.is_running
    assert waiting.progress is None
    pool.stop(waiting.run_id, A)
    with pytest.raises(ConflictError):
        pool.wait(waiting)
    pool.stop(running.run_id, A)
    with pytest.raises(ConflictError):
        pool.wait(running)


def test_one_client_may_not_fill_the_queue(pool: Explorer) -> None:
    jobs = [
        pool.begin(Question("posted", LOOP + "\n" * number), client=A)
        for number in range(subject.CLIENT_JOBS)
    ]
    for same in (A, Client("a", "ada")):
        with pytest.raises(ThrottleError):
            pool.begin(Question("posted", LOOP + "#"), client=same)
    other = pool.begin(Question("posted", LOOP + "#"), client=B)
    for job in [*jobs, other]:
        job.stop()
    for job in [*jobs, other]:
        with pytest.raises(ConflictError):
            job.wait()


def test_a_text_is_checked_while_all_workers_are_busy(
    pool: Explorer, text: str
) -> None:
    job = pool.begin(Question("posted", LOOP), client=A)
    assert pool.check(text) == ()
    (fault,) = pool.check(text.replace("hlt", "htl", 1))
    assert (fault.line, fault.column) == (24, 9)
    job.stop()
    with pytest.raises(ConflictError):
        job.wait()


def test_a_text_that_is_never_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, inline: Explorer
) -> None:
    monkeypatch.setattr(asking, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(asking, "check_scenario", lambda _: time.sleep(5))
    (fault,) = inline.check("")
    assert "takes too long" in fault.message


def test_what_fails_to_be_stored_is_an_error_of_its_run(
    inline: Explorer, text: str
) -> None:
    def keep(_: Report) -> None:
        raise LookupError("the disk is full")

    job = inline.begin(Question(SLUG, text), keep=keep)
    with pytest.raises(LookupError):
        inline.wait(job)
    assert inline.explore(Question(SLUG, text)).scenario == SLUG


def test_a_closed_explorer_leaves_nobody_waiting(text: str) -> None:
    explorer = Explorer(workers=1, seconds=10)
    job = explorer.begin(Question("posted", LOOP))
    wait_until(lambda: job.is_running)
    pool = explorer._executor
    explorer.close()
    with pytest.raises(ConflictError):
        job.wait(10)
    explorer._executor = pool
    with pytest.raises(ConflictError):
        explorer.explore(Question(SLUG, text))


def test_the_seconds_are_the_installations_at_most(inline: Explorer) -> None:
    begun = time.monotonic()
    report = inline.explore(Question("posted", LOOP, platforms=("native",)))
    assert time.monotonic() - begun < 10
    (part,) = report.platforms
    assert part.limit in {"states", "seconds"}
    assert part.answers["wraps"].answer == "limit"


def test_limits_are_part_of_the_answer(inline: Explorer) -> None:
    limits = Limits(states=10)
    report = inline.explore(Question("posted", LOOP, limits=limits))
    assert {part.limit for part in report.platforms} == {"states"}


@pytest.mark.parametrize(
    ("question", "pointer"),
    [
        (Question(SLUG, "", platforms=("vax",)), "/platforms/0"),
        (Question(SLUG, "", platforms=()), "/platforms"),
        (Question(SLUG, "", policies={"nmi": "x"}), "/policies/nmi"),
        (Question(SLUG, "", policies={"x": "y"}), "/policies"),
    ],
)
def test_unknown_choices_are_refused_by_name(
    inline: Explorer, question: Question, pointer: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        inline.explore(question)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_a_report_too_long_to_keep_is_refused(
    inline: Explorer, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MAXIMUM_REPORT", 1000)
    with pytest.raises(InvalidError, match="1000 at most"):
        inline.explore(Question(SLUG, text))


def test_time_ends_even_what_the_search_does_not_count(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "GRACE", 0.05)
    monkeypatch.setattr(
        asking, "parse_scenario", lambda *_, **__: time.sleep(5)
    )
    question = Question(SLUG, text, limits=Limits(seconds=0.05))
    with pytest.raises(InvalidError, match=r"within 0\.1 seconds"):
        asking.answer(question)


class Waiting(Executor):
    """Runs nothing before it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.threads: list[threading.Thread] = []

    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]:
        """Run `fn` in a thread, once told to."""
        future: Future[R] = Future()

        def run() -> None:
            self.go.wait()
            future.set_result(fn(*args, **kwargs))

        thread = threading.Thread(target=run)
        thread.start()
        self.threads.append(thread)
        return future


def test_a_full_queue_is_refused_with_the_time_to_wait(text: str) -> None:
    executor = Waiting()
    explorer = Explorer(workers=1, seconds=7, start=lambda _: executor)
    threads = [
        threading.Thread(
            target=explorer.explore, args=[Question(SLUG, text + "#" * number)]
        )
        for number in range(1 + subject.QUEUE)
    ]
    for thread in threads:
        thread.start()
    while len(executor.threads) < len(threads):
        time.sleep(0.01)
    with pytest.raises(BusyError) as refused:
        explorer.explore(Question(SLUG, text + "\n"))
    with pytest.raises(BusyError, match="too many wait"):
        explorer.explore(Question(SLUG, text))
    executor.go.set()
    for thread in [*threads, *executor.threads]:
        thread.join()
    assert refused.value.retry_after == 7
    assert explorer.explore(Question(SLUG, text)).scenario == SLUG


def test_an_inline_executor_hands_errors_on() -> None:
    def fail() -> None:
        raise LookupError

    assert isinstance(InlineExecutor().submit(fail).exception(), LookupError)

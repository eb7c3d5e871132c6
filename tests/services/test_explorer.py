"""Exploring: bounded, in workers, refused with a place."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

import pytest

from app.config import ROOT
from app.errors import BusyError, InvalidError
from app.services import explorer as subject
from app.services.explorer import (
    Explorer,
    InlineExecutor,
    Question,
    RefusedScenarioError,
    start_inline,
)
from app.sim import Limits

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
        subject.answer(question).to_dict()
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


def test_a_killed_worker_does_not_take_the_explorer_with_it(
    pool: Explorer, text: str
) -> None:
    first = pool.explore(Question(SLUG, text))
    executor = pool._executor
    assert executor is not None
    for process in executor._processes.values():  # type: ignore[attr-defined]
        process.kill()
        process.join()
    assert pool.explore(Question(SLUG, text)).id == first.id


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
    monkeypatch.setattr(subject, "MAXIMUM_REPORT", 1000)
    with pytest.raises(InvalidError, match="1000 at most"):
        inline.explore(Question(SLUG, text))


def test_time_ends_even_what_the_search_does_not_count(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "GRACE", 0.05)
    monkeypatch.setattr(
        subject, "parse_scenario", lambda *_, **__: time.sleep(5)
    )
    question = Question(SLUG, text, limits=Limits(seconds=0.05))
    with pytest.raises(InvalidError, match=r"within 0\.1 seconds"):
        subject.answer(question)


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
        threading.Thread(target=explorer.explore, args=[Question(SLUG, text)])
        for _ in range(1 + subject.QUEUE)
    ]
    for thread in threads:
        thread.start()
    while len(executor.threads) < len(threads):
        time.sleep(0.01)
    with pytest.raises(BusyError) as refused:
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

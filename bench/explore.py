"""How fast the simulator explores, beside Spin, Unicorn and a bare loop.

    python bench/explore.py [--short]

The first table is of one question. It is the idle-loop litmus, with as many
interrupts as each row says, on `native`, where the answer is never. A row
holds, of the same run: the simulator in this process, the simulator in a
process of its own (start of Python and imports included), Spin from model
text to answer, Unicorn stepped through the same states, and the bare loop,
which goes through the same litmus written out by hand over tuples and a set:
what Python can do at most. The column software/s is the rate on `software`,
where the answer is sometimes and needs two witnesses. The simulator has more
states than Spin, for it keeps all flags and not only ZF. Then come the rate
of all cores together and the memory of a state; and a table of the corpus:
each question from its text to its answer, with its witnesses, on the
platforms that it names and on all there are, beside Spin where there is a
model, which is asked one outcome of one platform. Each figure is the best of
several rounds, taken in turns, for the speed of a shared machine drifts.
Nothing here asserts a time.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app.sim import Limits, explore, parse_scenario  # noqa: E402
from app.sim.explore import build_initial  # noqa: E402
from app.sim.platforms import build_platform  # noqa: E402
from app.sim.search import Search  # noqa: E402
from bench import corpus, spin, unicorn_loop  # noqa: E402

SIZES = (1, 20, 60, 120)
SHORT_SIZES = (1, 20)
ROUNDS = 3
SLUG = "idle-loop"
LIMITS = Limits(states=1_000_000, transitions=10_000_000, seconds=300.0)
SPIN_GOAL = 50_000
"""Up to so many states the simulator is to answer sooner than Spin."""
RATE_GOAL = 300_000
"""Transitions a second that are wanted of the simulator, on one core."""
SHARE_GOAL = 0.6
"""Or this share of the bare loop's rate, whichever the machine allows."""
UNICORN_GOAL = 10
"""How many times the rate of stepping Unicorn is wanted."""
MEMORY_GOAL = 400
"""Bytes of a state that are wanted at most."""
CORPUS_GOAL = 10.0
"""Seconds for all questions on all platforms, on two cores."""

SCENARIO = """
question = "Can the idle loop sleep although work is pending?"
about = ["VMI_DisableInterrupts", "VMI_EnableInterrupts", "VMI_IRET"]

[code]
kernel = '''
idle:   call VMI_DisableInterrupts
        cmp dword ptr [work], 0
        jne busy
        call VMI_EnableInterrupts
        hlt
        jmp idle
busy:   dec dword ptr [work]
        call VMI_EnableInterrupts
        jmp idle
'''
irq0 = '''
        inc dword ptr [work]
        call VMI_IRET
'''

[data]
work = 0

[events]
irq0 = {interrupts}

[outcomes]
sleeps-with-work = {{ when = "reached", is = "{question}" }}
"""
QUESTION = "halted and work > 0 and not pending"


class Count(NamedTuple):
    """What one search went through, and how long it took."""

    states: int
    transitions: int
    seconds: float


class Row(NamedTuple):
    """The best rounds of one number of interrupts."""

    interrupts: int
    simulator: Count
    software: Count
    cold_seconds: float
    bare: Count
    unicorn: Count
    spin: Count | None


def run_simulator(interrupts: int, platform: str = "native") -> Count:
    """Parse the scenario and explore it, in this process."""
    start = time.perf_counter()
    text = SCENARIO.format(interrupts=interrupts, question=QUESTION)
    scenario = parse_scenario(text, slug=SLUG)
    report = explore(scenario, platforms=[platform], limits=LIMITS)
    seconds = time.perf_counter() - start
    (found,) = report.platforms
    if found.limit is not None:
        raise SystemExit(f"the search stopped at its {found.limit}")
    return Count(found.states, found.transitions, seconds)


def run_cold_simulator(interrupts: int) -> float:
    """Return how long a new process takes to the simulator's answer."""
    command = [sys.executable, __file__, "--once", str(interrupts)]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return time.perf_counter() - start


def run_spin(interrupts: int) -> Count:
    """Ask Spin the same question, from the text of the model on."""
    with tempfile.TemporaryDirectory() as directory:
        verdict = spin.ask(Path(directory), spin.Variant(interrupts))
    return Count(verdict.states, verdict.transitions, verdict.seconds)


State = tuple[int, int, bool, bool, bool, bool, bool, int, bool, int]
"""pc, work, IF, ZF, shadow, halted, pending, saved pc, saved ZF, budget."""


def _compute_step(state: State) -> State:
    """Return what the processor makes of a state that it runs in."""
    pc, work, enabled, zero, _, halted, pending, saved, kept, budget = state
    shadow = False
    if pc == 0:
        enabled, pc = False, 1
    elif pc == 1:
        zero, pc = work == 0, 2
    elif pc == 2:  # noqa: PLR2004  (the program counter, as in the model)
        pc = 3 if zero else 6
    elif pc in {3, 7}:
        shadow, enabled, pc = not enabled, True, pc + 1
    elif pc == 4:  # noqa: PLR2004
        halted, pc = True, 5
    elif pc in {5, 8}:
        pc = 0
    elif pc == 6:  # noqa: PLR2004
        work, pc = work - 1, 7
        zero = work == 0
    elif pc == 9:  # noqa: PLR2004
        work, zero, pc = work + 1, False, 10
    else:
        pc, zero, enabled, saved, kept = saved, kept, True, 0, False
    return (
        pc,
        work,
        enabled,
        zero,
        shadow,
        halted,
        pending,
        saved,
        kept,
        budget,
    )


def run_bare_loop(interrupts: int) -> Count:
    """Go through the litmus by hand: tuples, a queue and a set."""
    start = time.perf_counter()
    first: State = (0, 0, *(True, *(False,) * 4), 0, False, interrupts)
    seen = {first}
    queue = deque([first])
    transitions = 0
    while queue:
        state = queue.popleft()
        pc, work, enabled, zero, shadow, halted, pending, saved, kept, left = (
            state
        )
        following: list[State] = []
        if left:
            following.append((*state[:6], True, saved, kept, left - 1))
        if pending and enabled and not shadow:
            following.append(
                (9, work, *(False,) * 5, pc, zero, left),
            )
        elif not halted:
            following.append(_compute_step(state))
        for after in following:
            transitions += 1
            if after not in seen:
                seen.add(after)
                queue.append(after)
    return Count(len(seen), transitions, time.perf_counter() - start)


def measure(interrupts: int, rounds: int, with_spin: bool) -> Row:
    """Run everything in turns and keep the best of each."""
    simulated, software, cold, bare, rival = [], [], [], [], []
    stepped = []
    for _ in range(rounds):
        simulated.append(run_simulator(interrupts))
        software.append(run_simulator(interrupts, "software"))
        bare.append(run_bare_loop(interrupts))
        stepped.append(Count(*unicorn_loop.explore(interrupts)))
        cold.append(run_cold_simulator(interrupts))
        if with_spin:
            rival.append(run_spin(interrupts))
    return Row(
        interrupts,
        _get_best(simulated),
        _get_best(software),
        min(cold),
        _get_best(bare),
        _get_best(stepped),
        _get_best(rival) if rival else None,
    )


def _get_best(counts: list[Count]) -> Count:
    return min(counts, key=lambda count: count.seconds)


def _get_rate(count: Count) -> float:
    return count.transitions / count.seconds


def _get_share(row: Row) -> float:
    return _get_rate(row.simulator) / _get_rate(row.bare)


def _get_unicorn_lead(row: Row) -> float:
    return _get_rate(row.simulator) / _get_rate(row.unicorn)


def _get_lead(row: Row) -> str:
    """Return how many times longer Spin took than a new process of ours."""
    if row.spin is None:
        return "-"
    return f"{row.spin.seconds / row.cold_seconds:.1f}"


_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("interrupts", lambda row: f"{row.interrupts}"),
    ("states", lambda row: f"{row.simulator.states:,}"),
    ("transitions", lambda row: f"{row.simulator.transitions:,}"),
    ("seconds", lambda row: f"{row.simulator.seconds:.3f}"),
    ("cold s", lambda row: f"{row.cold_seconds:.3f}"),
    ("per s", lambda row: f"{_get_rate(row.simulator):,.0f}"),
    ("software/s", lambda row: f"{_get_rate(row.software):,.0f}"),
    ("bare states", lambda row: f"{row.bare.states:,}"),
    ("bare per s", lambda row: f"{_get_rate(row.bare):,.0f}"),
    ("of bare", lambda row: f"{_get_share(row):.2f}"),
    ("unicorn/s", lambda row: f"{_get_rate(row.unicorn):,.0f}"),
    ("of unicorn", lambda row: f"{_get_unicorn_lead(row):.1f}"),
    ("spin states", lambda row: f"{row.spin.states:,}" if row.spin else "-"),
    ("spin s", lambda row: f"{row.spin.seconds:.3f}" if row.spin else "-"),
    ("spin/cold", _get_lead),
)


def print_lines(lines: list[list[str]]) -> None:
    """Print a table; the first line names the columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        print("  ".join(cell.rjust(width) for cell, width in cells))


def print_table(rows: list[Row]) -> None:
    """Print one line a row, under the names of the columns."""
    head = [name for name, _ in _COLUMNS]
    print_lines([head, *([show(row) for _, show in _COLUMNS] for row in rows)])


def print_goals(rows: list[Row]) -> None:
    """Print what became of the goals for one core, as ratios."""
    for row in rows:
        if row.spin is not None and row.simulator.states <= SPIN_GOAL:
            print(
                f"{row.interrupts} interrupts: the answer comes "
                f"{_get_lead(row)} times as fast as Spin's"
            )
    rate = max(_get_rate(row.simulator) for row in rows)
    share = max(map(_get_share, rows))
    print(
        f"best rate {rate:,.0f} transitions/s, {rate / RATE_GOAL:.1f} times "
        f"the goal; {share:.2f} of the bare loop, goal {SHARE_GOAL}; "
        f"{max(map(_get_unicorn_lead, rows)):.1f} times Unicorn, goal "
        f"{UNICORN_GOAL}"
    )


def run_on_all_cores(pool: Executor, interrupts: int, cores: int) -> Count:
    """Explore the same question on each core at once."""
    start = time.perf_counter()
    counts = list(pool.map(run_simulator, [interrupts] * cores))
    return Count(
        sum(count.states for count in counts),
        sum(count.transitions for count in counts),
        time.perf_counter() - start,
    )


def measure_state(interrupts: int) -> float:
    """Return the bytes that each state of a finished search takes."""
    text = SCENARIO.format(interrupts=interrupts, question=QUESTION)
    scenario = parse_scenario(text, slug=SLUG)
    host = build_platform("native", {})
    tracemalloc.start()
    search = Search(
        host, build_initial(scenario, scenario.start, host), scenario.events
    )
    search.run(LIMITS, time.monotonic() + LIMITS.seconds, None)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / len(search.keys)


def print_cores(pool: Executor, interrupts: int, cores: int) -> None:
    """Print the rate of all cores together, and the memory of a state."""
    count = run_on_all_cores(pool, interrupts, cores)
    print(
        f"{cores} cores together: {_get_rate(count):,.0f} transitions/s; "
        f"{measure_state(interrupts):.0f} bytes a state, goal {MEMORY_GOAL}"
    )


def _show_seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f}"


def print_corpus(pool: Executor, slugs: list[str], cores: int) -> None:
    """Print the questions of the corpus, and how long all of them take."""
    answered = list(pool.map(corpus.answer, slugs))
    head = ["question", "states", "transitions", "seconds", "all platforms"]
    lines = [[*head, "spin s"]]
    lines += [
        [
            one.slug,
            f"{one.states:,}",
            f"{one.transitions:,}",
            f"{one.own_seconds:.3f}",
            f"{one.all_seconds:.3f}",
            _show_seconds(corpus.ask_spin(one.slug)),
        ]
        for one in answered
    ]
    print_lines(lines)
    taken = corpus.answer_all(pool, slugs)
    print(
        f"{len(slugs)} questions on all platforms, {cores} cores: "
        f"{taken:.1f} s, goal {CORPUS_GOAL:g}"
    )


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="small sizes")
    parser.add_argument("--once", type=int, help="one search, no table")
    arguments = parser.parse_args()
    if arguments.once is not None:
        print(run_simulator(arguments.once))
        return
    missing = spin.get_missing_package()
    if missing is not None:
        print(f"{missing} is not installed: apt-get install {missing}")
    sizes = SHORT_SIZES if arguments.short else SIZES
    rounds = 1 if arguments.short else ROUNDS
    rows = [measure(size, rounds, missing is None) for size in sizes]
    print_table(rows)
    print_goals(rows)
    cores = os.cpu_count() or 1
    slugs = corpus.list_slugs()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context) as pool:
        list(pool.map(run_simulator, [1] * cores))
        print_cores(pool, sizes[-1], cores)
        print_corpus(
            pool, list(corpus.MODELS) if arguments.short else slugs, cores
        )


if __name__ == "__main__":
    main()

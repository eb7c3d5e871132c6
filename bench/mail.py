"""Mail: import, alignment, pages and search, beside two other programs.

    python bench/mail.py [--short] [--sizes 1000,10000]

Made-up mail (`mail_generator`) goes into vmi-review, public-inbox (format 2,
indexed as it is imported) and notmuch (a Maildir, filled before), in turns,
each time into an empty store. A row holds the best of the rounds: mails a
second, processor seconds, the memory of the largest process, and the store's
size beside the mbox. Quotes are aligned after an import, with a row of their
own. Then pages of vmi-review and public-inbox are asked for by turns, one
connection, no packing: a mail, conversations of 50, 100 and 200 mails, the
list, and a search for a rare and a common word, latest first and ranked.
`fresh` is vmi-review without its kept pages: each answer is made anew, as the
first one after a write; `kept` is as it is used. Only ratios of one run
count, for the speed of a shared machine drifts: of time, the best round's,
and of processor time, which drifts least; beside them stands what is aimed
at. Without the other programs their rows are left out.
"""

import argparse
import http.client
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import mail_generator, mail_programs  # noqa: E402
from bench.mail_generator import COMMON, RARE, SIZES, get_root_id  # noqa: E402
from bench.mail_programs import (  # noqa: E402
    Imported,
    Notmuch,
    PublicInbox,
    Review,
    Served,
    read_peak,
)
from bench.pages import read_cpu  # noqa: E402

MEBIBYTE = 1024 * 1024
MILLI = 1e3
TICK = 1e-5  # what is less than the clock can tell
ENOUGH = 5
"""Answers that a round gives at least, however long they take."""


class Asked(NamedTuple):
    """A page: what it is called, its kind, and what its address names."""

    name: str
    kind: str
    id: str = ""
    word: str = ""


PAGES = (
    Asked("mail", "message", get_root_id(SIZES[0])),
    *(Asked(f"thread of {n}", "thread", get_root_id(n)) for n in SIZES),
    Asked("list", "list"),
    Asked("rare, newest", "newest", word=RARE),
    Asked("common, newest", "newest", word=COMMON),
    Asked("rare, ranked", "ranked", word=RARE),
    Asked("common, ranked", "ranked", word=COMMON),
)
AIMS = {
    "thread of 100": ("kept", 40.0),
    "thread of 100 fresh": ("fresh", 10.0),
    "rare, newest": ("fresh", 5.0),
    "common, newest": ("fresh", 5.0),
    "rare, ranked": ("fresh", 2.0),
    "common, ranked": ("fresh", 2.0),
}


@dataclass(slots=True)
class Figures:
    """What a server took for a page, over all rounds."""

    waits: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    middles: list[float] = field(default_factory=list)
    size: int = 0

    @property
    def p50(self) -> float:
        """Return what half of the answers took at most, of the best round."""
        return min(self.middles) * MILLI

    @property
    def p99(self) -> float:
        """Return what 99 in 100 answers took at most, in milliseconds."""
        ordered = sorted(self.waits)
        return ordered[math.ceil(len(ordered) * 0.99) - 1] * MILLI


def ask(served: Served, asked: Asked, seconds: float, into: Figures) -> None:
    """Ask for a page again and again, on one connection."""
    path = served.pages[asked.kind].format(id=asked.id, word=asked.word)
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    get(connection, path)  # what is loaded once is loaded now
    waits: list[float] = []
    used, began = read_cpu(served.process), time.perf_counter()
    while len(waits) < ENOUGH or time.perf_counter() - began < seconds:
        asked_at = time.perf_counter()
        into.size = get(connection, path)
        waits.append(time.perf_counter() - asked_at)
    took = time.perf_counter() - began
    into.cpu.append((read_cpu(served.process) - used) / len(waits))
    into.rates.append(len(waits) / took)
    into.waits += waits
    into.middles.append(statistics.median(waits))
    connection.close()


def get(connection: http.client.HTTPConnection, path: str) -> int:
    """Return the length of an answer that has to be good."""
    connection.request("GET", path, headers={"Accept": "text/html"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    return len(body)


def import_by_turns(
    programs: Mapping[str, Callable[[int], Imported]], rounds: int
) -> dict[str, list[Imported]]:
    """Import with each program, round by round."""
    done: dict[str, list[Imported]] = {name: [] for name in programs}
    for number in range(rounds):
        for name, load in programs.items():
            done[name].append(load(number))
    return done


def get_best(done: Sequence[Imported]) -> Imported:
    """Return the best of each figure."""
    return Imported(*(min(figures) for figures in zip(*done, strict=True)))


def print_imports(
    count: int, size: int, done: Mapping[str, Sequence[Imported]]
) -> None:
    """Print a row for each program, and how vmi-review compares."""
    print(f"\n{count:,} mails, an mbox of {size / MEBIBYTE:.1f} MiB")
    print(
        f"{'import':<16}{'mails/s':>9}{'CPU s':>8}{'MiB':>7}"
        f"{'store/mbox':>12}{'ratio':>8}{'of CPU':>8}{'aim':>6}"
    )
    ours = get_best(done[Review.name])
    aims = {PublicInbox.name: 8, Notmuch.name: 4}
    for name, each in done.items():
        best = get_best(each)
        # of the same round, for the machine's speed drifts
        ratios = [
            other.seconds / mine.seconds
            for other, mine in zip(each, done[Review.name], strict=False)
        ]
        row = (
            f"{name:<16}{count / best.seconds:>9.0f}{best.cpu:>8.1f}"
            f"{best.megabytes:>7.0f}{best.store / size:>12.2f}"
        )
        if name in aims:
            row += (
                f"{max(ratios):>7.1f}x{best.cpu / ours.cpu:>7.1f}x"
                f"{aims[name]:>5}x"
            )
        print(row)
    print(
        f"store: {ours.store / size:.2f} of the mbox, aim 2.50; "
        f"memory: {ours.megabytes:.0f} MiB"
    )


def serve_by_turns(
    servers: Mapping[str, Served], seconds: float, rounds: int
) -> dict[str, dict[str, Figures]]:
    """Ask each server for each page, round by round."""
    table = {
        asked.name: {name: Figures() for name in servers} for asked in PAGES
    }
    for _ in range(rounds):
        for asked in PAGES:
            for name, served in servers.items():
                ask(served, asked, seconds, table[asked.name][name])
    return table


def print_pages(table: Mapping[str, Mapping[str, Figures]]) -> None:
    """Print what each server took, and how vmi-review compares."""
    print(
        f"\n{'page':<16}{'':<13}{'p50 ms':>8}{'p99 ms':>9}{'CPU ms':>8}"
        f"{'req/s':>8}{'KiB':>6}{'ratio':>9}{'of CPU':>9}{'aim':>6}"
    )
    for page, row in table.items():
        other = row.get(PublicInbox.name)
        for name, figures in row.items():
            line = (
                f"{page if name == 'kept' else '':<16}{name:<13}"
                f"{figures.p50:>8.2f}{figures.p99:>9.2f}"
                f"{min(figures.cpu) * MILLI:>8.2f}{max(figures.rates):>8.0f}"
                f"{figures.size // 1024:>6}"
            )
            if other is not None and figures is not other:
                ratio = max(
                    theirs / mine
                    for theirs, mine in zip(
                        other.middles, figures.middles, strict=True
                    )
                )
                cpu = min(other.cpu) / max(min(figures.cpu), TICK)
                line += f"{ratio:>8.1f}x{cpu:>8.1f}x{get_aim(page, name):>6}"
            print(line)


def get_aim(page: str, name: str) -> str:
    """Return how many times sooner an answer is wanted, if it is said."""
    aims = [
        aim
        for place, (which, aim) in AIMS.items()
        if which == name and place in {page, f"{page} {name}"}
    ]
    return f"{aims[0]:.0f}x" if aims else ""


def compare(
    count: int, *, rounds: int, turns: int, seconds: float, others: bool
) -> None:
    """Import as many mails, ask for their pages, and print both tables."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        mbox = folder / "mails.mbox"
        mail_generator.write(count, mbox)
        review = Review(folder / "review")
        inbox = PublicInbox(folder / "inbox")
        notmuch = Notmuch(folder / "notmuch")
        programs: dict[str, Callable[[int], Imported]] = {
            review.name: lambda number: review.load(mbox, number)
        }
        if others:
            programs[inbox.name] = lambda number: inbox.load(mbox, number)
            programs[notmuch.name] = lambda number: notmuch.load(count, number)
        done = import_by_turns(programs, rounds)
        print_imports(count, mbox.stat().st_size, done)
        aligned = review.align(0)
        print(
            f"alignment: {count / aligned.seconds:.0f} mails/s, "
            f"{aligned.cpu:.1f} s of CPU, {aligned.megabytes:.0f} MiB, "
            f"{aligned.store / MEBIBYTE:.1f} MiB more stored",
            flush=True,
        )
        servers = {
            "kept": stack.enter_context(review.serve(0, cache=2000)),
            "fresh": stack.enter_context(review.serve(0, cache=0)),
        }
        if others:
            servers[inbox.name] = stack.enter_context(inbox.serve(0))
        print_pages(serve_by_turns(servers, seconds, turns))
        peaks = [f"{n} {read_peak(s.process):.0f}" for n, s in servers.items()]
        print(f"memory of the servers, MiB: {', '.join(peaks)}", flush=True)


def read_sizes(text: str) -> list[int]:
    """Return the numbers of mails that were asked for."""
    sizes = [int(size) for size in text.split(",")]
    if min(sizes) < mail_generator.SIZES_FROM:
        raise ValueError(text)
    return sizes


def main() -> int:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="for CI")
    parser.add_argument(
        "--sizes",
        type=read_sizes,
        default="1000,10000",
        help="numbers of mails, 1000 or more each",
    )
    arguments = parser.parse_args()
    sizes: list[int] = arguments.sizes
    missing = mail_programs.find_missing()
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    for size in sizes[:1] if arguments.short else sizes:
        compare(
            size,
            rounds=1 if arguments.short else 3,
            turns=1 if arguments.short else 5,
            seconds=0.1 if arguments.short else 1.0,
            others=not missing,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The annotation API beside Isso and beside bare inserts into SQLite.

    python bench/api.py [--short] [--install]

vmi-review and Isso (from PyPI, in an environment of its own, which
`--install` makes) run at once, each over a database of its own with
synchronous=FULL, which is what both come with: an answer means that the disk
has it. They are loaded by turns with 8 connections: replies are posted to 20
threads, then 100 of them are read as JSON. A reply to vmi-review is checked,
stored, indexed for search, entered in the hash-chained log and told to
streams before it is answered. Between them the same rows are put into a copy
of the same tables by nothing but SQLite. Only ratios of one run count, for
the speed of a shared machine drifts: each is the median of the rounds.
The first rows tell what of a POST's CPU is spent on any request, on who asks,
and on a document that is refused before it reaches the database.
`fresh` is vmi-review without its kept pages, as after a write. Without Isso
its rows are left out.
"""

import argparse
import itertools
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import isso  # noqa: E402
from bench.api_rows import Inserts  # noqa: E402
from bench.http_load import (  # noqa: E402
    Load,
    ask_once,
    build,
    press,
)
from bench.pages import READY, UNLIMITED, sign_in, start  # noqa: E402

CLI = ["-c", "from app.cli import main; main()"]
CONTAINER = "/annotations/vmi/"
TAG = re.compile(rb"\r\netag: *(\S+)\r\n", re.IGNORECASE)
THREADS = 20
READ = 100
MILLI = 1e3
TEXT = (
    "The pair of instructions is atomic on the processor, so the call that "
    "stands for it has to be. **What if** an interrupt arrives between the "
    "two? Then the loop sleeps though `work` is pending, reply {number}."
)
ALIVE, KNOWN, REFUSED = "alive", "alive, signed in", "POST, refused"
POST, PAGE, PAGE_TAG = "POST", "100 as JSON", "100, If-None-Match"
ONE, ONE_TAG = "one", "one, If-None-Match"
AIMS = {
    (POST, "isso"): ("≥", 6.0),
    (POST, "inserts"): ("≥", 0.3),
    (PAGE, "isso"): ("≥", 20.0),
}


@dataclass(slots=True)
class Row:
    """One thing that is asked for, and who is asked."""

    name: str
    loads: dict[str, Load] = field(default_factory=dict)


class Review:
    """A running vmi-review and the requests that it is sent."""

    def __init__(
        self, port: int, process: int, headers: Mapping[str, str]
    ) -> None:
        self.port = port
        self.process = process
        self.headers = headers
        self.threads = self._list_threads()

    def _list_threads(self) -> Sequence[str]:
        _, body = ask_once(
            self.port, build("GET", f"/api/threads?limit={THREADS}")
        )
        return [item["slug"] for item in json.loads(body)["items"]]

    def list_posts(self) -> Iterator[bytes]:
        """Return replies without end, to one thread after the other."""
        for number in itertools.count():
            slug = self.threads[number % THREADS]
            document = {
                "@context": "http://www.w3.org/ns/anno.jsonld",
                "type": "Annotation",
                "motivation": "replying",
                "body": {
                    "type": "TextualBody",
                    "value": TEXT.format(number=number),
                    "format": "text/markdown",
                },
                "target": f"/threads/{slug}",
            }
            yield build(
                "POST",
                CONTAINER,
                json.dumps(document).encode(),
                Content_Type="application/ld+json",
                **self.headers,
            )

    def make_parts(self) -> list["Row"]:
        """Return the loads of requests that go part of a reply's way."""
        bad = build(
            "POST",
            CONTAINER,
            b"{",
            Content_Type="application/ld+json",
            **self.headers,
        )
        return [
            Row(name, {"review": self._make_load(request, status)})
            for name, request, status in (
                (ALIVE, build("GET", "/healthz"), 200),
                (KNOWN, build("GET", "/healthz", b"", **self.headers), 200),
                (REFUSED, bad, 400),
            )
        ]

    def _make_load(self, request: bytes, status: int) -> Load:
        return Load(
            self.port, self.process, lambda: itertools.repeat(request), status
        )

    def fill(self) -> None:
        """Post as many as a page has."""
        posts = self.list_posts()
        for _ in range(READ):
            head, body = ask_once(self.port, next(posts))
            if b" 201 " not in head.partition(b"\r\n")[0]:
                raise RuntimeError((head + body).decode())

    def find_page(self) -> tuple[str, str]:
        """Return the paths of the first page and of one annotation."""
        _, body = ask_once(self.port, build("GET", CONTAINER))
        first = _get_path(json.loads(body)["first"])
        _, body = ask_once(self.port, build("GET", first))
        items = json.loads(body)["items"]
        if len(items) != READ:
            raise RuntimeError(f"{len(items)} annotations on a page")
        return first, _get_path(items[0]["id"])

    def make_get(self, path: str) -> Load:
        """Return the load of asking for one address again and again."""
        return self._make_load(build("GET", path), 200)

    def make_tagged(self, path: str) -> Load:
        """Return the same for who has the answer already."""

        def begin() -> Iterator[bytes]:
            head, _ = ask_once(self.port, build("GET", path))
            tag = TAG.search(head)
            known = tag[1].decode() if tag else ""
            return itertools.repeat(build("GET", path, If_None_Match=known))

        return Load(self.port, self.process, begin, 304)


def _get_path(address: str) -> str:
    return "/" + address.split("/", 3)[3]


def list_comments() -> Iterator[bytes]:
    """Return comments for Isso without end, to one page after the other."""
    for number in itertools.count():
        comment = {
            "text": TEXT.format(number=number),
            "author": "ada",
            "title": "A thread",
        }
        yield build(
            "POST",
            f"/new?uri=%2Fthreads%2F{number % THREADS}%2F",
            json.dumps(comment).encode(),
            Content_Type="application/json",
            Origin=isso.SITE,
        )


def fill_isso(served: isso.Served) -> Load:
    """Post as many comments to one page as are read; return that load."""
    path = "%2Fread%2F"
    for request in itertools.islice(list_comments(), READ):
        target = request.split(b" ", 2)[1]
        own = request.replace(target, f"/new?uri={path}".encode(), 1)
        ask_once(served.port, own)
    request = build("GET", f"/?uri={path}")
    _, body = ask_once(served.port, request)
    found = len(json.loads(body)["replies"])
    if found != READ:
        raise RuntimeError(f"{found} comments on a page")
    return Load(
        served.port, served.process, lambda: itertools.repeat(request), 200
    )


def build_table(
    review: Review, fresh: Review, other: isso.Served | None
) -> list[Row]:
    """Return what is asked for of whom."""
    review.fill()
    page, one = review.find_page()
    replies = review.list_posts()
    posts = Load(review.port, review.process, lambda: replies, 201)
    reply = Row(POST, {"review": posts})
    read = Row(
        PAGE, {"review": review.make_get(page), "fresh": fresh.make_get(page)}
    )
    table = [
        *review.make_parts(),
        reply,
        read,
        Row(PAGE_TAG, {"review": review.make_tagged(page)}),
        Row(
            ONE,
            {"review": review.make_get(one), "fresh": fresh.make_get(one)},
        ),
        Row(ONE_TAG, {"review": review.make_tagged(one)}),
    ]
    if other is not None:
        comments = list_comments()
        reply.loads["isso"] = Load(
            other.port, other.process, lambda: comments, 201
        )
        read.loads["isso"] = fill_isso(other)
    return table


def compare(seconds: float, rounds: int) -> tuple[list[Row], Inserts]:
    """Start the servers and load them by turns."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        data = ["serve", "--port", "0", "--data-dir", name, *UNLIMITED]
        server, port, printed = stack.enter_context(
            start([*CLI, *data], READY)
        )
        headers = {
            "Cookie": sign_in(port, printed).removeprefix("Cookie: "),
            "Sec_Fetch_Site": "same-origin",
        }
        review = Review(port, server.pid, headers)
        bare, bare_port, _ = stack.enter_context(
            start([*CLI, *data, "--page-cache", "0"], READY)
        )
        other = None
        if isso.is_installed():
            other = stack.enter_context(isso.serve(folder))
        table = build_table(
            review, Review(bare_port, bare.pid, headers), other
        )
        inserts = stack.enter_context(
            Inserts(folder / "review.db", folder / "copy.db")
        )
        for _ in range(rounds):
            for row in table:
                for load in row.loads.values():
                    press(load, seconds)
                if row.name == POST:
                    inserts.press(seconds)
        return table, inserts


def print_table(table: Sequence[Row], inserts: Inserts) -> bool:
    """Print the figures; tell whether each ratio is at its aim."""
    print(
        f"{'':<20}{'':<9}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}"
        f"{'CPU us':>8}{'ratio':>9}{'of CPU':>8}{'aim':>8}"
    )
    reached = True
    for row in table:
        mine = row.loads["review"]
        for name, load in row.loads.items():
            waits = sorted(load.waits)
            line = (
                f"{row.name if load is mine else '':<20}{name:<9}"
                f"{statistics.median(load.rates):>8.0f}"
                f"{statistics.median(waits) * MILLI:>8.2f}"
                f"{waits[int(len(waits) * 0.99)] * MILLI:>8.2f}"
                f"{statistics.median(load.cpu) * 1e6:>8.0f}"
            )
            if load is not mine:
                cpu = statistics.median(load.cpu)
                own = statistics.median(mine.cpu)
                line += print_ratio(mine.rates, load.rates)
                line += f"{cpu / own if own else 0:>7.1f}x"
                line += print_aim(row.name, name)
                reached = reached and is_reached(
                    row.name, name, mine.rates, load.rates
                )
            print(line)
        if row.name == POST:
            rates = inserts.rates
            print(
                f"{'':<20}{'inserts':<9}{statistics.median(rates):>8.0f}"
                f"{'':>24}{print_ratio(mine.rates, rates)}"
                f"{'':>8}{print_aim(POST, 'inserts')}"
            )
            reached = reached and is_reached(
                POST, "inserts", mine.rates, rates
            )
    print(f"aims: {'reached' if reached else 'missed'}")
    return reached


def get_ratio(mine: Sequence[float], others: Sequence[float]) -> float:
    """Return how many times as many are answered, of the same rounds."""
    return statistics.median(a / b for a, b in zip(mine, others, strict=True))


def print_ratio(mine: Sequence[float], others: Sequence[float]) -> str:
    """Return the ratio as it is printed."""
    return f"{get_ratio(mine, others):>8.2f}x"


def print_aim(row: str, name: str) -> str:
    """Return what is aimed at, if anything is."""
    aim = AIMS.get((row, name))
    return f"{aim[0]} {aim[1]:g}x".rjust(8) if aim else ""


def is_reached(
    row: str, name: str, mine: Sequence[float], others: Sequence[float]
) -> bool:
    """Tell whether a ratio is where it should be."""
    aim = AIMS.get((row, name))
    return aim is None or get_ratio(mine, others) >= aim[1]


def main() -> int:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="for CI")
    parser.add_argument(
        "--install", action="store_true", help="install Isso, and end"
    )
    arguments = parser.parse_args()
    if arguments.install:
        if not isso.is_installed():
            isso.install()
        return 0
    if not isso.is_installed():
        print("not installed, left out: isso (see --install)")
    short = arguments.short
    reached = print_table(*compare(0.4 if short else 2.0, 1 if short else 5))
    return 0 if reached or short else 1


if __name__ == "__main__":
    sys.exit(main())

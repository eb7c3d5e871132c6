"""Pages beside a bare uvicorn route that returns as many bytes.

Both servers run at once, and rounds of load on the one and the other take
turns, for the machine's speed drifts; only the ratios of one run count. Each
connection sends a request when the answer to its last has come.

    python bench/pages.py [--short]
"""

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 8
PAGES = (
    "/calls/",
    "/calls/VMI_EnableInterrupts",
    "/threads/kleen-sti-pairs-belong-in-spec",
    "/api/calls",
)
GOALS = {"readers": 0.20, "signed in": 0.10}
UNLIMITED = ("--limit-reads", "", "--limit-writes", "")
READY = re.compile(r"ready at http://127\.0\.0\.1:(\d+)/")
LINK = re.compile(r"/sign-in/(\S+)")
STARTED = re.compile(r"on http://127\.0\.0\.1:(\d+)")
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
OK = b"HTTP/1.1 200 "
SECOND = 1e3


@dataclass
class Target:
    """A server's answer to load: what is sent, and what came of it."""

    port: int
    request: bytes
    process: int
    rates: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """Return what 99 in 100 answers took at most, in milliseconds."""
        ordered = sorted(self.waits)
        return ordered[int(len(ordered) * 0.99)] * SECOND


class Client(asyncio.Protocol):
    """One connection that asks again and again until `end`."""

    def __init__(self, target: Target, length: int, end: float) -> None:
        self.target = target
        self.length = length
        self.end = end
        self.got = 0
        self.asked = 0.0
        self.done = 0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
        """Send the first request."""
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.got = 0
        self.asked = time.perf_counter()
        self.transport.write(self.target.request)

    def data_received(self, data: bytes) -> None:
        """Count the answer's bytes; ask again when all have come."""
        if not self.got and not data.startswith(OK):
            self.closed.set_exception(RuntimeError(data[:200].decode()))
            self.transport.close()
            return
        self.got += len(data)
        if self.got < self.length:
            return
        now = time.perf_counter()
        self.target.waits.append(now - self.asked)
        self.done += 1
        if now < self.end:
            self._ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell that the connection is over."""
        if not self.closed.done():
            self.closed.set_result(error)


async def press(target: Target, seconds: float) -> None:
    """Load a server for a while and note what it did."""
    length = await measure(target)
    loop = asyncio.get_running_loop()
    used, began = read_cpu(target.process), time.perf_counter()
    clients: list[Client] = []
    for _ in range(CONNECTIONS):
        _, client = await loop.create_connection(
            lambda: Client(target, length, began + seconds),
            "127.0.0.1",
            target.port,
        )
        clients.append(client)
    await asyncio.gather(*(client.closed for client in clients))
    took = time.perf_counter() - began
    done = sum(client.done for client in clients)
    target.rates.append(done / took)
    target.cpu.append((read_cpu(target.process) - used) / done)


async def measure(target: Target) -> int:
    """Return how many bytes the whole answer has, headers included."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    for _ in range(3):
        writer.write(target.request)
        head = await reader.readuntil(b"\r\n\r\n")
        found = LENGTH.search(head)
        if not head.startswith(OK) or found is None:
            raise RuntimeError(head.decode())
        body = await reader.readexactly(int(found[1]))
    writer.close()
    await writer.wait_closed()
    return len(head) + len(body)


def read_cpu(process: int) -> float:
    """Return the seconds of processor that a process has used."""
    text = Path(f"/proc/{process}/stat").read_text()
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def build_request(path: str, *headers: str) -> bytes:
    """Return a request as a browser would send it."""
    accept = "application/json" if path.startswith("/api") else "text/html"
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Accept: {accept}"]
    lines += ["Accept-Encoding: gzip, deflate", *headers, "", ""]
    return "\r\n".join(lines).encode()


@contextmanager
def start(
    command: Sequence[str], ready: re.Pattern[str]
) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """Start a server; give it with its port and what it printed."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = ""
    try:
        while not (found := ready.search(printed)):
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"the server ended: {printed}")
            printed += line
        if ready is READY and process.stdout:
            printed += process.stdout.readline()
        yield process, int(found[1]), printed
    finally:
        process.terminate()
        process.communicate(timeout=10)


def sign_in(port: int, printed: str) -> str:
    """Use the administrator's link; return the session's cookie."""
    link = LINK.search(printed)
    if link is None:
        raise RuntimeError(f"no sign-in link: {printed}")

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    address = f"http://127.0.0.1:{port}/sign-in/{link[1]}"
    opener = urllib.request.build_opener(Stay)
    try:
        opener.open(urllib.request.Request(address, data=b""))
    except urllib.request.HTTPError as answer:
        cookie: str = answer.headers["Set-Cookie"]
        return f"Cookie: {cookie.partition(';')[0]}"
    raise RuntimeError("the link did not sign in")


def compare(seconds: float, rounds: int) -> dict[str, dict[str, Target]]:
    """Load both servers by turns; return the targets of each page."""
    cli = "from app.cli import main; main()"
    with tempfile.TemporaryDirectory() as folder:
        data = ["serve", "--port", "0", "--data-dir", folder, *UNLIMITED]
        review = ["-c", cli, *data]
        bare = [str(Path(__file__)), "--bare"]
        with (
            start(review, READY) as (server, port, printed),
            start(bare, STARTED) as (other, bare_port, _),
        ):
            cookie = sign_in(port, printed)
            table = {}
            for page in PAGES:
                targets = {
                    "readers": Target(port, build_request(page), server.pid),
                    "signed in": Target(
                        port, build_request(page, cookie), server.pid
                    ),
                }
                length = uvloop.run(measure(targets["readers"]))
                targets["bare"] = Target(
                    bare_port, build_request(f"/{length}"), other.pid
                )
                table[page] = targets
            for _ in range(rounds):
                for targets in table.values():
                    for target in targets.values():
                        uvloop.run(press(target, seconds))
            return table


def print_table(table: dict[str, dict[str, Target]]) -> bool:
    """Print the figures; tell whether each ratio is at its goal."""
    print(
        f"{'page':<42}{'':>11}{'req/s':>8}{'ratio':>8}{'p99 ms':>8}"
        f"{'CPU us':>8}{'ratio':>8}"
    )
    reached = True
    for page, targets in table.items():
        bare = targets["bare"]
        for name in ("bare", "readers", "signed in"):
            target = targets[name]
            ratio = statistics.median(
                mine / other
                for mine, other in zip(target.rates, bare.rates, strict=True)
            )
            work = statistics.median(target.cpu)
            cpu = statistics.median(bare.cpu) / work if work else 1.0
            reached = reached and ratio >= GOALS.get(name, 0)
            print(
                f"{page if name == 'bare' else '':<42}{name:>11}"
                f"{statistics.median(target.rates):>8.0f}{ratio:>8.2f}"
                f"{target.p99:>8.2f}{work * 1e6:>8.0f}{cpu:>8.2f}"
            )
    print(
        f"goals: readers 0.20, signed in 0.10: "
        f"{'reached' if reached else 'missed'}"
    )
    return reached


async def answer_bare(scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """Answer with as many bytes as the path says."""
    body = b"x" * int(scope["path"][1:] or 0)
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send(
        {"type": "http.response.start", "status": 200, "headers": headers}
    )
    await send({"type": "http.response.body", "body": body})


def main() -> int:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="for CI")
    parser.add_argument("--bare", action="store_true", help="serve bytes")
    arguments = parser.parse_args()
    if arguments.bare:
        uvicorn.run(answer_bare, port=0, access_log=False, lifespan="off")
        return 0
    short = arguments.short
    reached = print_table(compare(0.2 if short else 1.0, 1 if short else 7))
    return 0 if reached or short else 1


if __name__ == "__main__":
    sys.exit(main())

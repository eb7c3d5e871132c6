"""Load by a few connections: each sends when its last answer has come.

A server that closes after each answer is connected to anew, as its clients
have to.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import uvloop

from bench.pages import read_cpu

CONNECTIONS = 8
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
EMPTY = (b" 304 ", b" 204 ")
HEAD_MOST = 64 * 1024


@dataclass(slots=True)
class Load:
    """What is sent to a server, and what came of it, round by round.

    `begin` returns what is sent in a round, without end; `status` is what
    each answer has to be.
    """

    port: int
    process: int
    begin: Callable[[], Iterator[bytes]]
    status: int
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


class _Connection:
    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: (
            tuple[asyncio.StreamReader, asyncio.StreamWriter] | None
        ) = None

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request; return the head and the body of its answer."""
        if self.streams is None:
            self.streams = await asyncio.open_connection(
                "127.0.0.1", self.port, limit=HEAD_MOST
            )
        reader, writer = self.streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        body = b""
        if length is not None:
            body = await reader.readexactly(int(length[1]))
        elif not any(code in head.partition(b"\r\n")[0] for code in EMPTY):
            body = await reader.read()
            self.close()
        if CLOSE.search(head) or head.startswith(b"HTTP/1.0"):
            self.close()
        return head, body

    def close(self) -> None:
        """Let the server go."""
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


async def _press(
    load: Load, requests: Iterator[bytes], seconds: float
) -> None:
    used, began = read_cpu(load.process), time.perf_counter()
    end = began + seconds
    expected = b" %d " % load.status

    async def work() -> int:
        connection, done = _Connection(load.port), 0
        while time.perf_counter() < end:
            asked = time.perf_counter()
            head, body = await connection.ask(next(requests))
            load.waits.append(time.perf_counter() - asked)
            if expected not in head.partition(b"\r\n")[0]:
                raise RuntimeError((head + body[:500]).decode())
            done += 1
        connection.close()
        return done

    done = sum(await asyncio.gather(*(work() for _ in range(CONNECTIONS))))
    load.rates.append(done / (time.perf_counter() - began))
    load.cpu.append((read_cpu(load.process) - used) / done)


def press(load: Load, seconds: float) -> None:
    """Load a server for a while and note what it did."""
    uvloop.run(_press(load, load.begin(), seconds))


def ask_once(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Return the head and the body of one answer."""

    async def ask() -> tuple[bytes, bytes]:
        connection = _Connection(port)
        answer = await connection.ask(request)
        connection.close()
        return answer

    return uvloop.run(ask())


def build(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """Return a request; names of headers are written with `_`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body

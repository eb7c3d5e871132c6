"""What a connection may take before its request is known."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import anyio
import pytest
from fastapi import FastAPI, Request

from app.commands.connections import HEAD_MOST, Connection
from tests.live_server import serve_app

FIRST = b"GET / HTTP/1.1\r\nHost: here\r\n"
PATIENCE = 10.0


class Hasty(Connection):
    """One that waits less long, so that a test need not."""

    seconds = 0.3


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, int]]:
    """Return where an application listens that counts what it gets."""
    app = FastAPI()

    @app.api_route("/", methods=["GET", "POST"])
    async def count(request: Request) -> int:
        return len(await request.body())

    @app.get("/slow")
    async def wait() -> str:
        await anyio.sleep(3 * Hasty.seconds)
        return "done"

    with serve_app(app, Hasty) as address:
        parts = urlsplit(address)
        yield parts.hostname or "", parts.port or 0


@pytest.fixture
def line(place: tuple[str, int]) -> Iterator[socket.socket]:
    """Return an open connection."""
    with socket.create_connection(place, PATIENCE) as line:
        yield line


def read_all(line: socket.socket) -> bytes:
    """Return what comes until the other side ends it."""
    told = b""
    with suppress(ConnectionResetError):
        while part := line.recv(65536):
            told += part
    return told


def test_a_head_without_end_is_refused(line: socket.socket) -> None:
    with suppress(ConnectionError):
        line.sendall(FIRST)
        for number in range(100):
            line.sendall(b"X%d: " % number + b"x" * (HEAD_MOST // 4) + b"\r\n")
        line.sendall(b"\r\n\r\n")
    assert b" 200 " not in read_all(line)


def test_a_line_of_a_head_without_end_is_refused(line: socket.socket) -> None:
    with suppress(ConnectionError):
        line.sendall(FIRST + b"X: ")
        for _ in range(100):
            line.sendall(b"x" * (HEAD_MOST // 4))
        line.sendall(b"\r\n\r\n")
    assert b" 200 " not in read_all(line)


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"G", FIRST])
def test_who_does_not_go_on_is_given_up(
    line: socket.socket, sent: bytes
) -> None:
    line.sendall(sent)
    assert read_all(line) == b""


def test_who_asks_again_and_does_not_go_on_is_given_up(
    line: socket.socket,
) -> None:
    line.sendall(FIRST + b"\r\n")
    assert b" 200 " in line.recv(65536)
    line.sendall(FIRST)
    assert read_all(line) == b""


def test_a_slow_answer_and_a_long_body_are_waited_for(
    line: socket.socket,
) -> None:
    line.sendall(FIRST.replace(b"/ ", b"/slow ", 1) + b"\r\n")
    assert b"done" in line.recv(65536)
    body = b"x" * (4 * HEAD_MOST)
    head = FIRST.replace(b"GET", b"POST")
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    line.sendall(head + length + body)
    assert read_all(line).endswith(b"%d" % len(body))

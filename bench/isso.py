"""Isso, the comment server that annotations are compared with.

It lives in a virtual environment of its own, made from
`requirements-bench.lock`, and keeps its comments in a folder that is given.
"""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.pages import ROOT

HOME = ROOT / ".venv-bench"
PROGRAM = HOME / "bin" / "isso"
LOCK = ROOT / "requirements-bench.lock"
STAMP = HOME / "installed.lock"
SITE = "http://127.0.0.1:9"
PATIENCE = 60.0
SETTINGS = """[general]
dbpath = {folder}/comments.db
host = {site}/
[server]
listen = http://127.0.0.1:{port}
[guard]
enabled = false
"""
"""Its defaults, but for the limit of comments a minute."""


class Served(NamedTuple):
    """A running server."""

    port: int
    process: int


def is_installed() -> bool:
    """Tell whether it is there as the lock has it."""
    return (
        PROGRAM.exists()
        and STAMP.exists()
        and STAMP.read_bytes() == LOCK.read_bytes()
    )


def install() -> None:
    """Make its environment anew from the lock."""
    uv = Path(sys.executable).parent / "uv"
    shutil.rmtree(HOME, ignore_errors=True)
    subprocess.run(
        [str(uv), "venv", "--quiet", "--python", sys.executable, str(HOME)],
        check=True,
    )
    subprocess.run(
        [
            *(str(uv), "pip", "install", "--quiet", "--require-hashes"),
            *("--python", str(HOME / "bin" / "python"), "-r", str(LOCK)),
        ],
        check=True,
    )
    shutil.copyfile(LOCK, STAMP)


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """Run it on a free port, without a comment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = folder / "isso.cfg"
    settings.write_text(SETTINGS.format(folder=folder, site=SITE, port=port))
    with (folder / "isso.log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAM), "-c", str(settings), "run"],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, port, folder / "isso.log")
        yield Served(port, process.pid)
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(log.read_text())

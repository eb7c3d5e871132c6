"""The programs that keep mail: how each imports an mbox and serves it.

Each has a home of its own in a folder that is given, and takes a free port of
this machine; nothing else is read or asked.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.mail_generator import generate
from bench.pages import ROOT

CLI = [sys.executable, "-c", "from app.cli import main; main()"]
NEEDED = ("public-inbox-init", "public-inbox-httpd", "notmuch", "perl")
PERL = """my $c = PublicInbox::Config->new;
my $inbox = PublicInbox::InboxWritable->new($c->lookup_name("bench"));
$inbox->import_mbox(\\*STDIN, "mboxrd")"""
READY = re.compile(r"ready at http://127\.0\.0\.1:(\d+)/")
QUIET_SECONDS = 1.0
PATIENCE = 180.0


class Imported(NamedTuple):
    """What an import took: seconds, processor, memory, and its store."""

    seconds: float
    cpu: float
    megabytes: float
    store: int


@dataclass(frozen=True, slots=True)
class Served:
    """A server: its port, its process, the addresses of what is asked."""

    port: int
    process: int
    pages: Mapping[str, str]


def find_missing() -> list[str]:
    """Return which of the other programs are not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]


def make_environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment in which a program finds nothing of ours."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "tmp").mkdir(exist_ok=True)
    kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return {**kept, "HOME": str(home), "TMPDIR": str(home / "tmp"), **more}


def run(
    command: Sequence[str], environment: Mapping[str, str], stdin: Path | None
) -> Imported:
    """Run a program to its end; `store` is not known here."""
    began = time.perf_counter()
    with (stdin or Path(os.devnull)).open("rb") as stream:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=stream,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        told = process.stderr.read() if process.stderr else b""
        # of the process and all that it waited for; memory of the largest
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stderr:
        process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{command[0]}: {told.decode(errors='replace')}")
    return Imported(
        time.perf_counter() - began,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / 1024,
        0,
    )


def add(first: Imported, second: Imported, store: int) -> Imported:
    """Return two steps of an import as one."""
    return Imported(
        first.seconds + second.seconds,
        first.cpu + second.cpu,
        max(first.megabytes, second.megabytes),
        store,
    )


def weigh(folder: Path) -> int:
    """Return the bytes of all files of a folder."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


class Review:
    """vmi-review, its bundled review loaded before."""

    name = "vmi-review"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = folder / "base"
        self.environment = make_environment(folder / "home")
        self.base.mkdir()
        run([*CLI, "load"], self._name(self.base), None)

    def _name(self, folder: Path, **more: str) -> dict[str, str]:
        return {
            **self.environment,
            "VMI_REVIEW_DATA_DIR": str(folder),
            **more,
        }

    def load(self, mbox: Path, number: int) -> Imported:
        """Import an mbox into a fresh copy."""
        folder = self.folder / f"store{number}"
        shutil.copytree(self.base, folder)
        # what is quoted has a row of its own
        command = [*CLI, "import", "--no-align", str(mbox)]
        done = run(command, self._name(folder), None)
        return done._replace(store=weigh(folder) - weigh(self.base))

    def align(self, number: int) -> Imported:
        """Find what the mails of an import quote."""
        folder = self.folder / f"store{number}"
        before = weigh(folder)
        done = run([*CLI, "align"], self._name(folder), None)
        return done._replace(store=weigh(folder) - before)

    @contextmanager
    def serve(self, number: int, *, cache: int) -> Iterator[Served]:
        """Serve an import, keeping so many pages."""
        environment = self._name(
            self.folder / f"store{number}",
            VMI_REVIEW_PAGE_CACHE=str(cache),
            VMI_REVIEW_LIMIT_READS="",
        )
        command = [*CLI, "serve", "--port", "0"]
        with start(command, environment) as process:
            printed = ""
            while not (found := READY.search(printed)):
                line = process.stdout.readline() if process.stdout else b""
                if not line:
                    raise RuntimeError(f"the server ended: {printed}")
                printed += line.decode()
            wait_until_quiet(process.pid)
            yield Served(
                int(found[1]),
                process.pid,
                {
                    "message": "/m/{id}/",
                    "thread": "/m/{id}/t/",
                    "list": "/m/",
                    "newest": "/search?kind=mail&q={word}",
                    "ranked": "/search?kind=mail&order=best&q={word}",
                },
            )


class PublicInbox:
    """public-inbox, format 2, one process to serve."""

    name = "public-inbox"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = make_environment(folder / "home")

    def _name(self, number: int) -> dict[str, str]:
        config = self.folder / f"config{number}"
        return {**self.environment, "PI_CONFIG": str(config)}

    def load(self, mbox: Path, number: int) -> Imported:
        """Import an mbox into a fresh inbox, index and all."""
        inbox = self.folder / f"inbox{number}"
        address = "list@bench.invalid"
        run(
            ["public-inbox-init", "-V2", "bench", str(inbox)]
            + ["http://127.0.0.1/bench", address],
            self._name(number),
            None,
        )
        modules = ["-MPublicInbox::Config", "-MPublicInbox::InboxWritable"]
        first = run(["perl", *modules, "-e", PERL], self._name(number), mbox)
        second = run(
            ["public-inbox-index", str(inbox)], self._name(number), None
        )
        return add(first, second, weigh(inbox))

    @contextmanager
    def serve(self, number: int) -> Iterator[Served]:
        """Serve an inbox."""
        port = find_port()
        listen = f"127.0.0.1:{port}"
        command = ["public-inbox-httpd", "-W0", "-l", listen]
        with start(command, self._name(number)) as process:
            wait_for_port(port)
            yield Served(
                port,
                process.pid,
                {
                    "message": "/bench/{id}/",
                    "thread": "/bench/{id}/t/",
                    "list": "/bench/",
                    "newest": "/bench/?q={word}",
                    "ranked": "/bench/?q={word}&r",
                },
            )


class Notmuch:
    """notmuch, which indexes a Maildir."""

    name = "notmuch"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = make_environment(folder / "home")

    def load(self, count: int, number: int) -> Imported:
        """Index as many mails; the Maildir is filled before."""
        mails = self.folder / f"mail{number}"
        for name in ("cur", "new", "tmp"):
            (mails / name).mkdir(parents=True)
        for place, copy in enumerate(generate(count)):
            (mails / "cur" / f"{place}.bench:2,S").write_bytes(copy.raw)
        config = self.folder / f"config{number}"
        config.write_text(
            f"[database]\npath={mails}\n[user]\nname=a\n"
            "primary_email=a@bench.invalid\n[new]\ntags=new\n"
        )
        done = run(
            ["notmuch", "new", "--quiet"],
            {**self.environment, "NOTMUCH_CONFIG": str(config)},
            None,
        )
        return done._replace(store=weigh(mails))


@contextmanager
def start(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until it is left."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def find_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nobody listens at port {port}")


def wait_until_quiet(process: int) -> None:
    """Wait until what a server begins in the background is done."""
    end = time.monotonic() + PATIENCE
    before = -1.0
    while time.monotonic() < end:
        used = sum(read_ticks(one) for one in list_family(process))
        if used == before:
            return
        before = used
        time.sleep(QUIET_SECONDS)


def list_family(process: int) -> list[int]:
    """Return a process and those that it started."""
    family = [process]
    for parent in family:
        for path in Path(f"/proc/{parent}/task").glob("*/children"):
            family += map(int, path.read_text().split())
    return family


def read_ticks(process: int) -> float:
    """Return the processor's ticks that a process has used."""
    text = Path(f"/proc/{process}/stat").read_text()
    user, system = text.rpartition(")")[2].split()[11:13]
    return int(user) + int(system)


def read_peak(process: int) -> float:
    """Return the most memory that a process has held, in MiB."""
    text = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0

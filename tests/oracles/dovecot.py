"""Dovecot's IMAP server as a function: mailboxes in, threads out.

It runs without a daemon, signed in already, on its standard input, in a folder
of its own, and as nobody where the test runs as root.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

IMAP = Path("/usr/lib/dovecot/imap")
NOBODY = 65534
SECONDS = 300
FAULTS = (b"a NO", b"a BAD")
SETTINGS = """
protocols = imap
mail_location = maildir:{folder}/mails
mail_home = {folder}
base_dir = {folder}/run
state_dir = {folder}/run
log_path = /dev/stderr
ssl = no
first_valid_uid = 0
mail_fsync = never
stats_writer_socket_path =
"""


class Node(NamedTuple):
    """A mail by its number from 1; depth 0 may be one that never came."""

    depth: int
    number: int


class Arrival(NamedTuple):
    """A mail as a mailbox holds it, and when it got there."""

    raw: bytes
    at: datetime


def is_here() -> bool:
    """Tell whether Dovecot's IMAP server is installed."""
    return IMAP.exists()


def thread_mailboxes(
    mailboxes: Sequence[Sequence[Arrival]],
) -> list[list[list[Node]]]:
    """Return what THREAD REFERENCES says of each mailbox, in one session."""
    said = [
        read_threads(line)
        for line in _ask(_list_commands(mailboxes)).split(b"\r\n")
        if line.startswith(b"* THREAD")
    ]
    if len(said) != len(mailboxes):
        raise AssertionError("Dovecot did not answer for every mailbox")
    return said


def _list_commands(
    mailboxes: Sequence[Sequence[Arrival]],
) -> Iterator[bytes]:
    for number, mails in enumerate(mailboxes):
        name = b"box%d" % number
        yield b"a CREATE %s\r\na APPEND %s" % (name, name)
        for mail in mails:
            at = mail.at.strftime('"%d-%b-%Y %H:%M:%S %z"').encode()
            raw = re.sub(rb"\r?\n", b"\r\n", mail.raw)
            yield b" %s {%d+}\r\n%s" % (at, len(raw), raw)
        yield b"\r\n"
        yield b"a EXAMINE %s\r\na THREAD REFERENCES UTF-8 ALL\r\n" % name
    yield b"a LOGOUT\r\n"


def _ask(commands: Iterable[bytes]) -> bytes:
    with _make_folder() as folder:
        settings = folder / "dovecot.conf"
        settings.write_text(SETTINGS.format(folder=folder))
        is_root = os.getuid() == 0  # as whom Dovecot reads no mail
        done = subprocess.run(
            [IMAP],
            input=b"".join(commands),
            env={
                "HOME": str(folder),
                "USER": "oracle",
                "CONFIG_FILE": str(settings),
            },
            capture_output=True,
            timeout=SECONDS,
            check=False,
            user=NOBODY if is_root else None,
            group=NOBODY if is_root else None,
            extra_groups=[] if is_root else None,
        )
    answers = done.stdout.split(b"\r\n")
    faults = [line for line in answers if line.startswith(FAULTS)]
    if done.returncode or faults:
        raise AssertionError(f"Dovecot: {faults[:3]} {done.stderr[-2000:]!r}")
    return done.stdout


@contextmanager
def _make_folder() -> Iterator[Path]:
    # in the system's own place: pytest's is closed to other accounts
    folder = Path(tempfile.mkdtemp(prefix="dovecot"))
    try:
        folder.chmod(0o777)
        yield folder
    finally:
        shutil.rmtree(folder)


def read_threads(line: bytes) -> list[list[Node]]:
    """Return the trees of an answer, each from the top down.

    In a chain one number follows another; a fork is a row of lists, and a
    list that begins with one stands for a mail that never came.
    """
    trees: list[list[Node]] = []
    depths: list[int] = []
    depth = 0
    previous = b""
    for token in re.findall(rb"[()]|\d+", line):
        if token == b"(":
            if not depths:
                trees.append([])
                depth = 0
            elif previous == b"(":
                depth += 1
            depths.append(depth)
        elif token == b")":
            depth = depths.pop()
        else:
            trees[-1].append(Node(depth, int(token)))
            depth += 1
        previous = token
    return trees

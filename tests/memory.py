"""Folders in memory: a test that writes does not wait for a disk.

Thousands of copies of a database are made and thousands of commits reach the
disk before they are answered, which proves nothing here.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - the name is made at random
ROOM = 4 * 1024**3
"""Bytes that must be free there; a container often has but 64 MiB."""


def has_room() -> bool:
    """Tell whether tests can have their folders in memory."""
    return (
        os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    )


@contextmanager
def make_folder(name: str) -> Iterator[Path]:
    """Give a new folder, in memory if there is room; remove it at the end."""
    root = tempfile.mkdtemp(prefix=name, dir=MEMORY if has_room() else None)
    try:
        yield Path(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)

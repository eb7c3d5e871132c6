"""Doing the same thing twice at the same moment."""

import threading
from collections.abc import Callable

from sqlalchemy.orm import Session

from app.db import Database
from app.errors import ReviewError


def write_at_once(
    database: Database, *works: Callable[[Session], object]
) -> list[str]:
    """Let each work have a transaction of its own, all at once.

    Returns how they ended: `done`, or the name of the refusal.
    """
    ends: list[str] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[Session], object]) -> None:
        start.wait()
        try:
            with database.write() as session:
                work(session)
        except ReviewError as error:
            ends.append(type(error).__name__)
        else:
            ends.append("done")

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(ends)

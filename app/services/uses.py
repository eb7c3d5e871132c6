"""When sessions and tokens were last used: written behind the answers.

Who reads waits for no writer, and is not refused because one failed. A thread
of its own writes what is due and ends; what is noted is right to some
minutes, and what could not be written is noted by the next request.
"""

import threading
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db import Database
from app.services.access import Access, note_use

MOST_WAITING: Final = 1000
"""Uses that wait to be written; others are left to the next request."""

JOIN_SECONDS: Final = 5.0
logger = structlog.get_logger()

Key = tuple[str, int]


class UseNoter:
    """Notes uses, one process's."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._waiting: dict[Key, Access] = {}
        self._thread: threading.Thread | None = None

    def note(self, access: Access) -> None:
        """Have a use written soon; it takes no time."""
        key = _get_key(access)
        if key is None:
            return
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting[key] = access
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Wait until what was noted is written."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                due, self._waiting = self._waiting, {}
            try:
                with self.database.write() as session:
                    # in one order, so that two servers wait for each other
                    # and not in a ring
                    for key in sorted(due):
                        note_use(session, due[key])
            except SQLAlchemyError as error:
                logger.warning("use_not_noted", reason=type(error).__name__)


def _get_key(access: Access) -> Key | None:
    if access.visitor is not None and access.visitor.token_id is not None:
        return "token", access.visitor.token_id
    if access.session_id is not None:
        return "session", access.session_id
    return None

"""Passwords: argon2id, a few at a time, and not too many guesses a name.

A hash costs a sixth of a second and 64 MB, so it is computed outside of any
transaction and behind a small door. Counts of failed attempts are kept in
bounded memory and forgotten when the program ends.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from app.errors import BusyError, Fault, InvalidError, ThrottleError

AT_ONCE = 2
QUEUE_SECONDS = 5.0
ATTEMPTS = 5
WINDOW_SECONDS = 900
NAMES = 10_000
SHORTEST = 10
LONGEST = 1024


class Passwords:
    """The door to argon2id, one a process.

    Parameters
    ----------
    clock
        Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._hasher = PasswordHash((Argon2Hasher(),))
        self._door = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._clock = clock
        self._decoy: str | None = None

    def hash(self, password: str) -> str:
        """Return what is stored of a new password, or refuse a short one."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise InvalidError(
                f"a password has {SHORTEST} to {LONGEST} characters",
                Fault("/password", f"expected {SHORTEST} to {LONGEST}"),
            )
        with self._enter():
            return self._hasher.hash(password)

    def verify(self, name: str, password: str, stored: str | None) -> bool:
        """Tell whether the password is the one that was stored for a name.

        Without a stored one the work is the same, so that the time does not
        tell which names there are. Too many wrong guesses are refused.
        """
        key = name.casefold()
        self._require_attempt(key)
        with self._enter():
            known = stored is not None
            if stored is None:
                self._decoy = self._decoy or self._hasher.hash("decoy")
                stored = self._decoy
            try:
                good = self._hasher.verify(password, stored) and known
            except UnknownHashError:
                good = False
        self._count(key, good=good)
        return good

    @contextmanager
    def _enter(self) -> Iterator[None]:
        if not self._door.acquire(timeout=QUEUE_SECONDS):
            raise BusyError(
                "too many sign in at this moment",
                retry_after=int(QUEUE_SECONDS),
            )
        try:
            yield
        finally:
            self._door.release()

    def _require_attempt(self, key: str) -> None:
        with self._lock:
            since, count = self._failed.get(key, (0.0, 0))
            left = since + WINDOW_SECONDS - self._clock()
            if count >= ATTEMPTS and left > 0:
                raise ThrottleError(
                    "too many wrong passwords for this name; wait a while",
                    retry_after=int(left) + 1,
                )

    def _count(self, key: str, *, good: bool) -> None:
        with self._lock:
            since, count = self._failed.pop(key, (self._clock(), 0))
            if good:
                return
            if since + WINDOW_SECONDS <= self._clock():
                since, count = self._clock(), 0
            self._failed[key] = since, count + 1
            while len(self._failed) > NAMES:
                self._failed.popitem(last=False)

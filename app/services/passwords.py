"""Passwords: argon2id, a few at a time, and not too many guesses.

A hash costs a sixth of a second and 64 MB, so it is computed outside of any
transaction and behind a small door. Counts of failed attempts are kept in
bounded memory and forgotten when the program ends. They are by name and
address together, by name alone and by address alone: one who guesses is
stopped soon, many who guess one name are stopped later, and nobody locks
somebody else out by a handful of wrong passwords.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from app.errors import BusyError, Fault, InvalidError, ThrottleError
from app.services.rate_limits import get_origin

AT_ONCE = 2
QUEUE_SECONDS = 5.0
ATTEMPTS = 5
ATTEMPTS_OF_NAME = 25
ATTEMPTS_OF_ADDRESS = 25
WINDOW_SECONDS = 900
MOST_COUNTS = 20_000
SHORTEST = 10
LONGEST = 1024

Count = tuple[str | None, str | None]
"""Whose failures are counted: a name, an address, or both together."""


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
        self._failed: OrderedDict[Count, tuple[float, int]] = OrderedDict()
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

    def verify(
        self, name: str, password: str, stored: str | None, address: str = ""
    ) -> bool:
        """Tell whether the password is the one that was stored for a name.

        Without a stored one the work is the same, so that the time does not
        tell which names there are. Too many wrong guesses are refused,
        whether there is such a name or not.
        """
        # a network of IPv6 counts as one, or one sender were many
        counts = _list_counts(name.casefold(), get_origin(address))
        self._require_attempt(counts)
        with self._enter():
            # again, for who waited at the door was not counted before
            self._require_attempt(counts)
            # before it is known whether it is needed
            self._decoy = self._decoy or self._hasher.hash("decoy")
            known = stored is not None
            try:
                good = self._hasher.verify(password, stored or self._decoy)
            except UnknownHashError:
                good = False
        self._count(counts, good=good and known)
        return good and known

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

    def _require_attempt(self, counts: Mapping[Count, int]) -> None:
        with self._lock:
            for key, most in counts.items():
                since, count = self._failed.get(key, (0.0, 0))
                left = since + WINDOW_SECONDS - self._clock()
                if count >= most and left > 0:
                    raise ThrottleError(
                        "too many wrong passwords; wait a while",
                        retry_after=int(left) + 1,
                    )

    def _count(self, counts: Mapping[Count, int], *, good: bool) -> None:
        with self._lock:
            if good:
                # what others guessed wrong of the name, or from here, stays
                self._failed.pop(next(iter(counts)), None)
                return
            for key in counts:
                since, count = self._failed.pop(key, (self._clock(), 0))
                if since + WINDOW_SECONDS <= self._clock():
                    since, count = self._clock(), 0
                self._failed[key] = since, count + 1
            while len(self._failed) > MOST_COUNTS:
                self._failed.popitem(last=False)


def _list_counts(name: str, address: str) -> Mapping[Count, int]:
    """Return what an attempt counts against, and how many there may be."""
    counts: dict[Count, int] = {
        (name, address): ATTEMPTS,
        (name, None): ATTEMPTS_OF_NAME,
    }
    if address:
        counts[None, address] = ATTEMPTS_OF_ADDRESS
    return counts

"""The door to argon2id: what it lets through, and how often."""

import threading

import pytest

from app.errors import BusyError, InvalidError, ThrottleError
from app.services import passwords
from app.services.passwords import (
    AT_ONCE,
    ATTEMPTS,
    NAMES,
    SHORTEST,
    WINDOW_SECONDS,
    Passwords,
)

GOOD = "correct horse battery"


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time that it shows."""
        return self.now


@pytest.fixture(scope="module")
def stored() -> str:
    """Return the hash of a password."""
    return Passwords().hash(GOOD)


def test_a_password_is_stored_as_argon2id(stored: str) -> None:
    assert stored.startswith("$argon2id$")
    assert GOOD not in stored
    assert Passwords().verify("ada", GOOD, stored)


def test_wrong_unknown_and_broken_are_refused_alike(stored: str) -> None:
    door = Passwords()
    assert not door.verify("ada", "wrong", stored)
    assert not door.verify("nobody", GOOD, None)
    assert not door.verify("broken", GOOD, "not a hash")


def test_a_short_password_is_not_taken() -> None:
    with pytest.raises(InvalidError, match=str(SHORTEST)):
        Passwords().hash("short")


def test_guessing_is_slowed_by_name_and_forgiven_after_a_while(
    stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    door = Passwords(clock)
    monkeypatch.setattr(door._hasher, "verify", lambda p, _: p == GOOD)
    for _ in range(ATTEMPTS):
        assert not door.verify("Ada", "wrong", stored)
    with pytest.raises(ThrottleError) as refused:
        door.verify("ada", GOOD, stored)
    assert 0 < refused.value.retry_after <= WINDOW_SECONDS + 1
    assert door.verify("bob", GOOD, stored)
    clock.now += WINDOW_SECONDS
    assert door.verify("ada", GOOD, stored)
    assert door._failed == {}


def test_failures_are_counted_in_bounded_memory() -> None:
    door = Passwords()
    for number in range(NAMES + 5):
        door._count(f"name{number}", good=False)
    assert len(door._failed) == NAMES


def test_only_a_few_hashes_are_computed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "QUEUE_SECONDS", 0.01)
    door = Passwords()
    entered, leave = threading.Barrier(AT_ONCE + 1), threading.Event()

    def occupy() -> None:
        with door._enter():
            entered.wait(5)
            leave.wait(5)

    threads = [threading.Thread(target=occupy) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    entered.wait(5)
    with pytest.raises(BusyError):
        door.hash(GOOD)
    leave.set()
    for thread in threads:
        thread.join()

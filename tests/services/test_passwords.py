"""The door to argon2id: what it lets through, and how often."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import BusyError, InvalidError, ThrottleError
from app.services import passwords
from app.services.passwords import (
    AT_ONCE,
    ATTEMPTS,
    ATTEMPTS_OF_ADDRESS,
    ATTEMPTS_OF_NAME,
    MOST_COUNTS,
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


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Passwords:
    """Return a door whose clock stands still and whose hasher is quick."""
    door = Passwords(Clock())
    monkeypatch.setattr(door._hasher, "verify", lambda p, _: p == GOOD)
    return door


def test_guessing_is_slowed_by_name_and_forgiven_after_a_while(
    stored: str, door: Passwords
) -> None:
    for _ in range(ATTEMPTS):
        assert not door.verify("Ada", "wrong", stored)
    with pytest.raises(ThrottleError) as refused:
        door.verify("ada", GOOD, stored)
    assert 0 < refused.value.retry_after <= WINDOW_SECONDS + 1
    assert door.verify("bob", GOOD, stored)
    door._clock.now += WINDOW_SECONDS  # type: ignore[attr-defined]
    assert door.verify("ada", GOOD, stored)


def test_guesses_that_wait_at_the_door_are_counted(
    stored: str, door: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends many at once gets no more of them than one after another."""
    tried: list[str] = []

    def hold(password: str, _stored: str) -> bool:
        tried.append(password)
        opened.wait(5)
        return False

    opened = threading.Event()
    monkeypatch.setattr(door._hasher, "verify", hold)

    def guess(number: int) -> bool:
        try:
            return door.verify("ada", f"wrong{number}", stored)
        except ThrottleError:
            return False

    many = 4 * ATTEMPTS
    with ThreadPoolExecutor(many) as pool:
        guesses = [pool.submit(guess, number) for number in range(many)]
        opened.set()
        assert not any(each.result() for each in guesses)
    assert len(tried) < ATTEMPTS + AT_ONCE


def test_one_address_guesses_no_list_of_names(
    stored: str, door: Passwords
) -> None:
    for number in range(ATTEMPTS_OF_ADDRESS):
        assert not door.verify(f"name{number}", "wrong", None, "192.0.2.7")
    with pytest.raises(ThrottleError):
        door.verify("ada", GOOD, stored, "192.0.2.7")
    assert door.verify("ada", GOOD, stored, "192.0.2.8")


def test_a_network_of_ipv6_is_one_address(
    stored: str, door: Passwords
) -> None:
    for number in range(ATTEMPTS_OF_ADDRESS):
        address = f"2001:db8::{number:x}"
        assert not door.verify(f"name{number}", "wrong", None, address)
    with pytest.raises(ThrottleError):
        door.verify("ada", GOOD, stored, "2001:db8::ffff")
    assert door.verify("ada", GOOD, stored, "2001:db8:0:1::1")


def test_many_addresses_guess_one_name_not_for_long(
    stored: str, door: Passwords
) -> None:
    for number in range(ATTEMPTS_OF_NAME):
        assert not door.verify("ada", "wrong", stored, f"192.0.2.{number}")
    with pytest.raises(ThrottleError):
        door.verify("ada", "wrong", stored, "198.51.100.1")


def test_a_few_wrong_guesses_lock_nobody_else_out(
    stored: str, door: Passwords
) -> None:
    for _ in range(ATTEMPTS):
        assert not door.verify("ada", "wrong", stored, "192.0.2.7")
    assert door.verify("ada", GOOD, stored, "192.0.2.8")


def test_a_name_that_is_none_is_slowed_as_one_that_is(
    stored: str, door: Passwords
) -> None:
    told = []
    for name, hash_ in (("ada", stored), ("nobody", None)):
        for _ in range(ATTEMPTS):
            assert not door.verify(name, "wrong", hash_)
        with pytest.raises(ThrottleError) as refused:
            door.verify(name, "wrong", hash_)
        told.append((str(refused.value), refused.value.retry_after))
    assert told[0] == told[1]


def test_failures_are_counted_in_bounded_memory() -> None:
    door = Passwords()
    for number in range(MOST_COUNTS):
        door._count({(f"name{number}", ""): 1, (None, "x"): 1}, good=False)
    assert len(door._failed) == MOST_COUNTS


def test_the_first_to_ask_for_no_name_waits_no_longer(
    stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is counted: a hash and a verification in either case."""
    for hash_ in (stored, None):
        door = Passwords()
        work: list[str] = []
        monkeypatch.setattr(
            door._hasher, "hash", lambda _p, work=work: work.append("hash")
        )
        monkeypatch.setattr(
            door._hasher,
            "verify",
            lambda _p, _h, work=work: work.append("verify"),
        )
        door.verify("ada", "wrong", hash_)
        assert work == ["hash", "verify"]


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

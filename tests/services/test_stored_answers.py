"""A key is claimed once, by one request, for a day."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import ThrottleError
from app.models import StoredAnswer
from app.services import stored_answers
from app.services.stored_answers import Claim
from tests import factories


@pytest.fixture
def wanted(session: Session) -> Claim:
    """Return a claim of ada's."""
    visitor = factories.make_visitor(session)
    return Claim(visitor.id, "/api/things", "k", "f" * 64)


def _age(session: Session, by: timedelta) -> None:
    session.execute(
        update(StoredAnswer).values(created_at=datetime.now(UTC) - by)
    )


def test_an_answer_is_found_as_it_was_kept(
    session: Session, wanted: Claim
) -> None:
    assert stored_answers.claim(session, wanted) is None
    running = stored_answers.claim(session, wanted)
    assert running is not None
    assert (running.is_same, running.status) == (True, None)
    stored_answers.keep(session, wanted, 201, [("a", "b")], b"body")
    session.expire_all()
    kept = stored_answers.claim(session, wanted)
    assert kept is not None
    assert (kept.status, kept.body) == (201, b"body")
    assert kept.headers == [("a", "b")]
    other = stored_answers.claim(session, wanted._replace(fingerprint="g"))
    assert other is not None
    assert not other.is_same


def test_a_key_that_was_given_back_is_free(
    session: Session, wanted: Claim
) -> None:
    stored_answers.claim(session, wanted)
    stored_answers.release(session, wanted)
    assert stored_answers.claim(session, wanted) is None


def test_what_was_broken_off_is_carried_out_after_an_hour(
    session: Session, wanted: Claim
) -> None:
    stored_answers.claim(session, wanted)
    _age(session, stored_answers.RUNS_FOR + timedelta(minutes=1))
    session.expire_all()
    assert stored_answers.claim(session, wanted) is None


def test_a_day_later_a_key_is_free_and_its_answer_gone(
    session: Session, wanted: Claim
) -> None:
    stored_answers.claim(session, wanted)
    stored_answers.keep(session, wanted, 201, [], b"")
    _age(session, stored_answers.KEPT_FOR + timedelta(minutes=1))
    session.expire_all()
    assert stored_answers.claim(session, wanted._replace(key="b")) is None
    assert session.scalars(select(col(StoredAnswer.key))).all() == ["b"]


def test_what_is_old_goes_a_few_rows_at_a_time(
    session: Session, wanted: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        stored_answers.claim(session, wanted._replace(key=str(number)))
    _age(session, timedelta(days=2))
    monkeypatch.setattr(stored_answers, "REMOVED_AT_ONCE", 2)
    stored_answers.claim(session, wanted)
    count = select(func.count()).select_from(StoredAnswer)
    assert session.scalar(count) == 4


def test_a_reviewer_has_so_many_keys_and_no_more(
    session: Session, wanted: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_answers, "KEYS_MOST", 2)
    for key in "ab":
        stored_answers.claim(session, wanted._replace(key=key))
    with pytest.raises(ThrottleError):
        stored_answers.claim(session, wanted)
    # what is known is told all the same
    assert stored_answers.claim(session, wanted._replace(key="a"))


def test_of_many_at_once_one_gets_the_key(database: Database) -> None:
    with database.write() as session:
        visitor = factories.make_visitor(session)
    wanted = Claim(visitor.id, "/api/things", "k", "f")
    together = threading.Barrier(4)

    def claim() -> bool:
        together.wait(10)
        with database.write() as session:
            return stored_answers.claim(session, wanted) is None

    with ThreadPoolExecutor(4) as pool:
        claimed = [pool.submit(claim) for _ in range(4)]
    assert sorted(c.result() for c in claimed) == [False, False, False, True]

"""Changes that wait for one another: one commit, and each by itself."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

import pytest
from anyio.to_thread import current_default_thread_limiter
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import TOGETHER, Database
from app.errors import ConflictError, ReviewError
from app.models import AnnotationTag, Entry, Reviewer, Role
from app.services import (
    annotation_changes,
    annotations,
    entries,
    reviewers,
)
from tests.conftest import SQLiteCopies
from tests.factories import make_visitor

MOST_ALONE = 14
MOST_EACH = 5
"""Statements of a reply that is written alone, or with others."""

Act = Callable[[Session], object]
name: ContextVar[str] = ContextVar("name")


@pytest.fixture
def one_writer(sqlite_copies: SQLiteCopies) -> Iterator[Database]:
    """Return a database whose writers wait for one another."""
    database = Database(sqlite_copies.make("empty"))
    yield database
    database.close()
    sqlite_copies.drop(database.url)


def append(subject: str) -> Act:
    """Return a change that appends to the log."""

    def act(session: Session) -> str:
        entries.append_entry(session, "program", "test.done", subject, {})
        return subject

    return act


def refuse(session: Session) -> None:
    """Change something, and refuse to after all."""
    reviewers.add_reviewer(session, "ada", Role.reader)
    append("never")(session)
    raise ConflictError("not this one")


def add_twice(session: Session) -> None:
    """Break a rule of the database."""
    append("never")(session)
    for _ in range(2):
        session.execute(
            text("INSERT INTO search_state (id, version, seq) VALUES (7,1,1)")
        )


def break_at_the_end(session: Session) -> None:
    """Leave behind what cannot be committed."""
    append("never")(session)
    session.execute(text("PRAGMA defer_foreign_keys=ON"))
    session.add(AnnotationTag(annotation_id="of no annotation", tag="lost"))


def change_at_once(
    database: Database, *acts: Act
) -> tuple[Sequence[object], int]:
    """Let changes wait for the same turn; return their ends, and commits."""
    commits: list[None] = []

    async def run() -> Sequence[object]:
        tasks = []
        async with database.enter(reads=False):
            for number, act in enumerate(acts):
                name.set(str(number))
                tasks.append(asyncio.create_task(database.change(act)))
            # each comes as far as it can, which is to wait
            await asyncio.sleep(0)
        commits.clear()
        return await asyncio.gather(*tasks, return_exceptions=True)

    def tell() -> None:
        commits.append(None)

    database.on_commit.add(tell)
    ends = asyncio.run(run())
    database.on_commit.discard(tell)
    return ends, len(commits)


def list_subjects(database: Database) -> Sequence[str]:
    """Return what the log tells of, in its order; its chain must hold."""
    with database.read() as session:
        assert entries.verify(session) is None
        return session.scalars(
            select(col(Entry.subject)).order_by(col(Entry.seq))
        ).all()


def test_changes_that_wait_share_a_commit(empty_database: Database) -> None:
    subjects = [f"t:{number}" for number in range(5)]
    ends, commits = change_at_once(empty_database, *map(append, subjects))
    assert ends == subjects
    assert sorted(list_subjects(empty_database)) == subjects
    assert commits == (1 if empty_database.is_sqlite else len(subjects))


def test_so_many_share_a_commit_at_most(one_writer: Database) -> None:
    subjects = [f"t:{number:02}" for number in range(TOGETHER + 1)]
    ends, commits = change_at_once(one_writer, *map(append, subjects))
    assert ends == subjects
    assert list_subjects(one_writer) == subjects
    assert commits == 2


@pytest.mark.parametrize(
    ("broken", "error"),
    [(refuse, ConflictError), (add_twice, IntegrityError)],
)
def test_what_fails_takes_no_other_along(
    empty_database: Database, broken: Act, error: type[Exception]
) -> None:
    """It leaves nothing, and the others are carried out once."""
    ends, _ = change_at_once(
        empty_database, append("t:1"), broken, append("t:2")
    )
    assert ends[::2] == ["t:1", "t:2"]
    assert isinstance(ends[1], error)
    assert sorted(list_subjects(empty_database)) == ["t:1", "t:2"]
    with empty_database.read() as session:
        assert session.execute(select(col(Reviewer.id))).first() is None


def test_a_commit_that_fails_is_told_to_whose_fault_it_is(
    one_writer: Database,
) -> None:
    """Nobody is answered before the commit of all has come to an end."""
    ends, _ = change_at_once(
        one_writer, append("t:1"), break_at_the_end, append("t:2")
    )
    assert ends[::2] == ["t:1", "t:2"]
    assert isinstance(ends[1], IntegrityError)
    assert list_subjects(one_writer) == ["t:1", "t:2"]


def test_each_acts_as_its_own_request(one_writer: Database) -> None:
    """What is logged on the way bears the name of whose change it is."""

    def read_name(_session: Session) -> str:
        return name.get()

    ends, _ = change_at_once(one_writer, read_name, read_name, read_name)
    assert ends == ["0", "1", "2"]


def test_what_one_loads_no_other_finds_in_its_session(
    one_writer: Database,
) -> None:
    with one_writer.write() as session:
        reviewers.add_reviewer(session, "ada", Role.reader)

    def load(session: Session) -> bool:
        was_empty = not session.identity_map
        session.info["held"] = session.scalars(select(Reviewer)).all()
        return was_empty

    ends, _ = change_at_once(one_writer, load, load)
    assert ends == [True, True]


def test_a_change_that_is_called_off_while_it_waits_is_not_made(
    one_writer: Database,
) -> None:
    async def run() -> None:
        async with one_writer.enter(reads=False):
            off = asyncio.create_task(one_writer.change(append("t:1")))
            on = asyncio.create_task(one_writer.change(append("t:2")))
            await asyncio.sleep(0)
            off.cancel()
        assert await on == "t:2"
        with pytest.raises(asyncio.CancelledError):
            await off

    asyncio.run(run())
    assert list_subjects(one_writer) == ["t:2"]


def test_who_is_called_off_on_the_way_to_a_thread_takes_no_other_along(
    one_writer: Database,
) -> None:
    async def run() -> None:
        threads, busy = current_default_thread_limiter(), object()
        threads.total_tokens = 1
        threads.acquire_on_behalf_of_nowait(busy)
        off = asyncio.create_task(one_writer.change(append("t:1")))
        on = asyncio.create_task(one_writer.change(append("t:2")))
        while not threads.statistics().tasks_waiting:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        off.cancel()
        threads.release_on_behalf_of(busy)
        assert await on == "t:2"
        with pytest.raises(asyncio.CancelledError):
            await off

    asyncio.run(run())
    assert list_subjects(one_writer) == ["t:2"]


def test_who_is_called_off_in_the_thread_lets_the_others_wait_for_it(
    one_writer: Database,
) -> None:
    """What was begun comes to its end, once."""
    begun, goes_on = threading.Event(), threading.Event()

    def dawdle(session: Session) -> None:
        begun.set()
        goes_on.wait()
        append("t:1")(session)

    async def run() -> None:
        async with one_writer.enter(reads=False):
            off = asyncio.create_task(one_writer.change(dawdle))
            on = asyncio.create_task(one_writer.change(append("t:2")))
            await asyncio.sleep(0)
        await asyncio.to_thread(begun.wait)
        off.cancel()
        with pytest.raises(asyncio.CancelledError):
            await off
        late = asyncio.create_task(one_writer.change(append("t:3")))
        await asyncio.sleep(0)
        goes_on.set()
        assert [await on, await late] == ["t:2", "t:3"]

    asyncio.run(run())
    assert list_subjects(one_writer) == ["t:1", "t:2", "t:3"]


def test_refusals_alone_are_raised_as_they_are(
    one_writer: Database,
) -> None:
    ends, _ = change_at_once(one_writer, refuse, refuse)
    assert [isinstance(end, ReviewError) for end in ends] == [True, True]
    assert list_subjects(one_writer) == []


def test_what_shares_a_commit_is_indexed_with_it(
    sqlite_copies: SQLiteCopies, statements: list[str]
) -> None:
    """Each annotation is found by search, for a few statements of its own."""
    database = Database(sqlite_copies.make("full"))
    with database.write() as session:
        ada = make_visitor(session)
    words = ("zeugma", "litotes", "hapax", "chiasm", "tmesis")

    def make_reply(word: str) -> Act:
        document = {
            "@context": annotations.CONTEXT,
            "type": "Annotation",
            "motivation": "replying",
            "body": {"type": "TextualBody", "value": word},
            "target": "/threads/kleen-sti-shadow",
        }
        return lambda session: (
            annotation_changes.create_annotation(
                session, ada, document
            ).position
        )

    change_at_once(database, make_reply("first"))
    costs = []
    for some in (words[:1], words[1:]):
        statements.clear()
        change_at_once(database, *map(make_reply, some))
        costs.append(
            sum(not one.startswith(("SAVE", "REL")) for one in statements)
        )
    alone, together = costs
    assert alone <= MOST_ALONE, statements
    assert together <= alone + 3 * MOST_EACH, statements
    with database.read() as session:
        for word in words:
            found = session.execute(
                text(
                    "SELECT rowid FROM search_text WHERE search_text = :word"
                ),
                {"word": word},
            ).all()
            assert len(found) == 1, word
    database.close()
    sqlite_copies.drop(database.url)

"""Clauses are kept once read, and never those of another text."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from app.db import Database
from app.models import RevisionSource, Role
from app.services import revising, revisions
from app.services.clauses import KEPT_REVISIONS, read_clauses
from app.services.reviewers import Visitor
from app.services.revising import NewRevision
from tests.conftest import SQLiteCopies
from tests.factories import make_visitor


@pytest.fixture(scope="module")
def filled(sqlite_copies: SQLiteCopies) -> Iterator[Database]:
    """Return a database with the bundled corpus, for the whole module."""
    database = Database(sqlite_copies.make("full"))
    yield database
    database.close()
    sqlite_copies.drop(database.url)


@pytest.fixture(scope="module")
def editor(filled: Database) -> Visitor:
    """Return who changes the text."""
    with filled.write() as session:
        return make_visitor(session, "eve", Role.editor)


def revise(session: Session, editor: Visitor, word: str) -> int:
    """Add a revision that ends with this word; return its id."""
    newest = revisions.get_newest(session).id
    text = f"{revisions.read_markdown(session, newest)}\n{word}\n"
    new = NewRevision(text, "A change", "2026-04-01", RevisionSource.edit)
    revising.create_revision(session, editor, new)
    return revisions.get_newest(session).id


def read_end(session: Session, revision_id: int) -> str:
    """Return the last word of a revision."""
    return read_clauses(session, revision_id)[-1].text.split()[-1]


def test_a_text_that_came_to_nothing_leaves_nothing(
    filled: Database, editor: Visitor
) -> None:
    """SQLite gives its number to the next one."""
    with Session(filled.engine) as session:
        nothing = revise(session, editor, "zeugma")
        assert read_end(session, nothing) == "zeugma"
    with filled.write() as session:
        number = revise(session, editor, "litotes")
        assert read_end(session, number) == "litotes"
    with filled.read() as session:
        assert read_end(session, number) == "litotes"
    assert nothing == number


def test_what_another_program_commits_is_read(
    filled: Database, editor: Visitor, statements: list[str]
) -> None:
    other = Database(filled.url)
    with filled.read() as session:
        before = revisions.get_newest(session).id
        read_clauses(session, before)
    with other.write() as session:
        revise(session, editor, "hapax")
    with filled.read() as session:
        newest = revisions.get_newest(session).id
        assert newest != before
        assert read_end(session, newest) == "hapax"
        statements.clear()
        assert read_end(session, newest) == "hapax"
        assert read_end(session, before) != "hapax"
    assert statements == []
    other.close()


def test_databases_keep_their_own_texts(
    sqlite_copies: SQLiteCopies, filled: Database, editor: Visitor
) -> None:
    other = Database(sqlite_copies.make("full"))
    with other.write() as session:
        eve = make_visitor(session, "eve", Role.editor)
        number = revise(session, eve, "chiasm")
    with other.read() as session:
        assert read_end(session, number) == "chiasm"
    with filled.write() as session:
        while revisions.get_newest(session).id < number:
            revise(session, editor, "tmesis")
    with filled.read() as session:
        assert read_end(session, number) != "chiasm"
    other.close()
    sqlite_copies.drop(other.url)


def test_the_texts_that_were_read_last_are_kept(
    filled: Database, editor: Visitor, statements: list[str]
) -> None:
    with filled.write() as session:
        numbers = [
            revise(session, editor, f"word{number}")
            for number in range(KEPT_REVISIONS + 1)
        ]
    with filled.read() as session:
        for number in (*numbers[:-1], numbers[0], numbers[-1]):
            read_clauses(session, number)
        statements.clear()
        for number in (numbers[0], numbers[-1]):
            read_clauses(session, number)
        assert statements == []
        read_clauses(session, numbers[1])
        assert len(statements) == 1

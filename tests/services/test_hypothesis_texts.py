"""What the document says before a passage, where units and points differ."""

from collections.abc import Iterator

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import Revision, Section
from app.services.hypothesis_texts import Texts
from tests.conftest import SQLiteCopies

MARKDOWN = (
    "# 𝄞 One\n\nAn alarm rings.\n\n# Two\n\n𝄞 An alarm rings. 𝄞 It ends.\n"
)
SECTIONS = (
    ("one", 0, "<p>An alarm rings.</p>\n"),
    ("two", 26, "<p>𝄞 An alarm rings. 𝄞 It <em>ends</em>.</p>\n"),
)


@pytest.fixture(scope="module")
def session(sqlite_copies: SQLiteCopies) -> Iterator[Session]:
    """Return a session on a text of two sections, with such characters."""
    database = Database(sqlite_copies.make("full"))
    with database.write() as session:
        session.execute(update(Revision).values(text=MARKDOWN))
        session.execute(update(Section).values(html=""))
        for position, (anchor, start, html) in enumerate(SECTIONS):
            session.execute(
                update(Section)
                .where(col(Section.position) == position)
                .values(anchor=anchor, start=start, html=html)
            )
        yield session
    database.close()
    sqlite_copies.drop(database.url)


def find(session: Session, exact: str, prefix: str = "") -> str:
    """Return the text before a quote."""
    quote = {"type": "TextQuoteSelector", "exact": exact, "prefix": prefix}
    return Texts(session).find_before([quote])


def test_it_is_the_text_of_the_sections_before_and_of_ones_own(
    session: Session,
) -> None:
    before = find(session, "It ends")
    assert before == MARKDOWN[:26] + "𝄞 An alarm rings. 𝄞 "


def test_the_words_before_a_quote_tell_which_of_several_it_is(
    session: Session,
) -> None:
    assert find(session, "An alarm", prefix="𝄞 ").endswith("𝄞 ")
    assert find(session, "An alarm") == ""


def test_of_words_that_are_not_there_the_prefix_is_known(
    session: Session,
) -> None:
    assert find(session, "No bell", prefix="𝄞 ") == "𝄞 "
    assert Texts(session).find_before([]) == ""


def test_sections_begin_where_they_do(session: Session) -> None:
    starts = Texts(session).starts
    assert (starts["one"], starts["two"]) == (0, 26)

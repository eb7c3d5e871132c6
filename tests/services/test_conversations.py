"""Conversations: their list, and what an editor says of a guess."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import ConflictError, InvalidError, NotFoundError
from app.models import Entry, Message, Role
from app.services import conversations, linking
from app.services.conversations import ConversationRow, Mark, Totals
from app.services.reviewers import Visitor
from tests.conftest import SQLiteCopies
from tests.factories import NOW, make_message, make_visitor

DAY = timedelta(days=1)


@pytest.fixture
def editor(session: Session) -> Visitor:
    """Return an editor who asks."""
    return make_visitor(session, role=Role.editor)


def store(session: Session, *messages: Message) -> None:
    """Store mails and put them into their conversations."""
    session.add_all(messages)
    session.flush()
    linking.link_messages(session, [m.id for m in messages if m.id])


def list_trees(session: Session) -> list[list[str]]:
    """Return the ids of each conversation's mails, in order."""
    rows = session.execute(
        select(col(Message.conversation_id), col(Message.message_id)).order_by(
            col(Message.conversation_id), col(Message.position)
        )
    )
    trees: dict[int | None, list[str]] = {}
    for row in rows:
        trees.setdefault(row[0], []).append(row[1])
    return sorted(trees.values())


def list_told(session: Session) -> list[tuple[str, str, object]]:
    """Return what the log tells of conversations."""
    rows = session.execute(
        select(col(Entry.type), col(Entry.subject), col(Entry.data))
        .where(col(Entry.type).startswith("conversation."))
        .order_by(col(Entry.seq))
    )
    return [(row[0], row[1], row[2]) for row in rows]


def test_the_newest_mail_puts_a_conversation_first(session: Session) -> None:
    store(
        session,
        make_message("old@x", subject="old", sent_at=NOW),
        make_message("new@x", subject="new", sent_at=NOW + DAY),
        make_message("top@x", subject="top", sent_at=NOW - DAY),
        make_message("re@x", ["top@x"], sent_at=NOW + 2 * DAY),
    )
    rows = conversations.list_conversations(session, limit=9)
    assert [row.subject for row in rows] == ["top", "new", "old"]
    top = rows[0]
    assert top.message_id == "top@x"
    assert top.message_count == 2
    assert (top.started_at, top.last_at) == (NOW - DAY, NOW + 2 * DAY)
    assert top.name == "Ada"
    assert conversations.count_conversations(session) == Totals(3, 4)


def test_the_list_goes_on_where_a_page_ended(session: Session) -> None:
    """Conversations of the same moment are told apart by their numbers."""
    mails = [
        make_message(f"{n}@x", subject=f"{n}", sent_at=NOW + n // 3 * DAY)
        for n in range(8)
    ]
    store(session, *mails)
    whole = conversations.list_conversations(session, limit=99)
    pages: list[ConversationRow] = []
    after = None
    while page := conversations.list_conversations(
        session, limit=3, after=after
    ):
        pages += page
        after = Mark.read(str(page[-1].mark))
    assert pages == whole
    assert len(pages) == 8


def test_a_page_looks_at_no_more_mails_than_it_names(
    sqlite_copies: SQLiteCopies,
) -> None:
    """SQLite chooses its way by guesses, for nobody counts its rows."""
    database = Database(sqlite_copies.make("empty"))
    asked: list[str] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def keep(*told: Any) -> None:
        cursor, statement, parameters = told[1:4]
        plan = cursor.connection.execute(
            f"EXPLAIN QUERY PLAN {statement}", parameters
        )
        asked.extend(row[3] for row in plan)

    mark = Mark(NOW, 1)
    with database.read() as session:
        conversations.list_conversations(session, limit=3)
        conversations.list_conversations(session, limit=3, after=mark)
    database.close()
    sqlite_copies.drop(database.url)
    steps = [step for step in asked if "message" in step]
    assert len(steps) == 2
    for step in steps:
        assert step.startswith("SEARCH message USING INDEX")


def test_what_is_no_place_in_the_list_is_refused() -> None:
    for text in ("", "x", "1", "1.x", "x.1", "9" * 30 + ".1", "-.", "1.1.1"):
        with pytest.raises(InvalidError, match="no place in the list"):
            Mark.read(text)


@pytest.mark.parametrize(
    "at", [NOW, datetime(1969, 7, 20, 1, 2, 3, 456789, tzinfo=UTC)]
)
def test_a_place_in_the_list_is_read_as_it_is_written(at: datetime) -> None:
    assert Mark.read(str(Mark(at, 7))) == Mark(at, 7)


def test_an_editor_cuts_a_guess_and_takes_it_back(
    session: Session, editor: Visitor
) -> None:
    """What answers the mail goes with it, both ways; the log tells each."""
    store(
        session,
        make_message("top@x", subject="one"),
        make_message("guess@x", subject="Re: one"),
        make_message("below@x", ["guess@x"], subject="Re: one"),
    )
    assert list_trees(session) == [["top@x", "guess@x", "below@x"]]
    conversations.cut(session, editor, "guess@x")
    assert list_trees(session) == [["guess@x", "below@x"], ["top@x"]]
    store(session, make_message("later@x", subject="Re: one"))
    assert list_trees(session) == [
        ["guess@x", "below@x"],
        ["top@x", "later@x"],
    ]
    conversations.join(session, editor, "guess@x")
    assert list_trees(session) == [["top@x", "guess@x", "below@x", "later@x"]]
    data = {"parent": "top@x", "subject": "Re: one"}
    assert list_told(session) == [
        ("conversation.cut", "message:guess@x", data),
        ("conversation.joined", "message:guess@x", data),
    ]


def test_equals_are_cut_apart(session: Session, editor: Visitor) -> None:
    mails = [make_message(f"{n}@x", subject="one") for n in range(3)]
    store(session, *mails)
    conversations.cut(session, editor, "1@x")
    assert list_trees(session) == [["0@x", "2@x"], ["1@x"]]


def test_only_a_guess_can_be_cut(session: Session, editor: Visitor) -> None:
    store(
        session,
        make_message("top@x", subject="one"),
        make_message("answer@x", ["top@x"], subject="Re: one"),
    )
    for name in ("top@x", "answer@x"):
        with pytest.raises(ConflictError, match="by its subject alone"):
            conversations.cut(session, editor, name)
    assert list_told(session) == []


def test_a_cut_is_made_once_and_taken_back_once(
    session: Session, editor: Visitor
) -> None:
    store(session, *(make_message(f"{n}@x", subject="one") for n in range(2)))
    with pytest.raises(ConflictError, match="was not cut off"):
        conversations.join(session, editor, "0@x")
    conversations.cut(session, editor, "0@x")
    with pytest.raises(ConflictError, match="by its subject alone"):
        conversations.cut(session, editor, "0@x")


def test_a_mail_that_is_not_here_has_no_place(
    session: Session, editor: Visitor
) -> None:
    for change in (conversations.cut, conversations.join):
        with pytest.raises(NotFoundError):
            change(session, editor, "gone@x")

"""Conversations as stored: what the trees say, however the mails came."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import Conversation, Mention, Message, get_id
from app.services.base_subject import compute_base_subject
from app.services.linking import (
    compute_digest,
    link_messages,
    link_waiting,
)
from tests.factories import NOW

IDS = [f"{name}@x" for name in "abcdef"]
SUBJECTS = ["one", "Re: one", "two", "Fwd: two", "", "Re:"]


class Letter(NamedTuple):
    """A mail to be stored, as far as linking reads it."""

    message_id: str
    references: Sequence[str] = ()
    subject: str = ""
    hours: int | None = 0
    in_reply_to: str | None = None


def store(session: Session, *letters: Letter) -> list[int]:
    """Store mails without linking them; return their numbers."""
    rows = [make_message(letter) for letter in letters]
    session.add_all(rows)
    session.flush()
    return [get_id(row) for row in rows]


def make_message(letter: Letter) -> Message:
    """Return a row as an import makes it."""
    base = compute_base_subject(letter.subject)
    sent_at = None
    if letter.hours is not None:
        sent_at = NOW + timedelta(hours=letter.hours)
    return Message(
        message_id=letter.message_id,
        subject=letter.subject,
        base_subject=base.text,
        is_reply=base.is_reply,
        sender="Ada <ada@example.org>",
        sent_at=sent_at,
        in_reply_to=letter.in_reply_to,
        references=list(letter.references),
        headers=[],
        trailers=[],
        defects=[],
        charset="utf-8",
        body="",
        html="",
        imported_at=datetime(2026, 12, 1, tzinfo=UTC),
    )


Seen = tuple[object, ...]


def see(session: Session) -> set[Seen]:
    """Return every conversation with its mails, numbers of rows aside."""
    named = session.execute(select(col(Message.id), col(Message.message_id)))
    names = {row[0]: row[1] for row in named}
    seen: set[Seen] = set()
    for conversation in session.scalars(
        select(Conversation).execution_options(populate_existing=True)
    ):
        mails = session.execute(
            select(
                col(Message.position),
                col(Message.message_id),
                col(Message.parent_id),
                col(Message.is_parent_guessed),
                col(Message.depth),
            )
            .where(col(Message.conversation_id) == conversation.id)
            .order_by(col(Message.position))
        )
        places = tuple(
            (row[0], row[1], names.get(row[2]), row[3], row[4])
            for row in mails
        )
        seen.add(
            (
                conversation.root,
                conversation.subject,
                conversation.message_count,
                conversation.started_at,
                conversation.last_at,
                places,
            )
        )
    return seen


def forget(session: Session) -> None:
    """Take every mail out of its conversation."""
    session.execute(
        update(Message).values(
            conversation_id=None,
            parent_id=None,
            is_parent_guessed=False,
            depth=0,
            position=0,
        )
    )
    session.execute(delete(Conversation))
    session.execute(delete(Mention))


def list_places(session: Session) -> list[tuple[str, int, bool]]:
    """Return ids, depths and guesses in the order of the trees."""
    rows = session.execute(
        select(
            col(Message.message_id),
            col(Message.depth),
            col(Message.is_parent_guessed),
        ).order_by(col(Message.conversation_id), col(Message.position))
    )
    return [(row[0], row[1], row[2]) for row in rows]


letters = st.lists(
    st.builds(
        Letter,
        st.sampled_from(IDS),
        st.lists(st.sampled_from([*IDS, "gone@x", "lost@x"]), max_size=3),
        st.sampled_from(SUBJECTS),
        st.one_of(st.none(), st.integers(0, 3)),
        st.one_of(st.none(), st.sampled_from(IDS)),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda letter: letter.message_id,
)


@pytest.fixture
def at_once(sqlite_copies: object) -> object:
    """Return the maker of databases for many examples."""
    return sqlite_copies


@given(letters, st.data())
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_linked_one_by_one_is_as_linked_at_once(
    empty_database: Database, found: list[Letter], data: st.DataObject
) -> None:
    """The order in which mails are linked, and how many at once, is no fact
    of the conversations."""
    with empty_database.write() as session:
        row_ids = store(session, *found)
        left = data.draw(st.permutations(row_ids))
        while left:
            count = data.draw(st.integers(1, len(left)))
            link_messages(session, left[:count])
            left = left[count:]
        in_parts = see(session)
        forget(session)
        link_messages(session, row_ids)
        assert see(session) == in_parts
        session.execute(delete(Mention))
        session.execute(delete(Message))
        session.execute(delete(Conversation))

"""Conversations as stored: what the trees say, however the mails came."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import Conversation, Mention, Message, get_id
from app.services.linking import (
    IN_BATCH,
    link_messages,
    link_waiting,
    relink,
)
from tests.factories import ARRIVAL, NOW, make_message

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
    rows = [make_row(letter) for letter in letters]
    session.add_all(rows)
    session.flush()
    return [get_id(row) for row in rows]


def make_row(letter: Letter) -> Message:
    """Return a row as an import makes it."""
    sent_at = None
    if letter.hours is not None:
        sent_at = NOW + timedelta(hours=letter.hours)
    return make_message(
        letter.message_id,
        letter.references,
        subject=letter.subject,
        sent_at=sent_at,
        in_reply_to=letter.in_reply_to,
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


letters = st.builds(
    Letter,
    st.sampled_from(IDS),
    st.lists(st.sampled_from([*IDS, "gone@x", "lost@x"]), max_size=3),
    st.sampled_from(SUBJECTS),
    st.one_of(st.none(), st.integers(0, 3)),
    st.one_of(st.none(), st.sampled_from(IDS)),
)
mails = st.lists(
    letters,
    min_size=1,
    max_size=6,
    unique_by=lambda letter: letter.message_id,
)


def read_anew(session: Session, row_id: int, letter: Letter) -> None:
    """Give a stored mail what another says, as a better copy does."""
    row = make_row(letter)
    session.execute(
        update(Message)
        .where(col(Message.id) == row_id)
        .values(
            subject=row.subject,
            base_subject=row.base_subject,
            is_reply=row.is_reply,
            sent_at=row.sent_at,
            in_reply_to=row.in_reply_to,
            references=row.references,
        )
    )
    link_messages(session, [row_id])


@given(mails, letters, st.data())
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_linked_in_parts_is_as_linked_at_once(
    empty_database: Database,
    found: list[Letter],
    better: Letter,
    data: st.DataObject,
) -> None:
    """What is stored does not tell in which order mails were linked.

    Neither does it tell how many at once, nor that one was read anew, nor
    that an editor cut one off and another gave a word before that.
    """
    with empty_database.write() as session:
        row_ids = store(session, *found)
        left = data.draw(st.permutations(row_ids))
        while left:
            count = data.draw(st.integers(1, len(left)))
            link_messages(session, left[:count])
            left = left[count:]
        for row_id in data.draw(st.lists(st.sampled_from(row_ids))):
            turn_cut(session, row_id)
        if data.draw(st.booleans()):
            read_anew(session, data.draw(st.sampled_from(row_ids)), better)
        in_parts = see(session)
        forget(session)
        link_messages(session, row_ids)
        assert see(session) == in_parts
        session.execute(delete(Mention))
        session.execute(delete(Message))
        session.execute(delete(Conversation))


def turn_cut(session: Session, row_id: int) -> None:
    """Cut a mail off, or take that back."""
    is_cut, conversation_id = session.execute(
        select(col(Message.is_cut), col(Message.conversation_id)).where(
            col(Message.id) == row_id
        )
    ).one()
    session.execute(
        update(Message)
        .where(col(Message.id) == row_id)
        .values(is_cut=not is_cut)
    )
    assert conversation_id is not None
    relink(session, conversation_id)


def test_answers_hang_under_what_they_answer_whatever_the_dates(
    session: Session,
) -> None:
    mails = (
        Letter("answer@x", ["top@x"], "Re: one", hours=-5),
        Letter("late@x", ["top@x"], "Re: one", hours=9),
        Letter("top@x", [], "one", hours=0),
        Letter("below@x", ["top@x", "answer@x"], "Re: one", hours=-9),
    )
    link_messages(session, store(session, *mails))
    assert list_places(session) == [
        ("top@x", 0, False),
        ("answer@x", 1, False),
        ("below@x", 2, False),
        ("late@x", 1, False),
    ]


def test_in_reply_to_counts_where_there_are_no_references(
    session: Session,
) -> None:
    top, other = Letter("top@x"), Letter("other@x")
    mail = Letter("mail@x", in_reply_to="top@x")
    both = Letter("both@x", ["other@x"], in_reply_to="top@x")
    link_messages(session, store(session, top, other, mail, both))
    assert list_places(session) == [
        ("top@x", 0, False),
        ("mail@x", 1, False),
        ("other@x", 0, False),
        ("both@x", 1, False),
    ]


def test_answers_to_a_mail_that_never_came_stand_together(
    session: Session,
) -> None:
    mails = [Letter(f"{n}@x", ["gone@x"], f"to {n}", n) for n in (2, 1)]
    link_messages(session, store(session, *mails))
    assert list_places(session) == [("1@x", 1, False), ("2@x", 1, False)]
    conversation = session.scalars(select(Conversation)).one()
    assert conversation.root == "gone@x"
    assert conversation.subject == "to 1"
    assert conversation.message_count == 2


def test_a_conversation_stays_the_same_row_while_it_grows(
    session: Session,
) -> None:
    link_messages(session, store(session, Letter("a@x", ["gone@x"])))
    before = session.scalars(select(col(Conversation.id))).one()
    link_messages(session, store(session, Letter("gone@x")))
    link_messages(session, store(session, Letter("b@x", ["gone@x", "a@x"])))
    assert session.scalars(select(col(Conversation.id))).one() == before


def test_conversations_that_turn_out_to_be_one_leave_one_row(
    session: Session,
) -> None:
    parts = [Letter(f"{n}@x", [f"gone{n}@x"], f"{n}") for n in range(3)]
    link_messages(session, store(session, *parts))
    assert len(see(session)) == 3
    bridge = Letter("bridge@x", ["gone0@x", "gone1@x", "gone2@x"], "3", 9)
    link_messages(session, store(session, bridge))
    (only,) = see(session)
    assert only[0] == "gone0@x"
    assert only[2] == 4


def test_no_clock_puts_a_mail_after_its_arrival(session: Session) -> None:
    mails = (
        Letter("early@x", hours=0),
        Letter("future@x", ["early@x"], "", 9999),
    )
    row_ids = store(session, *mails)
    link_messages(session, row_ids)
    conversation = session.scalars(select(Conversation)).one()
    assert conversation.started_at == NOW
    assert conversation.last_at == ARRIVAL


def test_mails_of_before_are_linked_at_the_next_start(
    empty_database: Database,
) -> None:
    count = IN_BATCH + 1
    mails = [Letter(f"{n}@x", [], f"Re: {n // 2}", n) for n in range(count)]
    with empty_database.write() as session:
        store(session, *mails)
        session.execute(
            update(Message).values(base_subject="", is_reply=False)
        )
    assert link_waiting(empty_database) == count
    assert link_waiting(empty_database) == 0
    with empty_database.read() as session:
        assert len(see(session)) == count // 2 + 1
        known = select(col(Message.base_subject), col(Message.is_reply))
        assert session.execute(
            known.where(col(Message.message_id) == "8@x")
        ).one() == ("4", True)


def test_a_new_mail_costs_few_queries(
    session: Session, statements: list[str]
) -> None:
    mails = [Letter("top@x", [], "one")]
    mails += [Letter(f"{n}@x", ["top@x"], "Re: one", n) for n in range(200)]
    link_messages(session, store(session, *mails))
    row_ids = store(session, Letter("new@x", ["top@x", "7@x"], "Re: one", 999))
    statements.clear()
    link_messages(session, row_ids)
    assert len(statements) <= 12, statements

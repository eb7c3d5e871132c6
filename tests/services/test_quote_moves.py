"""Quotes of a mail that another text took the place of."""

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import Annotation, Entry, Message, Quote, QuoteState
from app.services import aligning, quotes
from app.services.alignment import pack_quote
from app.services.importing import import_mails
from app.services.mailbox import RawMail
from app.services.quote_moves import match_blocks, move_quotes
from app.services.quoted_blocks import find_blocks
from app.services.reviewers import PROGRAM
from tests.factories import make_visitor

SURE = "> The guest does not control the hardware interrupt flag.\n\nWhy?\n"
OTHER = "> I wonder about RDTSC and about RDPMC as well.\n\nSo do I.\n"
OLD = f"{SURE}\n{OTHER}"
NEW = f"> Something new came first.\n\nIt did.\n\n{OTHER}\n{SURE}"
HEADERS = "From: Ada <ada@example.org>\nMessage-ID: <a@example.org>\n\n"


@pytest.fixture
def row_id(database: Database) -> int:
    """Store a mail with a quote that is sure and one that waits."""
    raw = (HEADERS + OLD).encode()
    import_mails(database, [RawMail(raw)], actor=PROGRAM)
    aligning.align_pending(database, lambda _done, _total: None)
    with database.read() as session:
        return session.execute(select(col(Message.id))).scalar_one() or 0


def replace(session: Session, row_id: int, new: str) -> None:
    message = session.get_one(Message, row_id)
    names = (row_id, message.message_id)
    move_quotes(session, PROGRAM, names, message.body, new)
    message.body = new
    message.aligned_to = None


def read_states(session: Session) -> dict[int, QuoteState]:
    rows = session.execute(select(col(Quote.position), col(Quote.state)))
    return {row[0]: row[1] for row in rows}


def test_a_quote_follows_its_words(database: Database, row_id: int) -> None:
    """What was decided, by rule or by hand, is where its block is now."""
    with database.write() as session:
        assert read_states(session) == {
            0: QuoteState.decided,
            1: QuoteState.waiting,
        }
        editor = make_visitor(session, "edna")
        waiting = quotes.list_waiting(session)[0].quote
        quotes.dismiss_quote(session, editor, waiting.id or 0)
        replace(session, row_id, NEW)
        expected = {1: QuoteState.dismissed, 2: QuoteState.decided}
        assert read_states(session) == expected
        for quote in session.scalars(select(Quote)):
            text = NEW[quote.start : quote.end]
            words = "flag." if quote.position == 2 else "well."
            assert text.endswith(words)
    aligning.align_pending(database, lambda _done, _total: None)
    with database.read() as session:
        assert read_states(session) == expected
        remarks = session.scalars(select(col(Annotation.message_id))).all()
        assert remarks.count("a@example.org") == 1


def test_what_is_gone_is_dropped_and_told(
    database: Database, row_id: int
) -> None:
    """Its remark stays, for somebody said it; the quote does not."""
    with database.write() as session:
        replace(session, row_id, "Nothing is quoted here.\n")
        assert read_states(session) == {}
        entry = session.execute(
            select(Entry).order_by(col(Entry.seq).desc()).limit(1)
        ).scalar_one()
        assert entry.type == "quote.dropped"
        assert entry.subject == "quote:a@example.org#0"
        assert session.get(Annotation, entry.data["annotation"]) is not None


def test_equal_words_are_matched_in_their_order() -> None:
    """And what an archive did to the words is seen through."""
    old = find_blocks(
        "> same\n\na\n\n> same\n\nb\n\n> ak@suse.de said it\n\nc"
    )
    new = find_blocks("> same\n\na\n\n> ak@suse.dd said  it\n\nc\n\n> same\n")
    assert match_blocks(old, new) == {0: 0, 1: 2, 2: 1}
    assert match_blocks(old, []) == {}


def test_the_mail_itself_keeps_what_its_page_was_found_to_quote(
    database: Database, shared: Path
) -> None:
    """The page of an archive gives way; each quote stays with its words."""
    folder = shared / "mail"
    mail = "2006-03-22-kleen-re-01-24-documentation.eml"

    def read(name: str) -> dict[str, str]:
        raw = (folder / name).read_bytes()
        import_mails(database, [RawMail(raw, source=name)], actor=PROGRAM)
        aligning.align_pending(database, lambda _done, _total: None)
        with database.read() as session:
            (row,) = session.execute(
                select(col(Message.id), col(Message.body))
            ).all()
            found = quotes.list_quotes(session, row[0] or 0, row[1])
            return {
                pack_quote(quote.block.text): quote.section.anchor
                for quote in found
                if quote.section is not None
            }

    page = read("kleen-review.archived.txt")
    assert page
    itself = read(mail)
    for words, section in page.items():
        assert section in {itself[key] for key in itself if words in key}

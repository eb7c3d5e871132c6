"""Quotes of other texts than the document under review, and of mails."""

from collections.abc import Mapping

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import (
    Annotation,
    Entry,
    Message,
    Quote,
    QuoteCandidate,
    QuoteState,
    RevisionSource,
    Role,
)
from app.services import aligning, quotes, revising, revisions
from app.services.importing import import_mails
from app.services.mailbox import RawMail
from app.services.quote_corpus import load_corpus
from app.services.quotes import QuoteRow
from app.services.reviewers import PROGRAM
from tests.factories import make_visitor

OLD_WORDS = "The frobnicator hands every doorbell to whoever rang it last."
ENTRY_WORDS = "Clobbers nothing whatever, and answers with the mask of doors."
REFERENCE = f"""# As it was posted

Front matter.

## 2.5 Interrupt and I/O subsystem

{OLD_WORDS}

## Processor state calls

### VMI_GetInterruptMask

{ENTRY_WORDS}
"""


def make_mail(number: int, body: str, answers: int | None = None) -> RawMail:
    above = f"In-Reply-To: <{answers}@example.org>\n" if answers else ""
    subject = "Re: the interface" if answers else "the interface"
    return RawMail(
        f"From: Ada <ada@example.org>\nSubject: {subject}\n"
        f"Message-ID: <{number}@example.org>\n{above}"
        f"Date: Mon, 13 Mar 2006 {number:02d}:00:00 +0000\n\n{body}".encode()
    )


def take_in(database: Database, *mails: RawMail) -> aligning.AlignReport:
    report = import_mails(database, mails, actor=PROGRAM)
    assert not report.refusals
    return aligning.align_pending(database, lambda _done, _total: None)


def read_quotes(database: Database, number: int) -> list[QuoteRow]:
    with database.read() as session:
        row = session.execute(
            select(col(Message.id), col(Message.body)).where(
                col(Message.message_id) == f"{number}@example.org"
            )
        ).one()
        return quotes.list_quotes(session, row[0] or 0, row[1])


def get_place(quote: QuoteRow) -> tuple[str | None, str | None]:
    return quote.section and quote.section.anchor, quote.call


def add_revision(
    session: Session, text: str, *, is_reference: bool = False
) -> None:
    visitor = make_visitor(session, "eve", Role.editor)
    new = revising.NewRevision(
        text=text,
        change="as it was posted",
        dated_on="2006-03-13",
        source=RevisionSource.upload,
        is_reference=is_reference,
    )
    revising.create_revision(session, visitor, new)


def test_quote_of_a_reference_is_placed_in_the_document(
    database: Database,
) -> None:
    """Its sections are those of the document, by number, title and call."""
    with database.write() as session:
        add_revision(session, REFERENCE, is_reference=True)
    body = (
        f"> {OLD_WORDS[:30]}\n> {OLD_WORDS[30:]}\n\nNo.\n\n> {ENTRY_WORDS}\n"
    )
    take_in(database, make_mail(1, body))
    found = [get_place(quote) for quote in read_quotes(database, 1)]
    assert found == [
        ("interrupt-and-i-o-subsystem", None),
        ("processor-state-calls", "VMI_GetInterruptMask"),
    ]
    with database.read() as session:
        newest = revisions.get_newest(session)
        assert not newest.is_reference
        assert set(session.scalars(select(col(Message.aligned_to)))) == {
            newest.id
        }


def test_new_revision_takes_what_was_decided_along(
    database: Database,
) -> None:
    """A decision stays, and names the section of the new document."""
    with database.read() as session:
        newest = revisions.get_newest(session)
        text = revisions.read_markdown(session, newest.id)
    sentence = "Virtual devices are found by ordinary PCI probing"
    assert sentence in text
    take_in(database, make_mail(1, f"> {sentence}\n\nOr not.\n"))
    before = read_quotes(database, 1)
    with database.write() as session:
        add_revision(session, text.replace(sentence, "Devices are found"))
    report = aligning.align_pending(database, lambda _done, _total: None)
    assert report.messages == 1
    after = read_quotes(database, 1)
    assert [get_place(q) for q in after] == [get_place(q) for q in before]
    assert after[0].annotation_id == before[0].annotation_id
    with database.read() as session:
        newest = revisions.get_newest(session)
        corpus = load_corpus(session)
        section = session.scalar(select(col(Quote.section_id)))
        told = session.scalar(
            select(func.count()).where(col(Entry.type) == "quote.decided")
        )
    assert section in corpus.outline.sections
    assert corpus.revision_id == newest.id
    assert told == 1


def test_parent_that_comes_late_is_heard(database: Database) -> None:
    """A quote of a quote is placed once the mail between has come."""
    quoted = "The guest does not control the hardware interrupt flag."
    asked = "And who is it that does so, I would like to hear?"
    take_in(database, make_mail(2, f"> {asked}\n\nWe do.\n", answers=1))
    (alone,) = read_quotes(database, 2)
    assert alone.state is None
    take_in(database, make_mail(1, f"> {quoted}\n\n{asked}\n"))
    (known,) = read_quotes(database, 2)
    assert get_place(known) == ("interrupt-and-i-o-subsystem", None)
    assert known.candidates[0].method == "reply"


def test_reference_that_comes_late_is_heard(database: Database) -> None:
    """Mails that were aligned are compared with what is posted later."""
    take_in(database, make_mail(1, f"> {OLD_WORDS}\n\nNo.\n"))
    (alone,) = read_quotes(database, 1)
    assert alone.section is None
    with database.write() as session:
        add_revision(session, REFERENCE, is_reference=True)
    aligning.align_pending(database, lambda _done, _total: None)
    (known,) = read_quotes(database, 1)
    assert get_place(known) == ("interrupt-and-i-o-subsystem", None)


def test_source_that_comes_late_is_heard(database: Database) -> None:
    """A mail with headings of the document is the document as posted."""
    take_in(database, make_mail(2, f"> {OLD_WORDS}\n\nNo.\n"))
    (alone,) = read_quotes(database, 2)
    assert alone.section is None
    posted = (
        f"3) Architectural differences from native hardware\n\n{'x ' * 500}\n"
        f"\nInterrupt and I/O Subsystem.\n\n   {OLD_WORDS}\n\n"
        "IDT Management.\n\n   Something else.\n"
    )
    take_in(database, make_mail(1, posted))
    (known,) = read_quotes(database, 2)
    assert get_place(known) == ("interrupt-and-i-o-subsystem", None)


def test_aligning_again_changes_nothing(database: Database) -> None:
    """What is done stays done: no row, no entry, no remark is made twice."""
    quoted = "The guest does not control the hardware interrupt flag."
    take_in(
        database,
        make_mail(1, f"> {quoted}\n\nSo it is.\n"),
        make_mail(2, f">> {quoted}\n> So it is.\n\nYes.\n", answers=1),
        make_mail(3, "> I saw RDTSC, and RDPMC.\n\nWhere?\n", answers=2),
    )

    def count() -> Mapping[str, int]:
        with database.read() as session:
            return {
                table.__name__: session.scalar(
                    select(func.count()).select_from(table)
                )
                or 0
                for table in (Annotation, Entry, Quote, QuoteCandidate)
            }

    before = count()
    with database.write() as session:
        for message in session.scalars(select(Message)):
            message.aligned_to = None
    report = aligning.align_pending(database, lambda _done, _total: None)
    assert report.messages == 3
    assert count() == before


def test_progress_is_told(database: Database) -> None:
    """Whoever waits hears how many are done, of how many."""
    import_mails(
        database, [make_mail(n, "hello") for n in range(1, 4)], actor=PROGRAM
    )
    told: list[tuple[int, int]] = []
    aligning.align_pending(database, lambda *so_far: told.append(so_far))
    assert told == [(0, 3), (3, 3)]


def test_review_without_a_document_has_nothing_to_align(
    empty_database: Database,
) -> None:
    """Mails wait until there is a document."""
    report = take_in(empty_database, make_mail(1, "> text\n\nmine\n"))
    assert report == (0, 0, 0)


@pytest.mark.parametrize("text", ["", "   \n"])
def test_quote_without_an_answer_makes_no_remark(
    database: Database, text: str
) -> None:
    """Where nothing is said of a clause, nothing stands in its margin."""
    quoted = "The guest does not control the hardware interrupt flag."
    take_in(database, make_mail(1, f"> {quoted}\n{text}"))
    (quote,) = read_quotes(database, 1)
    assert quote.state == QuoteState.decided
    assert quote.annotation_id is None

"""Quotes of mails against the document, measured on the shared mails."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import Call, Message, QuoteState, Section
from app.services import aligning, quotes
from app.services.alignment import pack_quote
from app.services.importing import import_mails
from app.services.mail import ParsedMail, parse_mail
from app.services.mailbox import RawMail
from app.services.quote_alignment import Aligned, Knowledge, align, is_source
from app.services.quote_chains import (
    KnownQuote,
    MailAbove,
    make_mail_above,
)
from app.services.quote_corpus import Corpus, load_corpus
from app.services.quoted_blocks import find_blocks, find_stretches
from app.services.quotes import QuoteRow
from app.services.reviewers import PROGRAM

ANSWERS = Path(__file__).with_name("quotes_of_shared_mail.toml")
PAGE = "kleen-review.archived.txt"
RFC = "spec-part"


class Score(NamedTuple):
    """How many quotes have a clause, were decided, and rightly."""

    answers: int
    decided: int
    right: int

    @property
    def precision(self) -> float:
        """Return how much of what was decided is right."""
        return self.right / self.decided if self.decided else 1.0

    @property
    def recall(self) -> float:
        """Return how much of what has a clause was found."""
        return self.right / self.answers


def read_answers() -> dict[str, list[dict[str, Any]]]:
    answers = tomllib.loads(ANSWERS.read_text("utf-8"))
    return {mail["message_id"]: mail["quotes"] for mail in answers["mail"]}


def import_files(database: Database, files: Iterable[Path]) -> None:
    mails = [RawMail(file.read_bytes(), source=file.name) for file in files]
    report = import_mails(database, mails, actor=PROGRAM)
    assert not report.refusals


def align_all(database: Database) -> aligning.AlignReport:
    return aligning.align_pending(database, lambda _done, _total: None)


def read_quotes(session: Session) -> dict[str, list[QuoteRow]]:
    rows = session.execute(
        select(col(Message.id), col(Message.message_id), col(Message.body))
    ).all()
    return {
        row[1]: quotes.list_quotes(session, row[0] or 0, row[2])
        for row in rows
    }


def is_right(
    section: str, call: str | None, answer: Mapping[str, Any]
) -> bool:
    if section in answer.get("also", []):
        return "call" not in answer and call is None
    return (section, call) == (answer["section"], answer.get("call"))


def measure(found: list[QuoteRow], answers: list[dict[str, Any]]) -> Score:
    """Compare a mail's quotes with what a careful reader says."""
    assert len(found) == len(answers)
    for quote, answer in zip(found, answers, strict=True):
        words = quote.block.text.replace("+", " ").split()
        assert " ".join(words[:4]) == answer["words"]
    decided = [
        (quote.section.anchor, quote.call, answer)
        for quote, answer in zip(found, answers, strict=True)
        if quote.state == QuoteState.decided and quote.section
    ]
    return Score(
        sum(bool(answer["section"]) for answer in answers),
        len(decided),
        sum(is_right(*one) for one in decided),
    )


def add(scores: Iterable[Score]) -> Score:
    return Score(*(sum(column) for column in zip(*scores, strict=True)))


@pytest.fixture
def mails(shared: Path) -> list[Path]:
    return sorted((shared / "mail").glob("*.eml"))


def measure_all(database: Database) -> dict[str, Score]:
    answers = read_answers()
    with database.read() as session:
        return {
            message_id: measure(found, answers[message_id])
            for message_id, found in read_quotes(session).items()
            if message_id in answers
        }


def test_what_is_decided_is_right_and_nearly_all_is(
    database: Database,
    mails: list[Path],
    record_property: Callable[[str, object], None],
) -> None:
    """Precision is 1.0 and recall 0.9 or more on all shared mails."""
    import_files(database, mails)
    align_all(database)
    scores = measure_all(database)
    assert len(scores) == len(read_answers()) - 1  # the page is another's
    whole = add(scores.values())
    for message_id, score in scores.items():
        record_property(message_id, f"{score.right} of {score.answers}")
    record_property("recall", f"{whole.recall:.3f}")
    assert whole.precision == 1.0, scores
    assert whole.recall >= 0.9, scores


def test_nothing_is_wrong_without_the_text_as_posted(
    database: Database, mails: list[Path]
) -> None:
    """Names, order and words decide less, and nothing wrongly."""
    import_files(database, [file for file in mails if RFC not in file.name])
    align_all(database)
    whole = add(measure_all(database).values())
    assert whole.precision == 1.0
    assert whole.recall >= 0.65


def test_nothing_is_wrong_whichever_mail_is_missing(
    database: Database, mails: list[Path]
) -> None:
    """Each mail left out in turn, and each by itself: nothing is wrong.

    These alignments are made without a database, for there are many.
    """
    with database.read() as session:
        corpus = load_corpus(session)
        anchors = {
            row[0]: row[1]
            for row in session.execute(
                select(col(Section.id), col(Section.anchor))
            )
        }
        names = {
            row[0]: row[1]
            for row in session.execute(select(col(Call.id), col(Call.name)))
        }
    answers = read_answers()
    parsed = [parse_mail(file.read_bytes()) for file in mails]
    sets = [[one] for one in parsed]
    sets += [[other for other in parsed if other is not one] for one in parsed]
    for chosen in sets:
        for message_id, found in align_parsed(corpus, chosen).items():
            for aligned in found:
                if aligned.place is None:
                    continue
                answer = answers[message_id][aligned.block.position]
                section, call = aligned.place
                right = is_right(anchors[section], names.get(call), answer)
                assert right, (message_id, aligned)


def align_parsed(
    corpus: Corpus, mails: list[ParsedMail]
) -> dict[str, list[Aligned]]:
    """Align some mails, each after those it answers."""
    by_id = {str(mail.message_id): mail for mail in mails}
    reads = {mail: corpus.outline.read(by_id[mail].body) for mail in by_id}
    sources = {
        mail: read
        for mail, read in reads.items()
        if is_source(read, find_stretches(by_id[mail].body))
    }
    above: dict[str | None, list[MailAbove]] = {None: []}
    found: dict[str, list[Aligned]] = {}

    def visit(mail: ParsedMail) -> None:
        parent = mail.in_reply_to if mail.in_reply_to in by_id else None
        if parent is not None and parent not in above:
            visit(by_id[parent])
        read = sources.get(parent or "")
        within = (
            None
            if read is None
            else frozenset(corpus.outline.index[m.place] for m in read.marks)
        )
        blocks = find_blocks(mail.body)
        aligned = align(
            blocks,
            Knowledge(
                outline=corpus.outline,
                sources=list(sources.values()),
                above=above[parent],
                within=within,
            ),
        )
        by_position = {one.block.position: one for one in aligned}
        known = [
            KnownQuote(
                block,
                pack_quote(block.text),
                by_position[block.position].place,
                by_position[block.position].candidates,
            )
            if block.position in by_position
            else KnownQuote(block, pack_quote(block.text), None, ())
            for block in blocks
        ]
        own = make_mail_above(find_stretches(mail.body), known)
        above[mail.message_id] = [own, *above[parent]]
        found[str(mail.message_id)] = aligned

    for mail in mails:
        if mail.message_id not in above:
            visit(mail)
    return found


@pytest.mark.parametrize("parts", [True, False])
def test_page_of_an_archive_is_read_as_well(
    database: Database, mails: list[Path], shared: Path, *, parts: bool
) -> None:
    """Archives drop lines; what is left still says where it is from."""
    files = [file for file in mails if RFC in file.name] if parts else []
    import_files(database, [*files, shared / "mail" / PAGE])
    align_all(database)
    with database.read() as session:
        found = next(q for q in read_quotes(session).values() if q)
    score = measure(found, read_answers()[PAGE])
    assert score.precision == 1.0
    assert score.recall >= (0.9 if parts else 0.5)

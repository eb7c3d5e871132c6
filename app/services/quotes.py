"""Quotes: what mails quote of the document, listed, and decided by hand.

What is sure is decided when the mail is aligned; the rest waits for an
editor, who says where it is from, or that it is from nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import (
    Call,
    Message,
    Quote,
    QuoteCandidate,
    QuoteState,
    Section,
)
from app.services import revisions
from app.services.alignment import Candidate
from app.services.document import list_call_names
from app.services.entries import append_entry, take_turn
from app.services.outlines import Place, Span
from app.services.quote_store import ask_again, bind, get_subject, read_mail
from app.services.quoted_blocks import Block, find_blocks
from app.services.remarks import read_name
from app.services.reviewers import Visitor

PAGE = 50
BY_HAND = "human"


class SectionRef(NamedTuple):
    """A section as it is linked to."""

    anchor: str
    number: str
    title: str


class CandidateRow(NamedTuple):
    """A place that a quote may be from; `score` is in thousandths."""

    position: int
    section: SectionRef
    call: str | None
    method: str
    score: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRow:
    """What is known of a quoted block; no `state` if it is like no clause."""

    id: int | None
    block: Block
    state: QuoteState | None
    section: SectionRef | None
    call: str | None
    annotation_id: str | None
    candidates: Sequence[CandidateRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingQuote:
    """A quote that waits for an editor, with the mail that holds it."""

    message_id: str
    subject: str
    author: str
    sent_at: datetime | None
    quote: QuoteRow


class WaitingQuotes(NamedTuple):
    """What waits, from a place on, and all that it may be from.

    `after` is where the next ones start, None at the end.
    """

    quotes: Sequence[WaitingQuote]
    total: int
    after: int | None
    sections: Sequence[SectionRef]
    calls: Sequence[str]


class _Stored(NamedTuple):
    id: int
    message_row_id: int
    position: int
    state: QuoteState
    section: SectionRef | None
    call: str | None
    annotation_id: str | None


def list_quotes(
    session: Session, message_row_id: int, body: str
) -> list[QuoteRow]:
    """Return all quoted blocks of a mail, with what is known of each."""
    stored = {
        row.position: row
        for row in _read_stored(
            session, col(Quote.message_row_id) == message_row_id
        )
    }
    candidates = _read_candidates(session, [r.id for r in stored.values()])
    return [
        _make_row(block, stored.get(block.position), candidates)
        for block in find_blocks(body)
    ]


def list_waiting(
    session: Session, *, after: int = 0, limit: int = PAGE
) -> list[WaitingQuote]:
    """Return the quotes that wait for an editor, those after one's id."""
    rows = _read_stored(
        session,
        col(Quote.state) == QuoteState.waiting,
        col(Quote.id) > after,
        limit=limit,
    )
    candidates = _read_candidates(session, [row.id for row in rows])
    mails = {
        mail[0]: mail
        for mail in session.execute(
            select(
                col(Message.id),
                col(Message.message_id),
                col(Message.subject),
                col(Message.sender),
                col(Message.sent_at),
                col(Message.body),
            ).where(col(Message.id).in_({row.message_row_id for row in rows}))
        )
    }
    found = []
    for row in rows:
        mail = mails[row.message_row_id]
        blocks = find_blocks(mail[5])
        if row.position < len(blocks):
            found.append(
                WaitingQuote(
                    message_id=mail[1],
                    subject=mail[2],
                    author=read_name(mail[3]),
                    sent_at=mail[4],
                    quote=_make_row(blocks[row.position], row, candidates),
                )
            )
    return found


def read_waiting(session: Session, *, after: int = 0) -> WaitingQuotes:
    """Return a page of what waits, with the clauses to choose from."""
    total = count_waiting(session)
    if not total:
        return WaitingQuotes((), 0, None, (), ())
    found = list_waiting(session, after=after, limit=PAGE + 1)
    shown = found[:PAGE]
    sections = session.execute(
        select(col(Section.anchor), col(Section.number), col(Section.title))
        .where(col(Section.revision_id) == revisions.get_newest(session).id)
        .order_by(col(Section.position))
    )
    return WaitingQuotes(
        shown,
        total,
        shown[-1].quote.id if len(found) > PAGE else None,
        [SectionRef(row[0], row[1], row[2]) for row in sections],
        list_call_names(session),
    )


def count_waiting(session: Session) -> int:
    """Return how many quotes wait for an editor."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Quote)
            .where(col(Quote.state) == QuoteState.waiting)
        )
        or 0
    )


def _read_stored(
    session: Session,
    *conditions: object,
    limit: int | None = None,
) -> list[_Stored]:
    rows = session.execute(
        select(
            col(Quote.id),
            col(Quote.message_row_id),
            col(Quote.position),
            col(Quote.state),
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
            col(Call.name),
            col(Quote.annotation_id),
        )
        .outerjoin(Section, col(Section.id) == col(Quote.section_id))
        .outerjoin(Call, col(Call.id) == col(Quote.call_id))
        .where(*conditions)  # type: ignore[arg-type]
        .order_by(col(Quote.id))
        .limit(limit)
    )
    return [
        _Stored(
            *(row[0] or 0, row[1], row[2], row[3]),
            None if row[4] is None else SectionRef(row[4], row[5], row[6]),
            *(row[7], row[8]),
        )
        for row in rows
    ]


def _read_candidates(
    session: Session, quote_ids: Sequence[int]
) -> Mapping[int, list[CandidateRow]]:
    rows = session.execute(
        select(
            col(QuoteCandidate.quote_id),
            col(QuoteCandidate.position),
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
            col(Call.name),
            col(QuoteCandidate.method),
            col(QuoteCandidate.score),
        )
        .join(Section, col(Section.id) == col(QuoteCandidate.section_id))
        .outerjoin(Call, col(Call.id) == col(QuoteCandidate.call_id))
        .where(col(QuoteCandidate.quote_id).in_(quote_ids))
        .order_by(col(QuoteCandidate.quote_id), col(QuoteCandidate.position))
    )
    found: dict[int, list[CandidateRow]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(
            CandidateRow(row[1], SectionRef(*row[2:5]), *row[5:])
        )
    return found


def _make_row(
    block: Block,
    stored: _Stored | None,
    candidates: Mapping[int, Sequence[CandidateRow]],
) -> QuoteRow:
    return QuoteRow(
        id=stored.id if stored else None,
        block=block,
        state=stored.state if stored else None,
        section=stored.section if stored else None,
        call=stored.call if stored else None,
        annotation_id=stored.annotation_id if stored else None,
        candidates=candidates.get(stored.id, ()) if stored else (),
    )


def decide_quote(
    session: Session,
    visitor: Visitor,
    quote_id: int,
    *,
    section: str,
    call: str | None,
) -> str:
    """Say which clause a quote is from; return the mail's id.

    `section` is the name of a section of the document under review.

    Raises
    ------
    ConflictError
        When it is decided already.
    InvalidError
        When the clause or the call is none of the document under review.
    """
    take_turn(session)
    quote = _get_open(session, quote_id)
    newest = revisions.get_newest(session).id
    section_id = session.scalar(
        select(col(Section.id)).where(
            col(Section.revision_id) == newest, col(Section.anchor) == section
        )
    )
    if section_id is None:
        raise InvalidError(
            f"the document has no section {section!r}",
            Fault("/section", "expected the name of a section"),
        )
    call_id = None if call is None else _get_call_id(session, call)
    mail = read_mail(session, quote.message_row_id)
    bind(
        session,
        visitor.actor,
        mail,
        quote,
        Candidate(
            Place(section_id, call_id),
            1.0,
            BY_HAND,
            _read_span(session, quote_id, section_id),
        ),
    )
    quote.reviewer_id = visitor.id
    session.flush()
    ask_again(session, [mail.id])
    return mail.message_id


def dismiss_quote(session: Session, visitor: Visitor, quote_id: int) -> str:
    """Say that a quote is from no clause; return the mail's id."""
    take_turn(session)
    quote = _get_open(session, quote_id)
    mail = read_mail(session, quote.message_row_id)
    quote.state = QuoteState.dismissed
    quote.section_id = quote.call_id = None
    quote.reviewer_id = visitor.id
    session.flush()
    append_entry(
        session,
        visitor.actor,
        "quote.dismissed",
        get_subject(mail, quote),
        {"message": mail.message_id, "position": quote.position},
    )
    ask_again(session, [mail.id])
    return mail.message_id


def _read_span(
    session: Session, quote_id: int, section_id: int
) -> Span | None:
    """Return where a section has the words of a quote, if that is known."""
    row = session.execute(
        select(col(QuoteCandidate.start), col(QuoteCandidate.end))
        .where(
            col(QuoteCandidate.quote_id) == quote_id,
            col(QuoteCandidate.section_id) == section_id,
            col(QuoteCandidate.start).is_not(None),
        )
        .limit(1)
    ).first()
    return Span(row[0] or 0, row[1] or 0) if row else None


def _get_open(session: Session, quote_id: int) -> Quote:
    quote = session.execute(
        select(Quote).where(col(Quote.id) == quote_id)
    ).scalar_one_or_none()
    if quote is None:
        raise NotFoundError("quote", str(quote_id))
    if quote.state == QuoteState.decided:
        raise ConflictError("this quote is decided already")
    return quote


def _get_call_id(session: Session, name: str) -> int:
    call_id = session.scalar(
        select(col(Call.id)).where(col(Call.name) == name)
    )
    if call_id is None:
        raise InvalidError(
            f"there is no call {name!r}",
            Fault("/call", "expected the name of a call"),
        )
    return call_id

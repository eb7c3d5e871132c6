"""Quotes as they are stored: found by the aligner, bound to a clause.

The answer under a bound quote becomes a remark on the clause.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import (
    Call,
    Message,
    Quote,
    QuoteCandidate,
    QuoteState,
    Section,
    get_id,
)
from app.services import anchors, remarks
from app.services.alignment import Candidate
from app.services.annotations import Passage, make_passage
from app.services.entries import append_entry
from app.services.outlines import Place
from app.services.quote_alignment import Aligned
from app.services.quoted_blocks import Block, find_blocks
from app.services.reviewers import PROGRAM

THOUSAND = 1000
logger = structlog.get_logger()


class MailText(NamedTuple):
    """A mail as far as its quotes need it."""

    id: int
    message_id: str
    sender: str
    at: datetime
    blocks: Sequence[Block]

    def get_reply(self, position: int) -> str:
        """Return the answer under a quoted block."""
        return (
            self.blocks[position].reply if position < len(self.blocks) else ""
        )


def read_mail(session: Session, row_id: int) -> MailText:
    """Return a stored mail with its quoted blocks."""
    row = session.execute(
        select(
            col(Message.id),
            col(Message.message_id),
            col(Message.sender),
            func.coalesce(col(Message.sent_at), col(Message.imported_at)),
            col(Message.body),
        ).where(col(Message.id) == row_id)
    ).one()
    return MailText(row[0] or 0, *row[1:4], blocks=find_blocks(row[4]))


def store_aligned(
    session: Session,
    message_row_id: int,
    found: Sequence[Aligned],
    mapped: Mapping[int, Place | None],
) -> bool:
    """Store what a mail quotes; tell whether anything is new.

    What somebody has decided stays, and what was decided before stays if it
    is found again; it is moved to the document that is under review now.

    Parameters
    ----------
    found
        The quoted blocks that are like a clause.
    mapped
        The places that decided quotes have now, by the quote's position.
    """
    known = {
        quote.position: quote
        for quote in session.scalars(
            select(Quote).where(col(Quote.message_row_id) == message_row_id)
        )
    }
    if not found and not known:
        return False
    mail = read_mail(session, message_row_id)
    has_changed = _drop_missing(session, known, found)
    for aligned in found:
        quote = known.get(aligned.block.position)
        if quote is not None and quote.state != QuoteState.waiting:
            _move(quote, aligned.block, mapped.get(quote.position))
            continue
        has_changed |= quote is None or aligned.place is not None
        quote = _put(session, mail.id, quote, aligned)
        best = aligned.candidates[0]
        if aligned.place is not None:
            bind(session, PROGRAM, mail, quote, best)
    session.flush()
    return has_changed


def _drop_missing(
    session: Session, known: Mapping[int, Quote], found: Sequence[Aligned]
) -> bool:
    """Drop what waited and is like no clause any more."""
    positions = {aligned.block.position for aligned in found}
    gone = [
        get_id(quote)
        for position, quote in known.items()
        if position not in positions and quote.state == QuoteState.waiting
    ]
    if gone:
        session.execute(
            delete(QuoteCandidate).where(
                col(QuoteCandidate.quote_id).in_(gone)
            )
        )
        session.execute(delete(Quote).where(col(Quote.id).in_(gone)))
    return bool(gone)


def _move(quote: Quote, block: Block, place: Place | None) -> None:
    quote.start, quote.end = block.start, block.end
    quote.reply_start, quote.reply_end = block.reply_start, block.reply_end
    if place is not None and quote.section_id is not None:
        quote.section_id = place.section


def _put(
    session: Session,
    message_row_id: int,
    quote: Quote | None,
    aligned: Aligned,
) -> Quote:
    """Store a quote with its candidates, in place of those it had."""
    block = aligned.block
    if quote is None:
        quote = Quote(
            message_row_id=message_row_id,
            position=block.position,
            depth=block.depth,
            start=block.start,
            end=block.end,
            reply_start=block.reply_start,
            reply_end=block.reply_end,
            state=QuoteState.waiting,
        )
        session.add(quote)
    else:
        quote.depth = block.depth
        _move(quote, block, None)
    session.flush()
    session.execute(
        delete(QuoteCandidate).where(
            col(QuoteCandidate.quote_id) == get_id(quote)
        )
    )
    session.execute(
        insert(QuoteCandidate),
        [
            {
                "quote_id": get_id(quote),
                "position": number,
                "section_id": candidate.place.section,
                "call_id": candidate.place.call,
                "method": candidate.method,
                "score": round(candidate.score * THOUSAND),
                "start": candidate.span.start if candidate.span else None,
                "end": candidate.span.end if candidate.span else None,
            }
            for number, candidate in enumerate(aligned.candidates)
        ],
    )
    return quote


def bind(
    session: Session,
    actor: str,
    mail: MailText,
    quote: Quote,
    best: Candidate,
) -> None:
    """Bind a quote to a clause, and make the answer under it a remark."""
    quote.state = QuoteState.decided
    quote.section_id, quote.call_id = best.place
    reply = mail.get_reply(quote.position)
    if reply:
        quote.annotation_id = _find_remark(session, quote)
    if quote.annotation_id is None and reply:
        quote.annotation_id = remarks.add_remark(
            session,
            actor=actor,
            sender=mail.sender,
            message_id=mail.message_id,
            section_id=best.place.section,
            call_id=best.place.call,
            passage=_read_passage(session, best),
            text=reply,
            created_at=mail.at,
        )
    session.flush()
    section, call = _read_names(session, best.place)
    append_entry(
        session,
        actor,
        "quote.decided",
        get_subject(mail, quote),
        {
            "message": mail.message_id,
            "position": quote.position,
            "section": section,
            "call": call,
            "method": best.method,
            "score": round(best.score * THOUSAND),
            "annotation": quote.annotation_id,
        },
    )
    logger.info(
        "quote_decided", message_id=mail.message_id, position=quote.position
    )


def _read_passage(session: Session, best: Candidate) -> Passage | None:
    """Return what the clause has of the quote's own words, if it has them."""
    if best.span is None:
        return None
    clause = anchors.read_clause(session, best.place.section)
    return make_passage(clause.text, best.span.start, best.span.end)


def _read_names(session: Session, place: Place) -> tuple[str, str | None]:
    call = select(col(Call.name)).where(col(Call.id) == place.call)
    row = session.execute(
        select(col(Section.anchor), call.scalar_subquery()).where(
            col(Section.id) == place.section
        )
    ).one()
    return row[0], row[1]


def _find_remark(session: Session, quote: Quote) -> str | None:
    """Return the remark that the same answer became under another quote.

    A quote of a quote and what was said of it have one answer: it is one
    remark on the clause, not two.
    """
    same = (
        select(col(Quote.annotation_id))
        .where(
            col(Quote.message_row_id) == quote.message_row_id,
            col(Quote.reply_start) == quote.reply_start,
            col(Quote.section_id) == quote.section_id,
            col(Quote.call_id).is_not_distinct_from(quote.call_id),
            col(Quote.annotation_id).is_not(None),
        )
        .limit(1)
    )
    return session.scalar(same)


def get_subject(mail: MailText, quote: Quote) -> str:
    """Return what the event log calls a quote."""
    return f"quote:{mail.message_id}#{quote.position}"


def ask_all_again(session: Session) -> None:
    """Let all mails be aligned again: there is more that they may quote."""
    session.execute(
        update(Message)
        .values(aligned_to=None)
        .execution_options(synchronize_session=False)
    )


def ask_again(session: Session, message_row_ids: Sequence[int]) -> None:
    """Let the mails be aligned again that answer these."""
    names = select(col(Message.message_id)).where(
        col(Message.id).in_(message_row_ids)
    )
    session.execute(
        update(Message)
        .where(
            or_(
                col(Message.parent_id).in_(message_row_ids),
                col(Message.parent_id).is_(None)
                & col(Message.in_reply_to).in_(names),
            )
        )
        .values(aligned_to=None)
        .execution_options(synchronize_session=False)
    )

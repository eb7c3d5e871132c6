"""Quotes of a mail whose text was replaced by a better one.

The page of an archive gives way to the mail itself, which may have other
blocks. A quote whose words are still there keeps what was found out about it,
and what somebody decided; one whose words are gone is dropped, and the log
tells of it. The remark that it became stays.
"""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Quote, QuoteCandidate, QuoteState, get_id
from app.services.alignment import pack_quote
from app.services.entries import NewEntry, append_entries
from app.services.likeness import compare
from app.services.quoted_blocks import Block, find_blocks

LIKE = 0.85
"""Archives hide addresses and lose characters: how alike is the same."""

MOST_COMPARED = 1000
logger = structlog.get_logger()


def move_quotes(
    session: Session,
    actor: str,
    message: tuple[int, str],
    old_body: str,
    new_body: str,
) -> None:
    """Put the quotes of a mail where their words are in its new text.

    Parameters
    ----------
    message
        The mail's row and id.
    """
    row_id, message_id = message
    quotes = session.scalars(
        select(Quote)
        .where(col(Quote.message_row_id) == row_id)
        .order_by(col(Quote.position))
    ).all()
    if not quotes:
        return
    blocks = find_blocks(new_body)
    moves = match_blocks(find_blocks(old_body), blocks)
    gone = [quote for quote in quotes if quote.position not in moves]
    told = [
        NewEntry(
            "quote.dropped",
            f"quote:{message_id}#{quote.position}",
            {
                "message": message_id,
                "position": quote.position,
                "state": quote.state.value,
                "annotation": quote.annotation_id,
            },
        )
        for quote in gone
        if quote.state != QuoteState.waiting
    ]
    if gone:
        ids = [get_id(quote) for quote in gone]
        session.execute(
            delete(QuoteCandidate).where(col(QuoteCandidate.quote_id).in_(ids))
        )
        for quote in gone:
            session.delete(quote)
        session.flush()
    kept = [quote for quote in quotes if quote.position in moves]
    targets = [blocks[moves[quote.position]] for quote in kept]
    for number, quote in enumerate(kept, start=1):
        # two must not be at one position, not even on their way
        quote.position = -number
    session.flush()
    for quote, block in zip(kept, targets, strict=True):
        quote.position, quote.depth = block.position, block.depth
        quote.start, quote.end = block.start, block.end
        quote.reply_start, quote.reply_end = block.reply_start, block.reply_end
    session.flush()
    append_entries(session, actor, told)
    logger.info("quotes_moved", kept=len(kept), dropped=len(gone))


def match_blocks(
    old: Sequence[Block], new: Sequence[Block]
) -> Mapping[int, int]:
    """Return which new block each old one is, by their positions.

    Equal words come first, in their order; then words that are like them.
    """
    packed = {block.position: pack_quote(block.text) for block in new}
    free: dict[str, list[int]] = {}
    for position, words in packed.items():
        free.setdefault(words, []).append(position)
    moves: dict[int, int] = {}
    left: list[tuple[int, str]] = []
    for block in old:
        words = pack_quote(block.text)
        if free.get(words):
            moves[block.position] = free[words].pop(0)
        else:
            left.append((block.position, words))
    open_ = {one for positions in free.values() for one in positions}
    for position, words in left:
        likeness = {
            one: compare(words[:MOST_COMPARED], packed[one][:MOST_COMPARED])
            for one in sorted(open_)
        }
        best = max(likeness, key=lambda one: likeness[one], default=None)
        if best is not None and likeness[best] >= LIKE:
            moves[position] = best
            open_.remove(best)
    return moves

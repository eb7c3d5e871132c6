"""Aligning: the quotes of all mails compared with the document, in order.

A mail's parent comes before it, for what the parent quotes says what a quote
of it is. Work is done in batches; a mail that is done says so in
`aligned_to`, so it goes on where it was broken off. Reading and comparing
happen outside the transaction that stores what was found.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import NotFoundError
from app.log import configure_logging
from app.models import Message, Quote, QuoteCandidate, QuoteState
from app.services import revisions, search_index
from app.services.alignment import Candidate, pack_quote
from app.services.outlines import Place
from app.services.quote_alignment import Aligned, Knowledge, align
from app.services.quote_chains import (
    MOST_ABOVE,
    KnownQuote,
    MailAbove,
    make_mail_above,
)
from app.services.quote_corpus import Corpus, load_corpus
from app.services.quote_store import (
    THOUSAND,
    ask_again,
    ask_all_again,
    store_aligned,
)
from app.services.quoted_blocks import (
    Block,
    Stretch,
    find_stretches,
    make_blocks,
)
from app.services.workers import step_back, tell

BATCH = 100
KEPT_ABOVE = 300
logger = structlog.get_logger()


class Told(NamedTuple):
    """How far the aligning is, in mails."""

    done: int
    total: int


class AlignReport(NamedTuple):
    """How many mails were aligned, and what became of their quotes."""

    messages: int
    decided: int
    waiting: int


class _Pending(NamedTuple):
    id: int
    message_id: str
    parent_id: int | None
    in_reply_to: str | None
    is_cut: bool
    body: str


class _Above(NamedTuple):
    parent_id: int | None
    mail: MailAbove


@dataclass(slots=True)
class _Result:
    pending: _Pending
    found: Sequence[Aligned]
    is_known: bool
    mapped: dict[int, Place | None] = field(default_factory=dict)


def align_pending(
    database: Database, on_progress: Callable[[int, int], object]
) -> AlignReport:
    """Align all mails that are not aligned with the document under review.

    `on_progress` is called with how many are done, and of how many.
    """
    done = decided = waiting = 0
    aligner: _Aligner | None = None
    while True:
        with database.read() as session:
            try:
                newest = revisions.get_newest(session).id
            except NotFoundError:
                break
            left = _count_pending(session, newest)
            on_progress(done, done + left)
            if not left:
                break
            if aligner is None or aligner.corpus.revision_id != newest:
                aligner = _Aligner(load_corpus(session))
                aligner.look_for_new(session)
            results = aligner.align_batch(session)
        with database.write() as session:
            if aligner.has_new:
                ask_all_again(session)
                aligner.has_new = False
            _store(session, results, newest)
        done += len(results)
        for result in results:
            sure = sum(one.place is not None for one in result.found)
            decided += sure
            waiting += len(result.found) - sure
    if done:
        logger.info("mails_aligned", messages=done, decided=decided)
    return AlignReport(done, decided, waiting)


def has_pending(database: Database) -> bool:
    """Tell whether a mail waits for being aligned."""
    with database.read() as session:
        try:
            newest = revisions.get_newest(session).id
        except NotFoundError:
            return False
        found = select(col(Message.id)).where(_is_pending(newest)).limit(1)
        return session.scalar(found) is not None


def align_in_worker(url: str, log_level: str | None = None) -> AlignReport:
    """Align in a process of its own, behind all that somebody waits for.

    It knows nothing of how the program logs, unless it is told.
    """
    if log_level is not None:
        configure_logging(log_level)
    step_back()
    database = Database(url)
    try:
        return align_pending(
            database, lambda done, total: tell(Told(done, total))
        )
    finally:
        database.close()


def _is_pending(newest: int) -> ColumnElement[bool]:
    # in terms that an index answers
    return or_(
        col(Message.aligned_to).is_(None),
        col(Message.aligned_to) < newest,
        col(Message.aligned_to) > newest,
    )


def _count_pending(session: Session, newest: int) -> int:
    return (
        session.scalar(
            select(func.count())
            .select_from(Message)
            .where(_is_pending(newest))
        )
        or 0
    )


class _Aligner:
    """Aligns batches of mails; keeps the mails above that it came by.

    It `has_new` words to look for if a mail that the document was posted in
    has come since others were aligned.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.has_new = False
        self._above: OrderedDict[int, _Above] = OrderedDict()

    def look_for_new(self, session: Session) -> None:
        """See whether a source has come that nobody was compared with."""
        found = select(col(Message.id)).where(
            col(Message.id).in_(self.corpus.messages),
            col(Message.aligned_to).is_(None),
        )
        self.has_new = session.scalar(found.limit(1)) is not None

    def align_batch(self, session: Session) -> list[_Result]:
        """Return what the next mails quote, those further up first."""
        rows = session.execute(
            select(
                col(Message.id),
                col(Message.message_id),
                col(Message.parent_id),
                col(Message.in_reply_to),
                col(Message.is_cut),
                col(Message.body),
            )
            .where(_is_pending(self.corpus.revision_id))
            .order_by(
                # a tree's mails stand with parents first
                col(Message.conversation_id),
                col(Message.position),
                col(Message.id),
            )
            .limit(BATCH)
        ).all()
        pending = [_Pending(row[0] or 0, *row[1:]) for row in rows]
        known = set(
            session.scalars(
                select(col(Quote.message_row_id)).where(
                    col(Quote.message_row_id).in_([p.id for p in pending])
                )
            )
        )
        return [
            self._align(session, one, is_known=one.id in known)
            for one in pending
        ]

    def _align(
        self, session: Session, pending: _Pending, *, is_known: bool
    ) -> _Result:
        parent_id = _get_parent(session, pending)
        stretches = find_stretches(pending.body)
        blocks = make_blocks(stretches)
        if not blocks:
            self._keep(pending.id, parent_id, stretches, [])
            return _Result(pending, [], is_known)
        found = align(
            blocks,
            Knowledge(
                outline=self.corpus.outline,
                sources=self.corpus.sources,
                above=self._list_above(session, parent_id),
                within=self.corpus.get_within(parent_id),
            ),
        )
        stored = (
            _read_known(session, self.corpus, pending.id) if is_known else {}
        )
        by_hand = {
            position: known
            for position, known in stored.items()
            if known.state != QuoteState.waiting
        }
        self._keep(
            pending.id,
            parent_id,
            stretches,
            _make_known(blocks, {a.block.position: a for a in found}, by_hand),
        )
        mapped = {n: known.place for n, known in by_hand.items()}
        return _Result(pending, found, is_known, mapped)

    def _keep(
        self,
        row_id: int,
        parent_id: int | None,
        stretches: Sequence[Stretch],
        quotes: Sequence[KnownQuote],
    ) -> _Above:
        mail = make_mail_above(stretches, quotes)
        self._above[row_id] = above = _Above(parent_id, mail)
        while len(self._above) > KEPT_ABOVE:
            self._above.popitem(last=False)
        return above

    def _list_above(
        self, session: Session, parent_id: int | None
    ) -> list[MailAbove]:
        above: list[MailAbove] = []
        seen: set[int] = set()
        while (
            parent_id is not None
            and parent_id not in seen
            and len(above) < MOST_ABOVE
        ):
            seen.add(parent_id)
            one = self._above.get(parent_id) or self._load(session, parent_id)
            if one is None:
                break
            above.append(one.mail)
            parent_id = one.parent_id
        return above

    def _load(self, session: Session, row_id: int) -> _Above | None:
        row = session.execute(
            select(
                col(Message.id),
                col(Message.message_id),
                col(Message.parent_id),
                col(Message.in_reply_to),
                col(Message.is_cut),
                col(Message.body),
            ).where(col(Message.id) == row_id)
        ).first()
        if row is None:
            return None
        pending = _Pending(row[0] or 0, *row[1:])
        known = _read_known(session, self.corpus, row_id)
        stretches = find_stretches(pending.body)
        quotes = _make_known(make_blocks(stretches), {}, known)
        parent_id = _get_parent(session, pending)
        return self._keep(row_id, parent_id, stretches, quotes)


def _get_parent(session: Session, pending: _Pending) -> int | None:
    """Return the mail that is answered, also while the tree is not made."""
    if pending.parent_id is not None or pending.is_cut:
        return pending.parent_id
    if pending.in_reply_to is None:
        return None
    return session.scalar(
        select(col(Message.id)).where(
            col(Message.message_id) == pending.in_reply_to,
            col(Message.id) != pending.id,
        )
    )


class _Known(NamedTuple):
    state: QuoteState
    place: Place | None
    candidates: list[Candidate]


def _read_known(
    session: Session, corpus: Corpus, message_row_id: int
) -> dict[int, _Known]:
    """Return what is stored of a mail's quotes, by their position."""
    known: dict[int, _Known] = {}
    positions: dict[int, int] = {}
    for row in session.execute(
        select(
            col(Quote.id),
            col(Quote.position),
            col(Quote.state),
            col(Quote.section_id),
            col(Quote.call_id),
        ).where(col(Quote.message_row_id) == message_row_id)
    ):
        positions[row[0] or 0] = row[1]
        place = (
            corpus.map_place(row[3], row[4])
            if row[2] == QuoteState.decided
            else None
        )
        known[row[1]] = _Known(row[2], place, [])
    for found in session.execute(
        select(
            col(QuoteCandidate.quote_id),
            col(QuoteCandidate.section_id),
            col(QuoteCandidate.call_id),
            col(QuoteCandidate.score),
            col(QuoteCandidate.method),
        )
        .where(col(QuoteCandidate.quote_id).in_(positions))
        .order_by(col(QuoteCandidate.quote_id), col(QuoteCandidate.position))
    ):
        place = corpus.map_place(found[1], found[2])
        quote = known[positions[found[0]]]
        if place is not None and quote.state != QuoteState.dismissed:
            quote.candidates.append(
                Candidate(place, found[3] / THOUSAND, found[4])
            )
    return known


def _make_known(
    blocks: Sequence[Block],
    found: dict[int, Aligned],
    stored: dict[int, _Known],
) -> list[KnownQuote]:
    quotes = []
    for block in blocks:
        place: Place | None = None
        candidates: Sequence[Candidate] = ()
        if block.position in stored:
            _, place, candidates = stored[block.position]
        elif block.position in found:
            _, candidates, place = found[block.position]
        quotes.append(
            KnownQuote(block, pack_quote(block.text), place, candidates)
        )
    return quotes


def _store(session: Session, results: Sequence[_Result], newest: int) -> None:
    """Store a batch, but for the mails where somebody else was faster."""
    pending = set(
        session.scalars(
            select(col(Message.id)).where(
                col(Message.id).in_([r.pending.id for r in results]),
                _is_pending(newest),
            )
        )
    )
    changed = [
        result.pending.id
        for result in results
        if result.pending.id in pending
        and (result.found or result.is_known)
        and store_aligned(
            session, result.pending.id, result.found, result.mapped
        )
    ]
    if changed:
        ask_again(session, changed)
    # a clause that only goes by another number now is no line of the log
    search_index.add_messages(
        session,
        [
            r.pending.id
            for r in results
            if r.is_known and r.pending.id in pending
        ],
    )
    # after that, for those of this batch know of one another
    session.execute(
        update(Message)
        .where(col(Message.id).in_(pending))
        .values(aligned_to=newest)
        .execution_options(synchronize_session=False)
    )

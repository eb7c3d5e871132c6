"""What is searched of mails, read many at a time."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import (
    Attachment,
    Call,
    Delivery,
    Message,
    Quote,
    QuoteState,
    SearchKind,
    Section,
)
from app.services.base_subject import compute_base_subject
from app.services.mail_terms import SearchedMail, read_terms
from app.services.masking import mask_addresses
from app.services.search_facts import LIST, say_calls, say_clauses
from app.services.search_records import Findable
from app.services.search_terms import Terms, fold, join_facts, make_fact

Many = dict[int, list[str]]


class ArrivedMail(NamedTuple):
    """A mail that was read when it arrived: its id, time and terms."""

    message_id: str
    at: datetime
    terms: Terms


class _Around(NamedTuple):
    """What other tables hold of some mails, by row."""

    lists: Many
    files: Many
    calls: Many
    clauses: Mapping[int, list[tuple[str, str]]]


def list_mails(session: Session) -> list[int]:
    """Return the rows of all mails, in the order they came."""
    rows = session.scalars(select(col(Message.id)).order_by(col(Message.id)))
    return [id_ for id_ in rows if id_ is not None]


def read_mails(session: Session, ids: Sequence[int]) -> Iterator[Findable]:
    """Return what is searched of these mails; as many as fit in memory."""
    around = _read_around(session, ids)
    rows = session.execute(
        select(
            col(Message.id),
            col(Message.sent_at),
            col(Message.imported_at),
            col(Message.message_id),
            col(Message.subject),
            col(Message.sender),
            col(Message.in_reply_to),
            col(Message.headers),
            col(Message.body),
        )
        .where(col(Message.id).in_(ids))
        .order_by(col(Message.id))
    )
    for row in rows:
        id_ = row[0] or 0
        message_id, subject, sender, in_reply_to, headers, body = row[3:]
        mail = SearchedMail(
            subject,
            sender,
            in_reply_to,
            # the column has it only once the mail is linked
            compute_base_subject(subject).is_reply,
            headers,
            body,
        )
        terms = read_terms(mail, has_files=bool(around.files[id_]))
        yield _place(id_, row[1] or row[2], message_id, terms, around)


def place_mails(
    session: Session, arrived: Mapping[int, ArrivedMail]
) -> Iterator[Findable]:
    """Return what is searched of mails by their rows, read before."""
    around = _read_around(session, list(arrived))
    for id_, (message_id, at, terms) in arrived.items():
        yield _place(id_, at, message_id, terms, around)


def _place(
    id_: int, at: datetime, message_id: str, terms: Terms, around: _Around
) -> Findable:
    """Add to a mail's terms what other tables hold of it."""
    facts = [
        *terms.facts.split(" "),
        *(make_fact(LIST, name) for name in around.lists[id_]),
        *say_calls(around.calls[id_]),
        *say_clauses(around.clauses[id_]),
    ]
    placed = terms._replace(
        names=fold(
            " ".join([message_id, *map(mask_addresses, around.files[id_])])
        ),
        facts=join_facts(facts),
    )
    return Findable(SearchKind.mail, str(id_), at, placed)


def _read_around(session: Session, ids: Sequence[int]) -> _Around:
    lists: Many = defaultdict(list)
    for id_, name in session.execute(
        select(col(Delivery.message_row_id), col(Delivery.list_id))
        .where(
            col(Delivery.message_row_id).in_(ids),
            col(Delivery.list_id).is_not(None),
        )
        .order_by(col(Delivery.id))
    ):
        lists[id_].append(name or "")
    files: Many = defaultdict(list)
    for id_, name in session.execute(
        select(col(Attachment.message_row_id), col(Attachment.name))
        .where(col(Attachment.message_row_id).in_(ids))
        .order_by(col(Attachment.position))
    ):
        files[id_].append(name)
    return _read_quotes(session, ids, lists, files)


def _read_quotes(
    session: Session, ids: Sequence[int], lists: Many, files: Many
) -> _Around:
    calls: Many = defaultdict(list)
    clauses: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for id_, call, number, anchor in session.execute(
        select(
            col(Quote.message_row_id),
            col(Call.name),
            col(Section.number),
            col(Section.anchor),
        )
        .outerjoin(Call, col(Call.id) == col(Quote.call_id))
        .outerjoin(Section, col(Section.id) == col(Quote.section_id))
        .where(
            col(Quote.message_row_id).in_(ids),
            col(Quote.state) == QuoteState.decided,
        )
        .order_by(col(Quote.position))
    ):
        if call is not None:
            calls[id_].append(call)
        if anchor is not None:
            clauses[id_].append((number, anchor))
    return _Around(lists, files, calls, clauses)

"""What is searched of mails, read many at a time."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
from app.services.search_facts import (
    LIST,
    say_calls,
    say_clauses,
    say_is,
    say_who,
)
from app.services.search_records import Findable
from app.services.search_terms import Terms, fold, join_facts, make_fact
from app.services.trailers import get_name

_PATCH = re.compile(r"\[[^\]]*\bpatch\b", re.IGNORECASE)
_HUNK = "\n@@ -"
Many = dict[int, list[str]]


class _Mail(NamedTuple):
    message_id: str
    subject: str
    sender: str
    in_reply_to: str | None
    is_reply: bool
    headers: Sequence[Sequence[str]]
    body: str


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
            col(Message.is_reply),
            col(Message.headers),
            col(Message.body),
        )
        .where(col(Message.id).in_(ids))
        .order_by(col(Message.id))
    )
    for row in rows:
        mail = _Mail._make(row[3:])
        id_ = row[0] or 0
        yield Findable(
            SearchKind.mail,
            str(id_),
            row[1] or row[2],
            _build_terms(id_, mail, around),
        )


def _build_terms(id_: int, mail: _Mail, around: _Around) -> Terms:
    own, quoted = split_quoted(mail.body)
    files = around.files[id_]
    words = ["mail"]
    if mail.in_reply_to is not None or mail.is_reply:
        words.append("reply")
    if _PATCH.search(mail.subject) or _HUNK in mail.body:
        words.append("patch")
    if files:
        words.append("attached")
    facts = [
        *say_is(*words),
        *say_who(get_name(mail.sender)),
        *(make_fact(LIST, name) for name in around.lists[id_]),
        *say_calls(around.calls[id_]),
        *say_clauses(around.clauses[id_]),
    ]
    return Terms(
        title=fold(mail.subject),
        sender=fold(mail.sender),
        recipients=fold(_get_header(mail.headers, "to")),
        copied=fold(_get_header(mail.headers, "cc")),
        own=fold(own),
        quoted=fold(quoted),
        names=fold(" ".join([mail.message_id, *files])),
        facts=join_facts(facts),
    )


def split_quoted(body: str) -> tuple[str, str]:
    """Return what a mail says itself, and what it quotes."""
    own: list[str] = []
    quoted: list[str] = []
    for line in body.split("\n"):
        (quoted if line.startswith(">") else own).append(line)
    return "\n".join(own), "\n".join(quoted)


def _get_header(headers: Sequence[Sequence[str]], name: str) -> str:
    return " ".join(h[1] for h in headers if h[0].lower() == name)


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

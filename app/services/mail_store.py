"""Mails on their way into the tables: new ones, copies, better texts.

A Message-ID names one mail. What comes under a known id with the same text is
another delivery of it; with another text it is another mail, which gets an id
of its content. The page of an archive gives way to the mail itself, and stays
as a delivery.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import exists, insert, select, update
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.db import Packed
from app.models import Delivery, Message
from app.services import linking, search_index
from app.services.archived_mails import find_archived_id
from app.services.entries import NewEntry, append_entries, take_turn
from app.services.preparing import Prepared, fold_text
from app.services.quote_moves import move_quotes
from app.services.search_mails import ArrivedMail
from app.services.trailers import get_name

NEW, BETTER, COPY = "message.imported", "message.replaced", "delivery.received"

# on tables and not on their classes: many rows go in four times as fast
_ADD_MESSAGE = insert(SQLModel.metadata.tables["message"])
_ADD_DELIVERY = insert(SQLModel.metadata.tables["delivery"])
_ADD_ATTACHMENT = insert(SQLModel.metadata.tables["attachment"])

Row = dict[str, Any]


class Arrived(NamedTuple):
    """A mail that was read, and the name of the file it came in."""

    prepared: Prepared
    source: str


@dataclass(slots=True)
class Stored:
    """What became of mails: how many of each kind, and the ids of all.

    `row_ids` are the messages whose text is new.
    """

    imported: int = 0
    known: int = 0
    deliveries: int = 0
    message_ids: list[str] = field(default_factory=list)
    row_ids: list[int] = field(default_factory=list)


def store_mails(
    session: Session, arrived: Sequence[Arrived], actor: str
) -> Stored:
    """Store mails, in few statements; those that are known stay as they are.

    Pages of an archive come last, so that their mails are there already.
    """
    take_turn(session)
    stored = Stored()
    mails = [one for one in arrived if not one.prepared.mail.is_archived]
    if mails:
        _Batch(session, mails).store(stored, actor)
    for one in arrived:
        if one.prepared.mail.is_archived:
            _Batch(session, [one]).store(stored, actor)
    if stored.row_ids:
        linking.link_messages(session, stored.row_ids)
    return stored


def find_known(session: Session, digests: Iterable[str]) -> dict[str, str]:
    """Return the message of each of these deliveries that is stored."""
    rows = session.execute(
        select(col(Delivery.sha256), col(Message.message_id))
        .join(Message, col(Message.id) == col(Delivery.message_row_id))
        .where(col(Delivery.sha256).in_(list(digests)))
    )
    return {row[0]: row[1] for row in rows}


class _Kept(NamedTuple):
    """A message of the tables; an archived one has no mail of its own."""

    row_id: int
    is_archived: bool


@dataclass(frozen=True, slots=True)
class _Step:
    """What a mail is to become: a message, a better text, or a copy."""

    what: str
    message_id: str
    arrived: Arrived
    defects: tuple[str, ...]

    @property
    def prepared(self) -> Prepared:
        """Return the mail."""
        return self.arrived.prepared


class _Batch:
    """Mails that are stored together."""

    def __init__(self, session: Session, arrived: Sequence[Arrived]) -> None:
        self._session = session
        self._arrived = arrived
        self._digests = find_known(
            session, [one.prepared.sha256 for one in arrived]
        )
        self._names = {
            one.prepared.sha256: self._find_name(one) for one in arrived
        }
        self._known: dict[str, _Kept | Prepared] = dict(
            _read_kept(session, sorted(set(self._names.values())))
        )
        self._now = datetime.now(UTC)

    def store(self, stored: Stored, actor: str) -> None:
        """Decide what each mail is, then write all and tell the log."""
        steps: list[_Step] = []
        for one in self._arrived:
            digest = one.prepared.sha256
            if digest in self._digests:
                stored.known += 1
            else:
                step = self._decide(one)
                steps.append(step)
                self._digests[digest] = step.message_id
            stored.message_ids.append(self._digests[digest])
        if not steps:
            return
        numbers = self._write(steps, actor)
        append_entries(self._session, actor, [_tell(step) for step in steps])
        stored.imported += sum(step.what == NEW for step in steps)
        stored.deliveries += sum(step.what != NEW for step in steps)
        self._index(steps, numbers)
        stored.row_ids += dict.fromkeys(
            numbers[step.message_id] for step in steps if step.what != COPY
        )

    def _find_name(self, one: Arrived) -> str:
        mail = one.prepared.mail
        name = mail.message_id
        if name is None and mail.is_archived:
            name = find_archived_id(self._session, mail)
        return name or one.prepared.content_id

    def _decide(self, one: Arrived) -> _Step:
        prepared = one.prepared
        name = self._names[prepared.sha256]
        known = self._known.get(name)
        defects: tuple[str, ...] = ()
        if known is not None and not self._is_same(known, prepared):
            defects = (f"another mail has its Message-ID {name}",)
            name = prepared.content_id
            if name not in self._known:
                self._known |= _read_kept(self._session, [name])
            known = self._known.get(name)
        what = COPY
        if known is None:
            what = NEW
        elif isinstance(known, _Kept) and known.is_archived:
            what = COPY if prepared.mail.is_archived else BETTER
        if what != COPY:
            self._known[name] = prepared
        return _Step(what, name, one, defects)

    def _is_same(self, known: _Kept | Prepared, new: Prepared) -> bool:
        """Tell whether a mail says what the known one of its id says."""
        if isinstance(known, Prepared):
            subject, body = known.mail.subject, known.mail.body
        else:
            sender, subject, body = self._session.execute(
                select(
                    col(Message.sender),
                    col(Message.subject),
                    col(Message.body),
                ).where(col(Message.id) == known.row_id)
            ).one()
            if known.is_archived or new.mail.is_archived:
                # archives change texts, so whose it is has to do
                name = get_name(new.mail.sender).casefold()
                return get_name(sender).casefold() == name
        text = fold_text(body)
        return text == fold_text(new.mail.body) and (
            bool(text) or subject == new.mail.subject
        )

    def _write(self, steps: Sequence[_Step], actor: str) -> dict[str, int]:
        """Write the rows; return the number of each message."""
        session = self._session
        new = [self._make_row(step) for step in steps if step.what == NEW]
        if new:
            session.execute(_ADD_MESSAGE, new)
        names = {step.message_id for step in steps}
        numbers = _read_numbers(session, sorted(names))
        for step in steps:
            if step.what == BETTER:
                self._replace(step, numbers[step.message_id], actor)
        session.execute(
            _ADD_DELIVERY,
            [self._make_delivery(s, numbers[s.message_id]) for s in steps],
        )
        attachments = [
            {"message_row_id": numbers[step.message_id], **asdict(one)}
            for step in steps
            if step.what != COPY
            for one in step.prepared.mail.attachments
        ]
        if attachments:
            session.execute(_ADD_ATTACHMENT, attachments)
        return numbers

    def _index(
        self, steps: Sequence[_Step], numbers: Mapping[str, int]
    ) -> None:
        """Have new mails found; the log tells the index of the others."""
        search_index.add_arrived(
            self._session,
            {
                numbers[step.message_id]: ArrivedMail(
                    step.message_id,
                    step.prepared.mail.sent_at or self._now,
                    step.prepared.terms,
                )
                for step in steps
                if step.what == NEW
            },
        )

    def _make_row(self, step: _Step) -> Row:
        return {
            **_describe(step),
            "message_id": step.message_id,
            "imported_at": self._now,
            "is_parent_guessed": False,
            "is_cut": False,
            "depth": 0,
            "position": 0,
        }

    def _replace(self, step: _Step, row_id: int, actor: str) -> None:
        """Give a message the text of the mail itself."""
        body = self._session.execute(
            select(col(Message.body)).where(col(Message.id) == row_id)
        ).scalar_one()
        move_quotes(
            self._session,
            actor,
            (row_id, step.message_id),
            body,
            step.prepared.mail.body,
        )
        self._session.execute(
            update(Message)
            .where(col(Message.id) == row_id)
            .values(**_describe(step), aligned_to=None)
        )

    def _make_delivery(self, step: _Step, row_id: int) -> Row:
        prepared = step.arrived.prepared
        return {
            "message_row_id": row_id,
            "sha256": prepared.sha256,
            "list_id": prepared.mail.list_id,
            "archived_at": prepared.mail.archived_at,
            "is_archived": prepared.mail.is_archived,
            "source": step.arrived.source,
            "size": prepared.size,
            "raw": Packed(prepared.raw),
            "imported_at": self._now,
        }


def _describe(step: _Step) -> Row:
    """Return what a message says, as its columns take it."""
    mail = step.prepared.mail
    return {
        "subject": mail.subject,
        "base_subject": step.prepared.subject.text,
        "is_reply": step.prepared.subject.is_reply,
        "sender": mail.sender,
        "sent_at": mail.sent_at,
        "in_reply_to": mail.in_reply_to,
        "references": mail.references,
        "headers": [list(each) for each in mail.headers],
        "trailers": [list(each) for each in mail.trailers],
        "defects": [*mail.defects, *step.defects],
        "charset": mail.charset,
        "body": Packed(step.prepared.body),
        "html": Packed(step.prepared.html),
    }


def _tell(step: _Step) -> NewEntry:
    prepared = step.prepared
    data = {
        "subject": prepared.mail.subject,
        "sha256": prepared.sha256,
        "bytes": prepared.size,
        "charset": prepared.mail.charset,
    }
    return NewEntry(step.what, f"message:{step.message_id}", data)


def _read_kept(
    session: Session, names: Sequence[str]
) -> Iterator[tuple[str, _Kept]]:
    has_mail = exists().where(
        col(Delivery.message_row_id) == col(Message.id),
        col(Delivery.is_archived).is_(False),
    )
    rows = session.execute(
        select(col(Message.message_id), col(Message.id), has_mail).where(
            col(Message.message_id).in_(names)
        )
    )
    for name, row_id, is_mail in rows:
        yield name, _Kept(row_id or 0, is_archived=not is_mail)


def _read_numbers(session: Session, names: Sequence[str]) -> dict[str, int]:
    rows = session.execute(
        select(col(Message.message_id), col(Message.id)).where(
            col(Message.message_id).in_(names)
        )
    )
    return {row[0]: row[1] or 0 for row in rows}

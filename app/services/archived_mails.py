"""Which mail the page of an archive shows, for it names no message id.

It is the one mail of this sender, sent in the hours before the archive's
date, that the review speaks of and that is not about another patch; or the
one such mail of this subject that is stored.
"""

import re
from datetime import timedelta

from sqlalchemy import exists, select, union
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import Annotation, Delivery, Message, Person, Thread
from app.services.base_subject import compute_base_subject
from app.services.mail import ParsedMail
from app.services.sections import make_slug
from app.services.trailers import get_name

# archives show when a mail arrived; the sender's clock was up to an hour slow
BEFORE_ARRIVAL = timedelta(hours=3)
AFTER_ARRIVAL = timedelta(minutes=10)
MOST_NEAR = 1000

_PATCH = re.compile(r"\bpatch (\d+/\d+)", re.IGNORECASE)


def find_archived_id(session: Session, mail: ParsedMail) -> str | None:
    """Return the id of the one mail that a page is known to show."""
    if mail.sent_at is None:
        return None
    return _find_discussed(session, mail) or _find_stored(session, mail)


def _find_discussed(session: Session, mail: ParsedMail) -> str | None:
    sender = make_slug(re.sub(r"<.*>", "", mail.sender))
    assert mail.sent_at is not None  # noqa: S101 - asked before
    within = (mail.sent_at - BEFORE_ARRIVAL, mail.sent_at + AFTER_ARRIVAL)
    opened = (
        select(col(Thread.message_id), col(Thread.passage))
        .join(Person, col(Person.id) == col(Thread.person_id))
        .where(
            col(Person.slug) == sender, col(Thread.opened_at).between(*within)
        )
    )
    answered = (
        select(col(Annotation.message_id), col(Thread.passage))
        .join(Thread, col(Thread.id) == col(Annotation.thread_id))
        .join(Person, col(Person.id) == col(Annotation.person_id))
        .where(
            col(Person.slug) == sender,
            col(Annotation.created_at).between(*within),
        )
    )
    rows = session.execute(union(opened, answered)).all()
    about = set(_PATCH.findall(mail.subject))
    others = {
        message_id
        for message_id, passage in rows
        if about and set(_PATCH.findall(passage or "")) - about
    }
    known = {row[0] for row in rows if row[0] is not None} - others
    return known.pop() if len(known) == 1 else None


def _find_stored(session: Session, mail: ParsedMail) -> str | None:
    assert mail.sent_at is not None  # noqa: S101 - asked before
    within = (mail.sent_at - BEFORE_ARRIVAL, mail.sent_at + AFTER_ARRIVAL)
    is_mail = exists().where(
        col(Delivery.message_row_id) == col(Message.id),
        col(Delivery.is_archived).is_(False),
    )
    rows = session.execute(
        select(
            col(Message.message_id), col(Message.sender), col(Message.subject)
        )
        .where(col(Message.sent_at).between(*within), is_mail)
        .limit(MOST_NEAR)
    )
    name = get_name(mail.sender).casefold()
    subject = compute_base_subject(mail.subject)
    known = [
        row[0]
        for row in rows
        if get_name(row[1]).casefold() == name
        and compute_base_subject(row[2]) == subject
    ]
    return known[0] if len(known) == 1 else None

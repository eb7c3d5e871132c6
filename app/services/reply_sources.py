"""What an answer by mail is made from: mails, posts, clauses, recipients."""

import re
from collections.abc import Sequence
from datetime import datetime
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses
from itertools import groupby
from typing import Any, NamedTuple

from rapidfuzz import fuzz
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import (
    Anchor,
    Annotation,
    Message,
    Person,
    Reviewer,
    Revision,
    Section,
    Thread,
)
from app.services import message_bytes
from app.services.annotations import OPENER
from app.services.mail_headers import MOST_HEADER_BYTES, read_header
from app.services.mail_writing import Address, is_address
from app.services.quotation import read_line

MOST_RECIPIENTS = 60
LONGEST_FIELD = 8192
LIKENESS = 45
"""What share of its words a paragraph has in a text restated, in 100."""

# within a line: a body may be nothing but empty lines
_LEFT_OVER = re.compile(r"(?m)^[^\S\n]*\+[^\S\n]*$")
_ATTRIBUTION = re.compile(r"(wrote|writes|said)\s*:\s*\Z")


class AnsweredMail(NamedTuple):
    """A mail that is answered; only its id is known where it never came."""

    message_id: str
    references: Sequence[str] = ()
    subject: str = ""
    sender: str = ""
    sent_at: datetime | None = None
    body: str = ""
    is_stored: bool = False


class SpokenPost(NamedTuple):
    """An annotation, as far as a mail tells of it."""

    id: str
    parent: str | None
    thread_id: int | None
    reviewer: str | None
    person: str | None
    created_at: datetime
    position: int
    text: str
    message_id: str | None
    document: dict[str, Any]

    @property
    def author(self) -> str:
        """Return who speaks."""
        return self.reviewer or self.person or ""

    @property
    def is_web(self) -> bool:
        """Tell whether it was written here, not in a mail."""
        return self.reviewer is not None

    @property
    def is_literal(self) -> bool:
        """Tell whether these are a mail's own words."""
        body = self.document.get("body")
        return isinstance(body, dict) and body.get("format") == "text/plain"


class Opening(NamedTuple):
    """What opened a thread, and all that was posted on it, in order.

    `first` is the opener where it was written here.
    """

    slug: str
    title: str
    quote: str
    summary: str
    mail: AnsweredMail | None
    first: SpokenPost | None
    posts: Sequence[SpokenPost]


class Clause(NamedTuple):
    """What of the document a remark speaks of."""

    anchor: str
    heading: str
    exact: str


def find_mail(
    session: Session, message_id: str | None, before: Sequence[str] = ()
) -> AnsweredMail | None:
    """Return a mail by its id; of one that never came, what is known."""
    if message_id is None:
        return None
    row = session.execute(
        select(
            col(Message.message_id),
            col(Message.references),
            col(Message.in_reply_to),
            col(Message.subject),
            col(Message.sender),
            col(Message.sent_at),
            col(Message.body),
        ).where(col(Message.message_id) == message_id)
    ).first()
    if row is None:
        return AnsweredMail(message_id, before)
    above = list(row.references) or [row.in_reply_to] * bool(row.in_reply_to)
    return AnsweredMail(
        row.message_id,
        above or before,
        row.subject,
        row.sender,
        row.sent_at,
        row.body,
        is_stored=True,
    )


def find_document_mail(session: Session) -> AnsweredMail | None:
    """Return the mail that the document under review was made from."""
    ids = session.scalar(
        select(col(Revision.message_ids))
        .where(col(Revision.is_reference).is_(False))
        .order_by(col(Revision.number).desc())
        .limit(1)
    )
    return find_mail(session, ids[0]) if ids else None


def get_post(session: Session, id_: str) -> SpokenPost:
    """Return one annotation."""
    posts = _read_posts(session, col(Annotation.id) == id_)
    if not posts:
        raise NotFoundError("annotation", id_)
    return posts[0]


def find_opening(session: Session, *conditions: Any) -> Opening | None:  # noqa: ANN401 - SQL expressions
    """Return the thread that the conditions choose, with its posts."""
    row = session.execute(
        select(
            col(Thread.id),
            col(Thread.slug),
            col(Thread.title),
            col(Thread.quote),
            col(Thread.summary),
            col(Thread.message_id),
            col(Thread.in_reply_to),
        ).where(*conditions)
    ).first()
    if row is None:
        return None
    posts = [
        # the mail that opened it is no post that was written here
        post
        for post in _read_posts(session, col(Annotation.thread_id) == row.id)
        if post.position > OPENER or post.message_id is None
    ]
    before = [row.in_reply_to] if row.in_reply_to else []
    return Opening(
        slug=row.slug,
        title=row.title,
        quote=row.quote or "",
        summary=row.summary,
        mail=find_mail(session, row.message_id, before),
        first=next((p for p in posts if p.position == OPENER), None),
        posts=posts,
    )


def _read_posts(session: Session, *conditions: Any) -> list[SpokenPost]:  # noqa: ANN401 - SQL expressions
    rows = session.execute(
        select(
            col(Annotation.id),
            col(Annotation.parent_id),
            col(Annotation.thread_id),
            col(Reviewer.display_name),
            col(Person.name),
            col(Annotation.created_at),
            col(Annotation.position),
            col(Annotation.text),
            col(Annotation.message_id),
            col(Annotation.document),
        )
        .outerjoin(Person, col(Person.id) == col(Annotation.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Annotation.reviewer_id))
        .where(col(Annotation.deleted_at).is_(None), *conditions)
        .order_by(col(Annotation.position), col(Annotation.created_at))
    )
    return [SpokenPost(*row) for row in rows]


def find_clause(session: Session, annotation_id: str) -> Clause | None:
    """Return what an annotation speaks of in the latest revision."""
    row = session.execute(
        select(
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
            col(Anchor.exact),
        )
        .join(Section, col(Section.id) == col(Anchor.section_id))
        .where(col(Anchor.annotation_id) == annotation_id)
        .order_by(col(Anchor.revision_id).desc(), col(Anchor.position))
        .limit(1)
    ).first()
    if row is None:
        return None
    return Clause(row[0], f"{row[1]} {row[2]}".strip(), row[3])


def list_recipients(
    session: Session, mail: AnsweredMail
) -> tuple[list[Address], list[Address]]:
    """Return to whom an answer goes (To, Cc), as the mail itself says.

    Read from the mail's bytes: a name that was decoded may hold a comma.
    """
    if not mail.is_stored:
        return [], []
    head = message_bytes.read_raw(session, mail.message_id)[:MOST_HEADER_BYTES]
    fields = BytesHeaderParser(policy=compat32).parsebytes(head)
    values = {
        name: [
            str(value)[:LONGEST_FIELD] for value in fields.get_all(name, [])
        ]
        for name in ("reply-to", "from", "to", "cc")
    }
    to = _read_addresses(values["reply-to"] or values["from"])[:1]
    seen = {one.address.lower() for one in to}
    others: list[Address] = []
    for one in _read_addresses(values["to"] + values["cc"]):
        if one.address.lower() not in seen and len(others) < MOST_RECIPIENTS:
            seen.add(one.address.lower())
            others.append(one)
    return to, others


def _read_addresses(values: Sequence[str]) -> list[Address]:
    return [
        Address(read_header(name), address)
        for name, address in getaddresses(list(values))
        if is_address(address)
    ]


def split_said(body: str) -> list[str]:
    """Return the paragraphs of a mail that are the sender's own words.

    A sign that is left of a quoted patch is none.
    """
    own = (
        "\n".join(line.text for line in lines)
        for depth, lines in groupby(
            map(read_line, body.split("\n")), key=lambda line: line.depth
        )
        if not depth
    )
    return [
        part
        for block in own
        for part in re.split(r"\n\s*\n", _LEFT_OVER.sub("", block).strip("\n"))
        if part.strip() and not _ATTRIBUTION.search(part)
    ]


def find_said(body: str, restated: str) -> str:
    """Return the paragraph of a mail that a text restates, or nothing."""
    said = split_said(body)
    scores = [fuzz.token_set_ratio(part, restated) for part in said]
    best = max(scores, default=0)
    return said[scores.index(best)] if best >= LIKENESS else ""

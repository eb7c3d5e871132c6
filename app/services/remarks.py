"""Remarks: annotations on a clause that belong to no thread.

The reply under a quote of a mail is one, and so is an edit that a reviewer
suggests. Pages show them in the margin of what they speak of.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

import structlog
import uuid_utils
from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.errors import InvalidError, NotFoundError
from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    Call,
    Message,
    Motivation,
    Person,
    Quote,
    Reviewer,
)
from app.services import anchors
from app.services.anchoring import Method
from app.services.annotations import (
    OPENER,
    Passage,
    build_document,
    build_target,
    find_source,
    make_mid,
)
from app.services.entries import append_entry
from app.services.masking import mask_addresses
from app.services.quotation import ANSWER, render_mail
from app.services.revisions import get_newest, select_newest_id
from app.services.sections import make_slug

NAMELESS = make_slug("")
LONGEST_NAME = 200
EXCERPT = 160
FRAGMENT_WORDS = 8
LONGEST_HEADER = 1000
logger = structlog.get_logger()

_UNQUOTED = str.maketrans({'"': " ", "\\": " ", "\0": " "})
_NAMED = re.compile(r"(.*?)<[^<>]*>|[^\s()]+@[^\s()]+ *\(([^()]+)\)")


def add_remark(  # noqa: PLR0913 - each is a part of what was said
    session: Session,
    *,
    actor: str,
    sender: str,
    message_id: str,
    section_id: int | None,
    call_id: int | None,
    passage: Passage | None,
    text: str,
    created_at: datetime,
) -> str:
    """Store what a mail says of a clause; return the annotation's id.

    Parameters
    ----------
    actor
        Who found that it speaks of this clause, as the log names them.
    sender
        The mail's From header.
    section_id, call_id
        The clause, the call, or both: one at least.
    passage
        What it speaks of in the clause's text; None for all of it.
    text
        The mail's own words, plain.

    Raises
    ------
    InvalidError
        When it says nothing, or speaks of nothing.
    """
    clause = (
        None
        if section_id is None
        else anchors.read_clause(session, section_id)
    )
    call = None if call_id is None else _read_call(session, call_id)
    if clause is None and call is None:
        raise InvalidError("a remark speaks of a section or a call")
    if not text.strip():
        raise InvalidError("a remark without words")
    person = find_person(session, sender)
    remark = _make_remark(
        person,
        text,
        created_at,
        message_id,
        target=build_target(
            [call] if call else [],
            clause.anchor if clause else None,
            passage if clause else None,
            f"/document/revisions/{clause.revision}/" if clause else "",
        ),
    )
    id_ = remark.id
    session.add(remark)
    session.flush()
    append_entry(
        session,
        actor,
        "annotation.created",
        f"annotation:{id_}",
        {
            "message": message_id,
            "call": call,
            "text": text,
            "anchor": anchors.describe_anchor(clause, passage),
        },
    )
    newest = get_newest(session).id
    original = anchors.add_anchor(
        session,
        clause=clause,
        passage=passage if clause else None,
        revision_id=clause.revision_id if clause else newest,
        annotation_id=id_,
        call_id=call_id,
    )
    if original.revision_id != newest:
        # it was found in an older text, or in one that is only quoted
        anchors.carry_anchors(
            session, [original], original.revision_id, newest, actor
        )
    logger.info("remark_added", annotation=id_, message_id=message_id)
    return id_


def _make_remark(
    person: Person,
    text: str,
    created_at: datetime,
    message_id: str,
    *,
    target: object,
) -> Annotation:
    id_ = str(uuid_utils.uuid7())
    return Annotation(
        id=id_,
        motivation=Motivation.commenting,
        person_id=person.id,
        created_at=created_at,
        position=OPENER,
        text=text,
        html=render_mail(text),
        message_id=message_id,
        document=build_document(
            id_,
            Motivation.commenting,
            person.name,
            created_at,
            body={"value": text, "format": "text/plain"},
            target=target,
        )
        | {"via": make_mid(message_id)},
        source=find_source(target),
    )


class RemarkRow(NamedTuple):
    """A remark as a margin shows it, and how sure its place is.

    `quoted` is what it spoke of on the text that was read; `start` and `end`
    are where that stands now. `html` is there if no mail shows the whole.
    """

    anchor: int
    id: str
    section_id: int | None
    state: AnchorState
    start: int | None
    end: int | None
    quoted: str
    motivation: Motivation
    author: str
    created_at: datetime
    text: str
    message_id: str | None
    html: str
    is_imported: bool
    answer_at: int | None

    @property
    def is_long(self) -> bool:
        """Tell whether its first words are not all of it."""
        return len(" ".join(self.text.split())) > EXCERPT

    @property
    def is_sure(self) -> bool:
        """Tell whether nobody need look where it belongs."""
        return self.state in (AnchorState.exact, AnchorState.moved)

    @property
    def excerpt(self) -> str:
        """Return its first words; addresses are hidden."""
        words = " ".join(self.text[: 4 * EXCERPT].split())
        if len(words) > EXCERPT:
            words = words[:EXCERPT].rpartition(" ")[0] + " …"
        return mask_addresses(words)

    @property
    def fragment(self) -> str:
        """Return what shows a browser the remark within its mail.

        Of an answer to what the mail quotes that is an element; of other
        words it is themselves, which not every browser finds.
        """
        if self.answer_at is not None:
            return f"{ANSWER}{self.answer_at}"
        line = next(filter(None, map(str.strip, self.text.splitlines())), "")
        words = line.partition("@")[0].split()[:FRAGMENT_WORDS]
        # a hyphen would be taken for a part of the fragment's own syntax
        said = quote(" ".join(words), safe="").replace("-", "%2D")
        return f":~:text={said}" if said else ""


def list_remarks(session: Session, revision_id: int) -> list[RemarkRow]:
    """Return the remarks on the sections of a revision, in their order."""
    return _read_rows(session, col(Anchor.revision_id) == revision_id)


def list_call_remarks(session: Session, call_id: int) -> list[RemarkRow]:
    """Return the remarks on a call, as the newest revision has them."""
    return _read_rows(
        session,
        col(Anchor.revision_id) == select_newest_id(),
        col(Anchor.call_id) == call_id,
    )


def _read_rows(
    session: Session, *conditions: ColumnElement[bool]
) -> list[RemarkRow]:
    original = aliased(Anchor)
    answer_at = (
        select(func.min(col(Quote.reply_start)))
        .where(col(Quote.annotation_id) == col(Annotation.id))
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            col(Anchor.id),
            col(Annotation.id),
            col(Anchor.section_id),
            col(Anchor.state),
            col(Anchor.start),
            col(Anchor.end),
            col(original.exact),
            col(Annotation.motivation),
            func.coalesce(col(Person.name), col(Reviewer.display_name), ""),
            col(Annotation.created_at),
            col(Annotation.text),
            col(Annotation.message_id),
            case((col(Message.id).is_(None), col(Annotation.html)), else_=""),
            col(Message.id).is_not(None),
            answer_at,
        )
        .join(Annotation, col(Annotation.id) == col(Anchor.annotation_id))
        .join(
            original,
            (col(original.annotation_id) == col(Annotation.id))
            & (col(original.position) == col(Anchor.position))
            & (col(original.method) == Method.original.value),
        )
        .outerjoin(Person, col(Person.id) == col(Annotation.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Annotation.reviewer_id))
        .outerjoin(
            Message, col(Message.message_id) == col(Annotation.message_id)
        )
        .where(*conditions)
        .order_by(
            col(Anchor.section_id),
            func.coalesce(col(Anchor.start), 0),
            col(Annotation.created_at),
            col(Anchor.id),
        )
    )
    return [RemarkRow._make(row) for row in rows]


def _read_call(session: Session, call_id: int) -> str:
    name = session.scalar(
        select(col(Call.name)).where(col(Call.id) == call_id)
    )
    if name is None:
        raise NotFoundError("call", str(call_id))
    return name


def find_person(session: Session, sender: str) -> Person:
    """Return who a From header names; somebody new is added."""
    name = read_name(sender)
    slug = make_slug(name)
    known: Sequence[Person] = session.scalars(
        select(Person).where(
            or_(
                col(Person.name) == name,
                col(Person.slug) == slug,
                col(Person.slug).startswith(f"{slug}-", autoescape=True),
            )
        )
    ).all()
    for person in known:
        if person.name == name:
            return person
    taken = {person.slug: person for person in known}
    if slug in taken and slug != NAMELESS:
        return taken[slug]
    base, number = slug, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    person = Person(slug=slug, name=name)
    session.add(person)
    session.flush()
    return person


def read_name(sender: str) -> str:
    """Return the name in a From header; of a bare address, what is shown."""
    sender = sender[:LONGEST_HEADER]
    found = _NAMED.search(sender)
    said = (found[1] or found[2]) if found else None
    name = (said or sender).translate(_UNQUOTED)
    name = " ".join(name.split()).strip("'<>") or sender.strip("<> ")
    return mask_addresses(name)[:LONGEST_NAME] or "unknown"

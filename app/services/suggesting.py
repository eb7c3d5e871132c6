"""Suggesting other words for a passage of the document.

Such a suggestion is an annotation whose text stands for what it quotes; taking
it into a revision is the matter of `suggestions`.
"""

import re
from typing import NamedTuple

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import Fault, InvalidError
from app.models import Call, Motivation, Section
from app.services import anchors
from app.services.annotations import (
    build_target,
    find_passage,
    make_annotation,
)
from app.services.entries import append_entry, take_turn
from app.services.reviewers import Visitor
from app.services.revisions import select_newest_id

logger = structlog.get_logger()


class NewEdit(NamedTuple):
    """Other words for a passage; `start` tells equal ones apart."""

    section: str
    quote: str
    text: str
    start: int | None = None


def suggest_edit(session: Session, visitor: Visitor, new: NewEdit) -> str:
    """Store other words for a passage; return the annotation's id.

    Raises
    ------
    InvalidError
        When there is no such passage, or nothing would change.
    """
    take_turn(session)
    clause = _require_clause(session, new.section)
    passage = find_passage(clause.text, new.quote, new.start)
    if passage is None:
        raise _refuse("quote", "expected text of the section")
    if new.text.split() == passage.exact.split():
        raise _refuse("text", "these are the words that stand there")
    target = build_target(
        (),
        clause.anchor,
        passage,
        f"/document/revisions/{clause.revision}/",
    )
    edit = make_annotation(
        visitor, None, new.text, motivation=Motivation.editing, target=target
    )
    session.add(edit)
    session.flush()
    anchors.add_anchor(
        session,
        clause=clause,
        passage=passage,
        revision_id=clause.revision_id,
        annotation_id=edit.id,
        call_id=_find_call(session, passage.exact),
    )
    append_entry(
        session,
        visitor.actor,
        "annotation.created",
        f"annotation:{edit.id}",
        {
            "motivation": Motivation.editing.value,
            "text": new.text,
            "anchor": anchors.describe_anchor(clause, passage),
        },
    )
    logger.info("edit_suggested", annotation=edit.id)
    return edit.id


def _require_clause(session: Session, anchor: str) -> anchors.Clause:
    section_id = session.scalar(
        select(col(Section.id)).where(
            col(Section.anchor) == anchor,
            col(Section.revision_id) == select_newest_id(),
        )
    )
    if section_id is None:
        raise _refuse("section", f"no section has the anchor {anchor!r}")
    return anchors.read_clause(session, section_id)


def _refuse(field: str, message: str) -> InvalidError:
    return InvalidError(f"{field}: {message}", Fault(f"/{field}", message))


def _find_call(session: Session, words: str) -> int | None:
    """Return the one call that some words name."""
    names = set(re.findall(r"\w+", words))
    found = session.scalars(
        select(col(Call.id)).where(col(Call.name).in_(names)).limit(2)
    ).all()
    return found[0] if len(found) == 1 else None

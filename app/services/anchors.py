"""Anchors: where annotations and threads point in each revision.

An anchor is made with what it belongs to, on the text that was read then, and
is written anew for each later revision. How a place is found again is the
matter of `anchoring`, what becomes of all of them that of `carrying`.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Anchor, AnchorState, Revision, Section
from app.services.annotations import Passage, read_text

CERTAIN = 1000
ORIGINAL = "original"
"""The method of an anchor that was made on the text that was read."""


class Clause(NamedTuple):
    """A section with its text, as anchors point into it."""

    id: int
    revision_id: int
    revision: int
    anchor: str
    text: str


def read_clause(session: Session, section_id: int) -> Clause:
    """Return a section of any revision, by its row."""
    row = session.execute(
        select(
            col(Section.revision_id),
            col(Revision.number),
            col(Section.anchor),
            col(Section.html),
        )
        .join(Revision, col(Revision.id) == col(Section.revision_id))
        .where(col(Section.id) == section_id)
    ).first()
    if row is None:
        raise NotFoundError("section", str(section_id))
    return Clause(section_id, row[0], row[1], row[2], read_text(row[3]))


def add_anchor(  # noqa: PLR0913 - each is a part of the anchor
    session: Session,
    *,
    clause: Clause | None,
    passage: Passage | None,
    revision_id: int,
    annotation_id: str | None = None,
    thread_id: int | None = None,
    call_id: int | None = None,
) -> Anchor:
    """Store where something new points, on the text that was read."""
    anchor = Anchor(
        annotation_id=annotation_id,
        thread_id=thread_id,
        revision_id=revision_id,
        section_id=clause.id if clause else None,
        call_id=call_id,
        state=AnchorState.exact,
        method=ORIGINAL,
        score=CERTAIN,
        digest=compute_digest(clause.text) if clause else "",
        rivals=[],
        made_at=datetime.now(UTC),
        **(passage._asdict() if passage else {}),
    )
    session.add(anchor)
    session.flush()
    return anchor


def compute_digest(text: str) -> str:
    """Return the SHA-256 of a clause's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def describe_anchor(
    clause: Clause | None, passage: Passage | None
) -> Mapping[str, Any]:
    """Return what an entry says of a new anchor."""
    return {
        "revision": clause.revision if clause else None,
        "section": clause.anchor if clause else None,
        "exact": passage.exact if passage else "",
        "start": passage.start if passage else None,
        "end": passage.end if passage else None,
    }

"""Suggested edits: other words for a passage, accepted into a new revision.

A suggestion is an annotation with the motivation `editing`; its text stands
for the passage that its anchor quotes. The passage is counted in the text as
it is shown, so it is looked for in the Markdown with marks and white space
aside, and has to be there once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, NotFoundError
from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    Entry,
    Motivation,
    Person,
    Reviewer,
    RevisionSource,
    Section,
)
from app.services import revising
from app.services.carrier import Foreseen
from app.services.entries import append_entry, take_turn
from app.services.reviewers import Visitor
from app.services.revising import NewRevision, create_revision
from app.services.revisions import RevisionRow, get_newest, read_markdown

ACCEPTED = "suggestion.accepted"
DECLINED = "suggestion.declined"
SURE = (AnchorState.exact, AnchorState.moved)
LONGEST_CHANGE = 200
MARKS = frozenset("`*_~\\")
PAIRED = ("`", "**", "~~")
logger = structlog.get_logger()


class Outcome(NamedTuple):
    """What became of a suggestion, by whom and why."""

    is_accepted: bool
    actor: str
    reason: str
    revision: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A suggested edit, where it points in the newest revision.

    `section_id` is None for one whose place is not sure.
    """

    id: str
    author: str
    created_at: datetime
    text: str
    exact: str
    prefix: str
    suffix: str
    state: AnchorState | None
    anchor: str | None
    number: str
    title: str
    start: int
    end: int
    outcome: Outcome | None

    @property
    def is_sure(self) -> bool:
        """Tell whether it is known which passage it would replace."""
        return self.state in SURE and self.anchor is not None


def list_suggestions(session: Session) -> list[Suggestion]:
    """Return the suggested edits, those that wait first, then the newest."""
    found = _read(session)
    waiting = [s for s in found if s.outcome is None]
    return waiting + [s for s in found if s.outcome is not None]


def get_suggestion(session: Session, annotation_id: str) -> Suggestion:
    """Return one suggested edit."""
    found = _read(session, annotation_id)
    if not found:
        raise NotFoundError("suggestion", annotation_id)
    return found[0]


def _read(
    session: Session, annotation_id: str | None = None
) -> list[Suggestion]:
    newest = get_newest(session)
    query = (
        select(
            col(Annotation.id),
            func.coalesce(col(Person.name), col(Reviewer.display_name), ""),
            col(Annotation.created_at),
            col(Annotation.text),
            func.coalesce(col(Anchor.exact), ""),
            func.coalesce(col(Anchor.prefix), ""),
            func.coalesce(col(Anchor.suffix), ""),
            col(Anchor.state),
            col(Section.anchor),
            func.coalesce(col(Section.number), ""),
            func.coalesce(col(Section.title), ""),
            func.coalesce(col(Section.start), 0),
            func.coalesce(col(Section.end), 0),
        )
        .outerjoin(Person, col(Person.id) == col(Annotation.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Annotation.reviewer_id))
        .outerjoin(
            Anchor,
            (col(Anchor.annotation_id) == col(Annotation.id))
            & (col(Anchor.revision_id) == newest.id)
            & (col(Anchor.position) == 0),
        )
        .outerjoin(Section, col(Section.id) == col(Anchor.section_id))
        .where(
            col(Annotation.motivation) == Motivation.editing,
            col(Annotation.deleted_at).is_(None),
        )
        .order_by(col(Annotation.created_at).desc(), col(Annotation.id))
    )
    if annotation_id is not None:
        query = query.where(col(Annotation.id) == annotation_id)
    rows = session.execute(query).all()
    outcomes = _read_outcomes(session) if rows else {}
    return [_make(row, outcomes.get(row[0])) for row in rows]


def _make(row: Sequence[object], outcome: Outcome | None) -> Suggestion:
    names = list(Suggestion.__dataclass_fields__)[:-1]
    values: dict[str, object] = dict(zip(names, row, strict=True))
    return Suggestion(**values, outcome=outcome)  # type: ignore[arg-type]


def _read_outcomes(session: Session) -> Mapping[str, Outcome]:
    rows = session.execute(
        select(
            col(Entry.subject),
            col(Entry.type),
            col(Entry.actor),
            col(Entry.data),
        ).where(col(Entry.type).in_((ACCEPTED, DECLINED)))
    )
    return {
        subject.removeprefix("annotation:"): Outcome(
            type_ == ACCEPTED, actor, data["reason"], data["revision"]
        )
        for subject, type_, actor, data in rows
    }


def foresee(session: Session, annotation_id: str) -> Foreseen | None:
    """Find where anchors will be if a suggested edit is accepted.

    None if it cannot be: accepting it says why.
    """
    try:
        suggestion = _require_open(session, annotation_id)
        text = _read_suggested(session, suggestion)
    except (ConflictError, NotFoundError):
        return None
    return revising.foresee(session, text)


def _read_suggested(session: Session, suggestion: Suggestion) -> str:
    text = read_markdown(session, get_newest(session).id)
    return apply_suggestion(text, suggestion)


def accept(
    session: Session,
    visitor: Visitor,
    annotation_id: str,
    foreseen: Foreseen | None = None,
) -> RevisionRow:
    """Make the next revision with a suggested edit in it.

    What was `foreseen` of its anchors is used if nothing came between.

    Raises
    ------
    ConflictError
        When it was dealt with, or its passage is not there once.
    """
    take_turn(session)
    suggestion = _require_open(session, annotation_id)
    place = suggestion.number or suggestion.title
    new = NewRevision(
        text=_read_suggested(session, suggestion),
        change=f"As {suggestion.author} suggests on {place}."[:LONGEST_CHANGE],
        dated_on=datetime.now(UTC).strftime("%Y-%m-%d"),
        source=RevisionSource.suggestion,
    )
    made = create_revision(session, visitor, new, foreseen)
    _record(
        session,
        visitor,
        ACCEPTED,
        suggestion=suggestion,
        reason="",
        revision=made.number,
    )
    return made


def decline(
    session: Session, visitor: Visitor, annotation_id: str, reason: str
) -> None:
    """Note that a suggested edit is not taken, and why."""
    take_turn(session)
    suggestion = _require_open(session, annotation_id)
    _record(
        session,
        visitor,
        DECLINED,
        suggestion=suggestion,
        reason=reason,
        revision=None,
    )


def _require_open(session: Session, annotation_id: str) -> Suggestion:
    suggestion = get_suggestion(session, annotation_id)
    if suggestion.outcome is not None:
        was = "accepted" if suggestion.outcome.is_accepted else "declined"
        raise ConflictError(f"this suggestion was {was} already")
    return suggestion


def _record(  # noqa: PLR0913 - each is a part of the line
    session: Session,
    visitor: Visitor,
    type_: str,
    *,
    suggestion: Suggestion,
    reason: str,
    revision: int | None,
) -> None:
    append_entry(
        session,
        visitor.actor,
        type_,
        f"annotation:{suggestion.id}",
        {
            "section": suggestion.anchor,
            "exact": suggestion.exact,
            "text": suggestion.text,
            "reason": reason,
            "revision": revision,
        },
    )
    logger.info("suggestion_answered", annotation=suggestion.id, type=type_)


def apply_suggestion(text: str, suggestion: Suggestion) -> str:
    """Return a document's Markdown with the suggested words in it.

    Raises
    ------
    ConflictError
        When the passage is not sure, not there, there more than once, or
        parts something that marks embrace.
    """
    if not suggestion.is_sure or not suggestion.exact.strip():
        raise ConflictError(
            "it is not sure which passage this replaces; confirm its place"
        )
    body = text[suggestion.start : suggestion.end]
    heading = body.find("\n") + 1
    found = find_in_markdown(body[heading:], suggestion)
    if not found:
        raise ConflictError("the passage that this replaces is not there")
    if len(found) > 1:
        raise ConflictError(
            f"the passage that this replaces is there {len(found)} times"
        )
    start, end = (suggestion.start + heading + at for at in found[0])
    if any(text[start:end].count(mark) % 2 for mark in PAIRED):
        raise ConflictError(
            "the passage parts a word from its marks; edit the section"
        )
    return text[:start] + suggestion.text.strip() + text[end:]


def find_in_markdown(
    markdown: str, suggestion: Suggestion
) -> list[tuple[int, int]]:
    """Return where a quoted passage stands in Markdown.

    Marks and white space are not compared; what stands before and after
    decides between several places.
    """
    places = [
        n
        for n, character in enumerate(markdown)
        if not character.isspace() and character not in MARKS
    ]
    packed = "".join(markdown[n] for n in places)
    wanted = _pack(suggestion.exact)
    before, after = _pack(suggestion.prefix), _pack(suggestion.suffix)
    ats = []
    at = packed.find(wanted) if wanted else -1
    while at >= 0:
        ats.append(at)
        at = packed.find(wanted, at + 1)
    near = [
        at
        for at in ats
        if packed[:at].endswith(before)
        and packed.startswith(after, at + len(wanted))
    ]
    return [
        (places[at], places[at + len(wanted) - 1] + 1)
        for at in (near or ats if len(ats) > 1 else ats)
    ]


def _pack(text: str) -> str:
    return "".join(c for c in text if not c.isspace() and c not in MARKS)

"""Anchors that wait for a person, and those whose place one chose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    Call,
    Message,
    Person,
    Reviewer,
    Revision,
    Section,
    Thread,
)
from app.services.anchoring import Method
from app.services.comparison import Words, mark_words
from app.services.differences import Deadline
from app.services.masking import mask_addresses
from app.services.revisions import (
    select_newest_id,
)

WAITING = (AnchorState.proposed, AnchorState.orphan)
MOST = 100
EXCERPT = 200
COMPARED = 0.5
"""Seconds a page may take to mark words; what is left is shown whole."""


class SectionName(NamedTuple):
    """A section as a list names it."""

    anchor: str
    number: str
    title: str


class Rival(NamedTuple):
    """A place that an anchor may be at; `words` marks what is another now."""

    section: SectionName
    score: int
    exact: str
    words: Sequence[Words]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An anchor that looks for its place.

    `thread` is a slug, for a remark it is None; `quoted` is what was spoken
    of in revision `revision`, `was` the section it stood in, None for words
    that were not found from the first.
    """

    id: int
    state: AnchorState
    method: str
    thread: str | None
    title: str
    author: str
    message_id: str | None
    is_imported: bool
    quoted: str
    revision: int
    was: SectionName | None
    section: SectionName | None
    call: str | None
    rivals: Sequence[Rival]


def list_waiting(
    session: Session, state: AnchorState, *, after: int = 0
) -> list[Waiting]:
    """Return the anchors of the newest revision in a state, `MOST` at most."""
    return _list_anchors(session, after, col(Anchor.state) == state)


def list_confirmed(session: Session, *, after: int = 0) -> list[Waiting]:
    """Return those whose place a person chose, `MOST` at most."""
    return _list_anchors(
        session,
        after,
        col(Anchor.method) == Method.confirmed.value,
        col(Anchor.state).not_in(WAITING),
    )


def _list_anchors(
    session: Session, after: int, *conditions: ColumnElement[bool]
) -> list[Waiting]:
    original, old = aliased(Anchor), aliased(Section)
    message_id = func.coalesce(
        col(Annotation.message_id), col(Thread.message_id)
    )
    rows = session.execute(
        select(
            col(Anchor.id),
            col(Anchor.state),
            col(Anchor.method),
            col(Thread.slug),
            func.coalesce(col(Thread.title), col(Annotation.text)),
            func.coalesce(col(Person.name), col(Reviewer.display_name), ""),
            message_id,
            col(Message.id),
            col(original.exact),
            col(Revision.number),
            col(old.anchor),
            col(old.number),
            col(old.title),
            col(Call.name),
            col(Anchor.section_id),
            col(Anchor.rivals),
        )
        .join(
            original,
            (
                (col(original.annotation_id) == col(Anchor.annotation_id))
                | (col(original.thread_id) == col(Anchor.thread_id))
            )
            & (col(original.position) == col(Anchor.position))
            & (col(original.method) == Method.original.value),
        )
        .outerjoin(old, col(old.id) == col(original.section_id))
        .join(Revision, col(Revision.id) == col(original.revision_id))
        .outerjoin(Thread, col(Thread.id) == col(Anchor.thread_id))
        .outerjoin(Annotation, col(Annotation.id) == col(Anchor.annotation_id))
        .outerjoin(
            Person,
            col(Person.id)
            == func.coalesce(col(Annotation.person_id), col(Thread.person_id)),
        )
        .outerjoin(
            Reviewer,
            col(Reviewer.id)
            == func.coalesce(
                col(Annotation.reviewer_id), col(Thread.reviewer_id)
            ),
        )
        .outerjoin(Call, col(Call.id) == col(Anchor.call_id))
        .outerjoin(Message, col(Message.message_id) == message_id)
        .where(
            col(Anchor.revision_id) == select_newest_id(),
            col(Anchor.id) > after,
            *conditions,
        )
        .order_by(col(Anchor.id))
        .limit(MOST)
    ).all()
    names = _read_names(session) if rows else {}
    until = Deadline(COMPARED)
    return [_make_waiting(row, names, until) for row in rows]


def _read_names(session: Session) -> Mapping[int, SectionName]:
    rows = session.execute(
        select(
            col(Section.id),
            col(Section.anchor),
            col(Section.number),
            col(Section.title),
        ).where(col(Section.revision_id) == select_newest_id())
    )
    return {row[0]: SectionName(*row[1:]) for row in rows if row[0]}


def _make_waiting(
    row: Sequence[Any], names: Mapping[int, SectionName], until: Deadline
) -> Waiting:
    title = mask_addresses(" ".join(row[4].split()))
    if len(title) > EXCERPT:
        title = title[:EXCERPT].rpartition(" ")[0] + " …"
    return Waiting(
        id=row[0],
        state=row[1],
        method=row[2],
        thread=row[3],
        title=title,
        author=row[5],
        message_id=row[6],
        is_imported=row[7] is not None,
        quoted=row[8],
        revision=row[9],
        was=SectionName(*row[10:13]) if row[10] else None,
        call=row[13],
        section=names.get(row[14]),
        rivals=[
            Rival(
                names[one["section"]],
                one["score"],
                one["exact"],
                mark_words(row[8], one["exact"], until) if row[8] else (),
            )
            for one in row[15]
            if one["section"] in names
        ],
    )


def count_waiting(session: Session) -> Mapping[AnchorState, int]:
    """Return how many anchors of the newest revision are in each state."""
    rows = session.execute(
        select(col(Anchor.state), func.count())
        .where(col(Anchor.revision_id) == select_newest_id())
        .group_by(col(Anchor.state))
    )
    return {row[0]: row[1] for row in rows}

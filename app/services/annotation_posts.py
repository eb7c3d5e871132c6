"""Where an annotation belongs: a post of a thread, its opener, a remark."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.errors import ConflictError, Fault, InvalidError
from app.models import (
    Anchor,
    Annotation,
    Decision,
    Motivation,
    Severity,
    StanceValue,
    Thread,
    ThreadCall,
    ThreadKind,
    ThreadSection,
    ThreadState,
    get_id,
)
from app.services.annotation_aims import Aim, Point
from app.services.annotation_anchors import (
    add_points,
    copy_anchors,
    remove_anchors,
)
from app.services.annotation_reading import Checked
from app.services.annotation_rows import NewAnnotation
from app.services.annotations import OPENER
from app.services.reviewers import Visitor
from app.services.thread_opening import (
    Opener,
    make_title,
    store_thread,
    tie_calls,
)

OPENING = (Motivation.questioning, Motivation.assessing)
"""What opens a thread, if nothing else is said."""

KINDS: Mapping[Motivation, ThreadKind] = {
    Motivation.questioning: ThreadKind.question,
    Motivation.assessing: ThreadKind.objection,
}
DELETED = "(deleted)"
MOST_CALLS = 20
MOST_ANCESTORS = 1000


# put together once, and of a table: it comes with every post
_ADD = insert(SQLModel.metadata.tables["annotation"])


class Placed(NamedTuple):
    """The thread that an annotation came to; `was` is its state before.

    `opening` is what the log tells of a thread that it opened.
    """

    thread: str
    was: ThreadState | None = None
    opening: Mapping[str, Any] | None = None


def place_annotation(
    session: Session,
    visitor: Visitor,
    annotation: NewAnnotation,
    checked: Checked,
    aim: Aim,
) -> Placed | None:
    """Store a new annotation where it belongs; return its thread, if any."""
    if _opens(annotation, checked, aim):
        return _open_thread(session, visitor, annotation, checked, aim.points)
    _join(annotation, checked, aim)
    _add(session, annotation)
    _add_points(session, visitor.actor, annotation, aim)
    if annotation.thread_id is None or aim.thread is None:
        return None
    if aim.state == ThreadState.unanswered and not checked.is_moderating:
        _wake(session, annotation.thread_id)
    return Placed(aim.thread, aim.state)


def _add(session: Session, annotation: NewAnnotation) -> None:
    row = {name: getattr(annotation, name) for name in NewAnnotation.__slots__}
    session.connection().execute(_ADD, row)


def _add_points(
    session: Session,
    actor: str,
    annotation: Annotation | NewAnnotation,
    aim: Aim,
) -> None:
    if aim.points:
        add_points(session, actor, aim.points, annotation_id=annotation.id)
    elif aim.parent is not None and annotation.thread_id is None:
        copy_anchors(session, aim.parent, annotation.id)


def _join(
    annotation: Annotation | NewAnnotation,
    checked: Checked,
    aim: Aim,
) -> None:
    """Make an annotation a reply to what it speaks of."""
    annotation.parent_id = aim.parent
    annotation.thread_id, annotation.position = None, OPENER
    if aim.thread_id is not None and checked.is_said:
        annotation.thread_id = aim.thread_id
        annotation.position = (aim.last or OPENER) + 1
        if aim.answers_opener:
            # posts that answer the opener stand at the top
            annotation.parent_id = None


def _wake(session: Session, thread_id: int) -> None:
    """Open a thread again that had no answer."""
    session.execute(
        update(Thread)
        .where(col(Thread.id) == thread_id)
        .values(state=ThreadState.open)
    )


def _opens(annotation: NewAnnotation, checked: Checked, aim: Aim) -> bool:
    wanted = checked.opening.is_wanted
    is_able = bool(annotation.text.strip()) and _has_place(aim.points)
    if wanted:
        if not is_able or aim.thread_id is not None:
            raise InvalidError(
                "a thread opens with words on a section or a call",
                Fault("/target", "expected a section or a call"),
            )
        return True
    return (
        wanted is None
        and is_able
        and not set(checked.motivations).isdisjoint(OPENING)
        and checked.stance in (None, StanceValue.blocking)
        and aim.thread_id is None
        and aim.parent is None
    )


def _has_place(points: Sequence[Point]) -> bool:
    return any(point.section or point.call for point in points)


def _open_thread(
    session: Session,
    visitor: Visitor,
    annotation: NewAnnotation,
    checked: Checked,
    points: Sequence[Point],
) -> Placed:
    opening = checked.opening
    kinds = [KINDS[one] for one in checked.motivations if one in KINDS]
    kind = opening.kind or next(iter(kinds), ThreadKind.suggestion)
    opener = Opener(
        title=opening.title or make_title(annotation.text),
        kind=kind,
        severity=opening.severity or Severity.concern,
        text=annotation.text,
        html=annotation.html,
        quote=_find_quote(points),
    )
    thread = store_thread(session, visitor, opener)
    annotation.thread_id = get_id(thread)
    annotation.position = OPENER
    _add(session, annotation)
    calls = _tie(session, visitor.actor, thread, points)
    return Placed(
        thread.slug,
        opening={
            "annotation": annotation.id,
            "title": opener.title,
            "kind": kind.value,
            "severity": opener.severity.value,
            "calls": calls,
            "section": next((p.section for p in points if p.section), None),
            "quote": opener.quote or "",
            "text": opener.text,
        },
    )


def _find_quote(points: Sequence[Point]) -> str | None:
    return next((p.passage.exact for p in points if p.passage), None)


def _tie(
    session: Session, actor: str, thread: Thread, points: Sequence[Point]
) -> list[str]:
    """Tie a thread to what it speaks of; return the names of the calls."""
    calls = {p.call: p.call_id for p in points if p.call and p.call_id}
    named = list(calls)[:MOST_CALLS]
    tie_calls(session, thread, [calls[name] for name in named])
    placed = [point for point in points if point.section]
    add_points(session, actor, placed, thread_id=get_id(thread))
    return named


def move_annotation(
    session: Session,
    visitor: Visitor,
    annotation: Annotation,
    checked: Checked,
    aim: Aim,
) -> None:
    """Put an annotation where its new document says that it belongs.

    Raises
    ------
    ConflictError
        When what was said on it would lose its place.
    """
    thread_id = annotation.thread_id
    if thread_id is not None and annotation.position == OPENER:
        _move_thread(session, visitor.actor, thread_id, aim)
        return
    _require_no_ring(session, annotation, aim)
    is_moved = (aim.thread_id, aim.parent) != (
        thread_id,
        annotation.parent_id,
    )
    if is_moved:
        answered = session.scalar(
            select(col(Annotation.id))
            .where(col(Annotation.parent_id) == annotation.id)
            .limit(1)
        )
        if answered is not None:
            raise ConflictError("it was answered, so it stays in its place")
        _join(annotation, checked, aim)
        session.flush()
    remove_anchors(session, annotation.id)
    _add_points(session, visitor.actor, annotation, aim)


def _require_no_ring(
    session: Session, annotation: Annotation, aim: Aim
) -> None:
    above = aim.parent
    for _ in range(MOST_ANCESTORS):
        if above is None:
            return
        if above == annotation.id:
            break
        above = session.scalar(
            select(col(Annotation.parent_id)).where(
                col(Annotation.id) == above
            )
        )
    raise ConflictError("an annotation cannot answer itself")


def _move_thread(
    session: Session, actor: str, thread_id: int, aim: Aim
) -> None:
    if not _has_place(aim.points):
        raise ConflictError("it opened a thread, so it stays on the text")
    for rows in (
        delete(ThreadCall).where(col(ThreadCall.thread_id) == thread_id),
        delete(ThreadSection).where(col(ThreadSection.thread_id) == thread_id),
        delete(Anchor).where(col(Anchor.thread_id) == thread_id),
    ):
        session.execute(rows)
    thread = session.get_one(Thread, thread_id)
    thread.quote = _find_quote(aim.points)
    _tie(session, actor, thread, aim.points)


def reword_thread(session: Session, annotation: Annotation) -> None:
    """Let a thread show what its opener says now."""
    if annotation.thread_id is not None and annotation.position == OPENER:
        session.execute(
            update(Thread)
            .where(col(Thread.id) == annotation.thread_id)
            .values(summary=annotation.text, summary_html=annotation.html)
        )


def require_deletable(session: Session, annotation: Annotation) -> None:
    """Refuse to delete what is of the corpus, or was decided on."""
    if annotation.thread_id is not None and annotation.reviewer_id is None:
        raise ConflictError("what came by mail stays as it was received")
    if annotation.thread_id is None or annotation.position != OPENER:
        return
    number = session.scalar(
        select(col(Decision.number))
        .where(col(Decision.thread_id) == annotation.thread_id)
        .limit(1)
    )
    if number is not None:
        raise ConflictError(
            f"decision {number} was made on what this opened, so it stays"
        )


def empty_thread(session: Session, annotation: Annotation) -> None:
    """Take the words of a deleted opener from its thread."""
    if annotation.thread_id is None or annotation.position != OPENER:
        return
    thread = session.get_one(Thread, annotation.thread_id)
    if thread.title == make_title(annotation.text):
        thread.title = DELETED
    thread.summary = thread.summary_html = ""
    thread.quote = None

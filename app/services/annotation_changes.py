"""The one door by which annotations are made, replaced and deleted.

A document is checked by `annotation_model`, completed with what the server
says of it, and stored with its index. Only its author may change it; an
editor may delete it, and says why. A deleted one leaves a tombstone, so that
its address is never used for another and replies to it keep their place.

Whoever posts one with the motivation `questioning` or `assessing` on a clause
or a call opens a thread, unless `review:opensThread` says otherwise; a post
on a thread, or on a post of one, is a reply there.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
import uuid_utils
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import Fault, ForbiddenError, InvalidError, PreconditionError
from app.models import Annotation, AnnotationTag, Proposal
from app.services.annotation_aims import Aim, find_aim
from app.services.annotation_anchors import describe_points, remove_anchors
from app.services.annotation_documents import (
    bury_document,
    complete_document,
    make_agent,
    replace_document,
    replace_words,
)
from app.services.annotation_model import check_document
from app.services.annotation_posts import (
    empty_thread,
    move_annotation,
    place_annotation,
    require_deletable,
    reword_thread,
)
from app.services.annotation_reading import Checked
from app.services.annotation_rows import (
    AnnotationRow,
    NewAnnotation,
    get_annotation,
    make_address,
)
from app.services.annotation_words import read_words, render_words
from app.services.entries import append_entry, take_turn
from app.services.evidence_bodies import put_bodies_forward
from app.services.moderation import require_reason, require_say
from app.services.reviewers import Visitor
from app.services.stance_posts import drop_stance, keep_stance
from app.services.thread_states import set_state

SLUG = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,120}")
logger = structlog.get_logger()

Document = Mapping[str, Any]


def create_annotation(
    session: Session,
    visitor: Visitor,
    document: Document,
    *,
    container: str = "",
    slug: str | None = None,
) -> AnnotationRow:
    """Store an annotation as a client sent it; return it.

    Parameters
    ----------
    document
        Whatever names this site in it does so by references.
    container
        The slug of the proposal in whose container it was posted, if any.
    slug
        What the client would like to be its id; taken if it is free.

    Raises
    ------
    MalformedError
        When it breaks a rule of the model.
    """
    take_turn(session)
    # what follows asks the tables, past what the session holds
    session.flush()
    checked = check_document(document)
    aim = find_aim(session, checked)
    id_ = _choose_id(session, slug)
    now = datetime.now(UTC)
    annotation = NewAnnotation(
        id=id_,
        motivation=checked.motivation,
        reviewer_id=visitor.id,
        created_at=now,
        text=read_words(checked),
        html=render_words(checked),
        container=container,
        source=checked.source,
        document=complete_document(
            document, make_address(container, id_), _get_agent(visitor), now
        ),
    )
    placed = place_annotation(session, visitor, annotation, checked, aim)
    _add_tags(session, id_, checked)
    append_entry(
        session,
        visitor.actor,
        "annotation.created",
        f"annotation:{id_}",
        {
            "thread": placed.thread if placed else None,
            "was": placed.was.value if placed and placed.was else None,
            "parent": annotation.parent_id,
            **_describe(annotation, aim),
        },
    )
    if placed is not None and placed.opening is not None:
        append_entry(
            session,
            visitor.actor,
            "thread.opened",
            f"thread:{placed.thread}",
            placed.opening,
        )
    keep_stance(session, visitor, annotation)
    thread = placed.thread if placed else None
    _follow(session, visitor, annotation, checked, thread)
    logger.info("annotation_created", annotation=id_)
    return _make_row(annotation, visitor, thread)


def _follow(
    session: Session,
    visitor: Visitor,
    annotation: Annotation | NewAnnotation,
    checked: Checked,
    thread: str | None,
) -> None:
    """Do to its thread what an annotation says beside its words."""
    if thread is not None:
        put_bodies_forward(
            session, visitor, thread, annotation.document, checked
        )
    if checked.state is None:
        return
    if thread is None:
        raise InvalidError(
            "only a thread stands somehow",
            Fault("/target", "expected a thread, or a post of one"),
        )
    set_state(session, visitor, thread, checked.state, reason=annotation.text)


def _make_row(
    new: NewAnnotation, visitor: Visitor, thread: str | None
) -> AnnotationRow:
    """Return what `get_annotation` would read of one just stored."""
    return AnnotationRow(
        id=new.id,
        container=new.container,
        document=new.document,
        version=new.version,
        motivation=new.motivation,
        created_at=new.created_at,
        modified_at=None,
        deleted_at=None,
        thread=thread,
        parent=new.parent_id,
        reviewer=visitor.name,
        text=new.text,
        source=new.source,
        author=visitor.display_name,
        html=new.html,
        position=new.position,
        reviewer_id=new.reviewer_id,
        thread_id=new.thread_id,
    )


def _get_agent(visitor: Visitor) -> Mapping[str, str]:
    return make_agent(visitor.display_name, visitor.name)


def _choose_id(session: Session, slug: str | None) -> str:
    if slug is not None and SLUG.fullmatch(slug):
        taken = session.scalar(
            select(col(Annotation.id)).where(col(Annotation.id) == slug)
        ) or session.scalar(
            # that address is the container's
            select(col(Proposal.slug)).where(col(Proposal.slug) == slug)
        )
        if taken is None:
            return slug
    return str(uuid_utils.uuid7())


def _add_tags(session: Session, id_: str, checked: Checked) -> None:
    session.add_all(
        AnnotationTag(annotation_id=id_, tag=tag) for tag in checked.tags
    )


def _remove_tags(session: Session, id_: str) -> None:
    session.execute(
        delete(AnnotationTag).where(col(AnnotationTag.annotation_id) == id_)
    )


def _describe(
    annotation: Annotation | NewAnnotation, aim: Aim
) -> Mapping[str, Any]:
    return {
        "motivation": annotation.motivation.value,
        "text": annotation.text,
        "source": annotation.source,
        "anchors": describe_points(aim.points),
    }


def replace_annotation(
    session: Session,
    visitor: Visitor,
    id_: str,
    document: Document,
    *,
    version: int | None = None,
) -> AnnotationRow:
    """Put another document in an annotation's place; return it.

    Parameters
    ----------
    version
        The one that the change was made from; None does not ask.

    Raises
    ------
    PreconditionError
        When it was changed since.
    ConflictError
        When the document changes what the server keeps, or would take from
        its place what was answered.
    """
    take_turn(session)
    row = get_annotation(session, id_)
    if row.reviewer_id != visitor.id:
        raise ForbiddenError("only who wrote an annotation changes it")
    _require_version(row, version, document)
    checked = check_document(document)
    now = datetime.now(UTC)
    annotation = session.get_one(Annotation, id_)
    annotation.document = replace_document(
        row.document, document, _get_agent(visitor), now
    )
    annotation.motivation = checked.motivation
    annotation.text = read_words(checked)
    annotation.html = render_words(checked)
    annotation.source = checked.source
    annotation.version = row.version + 1
    annotation.modified_at = now
    aim = Aim()
    if document["target"] != row.document["target"]:
        aim = find_aim(session, checked)
        move_annotation(session, visitor, annotation, checked, aim)
    session.flush()
    reword_thread(session, annotation)
    _remove_tags(session, id_)
    _add_tags(session, id_, checked)
    changed = get_annotation(session, id_)
    append_entry(
        session,
        visitor.actor,
        "annotation.changed",
        f"annotation:{id_}",
        {
            "thread": changed.thread,
            "version": changed.version,
            **_describe(annotation, aim),
        },
    )
    keep_stance(session, visitor, annotation, row.document)
    if changed.thread is not None:
        put_bodies_forward(
            session,
            visitor,
            changed.thread,
            annotation.document,
            checked,
            was=row.document if row.thread == changed.thread else {},
        )
    logger.info("annotation_changed", annotation=id_)
    return changed


def replace_text(
    session: Session,
    visitor: Visitor,
    id_: str,
    text: str,
    *,
    version: int | None = None,
) -> AnnotationRow:
    """Put other words, in Markdown, in an annotation's place."""
    row = get_annotation(session, id_)
    document = replace_words(row.document, text)
    return replace_annotation(session, visitor, id_, document, version=version)


def delete_annotation(
    session: Session,
    visitor: Visitor,
    id_: str,
    *,
    reason: str = "",
    version: int | None = None,
) -> None:
    """Delete an annotation; a tombstone stays.

    Parameters
    ----------
    reason
        Why; whoever deletes another's must say.

    Raises
    ------
    ForbiddenError
        When it is another's, and the visitor is no editor.
    ConflictError
        When it is of the corpus, or a decision was made on the thread that
        it opened.
    """
    take_turn(session)
    row = get_annotation(session, id_)
    require_say(visitor, row.reviewer)
    require_reason(visitor, row.reviewer, reason)
    _require_version(row, version, {})
    annotation = session.get_one(Annotation, id_)
    require_deletable(session, annotation)
    empty_thread(session, annotation)
    annotation.document = bury_document(row.document)
    annotation.text = annotation.html = ""
    annotation.deleted_at = datetime.now(UTC)
    session.flush()
    remove_anchors(session, id_)
    _remove_tags(session, id_)
    append_entry(
        session,
        visitor.actor,
        "annotation.deleted",
        f"annotation:{id_}",
        {"thread": row.thread, "source": row.source, "reason": reason},
    )
    drop_stance(session, visitor, id_, reason)
    logger.info("annotation_deleted", annotation=id_)


def _require_version(
    row: AnnotationRow, version: int | None, document: Document
) -> None:
    if version is not None and version != row.version:
        raise PreconditionError(
            f"it was changed since: this is version {row.version}",
            draft=json.dumps(document, ensure_ascii=False),
        )

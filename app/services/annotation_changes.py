"""The one door by which annotations are made, replaced and deleted.

A document is checked by `annotation_model`, completed with what the server
says of it, and stored with its index. Only its author may change it; an
editor may delete it, and says why. A deleted one leaves a tombstone, so that
its address is never used for another and replies to it keep their place.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
import uuid_utils
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    PreconditionError,
)
from app.models import Annotation, Proposal, Role
from app.services.annotation_model import CONTEXT, Checked, check_document
from app.services.annotation_rows import (
    AnnotationRow,
    get_annotation,
    make_address,
)
from app.services.entries import append_entry, format_time, take_turn
from app.services.markdown import render_markdown
from app.services.reviewers import Visitor

SLUG = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,120}")
OWNED = ("canonical", "via")
"""What stays as it was once it was said."""

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
    checked = check_document(document)
    id_ = _choose_id(session, slug)
    now = datetime.now(UTC)
    annotation = Annotation(
        id=id_,
        motivation=checked.motivation,
        reviewer_id=visitor.id,
        created_at=now,
        position=0,
        text=checked.text,
        html=render_markdown(checked.text),
        container=container,
        source=checked.sources[0] if checked.sources else "",
        document=_complete(
            document, make_address(container, id_), visitor, now
        ),
    )
    session.add(annotation)
    session.flush()
    append_entry(
        session,
        visitor.actor,
        "annotation.created",
        f"annotation:{id_}",
        _describe(checked),
    )
    logger.info("annotation_created", annotation=id_)
    return get_annotation(session, id_)


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


def _complete(
    document: Document, path: str, visitor: Visitor, now: datetime
) -> dict[str, Any]:
    """Return a new document with what the server says of it."""
    made = dict(document)
    given = made.get("id")
    made["id"] = path
    if isinstance(given, str) and given != path:
        via = made.get("via")
        sources = via if isinstance(via, list) else [via] if via else []
        if given not in sources:
            sources = [*sources, given]
        made["via"] = sources if len(sources) > 1 else sources[0]
    made.setdefault("@context", CONTEXT)
    made.setdefault(
        "creator",
        {
            "type": "Person",
            "name": visitor.display_name,
            "nickname": visitor.name,
        },
    )
    made.setdefault("created", format_time(now))
    return made


def _describe(checked: Checked) -> Mapping[str, Any]:
    return {
        "motivation": checked.motivation.value,
        "text": checked.text,
        "source": checked.sources[0] if checked.sources else "",
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
        When the document changes what the server keeps.
    """
    take_turn(session)
    row = get_annotation(session, id_)
    _require_author(visitor, row)
    _require_version(row, version, document)
    checked = check_document(document)
    for key in OWNED:
        if key in row.document and document.get(key) != row.document[key]:
            raise ConflictError(f"{key} stays as it was once it was set")
    now = datetime.now(UTC)
    annotation = session.get_one(Annotation, id_)
    annotation.document = {
        **document,
        "id": row.document["id"],
        "created": document.get("created", row.document.get("created")),
        "creator": document.get("creator", row.document.get("creator")),
        "modified": format_time(now),
    }
    annotation.motivation = checked.motivation
    annotation.text = checked.text
    annotation.html = render_markdown(checked.text)
    annotation.source = checked.sources[0] if checked.sources else ""
    annotation.version = row.version + 1
    annotation.modified_at = now
    session.flush()
    append_entry(
        session,
        visitor.actor,
        "annotation.changed",
        f"annotation:{id_}",
        {**_describe(checked), "version": annotation.version},
    )
    logger.info("annotation_changed", annotation=id_)
    return get_annotation(session, id_)


def replace_text(
    session: Session,
    visitor: Visitor,
    id_: str,
    text: str,
    *,
    version: int | None = None,
) -> AnnotationRow:
    """Put other words in an annotation's place; all else stays."""
    row = get_annotation(session, id_)
    return replace_annotation(
        session,
        visitor,
        id_,
        {**row.document, "body": _replace_body(row.document, text)},
        version=version,
    )


def _replace_body(document: Document, text: str) -> object:
    body = document.get("body")
    if isinstance(body, dict):
        return {**body, "value": text}
    return {"type": "TextualBody", "value": text, "format": "text/markdown"}


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
    """
    take_turn(session)
    row = get_annotation(session, id_)
    if row.reviewer_id != visitor.id:
        if not visitor.may(Role.editor):
            raise ForbiddenError("only its author or an editor deletes this")
        if not reason.strip():
            raise InvalidError("say why another's words are deleted")
    _require_version(row, version, {})
    annotation = session.get_one(Annotation, id_)
    annotation.document = {"id": row.document["id"], "type": "Annotation"}
    annotation.text = annotation.html = ""
    annotation.deleted_at = datetime.now(UTC)
    session.flush()
    append_entry(
        session,
        visitor.actor,
        "annotation.deleted",
        f"annotation:{id_}",
        {"reason": reason, "thread": row.thread},
    )
    logger.info("annotation_deleted", annotation=id_)


def _require_author(visitor: Visitor, row: AnnotationRow) -> None:
    if row.reviewer_id != visitor.id:
        raise ForbiddenError("only its author changes an annotation")


def _require_version(
    row: AnnotationRow, version: int | None, document: Document
) -> None:
    if version is not None and version != row.version:
        raise PreconditionError(
            f"it was changed since: this is version {row.version}",
            draft=str(document.get("body", "")),
        )

"""Annotations of what was said before there were any of it.

A thread that mails opened has an opener as one that was opened here has: its
first post, with the mail as its source. What older versions stored gets the
columns that were added since. Nothing is done twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import (
    Annotation,
    Call,
    Motivation,
    Person,
    Revision,
    Section,
    Thread,
    ThreadCall,
    ThreadKind,
    ThreadSection,
    get_id,
)
from app.services.annotation_model import OURS
from app.services.annotations import (
    CONTEXT,
    FRAGMENTS,
    OPENER,
    build_document,
    find_source,
    make_mid,
)
from app.services.thread_opening import describe_opening

OPENERS = UUID("8c1c1d0e-51b3-4c58-9a6c-3c5f5b7d2e41")  # their ids grow here
BATCH = 500
MOTIVATIONS: Mapping[ThreadKind, Motivation] = {
    ThreadKind.objection: Motivation.assessing,
    ThreadKind.question: Motivation.questioning,
    ThreadKind.suggestion: Motivation.commenting,
    ThreadKind.praise: Motivation.commenting,
}


def fill(database: Database) -> None:
    """Give an older database what is missing; the door stays shut if none."""
    with database.read() as session:
        is_whole = not _find_unopened(session) and not _find_bare(session)
    if not is_whole:
        with database.write() as session:
            fill_openers(session)
            fill_sources(session)


def fill_openers(session: Session) -> None:
    """Store the opener of each thread of mails; keep its words the same."""
    session.flush()
    rows = session.execute(
        select(Thread, Annotation, col(Person.name))
        .join(Person, col(Person.id) == col(Thread.person_id))
        .outerjoin(
            Annotation,
            (col(Annotation.thread_id) == col(Thread.id))
            & (col(Annotation.position) == OPENER),
        )
        .order_by(col(Thread.id))
    ).all()
    targets = _read_targets(session)
    for thread, opener, author in rows:
        if opener is not None and opener.deleted_at is not None:
            continue
        values = _describe(thread, author, targets.get(get_id(thread), ()))
        if opener is None:
            session.add(Annotation(**values))
        elif opener.document != values["document"]:
            for name, value in values.items():
                setattr(opener, name, value)
    session.flush()


def _find_unopened(session: Session) -> int | None:
    opened = select(col(Annotation.thread_id)).where(
        col(Annotation.position) == OPENER,
        col(Annotation.thread_id).is_not(None),
    )
    found: int | None = session.scalar(
        select(col(Thread.id))
        .where(
            col(Thread.person_id).is_not(None), col(Thread.id).not_in(opened)
        )
        .limit(1)
    )
    return found


def _describe(
    thread: Thread, author: str, targets: Sequence[object]
) -> Mapping[str, Any]:
    id_ = str(uuid5(OPENERS, thread.slug))
    motivation = MOTIVATIONS[thread.kind]
    target = targets or ["/document/"]
    document = {
        **build_document(
            id_,
            motivation,
            author,
            thread.opened_at,
            body={"value": thread.summary, "format": "text/markdown"},
            target=target[0] if len(target) == 1 else target,
        ),
        "@context": [CONTEXT, OURS],
        **describe_opening(thread.title, thread.kind, thread.severity),
    }
    if thread.message_id:
        document["via"] = make_mid(thread.message_id)
    return {
        "id": id_,
        "thread_id": get_id(thread),
        "position": OPENER,
        "motivation": motivation,
        "person_id": thread.person_id,
        "created_at": thread.opened_at,
        "text": thread.summary,
        "html": thread.summary_html,
        "message_id": thread.message_id,
        "document": document,
        "source": find_source(document["target"]),
    }


def _read_targets(session: Session) -> Mapping[int, list[object]]:
    """Return what each thread speaks of: clauses, then calls."""
    found: dict[int, list[object]] = {}
    first = (
        select(func.min(col(Revision.number)))
        .join(Section, col(Section.revision_id) == col(Revision.id))
        .join(ThreadSection, col(ThreadSection.section_id) == col(Section.id))
        .scalar_subquery()
    )
    for id_, anchor, number in session.execute(
        select(
            col(ThreadSection.thread_id),
            col(Section.anchor),
            col(Revision.number),
        )
        .join(Section, col(Section.id) == col(ThreadSection.section_id))
        .join(Revision, col(Revision.id) == col(Section.revision_id))
        .where(col(Revision.number) == first)
        .order_by(col(ThreadSection.thread_id), col(ThreadSection.position))
    ):
        found.setdefault(id_, []).append(
            {
                "type": "SpecificResource",
                "source": f"/document/revisions/{number}/",
                "selector": {
                    "type": "FragmentSelector",
                    "conformsTo": FRAGMENTS,
                    "value": anchor,
                },
            }
        )
    for id_, name in session.execute(
        select(col(ThreadCall.thread_id), col(Call.name))
        .join(Call, col(Call.id) == col(ThreadCall.call_id))
        .order_by(col(ThreadCall.thread_id), col(ThreadCall.position))
    ):
        found.setdefault(id_, []).append(f"/calls/{name}")
    return found


def _find_bare(session: Session) -> str | None:
    found: str | None = session.scalar(
        select(col(Annotation.id))
        .where(
            col(Annotation.source) == "", col(Annotation.deleted_at).is_(None)
        )
        .limit(1)
    )
    return found


def fill_sources(session: Session) -> None:
    """Say of each annotation what it speaks of, where that is missing."""
    while True:
        rows = session.scalars(
            select(Annotation)
            .where(
                col(Annotation.source) == "",
                col(Annotation.deleted_at).is_(None),
            )
            .limit(BATCH)
        ).all()
        if not rows:
            return
        for row in rows:
            row.source = find_source(row.document["target"])
        session.flush()

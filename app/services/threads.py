"""Threads: how one is opened, and on what.

How threads are read stands in `thread_rows`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import Fault, InvalidError
from app.models import (
    Call,
    Motivation,
    Section,
    Severity,
    ThreadKind,
    ThreadSection,
    get_id,
)
from app.services import anchors
from app.services.anchors import Clause
from app.services.annotation_model import OURS
from app.services.annotations import (
    CONTEXT,
    Passage,
    build_target,
    find_passage,
    make_annotation,
)
from app.services.entries import append_entry, take_turn
from app.services.markdown import render_markdown
from app.services.reviewers import Visitor
from app.services.revisions import select_newest_id
from app.services.thread_opening import (
    Opener,
    describe_opening,
    store_thread,
    tie_calls,
)

MOST_CALLS = 20
MOTIVATIONS: Mapping[ThreadKind, Motivation] = {
    ThreadKind.objection: Motivation.assessing,
    ThreadKind.question: Motivation.questioning,
    ThreadKind.suggestion: Motivation.commenting,
    ThreadKind.praise: Motivation.commenting,
}
logger = structlog.get_logger()


class Choices(NamedTuple):
    """What a new thread may speak of."""

    sections: Sequence[tuple[str, str]]
    calls: Sequence[str]


def list_choices(session: Session) -> Choices:
    """Return the sections (anchor, heading) and calls there are."""
    sections = session.execute(
        select(
            col(Section.anchor),
            func.trim(col(Section.number) + " " + col(Section.title)),
        )
        .where(col(Section.revision_id) == select_newest_id())
        .order_by(col(Section.position))
    ).all()
    calls = session.execute(
        select(col(Call.name)).order_by(col(Call.position))
    ).scalars()
    return Choices([(row[0], row[1]) for row in sections], list(calls))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewThread:
    """What a reviewer opens a thread with.

    `start` is where the quote was selected in its section, in code points;
    it only tells equal passages apart.
    """

    title: str
    kind: ThreadKind
    severity: Severity
    text: str
    calls: tuple[str, ...] = ()
    section: str | None = None
    quote: str = ""
    start: int | None = None


def open_thread(session: Session, visitor: Visitor, new: NewThread) -> str:
    """Open a thread and return its slug.

    Raises
    ------
    InvalidError
        When it speaks of nothing, or of what there is not.
    """
    take_turn(session)
    calls = _require_calls(session, new.calls)
    section = _find_section(session, new)
    if not calls and section is None:
        raise InvalidError(
            "a thread speaks of a call or a section",
            Fault("/section", "choose a section, or name a call"),
        )
    passage = _require_passage(new, section)
    thread = store_thread(
        session,
        visitor,
        Opener(
            title=new.title,
            kind=new.kind,
            severity=new.severity,
            text=new.text,
            html=render_markdown(new.text),
            quote=passage.exact if passage else None,
        ),
    )
    tie_calls(session, thread, list(calls.values()))
    if section is not None:
        session.add(
            ThreadSection(
                thread_id=get_id(thread), section_id=section.id, position=0
            )
        )
        anchors.add_anchor(
            session,
            clause=section,
            passage=passage,
            revision_id=section.revision_id,
            thread_id=thread.id,
        )
    opener = make_annotation(
        visitor,
        thread.id,
        new.text,
        motivation=MOTIVATIONS[new.kind],
        target=build_target(new.calls, new.section, passage),
    )
    opener.document = {
        **opener.document,
        "@context": [CONTEXT, OURS],
        **describe_opening(new.title, new.kind, new.severity),
    }
    session.add(opener)
    session.flush()
    _record_opening(session, visitor, thread.slug, new, opener.id)
    return thread.slug


def _require_calls(
    session: Session, names: Sequence[str]
) -> Mapping[str, int]:
    if len(names) > MOST_CALLS:
        raise InvalidError(
            f"a thread speaks of {MOST_CALLS} calls at most",
            Fault("/calls", f"at most {MOST_CALLS}"),
        )
    rows = session.execute(
        select(col(Call.name), col(Call.id)).where(col(Call.name).in_(names))
    )
    known = {row[0]: row[1] for row in rows if row[1] is not None}
    for name in names:
        if name not in known:
            raise InvalidError(
                f"no call is called {name!r}",
                Fault("/calls", f"no call is called {name!r}"),
            )
    return {name: known[name] for name in names}


def _find_section(session: Session, new: NewThread) -> Clause | None:
    if new.section is None:
        return None
    section_id = session.scalar(
        select(col(Section.id)).where(
            col(Section.anchor) == new.section,
            col(Section.revision_id) == select_newest_id(),
        )
    )
    if section_id is None:
        raise InvalidError(
            f"no section has the anchor {new.section!r}",
            Fault("/section", "expected a section of the document"),
        )
    return anchors.read_clause(session, section_id)


def _require_passage(new: NewThread, section: Clause | None) -> Passage | None:
    if not new.quote.strip():
        return None
    text = section.text if section else ""
    passage = find_passage(text, new.quote, new.start)
    if passage is None:
        raise InvalidError(
            "the quoted passage is not in this section",
            Fault("/quote", "expected text of the section chosen"),
        )
    return passage


def _record_opening(
    session: Session,
    visitor: Visitor,
    slug: str,
    new: NewThread,
    annotation: str,
) -> None:
    append_entry(
        session,
        visitor.actor,
        "thread.opened",
        f"thread:{slug}",
        {
            "annotation": annotation,
            "title": new.title,
            "kind": str(new.kind),
            "severity": str(new.severity),
            "calls": list(new.calls),
            "section": new.section,
            "quote": new.quote,
            "text": new.text,
        },
    )
    logger.info("thread_opened", thread=slug)

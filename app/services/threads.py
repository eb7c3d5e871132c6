"""Threads: how one is opened, and on what.

How threads are read stands in `thread_rows`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import Fault, InvalidError, NotFoundError
from app.models import (
    Call,
    Motivation,
    Section,
    Severity,
    Thread,
    ThreadCall,
    ThreadKind,
    ThreadSection,
    ThreadState,
)
from app.services import anchors
from app.services.anchors import Clause
from app.services.annotations import (
    Passage,
    build_target,
    find_passage,
    make_annotation,
)
from app.services.entries import append_entry, take_turn
from app.services.markdown import render_markdown
from app.services.proposals import find_proposal
from app.services.reviewers import Visitor
from app.services.revisions import select_newest_id
from app.services.sections import make_slug

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
    proposal = find_proposal(session)
    if proposal is None:
        raise NotFoundError("proposal", "under review")
    calls = _require_calls(session, new.calls)
    section = _find_section(session, new)
    if not calls and section is None:
        raise InvalidError(
            "a thread speaks of a call or a section",
            Fault("/section", "choose a section, or name a call"),
        )
    passage = _require_passage(new, section)
    slug, position = _choose_place(session, visitor, new.title)
    thread = Thread(
        proposal_id=proposal.id,
        position=position,
        slug=slug,
        title=new.title,
        kind=new.kind,
        severity=new.severity,
        severity_source="reviewer",
        state=ThreadState.open,
        reviewer_id=visitor.id,
        opened_at=datetime.now(UTC),
        summary=new.text,
        summary_html=render_markdown(new.text),
        quote=passage.exact if passage else None,
        notes=[],
    )
    session.add(thread)
    session.flush()
    assert thread.id is not None  # noqa: S101 - just flushed
    _store_targets(session, thread.id, list(calls.values()), section)
    if section is not None:
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
    session.add(opener)
    session.flush()
    _record_opening(session, visitor, slug, new, opener.id)
    return slug


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


def _choose_place(
    session: Session, visitor: Visitor, title: str
) -> tuple[str, int]:
    base = make_slug(f"{visitor.name} {title}")
    taken = set(
        session.execute(
            select(col(Thread.slug)).where(
                or_(
                    col(Thread.slug) == base,
                    col(Thread.slug).startswith(f"{base}-", autoescape=True),
                )
            )
        ).scalars()
    )
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    last = session.execute(select(func.max(col(Thread.position)))).scalar()
    return slug, (last or 0) + 1


def _store_targets(
    session: Session,
    thread_id: int,
    calls: Sequence[int],
    section: Clause | None,
) -> None:
    for position, call_id in enumerate(calls):
        session.add(
            ThreadCall(thread_id=thread_id, call_id=call_id, position=position)
        )
    if section is not None:
        session.add(
            ThreadSection(
                thread_id=thread_id, section_id=section.id, position=0
            )
        )


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

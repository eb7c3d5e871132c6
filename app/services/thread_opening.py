"""How a thread comes into being, whoever asks: form, API or annotation."""

import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import (
    Severity,
    Thread,
    ThreadCall,
    ThreadKind,
    ThreadState,
    get_id,
)
from app.services.proposals import find_proposal
from app.services.reviewers import Visitor
from app.services.sections import make_slug

LONGEST_TITLE = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """What a thread is opened with; `html` is the text as it is shown."""

    title: str
    kind: ThreadKind
    severity: Severity
    text: str
    html: str
    quote: str | None = None


def store_thread(session: Session, visitor: Visitor, opener: Opener) -> Thread:
    """Store a thread, not yet tied to what it speaks of; return it."""
    proposal = find_proposal(session)
    if proposal is None:
        raise NotFoundError("proposal", "under review")
    slug, position = _choose_place(session, visitor, opener.title)
    thread = Thread(
        proposal_id=proposal.id,
        position=position,
        slug=slug,
        title=opener.title,
        kind=opener.kind,
        severity=opener.severity,
        severity_source="reviewer",
        state=ThreadState.open,
        reviewer_id=visitor.id,
        opened_at=datetime.now(UTC),
        summary=opener.text,
        summary_html=opener.html,
        quote=opener.quote,
        notes=[],
    )
    session.add(thread)
    session.flush()
    return thread


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


def tie_calls(session: Session, thread: Thread, calls: list[int]) -> None:
    """Say which calls a thread speaks of, in this order."""
    session.add_all(
        ThreadCall(
            thread_id=get_id(thread), call_id=call_id, position=position
        )
        for position, call_id in enumerate(dict.fromkeys(calls))
    )
    session.flush()


def make_title(text: str) -> str:
    """Return the first sentence of a text, to stand for the whole."""
    first = " ".join(text.split()).split(". ", maxsplit=1)[0].rstrip(".")
    return textwrap.shorten(first, LONGEST_TITLE, placeholder=" …")


def describe_opening(
    title: str, kind: ThreadKind, severity: Severity
) -> dict[str, Any]:
    """Return what the opener's document says of its thread."""
    return {
        "review:title": title,
        "review:kind": kind.value,
        "review:severity": severity.value,
    }

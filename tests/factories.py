"""Rows for tests, one function a noun; what is not said has a default."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import (
    Answer,
    Evidence,
    EvidenceState,
    Message,
    Role,
    Run,
    Thread,
)
from app.services import reviewers, tokens
from app.services.base_subject import compute_base_subject
from app.services.reviewers import Visitor

NOW = datetime(2026, 11, 22, 16, 20, tzinfo=UTC)
ARRIVAL = datetime(2026, 12, 1, tzinfo=UTC)


def make_visitor(
    session: Session, name: str = "ada", role: Role = Role.reviewer
) -> Visitor:
    """Add an account and return it as who asks."""
    account = reviewers.add_reviewer(session, name, role)
    if account.id is None:
        raise LookupError(name)
    return Visitor(account.id, name, account.display_name, role)


def make_token(session: Session, name: str = "ada") -> dict[str, str]:
    """Return the header that an API client of this account sends."""
    secret = tokens.create_token(session, name).secret
    return {"Authorization": f"Bearer {secret}"}


def make_message(
    message_id: str,
    references: Sequence[str] = (),
    *,
    subject: str = "",
    sent_at: datetime | None = NOW,
    in_reply_to: str | None = None,
) -> Message:
    """Return a mail as an import makes it, not stored and not linked yet."""
    base = compute_base_subject(subject)
    return Message(
        message_id=message_id,
        subject=subject,
        base_subject=base.text,
        is_reply=base.is_reply,
        sender="Ada <ada@example.org>",
        sent_at=sent_at,
        in_reply_to=in_reply_to,
        references=list(references),
        headers=[],
        trailers=[],
        defects=[],
        charset="utf-8",
        body="",
        html="",
        imported_at=ARRIVAL,
    )


def make_run(session: Session, name: str = "r") -> Run:
    """Add a stored run; its report is as empty as it may be."""
    run = Run(
        id=name * 64,
        scenario_slug="kleen-halt-sti-window",
        question="Does it sleep with work pending?",
        model="1",
        text="question = 'Does it sleep with work pending?'",
        report={"platforms": []},
        answers={"platforms": []},
        created_at=NOW,
    )
    session.add(run)
    session.flush()
    return run


def make_evidence(
    session: Session, visitor: Visitor, thread: str, run: Run
) -> int:
    """Put a run forward on a thread; return the evidence's number."""
    thread_id = session.execute(
        select(col(Thread.id)).where(col(Thread.slug) == thread)
    ).scalar_one()
    evidence = Evidence(
        thread_id=thread_id or 0,
        run_id=run.id,
        platform="software",
        outcome="sleeps-with-work",
        expected=Answer.never,
        answer=Answer.sometimes,
        state=EvidenceState.fails,
        reviewer_id=visitor.id,
        created_at=NOW,
    )
    session.add(evidence)
    session.flush()
    return evidence.id or 0

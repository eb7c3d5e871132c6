"""Decisions: what was decided on a thread, why, on which evidence.

A decision is never edited. Another decision on the same thread supersedes
the one in force, and must say so: two people who decide at once do not
overwrite each other. How decisions are read stands in `decision_rows`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import (
    Decision,
    DecisionEvidence,
    Disposition,
    Thread,
    ThreadState,
)
from app.services import entries
from app.services.decision_rows import (
    Cited,
    DecisionRow,
    Later,
    get_decision,
    list_choices,
)
from app.services.markdown import render_markdown
from app.services.reviewers import Visitor


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """What a reviewer decides.

    `supersedes` is the number of the decision in force on the thread, which
    must be named to be replaced; None if there is none.
    """

    disposition: Disposition
    reason: str
    dissent: str = ""
    evidence: tuple[int, ...] = ()
    supersedes: int | None = None


def record_decision(
    session: Session, visitor: Visitor, thread: str, new: NewDecision
) -> DecisionRow:
    """Decide on a thread, which is `decided` from then on.

    Raises
    ------
    NotFoundError
        There is no such thread.
    ConflictError
        `supersedes` is not the decision in force on the thread.
    InvalidError
        There is no reason, or a piece of evidence is not on this thread.
    """
    entries.take_turn(session)
    target = _get_thread(session, thread)
    require_reason(new.reason)
    in_force = _find_in_force(session, target.id)
    _require_successor(thread, in_force, new.supersedes)
    cited = _require_evidence(session, thread, new.evidence)
    number = _count_up(session, target.proposal_id)
    entry = entries.append_entry(
        session,
        visitor.actor,
        "decision.recorded",
        f"decision:{number}",
        _get_record(target, new, cited),
    )
    decision = Decision(
        proposal_id=target.proposal_id,
        number=number,
        thread_id=target.id,
        disposition=new.disposition,
        reason=new.reason,
        reason_html=render_markdown(new.reason),
        dissent=new.dissent,
        reviewer_id=visitor.id,
        decided_at=entry.at,
        supersedes_id=in_force.id if in_force else None,
        entry_seq=entry.seq,
    )
    session.add(decision)
    session.get_one(Thread, target.id).state = ThreadState.decided
    session.flush()
    if cited:
        links = [
            {"decision_id": decision.id, "evidence_id": piece.id}
            for piece in cited
        ]
        session.execute(insert(DecisionEvidence), links)
    return get_decision(session, number)


def require_reason(reason: str) -> None:
    """Refuse a decision that does not say why."""
    if not reason.strip():
        raise InvalidError(
            "a decision says why", Fault("/reason", "expected a reason")
        )


def require_thread(session: Session, slug: str) -> None:
    """Refuse the name of a thread that there is not."""
    _get_thread(session, slug)


class _Target(NamedTuple):
    id: int
    proposal_id: int
    slug: str
    state: ThreadState


def _get_thread(session: Session, slug: str) -> _Target:
    row = session.execute(
        select(
            col(Thread.id),
            col(Thread.proposal_id),
            col(Thread.slug),
            col(Thread.state),
        ).where(col(Thread.slug) == slug)
    ).first()
    if row is None or row[0] is None:
        raise NotFoundError("thread", slug)
    return _Target(row[0], row[1], row[2], row[3])


class _InForce(NamedTuple):
    id: int
    number: int


def _find_in_force(session: Session, thread_id: int) -> _InForce | None:
    row = session.execute(
        select(col(Decision.id), col(Decision.number))
        .outerjoin(Later, col(Later.supersedes_id) == col(Decision.id))
        .where(col(Decision.thread_id) == thread_id, col(Later.id).is_(None))
    ).first()
    return None if row is None or row[0] is None else _InForce(row[0], row[1])


def _require_successor(
    thread: str, in_force: _InForce | None, supersedes: int | None
) -> None:
    number = in_force.number if in_force else None
    if supersedes == number:
        return
    if number is None:
        raise ConflictError(
            f"no decision on {thread} is in force that {supersedes} could be"
        )
    if supersedes is None:
        raise ConflictError(
            f"decision {number} on {thread} is in force; "
            "a new one must say that it supersedes it"
        )
    raise ConflictError(
        f"decision {supersedes} is not the one in force on {thread}; "
        f"decision {number} is"
    )


def _require_evidence(
    session: Session, thread: str, ids: Sequence[int]
) -> list[Cited]:
    if not ids:
        return []
    on_thread = {piece.id: piece for piece in list_choices(session, thread)}
    faults = [
        Fault(f"/evidence/{i}", f"no evidence {id_} is on this thread")
        for i, id_ in enumerate(ids)
        if id_ not in on_thread
    ]
    if faults:
        raise InvalidError("this is not evidence on the thread", *faults)
    return [on_thread[id_] for id_ in sorted(set(ids))]


def _count_up(session: Session, proposal_id: int) -> int:
    greatest = select(func.max(col(Decision.number))).where(
        col(Decision.proposal_id) == proposal_id
    )
    return (session.execute(greatest).scalar() or 0) + 1


def _get_record(
    target: _Target, new: NewDecision, cited: Sequence[Cited]
) -> dict[str, Any]:
    return {
        "thread": target.slug,
        "was": target.state.value,
        "disposition": new.disposition.value,
        "reason": new.reason,
        "dissent": new.dissent,
        "supersedes": new.supersedes,
        "evidence": [
            {
                "id": piece.id,
                "run": piece.run_id,
                "scenario": piece.scenario,
                "platform": piece.platform,
                "variant": piece.variant,
                "outcome": piece.outcome,
                "expected": piece.expected.value,
                "answer": piece.answer.value,
                "state": piece.state.value,
            }
            for piece in cited
        ],
    }

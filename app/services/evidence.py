"""Evidence: a run's answer put forward on a thread, beside what was expected.

The answer is read from the run's report, never typed. Evidence is stale once
the scenario's text or the simulator's model is another than the run's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import (
    Answer,
    Decision,
    DecisionEvidence,
    Evidence,
    EvidenceState,
    Reviewer,
    Run,
    Scenario,
    Thread,
    get_id,
)
from app.services import entries, runs
from app.services.moderation import require_reason, require_say
from app.services.reviewers import Visitor
from app.services.verdicts import build_query
from app.services.windows import WHOLE, Window
from app.sim import MODEL

EXPECTABLE = (
    Answer.always,
    Answer.sometimes,
    Answer.never,
    Answer.unspecified,
)
"""What somebody may expect of a run."""

DECIDED = frozenset({Answer.always, Answer.sometimes, Answer.never})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody says of a run: this outcome there has this answer."""

    run_id: str
    platform: str
    outcome: str
    expected: Answer
    variant: str | None = None


class EvidenceRow(NamedTuple):
    """Evidence as the table of a thread shows it.

    `account` is the name of the reviewer who put it forward, `cited_by` the
    number of the first decision that stands on it.
    """

    id: int
    run_id: str
    scenario: str | None
    question: str
    platform: str
    variant: str | None
    outcome: str
    expected: Answer
    answer: Answer
    state: EvidenceState
    reviewer: str
    created_at: datetime
    account: str
    thread: str
    cited_by: int | None

    @property
    def query(self) -> dict[str, str]:
        """Return what names the answer in the address of its run."""
        return build_query(self.platform, self.variant, self.outcome)


def list_evidence(
    session: Session,
    thread: str,
    window: Window = WHOLE,
) -> list[EvidenceRow]:
    """Return what was put forward on a thread, oldest first."""
    return _read_rows(session, col(Thread.slug) == thread, window=window)


def get_evidence(session: Session, number: int) -> EvidenceRow:
    """Return one piece of evidence."""
    rows = _read_rows(session, col(Evidence.id) == number)
    if not rows:
        raise NotFoundError("evidence", str(number))
    return rows[0]


def _read_rows(
    session: Session,
    *conditions: ColumnElement[bool],
    window: Window = WHOLE,
) -> list[EvidenceRow]:
    citing = (
        select(func.min(col(Decision.number)))
        .join(
            DecisionEvidence,
            col(DecisionEvidence.decision_id) == col(Decision.id),
        )
        .where(col(DecisionEvidence.evidence_id) == col(Evidence.id))
        .correlate(Evidence)
        .scalar_subquery()
    )
    statement = (
        select(
            col(Evidence.id),
            col(Evidence.run_id),
            col(Run.scenario_slug),
            col(Run.question),
            col(Evidence.platform),
            col(Evidence.variant),
            col(Evidence.outcome),
            col(Evidence.expected),
            col(Evidence.answer),
            col(Evidence.state),
            col(Reviewer.display_name),
            col(Evidence.created_at),
            col(Reviewer.name),
            col(Thread.slug),
            citing,
        )
        .join(Run, col(Run.id) == col(Evidence.run_id))
        .join(Reviewer, col(Reviewer.id) == col(Evidence.reviewer_id))
        .join(Thread, col(Thread.id) == col(Evidence.thread_id))
        .where(*conditions)
    )
    rows = session.execute(window.cut(statement, col(Evidence.id))).all()
    return [EvidenceRow._make(row) for row in window.arrange(rows)]


def withdraw(
    session: Session, visitor: Visitor, number: int, *, reason: str = ""
) -> None:
    """Take a piece of evidence off its thread.

    Parameters
    ----------
    reason
        Why; an editor who withdraws another's must say.

    Raises
    ------
    ForbiddenError
        If it is another's, and the visitor is no editor.
    ConflictError
        If a decision stands on it.
    """
    entries.take_turn(session)
    row = get_evidence(session, number)
    require_withdrawable(visitor, row)
    require_reason(visitor, row.account, reason)
    session.execute(delete(Evidence).where(col(Evidence.id) == number))
    entries.append_entry(
        session,
        visitor.actor,
        "evidence.withdrawn",
        f"thread:{row.thread}",
        {
            "evidence": number,
            "run": row.run_id,
            "platform": row.platform,
            "outcome": row.outcome,
            "expected": row.expected.value,
            "reviewer": row.account,
            "reason": reason,
        },
    )


def require_withdrawable(visitor: Visitor, row: EvidenceRow) -> None:
    """Refuse whoever may not withdraw it, and what a decision stands on."""
    require_say(visitor, row.account)
    if row.cited_by is not None:
        raise ConflictError(
            f"decision {row.cited_by} stands on evidence {row.id}, so it stays"
        )


class PutForward(NamedTuple):
    """The number of a piece of evidence, and whether it is new."""

    id: int
    created: bool


def attach(
    session: Session, visitor: Visitor, thread: str, claim: Claim
) -> int:
    """Put a run forward on a thread; returns the evidence's id."""
    return put_forward(session, visitor, thread, claim).id


def put_forward(
    session: Session, visitor: Visitor, thread: str, claim: Claim
) -> PutForward:
    """Put a run forward on a thread.

    The same claim of the same reviewer is not stored twice.

    Raises
    ------
    NotFoundError
        If there is no such thread, or no such run.
    InvalidError
        If the run has no such answer, or nobody can expect this one.
    ConflictError
        If the run is of another model or text than there is now.
    """
    entries.take_turn(session)
    thread_id = session.scalar(
        select(col(Thread.id)).where(col(Thread.slug) == thread)
    )
    if thread_id is None:
        raise NotFoundError("thread", thread)
    # on PostgreSQL: the run stays while we refer to it
    session.execute(
        select(col(Run.id))
        .where(col(Run.id) == claim.run_id)
        .with_for_update(read=True, key_share=True)
    )
    run = runs.read_run(session, claim.run_id)
    answer = find_answer(run.report, claim)
    if claim.expected not in EXPECTABLE:
        raise InvalidError(
            "no answer of a run can be expected to be that",
            Fault("/expected", "expected " + ", ".join(EXPECTABLE)),
        )
    if is_stale(session, run.id):
        raise ConflictError(
            "the scenario or the model has changed since this run; "
            "run the question again"
        )
    known = _find_same(session, visitor, thread_id, claim)
    if known is not None:
        return PutForward(known, created=False)
    row = _store(session, visitor, thread_id, claim, answer)
    told = {
        "evidence": row.id,
        "run": row.run_id,
        "platform": row.platform,
        "outcome": row.outcome,
        "expected": str(row.expected),
        "answer": str(row.answer),
        "state": str(row.state),
    }
    if row.variant is not None:
        told["variant"] = row.variant
    entries.append_entry(
        session, visitor.actor, "evidence.attached", f"thread:{thread}", told
    )
    return PutForward(get_id(row), created=True)


def find_answer(report: Mapping[str, Any], claim: Claim) -> Answer:
    """Read the answer that a claim speaks of from the run's report."""
    for part in report["platforms"]:
        if (part["platform"], part["variant"]) == (
            claim.platform,
            claim.variant,
        ):
            if claim.outcome in part["answers"]:
                return Answer(part["answers"][claim.outcome]["answer"])
            raise InvalidError(
                f"the run has no outcome {claim.outcome!r}",
                Fault("/outcome", "expected " + ", ".join(part["answers"])),
            )
    raise InvalidError(
        f"the run has no answers for {claim.platform!r}"
        + (f", variant {claim.variant!r}" if claim.variant else ""),
        Fault("/platform", "expected a platform of the run"),
    )


def judge(answer: Answer, expected: Answer) -> EvidenceState:
    """Say whether an answer is the expected one."""
    if answer == expected:
        return EvidenceState.holds
    return (
        EvidenceState.fails if answer in DECIDED else EvidenceState.undecided
    )


def is_stale(session: Session, run_id: str) -> bool:
    """Tell whether a run is of another model or text than now."""
    stale = _select_stale().where(col(Run.id) == run_id).limit(1)
    return session.scalar(stale) is not None


def mark_stale(session: Session) -> list[int]:
    """Mark the evidence whose run is of another model or text than now.

    Returns the ids of what became stale.
    """
    rows = session.execute(
        select(col(Evidence.id), col(Thread.slug), col(Evidence.run_id))
        .join(Thread, col(Thread.id) == col(Evidence.thread_id))
        .where(
            col(Evidence.state) != EvidenceState.stale,
            col(Evidence.run_id).in_(_select_stale()),
        )
        .order_by(col(Evidence.id))
    ).all()
    ids = [row[0] for row in rows if row[0] is not None]
    if ids:
        session.execute(
            update(Evidence)
            .where(col(Evidence.id).in_(ids))
            .values(state=EvidenceState.stale)
        )
    for id_, thread, run in rows:
        entries.append_entry(
            session,
            "program",
            "evidence.outdated",
            f"thread:{thread}",
            {"evidence": id_, "run": run, "model": MODEL},
        )
    return ids


def _select_stale() -> Any:  # noqa: ANN401 - SQLAlchemy's Select of a text
    return (
        select(col(Run.id))
        .outerjoin(Scenario, col(Scenario.slug) == col(Run.scenario_slug))
        .where(
            or_(
                col(Run.model) != MODEL,
                and_(
                    col(Scenario.id).is_not(None),
                    col(Scenario.text) != col(Run.text),
                ),
            )
        )
    )


def _find_same(
    session: Session, visitor: Visitor, thread_id: int, claim: Claim
) -> int | None:
    return session.scalar(
        select(col(Evidence.id)).where(
            col(Evidence.thread_id) == thread_id,
            col(Evidence.reviewer_id) == visitor.id,
            col(Evidence.run_id) == claim.run_id,
            col(Evidence.platform) == claim.platform,
            col(Evidence.variant) == claim.variant
            if claim.variant is not None
            else col(Evidence.variant).is_(None),
            col(Evidence.outcome) == claim.outcome,
            col(Evidence.expected) == claim.expected,
        )
    )


def _store(
    session: Session,
    visitor: Visitor,
    thread_id: int,
    claim: Claim,
    answer: Answer,
) -> Evidence:
    row = Evidence(
        thread_id=thread_id,
        run_id=claim.run_id,
        platform=claim.platform,
        variant=claim.variant,
        outcome=claim.outcome,
        expected=claim.expected,
        answer=answer,
        state=judge(answer, claim.expected),
        reviewer_id=visitor.id,
        created_at=datetime.now(UTC),
    )
    session.add(row)
    session.flush()
    return row

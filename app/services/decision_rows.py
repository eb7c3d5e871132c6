"""Decisions as they are read: in three queries, however many."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from app.errors import NotFoundError
from app.models import (
    Answer,
    Call,
    Decision,
    DecisionEvidence,
    Disposition,
    Entry,
    Evidence,
    EvidenceState,
    Reviewer,
    Run,
    Severity,
    Thread,
    ThreadCall,
    ThreadKind,
)
from app.services.windows import WHOLE, Window

Standing = Literal["in-force", "superseded"]

WORDS: Mapping[Disposition, str] = {
    Disposition.accepted: "accepted",
    Disposition.partly: "accepted in part",
    Disposition.rejected: "rejected",
    Disposition.out_of_scope: "out of scope",
    Disposition.invalid: "invalid",
    Disposition.retracted: "retracted",
    Disposition.deferred: "deferred",
    Disposition.duplicate: "duplicate",
}

Earlier = aliased(Decision, name="earlier")
Later = aliased(Decision, name="later")
_CITED = (
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
)


class Cited(NamedTuple):
    """A piece of evidence, as a decision cites it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """A decision with all that it stands on."""

    number: int
    thread: str
    title: str
    kind: ThreadKind
    severity: Severity
    calls: tuple[str, ...]
    disposition: Disposition
    reason: str
    reason_html: str
    dissent: str
    evidence: tuple[Cited, ...]
    decided_at: datetime
    reviewer: str
    display_name: str
    supersedes: int | None
    superseded_by: int | None
    seq: int
    hash: str

    @property
    def word(self) -> str:
        """Return the disposition as a reader says it."""
        return WORDS[self.disposition]

    @property
    def actor(self) -> str:
        """Return who decided, as the event log names them."""
        return f"reviewer:{self.reviewer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which decisions a list shows; None leaves a part open."""

    number: int | None = None
    thread: str | None = None
    call: str | None = None
    standing: Standing | None = None
    window: Window = WHOLE


def list_decisions(
    session: Session, wanted: Wanted | None = None
) -> list[DecisionRow]:
    """Return decisions by number, in three queries however many."""
    ids = _select_ids(wanted or Wanted())
    heads = session.execute(_select_heads(ids)).all()
    if not heads:
        return []
    calls = _read_calls(session, ids)
    evidence = _read_evidence(session, ids)
    found = []
    for head in heads:
        fields = head._asdict()
        id_, thread_id = fields.pop("id"), fields.pop("thread_id")
        found.append(
            DecisionRow(
                calls=tuple(calls[thread_id]),
                evidence=tuple(evidence[id_]),
                **fields,
            )
        )
    return found


def get_decision(session: Session, number: int) -> DecisionRow:
    """Return the decision of this number."""
    rows = list_decisions(session, Wanted(number=number))
    if not rows:
        raise NotFoundError("decision", str(number))
    return rows[0]


def count_decisions(session: Session) -> dict[Standing, int]:
    """Count the decisions in force and the superseded ones."""
    total = func.count(col(Decision.id))
    replaced = func.count(col(Decision.supersedes_id))
    row = session.execute(select(total, replaced)).one()
    return {"in-force": row[0] - row[1], "superseded": row[1]}


def list_choices(session: Session, thread: str) -> list[Cited]:
    """Return the evidence on a thread, that a decision on it may cite."""
    rows = session.execute(
        select(*_CITED)
        .join(Run, col(Run.id) == col(Evidence.run_id))
        .join(Thread, col(Thread.id) == col(Evidence.thread_id))
        .where(col(Thread.slug) == thread)
        .order_by(col(Evidence.id))
    )
    return [_make_cited(row) for row in rows]


def find_in_force(rows: Sequence[DecisionRow]) -> DecisionRow | None:
    """Return the decision in force among those on one thread."""
    return next((row for row in rows if row.superseded_by is None), None)


def _select_ids(wanted: Wanted) -> Select[int | None]:
    chosen = (
        select(col(Decision.id))
        .join(Thread, col(Thread.id) == col(Decision.thread_id))
        .outerjoin(Later, col(Later.supersedes_id) == col(Decision.id))
        .where(*_get_conditions(wanted))
    )
    return wanted.window.cut(chosen, col(Decision.number))


def _get_conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.number is not None:
        conditions.append(col(Decision.number) == wanted.number)
    if wanted.thread is not None:
        conditions.append(col(Thread.slug) == wanted.thread)
    if wanted.call is not None:
        named = (
            select(col(ThreadCall.thread_id))
            .join(Call, col(Call.id) == col(ThreadCall.call_id))
            .where(col(Call.name) == wanted.call)
        )
        conditions.append(col(Thread.id).in_(named))
    if wanted.standing is not None:
        replaced = col(Later.id).is_not(None)
        conditions.append(
            replaced if wanted.standing == "superseded" else ~replaced
        )
    return conditions


def _select_heads(ids: Select[int | None]) -> Select[*tuple[Any, ...]]:
    chosen = ids.subquery()
    return (
        select(
            col(Decision.id),
            col(Decision.thread_id),
            col(Decision.number),
            col(Thread.slug).label("thread"),
            col(Thread.title),
            col(Thread.kind),
            col(Thread.severity),
            col(Decision.disposition),
            col(Decision.reason),
            col(Decision.reason_html),
            col(Decision.dissent),
            col(Decision.decided_at),
            col(Reviewer.name).label("reviewer"),
            col(Reviewer.display_name),
            col(Earlier.number).label("supersedes"),
            col(Later.number).label("superseded_by"),
            col(Entry.seq),
            col(Entry.hash),
        )
        .join(chosen, chosen.c.id == col(Decision.id))
        .join(Thread, col(Thread.id) == col(Decision.thread_id))
        .join(Reviewer, col(Reviewer.id) == col(Decision.reviewer_id))
        .join(Entry, col(Entry.seq) == col(Decision.entry_seq))
        .outerjoin(Earlier, col(Earlier.id) == col(Decision.supersedes_id))
        .outerjoin(Later, col(Later.supersedes_id) == col(Decision.id))
        .order_by(col(Decision.number))
    )


def _read_calls(
    session: Session, ids: Select[int | None]
) -> Mapping[int, list[str]]:
    threads = select(col(Decision.thread_id)).where(
        col(Decision.id).in_(select(ids.subquery().c.id))
    )
    rows = session.execute(
        select(col(ThreadCall.thread_id), col(Call.name))
        .join(Call, col(Call.id) == col(ThreadCall.call_id))
        .where(col(ThreadCall.thread_id).in_(threads))
        .order_by(col(ThreadCall.thread_id), col(ThreadCall.position))
    )
    calls: defaultdict[int, list[str]] = defaultdict(list)
    for thread_id, name in rows:
        calls[thread_id].append(name)
    return calls


def _make_cited(row: Sequence[Any]) -> Cited:
    return Cited(*row)


def _read_evidence(
    session: Session, ids: Select[int | None]
) -> Mapping[int, list[Cited]]:
    rows = session.execute(
        select(col(DecisionEvidence.decision_id), *_CITED)
        .join(Evidence, col(Evidence.id) == col(DecisionEvidence.evidence_id))
        .join(Run, col(Run.id) == col(Evidence.run_id))
        .where(
            col(DecisionEvidence.decision_id).in_(select(ids.subquery().c.id))
        )
        .order_by(col(DecisionEvidence.decision_id), col(Evidence.id))
    )
    evidence: defaultdict[int, list[Cited]] = defaultdict(list)
    for decision_id, *fields in rows:
        evidence[decision_id].append(_make_cited(fields))
    return evidence

"""Evidence: the answer is read from the run, what was expected is typed."""

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from app.models import (
    Answer,
    Disposition,
    Entry,
    EvidenceState,
    Role,
    Run,
)
from app.services import decisions, evidence, scenarios
from app.services.decisions import NewDecision
from app.services.evidence import Claim, judge
from app.services.reviewers import Visitor
from tests import factories
from tests.at_once import write_at_once

SLUG = "kleen-sti-shadow"
OUTCOME = "sleeps-with-work"


@pytest.fixture
def ada(session: Session) -> Visitor:
    return factories.make_visitor(session)


def make_claim(session: Session, **changes: object) -> Claim:
    """Return a claim on the corpus's run of the question."""
    run_id = scenarios.read_question(session, SLUG).run_id
    assert run_id is not None
    parts = {
        "run_id": run_id,
        "platform": "native",
        "outcome": OUTCOME,
        "expected": Answer.never,
        **changes,
    }
    return Claim(**parts)  # type: ignore[arg-type]


def test_evidence_has_the_answer_of_the_run(
    session: Session, ada: Visitor
) -> None:
    number = evidence.attach(session, ada, SLUG, make_claim(session))
    (row,) = evidence.list_evidence(session, SLUG)
    assert (row.id, row.answer, row.state, row.reviewer) == (
        number,
        Answer.never,
        EvidenceState.holds,
        ada.display_name,
    )
    entry = session.execute(
        select(col(Entry.type), col(Entry.subject), col(Entry.data)).order_by(
            col(Entry.seq).desc()
        )
    ).first()
    assert entry is not None
    assert entry[:2] == ("evidence.attached", f"thread:{SLUG}")
    assert entry[2]["evidence"] == number
    assert entry[2]["answer"] == "never"


def test_a_variant_is_evidence_of_its_own(
    session: Session, ada: Visitor
) -> None:
    scenario = scenarios.read_question(session, SLUG).scenario
    variant = scenario.variants[0]
    claim = make_claim(
        session, platform=variant.platform, variant=variant.name
    )
    evidence.attach(session, ada, SLUG, claim)
    evidence.attach(
        session, ada, SLUG, make_claim(session, platform=variant.platform)
    )
    rows = evidence.list_evidence(session, SLUG)
    assert [row.variant for row in rows] == [variant.name, None]
    assert rows[0].query["variant"] == variant.name


def test_the_same_claim_is_stored_once(session: Session, ada: Visitor) -> None:
    claim = make_claim(session)
    first = evidence.attach(session, ada, SLUG, claim)
    count = select(func.count()).select_from(Entry)
    before = session.scalar(count)
    assert evidence.attach(session, ada, SLUG, claim) == first
    assert session.scalar(count) == before


@pytest.mark.parametrize(
    ("answer", "expected", "state"),
    [
        (Answer.never, Answer.never, EvidenceState.holds),
        (Answer.sometimes, Answer.never, EvidenceState.fails),
        (Answer.unspecified, Answer.never, EvidenceState.undecided),
        (Answer.unspecified, Answer.unspecified, EvidenceState.holds),
        (Answer.limit, Answer.always, EvidenceState.undecided),
        (Answer.not_modelled, Answer.always, EvidenceState.undecided),
    ],
)
def test_evidence_holds_if_the_answer_is_the_expected_one(
    answer: Answer, expected: Answer, state: EvidenceState
) -> None:
    assert judge(answer, expected) == state


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"platform": "vax"}, "/platform"),
        ({"variant": "none"}, "/platform"),
        ({"outcome": "none"}, "/outcome"),
        ({"expected": Answer.limit}, "/expected"),
    ],
)
def test_what_the_run_has_not_is_refused(
    session: Session, ada: Visitor, change: dict[str, object], pointer: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        evidence.attach(session, ada, SLUG, make_claim(session, **change))
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_thread_and_run_must_exist(session: Session, ada: Visitor) -> None:
    with pytest.raises(NotFoundError):
        evidence.attach(session, ada, "none", make_claim(session))
    with pytest.raises(NotFoundError):
        evidence.attach(session, ada, SLUG, make_claim(session, run_id="0"))


def test_a_run_of_an_older_model_is_stale_and_attached_no_more(
    session: Session, ada: Visitor
) -> None:
    claim = make_claim(session)
    number = evidence.attach(session, ada, SLUG, claim)
    assert evidence.mark_stale(session) == []
    session.execute(
        update(Run).where(col(Run.id) == claim.run_id).values(model="0")
    )
    assert evidence.mark_stale(session) == [number]
    assert evidence.mark_stale(session) == []
    (row,) = evidence.list_evidence(session, SLUG)
    assert row.state == EvidenceState.stale
    with pytest.raises(ConflictError, match="run the question again"):
        evidence.attach(
            session, ada, SLUG, make_claim(session, expected=Answer.always)
        )


def test_a_claim_made_twice_at_once_is_stored_once(database: Database) -> None:
    with database.write() as session:
        visitor = factories.make_visitor(session)
        claim = make_claim(session)

    def work(session: Session) -> None:
        evidence.attach(session, visitor, SLUG, claim)

    assert write_at_once(database, *[work] * 4) == ["done"] * 4
    with database.read() as session:
        assert len(evidence.list_evidence(session, SLUG)) == 1


def test_the_same_claim_is_told_from_a_new_one(
    session: Session, ada: Visitor
) -> None:
    claim = make_claim(session)
    first = evidence.put_forward(session, ada, SLUG, claim)
    again = evidence.put_forward(session, ada, SLUG, claim)
    assert (first.created, again.created) == (True, False)
    assert first.id == again.id


def test_evidence_is_withdrawn_by_its_author_or_an_editor(
    session: Session, ada: Visitor
) -> None:
    bob = factories.make_visitor(session, "bob")
    ed = factories.make_visitor(session, "ed", Role.editor)
    number = evidence.attach(session, ada, SLUG, make_claim(session))
    with pytest.raises(ForbiddenError):
        evidence.withdraw(session, bob, number, reason="x")
    with pytest.raises(InvalidError):
        evidence.withdraw(session, ed, number)
    evidence.withdraw(session, ed, number, reason="of another question")
    assert evidence.list_evidence(session, SLUG) == []
    with pytest.raises(NotFoundError):
        evidence.withdraw(session, ada, number)
    # what was withdrawn may be put forward anew
    assert evidence.attach(session, ada, SLUG, make_claim(session))


def test_what_a_decision_cites_is_not_withdrawn(
    session: Session, ada: Visitor
) -> None:
    number = evidence.attach(session, ada, SLUG, make_claim(session))
    new = NewDecision(
        disposition=Disposition.accepted, reason="Run.", evidence=(number,)
    )
    decided = decisions.record_decision(session, ada, SLUG, new)
    assert evidence.get_evidence(session, number).cited_by == decided.number
    with pytest.raises(ConflictError, match=f"decision {decided.number}"):
        evidence.withdraw(session, ada, number)

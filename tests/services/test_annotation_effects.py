"""What an annotation does beside its words: threads, states, evidence."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MalformedError,
)
from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    Answer,
    Entry,
    Motivation,
    Role,
    Run,
    Scenario,
    Section,
    Thread,
    ThreadKind,
    ThreadState,
)
from app.services import (
    aligning,
    annotation_changes,
    annotation_rows,
    annotations,
    evidence,
    standings,
    thread_changes,
    thread_rows,
)
from app.services.annotation_rows import AnnotationRow
from app.services.annotations import CONTEXT, read_text
from app.services.importing import import_mails
from app.services.mailbox import RawMail
from app.services.reviewers import PROGRAM, Visitor
from app.services.thread_changes import Heading
from app.services.thread_rows import Wanted
from app.services.windows import WHOLE
from app.sim import MODEL
from tests import w3c
from tests.conftest import SQLiteCopies
from tests.factories import make_run, make_visitor

THREAD = "kleen-sti-shadow"
OUTCOME = "sleeps-with-work"
_SECTION = (
    select(col(Section.html))
    .where(col(Section.number) == "2.11")
    .order_by(col(Section.revision_id).desc())
    .limit(1)
)


@pytest.fixture
def filled(sqlite_copies: SQLiteCopies) -> Iterator[Database]:
    """Return a database with the bundled corpus; none of this is SQL."""
    database = Database(sqlite_copies.make("full"))
    yield database
    database.close()
    sqlite_copies.drop(database.url)


@pytest.fixture
def session(filled: Database) -> Iterator[Session]:
    """Return a writing session."""
    with filled.write() as session:
        yield session


def post(session: Session, visitor: Visitor, **parts: object) -> AnnotationRow:
    """Post an annotation with these parts."""
    document: dict[str, Any] = {
        "@context": CONTEXT,
        "type": "Annotation",
        "body": {"type": "TextualBody", "value": "Hear, hear."},
        "target": f"/threads/{THREAD}",
    }
    return annotation_changes.create_annotation(
        session, visitor, document | parts
    )


def test_a_part_that_cannot_be_found_is_not_said_of_the_whole(
    session: Session,
) -> None:
    """It waits for a person, as what lost its place does."""
    states: list[AnchorState] = []
    for selector in (
        {"type": "XPathSelector", "value": "/html/body/p[2]"},
        {"type": "SvgSelector", "value": "<svg/>"},
        {"type": "XPathSelector", "value": "//*[@id='alarms']/p[2]"},
    ):
        row = post(
            session,
            make_visitor(session, f"ada{len(states)}"),
            target={"source": "/document/", "selector": selector},
        )
        states.append(
            session.scalars(
                select(col(Anchor.state)).where(
                    col(Anchor.annotation_id) == row.id
                )
            ).one()
        )
    assert [str(state) for state in states] == ["orphan", "orphan", "exact"]


def get_state(session: Session) -> ThreadState:
    """Return how the thread stands."""
    return session.scalars(
        select(col(Thread.state)).where(col(Thread.slug) == THREAD)
    ).one()


def test_each_motivation_counts_not_the_first_alone(session: Session) -> None:
    row = post(
        session,
        make_visitor(session),
        motivation=["commenting", "questioning"],
        target="/calls/VMI_Halt",
    )
    assert row.thread is not None
    assert row.motivation is Motivation.commenting
    kind = session.scalar(
        select(col(Thread.kind)).where(col(Thread.slug) == row.thread)
    )
    assert kind == ThreadKind.question


def test_words_are_tags_only_of_who_tags_and_nothing_else(
    session: Session,
) -> None:
    row = post(
        session,
        make_visitor(session),
        motivation=["tagging", "commenting"],
    )
    assert row.text == "Hear, hear."


def test_an_editor_settles_a_thread_by_moderating_it(session: Session) -> None:
    editor = make_visitor(session, "eve", Role.editor)
    row = post(
        session,
        editor,
        motivation="moderating",
        **{"review:state": "answered"},
    )
    assert get_state(session) is ThreadState.answered
    line = session.scalars(
        select(Entry).order_by(col(Entry.seq).desc()).limit(1)
    ).one()
    assert (line.type, line.data["reason"]) == (
        "thread.changed",
        "Hear, hear.",
    )
    other = {**row.document, "review:state": "open"}
    with pytest.raises(ConflictError, match="review:state"):
        annotation_changes.replace_annotation(session, editor, row.id, other)


@pytest.mark.parametrize(
    ("role", "parts", "error"),
    [
        (Role.reviewer, {}, ForbiddenError),
        (Role.editor, {"body": []}, InvalidError),
        (Role.editor, {"review:state": "decided"}, InvalidError),
        (Role.editor, {"review:state": "solved"}, MalformedError),
        (Role.editor, {"motivation": "commenting"}, MalformedError),
        (Role.editor, {"target": "/calls/VMI_Halt"}, InvalidError),
    ],
)
def test_who_may_not_settle_a_thread_is_told_why(
    session: Session, role: Role, parts: dict[str, object], error: type
) -> None:
    visitor = make_visitor(session, "eve", role)
    sent = {"motivation": "moderating", "review:state": "answered"}
    with pytest.raises(error):
        post(session, visitor, **sent | parts)


def test_a_state_that_is_set_with_a_reason_is_an_annotation(
    session: Session,
) -> None:
    editor = make_visitor(session, "eve", Role.editor)
    thread_changes.change_thread(
        session,
        editor,
        THREAD,
        Heading(state=ThreadState.deferred),
        reason="After the merge.",
    )
    assert get_state(session) is ThreadState.deferred
    row = session.scalars(
        select(Annotation).where(
            col(Annotation.motivation) == Motivation.moderating
        )
    ).one()
    assert row.text == "After the merge."
    assert row.document["target"] == f"/threads/{THREAD}"
    assert row.document["review:state"] == "deferred"


def keep_run(session: Session) -> Run:
    """Store what the thread's question was answered, as of now."""
    scenario = session.scalars(
        select(Scenario).where(col(Scenario.slug) == THREAD)
    ).one()
    run = make_run(session, "a")
    run.scenario_slug, run.text, run.model = THREAD, scenario.text, MODEL
    run.report = {
        "platforms": [
            {
                "platform": platform,
                "variant": None,
                "answers": {OUTCOME: {"answer": answer}},
            }
            for platform, answer in (
                ("native", "never"),
                ("software", "sometimes"),
            )
        ]
    }
    scenario.run_id = run.id
    session.flush()
    return run


def make_bodies(source: str) -> list[dict[str, str]]:
    """Return the bodies of an objection with a question."""
    return [
        {"type": "TextualBody", "value": "It sleeps."},
        {
            "type": "SpecificResource",
            "purpose": "describing",
            "source": source,
        },
    ]


def list_claims(session: Session) -> list[tuple[str, str, str]]:
    """Return platform, expected and answer of what was put forward."""
    return [
        (row.platform, str(row.expected), str(row.answer))
        for row in evidence.list_evidence(session, THREAD)
    ]


def test_a_question_as_body_becomes_evidence_of_each_platform(
    session: Session,
) -> None:
    keep_run(session)
    sent = {
        "motivation": "assessing",
        "body": make_bodies(f"/whatif/{THREAD}"),
        "review:expected": OUTCOME,
    }
    visitor = make_visitor(session)
    row = post(session, visitor, **sent)
    assert list_claims(session) == [
        ("native", "always", "never"),
        ("software", "always", "sometimes"),
    ]
    annotation_changes.replace_annotation(
        session, visitor, row.id, row.document
    )
    assert len(list_claims(session)) == 2


def test_an_answer_as_body_becomes_the_evidence_it_names(
    session: Session,
) -> None:
    run = keep_run(session)
    visitor = make_visitor(session)
    for outcome in (OUTCOME, "no-such-outcome"):
        query = f"platform=software&outcome={outcome}"
        sent = {
            "motivation": "assessing",
            "body": make_bodies(f"/runs/{run.id}?{query}"),
            "review:expected": Answer.never.value,
        }
        if outcome == OUTCOME:
            post(session, visitor, **sent)
        else:
            with pytest.raises(InvalidError, match=outcome):
                post(session, visitor, **sent)
    assert list_claims(session) == [("software", "never", "sometimes")]


def test_what_was_not_run_as_it_is_now_stays_a_link(session: Session) -> None:
    run = keep_run(session)
    run.model = "0"
    session.flush()
    visitor = make_visitor(session)
    for source in (f"/whatif/{THREAD}", f"/runs/{'b' * 64}", "/whatif/none"):
        row = post(
            session,
            visitor,
            motivation="assessing",
            body=make_bodies(source),
            **{"review:expected": OUTCOME},
        )
        assert list_claims(session) == []
        assert f'href="{source}"' in row.html


def test_an_address_of_too_many_parts_stays_a_link(session: Session) -> None:
    run = keep_run(session)
    parts = "&".join(f"part{number}=1" for number in range(20))
    post(
        session,
        make_visitor(session),
        motivation="assessing",
        body=make_bodies(f"/runs/{run.id}?{parts}"),
        **{"review:expected": Answer.never.value},
    )
    assert list_claims(session) == []


def test_withdrawn_evidence_does_not_come_back_by_other_words(
    session: Session,
) -> None:
    """A body brings it once; said of another run, or at first, it does."""
    run = keep_run(session)
    visitor = make_visitor(session)
    sent = {"motivation": "assessing", "review:expected": OUTCOME}
    row = post(session, visitor, **sent, body=make_bodies("/whatif/none"))
    editor = make_visitor(session, "eve", Role.editor)

    def say(words: str, source: str) -> int:
        said, brought = make_bodies(source)
        bodies = [said | {"value": words}, brought]
        annotation_changes.replace_annotation(
            session, visitor, row.id, {**row.document, "body": bodies}
        )
        return len(list_claims(session))

    assert say("It sleeps.", f"/whatif/{THREAD}") == 2
    for one in evidence.list_evidence(session, THREAD):
        evidence.withdraw(session, editor, one.id, reason="Not to the point.")
    assert say("It does sleep.", f"/whatif/{THREAD}") == 0
    assert say("It does sleep.", f"/runs/{run.id}") == 2


def test_who_opened_a_thread_settles_it_without_words(
    session: Session,
) -> None:
    ada = make_visitor(session)
    opened = post(
        session, ada, motivation="questioning", target="/calls/VMI_Halt"
    )
    row = post(
        session,
        ada,
        motivation="moderating",
        body=[],
        target=f"/threads/{opened.thread}",
        **{"review:state": "answered"},
    )
    assert row.thread == opened.thread
    detail = thread_rows.get_thread(session, opened.thread or "")
    assert detail.state is ThreadState.answered
    (said,) = annotations.list_posts(session, detail.id)
    assert (said.is_moderating, said.now) == (True, ThreadState.answered)


def test_who_moderates_does_not_reply(session: Session) -> None:
    """It neither counts as an answer nor wakes a thread that has none."""
    thread = session.scalars(
        select(Thread).where(col(Thread.slug) == THREAD)
    ).one()

    def count() -> tuple[int, int, int]:
        # a standing's number of replies stands before what more is asked
        (standing,) = session.execute(
            standings.select_standings().where(col(Thread.slug) == THREAD)
        ).all()
        (listed,) = [
            row
            for row in thread_rows.list_by_position(session, Wanted(), WHOLE)
            if row.slug == THREAD
        ]
        posts = annotations.list_posts(session, thread.id or 0)
        said = sum(not row.is_moderating for row in posts)
        return standing[-1], listed.replies, said

    before = count()
    thread.state = ThreadState.unanswered
    session.flush()
    editor = make_visitor(session, "eve", Role.editor)
    post(session, editor, motivation="moderating")
    assert get_state(session) is ThreadState.unanswered
    assert count() == before
    post(session, editor, motivation="replying")
    assert get_state(session) is ThreadState.open
    assert count() == tuple(number + 1 for number in before)


def test_what_was_imported_is_emitted_by_the_rules(filled: Database) -> None:
    """A remark that a mail makes is an annotation as all others are."""
    w3c.need_samples()
    with filled.read() as session:
        before = annotation_rows.count_annotations(session)
        html = session.scalars(_SECTION).one()
    quoted = "\n".join(f"> {line}" for line in read_text(html).splitlines())
    mails = [
        RawMail(
            (
                f"From: A. <a{n}@example.org>\nMessage-ID: <{n}@example.org>\n"
                f"Date: Thu, 23 Mar 2006 10:0{n}:00 +0000\n"
                f"Subject: [RFC] VMI & <b>{n}</b> \n\n{quoted}\n\n"
                f"{answer}\n"
            ).encode(),
            source=f"{n}.eml",
        )
        for n, answer in enumerate(("Why?", "<script>", "é\U0001f600"))
    ]
    report = import_mails(filled, mails, actor=PROGRAM)
    assert report.imported == len(mails)
    aligning.align_pending(filled, lambda _done, _total: None)
    with filled.read() as session:
        rows = annotation_rows.list_annotations(session)
        assert len(rows) >= before + len(mails)
        for row in rows:
            emitted = annotation_rows.absolutize(row.document, "http://a.test")
            assert w3c.list_broken_rules(emitted) == [], row.id

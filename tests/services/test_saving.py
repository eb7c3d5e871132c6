"""Saving: named apart from the corpus, replaced by its author alone."""

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import (
    ConflictError,
    CorpusError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from app.models import (
    Answer,
    Entry,
    EvidenceState,
    Role,
    Scenario,
    SearchItem,
)
from app.services import (
    corpus,
    evidence,
    runs,
    saving,
    scenarios,
    search_index,
)
from app.services.asking import Question, compute_run_id
from app.services.corpus_files import CorpusFile
from app.services.corpus_scenarios import parse_scenarios
from app.services.evidence import Claim
from app.services.explorer import Explorer, start_inline
from tests import factories

THREAD = "kleen-watchdog-nmi"
TEXT = f"""\
question = "Does it sleep?"
about = ["VMI_Halt"]
objection = "{THREAD}"
[code]
kernel = '''
        cli
        hlt
'''
[outcomes]
sleeps = {{ when = "end", is = "halted" }}
"""


@pytest.fixture
def inline() -> Explorer:
    return Explorer(workers=1, seconds=10, start=start_inline)


def list_types(session: Session) -> list[str]:
    """Return the types of the log's entries, in order."""
    return list(
        session.scalars(select(col(Entry.type)).order_by(col(Entry.seq)))
    )


def test_a_saved_question_is_on_the_list(session: Session) -> None:
    before = scenarios.list_questions(session)
    visitor = factories.make_visitor(session)
    assert saving.save_scenario(session, visitor, "sleep", TEXT) == (
        "asked-sleep"
    )
    *others, last = scenarios.list_questions(session)
    assert others == before
    assert last == scenarios.read_question(session, "asked-sleep")
    assert (last.question, last.text) == ("Does it sleep?", TEXT)
    assert last.thread is not None
    assert last.thread.slug == THREAD
    assert last.calls == ("VMI_Halt",)
    assert last.author is not None
    assert last.author.name == "ada"
    assert {each.author for each in others} == {None}
    assert last.run_id is None
    assert list_types(session)[-1] == "scenario.saved"
    assert scenarios.list_questions(session, call="VMI_Halt")[-1] == last


def test_its_run_is_given_to_it_once_it_was_answered(
    database: Database, inline: Explorer
) -> None:
    with database.write() as session:
        visitor = factories.make_visitor(session)
        saving.save_scenario(session, visitor, "sleep", TEXT)
    part = Question("asked-sleep", TEXT, platforms=("native",))
    runs.run_question(database, inline, part)
    with database.read() as session:
        assert scenarios.read_question(session, "asked-sleep").run_id is None
    whole = Question("asked-sleep", TEXT)
    run = runs.run_question(database, inline, whole)
    assert run.id == compute_run_id(inline.bound(whole))
    with database.read() as session:
        question = scenarios.read_question(session, "asked-sleep")
        assert question.run_id == run.id
        assert question.lines
        assert list_types(session)[-1] == "scenario.explored"


def test_a_run_that_was_there_before_is_given_to_it(
    database: Database, inline: Explorer
) -> None:
    run = runs.run_question(database, inline, Question("posted", TEXT))
    with database.write() as session:
        visitor = factories.make_visitor(session)
        saving.save_scenario(session, visitor, "sleep", TEXT)
        runs.adopt_run(session, run.id, TEXT)
        runs.adopt_run(session, "0" * 64, TEXT)
    with database.read() as session:
        assert scenarios.read_question(session, "asked-sleep").run_id == run.id
        assert runs.read_run(session, run.id).scenario_slug == "asked-sleep"


def test_who_saved_it_replaces_it_and_its_evidence_is_stale(
    database: Database, inline: Explorer
) -> None:
    with database.write() as session:
        visitor = factories.make_visitor(session)
        saving.save_scenario(session, visitor, "sleep", TEXT)
    run = runs.run_question(database, inline, Question("asked-sleep", TEXT))
    with database.write() as session:
        claim = Claim(
            run_id=run.id,
            platform="native",
            outcome="sleeps",
            expected=Answer.always,
        )
        evidence.attach(session, visitor, THREAD, claim)
        changed = TEXT.replace("cli", "nop").replace('["VMI_Halt"]', "[]")
        slug = saving.save_scenario(session, visitor, "asked-sleep", changed)
        assert slug == "asked-sleep"
        question = scenarios.read_question(session, slug)
        assert (question.text, question.run_id) == (changed, None)
        assert question.calls == ()
        (row,) = evidence.list_evidence(session, THREAD)
        assert row.state == EvidenceState.stale
        assert list_types(session)[-2:] == [
            "scenario.replaced",
            "evidence.outdated",
        ]


def test_nobody_replaces_what_another_saved(session: Session) -> None:
    ada = factories.make_visitor(session)
    grace = factories.make_visitor(session, "grace")
    saving.save_scenario(session, ada, "sleep", TEXT)
    with pytest.raises(ConflictError, match="asked-sleep"):
        saving.save_scenario(session, grace, "sleep", TEXT)


@pytest.mark.parametrize(
    "name", ["", "Sleep", "a--b", "-a", "a b", "é", "a" * 61, "asked-", "\x00"]
)
def test_a_name_that_is_none_is_refused(session: Session, name: str) -> None:
    visitor = factories.make_visitor(session)
    with pytest.raises(InvalidError) as refused:
        saving.save_scenario(session, visitor, name, TEXT)
    assert [fault.pointer for fault in refused.value.faults] == ["/name"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace(THREAD, "nothing"), "no thread is called 'nothing'"),
        (TEXT.replace("hlt", "htl"), "htl"),
        (TEXT.replace('"VMI_Halt"', '"VMI_None"'), "VMI_None"),
    ],
)
def test_what_speaks_of_nothing_is_refused(
    session: Session, text: str, message: str
) -> None:
    visitor = factories.make_visitor(session)
    with pytest.raises(InvalidError) as refused:
        saving.save_scenario(session, visitor, "sleep", text)
    (fault,) = refused.value.faults
    assert message in f"{refused.value} {fault.message}"
    assert fault.pointer == "/scenario_text"


def test_one_reviewer_saves_so_many_and_no_more(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "MOST_SAVED", 1)
    visitor = factories.make_visitor(session)
    saving.save_scenario(session, visitor, "one", TEXT)
    saving.save_scenario(session, visitor, "one", TEXT + "\n")
    with pytest.raises(ConflictError, match="1 at most"):
        saving.save_scenario(session, visitor, "two", TEXT)


def test_loading_the_corpus_leaves_what_was_saved(session: Session) -> None:
    visitor = factories.make_visitor(session)
    saving.save_scenario(session, visitor, "sleep", TEXT)
    session.execute(
        update(Entry)
        .where(col(Entry.type) == "proposal.loaded")
        .values(type="proposal.forgotten")
    )
    assert corpus.load_corpus(session).changed
    question = scenarios.read_question(session, "asked-sleep")
    assert question.text == TEXT
    positions = session.scalars(select(col(Scenario.position))).all()
    assert len(set(positions)) == len(positions)


def test_no_corpus_uses_the_names_of_what_is_saved() -> None:
    file = CorpusFile("scenarios/asked-sleep.toml", TEXT, "")
    with pytest.raises(CorpusError, match="reviewers save"):
        parse_scenarios([file], ["VMI_Halt"], [THREAD])


def test_what_this_version_reads_no_more_stops_nothing(
    database: Database, inline: Explorer
) -> None:
    with database.write() as session:
        visitor = factories.make_visitor(session)
        saving.save_scenario(session, visitor, "sleep", TEXT)
    runs.run_question(database, inline, Question("asked-sleep", TEXT))
    with database.write() as session:
        session.execute(
            update(Scenario)
            .where(col(Scenario.slug) == "asked-sleep")
            .values(text="question = 1")
        )
    assert scenarios.refresh_runs(database, inline) == []
    with database.read() as session:
        assert scenarios.list_questions(session)[-1].lines == ()


def test_a_removed_question_leaves_its_runs(
    database: Database, inline: Explorer
) -> None:
    with database.write() as session:
        ada = factories.make_visitor(session)
        bob = factories.make_visitor(session, "bob")
        ed = factories.make_visitor(session, "ed", Role.editor)
    slug = saving.save_question(database, inline, ada, "sleep", TEXT)
    with database.write() as session:
        run_id = scenarios.read_question(session, slug).run_id
        with pytest.raises(ForbiddenError):
            saving.remove_scenario(session, bob, slug, reason="x")
        with pytest.raises(InvalidError):
            saving.remove_scenario(session, ed, slug)
        saving.remove_scenario(session, ed, slug, reason="of no use")
    with database.write() as session:
        with pytest.raises(NotFoundError):
            scenarios.read_question(session, slug)
        assert run_id is not None
        assert runs.read_run(session, run_id).scenario_slug is None
        assert list_types(session)[-1] == "scenario.removed"
        followed = set(session.scalars(select(col(SearchItem.digest))))
        search_index.rebuild(session)
        assert set(session.scalars(select(col(SearchItem.digest)))) == followed


def test_a_question_that_evidence_rests_on_stays(
    database: Database, inline: Explorer
) -> None:
    with database.write() as session:
        ada = factories.make_visitor(session)
    slug = saving.save_question(database, inline, ada, "sleep", TEXT)
    with database.write() as session:
        claim = Claim(
            run_id=scenarios.read_question(session, slug).run_id or "",
            platform="native",
            outcome="sleeps",
            expected=Answer.always,
        )
        evidence.attach(session, ada, THREAD, claim)
        with pytest.raises(ConflictError, match=THREAD):
            saving.remove_scenario(session, ada, slug)


def test_of_the_corpus_nothing_is_replaced_or_removed(
    session: Session,
) -> None:
    ed = factories.make_visitor(session, "ed", Role.editor)
    for refuse in (saving.require_saved, saving.require_removable):
        with pytest.raises(ConflictError, match="corpus"):
            refuse(session, ed, "kleen-sti-shadow")
        with pytest.raises(NotFoundError):
            refuse(session, ed, "asked-nothing")

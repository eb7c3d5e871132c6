"""The corpus: loaded whole, loaded once, refused with the place."""

import copy
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.db import Database
from app.errors import CorpusError
from app.models import (
    Annotation,
    Call,
    CallSection,
    Entry,
    Person,
    Proposal,
    Revision,
    RevisionSource,
    Run,
    Scenario,
    ScenarioCall,
    Section,
    Thread,
    ThreadCall,
    ThreadSection,
    ThreadState,
)
from app.services import annotations, corpus, corpus_scenarios, revising
from app.services.corpus_records import split_reference
from app.services.revising import NewRevision
from tests import factories
from tests.at_once import write_at_once

TABLES = (
    *(Proposal, Revision, Section, Person, Call, CallSection, Thread),
    *(ThreadCall, ThreadSection, Annotation, Scenario, ScenarioCall, Run),
)
ANSWERED = "kleen-sti-shadow"

Json = Mapping[str, Any]


def read(name: str) -> Json:
    """Return what a bundled file holds, by another reader than ours."""
    text = (corpus.BUNDLED / name).read_text()
    content: Json = yaml.safe_load(text)
    return content


def dump(session: Session) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the corpus's tables."""
    session.expire_all()
    return {
        table.__name__: sorted(
            (tuple(row) for row in session.execute(_select_all(table))),
            key=repr,
        )
        for table in TABLES
    }


def _select_all(table: type[SQLModel]) -> Any:
    return select(*SQLModel.metadata.tables[str(table.__tablename__)].columns)


def get_thread(session: Session, slug: str) -> Thread:
    """Return a thread as its row."""
    return session.scalars(
        select(Thread).where(col(Thread.slug) == slug)
    ).one()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the bundled corpus, to be spoilt."""
    return shutil.copytree(corpus.BUNDLED, tmp_path / "corpus")


def change(folder: Path, name: str, old: str, new: str) -> None:
    """Replace the first place of `old` in a file."""
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_every_call_comes_with_every_field(session: Session) -> None:
    facts = read("calls.yaml")["calls"]
    calls = session.scalars(select(Call).order_by(col(Call.position))).all()
    assert [call.name for call in calls] == [f["name"] for f in facts]
    assert len(calls) == 94
    for call, fact in zip(calls, facts, strict=True):
        assert {name: getattr(call, name) for name in fact} == fact
        assert call.number == fact["abi_number"].get("rfc_patch_13_0")


def test_every_objection_is_a_thread(session: Session) -> None:
    facts = read("objections.yaml")["objections"]
    people = {
        row[0]: row[1]
        for row in session.execute(select(col(Person.id), col(Person.name)))
    }
    threads = session.scalars(
        select(Thread).order_by(col(Thread.position))
    ).all()
    assert [t.slug for t in threads] == [f["id"] for f in facts]
    assert len(threads) == 88
    for thread, fact in zip(threads, facts, strict=True):
        assert thread.title == fact["title"]
        assert thread.summary == fact["summary"]
        assert thread.passage == fact["passage"]
        assert thread.kind == fact["kind"]
        assert thread.severity == fact["severity"]["value"]
        assert thread.severity_source == fact["severity"]["source"]
        assert thread.outcome == thread.state == fact["outcome"]
        assert thread.what_if == fact["what_if"]
        assert thread.notes[: len(fact["notes"])] == fact["notes"]
        assert thread.message_id == fact["message_id"]
        reply = split_reference(fact["in_reply_to"])[0]
        assert thread.in_reply_to == reply
        assert thread.person_id is not None
        assert people[thread.person_id] == fact["reviewer"]
        assert thread.opened_at.isoformat()[:4] == "2006"


def test_each_answer_is_a_post_in_its_order(session: Session) -> None:
    facts = read("objections.yaml")["objections"]
    rows = session.execute(
        select(
            col(Thread.slug),
            col(Person.name),
            col(Annotation.message_id),
            col(Annotation.text),
        )
        .join(Annotation, col(Annotation.thread_id) == col(Thread.id))
        .join(Person, col(Person.id) == col(Annotation.person_id))
        .where(col(Annotation.position) > annotations.OPENER)
        .order_by(col(Thread.position), col(Annotation.position))
    ).all()
    told = [
        (fact["id"], r["who"], r["message_id"], r["summary"])
        for fact in facts
        for r in fact["responses"]
    ]
    assert Counter(tuple(row) for row in rows) == Counter(told)
    assert len(rows) == 120
    first = [row for row in rows if row[0] == "kleen-cpuid-notification"]
    assert [r[2] for r in first] == [
        told_[2] for told_ in told if told_[0] == "kleen-cpuid-notification"
    ]


def test_a_post_answers_what_its_mail_answers(session: Session) -> None:
    parents = {
        m["message_id"]: m["in_reply_to"]
        for m in read("objections.yaml")["messages"]
    }
    posts = {p.id: p for p in session.scalars(select(Annotation))}
    direct = [
        (post, posts[post.parent_id])
        for post in posts.values()
        if post.parent_id is not None
    ]
    assert direct
    for post, parent in direct:
        assert post.thread_id == parent.thread_id
        assert post.position > parent.position
        above = parents[post.message_id]
        while above != parent.message_id:
            assert above is not None
            above = parents[above.split()[0]]


def test_a_post_is_a_web_annotation(session: Session) -> None:
    posts = select(Annotation).where(
        col(Annotation.position) > annotations.OPENER
    )
    for post in session.scalars(posts):
        document = post.document
        assert document["id"] == f"/annotations/{post.id}"
        assert document["body"]["value"] == post.text
        assert document["motivation"] == post.motivation
        assert document["target"].startswith(
            f"/annotations/{post.parent_id}" if post.parent_id else "/threads/"
        )
        assert document["created"].endswith("Z")


def test_links_resolve_both_ways(session: Session) -> None:
    calls = read("calls.yaml")["calls"]
    without = set(
        session.scalars(
            select(col(Call.name)).where(
                ~select(col(CallSection.call_id))
                .where(col(CallSection.call_id) == col(Call.id))
                .exists()
            )
        )
    )
    assert without == {c["name"] for c in calls if not c["spec_section"]}
    rows = session.execute(
        select(col(Section.anchor), col(ThreadSection.note))
        .join(Section, col(Section.id) == col(ThreadSection.section_id))
        .join(Thread, col(Thread.id) == col(ThreadSection.thread_id))
        .where(col(Thread.slug).startswith("machek-userspace"))
    ).all()
    anchors = {row[0] for row in rows}
    assert "architectural-differences-from-native-hardware" in anchors
    alarm = session.scalars(
        select(col(Section.anchor))
        .join(CallSection, col(CallSection.section_id) == col(Section.id))
        .join(Call, col(Call.id) == col(CallSection.call_id))
        .where(col(Call.name) == "VMI_SetAlarm")
        .order_by(col(CallSection.position))
    ).all()
    assert alarm == ["timer-calls", "time-interface"]


def test_scenarios_come_with_a_run(session: Session) -> None:
    names = {p.stem for p in (corpus.BUNDLED / "scenarios").glob("*.toml")}
    rows = session.execute(
        select(col(Scenario.slug), col(Run.scenario_slug), col(Thread.slug))
        .join(Run, col(Run.id) == col(Scenario.run_id))
        .outerjoin(Thread, col(Thread.id) == col(Scenario.thread_id))
    ).all()
    assert {row[0] for row in rows} == names
    assert all(slug == run for slug, run, _ in rows)
    assert all(slug.startswith(thread or "gap-") for slug, _, thread in rows)


def test_one_entry_tells_of_the_load(session: Session) -> None:
    entry = session.scalars(select(Entry)).one()
    assert (entry.type, entry.subject) == ("proposal.loaded", "proposal:vmi")
    assert entry.data["counts"]["calls"] == 94
    assert "calls.yaml" in entry.data["files"]


def test_loading_again_changes_nothing(session: Session) -> None:
    before = dump(session)
    report = corpus.load_corpus(session)
    assert not report.changed
    assert dump(session) == before
    assert session.scalar(select(func.count(col(Entry.seq)))) == 1


def test_two_who_load_at_once_load_once(empty_database: Database) -> None:
    work = corpus.load_corpus
    assert write_at_once(empty_database, work, work) == ["done", "done"]
    with empty_database.read() as session:
        assert session.scalar(select(func.count(col(Entry.seq)))) == 1


def test_loading_the_same_facts_anew_changes_no_row(
    session: Session, folder: Path
) -> None:
    """A file whose bytes changed and whose facts did not is still the same."""
    change(folder, "calls.yaml", "# VMI", "# The VMI")
    before = dump(session)
    assert corpus.load_corpus(session, folder).changed
    assert dump(session) == before
    assert session.scalar(select(func.count(col(Entry.seq)))) == 2


def test_a_changed_fact_is_taken_over(session: Session, folder: Path) -> None:
    change(folder, "calls.yaml", "status: documented", "status: patch_only")
    change(folder, "objections.yaml", "value: concern", "value: blocking")
    corpus.load_corpus(session, folder)
    session.expire_all()
    call = session.scalars(select(Call).order_by(col(Call.position))).first()
    assert call is not None
    assert call.status == "patch_only"
    thread = get_thread(session, "kleen-cpuid-notification")
    assert thread.severity == "blocking"


def test_a_changed_question_is_run_again(
    session: Session, folder: Path
) -> None:
    name = "kleen-sti-shadow"
    stored = select(col(Scenario.run_id)).where(col(Scenario.slug) == name)
    before = session.scalar(stored)
    path = folder / "scenarios" / f"{name}.toml"
    path.write_text(path.read_text() + "\n# again\n")
    corpus.load_corpus(session, folder)
    after = session.scalar(stored)
    assert after != before
    assert session.get(Run, before) is not None


def test_what_a_reviewer_has_answered_keeps_its_words(
    session: Session, folder: Path
) -> None:
    visitor = factories.make_visitor(session)
    annotations.reply(session, visitor, ANSWERED, "Hardware does so too.")
    text = (folder / "objections.yaml").read_text()
    thread = get_thread(session, ANSWERED)
    words = (thread.title, thread.summary, thread.state)
    entry = text.index(f"- id: {ANSWERED}")
    changed = text[entry:].replace("title: ", "title: Later, ", 1)
    changed = changed.replace("value: blocking", "value: nit", 1)
    (folder / "objections.yaml").write_text(text[:entry] + changed)
    corpus.load_corpus(session, folder)
    session.expire_all()
    thread = get_thread(session, ANSWERED)
    assert (thread.title, thread.summary, thread.state) == words
    assert thread.severity == "nit"


def test_a_new_title_reaches_a_thread_nobody_answered(
    session: Session, folder: Path
) -> None:
    change(folder, "objections.yaml", "title: 'How", "title: 'Later, how")
    change(folder, "objections.yaml", "outcome: disputed", "outcome: deferred")
    corpus.load_corpus(session, folder)
    session.expire_all()
    thread = get_thread(session, "kleen-cpuid-notification")
    assert thread.title.startswith("Later, how")
    assert thread.state == thread.outcome == ThreadState.deferred


def test_a_thread_without_title_is_called_by_its_first_sentence(
    empty_database: Database, folder: Path
) -> None:
    text = (folder / "objections.yaml").read_text()
    without = re.sub(r"\n  title: .*", "", text)
    (folder / "objections.yaml").write_text(without)
    with empty_database.write() as session:
        corpus.load_corpus(session, folder)
        thread = get_thread(session, "wright-batch-smp-flush")
        assert thread.title == (
            "With SMP guests simultaneous deferring and flushing on several "
            "CPUs has to be handled …"
        )


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "calls.yaml",
            "status: documented",
            "status: known",
            "calls.yaml, entry VMI_Init, field status: Input should be",
        ),
        (
            "calls.yaml",
            "  rfc_doc_item: null\n",
            "",
            "calls.yaml, entry VMI_Init, field rfc_doc_item: Field required",
        ),
        (
            "calls.yaml",
            "  inputs: {}",
            "  imputs: {}\n  inputs: {}",
            "calls.yaml, entry VMI_Init, field imputs: Extra inputs",
        ),
        (
            "calls.yaml",
            "rfc_patch_13_0: 4\n",
            "rfc_patch_13_0: four\n",
            "entry VMI_Init, field abi_number.rfc_patch_13_0: Input should",
        ),
        (
            "calls.yaml",
            "group: core",
            "group: corr",
            "entry VMI_Init, field group: nothing is called 'corr'",
        ),
        (
            "calls.yaml",
            "name: VMI_Pause",
            "name: VMI_Halt",
            "calls.yaml, entry VMI_Halt, field name: stands twice",
        ),
        (
            "calls.yaml",
            "Appendix A / Core interface calls",
            "Appendix A / Cores",
            "entry VMI_Init, field spec_section: no section of 'Appendix A'",
        ),
        (
            "calls.yaml",
            "name: VMI_Init",
            'name: "VMI\\0"',
            "entry VMI\0, field name: a character that is none",
        ),
        (
            "objections.yaml",
            "    - VMI_CPUID",
            "    - VMI_CPU",
            "field target.calls: nothing is called 'VMI_CPU'",
        ),
        (
            "objections.yaml",
            "    - 2.8 3rd party extensions",
            "    - 2.99 Nowhere",
            "field target.sections: no section is called '2.99 Nowhere'",
        ),
        (
            "objections.yaml",
            "date: '2006-03-22T21:05:56+01:00'",
            "date: '2006-03-22T21:05:56'",
            "field date: Input should have timezone info",
        ),
        (
            "objections.yaml",
            "decided_by_facts: true",
            "decided_by_facts: 'true'",
            "field what_if.decided_by_facts: Input should be a valid boolean",
        ),
        (
            "objections.yaml",
            "  responses:\n  - who: Zachary Amsden\n",
            "  responses:\n  - whom: Zachary Amsden\n",
            "field responses.0.who: Field required",
        ),
        (
            "objections.yaml",
            "- id: kleen-cpuid-notification",
            "- id: Kleen CPUID",
            "entry Kleen CPUID, field id: String should match pattern",
        ),
        (
            "calls.yaml",
            "calls:\n",
            "calls:\n- 7\n",
            "calls.yaml, entry number 1: expected a mapping",
        ),
        (
            "objections.yaml",
            "date: '2006-03-22T21:05:56+01:00'",
            "date: 20060322",
            "field date: expected a text",
        ),
        (
            "objections.yaml",
            "    - VMI_CPUID\n",
            "    - VMI_CPUID\n    - VMI_CPUID\n",
            "field target.calls: 'VMI_CPUID' stands twice",
        ),
        (
            "objections.yaml",
            "reviewer: Andi Kleen",
            "reviewer: Andi-Kleen",
            "'Andi Kleen' and 'Andi-Kleen' look like one name",
        ),
        (
            "rom.yaml",
            "detection:",
            "detections:",
            "rom.yaml, field detection: Field required",
        ),
        (
            "proposal.yaml",
            "number: 1",
            "number: 2",
            "proposal.yaml, field revisions: expected the numbers 1, 2",
        ),
        (
            "proposal.yaml",
            "file: document.md",
            "file: ../document.md",
            "proposal.yaml, field revisions.0.file: String should match",
        ),
        (
            "document.md",
            "# The VMI RFC",
            "The VMI RFC",
            "document.md: a document starts with its heading",
        ),
        (
            "scenarios/kleen-sti-shadow.toml",
            'about = ["',
            'about = ["VMI_Nothing", "',
            "scenarios/kleen-sti-shadow.toml: line ",
        ),
        (
            "scenarios/kleen-sti-shadow.toml",
            'objection = "kleen-sti-shadow"',
            'objection = "nobody"',
            "field objection: no objection is named 'nobody'",
        ),
    ],
)
def test_a_wrong_file_names_file_entry_and_field(
    empty_database: Database,
    folder: Path,
    *,
    name: str,
    old: str,
    new: str,
    message: str,
) -> None:
    change(folder, name, old, new)
    with (
        pytest.raises(CorpusError, match=re.escape(message)),
        empty_database.write() as session,
    ):
        corpus.load_corpus(session, folder)
    with empty_database.read() as session:
        assert session.scalar(select(func.count(col(Call.id)))) == 0
        assert session.scalar(select(func.count(col(Entry.seq)))) == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("document.md", "the facts", "facts", "a changed text is a new rev"),
        (
            "calls.yaml",
            "name: VMI_SetLazyMode",
            "name: VMI_SetLazierMode",
            "entry VMI_SetLazyMode: was loaded before and is missing now",
        ),
        (
            "objections.yaml",
            "id: biederman-proc",
            "id: biederman-procfs",
            "entry biederman-proc: was loaded before and is missing now",
        ),
    ],
)
def test_nothing_under_review_goes_away(
    database: Database,
    folder: Path,
    *,
    name: str,
    old: str,
    new: str,
    message: str,
) -> None:
    change(folder, name, old, new)
    with database.read() as session:
        before = dump(session)
    with (
        pytest.raises(CorpusError, match=re.escape(message)),
        database.write() as session,
    ):
        corpus.load_corpus(session, folder)
    with database.read() as session:
        assert dump(session) == before


def test_a_second_revision_is_a_text_beside_the_first(
    session: Session, folder: Path
) -> None:
    later = (folder / "document.md").read_text() + "\n## Later\n\nMore.\n"
    (folder / "document-2.md").write_text(later)
    change(
        folder,
        "proposal.yaml",
        "  file: document.md\n",
        "  file: document.md\n- number: 2\n  dated_on: '2006-04-01'\n"
        "  change: A section more.\n  file: document-2.md\n",
    )
    report = corpus.load_corpus(session, folder)
    assert report.sections == 46
    revisions = session.scalars(
        select(col(Revision.number)).order_by(col(Revision.number))
    ).all()
    assert list(revisions) == [1, 2]
    assert count_links(session) == {1: 92, 2: 92}


def count_links(session: Session) -> dict[int, int]:
    """Return how many calls are tied to sections, by revision."""
    rows = session.execute(
        select(col(Revision.number), func.count())
        .join(Section, col(Section.revision_id) == col(Revision.id))
        .join(CallSection, col(CallSection.section_id) == col(Section.id))
        .group_by(col(Revision.number))
    )
    return {row[0]: row[1] for row in rows}


def make_revision(session: Session, text: str) -> None:
    """Make a revision as an editor does, after the corpus was loaded."""
    new = NewRevision(
        text=text,
        change="More.",
        dated_on="2026-11-22",
        source=RevisionSource.upload,
    )
    revising.create_revision(session, factories.make_visitor(session), new)


def test_loading_again_keeps_the_revisions_made_here(
    session: Session, folder: Path
) -> None:
    text = (folder / "document.md").read_text()
    make_revision(session, text + "\n## Later\n\nMore.\n")
    before = dump(session)
    change(folder, "calls.yaml", "# VMI", "# The VMI")
    report = corpus.load_corpus(session, folder)
    assert report.changed
    assert dump(session) == before
    assert count_links(session) == {1: 92, 2: 92}


def test_a_thread_that_comes_later_stands_beside_the_newest_text(
    session: Session, folder: Path
) -> None:
    text = (folder / "document.md").read_text()
    make_revision(session, text + "\n## Later\n\nMore.\n")
    path = folder / "objections.yaml"
    whole = yaml.safe_load(path.read_text())
    known = next(o for o in whole["objections"] if o["id"] == ANSWERED)
    later = copy.deepcopy(known) | {"id": "kleen-once-more"}
    whole["objections"].append(later)
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    corpus.load_corpus(session, folder)
    rows = session.execute(
        select(col(Revision.number), col(Section.anchor))
        .join(Section, col(Section.revision_id) == col(Revision.id))
        .join(ThreadSection, col(ThreadSection.section_id) == col(Section.id))
        .join(Thread, col(Thread.id) == col(ThreadSection.thread_id))
        .where(col(Thread.slug) == "kleen-once-more")
        .order_by(col(Revision.number))
    ).all()
    assert [row[0] for row in rows] == [1, 2]
    assert rows[0][1] == rows[1][1]


def test_a_corpus_takes_no_number_of_a_revision_made_here(
    session: Session, folder: Path
) -> None:
    make_revision(session, "# Another\n")
    shutil.copy(folder / "document.md", folder / "document-2.md")
    change(
        folder,
        "proposal.yaml",
        "  file: document.md\n",
        "  file: document.md\n- number: 2\n  dated_on: '2006-04-01'\n"
        "  change: Not a thing.\n  file: document-2.md\n",
    )
    with pytest.raises(CorpusError, match="revision 2 was made here"):
        corpus.load_corpus(session, folder)


def test_a_reviewers_thread_does_not_give_way(
    session: Session, folder: Path
) -> None:
    visitor = factories.make_visitor(session)
    session.execute(
        update(Thread)
        .where(col(Thread.slug) == ANSWERED)
        .values(person_id=None, reviewer_id=visitor.id)
    )
    change(folder, "calls.yaml", "# VMI", "# The VMI")
    with pytest.raises(CorpusError, match="a reviewer's thread has this"):
        corpus.load_corpus(session, folder)


def test_mails_that_answer_one_another_end_at_the_opener(
    empty_database: Database, folder: Path
) -> None:
    mails = ("4421C9D4.3050806@vmware.com", "20060322213435.GI15997")
    text = (folder / "objections.yaml").read_text()
    head, tail = text.split("\nmessages:\n")
    for mail, other in (mails, mails[::-1]):
        place = tail.index(f"- message_id: {mail}")
        reply = tail.index("in_reply_to: ", place)
        end = tail.index("\n", reply)
        full = next(word for word in tail.split() if word.startswith(other))
        tail = f"{tail[:reply]}in_reply_to: {full}{tail[end:]}"
    (folder / "objections.yaml").write_text(f"{head}\nmessages:\n{tail}")
    with empty_database.write() as session:
        report = corpus.load_corpus(session, folder)
        posts = session.scalars(
            select(Annotation).where(
                col(Annotation.position) > annotations.OPENER
            )
        ).all()
    assert len(posts) == report.posts == 120


def test_a_scenario_about_no_call_of_the_corpus_is_refused() -> None:
    files = corpus_scenarios.read_scenarios(corpus.BUNDLED)
    with pytest.raises(CorpusError, match="no call is named 'VMI_"):
        corpus_scenarios.parse_scenarios(files, [], [])


def test_a_folder_of_too_many_scenarios_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    for number in range(1001):
        (tmp_path / "scenarios" / f"s{number}.toml").touch()
    with pytest.raises(CorpusError, match="more than 1000 scenarios"):
        corpus_scenarios.read_scenarios(tmp_path)


def test_a_folder_that_is_not_there_is_refused(
    empty_database: Database, tmp_path: Path
) -> None:
    with (
        empty_database.read() as session,
        pytest.raises(CorpusError, match=r"proposal\.yaml: cannot be read"),
    ):
        corpus.load_corpus(session, tmp_path / "nowhere")


def test_the_facts_are_those_of_the_shared_folder(shared: Path) -> None:
    """The bundled files add titles and sub-sections, and change no fact."""
    calls = (shared / "vmi" / "calls.yaml").read_text()
    assert read("calls.yaml") == yaml.safe_load(calls)
    ours, theirs = (
        [{**o, "title": None} for o in content["objections"]]
        for content in (
            read("objections.yaml"),
            yaml.safe_load((shared / "vmi" / "objections.yaml").read_text()),
        )
    )
    assert ours == theirs

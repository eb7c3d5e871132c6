"""The index is what a rebuild would make, whatever was done before."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    Disposition,
    Entry,
    Message,
    Quote,
    QuoteState,
    RevisionSource,
    Role,
    Run,
    SearchItem,
    SearchKind,
    SearchState,
    Section,
    Severity,
    StanceValue,
    Thread,
    ThreadKind,
    ThreadState,
)
from app.services import (
    aligning,
    annotation_changes,
    annotations,
    corpus,
    decisions,
    messages,
    quotes,
    revising,
    revisions,
    runs,
    saving,
    search_index,
    search_store,
    settling,
    stances,
    threads,
)
from app.services.annotations import read_text
from app.services.decisions import NewDecision
from app.services.reviewers import Visitor
from app.services.revising import NewRevision
from app.services.search import Order, Wanted, search
from app.services.threads import NewThread
from app.sim import explore, parse_scenario
from tests.conftest import SQLiteCopies
from tests.factories import make_visitor

SLUG = "kleen-sti-shadow"
QUESTION = (
    'question = "Does it halt?"\nabout = ["VMI_Halt"]\n'
    '[code]\nkernel = "hlt"\n[outcomes]\na = { is = "halted" }\n'
)

Items = dict[tuple[SearchKind, str], int]


def read_items(session: Session) -> Items:
    """Return what is in the index, and the digests of what is searched."""
    rows = session.execute(
        select(
            col(SearchItem.kind), col(SearchItem.ref), col(SearchItem.digest)
        )
    )
    return {(row[0], row[1]): row[2] for row in rows}


def require_equal(database: Database) -> Items:
    """Compare the index with one made anew, and return it."""
    with database.write() as session:
        kept = read_items(session)
        search_index.rebuild(session)
        assert kept == read_items(session)
    return kept


def open_one(session: Session, visitor: Visitor) -> str:
    """Open a thread."""
    new = NewThread(
        title="It halts",
        kind=ThreadKind.question,
        severity=Severity.concern,
        text="Zyzzyva",
        calls=("VMI_Halt",),
    )
    return threads.open_thread(session, visitor, new)


def decide(session: Session, visitor: Visitor) -> None:
    """Decide on a thread, again if it is decided."""
    found = decisions._find_in_force(
        session,
        session.scalar(select(col(Thread.id)).where(col(Thread.slug) == SLUG))
        or 0,
    )
    new = NewDecision(
        disposition=Disposition.accepted,
        reason="because of the zyzzyva",
        supersedes=found.number if found else None,
    )
    decisions.record_decision(session, visitor, SLUG, new)


def import_mail(session: Session, _: Visitor) -> None:
    """Import a mail that is not there yet."""
    count = len(session.scalars(select(col(Message.id))).all())
    raw = (
        f"From: A B <a@example.org>\r\nMessage-ID: <{count}@x>\r\n"
        f"Subject: [PATCH {count}] s\r\nDate: Wed, 22 Mar 2006 20:05:00 +0100"
        "\r\n\r\n> quoted\r\nown\r\n"
    )
    messages.import_message(session, raw.encode())


def store_run(session: Session, _: Visitor) -> None:
    """Store another run, of which the log says nothing."""
    count = len(session.scalars(select(col(Run.id))).all())
    text = QUESTION.replace("Does it halt?", f"Does it halt ({count})?")
    report = explore(parse_scenario(text, slug="posted"))
    runs.store_report(session, report, text)


def save(session: Session, visitor: Visitor) -> None:
    """Save a question, or replace it."""
    count = len(session.scalars(select(col(Entry.seq))).all())
    text = QUESTION.replace("Does it halt?", f"Does it halt ({count})?")
    saving.save_scenario(session, visitor, "mine", text)


def reply(session: Session, visitor: Visitor) -> None:
    """Reply to a thread that nobody has answered."""
    annotations.reply(session, visitor, "kleen-sti-shadow", "yes\n> no")


def annotate(session: Session, visitor: Visitor) -> None:
    """Annotate a thread and a clause, and change one at once."""
    made = [
        annotation_changes.create_annotation(
            session,
            visitor,
            {
                "@context": "http://www.w3.org/ns/anno.jsonld",
                "type": "Annotation",
                "motivation": "commenting",
                "bodyValue": "zyzzyva",
                "target": target,
            },
        )
        for target in ("/threads/kleen-sti-shadow", "/calls/VMI_Halt") * 2
    ]
    annotation_changes.replace_text(session, visitor, made[0].id, "quux")
    annotation_changes.delete_annotation(session, visitor, made[1].id)


def stand(session: Session, visitor: Visitor) -> None:
    """Take a stance in one post, then another in the next."""
    for value in (StanceValue.blocking, StanceValue.satisfied):
        annotation_changes.create_annotation(
            session,
            visitor,
            stances._build_document(SLUG, value, "zyzzyva"),
        )


def revise(session: Session, visitor: Visitor) -> None:
    """Give all sections other numbers, and take a section away."""
    newest = revisions.get_newest(session)
    text = revisions.read_markdown(session, newest.id)
    title, rest = text.split("\n## ", 1)
    count = newest.number
    text = f"{title}\n## 0. Chapter {count}\n\nNew.\n\n## {rest}"
    text = re.sub(r"(?m)^(#+ )(\d)", r"\g<1>1\2", text)
    new = NewRevision(text, "c", "2006-04-01", RevisionSource.edit)
    revising.create_revision(session, visitor, new)


CHANGES: tuple[Callable[[Session, Visitor], object], ...] = (
    *(open_one, reply, annotate, decide, import_mail, store_run, save),
    stand,
)


@settings(max_examples=15)
@given(chosen=st.lists(st.sampled_from(CHANGES), max_size=6))
def test_after_any_changes_the_index_is_what_a_rebuild_makes(
    sqlite_copies: SQLiteCopies,
    chosen: list[Callable[[Session, Visitor], object]],
) -> None:
    database = Database(sqlite_copies.make("full"))
    with database.write() as session:
        visitor = make_visitor(session)
    for change in chosen:
        with database.write() as session:
            change(session, visitor)
    require_equal(database)
    database.close()


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_each_change_is_found_at_once(
    database: Database, change: Callable[[Session, Visitor], object]
) -> None:
    """Every kind of change moves the index, twice if made twice."""
    with database.write() as session:
        visitor = make_visitor(session)
    states = [require_equal(database)]
    for _ in range(2):
        with database.write() as session:
            change(session, visitor)
        states.append(require_equal(database))
    assert states[0] != states[1] != states[2]


def read_refs(database: Database, query: str) -> list[str]:
    """Return what a query finds, by names."""
    wanted = Wanted(text=query, order=Order.newest)
    with database.read() as session:
        found = search(session, wanted, account=None, is_masked=True)
    return [one.hit.name for one in found.hits]


def test_a_mail_is_found_by_the_clause_it_quotes_wherever_that_goes(
    database: Database,
) -> None:
    """What is decided, by whom ever, moved and dismissed is found so."""
    with database.write() as session:
        editor = make_visitor(session, "edna", Role.editor)
        section = session.scalars(
            select(Section).where(col(Section.anchor) == "idt-management")
        ).one()
        text = read_text(section.html)
        quoted = "\n".join(f"> {line}" for line in text.split("\n"))
        raw = f"From: a@b.c\nMessage-ID: <q@x>\n\n{quoted}\n\nNo.\n"
        messages.import_message(session, raw.encode())
        number = section.number
    aligning.align_pending(database, lambda _done, _total: None)
    require_equal(database)
    assert read_refs(database, f"clause:{number} is:mail") == ["q@x"]
    with database.write() as session:
        revise(session, editor)
    require_equal(database)
    aligning.align_pending(database, lambda _done, _total: None)
    require_equal(database)
    assert read_refs(database, f"clause:1{number} is:mail") == ["q@x"]
    assert read_refs(database, f"clause:{number} is:mail") == []


def test_what_an_editor_says_of_a_quote_is_found_at_once(
    database: Database,
) -> None:
    with database.write() as session:
        editor = make_visitor(session, "edna", Role.editor)
        message = messages.import_message(
            session, b"From: a@b.c\nMessage-ID: <q@x>\n\n> quoted\n\nNo.\n"
        )
        quote = Quote(
            message_row_id=message.id or 0,
            position=0,
            depth=1,
            start=0,
            end=8,
            reply_start=10,
            reply_end=13,
            state=QuoteState.waiting,
        )
        session.add(quote)
        session.flush()
        quotes.decide_quote(
            session, editor, quote.id or 0, section="alarms", call="VMI_Halt"
        )
    require_equal(database)
    assert read_refs(database, "call:VMI_Halt is:mail") == ["q@x"]
    with database.write() as session:
        remark = session.scalars(
            select(Anchor).where(col(Anchor.annotation_id).is_not(None))
        ).first()
        assert remark
        remark.state = AnchorState.orphan
        session.flush()
        settling.reattach(session, editor, remark.id or 0, "timer-calls")
    require_equal(database)
    assert read_refs(database, "clause:timer-calls is:remark")


def test_who_stands_how_is_found(database: Database) -> None:
    """A thread by all who stand to it, a post by what it says last."""
    with database.write() as session:
        visitor = make_visitor(session)
        stand(session, visitor)
    assert read_refs(database, "stance:blocking") == []
    found = read_refs(database, "stance:satisfied")
    assert len(found) == 2
    assert SLUG in found
    with database.write() as session:
        stances.withdraw_stance(session, visitor, SLUG, visitor.name)
    require_equal(database)
    assert read_refs(database, "stance:satisfied") == []


def test_what_changes_nothing_indexes_nothing(database: Database) -> None:
    with database.write() as session:
        before = read_items(session)
        make_visitor(session)
        corpus.load_corpus(session)
    with database.read() as session:
        assert read_items(session) == before
        assert search_store.count_dead(session) == 0


def test_a_change_that_is_undone_is_not_found(database: Database) -> None:
    """The index is written in the transaction of the change."""
    with database.write() as session:
        visitor = make_visitor(session)
        before = read_items(session)
    with database.engine.connect() as connection:
        session = Session(connection)
        open_one(session, visitor)
        search_index.catch_up(session)
        assert read_items(session) != before
        session.rollback()
    with database.read() as session:
        assert read_items(session) == before


def test_a_savepoint_does_not_end_what_is_to_be_indexed(
    database: Database,
) -> None:
    with database.write() as session:
        visitor = make_visitor(session)
    with database.write() as session:
        with session.begin_nested():
            slug = open_one(session, visitor)
        session.execute(
            Thread.__table__.update()  # type: ignore[attr-defined]
            .where(col(Thread.slug) == slug)
            .values(state=ThreadState.deferred)
        )
    require_equal(database)


def test_an_index_that_is_not_there_is_filled(database: Database) -> None:
    with database.write() as session:
        before = read_items(session)
        search_store.clear(session)
        session.execute(delete(SearchState))
    search_index.fill(database)
    with database.read() as session:
        assert read_items(session) == before


def test_an_index_of_another_version_is_made_anew_by_the_next_change(
    database: Database,
) -> None:
    with database.write() as session:
        before = read_items(session)
        search_store.clear(session)
        session.get_one(SearchState, 1).version = 0
    with database.write() as session:
        make_visitor(session)
    with database.read() as session:
        assert read_items(session) == before


def test_a_worn_index_is_made_anew(
    sqlite_copies: SQLiteCopies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What SQLite cannot take back goes at the next start, if it is much."""
    monkeypatch.setattr(search_index, "MOST_DEAD", 2)
    database = Database(sqlite_copies.make("full"))
    with database.write() as session:
        before = read_items(session)
        search_store.remove(
            session, session.scalars(select(col(SearchItem.id))).all()
        )
        assert search_store.count_dead(session) == len(before)
    search_index.fill(database)
    with database.read() as session:
        assert search_store.count_dead(session) == 0
        assert read_items(session) == before
    database.close()


def test_a_run_that_is_dropped_is_found_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "KEPT_RUNS", 0)
    with database.write() as session:
        visitor = make_visitor(session)
        store_run(session, visitor)
        store_run(session, visitor)
    kept = require_equal(database)
    with database.read() as session:
        stored = set(session.scalars(select(col(Run.id))))
    assert {ref for kind, ref in kept if kind == SearchKind.run} == stored


def test_a_remark_is_no_post_and_an_opener_neither(
    database: Database,
) -> None:
    with database.write() as session:
        visitor = make_visitor(session)
        open_one(session, visitor)
        openers = session.scalars(
            select(col(Annotation.id)).where(col(Annotation.position) == 0)
        ).all()
    items = require_equal(database)
    assert openers
    assert not {(SearchKind.annotation, id_) for id_ in openers} & set(items)


def test_mails_are_added_by_their_rows(session: Session) -> None:
    ids = [
        messages.import_message(
            session,
            f"From: a@b.c\r\nMessage-ID: <{n}@x>\r\n\r\nx\r\n".encode(),
        ).id
        or 0
        for n in range(3)
    ]
    search_index.add_messages(session, ids)
    search_index.add_messages(session, ids)
    refs = {r for k, r in read_items(session) if k == SearchKind.mail}
    assert refs == {str(id_) for id_ in ids}


def test_a_mail_without_date_is_as_old_as_its_import(
    session: Session,
) -> None:
    message = messages.import_message(
        session, b"From: a@b.c\r\nMessage-ID: <1@x>\r\n\r\nx\r\n"
    )
    search_index.add_messages(session, [message.id or 0])
    number = session.scalar(
        select(col(SearchItem.id)).where(
            col(SearchItem.kind) == SearchKind.mail
        )
    )
    at = datetime.fromtimestamp(number or 0, tz=UTC)
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=5)

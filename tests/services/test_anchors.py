"""Anchors of a document that changes: carried, told of, never lost."""

import re
from collections.abc import Sequence
from typing import Any, NoReturn

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import (
    Anchor,
    AnchorState,
    Call,
    Entry,
    Revision,
    RevisionSource,
    Role,
    Section,
    Severity,
    Thread,
    ThreadKind,
    ThreadSection,
)
from app.services import remarks, revising, thread_rows, threads
from app.services.annotations import find_passage, read_text
from app.services.carrier import Carrier, Placed
from app.services.revising import NewRevision
from app.services.threads import NewThread
from tests.factories import NOW, make_visitor

QUOTE = "an NMI"


def get_text(session: Session, number: int = 1) -> str:
    """Return the Markdown of a revision."""
    return session.execute(
        select(col(Revision.text)).where(col(Revision.number) == number)
    ).scalar_one()


def revise(session: Session, text: str, name: str = "edna") -> int:
    """Make a text the next revision; return its number."""
    visitor = make_visitor(session, name, Role.editor)
    new = NewRevision(text, "A change", "2006-04-01", RevisionSource.edit)
    return revising.create_revision(session, visitor, new).number


def list_anchors(session: Session, number: int) -> Sequence[Anchor]:
    """Return the anchors of a revision."""
    return session.scalars(
        select(Anchor)
        .join(Revision, col(Revision.id) == col(Anchor.revision_id))
        .where(col(Revision.number) == number)
        .order_by(col(Anchor.id))
    ).all()


def add_remark(session: Session, anchor: str, words: str) -> str:
    """Store a remark on words of a section of the first revision."""
    section = session.execute(
        select(Section)
        .join(Revision, col(Revision.id) == col(Section.revision_id))
        .where(col(Section.anchor) == anchor, col(Revision.number) == 1)
    ).scalar_one()
    passage = find_passage(read_text(section.html), words)
    assert passage is not None
    return remarks.add_remark(
        session,
        actor="program",
        sender="Andi Kleen <ak@example.org>",
        message_id="one@example.org",
        section_id=section.id,
        call_id=None,
        passage=passage,
        text="That is slow.",
        created_at=NOW,
    )


REAL = "The unit is called a cycle."
MISSED = "Missed periods are not made up."


def test_an_unchanged_clause_keeps_every_anchor_exact(
    session: Session,
) -> None:
    """A text that changes at its end moves nothing before it."""
    remark = add_remark(session, "time-domains", REAL)
    number = revise(session, get_text(session) + "\nOne sentence more.\n")
    found = list_anchors(session, number)
    assert len(found) > 80
    changed = [a for a in found if a.state != AnchorState.exact]
    assert all(a.state == AnchorState.moved for a in changed)
    anchor = next(a for a in found if a.annotation_id == remark)
    assert (anchor.state, anchor.method) == (AnchorState.exact, "digest")
    assert anchor.exact == REAL


def test_every_anchor_has_an_entry(session: Session) -> None:
    """Nothing moves in silence: one line of the log each."""
    add_remark(session, "time-domains", REAL)
    before = session.scalar(select(func.max(col(Entry.seq)))) or 0
    text = get_text(session).replace("*cycle*", "*tick*")
    number = revise(session, text)
    entries = session.scalars(
        select(Entry).where(
            col(Entry.seq) > before, col(Entry.type).startswith("anchor.")
        )
    ).all()
    found = list_anchors(session, number)
    assert len(entries) == len(found)
    told = {
        (entry.subject, entry.data["position"]): entry for entry in entries
    }
    names = dict(
        session.execute(select(col(Thread.id), col(Thread.slug))).all()
    )
    for anchor in found:
        subject = (
            f"thread:{names[anchor.thread_id]}"
            if anchor.thread_id
            else f"annotation:{anchor.annotation_id}"
        )
        entry = told[subject, anchor.position]
        word = anchor.state.value
        assert entry.type.removeprefix("anchor.").removesuffix("ed") == (
            word.removesuffix("ed")
        )
        assert entry.data["score"] == anchor.score
        assert entry.data["revision"] == number


def test_threads_are_tied_to_the_sections_of_the_new_text(
    session: Session,
) -> None:
    slug = "kleen-sti-shadow"
    before = thread_rows.get_thread(session, slug).sections
    revise(session, "# A preface\n\nNew.\n\n" + get_text(session))
    assert before
    assert thread_rows.get_thread(session, slug).sections == before
    rows = session.scalars(
        select(func.count()).select_from(ThreadSection)
    ).one()
    assert rows % 2 == 0


def test_a_quote_follows_its_words(session: Session) -> None:
    remark = add_remark(session, "alarms", MISSED)
    text = get_text(session).replace(
        "- Modes: one-shot", "- A line before.\n- Modes: one-shot"
    )
    number = revise(session, text)
    anchor = next(
        a for a in list_anchors(session, number) if a.annotation_id == remark
    )
    assert (anchor.state, anchor.method) == (AnchorState.moved, "unchanged")
    assert anchor.exact == MISSED
    section = session.get_one(Section, anchor.section_id)
    assert read_text(section.html)[anchor.start : anchor.end] == MISSED


def test_a_quote_that_went_is_an_orphan_of_its_clause(
    session: Session,
) -> None:
    remark = add_remark(session, "alarms", MISSED)
    text = get_text(session).replace(MISSED, "")
    number = revise(
        session, re.sub(r"After a firing.*?value\.", "", text, flags=re.DOTALL)
    )
    anchor = next(
        a for a in list_anchors(session, number) if a.annotation_id == remark
    )
    assert anchor.state == AnchorState.orphan
    assert (anchor.start, anchor.exact) == (None, "")
    section = session.get_one(Section, anchor.section_id)
    assert section.anchor == "alarms"


def test_carrying_goes_back_to_the_original(session: Session) -> None:
    """Over a text without it, a quote is found again where it was."""
    remark = add_remark(session, "alarms", MISSED)
    text = get_text(session)
    revise(session, text.replace(MISSED, "Nothing of the kind."))
    number = revise(session, text + "\nMore.\n", "emil")
    anchor = next(
        a for a in list_anchors(session, number) if a.annotation_id == remark
    )
    assert (anchor.state, anchor.exact) == (AnchorState.exact, MISSED)


def test_the_way_makes_no_difference(session: Session) -> None:
    """Carried straight or over another text, each anchor ends the same."""
    add_remark(session, "alarms", MISSED)
    add_remark(session, "time-domains", REAL)
    text = get_text(session)
    last = text.replace("made up", "ever made up").replace("*cycle*", "tick")
    other = text.replace(MISSED, "").replace("*cycle*", "lap of the clock")

    def read(number: int) -> list[tuple[object, ...]]:
        sections = dict(
            session.execute(select(col(Section.id), col(Section.anchor))).all()
        )
        return [
            (a.thread_id, a.annotation_id, a.position, a.state, a.method)
            + (a.score, a.start, a.end, a.exact, sections.get(a.section_id))
            for a in list_anchors(session, number)
        ]

    straight = read(revise(session, last))
    revise(session, other, "emil")
    assert read(revise(session, last, "emma")) == straight


def test_a_remark_on_a_call_alone_stays_with_it(session: Session) -> None:
    call_id = session.scalar(
        select(col(Call.id)).where(col(Call.name) == "VMI_Halt")
    )
    remark = remarks.add_remark(
        session,
        actor="program",
        sender="Andi Kleen",
        message_id="one@example.org",
        section_id=None,
        call_id=call_id,
        passage=None,
        text="No.",
        created_at=NOW,
    )
    number = revise(session, get_text(session) + "\nMore.\n")
    anchor = next(
        a for a in list_anchors(session, number) if a.annotation_id == remark
    )
    assert (anchor.state, anchor.call_id) == (AnchorState.exact, call_id)
    assert anchor.section_id is None


def test_a_thread_on_a_passage_is_anchored_when_it_is_opened(
    session: Session,
) -> None:
    ada = make_visitor(session)
    new = NewThread(
        title="Cycles",
        kind=ThreadKind.question,
        severity=Severity.nit,
        text="Which?",
        section="time-domains",
        quote=REAL,
    )
    slug = threads.open_thread(session, ada, new)
    thread_id = thread_rows.get_thread(session, slug).id
    anchor = session.execute(
        select(Anchor).where(col(Anchor.thread_id) == thread_id)
    ).scalar_one()
    assert (anchor.method, anchor.exact) == ("original", REAL)


def test_a_thread_opened_before_there_were_anchors_gets_one(
    session: Session,
) -> None:
    """Its quote and the place that its annotation names make the original."""
    ada = make_visitor(session)
    new = NewThread(
        title="Cycles",
        kind=ThreadKind.question,
        severity=Severity.nit,
        text="Which?",
        section="time-domains",
        quote="running",
        start=800,
    )
    slug = threads.open_thread(session, ada, new)
    thread_id = thread_rows.get_thread(session, slug).id
    made = session.execute(
        select(Anchor).where(col(Anchor.thread_id) == thread_id)
    ).scalar_one()
    start = made.start
    session.delete(made)
    session.flush()
    revise(session, get_text(session) + "\nMore.\n")
    again = session.scalars(
        select(Anchor)
        .where(col(Anchor.thread_id) == thread_id)
        .order_by(col(Anchor.id))
    ).all()
    assert [a.start for a in again] == [start, start]
    assert [a.method for a in again] == ["original", "digest"]


def refuse(*_: object) -> NoReturn:
    """Fail, for whatever calls it should have been done before."""
    raise AssertionError


def watch_places(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the revisions into which places are looked for from now on.

    It is 0 as long as none is made: before the lock is taken.
    """
    looked: list[int] = []
    place = Carrier.place

    def look(
        carrier: Carrier, original: Anchor, chosen: Anchor | None
    ) -> Placed:
        looked.append(carrier.new_id)
        return place(carrier, original, chosen)

    monkeypatch.setattr(Carrier, "place", look)
    return looked


def strip_row(anchor: Anchor) -> dict[str, Any]:
    """Return an anchor without what differs each time."""
    return anchor.model_dump(exclude={"id", "revision_id", "made_at"})


def test_what_was_foreseen_is_not_looked_for_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place is found before the lock is taken, and is the same."""
    with database.write() as session:
        visitor = make_visitor(session, "edna", Role.editor)
        add_remark(session, "time-domains", REAL)
        add_remark(session, "alarms", MISSED)
        text = (
            get_text(session)
            .replace("is called a", "has the name")
            .replace(MISSED, "")
        )
    new = NewRevision(text, "A change", "2006-04-01", RevisionSource.edit)
    with database.read() as session:
        foreseen = revising.foresee(session, text)
    assert foreseen
    with database.engine.connect() as connection:
        session = Session(connection)
        revising.create_revision(session, visitor, new)
        wanted = [*map(strip_row, list_anchors(session, 2))]
        session.rollback()
    monkeypatch.setattr(Carrier, "place", refuse)
    with database.write() as session:
        revising.create_revision(session, visitor, new, foreseen)
    with database.read() as session:
        assert len(wanted) > 2
        found = [*map(strip_row, list_anchors(session, 2))]
    for row in (*wanted, *found):
        for rival in row["rivals"]:
            del rival["section"]
        del row["section_id"]
    assert found == wanted


def test_what_changed_meanwhile_is_looked_for_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came after it was foreseen, and no more, is found then."""
    with database.write() as session:
        visitor = make_visitor(session, "edna", Role.editor)
        first = add_remark(session, "time-domains", REAL)
        second = add_remark(session, "alarms", MISSED)
        text = get_text(session).replace("cycle", "tick")
    with database.read() as session:
        foreseen = revising.foresee(session, text)
    with database.write() as session:
        moved = session.scalars(
            select(Anchor).where(col(Anchor.annotation_id) == second)
        ).one()
        moved.start, moved.end = (moved.start or 0) + 1, moved.end
        third = add_remark(session, "time-domains", "It is a counter")
    looked: list[str | None] = []
    place = Carrier.place

    def look(
        carrier: Carrier, original: Anchor, chosen: Anchor | None
    ) -> Placed:
        looked.append(original.annotation_id)
        return place(carrier, original, chosen)

    monkeypatch.setattr(Carrier, "place", look)
    new = NewRevision(text, "A change", "2006-04-01", RevisionSource.edit)
    with database.write() as session:
        revising.create_revision(session, visitor, new, foreseen)
    assert sorted(filter(None, looked)) == sorted([second, third])
    assert first not in looked


def test_what_was_foreseen_of_another_text_is_not_used(
    session: Session,
) -> None:
    visitor = make_visitor(session, "edna", Role.editor)
    remark = add_remark(session, "time-domains", REAL)
    text = get_text(session)
    foreseen = revising.foresee(session, text.replace("is called", ""))
    text = text.replace("Alarms", "Alarums", 1)
    new = NewRevision(text, "A change", "2006-04-01", RevisionSource.edit)
    revising.create_revision(session, visitor, new, foreseen)
    (found,) = (
        one for one in list_anchors(session, 2) if one.annotation_id == remark
    )
    assert found.exact == REAL
    assert revising.foresee(session, "no document") is None

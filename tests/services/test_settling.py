"""Anchors settled by a person, and how their word holds."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, InvalidError, NotFoundError
from app.models import (
    Anchor,
    AnchorState,
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
from app.services import (
    remarks,
    revising,
    settling,
    threads,
    waiting_anchors,
)
from app.services.annotations import find_passage, read_text
from app.services.comparison import Change
from app.services.reviewers import Visitor
from app.services.revising import NewRevision
from app.services.threads import NewThread
from tests.factories import NOW, make_visitor

QUOTE = "Missed periods are not made up."
CHANGED = "Missed periods are not always made good."


@pytest.fixture
def editor(session: Session) -> Visitor:
    """Return an editor."""
    return make_visitor(session, "edna", Role.editor)


@pytest.fixture
def text(session: Session) -> str:
    """Return the Markdown of the first revision."""
    return session.execute(select(col(Revision.text))).scalar_one()


@pytest.fixture
def remark(session: Session) -> str:
    """Store a remark on a sentence of the clause on alarms."""
    section = session.execute(
        select(Section).where(col(Section.anchor) == "alarms")
    ).scalar_one()
    return remarks.add_remark(
        session,
        actor="program",
        sender="Andi Kleen",
        message_id="one@example.org",
        section_id=section.id,
        call_id=None,
        passage=find_passage(read_text(section.html), QUOTE),
        text="But ticks get lost then.",
        created_at=NOW,
    )


def _revise(session: Session, editor: Visitor, text: str) -> int:
    new = NewRevision(text, "A change", "2006-04-01", RevisionSource.edit)
    return revising.create_revision(session, editor, new).id


def _get_anchor(session: Session, remark: str, revision_id: int) -> Anchor:
    return session.execute(
        select(Anchor).where(
            col(Anchor.annotation_id) == remark,
            col(Anchor.revision_id) == revision_id,
        )
    ).scalar_one()


def _read_last(session: Session) -> Entry:
    return session.execute(
        select(Entry).order_by(col(Entry.seq).desc()).limit(1)
    ).scalar_one()


def _propose(
    session: Session, editor: Visitor, text: str, remark: str
) -> Anchor:
    changed = text.replace(QUOTE, CHANGED).replace("After a firing", "Then")
    anchor = _get_anchor(session, remark, _revise(session, editor, changed))
    assert anchor.state == AnchorState.proposed
    return anchor


def test_what_waits_is_listed_with_its_old_words(
    session: Session, editor: Visitor, text: str, remark: str
) -> None:
    anchor = _propose(session, editor, text, remark)
    [one] = waiting_anchors.list_waiting(session, AnchorState.proposed)
    assert one.id == anchor.id
    assert (one.quoted, one.revision) == (QUOTE, 1)
    assert one.was is not None
    assert one.was.anchor == "alarms"
    assert one.title == "But ticks get lost then."
    assert (one.author, one.thread) == ("Andi Kleen", None)
    assert one.rivals[0].section.anchor == "alarms"
    assert "always" in one.rivals[0].exact
    assert waiting_anchors.list_waiting(session, AnchorState.orphan) == []
    assert waiting_anchors.count_waiting(session)[AnchorState.proposed] == 1


def test_a_place_that_is_chosen_is_settled_and_logged(
    session: Session, editor: Visitor, text: str, remark: str
) -> None:
    anchor = _propose(session, editor, text, remark)
    settling.choose_rival(session, editor, anchor.id or 0, 0)
    assert (anchor.state, anchor.method) == (AnchorState.moved, "confirmed")
    assert anchor.reviewer_id == editor.id
    entry = _read_last(session)
    assert (entry.type, entry.actor) == ("anchor.confirmed", "reviewer:edna")
    assert entry.subject == f"annotation:{remark}"
    assert entry.data["section"] == "alarms"
    with pytest.raises(ConflictError, match="settled"):
        settling.choose_rival(session, editor, anchor.id or 0, 0)


def test_a_rival_says_which_words_are_others(
    session: Session, editor: Visitor, text: str, remark: str
) -> None:
    _propose(session, editor, text, remark)
    [one] = waiting_anchors.list_waiting(session, AnchorState.proposed)
    words = one.rivals[0].words
    old = "".join(w.text for w in words if w.change != Change.added)
    new = "".join(w.text for w in words if w.change != Change.removed)
    assert (old, new) == (one.quoted, one.rivals[0].exact)
    assert "always" in "".join(
        w.text for w in words if w.change == Change.added
    )


def test_a_choice_can_be_taken_back(
    session: Session, editor: Visitor, text: str, remark: str
) -> None:
    """The anchor waits as it did, and binds no later revision."""
    anchor = _propose(session, editor, text, remark)
    before = (anchor.state, anchor.section_id, anchor.start, anchor.rivals)
    settling.reattach(session, editor, anchor.id or 0, "time-interface")
    assert [one.id for one in waiting_anchors.list_confirmed(session)] == [
        anchor.id
    ]
    settling.reopen(session, editor, anchor.id or 0)
    after = (anchor.state, anchor.section_id, anchor.start, anchor.rivals)
    assert after == before
    assert anchor.reviewer_id is None
    assert waiting_anchors.list_confirmed(session) == []
    entry = _read_last(session)
    assert (entry.type, entry.actor) == ("anchor.reopened", "reviewer:edna")
    assert entry.data["section"] == "alarms"
    with pytest.raises(ConflictError, match="nobody chose"):
        settling.reopen(session, editor, anchor.id or 0)


def test_a_place_that_would_be_sure_waits_when_reopened(
    session: Session, editor: Visitor, text: str, remark: str
) -> None:
    """Who takes a choice back is asked again, whatever the rules say."""
    anchor = _propose(session, editor, text, remark)
    settling.reattach(session, editor, anchor.id or 0, "time-interface")
    newer = _get_anchor(session, remark, _revise(session, editor, text))
    assert newer.method == "confirmed"
    settling.reopen(session, editor, newer.id or 0)
    assert newer.state == AnchorState.proposed
    [one] = waiting_anchors.list_waiting(session, AnchorState.proposed)
    assert [rival.exact for rival in one.rivals] == [QUOTE]


def test_a_choice_holds_while_its_words_stay(
    session: Session, editor: Visitor, text: str, remark: str
) -> None:
    """It comes before the search; when they change, the original counts."""
    anchor = _propose(session, editor, text, remark)
    settling.reattach(session, editor, anchor.id or 0, "time-domains", "cycle")
    changed = text.replace(QUOTE, CHANGED)
    later = _revise(session, editor, changed)
    kept = _get_anchor(session, remark, later)
    assert (kept.state, kept.method, kept.exact) == (
        AnchorState.exact,
        "confirmed",
        "cycle",
    )
    assert kept.reviewer_id == editor.id
    last = _revise(session, editor, changed.replace("cycle", "tick"))
    again = _get_anchor(session, remark, last)
    assert again.method == "search"
    assert again.reviewer_id is None


def test_an_orphan_by_choice_is_not_proposed_again(
    session: Session, editor: Visitor, text: str, remark: str
) -> None:
    anchor = _propose(session, editor, text, remark)
    settling.set_orphan(session, editor, anchor.id or 0)
    assert (anchor.state, anchor.start) == (AnchorState.orphan, None)
    section = session.get_one(Section, anchor.section_id)
    assert section.anchor == "alarms"
    assert _read_last(session).type == "anchor.orphaned"
    changed = text.replace(QUOTE, CHANGED).replace("After a firing", "Thus")
    kept = _get_anchor(session, remark, _revise(session, editor, changed))
    assert (kept.state, kept.method) == (AnchorState.orphan, "confirmed")
    back = _get_anchor(session, remark, _revise(session, editor, text))
    assert (back.state, back.exact) == (AnchorState.exact, QUOTE)


def test_an_orphan_can_be_put_on_a_clause(
    session: Session, editor: Visitor, text: str, remark: str
) -> None:
    gone = text.replace(QUOTE, "").replace(
        "After a firing the next expiry is the first E(i) above", "So be it"
    )
    anchor = _get_anchor(session, remark, _revise(session, editor, gone))
    if anchor.state == AnchorState.proposed:
        settling.set_orphan(session, editor, anchor.id or 0)
    settling.reattach(session, editor, anchor.id or 0, "time-interface")
    assert (anchor.state, anchor.exact) == (AnchorState.moved, "")
    section = session.get_one(Section, anchor.section_id)
    assert section.anchor == "time-interface"


def test_a_thread_follows_its_anchor(
    session: Session, editor: Visitor, text: str
) -> None:
    new = NewThread(
        title="Ticks",
        kind=ThreadKind.objection,
        severity=Severity.concern,
        text="They get lost.",
        section="alarms",
        quote=QUOTE,
    )
    slug = threads.open_thread(session, editor, new)
    thread_id = session.scalar(
        select(col(Thread.id)).where(col(Thread.slug) == slug)
    )
    changed = text.replace(QUOTE, CHANGED).replace("After a firing", "Then")
    revision_id = _revise(session, editor, changed)
    [one] = waiting_anchors.list_waiting(session, AnchorState.proposed)
    assert one.thread == slug
    settling.reattach(session, editor, one.id, "time-domains", "cycle")
    linked = session.scalars(
        select(col(Section.anchor))
        .join(ThreadSection, col(ThreadSection.section_id) == col(Section.id))
        .where(
            col(ThreadSection.thread_id) == thread_id,
            col(Section.revision_id) == revision_id,
        )
    ).all()
    assert linked == ["time-domains"]
    assert _read_last(session).subject == f"thread:{slug}"


def test_what_is_not_there_is_refused(
    session: Session, editor: Visitor, text: str, remark: str
) -> None:
    anchor = _propose(session, editor, text, remark)
    id_ = anchor.id or 0
    with pytest.raises(NotFoundError):
        settling.set_orphan(session, editor, 10**8)
    with pytest.raises(InvalidError, match="no such place"):
        settling.choose_rival(session, editor, id_, len(anchor.rivals))
    with pytest.raises(InvalidError, match="no section"):
        settling.reattach(session, editor, id_, "no-such-clause")
    with pytest.raises(InvalidError, match="not in this section"):
        settling.reattach(session, editor, id_, "alarms", "no such words")
    _revise(session, editor, text + "\nMore.\n")
    with pytest.raises(ConflictError, match="older revision"):
        settling.choose_rival(session, editor, id_, 0)

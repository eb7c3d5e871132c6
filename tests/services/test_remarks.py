"""Remarks: annotations on a clause, with their anchor."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import InvalidError, NotFoundError
from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    Call,
    Entry,
    Motivation,
    Person,
    Revision,
    RevisionSource,
    Role,
    Section,
)
from app.services import remarks, revising, revisions
from app.services.annotations import find_passage, make_passage, read_text
from app.services.revising import NewRevision
from tests.factories import NOW, make_visitor


def _get_section(session: Session, number: str = "2.11") -> Section:
    return session.execute(
        select(Section)
        .where(col(Section.number) == number)
        .order_by(col(Section.id))
        .limit(1)
    ).scalar_one()


def _add(session: Session, **fields: object) -> str:
    said: dict[str, object] = {
        "actor": "program",
        "sender": "Andi Kleen <ak@example.org>",
        "message_id": "one@example.org",
        "section_id": _get_section(session).id,
        "call_id": None,
        "passage": None,
        "text": "That is <slow>.\n",
        "created_at": NOW,
    }
    return remarks.add_remark(session, **said | fields)  # type: ignore[arg-type]


def _get_anchor(session: Session, id_: str) -> Anchor:
    return session.execute(
        select(Anchor).where(col(Anchor.annotation_id) == id_)
    ).scalar_one()


def test_a_remark_is_stored_rendered_and_logged(session: Session) -> None:
    section = _get_section(session)
    text = read_text(section.html)
    passage = find_passage(text, " ".join(text.split()[3:9]))
    assert passage is not None
    id_ = _add(session, passage=passage)
    remark = session.get_one(Annotation, id_)
    assert remark.thread_id is None
    assert remark.motivation == Motivation.commenting
    assert "&lt;slow&gt;" in remark.html
    assert remark.message_id == "one@example.org"
    selector = remark.document["target"]["selector"]
    assert selector["value"] == section.anchor
    assert selector["refinedBy"][0]["exact"] == passage.exact
    anchor = _get_anchor(session, id_)
    assert (anchor.state, anchor.score) == (AnchorState.exact, 1000)
    assert anchor.revision_id == section.revision_id
    assert text[anchor.start : anchor.end] == anchor.exact == passage.exact
    entry = session.execute(
        select(Entry).order_by(col(Entry.seq).desc()).limit(1)
    ).scalar_one()
    assert entry.type == "annotation.created"
    assert entry.subject == f"annotation:{id_}"
    assert entry.data["anchor"]["section"] == section.anchor


def test_a_remark_may_speak_of_a_call_alone(session: Session) -> None:
    call_id = session.scalar(
        select(col(Call.id)).where(col(Call.name) == "VMI_Halt")
    )
    id_ = _add(session, section_id=None, call_id=call_id)
    anchor = _get_anchor(session, id_)
    assert (anchor.section_id, anchor.call_id) == (None, call_id)
    target = session.get_one(Annotation, id_).document["target"]
    assert target == "/calls/VMI_Halt"


def test_a_remark_on_nothing_is_refused(session: Session) -> None:
    with pytest.raises(InvalidError, match="section or a call"):
        _add(session, section_id=None)
    with pytest.raises(InvalidError, match="without words"):
        _add(session, text=" \n")
    with pytest.raises(NotFoundError):
        _add(session, section_id=10**6)
    with pytest.raises(NotFoundError):
        _add(session, call_id=10**6)


def test_a_known_person_is_not_added_again(session: Session) -> None:
    """The name in the header decides, its case and marks aside."""
    known = remarks.find_person(session, "Andi Kleen <ak@example.org>")
    again = remarks.find_person(session, '"ANDI KLEEN" <other@example.org>')
    assert known.id == again.id
    assert known.name == "Andi Kleen"


def test_names_without_a_slug_stay_apart(session: Session) -> None:
    one = remarks.find_person(session, "山田 <a@example.org>")
    other = remarks.find_person(session, "田中 <b@example.org>")
    assert one.slug != other.slug
    assert remarks.find_person(session, "山田").id == one.id
    people = session.scalars(select(col(Person.name))).all()
    assert {"山田", "田中"} <= set(people)


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("Andi Kleen <ak@example.org>", "Andi Kleen"),
        ('"Kleen, Andi" <ak@example.org>', "Kleen, Andi"),
        ("ak@example.org (Andi Kleen)", "Andi Kleen"),
        ("<ak@example.org>", "ak@xxxxxxxxxxx"),
        ("", "unknown"),
        ("a\0b <x@example.org>", "a b"),
        ("n" * 500, "n" * 200),
    ],
)
def test_the_name_of_a_sender(sender: str, name: str) -> None:
    assert remarks.read_name(sender) == name


def test_a_remark_on_another_text_is_carried_to_the_newest(
    session: Session,
) -> None:
    """What mails quote may be no revision under review."""
    editor = make_visitor(session, "edna", Role.editor)
    text = session.execute(select(col(Revision.text))).scalar_one()
    new = NewRevision(
        text + "\nMore.\n",
        "Posted",
        "2006-03-13",
        RevisionSource.mail,
        is_reference=True,
    )
    reference = revising.create_revision(session, editor, new)
    section = session.execute(
        select(Section).where(
            col(Section.revision_id) == reference.id,
            col(Section.anchor) == "alarms",
        )
    ).scalar_one()
    passage = find_passage(read_text(section.html), "a way to cancel")
    id_ = _add(session, section_id=section.id, passage=passage)
    newest = revisions.get_newest(session)
    assert newest.number == 1
    [row] = remarks.list_remarks(session, newest.id)
    assert (row.id, row.state) == (id_, AnchorState.exact)
    assert row.quoted == "a way to cancel"


def test_remarks_come_in_the_order_of_the_text(session: Session) -> None:
    section = _get_section(session)
    words = read_text(section.html)
    ids = [
        _add(session, passage=make_passage(words, start, start + 5))
        for start in (60, 0, 30)
    ]
    rows = remarks.list_remarks(session, section.revision_id)
    assert [row.id for row in rows] == [ids[1], ids[2], ids[0]]
    assert all(row.is_sure and not row.is_imported for row in rows)


def test_an_excerpt_is_short_and_shows_no_address(session: Session) -> None:
    text = "Ask ak@example.org - or me-too.\n" + "word " * 100
    section = _get_section(session)
    _add(session, text=text)
    [row] = remarks.list_remarks(session, section.revision_id)
    assert row.excerpt.startswith("Ask ak@xxxxxxxxxxx - or me-too. word")
    assert row.excerpt.endswith(" …")
    assert len(row.excerpt) <= remarks.EXCERPT + 2
    assert row.fragment == ":~:text=Ask%20ak"
    assert row._replace(answer_at=7).fragment == "c7"

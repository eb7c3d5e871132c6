"""Other words suggested for a passage."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import InvalidError
from app.models import Anchor, Annotation, Call, Entry, Motivation
from app.services import suggesting, suggestions
from app.services.suggesting import NewEdit
from tests.factories import make_visitor

QUOTE = "Missed periods are not made up."


def test_a_suggestion_is_an_annotation_on_its_passage(
    session: Session,
) -> None:
    ada = make_visitor(session)
    new = NewEdit("alarms", QUOTE, "Missed periods are counted.")
    id_ = suggesting.suggest_edit(session, ada, new)
    edit = session.get_one(Annotation, id_)
    assert edit.motivation == Motivation.editing
    assert edit.thread_id is None
    assert edit.document["body"]["value"] == "Missed periods are counted."
    assert edit.document["target"]["source"] == "/document/revisions/1/"
    anchor = session.execute(
        select(Anchor).where(col(Anchor.annotation_id) == id_)
    ).scalar_one()
    assert anchor.exact == QUOTE
    entry = session.execute(
        select(Entry).order_by(col(Entry.seq).desc()).limit(1)
    ).scalar_one()
    assert entry.data["motivation"] == "editing"
    [listed] = suggestions.list_suggestions(session)
    assert (listed.id, listed.exact, listed.is_sure) == (id_, QUOTE, True)


def test_a_suggestion_on_one_call_says_so(session: Session) -> None:
    ada = make_visitor(session)
    new = NewEdit("apic-calls", "VMI_APICWrite", "VMI_APICStore")
    id_ = suggesting.suggest_edit(session, ada, new)
    name = session.scalar(
        select(col(Call.name))
        .join(Anchor, col(Anchor.call_id) == col(Call.id))
        .where(col(Anchor.annotation_id) == id_)
    )
    assert name == "VMI_APICWrite"


@pytest.mark.parametrize(
    ("section", "quote", "text", "pointer"),
    [
        ("no-such", QUOTE, "Else.", "/section"),
        ("alarms", "no such words", "Else.", "/quote"),
        ("alarms", QUOTE, f"  {QUOTE}\n", "/text"),
    ],
)
def test_what_makes_no_change_is_refused(
    session: Session, section: str, quote: str, text: str, pointer: str
) -> None:
    ada = make_visitor(session)
    with pytest.raises(InvalidError) as caught:
        suggesting.suggest_edit(session, ada, NewEdit(section, quote, text))
    assert [fault.pointer for fault in caught.value.faults] == [pointer]

"""The document: sections with the threads beside them."""

import pytest
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import NotFoundError
from app.services import document
from app.services.document import SectionRow


def find(session: Session, name: str) -> SectionRow:
    """Return a section by its anchor or number."""
    found = document.read_document(session)
    section = document.find_section(found.sections, name)
    assert section is not None
    return section


def test_the_document_comes_whole_in_six_queries(
    session: Session, statements: list[str]
) -> None:
    found = document.read_document(session)
    assert len(statements) == 6
    assert (found.number, found.dated_on) == (1, "2006-03-13")
    assert len(found.sections) == 45
    assert len(found.call_names) == 94


def test_every_thread_with_a_section_stands_beside_it(
    session: Session,
) -> None:
    found = document.read_document(session)
    beside = {r.thread.slug for s in found.sections for r in s.remarks}
    assert len(beside) == 85  # three speak of patches alone


def test_remarks_come_by_weight_and_settled_ones_apart(
    session: Session,
) -> None:
    section = find(session, "processor-state-calls")
    weights = [r.thread.weight for r in section.remarks]
    assert weights == sorted(weights)
    assert [*section.open, *section.settled] == list(section.remarks)
    assert len(section.open) == 3


def test_a_note_narrows_a_remark(session: Session) -> None:
    section = find(session, "3")
    assert {r.note for r in section.remarks} == {
        "item 6",
        "item 7",
        "items 6 and 7",
    }
    assert section.is_blocking


@pytest.mark.parametrize(
    ("name", "anchor"),
    [
        ("2.5", "interrupt-and-i-o-subsystem"),
        ("Appendix A", "appendix-a"),
        ("apic-calls", "apic-calls"),
    ],
)
def test_a_section_is_found_by_anchor_or_number(
    session: Session, name: str, anchor: str
) -> None:
    assert find(session, name).anchor == anchor


@pytest.mark.parametrize("name", ["", "2.99", "nowhere"])
def test_nothing_else_is_a_section(session: Session, name: str) -> None:
    sections = document.read_document(session).sections
    assert document.find_section(sections, name) is None


def test_a_section_holds_those_below_it(session: Session) -> None:
    sections = document.read_document(session).sections
    top = find(session, "2.12")
    below = document.list_below(sections, top)
    assert [s.anchor for s in below] == [
        "time-interface",
        "time-domains",
        "alarms",
    ]
    assert document.list_below(sections, sections[0]) == list(sections)


def test_before_a_load_there_is_no_document(empty_database: Database) -> None:
    with empty_database.read() as session, pytest.raises(NotFoundError):
        document.read_document(session)

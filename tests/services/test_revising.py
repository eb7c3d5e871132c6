"""Making a revision: what is stored, what is refused, where calls go."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import InvalidError
from app.models import Call, CallSection, Entry, RevisionSource, Role, Section
from app.services import revising, revisions
from app.services.reviewers import Visitor
from app.services.revising import NewRevision, OutdatedError
from app.services.revisions import RevisionRow
from tests.factories import make_visitor


@pytest.fixture
def editor(session: Session) -> Visitor:
    """Return an editor."""
    return make_visitor(session, "ed", Role.editor)


def read_newest(session: Session) -> str:
    """Return the text under review."""
    newest = revisions.get_newest(session)
    return revisions.read_markdown(session, newest.id)


def make(
    session: Session, visitor: Visitor, text: str, *, reference: bool = False
) -> RevisionRow:
    """Make a revision by an upload."""
    new = NewRevision(
        text=text,
        change="Changed in a test.",
        dated_on="2026-11-22",
        source=RevisionSource.upload,
        is_reference=reference,
    )
    return revising.create_revision(session, visitor, new)


def list_places(session: Session, revision_id: int, call: str) -> list[str]:
    """Return the anchors of a call's sections in a revision, in order."""
    return list(
        session.scalars(
            select(col(Section.anchor))
            .join(CallSection, col(CallSection.section_id) == col(Section.id))
            .join(Call, col(Call.id) == col(CallSection.call_id))
            .where(
                col(Section.revision_id) == revision_id,
                col(Call.name) == call,
            )
            .order_by(col(CallSection.position))
        )
    )


def test_a_text_becomes_the_next_revision(
    session: Session, editor: Visitor
) -> None:
    text = read_newest(session).replace("Appendix", "Annex", 1)
    made = make(session, editor, text)
    assert (made.number, made.by, made.source) == (
        2,
        "ed",
        RevisionSource.upload,
    )
    assert revisions.get_newest(session) == made
    assert revisions.read_markdown(session, made.id) == text
    assert len(revisions.load_sections(session, made.id)) == 45


def test_a_line_of_the_log_tells_of_it(
    session: Session, editor: Visitor
) -> None:
    make(session, editor, "# New\n\nAnother text.\n")
    entry = session.scalars(
        select(Entry).where(col(Entry.type) == "revision.created")
    ).one()
    assert entry.subject == "revision:2"
    assert entry.data["previous"] == 1
    assert entry.actor == editor.actor


def test_a_reference_is_never_the_document_under_review(
    session: Session, editor: Visitor
) -> None:
    made = make(session, editor, "# As posted\n", reference=True)
    assert made.number == 2
    assert made.is_reference
    assert revisions.get_newest(session).number == 1
    assert [r.number for r in revisions.list_revisions(session)] == [2, 1]
    assert revisions.find_previous(session, 3) is not None


def test_a_revision_after_a_reference_follows_the_one_before_it(
    session: Session, editor: Visitor
) -> None:
    make(session, editor, "# As posted\n", reference=True)
    made = make(session, editor, "# New\n")
    before = revisions.find_previous(session, made.number)
    assert before is not None
    assert before.number == 1


def test_who_wrote_on_an_older_revision_is_told(
    session: Session, editor: Visitor
) -> None:
    make(session, editor, "# New\n")
    late = NewRevision(
        text="# Newer\n",
        change="Late.",
        dated_on="2026-11-22",
        source=RevisionSource.edit,
        basis=1,
    )
    with pytest.raises(OutdatedError) as caught:
        revising.create_revision(session, editor, late)
    assert (caught.value.basis, caught.value.newest) == (1, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("No heading.\n", "without a heading"),
        ("Words first.\n\n# Then a heading\n", "starts with its heading"),
        ("# Long\n\n" + "a" * 20_001, "line 3 has more than 20,000"),
        ("# Long\n" + "words and words\n" * 19_999, "at most 300,000"),
        ("# Long\n" + "words\n" * 20_000, "at most 20,000 lines"),
        ("# Long\n\n" + "![\n" * 20_001, "at most 40,000 marks"),
    ],
)
def test_what_is_no_document_is_refused(
    session: Session, editor: Visitor, text: str, reason: str
) -> None:
    with pytest.raises(InvalidError, match=reason):
        make(session, editor, text)
    assert revisions.get_newest(session).number == 1


def test_an_equal_text_is_no_revision(
    session: Session, editor: Visitor
) -> None:
    with pytest.raises(InvalidError, match="nothing was changed"):
        make(session, editor, read_newest(session))


def test_calls_keep_their_sections_where_these_went(
    session: Session, editor: Visitor
) -> None:
    first = revisions.get_newest(session).id
    text = read_newest(session).replace(
        "### Timer calls", "### Calls for timers and alarms"
    )
    made = make(session, editor, text)
    assert list_places(session, first, "VMI_SetAlarm") == [
        "timer-calls",
        "time-interface",
    ]
    assert list_places(session, made.id, "VMI_SetAlarm") == [
        "calls-for-timers-and-alarms",
        "time-interface",
    ]


def test_a_heading_that_names_a_call_defines_it(
    session: Session, editor: Visitor
) -> None:
    text = read_newest(session).replace(
        "### APIC calls", "#### VMI_SetAlarm\n\nArms it.\n\n### APIC calls"
    )
    made = make(session, editor, text)
    assert list_places(session, made.id, "VMI_SetAlarm") == [
        "vmi-setalarm",
        "timer-calls",
        "time-interface",
    ]


def test_the_section_around_a_heading_of_the_call_gives_way(
    session: Session, editor: Visitor
) -> None:
    text = read_newest(session).replace(
        "### MMU calls\n", "#### VMI_SetAlarm\n\nArms it.\n\n### MMU calls\n"
    )
    made = make(session, editor, text)
    assert list_places(session, made.id, "VMI_SetAlarm") == [
        "vmi-setalarm",
        "time-interface",
    ]


def test_a_call_without_section_is_tied_to_its_prototype(
    session: Session, editor: Visitor
) -> None:
    made = make(
        session,
        editor,
        "# New\n\n## Prototypes\n\n```\nvoid VMI_Halt(void);\n```\n",
    )
    assert list_places(session, made.id, "VMI_Halt") == ["prototypes"]
    assert list_places(session, made.id, "VMI_Pause") == []

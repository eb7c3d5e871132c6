"""Suggested edits: found in the Markdown, accepted, declined."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, NotFoundError
from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    Motivation,
    RevisionSource,
    Role,
    Section,
)
from app.services import revisions, suggestions
from app.services.reviewers import Visitor
from app.services.suggestions import Suggestion, apply_suggestion
from tests.factories import NOW, make_visitor

QUOTE = "The kernel's level is not a constant"
WORDS = "Since the switch may happen at run time"
TEXT = """\
# T

Some `code` here, and **bold words** twice.

Twice.
"""


@pytest.fixture
def editor(session: Session) -> Visitor:
    """Return an editor."""
    return make_visitor(session, "ed", Role.editor)


def suggest(
    session: Session,
    visitor: Visitor,
    exact: str,
    text: str,
    state: AnchorState = AnchorState.exact,
) -> str:
    """Store a suggested edit on the section on privileges."""
    section = session.scalars(
        select(Section).where(col(Section.anchor) == "privilege-model")
    ).one()
    session.add(
        Annotation(
            id="edit-1",
            motivation=Motivation.editing,
            reviewer_id=visitor.id,
            created_at=NOW,
            position=0,
            text=text,
            html="",
            document={},
        )
    )
    session.flush()
    session.add(
        Anchor(
            annotation_id="edit-1",
            revision_id=section.revision_id,
            section_id=section.id,
            state=state,
            method="original",
            score=1000,
            exact=exact,
            rivals=[],
            made_at=NOW,
        )
    )
    session.flush()
    return "edit-1"


def make(
    exact: str, text: str = "new", prefix: str = "", suffix: str = ""
) -> Suggestion:
    """Return a suggestion on the only section of `TEXT`."""
    return Suggestion(
        id="s",
        author="Ada",
        created_at=NOW,
        text=text,
        exact=exact,
        prefix=prefix,
        suffix=suffix,
        state=AnchorState.exact,
        anchor="t",
        number="",
        title="T",
        start=0,
        end=len(TEXT),
        outcome=None,
    )


def test_accepting_makes_the_next_revision(
    session: Session, editor: Visitor
) -> None:
    id_ = suggest(session, editor, WORDS, "As it may switch at run time")
    made = suggestions.accept(session, editor, id_)
    assert (made.number, made.source) == (2, RevisionSource.suggestion)
    text = revisions.read_markdown(session, made.id)
    assert "As it may switch at run time, the kernel's level" in text
    assert WORDS not in text
    outcome = suggestions.get_suggestion(session, id_).outcome
    assert outcome is not None
    assert (outcome.is_accepted, outcome.revision) == (True, 2)


def test_declining_says_why_and_changes_nothing(
    session: Session, editor: Visitor
) -> None:
    id_ = suggest(session, editor, WORDS, "x")
    suggestions.decline(session, editor, id_, "It says too little.")
    found = suggestions.list_suggestions(session)
    assert found[0].outcome is not None
    assert found[0].outcome.reason == "It says too little."
    assert revisions.get_newest(session).number == 1


def test_a_suggestion_is_answered_once(
    session: Session, editor: Visitor
) -> None:
    id_ = suggest(session, editor, WORDS, "x")
    suggestions.decline(session, editor, id_, "No.")
    with pytest.raises(ConflictError, match="was declined already"):
        suggestions.accept(session, editor, id_)


def test_a_passage_that_is_gone_is_not_replaced(
    session: Session, editor: Visitor
) -> None:
    id_ = suggest(session, editor, QUOTE, "x")
    with pytest.raises(ConflictError, match="is not there"):
        suggestions.accept(session, editor, id_)


def test_a_place_that_is_not_sure_is_not_replaced(
    session: Session, editor: Visitor
) -> None:
    id_ = suggest(session, editor, WORDS, "x", AnchorState.proposed)
    with pytest.raises(ConflictError, match="confirm its place"):
        suggestions.accept(session, editor, id_)


def test_there_is_no_other_suggestion(session: Session) -> None:
    with pytest.raises(NotFoundError):
        suggestions.get_suggestion(session, "nix")


def test_a_suggestion_that_was_deleted_waits_for_nobody(
    session: Session, editor: Visitor
) -> None:
    id_ = suggest(session, editor, WORDS, "x")
    assert [one.id for one in suggestions.list_suggestions(session)] == [id_]
    session.get_one(Annotation, id_).deleted_at = NOW
    session.flush()
    assert suggestions.list_suggestions(session) == []
    with pytest.raises(NotFoundError):
        suggestions.accept(session, editor, id_)


@pytest.mark.parametrize(
    ("exact", "made"),
    [
        ("Some code here", "new, and **bold words** twice."),
        ("code", "Some `new` here"),
        ("bold words", "**new** twice"),
        ("here,\nand", "Some `code` new **bold"),
    ],
)
def test_marks_and_white_space_are_no_hindrance(exact: str, made: str) -> None:
    assert made in apply_suggestion(TEXT, make(exact))


def test_what_stands_around_decides_between_two_places() -> None:
    two = TEXT.replace("Twice.", "Words twice.")
    whole = replace(make("twice."), end=len(two), prefix="\nWords ")
    assert apply_suggestion(two, whole).endswith("Words new\n")


def test_two_equal_places_are_a_conflict() -> None:
    two = TEXT + "\nTwice.\n"
    whole = replace(make("Twice."), end=len(two))
    with pytest.raises(ConflictError, match="is there 2 times"):
        apply_suggestion(two, whole)


def test_a_passage_that_parts_marks_is_a_conflict() -> None:
    with pytest.raises(ConflictError, match="parts a word from its marks"):
        apply_suggestion(TEXT, make("and bold"))

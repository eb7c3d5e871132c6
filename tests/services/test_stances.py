"""Stances: one for each reviewer and thread, and a post that says it."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.errors import (
    ForbiddenError,
    InvalidError,
    MalformedError,
    NotFoundError,
    ReviewError,
)
from app.models import Annotation, Entry, Role, Stance, StanceValue
from app.services import (
    annotation_changes,
    annotation_rows,
    annotations,
    stances,
    thread_rows,
)
from app.services.reviewers import Visitor
from app.services.windows import Window
from tests import factories
from tests.at_once import write_at_once

SLUG = "kleen-watchdog-nmi"


def _read_posts(session: Session) -> list[annotations.PostRow]:
    thread = thread_rows.get_thread(session, SLUG)
    return annotations.list_posts(session, thread.id)


def test_a_stance_is_a_post_that_assesses_the_thread(
    session: Session,
) -> None:
    ada = factories.make_visitor(session)
    taken = stances.take_stance(
        session, ada, SLUG, StanceValue.blocking, "Not *yet*."
    )
    assert (taken.reviewer, taken.value, taken.text, taken.version) == (
        "ada",
        StanceValue.blocking,
        "Not *yet*.",
        1,
    )
    post = _read_posts(session)[-1]
    assert (post.id, post.stance) == (taken.post, StanceValue.blocking)
    assert post.html == "<p>Not <em>yet</em>.</p>\n"
    document = session.get_one(Annotation, taken.post).document
    assert document["motivation"] == "assessing"
    assert document["review:stance"] == "blocking"
    assert document["target"] == f"/threads/{SLUG}"
    entry = session.scalars(select(Entry).order_by(col(Entry.seq))).all()[-1]
    assert (entry.type, entry.subject) == ("stance.taken", f"thread:{SLUG}")
    assert entry.data["was"] is None
    reply = annotations.reply(session, ada, SLUG, "Why?", taken.post)
    assert reply.parent == taken.post


def test_another_stance_stands_in_the_same_post(session: Session) -> None:
    ada = factories.make_visitor(session)
    first = stances.take_stance(session, ada, SLUG, StanceValue.working, "x")
    again = stances.take_stance(session, ada, SLUG, StanceValue.working, "x")
    assert again == first
    second = stances.take_stance(session, ada, SLUG, StanceValue.satisfied)
    assert (second.post, second.version, second.text) == (first.post, 2, "")
    assert stances.list_stances(session, SLUG) == [second]
    document = session.get_one(Annotation, first.post).document
    assert document["body"]["purpose"] == "classifying"


def test_who_deletes_the_post_has_no_stance_and_may_take_one(
    session: Session,
) -> None:
    ada = factories.make_visitor(session)
    first = stances.take_stance(session, ada, SLUG, StanceValue.working, "x")
    annotation_changes.delete_annotation(session, ada, first.post)
    assert stances.find_stance(session, SLUG, "ada") is None
    assert stances.list_stances(session, SLUG) == []
    with pytest.raises(NotFoundError):
        stances.withdraw_stance(session, ada, SLUG, "ada")
    second = stances.take_stance(session, ada, SLUG, StanceValue.working, "x")
    assert second.post != first.post
    assert session.scalar(select(func.count()).select_from(Stance)) == 1


def test_a_withdrawn_stance_leaves_neither_row_nor_words(
    session: Session,
) -> None:
    ada = factories.make_visitor(session)
    bob = factories.make_visitor(session, "bob")
    ed = factories.make_visitor(session, "ed", Role.editor)
    before = _read_posts(session)
    stances.take_stance(session, ada, SLUG, StanceValue.blocking, "No.")
    with pytest.raises(ForbiddenError):
        stances.withdraw_stance(session, bob, SLUG, "ada", reason="x")
    with pytest.raises(InvalidError):
        stances.withdraw_stance(session, ed, SLUG, "ada", reason=" ")
    stances.withdraw_stance(session, ed, SLUG, "ada", reason="left")
    assert session.scalar(select(func.count()).select_from(Stance)) == 0
    assert _read_posts(session) == before


def test_blocking_takes_words_and_a_thread(session: Session) -> None:
    ada = factories.make_visitor(session)
    with pytest.raises(InvalidError) as refusal:
        stances.take_stance(session, ada, SLUG, StanceValue.blocking, " ")
    assert refusal.value.faults[0].pointer == "/text"
    with pytest.raises(NotFoundError):
        stances.take_stance(session, ada, "none", StanceValue.satisfied)


def test_those_that_hold_a_thread_up_come_first(session: Session) -> None:
    for name, value in (
        ("ada", StanceValue.satisfied),
        ("bob", StanceValue.blocking),
        ("eve", StanceValue.working),
    ):
        visitor = factories.make_visitor(session, name)
        stances.take_stance(session, visitor, SLUG, value, "x")
    taken = stances.list_taken(_read_posts(session))
    assert [row.account for row in taken] == ["bob", "eve", "ada"]
    listed = stances.list_stances(session, SLUG)
    assert [row.reviewer for row in listed] == ["ada", "bob", "eve"]
    rest = stances.list_stances(
        session, SLUG, Window(above=listed[0].id, limit=1)
    )
    assert rest == listed[1:2]


def test_who_takes_two_stances_at_once_has_one(database: Database) -> None:
    with database.write() as session:
        ada = factories.make_visitor(session)
    write_at_once(
        database,
        *[
            lambda session, value=value: stances.take_stance(
                session, ada, SLUG, value, "x"
            )
            for value in (StanceValue.working, StanceValue.satisfied)
        ],
    )
    with database.read() as session:
        assert len(stances.list_stances(session, SLUG)) == 1
        assert session.scalar(select(func.count()).select_from(Stance)) == 1


def _post(session: Session, visitor: Visitor, **keys: object) -> str:
    document = {
        "@context": annotations.CONTEXT,
        "type": "Annotation",
        "motivation": "assessing",
        "target": f"/threads/{SLUG}",
        "body": {"type": "TextualBody", "value": "The window."},
        **keys,
    }
    return annotation_changes.create_annotation(session, visitor, document).id


def _list_types(session: Session) -> list[str]:
    return list(
        session.scalars(
            select(col(Entry.type))
            .where(col(Entry.type).startswith("stance."))
            .order_by(col(Entry.seq))
        )
    )


CLASSED = {
    "type": "TextualBody",
    "value": "working",
    "purpose": "classifying",
}


def test_a_stance_posted_as_an_annotation_is_taken(session: Session) -> None:
    ada = factories.make_visitor(session)
    first = _post(session, ada, **{"review:stance": "blocking"})
    taken = stances.get_stance(session, SLUG, "ada")
    assert (taken.post, taken.value) == (first, StanceValue.blocking)
    second = _post(session, ada, body=CLASSED)
    taken = stances.get_stance(session, SLUG, "ada")
    assert (taken.post, taken.value, taken.text) == (
        second,
        StanceValue.working,
        "",
    )
    assert [row.stance for row in _read_posts(session)[-2:]] == [
        None,
        StanceValue.working,
    ]
    # other words for the older post take nothing again
    annotation_changes.replace_text(session, ada, first, "There, the window.")
    assert stances.get_stance(session, SLUG, "ada").post == second
    assert _list_types(session) == ["stance.taken"] * 2


def test_a_post_that_drops_its_stance_withdraws_it(session: Session) -> None:
    ada = factories.make_visitor(session)
    first = stances.take_stance(session, ada, SLUG, StanceValue.working, "x")
    document = {**session.get_one(Annotation, first.post).document}
    stated = document.pop("review:stance")
    document["body"] = document["body"][0]
    annotation_changes.replace_annotation(session, ada, first.post, document)
    assert stances.find_stance(session, SLUG, "ada") is None
    annotation_changes.replace_annotation(
        session, ada, first.post, {**document, "review:stance": stated}
    )
    assert stances.get_stance(session, SLUG, "ada").post == first.post
    annotation_changes.delete_annotation(session, ada, first.post)
    assert session.scalar(select(func.count()).select_from(Stance)) == 0
    assert _list_types(session) == ["stance.taken", "stance.withdrawn"] * 2


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"review:stance": "maybe"}, MalformedError),
        ({"review:stance": ["working"]}, MalformedError),
        ({"review:stance": "blocking", "body": []}, InvalidError),
    ],
)
def test_a_stance_that_is_none_is_refused(
    session: Session, keys: dict[str, object], error: type[ReviewError]
) -> None:
    ada = factories.make_visitor(session)
    with pytest.raises(error):
        _post(session, ada, **keys)


def test_an_objection_may_block_as_it_is_raised(session: Session) -> None:
    ada = factories.make_visitor(session)
    blocking = {"review:stance": "blocking", "target": "/calls/VMI_Halt"}
    opener = _post(session, ada, **blocking)
    slug = annotation_rows.get_annotation(session, opener).thread
    assert slug is not None
    taken = stances.get_stance(session, slug, "ada")
    assert (taken.post, taken.is_opener) == (opener, True)
    # another stance is a post of its own, and what opened the thread stays
    second = stances.take_stance(session, ada, slug, StanceValue.satisfied)
    assert second.post != opener
    stances.withdraw_stance(session, ada, slug, "ada")
    again = _post(session, ada, **blocking)
    slug = annotation_rows.get_annotation(session, again).thread
    assert slug is not None
    stances.withdraw_stance(session, ada, slug, "ada")
    assert stances.find_stance(session, slug, "ada") is None
    assert annotation_rows.get_annotation(session, again).deleted_at is None
    # on a call alone, who is satisfied opens nothing
    content = {**blocking, "review:stance": "satisfied"}
    row = annotation_rows.get_annotation(
        session, _post(session, ada, **content)
    )
    assert row.thread is None


def test_other_words_for_a_stance_keep_it(session: Session) -> None:
    ada = factories.make_visitor(session)
    first = stances.take_stance(session, ada, SLUG, StanceValue.working, "x")
    annotation_changes.replace_text(session, ada, first.post, "y")
    taken = stances.get_stance(session, SLUG, "ada")
    assert (taken.value, taken.text) == (StanceValue.working, "y")
    assert session.scalar(select(col(Stance.text))) == "y"

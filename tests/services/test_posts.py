"""Posts: changed and deleted by their authors, deleted by editors."""

import pytest
from sqlalchemy.orm import Session

from app.errors import (
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    PreconditionError,
)
from app.models import Disposition, Role, Severity, ThreadKind
from app.services import (
    annotation_changes,
    annotations,
    decisions,
    posts,
    thread_rows,
    threads,
)
from app.services.annotations import PostRow
from app.services.decisions import NewDecision
from app.services.reviewers import Visitor
from app.services.threads import NewThread
from tests import factories

SLUG = "kleen-watchdog-nmi"


def _open_thread(session: Session, visitor: Visitor) -> tuple[str, PostRow]:
    new = NewThread(
        title="A window",
        kind=ThreadKind.objection,
        severity=Severity.concern,
        text="There is one.",
        calls=("VMI_Halt",),
    )
    slug = threads.open_thread(session, visitor, new)
    thread = thread_rows.get_thread(session, slug)
    opener = annotations.read_spoken(session, thread.id).opener
    assert opener is not None
    return slug, opener


def test_a_post_counts_its_texts(session: Session) -> None:
    ada = factories.make_visitor(session)
    post = annotations.reply(session, ada, SLUG, "first")
    changed = posts.change_post(
        session, ada, SLUG, post.id, "second", version=1
    )
    assert (changed.text, changed.version) == ("second", 2)
    assert changed.modified_at is not None
    assert posts.change_post(session, ada, SLUG, post.id, "second") == changed
    with pytest.raises(PreconditionError):
        posts.change_post(session, ada, SLUG, post.id, "third", version=1)
    with pytest.raises(PreconditionError):
        posts.remove_post(session, ada, SLUG, post.id, version=1)
    assert annotations.get_post(session, SLUG, post.id) == changed


def test_nobody_changes_another_and_editors_say_why(session: Session) -> None:
    ada = factories.make_visitor(session)
    bob = factories.make_visitor(session, "bob")
    ed = factories.make_visitor(session, "ed", Role.editor)
    post = annotations.reply(session, ada, SLUG, "mine")
    for other in (bob, ed):
        with pytest.raises(ForbiddenError):
            posts.change_post(session, other, SLUG, post.id, "yours")
    with pytest.raises(ForbiddenError):
        posts.remove_post(session, bob, SLUG, post.id, reason="x")
    with pytest.raises(InvalidError):
        posts.remove_post(session, ed, SLUG, post.id)
    posts.remove_post(session, ed, SLUG, post.id, reason="off topic")
    with pytest.raises(GoneError):
        posts.remove_post(session, ada, SLUG, post.id)
    with pytest.raises(GoneError):
        posts.change_post(session, ada, SLUG, post.id, "back")
    with pytest.raises(NotFoundError):
        posts.change_post(session, ada, "none", post.id, "x")


def test_what_came_by_mail_is_deleted_by_nobody(session: Session) -> None:
    ed = factories.make_visitor(session, "ed", Role.editor)
    thread = thread_rows.get_thread(session, SLUG)
    for post in annotations.list_posts(session, thread.id):
        with pytest.raises(ConflictError):
            posts.remove_post(session, ed, SLUG, post.id, reason="rude")
        with pytest.raises(ConflictError):
            annotation_changes.delete_annotation(
                session, ed, post.id, reason="rude"
            )


def test_a_thread_shows_what_its_opener_says_now(session: Session) -> None:
    ada = factories.make_visitor(session)
    slug, opener = _open_thread(session, ada)
    posts.change_post(session, ada, slug, opener.id, "There are *two*.")
    thread = thread_rows.get_thread(session, slug)
    assert thread.summary_html == "<p>There are <em>two</em>.</p>\n"
    posts.remove_post(session, ada, slug, opener.id)
    assert thread_rows.get_thread(session, slug).summary == ""


def test_what_opened_a_decided_thread_stays(session: Session) -> None:
    ada = factories.make_visitor(session)
    slug, opener = _open_thread(session, ada)
    new = NewDecision(disposition=Disposition.rejected, reason="No.")
    decisions.record_decision(session, ada, slug, new)
    with pytest.raises(ConflictError, match="decision 1"):
        posts.remove_post(session, ada, slug, opener.id)


def test_a_deleted_post_stays_while_an_answer_does(session: Session) -> None:
    ada = factories.make_visitor(session)
    first = annotations.reply(session, ada, SLUG, "first")
    second = annotations.reply(session, ada, SLUG, "second", first.id)
    third = annotations.reply(session, ada, SLUG, "third", second.id)
    thread = thread_rows.get_thread(session, SLUG)

    def list_last() -> list[tuple[str, bool]]:
        rows = annotations.list_posts(session, thread.id)
        ours = {first.id, second.id, third.id}
        return [(row.text, row.is_deleted) for row in rows if row.id in ours]

    posts.remove_post(session, ada, SLUG, first.id)
    posts.remove_post(session, ada, SLUG, second.id)
    assert list_last() == [("", True), ("", True), ("third", False)]
    posts.remove_post(session, ada, SLUG, third.id)
    assert list_last() == []
